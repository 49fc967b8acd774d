//! ModelRollout (`driftless.dev/v1alpha1`): how a new version of a served model takes traffic.

pub mod handover;
pub mod status;
pub mod strategy;
pub mod validation;

pub use status::ModelRolloutStatus;
pub use strategy::{BlueGreen, Canary, Step, Strategy};
pub use validation::{Problem, same_target, validate, validate_templates};

use std::collections::BTreeMap;

use crate::meta::{ListMeta, ObjectMeta};
use crate::object::object;
use crate::value::string_enum;

object! {
    /// How a new version of a target takes traffic. It lives in Git beside its target.
    ModelRollout {
        required {
            /// Metadata.
            metadata: ObjectMeta,
            /// What is wanted.
            spec: ModelRolloutSpec,
        }
        /// `driftless.dev/v1alpha1`.
        api_version: String,
        /// `ModelRollout`.
        kind: String,
        /// How far it is.
        status: Option<Box<ModelRolloutStatus>>,
    }
}

object! {
    /// A list of ModelRollouts.
    no_schema ModelRolloutList {
        required {
            /// Metadata of the list.
            metadata: ListMeta,
            /// The rollouts.
            items: Vec<ModelRollout>,
        }
        /// `driftless.dev/v1alpha1`.
        api_version: String,
        /// `ModelRolloutList`.
        kind: String,
    }
}

impl ModelRollout {
    /// Group of the kind.
    pub const GROUP: &'static str = "driftless.dev";
    /// Kind.
    pub const KIND: &'static str = "ModelRollout";
    /// Name in addresses.
    pub const PLURAL: &'static str = "modelrollouts";
}

object! {
    /// What is wanted: which target, by which steps, and what follows a failure.
    ModelRolloutSpec {
        /// The target, by name. Exactly one of `targetRef` and `selector` is set.
        target_ref: Option<TargetRef>,
        /// Targets of the same Application, by label; each takes its steps on its own.
        selector: Option<TargetSelector>,
        /// The steps.
        strategy: Strategy,
        /// What follows a failed step: `rollback` (default) or `hold`.
        on_failure: OnFailure,
        /// Seconds without progress after which a step has failed; 3600 when absent. Pauses do not count.
        progress_deadline_seconds: Option<i64>,
        /// Whether a version that failed or was aborted is not tried again; on when absent.
        quarantine: Option<Quarantine>,
        /// What to do when new pods do not fit beside the old ones.
        capacity: Option<Capacity>,
        /// Whether ConfigMaps and Secrets of the same Application that the pods use are copied for each version, so that a change
        /// of them is a new version; on when absent.
        versioned_inputs: Option<bool>,
        /// Stops before the next step, until it is false again.
        paused: bool,
        /// Number of decisions kept in the status; 20 when absent, at most 100.
        decision_history_limit: Option<i64>,
    }
}

string_enum! {
    /// What follows a failed step.
    OnFailure {
        /// Traffic goes back and the new version is removed.
        Rollback = "rollback",
        /// Everything stays as it is until a person decides.
        Hold = "hold",
    }
}

object! {
    /// Names one object in the rollout's namespace.
    TargetRef {
        required {
            /// Group and version.
            api_version: String,
            /// Kind.
            kind: String,
            /// Name.
            name: String,
        }
    }
}

object! {
    /// Chooses objects of one kind by label.
    TargetSelector {
        required {
            /// Group and version.
            api_version: String,
            /// Kind.
            kind: String,
        }
        /// Labels that must be there.
        match_labels: BTreeMap<String, String>,
        /// Conditions on labels, as in a Kubernetes selector.
        match_expressions: Vec<LabelExpression>,
    }
}

object! {
    /// A condition on a label.
    LabelExpression {
        required {
            /// Label.
            key: String,
            /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
            operator: String,
        }
        /// Values for `In` and `NotIn`.
        values: Vec<String>,
    }
}

object! {
    /// Whether a version that failed is not tried again.
    Quarantine {
        /// Off only when false.
        enabled: Option<bool>,
    }
}

object! {
    /// What to do when new pods do not fit beside the old ones (GPUs are scarce).
    Capacity {
        /// Checks before the start whether the pods fit; on when absent.
        check: Option<bool>,
        /// Allows old pods to stop before the new ones start when nothing else fits: the model does not serve meanwhile.
        allow_in_place: bool,
    }
}

impl ModelRolloutSpec {
    /// Says whether versions that failed are kept out.
    pub fn quarantines(&self) -> bool {
        self.quarantine
            .as_ref()
            .and_then(|quarantine| quarantine.enabled)
            .unwrap_or(true)
    }

    /// Returns kind and version of the targets, `apiVersion/Kind`.
    pub fn target_kind(&self) -> Option<(&str, &str)> {
        let by_name = self
            .target_ref
            .as_ref()
            .map(|target| (&target.api_version, &target.kind));
        let by_label = self
            .selector
            .as_ref()
            .map(|target| (&target.api_version, &target.kind));
        by_name
            .or(by_label)
            .map(|(version, kind)| (version.as_str(), kind.as_str()))
    }
}
