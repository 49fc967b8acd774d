//! The apply choke point: the only code that writes to clusters.
//!
//! Every write goes: resolve the kind → authorise → wait for a slot → check the fence → send →
//! type the refusal or feed the answer into the live state. Nothing else in the product sends
//! anything but reads.

mod client_side;
mod ctx;
mod migrate;
mod writer;

use std::sync::Arc;

use bytes::Bytes;

pub use ctx::{AllowAll, Authorise, Verb, WriteCtx, WriteRequest};
pub use writer::Writer;

use crate::live::{LiveObject, Uid};

/// The field manager of everything Driftless applies.
pub const FIELD_MANAGER: &str = "argocd-controller";

/// Whether a write is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DryRun {
    /// Stored.
    #[default]
    No,
    /// The API server goes through the motions (admission included) and stores nothing.
    Server,
}

/// What to do about fields that another manager owns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Conflicts {
    /// Take them over.
    #[default]
    Force,
    /// Fail with [`Error::Conflict`].
    Fail,
}

/// How unknown and duplicate fields are treated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Validation {
    /// They are errors.
    #[default]
    Strict,
    /// They are dropped (`Validate=false`).
    Ignore,
}

/// How an object is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ApplyMode {
    /// Server-side apply.
    #[default]
    ServerSide,
    /// Client-side apply, as `kubectl apply` does it (`ServerSideApply=false`): a three-way merge of what was applied
    /// last, what is desired and what is live.
    ClientSide,
    /// Create, or replace as a whole (`Replace=true`).
    Replace,
    /// Create; fails where the object exists (hooks with generated names).
    Create,
}

/// What to do when an immutable field changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnImmutable {
    /// Fail with [`Error::Invalid`].
    #[default]
    Fail,
    /// Delete, wait until gone and create (`Force=true`).
    Recreate,
}

/// Whether fields of earlier client-side applies are taken over first, so that those removed from
/// Git are removed from the object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Migration {
    /// Take over fields of `kubectl-client-side-apply`, of our own updates, and of these managers.
    TakeOver(Vec<String>),
    /// Leave them (`ClientSideApplyMigration=false`).
    Leave,
}

impl Default for Migration {
    fn default() -> Self {
        Self::TakeOver(Vec::new())
    }
}

/// Options of [`Writer::apply`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApplyOptions {
    /// Whether the write is stored.
    pub dry_run: DryRun,
    /// Fields of other managers.
    pub conflicts: Conflicts,
    /// Unknown fields.
    pub validation: Validation,
    /// Apply, replace or create.
    pub mode: ApplyMode,
    /// Immutable fields.
    pub on_immutable: OnImmutable,
    /// Client-side-applied objects.
    pub migration: Migration,
    /// Field manager.
    pub field_manager: &'static str,
}

impl Default for ApplyOptions {
    fn default() -> Self {
        Self {
            dry_run: DryRun::No,
            conflicts: Conflicts::Force,
            validation: Validation::Strict,
            mode: ApplyMode::ServerSide,
            on_immutable: OnImmutable::Fail,
            migration: Migration::default(),
            field_manager: FIELD_MANAGER,
        }
    }
}

/// What an apply did.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The object as the API server returned it; already in the live state unless a dry run.
    /// Its body is always kept here.
    pub object: Arc<LiveObject>,
    /// Whether the object was new.
    pub created: bool,
    /// kubectl's words: "configmap/x serverside-applied", "deployment.apps/x created".
    pub message: String,
}

/// How dependents of a deleted object are treated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Propagation {
    /// The object goes after its dependents.
    #[default]
    Foreground,
    /// Dependents go later.
    Background,
    /// Dependents stay.
    Orphan,
}

impl Propagation {
    /// Returns the API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Foreground => "Foreground",
            Self::Background => "Background",
            Self::Orphan => "Orphan",
        }
    }
}

/// What a deletion did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deleted {
    /// The object is gone.
    Gone,
    /// It was there and waits for finalizers or dependents.
    Terminating,
    /// It was not there.
    Absent,
}

/// Options of [`Writer::delete`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeleteOptions {
    /// Dependents.
    pub propagation: Propagation,
    /// Only if the object still is this one.
    pub uid: Option<Uid>,
    /// Whether the deletion is stored.
    pub dry_run: DryRun,
    /// Seconds the object gets to end; the kind's default where absent.
    pub grace_period: Option<u32>,
}

/// The format of a patch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PatchType {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Kubernetes strategic merge.
    Strategic,
}

/// Part of an object that is written apart from the rest.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Target {
    /// The object itself.
    #[default]
    Object,
    /// A subresource such as `status` or `scale`.
    Subresource(String),
}

/// A write's answer.
#[derive(Clone, Debug)]
pub struct Written {
    /// The object as the API server returned it, JSON.
    pub body: Bytes,
}
