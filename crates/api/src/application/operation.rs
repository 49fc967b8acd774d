//! A requested operation and the policy for trying again (argocd-contract §1.1: operation).

use super::source::Source;
use crate::object::object;

object! {
    /// A requested operation. Writing it to an Application starts it.
    Operation {
        /// What to sync.
        sync: Option<Box<SyncOperation>>,
        /// Who asked.
        initiated_by: Option<Initiator>,
        /// Free text.
        info: Vec<Info>,
        /// When to try again.
        retry: Option<Box<RetryStrategy>>,
    }
}

object! {
    /// Who asked for an operation.
    Initiator {
        /// User.
        username: String,
        /// Whether automation asked.
        automated: bool,
    }
}

object! {
    /// A name and a value to show.
    Info {
        required {
            /// Name.
            name: String,
            /// Value; an address becomes a link.
            value: String,
        }
    }
}

object! {
    /// What to sync and how.
    SyncOperation {
        /// Revision to sync to; the spec's when empty.
        revision: String,
        /// Revisions of each source, by position.
        revisions: Vec<String>,
        /// Deletes objects that are no longer in Git.
        prune: bool,
        /// Writes nothing.
        dry_run: bool,
        /// How to apply; with hooks when absent.
        sync_strategy: Option<Box<SyncStrategy>>,
        /// Limits the sync to these objects.
        resources: Vec<SyncOperationResource>,
        /// Source to use instead of the spec's (rollback).
        source: Option<Box<Source>>,
        /// Sources to use instead of the spec's (rollback).
        sources: Vec<Source>,
        /// Manifests to use instead of Git (local sync).
        manifests: Vec<String>,
        /// Sync options of this sync.
        sync_options: Vec<String>,
        /// How often self-heal has tried.
        #[serde(rename = "autoHealAttemptsCount")]
        auto_heal_attempts_count: i64,
    }
}

object! {
    /// How objects are applied.
    SyncStrategy {
        /// Applies without hooks.
        apply: Option<SyncStrategyApply>,
        /// Applies with hooks.
        hook: Option<SyncStrategyApply>,
    }
}

object! {
    /// Options of applying.
    SyncStrategyApply {
        /// Deletes and creates again what cannot be patched.
        force: bool,
    }
}

object! {
    /// One object that a sync is limited to.
    SyncOperationResource {
        required {
            /// Kind.
            kind: String,
            /// Name.
            name: String,
        }
        /// API group.
        group: String,
        /// Namespace; any when empty.
        namespace: String,
    }
}

object! {
    /// When to try a failed sync again.
    RetryStrategy {
        /// Number of retries; below zero without limit, absent none (automation: 5).
        limit: Option<i64>,
        /// How long to wait.
        backoff: Option<Backoff>,
        /// Resolves the revision again for each retry.
        refresh: bool,
    }
}

object! {
    /// How long to wait before a retry.
    Backoff {
        /// First wait: a Go duration, or seconds.
        duration: String,
        /// Growth with each retry.
        factor: Option<i64>,
        /// Longest wait: a Go duration, or seconds.
        max_duration: String,
    }
}

impl Operation {
    /// Says whether nothing may be written.
    pub fn is_dry_run(&self) -> bool {
        self.sync.as_ref().is_some_and(|sync| sync.dry_run)
    }

    /// Says whether automation asked for it.
    pub fn is_automated(&self) -> bool {
        self.initiated_by.as_ref().is_some_and(|by| by.automated)
    }
}

impl SyncOperation {
    /// Says whether hooks are left out: the strategy is `apply` or objects are selected.
    pub fn skips_hooks(&self) -> bool {
        self.is_apply_strategy() || !self.resources.is_empty()
    }

    /// Says whether the strategy is `apply`.
    pub fn is_apply_strategy(&self) -> bool {
        self.sync_strategy
            .as_ref()
            .is_some_and(|strategy| strategy.apply.is_some())
    }

    /// Says whether what cannot be patched is deleted and created again.
    pub fn is_force(&self) -> bool {
        self.sync_strategy.as_ref().is_some_and(|strategy| {
            strategy
                .apply
                .as_ref()
                .or(strategy.hook.as_ref())
                .is_some_and(|apply| apply.force)
        })
    }
}

impl SyncOperationResource {
    /// Says whether an object is the one named (`namespace` empty: in any namespace).
    pub fn matches(&self, group: &str, kind: &str, namespace: &str, name: &str) -> bool {
        self.group == group
            && self.kind == kind
            && self.name == name
            && (self.namespace.is_empty() || self.namespace == namespace)
    }
}
