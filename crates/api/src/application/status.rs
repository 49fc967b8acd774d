//! What is known about an Application (argocd-contract §1.1: status).

use driftless_core::ResourceKey;

use super::condition::Condition;
use super::hydrator::SourceHydratorStatus;
use super::operation::{Initiator, Operation};
use super::source::Source;
use super::sync_policy::ManagedNamespaceMetadata;
use super::{Destination, ResourceIgnoreDifferences};
use crate::object::object;
use crate::time::Time;
use crate::value::{Text, string_enum};

string_enum! {
    /// How the live state compares with Git.
    SyncStatusCode {
        /// Equal.
        Synced = "Synced",
        /// Different.
        OutOfSync = "OutOfSync",
        /// Not known.
        Unknown = "Unknown",
    }
}

string_enum! {
    /// How an object or Application is.
    HealthStatusCode {
        /// As it should be.
        Healthy = "Healthy",
        /// On its way.
        Progressing = "Progressing",
        /// Failed.
        Degraded = "Degraded",
        /// Paused or waiting to be started.
        Suspended = "Suspended",
        /// Not in the cluster.
        Missing = "Missing",
        /// Not known.
        Unknown = "Unknown",
    }
}

string_enum! {
    /// How far an operation, or a hook in it, is.
    OperationPhase {
        /// Under way.
        Running = "Running",
        /// Being stopped.
        Terminating = "Terminating",
        /// Ended: the cluster or a hook said no.
        Failed = "Failed",
        /// Ended: could not be carried out.
        Error = "Error",
        /// Ended well.
        Succeeded = "Succeeded",
    }
}

impl OperationPhase {
    /// Says whether the operation is over.
    pub fn is_completed(&self) -> bool {
        matches!(self, Self::Failed | Self::Error | Self::Succeeded)
    }

    /// Says whether the operation is over and did not succeed.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Failed | Self::Error)
    }
}

string_enum! {
    /// What became of one object in a sync.
    ResultCode {
        /// Applied.
        Synced = "Synced",
        /// Not applied.
        SyncFailed = "SyncFailed",
        /// Deleted.
        Pruned = "Pruned",
        /// Would have been deleted.
        PruneSkipped = "PruneSkipped",
    }
}

string_enum! {
    /// A phase of a sync, which is also a kind of hook.
    SyncPhase {
        /// Before.
        PreSync = "PreSync",
        /// During.
        Sync = "Sync",
        /// After.
        PostSync = "PostSync",
        /// After a failure.
        SyncFail = "SyncFail",
        /// Before the Application is deleted.
        PreDelete = "PreDelete",
        /// After the Application is deleted.
        PostDelete = "PostDelete",
        /// Never.
        Skip = "Skip",
    }
}

string_enum! {
    /// Which tool renders a source.
    SourceType {
        /// Helm.
        Helm = "Helm",
        /// Kustomize.
        Kustomize = "Kustomize",
        /// Plain directory or Jsonnet.
        Directory = "Directory",
        /// Config management plugin.
        Plugin = "Plugin",
    }
}

object! {
    /// What is known about an Application.
    Status {
        /// How the live state compares with Git.
        sync: Option<Box<SyncStatus>>,
        /// How the Application is.
        health: Option<HealthStatus>,
        /// The objects it manages, sorted by group, kind, namespace and name.
        resources: Vec<ResourceStatus>,
        /// Where the health of each object is: empty for `resources`, or `appTree`.
        resource_health_source: String,
        /// The latest operation.
        operation_state: Option<Box<OperationState>>,
        /// Syncs that succeeded, oldest first.
        history: Vec<RevisionHistory>,
        /// What a person should know, sorted.
        conditions: Vec<Condition>,
        /// Addresses and images.
        summary: Option<Box<Summary>>,
        /// Which tool renders the only source.
        source_type: SourceType,
        /// Which tool renders each source.
        source_types: Vec<SourceType>,
        /// When it was last compared with the newest revision.
        reconciled_at: Option<Time>,
        /// Deprecated.
        observed_at: Option<Time>,
        /// Namespace of the controller.
        controller_namespace: String,
        /// State of hydration.
        source_hydrator: Option<Box<SourceHydratorStatus>>,
    }
}

object! {
    /// How the live state compares with Git.
    SyncStatus {
        required {
            /// The verdict.
            status: SyncStatusCode,
        }
        /// What was compared.
        compared_to: Option<Box<ComparedTo>>,
        /// Revision that was compared.
        revision: String,
        /// Revision of each source that was compared.
        revisions: Vec<String>,
    }
}

object! {
    /// The parts of the spec that were compared.
    ComparedTo {
        required {
            /// Destination.
            destination: Destination,
        }
        /// The only source.
        source: Option<Box<Source>>,
        /// The sources.
        sources: Vec<Source>,
        /// Differences that were ignored.
        ignore_differences: Vec<ResourceIgnoreDifferences>,
    }
}

object! {
    /// How an object or Application is.
    HealthStatus {
        /// The verdict.
        status: HealthStatusCode,
        /// Why.
        message: String,
        /// When the verdict changed.
        last_transition_time: Option<Time>,
    }
}

object! {
    /// One managed object.
    ResourceStatus {
        /// API group.
        group: Text,
        /// API version.
        version: Text,
        /// Kind.
        kind: Text,
        /// Namespace.
        namespace: Text,
        /// Name.
        name: Text,
        /// How it compares with Git.
        status: SyncStatusCode,
        /// How it is, when health is kept here.
        health: Option<Box<HealthStatus>>,
        /// Whether it is a hook.
        hook: bool,
        /// Whether it is to be deleted.
        requires_pruning: bool,
        /// Whether somebody must confirm its deletion.
        requires_deletion_confirmation: bool,
        /// Sync wave.
        sync_wave: i64,
    }
}

object! {
    /// The latest operation and how far it is.
    OperationState {
        required {
            /// What was asked.
            operation: Box<Operation>,
            /// How far it is.
            phase: OperationPhase,
        }
        /// What happened.
        message: String,
        /// What became of each object.
        sync_result: Option<Box<SyncResult>>,
        /// When it began.
        started_at: Option<Time>,
        /// When it ended.
        finished_at: Option<Time>,
        /// How often it was tried again.
        retry_count: i64,
    }
}

object! {
    /// What a sync did.
    SyncResult {
        required {
            /// Revision that was synced.
            revision: String,
        }
        /// What became of each object.
        resources: Vec<ResourceResult>,
        /// Revision of each source that was synced.
        revisions: Vec<String>,
        /// The only source.
        source: Option<Box<Source>>,
        /// The sources.
        sources: Vec<Source>,
        /// Metadata the destination namespace was given.
        managed_namespace_metadata: Option<Box<ManagedNamespaceMetadata>>,
    }
}

object! {
    /// What became of one object in a sync.
    ResourceResult {
        required {
            /// API group.
            group: Text,
            /// API version.
            version: Text,
            /// Kind.
            kind: Text,
            /// Namespace.
            namespace: Text,
            /// Name.
            name: Text,
        }
        /// The result; absent until it is applied, and for hooks.
        status: ResultCode,
        /// What the API server said.
        message: Text,
        /// Kind of hook.
        hook_type: SyncPhase,
        /// How far the hook, or the object's way to health, is.
        hook_phase: OperationPhase,
        /// Phase in which it was applied.
        sync_phase: SyncPhase,
        /// Images it runs.
        images: Vec<String>,
    }
}

object! {
    /// One sync that succeeded.
    RevisionHistory {
        required {
            /// Number, growing by one.
            id: i64,
            /// When the sync ended.
            deployed_at: Option<Time>,
        }
        /// Revision.
        revision: String,
        /// Revision of each source.
        revisions: Vec<String>,
        /// The only source.
        source: Option<Box<Source>>,
        /// The sources.
        sources: Vec<Source>,
        /// When the sync began.
        deploy_started_at: Option<Time>,
        /// Who asked.
        initiated_by: Option<Initiator>,
    }
}

object! {
    /// Addresses and images of an Application.
    Summary {
        /// Addresses.
        #[serde(rename = "externalURLs")]
        external_urls: Vec<String>,
        /// Images.
        images: Vec<String>,
        /// Whether it manages Applications.
        is_app_of_apps: bool,
    }
}

impl ResourceStatus {
    /// Returns the identity of the object.
    pub fn key(&self) -> ResourceKey {
        ResourceKey {
            group: self.group.as_arc().clone(),
            kind: self.kind.as_arc().clone(),
            namespace: self.namespace.as_arc().clone(),
            name: self.name.as_arc().clone(),
        }
    }
}

impl ResourceResult {
    /// Returns the identity of the object.
    pub fn key(&self) -> ResourceKey {
        ResourceKey {
            group: self.group.as_arc().clone(),
            kind: self.kind.as_arc().clone(),
            namespace: self.namespace.as_arc().clone(),
            name: self.name.as_arc().clone(),
        }
    }
}

impl SyncStatus {
    /// Returns the revision of each source, one for a single source.
    pub fn effective_revisions(&self) -> Vec<&str> {
        if !self.revisions.is_empty() {
            self.revisions.iter().map(String::as_str).collect()
        } else if self.revision.is_empty() {
            Vec::new()
        } else {
            vec![&self.revision]
        }
    }
}
