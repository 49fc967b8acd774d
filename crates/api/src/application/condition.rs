//! What a person should know about an Application (argocd-contract §1.1: conditions).

use crate::object::object;
use crate::time::Time;
use crate::value::string_enum;

string_enum! {
    /// What a condition is about. Names that end in `Error` are errors, in `Warning` warnings.
    ConditionType {
        /// The Application cannot be deleted.
        DeletionError = "DeletionError",
        /// The spec is wrong.
        InvalidSpecError = "InvalidSpecError",
        /// Desired and live state cannot be compared.
        ComparisonError = "ComparisonError",
        /// Automated sync did not start or failed.
        SyncError = "SyncError",
        /// An error of the controller.
        UnknownError = "UnknownError",
        /// An object belongs to several Applications.
        SharedResourceWarning = "SharedResourceWarning",
        /// The source has an object twice.
        RepeatedResourceWarning = "RepeatedResourceWarning",
        /// The source has an object that settings exclude.
        ExcludedResourceWarning = "ExcludedResourceWarning",
        /// The namespace has objects that belong to no Application.
        OrphanedResourceWarning = "OrphanedResourceWarning",
        /// A revision is quarantined: automation does not deploy it again (Driftless).
        QuarantinedRevisionWarning = "QuarantinedRevisionWarning",
        /// A version of a model was rolled back and is not tried again (Driftless).
        QuarantinedVersionWarning = "QuarantinedVersionWarning",
        /// A prune above the budget waits for confirmation (Driftless).
        PruneBudgetWarning = "PruneBudgetWarning",
        /// A sync window holds automation back (Driftless).
        SyncWindowWarning = "SyncWindowWarning",
        /// Somebody suspended automation (Driftless).
        SuspendedWarning = "SuspendedWarning",
        /// What the Application depends on is not ready, or what depends on it is not gone (Driftless).
        DependencyWarning = "DependencyWarning",
        /// What the Application depends on can never be ready (Driftless).
        DependencyError = "DependencyError",
    }
}

impl ConditionType {
    /// Says whether it is an error.
    pub fn is_error(&self) -> bool {
        self.as_str().ends_with("Error")
    }
}

object! {
    /// What a person should know.
    Condition {
        required {
            /// What it is about.
            #[serde(rename = "type")]
            kind: ConditionType,
            /// The text.
            message: String,
        }
        /// Since when the text is this one.
        last_transition_time: Option<Time>,
    }
}

impl Condition {
    /// Builds a condition; [`merge`] sets its time.
    pub fn new(kind: ConditionType, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            ..Self::default()
        }
    }
}

/// Replaces the conditions of the `evaluated` types by `found`, keeps the others, keeps the time
/// of a condition whose text did not change, and sorts.
pub fn merge(
    conditions: &mut Vec<Condition>,
    evaluated: &[ConditionType],
    found: Vec<Condition>,
    now: Time,
) {
    let mut merged: Vec<Condition> = found
        .into_iter()
        .map(|mut new| {
            let since = conditions
                .iter()
                .find(|old| old.kind == new.kind && old.message == new.message)
                .and_then(|old| old.last_transition_time);
            new.last_transition_time = Some(since.unwrap_or(now));
            new
        })
        .collect();
    merged.extend(
        conditions
            .drain(..)
            .filter(|old| !evaluated.contains(&old.kind)),
    );
    merged.sort_by(|a, b| (a.kind.as_str(), &a.message).cmp(&(b.kind.as_str(), &b.message)));
    *conditions = merged;
}
