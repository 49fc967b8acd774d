//! One thing a sync does to one object.

use std::sync::Arc;

use driftless_core::{GroupVersionKind, ResourceKey};
use driftless_manifest::Object;

use crate::annotation::{DeletePolicy, HookType};
use crate::sync::option::{Guard, Propagation};

/// Phase of a sync, in order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Phase {
    /// Hooks before.
    PreSync,
    /// The objects.
    Sync,
    /// Hooks after.
    PostSync,
    /// Hooks when it failed.
    SyncFail,
}

impl Phase {
    /// Returns the word used in status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreSync => "PreSync",
            Self::Sync => "Sync",
            Self::PostSync => "PostSync",
            Self::SyncFail => "SyncFail",
        }
    }

    /// Reads the word used in status.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "PreSync" => Self::PreSync,
            "Sync" => Self::Sync,
            "PostSync" => Self::PostSync,
            "SyncFail" => Self::SyncFail,
            _ => return None,
        })
    }

    /// Returns the phase in which a hook of this type runs; deletion hooks and `Skip` have none.
    pub fn of_hook(hook: HookType) -> Option<Self> {
        Some(match hook {
            HookType::PreSync => Self::PreSync,
            HookType::Sync => Self::Sync,
            HookType::PostSync => Self::PostSync,
            HookType::SyncFail => Self::SyncFail,
            HookType::PreDelete | HookType::PostDelete | HookType::Skip => return None,
        })
    }
}

/// Names a task of one plan by its position.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TaskId(pub usize);

/// Names a task across plans of the same operation: an object in a phase.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TaskKey {
    /// The object.
    pub object: ResourceKey,
    /// The phase.
    pub phase: Phase,
}

/// How an object is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// Server-side apply, taking over conflicting fields.
    ServerSideApply,
    /// Client-side apply: `ServerSideApply=false`, or `Validate=false` without a word on the method.
    ClientSideApply,
    /// Create, or replace as a whole. CustomResourceDefinitions and Namespaces are updated, never deleted.
    Replace,
}

/// How to write an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Write {
    /// The way.
    pub method: Method,
    /// Delete and create anew where it cannot be updated.
    pub force: bool,
    /// Let the API server check unknown fields.
    pub validate: bool,
    /// Take over the fields of client-side apply's managers.
    pub migrate_client_side: bool,
}

/// What is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Create the destination namespace, or set its managed metadata.
    CreateNamespace,
    /// Write the target.
    Apply(Write),
    /// Delete the live object.
    Prune {
        /// How deletion reaches dependents.
        propagation: Propagation,
        /// Whether it may be deleted.
        guard: Guard,
        /// Whether the operation prunes at all.
        enabled: bool,
    },
}

/// The ModelRollout that moves an object from one version to the next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Governor {
    /// The rollout.
    pub rollout: ResourceKey,
    /// Names the version that is desired: what serves.
    pub version: String,
    /// Names the whole desired object.
    pub object: String,
}

/// One thing a sync does to one object.
#[derive(Clone, Debug)]
pub struct Task {
    /// When.
    pub phase: Phase,
    /// When, within the phase.
    pub wave: i32,
    /// What.
    pub action: Action,
    /// The object.
    pub key: ResourceKey,
    /// Its kind, with the version of the target (of the live object for a prune).
    pub gvk: GroupVersionKind,
    /// The hook type when it is a hook.
    pub hook: Option<HookType>,
    /// When the hook's object is deleted.
    pub delete_policies: Vec<DeletePolicy>,
    /// The object to write; for a hook with its final name, finalizer and operation id.
    pub target: Option<Arc<Object>>,
    /// The live object, when there is one at planning time.
    pub live: Option<Arc<Object>>,
    /// The target equals the live object.
    pub in_sync: bool,
    /// The kind or the namespace does not exist yet, so that a dry run could only fail.
    pub skip_dry_run: bool,
    /// What moves the object from version to version, where that is not the sync itself.
    pub governor: Option<Governor>,
    /// Why it must not be written, for the user.
    pub refusal: Option<String>,
}

impl Task {
    /// Returns the name of the task across plans of the same operation.
    pub fn task_key(&self) -> TaskKey {
        TaskKey {
            object: self.key.clone(),
            phase: self.phase,
        }
    }

    /// Says whether the task deletes an extra object.
    pub fn is_prune(&self) -> bool {
        matches!(self.action, Action::Prune { .. })
    }

    /// Says whether the task is a hook.
    pub fn is_hook(&self) -> bool {
        self.hook.is_some()
    }

    /// Says whether the hook's object is deleted under `policy`.
    pub fn deletes_on(&self, policy: DeletePolicy) -> bool {
        self.is_hook() && self.delete_policies.contains(&policy)
    }

    /// Returns `group/kind/name`, as messages name objects.
    pub fn label(&self) -> String {
        format!("{}/{}/{}", self.key.group, self.key.kind, self.key.name)
    }
}
