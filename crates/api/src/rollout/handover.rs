//! How a sync hands a new version of a target to its rollout, and how people give a rollout commands.
//!
//! The two components meet in Kubernetes objects. A sync that would change a target which a ModelRollout governs stores
//! the desired object in a ControllerRevision (`apps/v1`, Kubernetes' own kind for versions of an object) beside the
//! rollout and names it in the annotation [`WANTED`]. Nothing else of the target is written by the sync until the
//! rollout has ended there; an object that is not in the cluster is created, and named as well. The stored object carries
//! the marks of its Application: whoever makes other objects of it takes them off, and what is written to the target itself
//! is applied with the sync's own field manager, so that the comparison finds what it expects. The rollout's answer is in `status.targets[]`: a version is handed over as soon as
//! [`WANTED`] names it, it serves when `stableVersion` names it, and it is not tried again while `quarantined` names it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// On a ModelRollout: what Git asks for, JSON of [`Wanted`].
pub const WANTED: &str = "driftless.dev/wanted";
/// On a ModelRollout: what a person asks for, JSON of [`Command`]; removed when it was carried out.
pub const COMMAND: &str = "driftless.dev/rollout-command";
/// On a ControllerRevision: name of the rollout.
pub const ROLLOUT_LABEL: &str = "driftless.dev/rollout";
/// On a ControllerRevision: name of the target.
pub const TARGET_LABEL: &str = "driftless.dev/target";
/// Key of the stored object in a ControllerRevision's `data`.
pub const OBJECT: &str = "object";

/// What Git asks for, by name of the target.
pub type Wanted = BTreeMap<String, WantedVersion>;

/// A version of one target.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WantedVersion {
    /// The version: a digest of what serves in the desired object, ten characters.
    pub version: String,
    /// A digest of the whole desired object: it changes with what is not part of the version, too.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub object: String,
    /// Name of the ControllerRevision that holds the object.
    pub controller_revision: String,
    /// Commit or chart version that it comes from, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub revision: String,
}

/// What a person asks for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// Unique; a command is carried out once.
    pub id: String,
    /// What.
    pub verb: CommandVerb,
    /// Which target; all of them when empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// Who.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}

/// What a person may ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CommandVerb {
    /// Stops before the next step.
    Pause,
    /// Goes on from a pause, an open analysis or a held failure.
    Promote,
    /// Skips what is left of the steps.
    PromoteFull,
    /// Goes back.
    Abort,
    /// Tries again.
    Retry,
}

/// Returns the name of the ControllerRevision that holds a version of a target.
pub fn controller_revision_name(target: &str, version: &str) -> String {
    // A name has 253 characters at most; the version tells two of them apart.
    let kept: String = target.chars().take(240).collect();
    format!("{kept}-{version}")
}
