//! How far a rollout is, for people and for the controller.

use std::collections::BTreeMap;

use crate::object::object;
use crate::time::Time;
use crate::value::RawObject;

object! {
    /// How far a rollout is.
    ModelRolloutStatus {
        /// Generation of the spec that this describes.
        observed_generation: i64,
        /// `Healthy`, `Waiting`, `Progressing`, `Paused`, `Held`, `RollingBack`, `Degraded` or `Invalid`.
        phase: String,
        /// One sentence: what it does or waits for.
        message: String,
        /// Targets, one by one.
        targets: Vec<TargetStatus>,
        /// Conditions.
        conditions: Vec<RolloutCondition>,
    }
}

object! {
    /// How far one target is.
    TargetStatus {
        required {
            /// Name of the target.
            name: String,
        }
        /// As the rollout's phase.
        phase: String,
        /// One sentence.
        message: String,
        /// Version that serves.
        stable_version: String,
        /// Version that is on its way.
        canary_version: String,
        /// Step at work, counted from 0.
        current_step_index: Option<i64>,
        /// Number of steps.
        steps: i64,
        /// Share of traffic that the new version has in the live route.
        weight: Option<i64>,
        /// Versions that are not tried again.
        quarantined: Vec<Quarantined>,
        /// The last decisions, oldest first.
        decisions: Vec<DecisionRecord>,
        /// What the controller needs to go on after a restart.
        state: Option<RawObject>,
    }
}

object! {
    /// A version that is not tried again.
    Quarantined {
        required {
            /// Version.
            version: String,
        }
        /// Why.
        reason: String,
        /// Since when.
        at: Option<Time>,
    }
}

object! {
    /// One decision with what it rests on.
    DecisionRecord {
        /// Number, growing.
        sequence: i64,
        /// When.
        at: Option<Time>,
        /// Stable name of the reason.
        reason: String,
        /// One sentence.
        message: String,
        /// What it rests on.
        inputs: BTreeMap<String, String>,
    }
}

object! {
    /// A condition.
    RolloutCondition {
        required {
            /// Type.
            r#type: String,
            /// `True`, `False` or `Unknown`.
            status: String,
        }
        /// Stable name of the reason.
        reason: String,
        /// Sentence.
        message: String,
        /// Since when.
        last_transition_time: Option<Time>,
    }
}
