//! On whose behalf a write happens: authorisation, fence, identity.

use std::sync::Arc;

use driftless_core::{AppKey, GroupVersionKind, ProjectName, ResourceKey};

use crate::lease::Fence;
use crate::transport::Impersonate;

/// What a write does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Verb {
    /// Server-side apply, create or replace.
    Apply,
    /// A patch of an existing object.
    Patch,
    /// Deletion.
    Delete,
    /// Creation of the destination namespace.
    CreateNamespace,
}

/// One write, as the authorisation sees it.
#[derive(Clone, Copy, Debug)]
pub struct WriteRequest<'a> {
    /// What is done.
    pub verb: Verb,
    /// Kind, at the version that is written.
    pub gvk: &'a GroupVersionKind,
    /// The object.
    pub key: &'a ResourceKey,
    /// Whether nothing is stored.
    pub dry_run: bool,
    /// Address of the cluster.
    pub cluster: &'a driftless_core::ClusterUrl,
}

/// Decides whether a write may happen. Asked for every object and verb, deletions, hooks and
/// dry runs included, before anything is sent.
pub trait Authorise: Send + Sync {
    /// Returns the reason for a refusal in the user's words, such as
    /// "resource apps:Deployment is not permitted in project p".
    fn authorise(&self, request: &WriteRequest<'_>) -> Result<(), String>;
}

/// Allows everything: for the control plane's own objects.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

impl Authorise for AllowAll {
    fn authorise(&self, _request: &WriteRequest<'_>) -> Result<(), String> {
        Ok(())
    }
}

/// On whose behalf writes happen. Cheap to clone.
#[derive(Clone)]
pub struct WriteCtx {
    /// Asked before each write.
    pub authorise: Arc<dyn Authorise>,
    /// Checked right before each write is sent.
    pub fence: Fence,
    /// Act as this identity on the cluster.
    pub impersonate: Option<Impersonate>,
    /// The app on whose behalf, for metrics and logs.
    pub app: Option<AppKey>,
    /// The app's project, for metrics.
    pub project: Option<ProjectName>,
}

impl WriteCtx {
    /// Writes of the control plane itself.
    pub fn internal(fence: Fence) -> Self {
        Self {
            authorise: Arc::new(AllowAll),
            fence,
            impersonate: None,
            app: None,
            project: None,
        }
    }
}
