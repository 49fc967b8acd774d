//! The Application: what to deploy, where, and how it is (argocd-contract §1.1).

pub mod condition;
pub mod hydrator;
pub mod operation;
pub mod retry;
pub mod source;
pub mod status;
pub mod sync_policy;

use std::borrow::Cow;

use driftless_core::AppKey;

pub use condition::{Condition, ConditionType};
pub use hydrator::SourceHydrator;
pub use operation::{
    Backoff, Info, Initiator, Operation, RetryStrategy, SyncOperation, SyncOperationResource,
};
pub use source::{Helm, Kustomize, Source};
pub use status::{
    ComparedTo, HealthStatus, HealthStatusCode, OperationPhase, OperationState, ResourceResult,
    ResourceStatus, ResultCode, RevisionHistory, SourceType, Status, Summary, SyncPhase,
    SyncResult, SyncStatus, SyncStatusCode,
};
pub use sync_policy::{Automated, ManagedNamespaceMetadata, SyncPolicy};

use crate::meta::{ListMeta, ObjectMeta};
use crate::object::object;

/// How many syncs are remembered when the spec does not say.
pub const DEFAULT_REVISION_HISTORY_LIMIT: usize = 10;

object! {
    /// An Application. `status` is a plain field: there is no status subresource.
    Application {
        required {
            /// Metadata.
            metadata: ObjectMeta,
            /// What to deploy and where.
            spec: Spec,
        }
        /// `argoproj.io/v1alpha1`.
        api_version: String,
        /// `Application`.
        kind: String,
        /// What is known about it.
        status: Option<Box<Status>>,
        /// A requested operation; set back when it ends.
        operation: Option<Box<Operation>>,
    }
}

object! {
    /// What to deploy and where.
    Spec {
        required {
            /// Cluster and namespace.
            destination: Destination,
        }
        /// Project; `default` when empty.
        project: String,
        /// The only source.
        source: Option<Box<Source>>,
        /// Several sources, merged; wins over `source`.
        sources: Vec<Source>,
        /// Rendering into Git; wins over both.
        source_hydrator: Option<Box<SourceHydrator>>,
        /// When and how to sync; by hand when absent.
        sync_policy: Option<Box<SyncPolicy>>,
        /// Differences to ignore.
        ignore_differences: Vec<ResourceIgnoreDifferences>,
        /// Free text to show.
        info: Vec<Info>,
        /// How many syncs to remember; 10 when absent.
        revision_history_limit: Option<i64>,
    }
}

object! {
    /// Cluster, by address or by name, and namespace.
    Destination {
        /// Address of the API server.
        server: String,
        /// Name of the cluster.
        name: String,
        /// Namespace for objects that name none.
        namespace: String,
    }
}

object! {
    /// Which fields of which objects to ignore when comparing.
    ResourceIgnoreDifferences {
        required {
            /// Kind.
            kind: String,
        }
        /// API group.
        group: String,
        /// Name.
        name: String,
        /// Namespace.
        namespace: String,
        /// Fields, as JSON pointers.
        json_pointers: Vec<String>,
        /// Fields, as jq path expressions.
        jq_path_expressions: Vec<String>,
        /// Fields that these managers own.
        managed_fields_managers: Vec<String>,
    }
}

object! {
    /// A list of Applications.
    no_schema ApplicationList {
        required {
            /// `argoproj.io/v1alpha1`.
            api_version: String,
            /// `ApplicationList`.
            kind: String,
            /// Metadata of the list.
            metadata: ListMeta,
            /// Applications.
            items: Vec<Application>,
        }
    }
}

impl Application {
    /// API group and version.
    pub const API_VERSION: &str = "argoproj.io/v1alpha1";
    /// Kind.
    pub const KIND: &str = "Application";
    /// Plural name in addresses.
    pub const PLURAL: &str = "applications";

    /// Returns namespace and name.
    pub fn key(&self) -> AppKey {
        AppKey::new(
            self.metadata.namespace.as_str(),
            self.metadata.name.as_str(),
        )
    }

    /// Returns the latest operation.
    pub fn operation_state(&self) -> Option<&OperationState> {
        self.status.as_ref()?.operation_state.as_deref()
    }

    /// Returns how the live state compares with Git; `Unknown` before the first comparison.
    pub fn sync_status(&self) -> &SyncStatusCode {
        self.status
            .as_ref()
            .and_then(|status| status.sync.as_ref())
            .map(|sync| &sync.status)
            .filter(|code| !code.is_unset())
            .unwrap_or(&SyncStatusCode::Unknown)
    }

    /// Returns how the Application is; `Unknown` before the first comparison.
    pub fn health_status(&self) -> &HealthStatusCode {
        self.status
            .as_ref()
            .and_then(|status| status.health.as_ref())
            .map(|health| &health.status)
            .filter(|code| !code.is_unset())
            .unwrap_or(&HealthStatusCode::Unknown)
    }
}

impl Spec {
    /// Returns the project, `default` when none is named.
    pub fn project(&self) -> &str {
        if self.project.is_empty() {
            "default"
        } else {
            &self.project
        }
    }

    /// Returns the sources in effect: the hydrator's sync source, else `sources`, else `source`.
    pub fn effective_sources(&self) -> Cow<'_, [Source]> {
        if let Some(hydrator) = &self.source_hydrator {
            Cow::Owned(vec![hydrator.to_sync_source()])
        } else if !self.sources.is_empty() {
            Cow::Borrowed(&self.sources)
        } else {
            Cow::Borrowed(self.source.as_deref().map_or(&[], std::slice::from_ref))
        }
    }

    /// Says whether there are several sources (even if only one is listed).
    pub fn is_multi_source(&self) -> bool {
        self.source_hydrator.is_none() && !self.sources.is_empty()
    }

    /// Returns the automation in effect, unless it is switched off.
    pub fn automated(&self) -> Option<&Automated> {
        self.sync_policy
            .as_ref()?
            .automated
            .as_ref()
            .filter(|automated| automated.is_enabled())
    }

    /// Returns the sync options of the Application.
    pub fn sync_options(&self) -> &[String] {
        self.sync_policy
            .as_ref()
            .map_or(&[], |policy| &policy.sync_options)
    }

    /// Returns how many syncs are remembered.
    pub fn history_limit(&self) -> usize {
        self.revision_history_limit
            .map_or(DEFAULT_REVISION_HISTORY_LIMIT, |limit| {
                usize::try_from(limit).unwrap_or(0)
            })
    }

    /// Returns the parts of the spec that a comparison is about.
    pub fn to_compared(&self) -> ComparedTo {
        let multi = self.is_multi_source();
        let mut sources = self.effective_sources().into_owned();
        ComparedTo {
            destination: self.destination.clone(),
            source: (!multi && !sources.is_empty()).then(|| Box::new(sources.swap_remove(0))),
            sources: if multi { sources } else { Vec::new() },
            ignore_differences: self.ignore_differences.clone(),
            ..ComparedTo::default()
        }
    }
}
