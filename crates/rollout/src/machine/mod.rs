//! The state machine of one target: (plan, state, observation, time) to (state, actions, decisions).
//!
//! It is level-based: each call looks at what is there and asks for what is missing, so that a crash at any point, a
//! lost write or a hand on the route are met by the next call. What cannot be seen is kept in [`State`]: the step, the
//! traffic there was before, analyses at work, versions kept out.
//!
//! Rules:
//! - Pods come before traffic; a version without ready pods gets none. When the new version loses all its pods, its
//!   traffic goes back until they return; the fourth time it has failed.
//! - A step counts when the live route says so.
//! - A newer version replaces one on its way: traffic goes back first, then the newer one begins. The stable version asked
//!   for again (a revert) ends the rollout without quarantine.
//! - When the steps change on the way, the version begins again at the first one.
//! - What cannot be read leads to waiting, never to an action.

mod command;
mod restore;
mod settle;
mod step;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::fit::Verdict;
use crate::judge::Run;
use crate::plan::{Plan, Traffic};
use crate::value::Value;

/// One version with its pods.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Track {
    /// The version: a digest of what serves.
    pub version: String,
    /// Pods asked for.
    pub replicas: u32,
    /// Pods that are ready behind its route.
    pub ready: u32,
}

/// Requests that were sent to warm a version up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Warmed {
    /// The version.
    pub version: String,
    /// Requests answered, well or not.
    pub sent: u32,
    /// Requests answered well.
    pub succeeded: u32,
}

/// What was seen of a target.
#[derive(Clone, PartialEq, Debug)]
pub struct Observed {
    /// Why nothing may be done: it could not be read, or an older rollout has the same target.
    pub blocked: Option<String>,
    /// The version that Git asks for; `None` when the target is deleted.
    pub wanted: Option<String>,
    /// The full number of pods.
    pub replicas: u32,
    /// The version that serves.
    pub stable: Option<Track>,
    /// The version beside it, as far as a rollout made it: one that Git itself names is not reported here.
    pub canary: Option<Track>,
    /// The live route, or why it could not be read.
    pub traffic: Result<Traffic, String>,
    /// Whether the new pods fit; `None` while that is not known.
    pub fit: Option<Verdict>,
    /// Requests sent for a warm-up.
    pub warmed: Option<Warmed>,
}

/// What a person asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Stops before the next step.
    Pause,
    /// Goes on: ends a pause, or takes responsibility for an open analysis or a held failure.
    Promote,
    /// Skips what is left of the steps.
    PromoteFull,
    /// Goes back.
    Abort,
    /// Tries a version, or the step that failed, again.
    Retry,
}

/// A request of a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// What.
    pub verb: Verb,
    /// Who.
    pub by: String,
}

/// Which analysis a measurement belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Which {
    /// The one beside the steps.
    Background,
    /// The one of a step.
    Step(usize),
}

/// The answer to [`Action::Measure`].
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    /// Its analysis.
    pub of: Which,
    /// The version it is about; an answer about another one is passed over.
    pub version: String,
    /// The metric.
    pub metric: String,
    /// When it was measured.
    pub at: Timestamp,
    /// The value, or why there is none.
    pub value: Result<Value, String>,
}

/// What to do. Each can be repeated without harm; an action that failed is asked for again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Runs a version beside the stable one, with so many pods and without traffic of its own.
    ScaleCanary {
        /// The version.
        version: String,
        /// Pods.
        replicas: u32,
    },
    /// Sets the number of pods of the stable version.
    ScaleStable {
        /// Pods.
        replicas: u32,
    },
    /// Writes the route.
    SetTraffic(Traffic),
    /// Sends requests to the new version.
    Warm {
        /// The version.
        version: String,
        /// How many are left.
        requests: u32,
    },
    /// Measures a metric.
    Measure {
        /// Its analysis.
        of: Which,
        /// The metric.
        metric: String,
    },
    /// Makes a version the stable one as it runs: its pods are not restarted, the old ones go.
    Promote {
        /// The version.
        version: String,
    },
    /// Removes the version beside the stable one.
    RemoveCanary,
}

/// Why something was decided, or what is waited for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "the names are the reasons that users see, and docs/rollouts.md explains them"
)]
pub enum Reason {
    Aborted,
    AnalysisFailed,
    AnalysisInconclusive,
    AnalysisRunning,
    Approved,
    Blocked,
    CanaryLeft,
    CanaryLostPods,
    CanaryNotReady,
    CapacityHold,
    CapacityUnknown,
    Cleaning,
    FirstVersion,
    Held,
    Healthy,
    NothingToDo,
    OldVersionKept,
    Paused,
    PausedByUser,
    ProgressDeadlineExceeded,
    Promoted,
    PromotedFully,
    Promoting,
    Quarantined,
    Restoring,
    Resumed,
    Retried,
    Reverted,
    RouteUnreadable,
    StableNotReady,
    Started,
    StepCompleted,
    StepsChanged,
    Superseded,
    TargetDeleted,
    TargetMissing,
    TrafficChangedOutside,
    TrafficMoved,
    TrafficMoving,
    TrafficRestored,
    WaitingForApproval,
    WarmingUp,
    WarmupFailed,
}

impl Reason {
    /// Returns the stable name.
    pub fn as_str(self) -> String {
        format!("{self:?}")
    }
}

/// A decision with what it rests on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Decision {
    /// Number, growing.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
    /// One sentence.
    pub message: String,
    /// What was seen.
    pub inputs: BTreeMap<String, String>,
}

/// A version that is kept out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Quarantined {
    /// The version.
    pub version: String,
    /// Why.
    pub why: String,
    /// Since when.
    pub at: Timestamp,
}

/// How pods of both versions share the nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Mode {
    /// All new pods run beside the old ones.
    Surge,
    /// So many run beside them; old ones stop as traffic leaves them.
    Partial(u32),
    /// Old ones stop first.
    InPlace,
}

/// A version on its way.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Transition {
    /// The version.
    pub version: String,
    /// The version it replaces.
    pub stable: String,
    /// Traffic before it began.
    pub baseline: Traffic,
    /// The full number of pods.
    pub full: u32,
    /// How pods share the nodes.
    pub mode: Mode,
    /// Step at work; the number of steps when they are done.
    pub index: usize,
    /// Since when.
    pub since: Timestamp,
    progressed: Timestamp,
    /// It stands by intention, and the progress deadline does not count until it moves again. A time that grows with each
    /// look would have to be stored at each look.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    rests: bool,
    fingerprint: u64,
    run: Option<Run>,
    background: Option<Run>,
    background_off: bool,
    /// The live route was seen as the step wants it.
    verified: bool,
    ready_seen: u32,
    lost: u32,
    released: bool,
    /// Why an analysis is open.
    open: Option<String>,
    complete_since: Option<Timestamp>,
    /// Requests of the warm-up at work that were answered, and answered well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmed: Option<(u32, u32)>,
}

impl Transition {
    /// Returns the analyses at work: the one beside the steps, and the step's own.
    pub fn runs(&self) -> Vec<(Which, &Run)> {
        let background = self.background.as_ref();
        let step = self.run.as_ref();
        let background = background.map(|run| (Which::Background, run));
        let step = step.map(|run| (Which::Step(self.index), run));
        background.into_iter().chain(step).collect()
    }
}

/// How a transition ends without success.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Ending {
    /// A step failed.
    Failed(String),
    /// A person aborted.
    Aborted(String),
    /// A newer version is asked for.
    Superseded,
    /// The stable version is asked for again.
    Reverted,
}

/// Where a target is.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub enum Stage {
    /// Nothing is on its way.
    #[default]
    Idle,
    /// A version is to begin.
    Waiting {
        /// The version.
        version: String,
    },
    /// A version is on its way.
    Stepping(Box<Transition>),
    /// A step failed, and a person decides.
    Held {
        /// Where it stopped.
        transition: Box<Transition>,
        /// Why.
        why: String,
    },
    /// Traffic goes back, then the new version's pods go.
    Restoring {
        /// What is undone.
        transition: Box<Transition>,
        /// Why.
        ending: Ending,
        /// Since when.
        since: Timestamp,
        /// When traffic was back.
        restored: Option<Timestamp>,
    },
    /// A version failed or was aborted; the stable one serves.
    Aborted {
        /// The version.
        version: String,
    },
}

/// All that is remembered of a target.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// Where it is.
    pub stage: Stage,
    /// Who paused it.
    pub paused: Option<String>,
    /// Versions kept out, oldest first.
    pub quarantined: Vec<Quarantined>,
    /// The last decisions, oldest first.
    pub decisions: Vec<Decision>,
    /// Number of decisions so far.
    pub sequence: u64,
    /// What is waited for.
    pub waiting: Option<(Reason, String)>,
}

/// Versions kept out at most; the oldest is forgotten first.
const MOST_QUARANTINED: usize = 10;

impl State {
    /// Returns the word for a status.
    pub fn phase(&self) -> &'static str {
        match &self.stage {
            Stage::Idle => "Healthy",
            Stage::Waiting { .. } => "Waiting",
            Stage::Stepping(transition) if transition.open.is_some() => "Paused",
            Stage::Stepping(_) => match self.waiting {
                Some((Reason::Paused | Reason::PausedByUser | Reason::WaitingForApproval, _)) => {
                    "Paused"
                }
                _ => "Progressing",
            },
            Stage::Held { .. } => "Held",
            Stage::Restoring { .. } => "RollingBack",
            Stage::Aborted { .. } => "Degraded",
        }
    }

    /// Returns the version on its way.
    pub fn transition(&self) -> Option<&Transition> {
        match &self.stage {
            Stage::Stepping(transition)
            | Stage::Held { transition, .. }
            | Stage::Restoring { transition, .. } => Some(transition),
            _ => None,
        }
    }

    /// Says whether a version is kept out.
    pub fn is_quarantined(&self, version: &str) -> bool {
        self.quarantined
            .iter()
            .any(|entry| entry.version == version)
    }
}

/// What a call gives.
#[derive(Clone, PartialEq, Debug)]
pub struct Outcome {
    /// What to store.
    pub state: State,
    /// What to do, in this order.
    pub actions: Vec<Action>,
    /// What was decided in this call.
    pub decisions: Vec<Decision>,
    /// When to call again at the latest, unless something changes before.
    pub wake: Option<Timestamp>,
    /// Analyses as they stood when the measurements of this call were in, those that ended with it included.
    pub judged: Vec<(Which, Run)>,
}

/// What a call rests on.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// What was seen.
    pub observed: &'a Observed,
    /// What people asked for, oldest first.
    pub commands: &'a [Command],
    /// Measurements.
    pub answers: &'a [Answer],
    /// The time.
    pub now: Timestamp,
}

/// Decides what is next.
pub fn advance(plan: &Plan, state: State, input: Input<'_>) -> Outcome {
    let mut machine = Machine {
        plan,
        observed: input.observed,
        now: input.now,
        state,
        actions: Vec::new(),
        decisions: Vec::new(),
        wake: None,
        waiting: None,
        judged: Vec::new(),
    };
    for answer in input.answers {
        machine.answer(answer);
    }
    let runs = machine.state.transition().map(Transition::runs);
    let runs = runs.into_iter().flatten();
    machine.judged = runs.map(|(of, run)| (of, run.clone())).collect();
    for command in input.commands {
        machine.command(command);
    }
    machine.run();
    machine.finish()
}

/// Stages that follow each other in one call at most: more would be a circle.
const MOST_STAGES: usize = 64;

struct Machine<'a> {
    plan: &'a Plan,
    observed: &'a Observed,
    now: Timestamp,
    state: State,
    actions: Vec<Action>,
    decisions: Vec<Decision>,
    wake: Option<Timestamp>,
    waiting: Option<(Reason, String)>,
    judged: Vec<(Which, Run)>,
}

/// Whether a stage has more to do in this call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Again,
    Enough,
}

impl Machine<'_> {
    fn run(&mut self) {
        for _ in 0..MOST_STAGES {
            if let Some(why) = &self.observed.blocked {
                self.wait(Reason::Blocked, why.clone());
                return;
            }
            let flow = match std::mem::take(&mut self.state.stage) {
                Stage::Idle => self.idle(),
                Stage::Waiting { version } => self.waiting_stage(version),
                Stage::Stepping(transition) => self.stepping(transition),
                Stage::Held { transition, why } => self.held(transition, why),
                Stage::Restoring {
                    transition,
                    ending,
                    since,
                    restored,
                } => self.restoring(transition, ending, since, restored),
                Stage::Aborted { version } => self.aborted(version),
            };
            if flow == Flow::Enough {
                return;
            }
        }
        // More is left for the next call, at once.
        self.wake_at(self.now);
    }

    fn finish(mut self) -> Outcome {
        let waiting = self.waiting.take();
        let is_new = |known: &(Reason, String)| {
            Some(known.0) != self.state.waiting.as_ref().map(|old| old.0)
        };
        if let Some((reason, message)) = waiting.clone().filter(is_new)
            && !matches!(
                reason,
                Reason::Healthy
                    | Reason::TrafficMoving
                    | Reason::AnalysisRunning
                    | Reason::Restoring
            )
        {
            self.decide(reason, message);
        }
        self.state.waiting = waiting;
        let excess = self
            .state
            .decisions
            .len()
            .saturating_sub(self.plan.decisions_kept);
        self.state.decisions.drain(..excess);
        Outcome {
            state: self.state,
            actions: self.actions,
            decisions: self.decisions,
            wake: self.wake,
            judged: self.judged,
        }
    }

    fn wait(&mut self, reason: Reason, message: impl Into<String>) {
        self.waiting = Some((reason, message.into()));
    }

    fn wake_at(&mut self, at: Timestamp) {
        self.wake = Some(self.wake.map_or(at, |known| known.min(at)));
    }

    fn decide(&mut self, reason: Reason, message: impl Into<String>) {
        let mut inputs = BTreeMap::new();
        let mut put = |name: &str, value: String| inputs.insert(name.to_owned(), value);
        let observed = self.observed;
        match &observed.traffic {
            Ok(traffic) => put("weight", traffic.canary.to_string()),
            Err(why) => put("weight", format!("unknown: {why}")),
        };
        for (name, track) in [("stable", &observed.stable), ("canary", &observed.canary)] {
            if let Some(track) = track {
                put(
                    name,
                    format!("{} {}/{}", track.version, track.ready, track.replicas),
                );
            }
        }
        if let Some(wanted) = &observed.wanted {
            put("wanted", wanted.clone());
        }
        self.state.sequence += 1;
        let decision = Decision {
            sequence: self.state.sequence,
            at: self.now,
            reason,
            message: message.into(),
            inputs,
        };
        self.decisions.push(decision.clone());
        self.state.decisions.push(decision);
    }

    fn idle(&mut self) -> Flow {
        let observed = self.observed;
        let Some(wanted) = &observed.wanted else {
            // It may take more than one call until it is gone.
            if observed.canary.is_some() {
                self.actions.push(Action::RemoveCanary);
            }
            let known = &self.state.decisions;
            if known.iter().all(|one| one.reason == Reason::TargetMissing) {
                let text = "the target is not there yet: a sync of its application makes it";
                self.wait(Reason::TargetMissing, text);
            } else {
                self.wait(Reason::TargetDeleted, "the target is not there");
            }
            return Flow::Enough;
        };
        match &observed.stable {
            None if self.state.is_quarantined(wanted) => {
                self.state.stage = Stage::Aborted {
                    version: wanted.clone(),
                };
                Flow::Again
            }
            None => {
                // Nothing serves yet: there is nothing to compare with and nobody to protect.
                self.actions.push(Action::Promote {
                    version: wanted.clone(),
                });
                self.wait(
                    Reason::FirstVersion,
                    format!("{wanted} is the first version: it takes all traffic"),
                );
                Flow::Enough
            }
            Some(stable) if stable.version == *wanted => {
                self.sweep();
                self.wait(Reason::Healthy, format!("{wanted} serves"));
                Flow::Enough
            }
            Some(_) if self.state.is_quarantined(wanted) => {
                self.state.stage = Stage::Aborted {
                    version: wanted.clone(),
                };
                Flow::Again
            }
            Some(_) => {
                self.state.stage = Stage::Waiting {
                    version: wanted.clone(),
                };
                Flow::Again
            }
        }
    }

    /// Removes a version beside the stable one that nothing is known of: the process died before it could note it.
    fn sweep(&mut self) {
        let (Some(_), Ok(traffic)) = (&self.observed.canary, &self.observed.traffic) else {
            return;
        };
        if !traffic.uses_canary() {
            self.actions.push(Action::RemoveCanary);
        } else if self
            .observed
            .stable
            .as_ref()
            .is_some_and(|stable| stable.ready > 0)
        {
            self.actions.push(Action::SetTraffic(Traffic::default()));
        }
    }

    fn aborted(&mut self, version: String) -> Flow {
        if self.observed.wanted.as_deref() != Some(version.as_str()) {
            return Flow::Again;
        }
        if self
            .observed
            .stable
            .as_ref()
            .is_some_and(|stable| stable.version == version)
        {
            // Somebody made it the stable version by hand.
            self.state
                .quarantined
                .retain(|entry| entry.version != version);
            return Flow::Again;
        }
        self.sweep();
        let known = self
            .state
            .quarantined
            .iter()
            .find(|entry| entry.version == version);
        let why = known
            .map_or("it was aborted", |entry| entry.why.as_str())
            .to_owned();
        self.wait(
            Reason::Quarantined,
            format!("{version} is not tried again: {why}"),
        );
        self.state.stage = Stage::Aborted { version };
        Flow::Enough
    }

    fn waiting_stage(&mut self, version: String) -> Flow {
        let observed = self.observed;
        let stable = match (&observed.wanted, &observed.stable) {
            (Some(wanted), Some(stable)) if *wanted == version && stable.version != version => {
                stable
            }
            _ => return Flow::Again,
        };
        let (reason, message) = match self.start(&version, &stable.version) {
            Ok(transition) => {
                let mode = transition.mode;
                self.state.stage = Stage::Stepping(Box::new(transition));
                let how = match mode {
                    Mode::Surge => "new pods run beside the old ones".to_owned(),
                    Mode::Partial(pods) => format!(
                        "{pods} new pods fit beside the old ones, which stop as traffic leaves them"
                    ),
                    Mode::InPlace => {
                        "old pods stop before new ones start: the model does not serve meanwhile"
                            .to_owned()
                    }
                };
                let message = format!("{version} begins to replace {}: {how}", stable.version);
                self.decide(Reason::Started, message);
                return Flow::Again;
            }
            Err(why) => why,
        };
        self.wait(reason, message);
        self.state.stage = Stage::Waiting { version };
        Flow::Enough
    }

    fn start(&self, version: &str, stable: &str) -> Result<Transition, (Reason, String)> {
        if let Some(by) = self.paused_by() {
            return Err((
                Reason::PausedByUser,
                format!("paused by {by} before {version} begins"),
            ));
        }
        let traffic = match &self.observed.traffic {
            Ok(traffic) => traffic,
            Err(why) => {
                return Err((
                    Reason::RouteUnreadable,
                    format!("the route could not be read: {why}"),
                ));
            }
        };
        let full = self.full();
        let mode = match &self.observed.fit {
            None => {
                return Err((
                    Reason::CapacityUnknown,
                    "it is not known yet whether the new pods fit".into(),
                ));
            }
            Some(Verdict::Surge) => Mode::Surge,
            Some(Verdict::Partial { pods, .. }) if self.fits_partly(*pods, full) => {
                Mode::Partial(*pods)
            }
            Some(Verdict::InPlace { .. } | Verdict::Partial { .. }) if self.plan.allow_in_place => {
                Mode::InPlace
            }
            Some(Verdict::InPlace { reason }) => {
                let message = format!(
                    "{reason}; they would fit in place of the old ones: allowInPlace permits that"
                );
                return Err((Reason::CapacityHold, message));
            }
            Some(Verdict::Partial { pods, reason }) => {
                let message = format!(
                    "{reason}; the steps need more than {pods} pods before traffic leaves the old ones"
                );
                return Err((Reason::CapacityHold, message));
            }
            Some(Verdict::Hold { reason }) => return Err((Reason::CapacityHold, reason.clone())),
        };
        // A route that sends anything to a version beside the stable one is left over from a lost state.
        let baseline = if traffic.uses_canary() {
            Traffic::default()
        } else {
            Traffic {
                moving: false,
                ..traffic.clone()
            }
        };
        Ok(Transition {
            version: version.to_owned(),
            stable: stable.to_owned(),
            baseline,
            full,
            mode,
            index: 0,
            since: self.now,
            progressed: self.now,
            rests: false,
            fingerprint: self.plan.fingerprint(),
            run: None,
            background: None,
            background_off: false,
            verified: false,
            ready_seen: 0,
            lost: 0,
            released: false,
            open: None,
            complete_since: None,
            warmed: None,
        })
    }

    /// Says whether each step's pods fit when so many run beside those that the stable version still needs.
    fn fits_partly(&self, beside: u32, full: u32) -> bool {
        beside > 0
            && (0..=self.plan.steps.len()).all(|index| {
                let left = 100 - self.plan.traffic_at(index).canary;
                let old = (full * left).div_ceil(100);
                self.plan.replicas_at(index, full) <= beside + full.saturating_sub(old)
            })
    }

    /// Returns the full number of pods, within what makes sense.
    fn full(&self) -> u32 {
        self.observed.replicas.clamp(1, 1_000_000)
    }

    fn paused_by(&self) -> Option<String> {
        let by_spec = self.plan.paused.then(|| "the spec".to_owned());
        self.state.paused.clone().or(by_spec)
    }

    fn later(&self, from: Timestamp, length: SignedDuration) -> Timestamp {
        from.saturating_add(length).unwrap_or(Timestamp::MAX)
    }

    /// Ends a step that failed, as the plan says.
    fn fail(&mut self, transition: Box<Transition>, reason: Reason, message: String) -> Flow {
        self.decide(reason, message.clone());
        match self.plan.on_failure {
            crate::plan::OnFailure::Hold => {
                self.state.stage = Stage::Held {
                    transition,
                    why: message,
                };
            }
            crate::plan::OnFailure::Rollback => {
                self.quarantine(&transition.version, &message);
                self.undo(transition, Ending::Failed(message));
            }
        }
        Flow::Again
    }

    fn undo(&mut self, transition: Box<Transition>, ending: Ending) {
        self.state.stage = Stage::Restoring {
            transition,
            ending,
            since: self.now,
            restored: None,
        };
    }

    fn quarantine(&mut self, version: &str, why: &str) {
        if !self.plan.quarantine {
            return;
        }
        self.state
            .quarantined
            .retain(|entry| entry.version != version);
        self.state.quarantined.push(Quarantined {
            version: version.to_owned(),
            why: why.to_owned(),
            at: self.now,
        });
        let excess = self
            .state
            .quarantined
            .len()
            .saturating_sub(MOST_QUARANTINED);
        self.state.quarantined.drain(..excess);
    }
}
