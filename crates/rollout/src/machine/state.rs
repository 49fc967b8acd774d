//! What the machine keeps, sees and says: everything a rollout must remember is here.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::fit::Verdict;
use crate::judge::Run;
use crate::plan::Traffic;
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
    pub(super) progressed: Timestamp,
    /// It stands by intention, and the progress deadline does not count until it moves again. A time that grows with each
    /// look would have to be stored at each look.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) rests: bool,
    pub(super) fingerprint: u64,
    pub(super) run: Option<Run>,
    pub(super) background: Option<Run>,
    pub(super) background_off: bool,
    /// The live route was seen as the step wants it.
    pub(super) verified: bool,
    pub(super) ready_seen: u32,
    pub(super) lost: u32,
    pub(super) released: bool,
    /// Why an analysis is open.
    pub(super) open: Option<String>,
    pub(super) complete_since: Option<Timestamp>,
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
