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
mod state;
mod step;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::fit::Verdict;
use crate::judge::Run;
use crate::plan::{Plan, Traffic};

pub use self::state::{
    Action, Answer, Command, Decision, Ending, Mode, Observed, Quarantined, Reason, Stage, State,
    Track, Transition, Verb, Warmed, Which,
};

/// Versions kept out at most; the oldest is forgotten first.
const MOST_QUARANTINED: usize = 10;

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
