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
        /// Version that Git asks for, as it was handed over; a quarantined one stays here.
        wanted_version: String,
        /// Stable name of what is waited for, such as `WaitingForApproval`; empty when nothing is.
        waiting_for: String,
        /// Who stopped it by hand.
        paused_by: String,
        /// What the steps ask for, one sentence each, in order: `Set weight to 10 %`.
        step_titles: Vec<String>,
        /// When the step at work began.
        step_since: Option<Time>,
        /// Pods of the stable version.
        stable_pods: Option<Pods>,
        /// Pods of the new version.
        canary_pods: Option<Pods>,
        /// Whether the new pods fit, and why not.
        fit: String,
        /// Metrics of the analyses at work, or of the last ones.
        metrics: Vec<MetricStatus>,
        /// Versions that are not tried again.
        quarantined: Vec<Quarantined>,
        /// The last decisions, oldest first.
        decisions: Vec<DecisionRecord>,
        /// Identifier of the last command that was carried out.
        last_command: String,
        /// What the controller needs to go on after a restart.
        state: Option<RawObject>,
    }
}

object! {
    /// Pods of one version.
    Pods {
        /// Asked for.
        desired: i64,
        /// Ready.
        ready: i64,
    }
}

object! {
    /// How far one metric of an analysis is.
    MetricStatus {
        required {
            /// Name of the metric.
            name: String,
        }
        /// `background`, or `step` with its number counted from 0: `step 2`.
        analysis: String,
        /// `Pending`, `Running`, `Successful`, `Failed`, `Inconclusive` or `Error`.
        phase: String,
        /// One sentence: why.
        message: String,
        /// Whether it is only looked at.
        dry_run: bool,
        /// The condition of success, or what is compared, as text.
        success: String,
        /// The condition of failure, as text.
        failure: String,
        /// The number that the conditions compare with, when there is one: a line in a chart.
        threshold: Option<f64>,
        /// The last measurements, oldest first; at most 60.
        measurements: Vec<MeasurementStatus>,
    }
}

object! {
    /// One measurement.
    MeasurementStatus {
        /// When.
        at: Option<Time>,
        /// `Successful`, `Failed`, `Inconclusive` or `Error`.
        phase: String,
        /// What was measured of the new version; absent when it is no number.
        value: Option<f64>,
        /// The same of the stable version, for metrics that compare.
        stable: Option<f64>,
        /// The value as text, or why there is none.
        text: String,
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
