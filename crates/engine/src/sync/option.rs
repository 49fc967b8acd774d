//! Sync options: what an application asks for, and what a single object asks for.

use jiff::{SignedDuration, Timestamp};

use crate::annotation::words;
use crate::prune::Budget;

/// Whether something may be deleted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Guard {
    /// It may.
    #[default]
    Allowed,
    /// Somebody must confirm it.
    Confirm,
    /// It may not.
    Never,
}

impl Guard {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "true" => Some(Self::Allowed),
            "false" => Some(Self::Never),
            "confirm" => Some(Self::Confirm),
            _ => None,
        }
    }
}

/// How deletion reaches an object's dependents.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Propagation {
    /// Dependents first.
    #[default]
    Foreground,
    /// Dependents later.
    Background,
    /// Dependents stay.
    Orphan,
}

impl Propagation {
    /// Reads the option's value.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "foreground" => Some(Self::Foreground),
            "background" => Some(Self::Background),
            "orphan" => Some(Self::Orphan),
            _ => None,
        }
    }

    /// Returns the word the Kubernetes API uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Foreground => "Foreground",
            Self::Background => "Background",
            Self::Orphan => "Orphan",
        }
    }
}

/// Options of one object (`argocd.argoproj.io/sync-options`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own in the annotation"
)]
pub struct ResourceOptions {
    /// Whether a sync may prune it.
    pub prune: Guard,
    /// Whether deletion of the application may delete it.
    pub delete: Guard,
    /// `Validate=false`: apply without schema validation.
    pub skip_validation: bool,
    /// Skip the dry run while the kind is not known.
    pub skip_dry_run_on_missing: bool,
    /// Prune after everything else.
    pub prune_last: bool,
    /// Replace instead of apply.
    pub replace: bool,
    /// Delete and create anew where it cannot be updated.
    pub force: bool,
    /// Server-side apply, where the object says so.
    pub server_side_apply: Option<bool>,
}

impl ResourceOptions {
    /// Reads the annotation's value; words that mean nothing come back.
    pub fn parse(text: &str) -> (Self, Vec<String>) {
        let mut options = Self::default();
        let mut unknown = Vec::new();
        for word in words(text) {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            let flag = value == "true";
            match (key.trim(), value.trim()) {
                ("Prune", value) if Guard::parse(value).is_some() => {
                    options.prune = Guard::parse(value).unwrap_or_default();
                }
                ("Delete", value) if Guard::parse(value).is_some() => {
                    options.delete = Guard::parse(value).unwrap_or_default();
                }
                ("Validate", "true" | "false") => options.skip_validation = !flag,
                ("SkipDryRunOnMissingResource", "true" | "false") => {
                    options.skip_dry_run_on_missing = flag;
                }
                ("PruneLast", "true" | "false") => options.prune_last = flag,
                ("Replace", "true" | "false") => options.replace = flag,
                ("Force", "true" | "false") => options.force = flag,
                ("ServerSideApply", "true" | "false") => options.server_side_apply = Some(flag),
                // Words of the application's list are accepted here without effect.
                ("ApplyOutOfSyncOnly", "true" | "false") => {}
                _ => unknown.push(word.to_owned()),
            }
        }
        (options, unknown)
    }

    /// Combines the options of a target and of its live object: either may ask for the riskier way of
    /// writing, and the stricter guard holds.
    pub fn or(self, other: Self) -> Self {
        Self {
            prune: self.prune.max(other.prune),
            delete: self.delete.max(other.delete),
            skip_validation: self.skip_validation || other.skip_validation,
            skip_dry_run_on_missing: self.skip_dry_run_on_missing || other.skip_dry_run_on_missing,
            prune_last: self.prune_last || other.prune_last,
            replace: self.replace || other.replace,
            force: self.force || other.force,
            server_side_apply: self.server_side_apply.or(other.server_side_apply),
        }
    }
}

/// Options of an application (`spec.syncPolicy.syncOptions`, `operation.sync.syncOptions`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own in the list"
)]
pub struct AppOptions {
    /// Whether a sync may prune.
    pub prune: Guard,
    /// Whether deletion of the application may delete.
    pub delete: Guard,
    /// Apply without schema validation.
    pub skip_validation: bool,
    /// Skip the dry run while a kind is not known.
    pub skip_dry_run_on_missing: bool,
    /// Prune after everything else.
    pub prune_last: bool,
    /// Replace instead of apply.
    pub replace: bool,
    /// Server-side apply, where the application says so.
    pub server_side_apply: Option<bool>,
    /// Take over the fields of client-side apply's managers.
    pub client_side_apply_migration: bool,
    /// Apply only what is out of sync.
    pub apply_out_of_sync_only: bool,
    /// How pruning reaches dependents.
    pub prune_propagation: Propagation,
    /// Fail where another application tracks an object.
    pub fail_on_shared_resource: bool,
    /// Leave ignored differences as they are live.
    pub respect_ignore_differences: bool,
    /// Create the destination namespace.
    pub create_namespace: bool,
}

impl Default for AppOptions {
    fn default() -> Self {
        Self {
            prune: Guard::Allowed,
            delete: Guard::Allowed,
            skip_validation: false,
            skip_dry_run_on_missing: false,
            prune_last: false,
            replace: false,
            server_side_apply: None,
            client_side_apply_migration: true,
            apply_out_of_sync_only: false,
            prune_propagation: Propagation::Foreground,
            fail_on_shared_resource: false,
            respect_ignore_differences: false,
            create_namespace: false,
        }
    }
}

impl AppOptions {
    /// Reads a list of `Key=value`; later entries win, words that mean nothing come back.
    pub fn parse<'a>(list: impl IntoIterator<Item = &'a str>) -> (Self, Vec<String>) {
        let mut options = Self::default();
        let mut unknown = Vec::new();
        for word in list {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            if !options.set(key.trim(), value.trim()) {
                unknown.push(word.to_owned());
            }
        }
        (options, unknown)
    }

    /// Sets one option; `false` when it means nothing.
    fn set(&mut self, key: &str, value: &str) -> bool {
        match key {
            "Prune" => return assign(&mut self.prune, Guard::parse(value)),
            "Delete" => return assign(&mut self.delete, Guard::parse(value)),
            "PrunePropagationPolicy" => {
                return assign(&mut self.prune_propagation, Propagation::parse(value));
            }
            _ => {}
        }
        let flag = match value {
            "true" => true,
            "false" => false,
            _ => return false,
        };
        match key {
            "Validate" => self.skip_validation = !flag,
            "SkipDryRunOnMissingResource" => self.skip_dry_run_on_missing = flag,
            "PruneLast" => self.prune_last = flag,
            "Replace" => self.replace = flag,
            "ServerSideApply" => self.server_side_apply = Some(flag),
            "ClientSideApplyMigration" => self.client_side_apply_migration = flag,
            "ApplyOutOfSyncOnly" => self.apply_out_of_sync_only = flag,
            "FailOnSharedResource" => self.fail_on_shared_resource = flag,
            "RespectIgnoreDifferences" => self.respect_ignore_differences = flag,
            "CreateNamespace" => self.create_namespace = flag,
            _ => return false,
        }
        true
    }
}

fn assign<T>(slot: &mut T, value: Option<T>) -> bool {
    value.map(|value| *slot = value).is_some()
}

/// How objects are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Strategy {
    /// Hooks run.
    #[default]
    Hook,
    /// Objects only.
    Apply,
}

/// One entry of a selective sync; empty namespace matches any.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Selector {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace, empty for any.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Selector {
    /// Says whether `key` is meant.
    pub fn matches(&self, key: &driftless_core::ResourceKey) -> bool {
        *self.group == *key.group
            && *self.kind == *key.kind
            && *self.name == *key.name
            && (self.namespace.is_empty() || *self.namespace == *key.namespace)
    }
}

/// Longest times a sync waits. `None` waits until it is terminated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// When the whole operation, retries included, must be over.
    pub operation: Option<Timestamp>,
    /// How long one hook may run.
    pub hook: Option<SignedDuration>,
    /// How long one wave may take to become healthy.
    pub wave: Option<SignedDuration>,
}

/// What one sync operation is asked to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// The application's options, with those of the operation over them.
    pub app: AppOptions,
    /// Delete extra objects.
    pub prune: bool,
    /// Change nothing.
    pub dry_run: bool,
    /// Delete and create anew what cannot be updated (`syncStrategy.*.force`).
    pub force: bool,
    /// Whether hooks run.
    pub strategy: Strategy,
    /// Only these objects; empty for all.
    pub selected: Vec<Selector>,
    /// Revision, for the names of hooks.
    pub revision: String,
    /// When the operation started.
    pub started_at: Timestamp,
    /// Names this operation on the hooks it creates, so that a resumed operation knows its own. Empty
    /// switches that off.
    pub operation_id: String,
    /// When somebody last confirmed deletions (`argocd.argoproj.io/deletion-approved`).
    pub deletion_approved: Option<Timestamp>,
    /// How much may be pruned without confirmation.
    pub prune_budget: Budget,
    /// Live objects the application manages, for the budget.
    pub managed: u64,
    /// Waves among which prunes are mirrored, in order: those of [`super::Plan::prune_waves`] when the operation began.
    /// Empty while it begins. Kept for the whole operation, since what is pruned already would be missing among them.
    pub prune_waves: Vec<i32>,
    /// Pause between waves.
    pub wave_delay: SignedDuration,
    /// Longest waits.
    pub limits: Limits,
}

impl Options {
    /// Returns the options of a plain sync.
    pub fn new(started_at: Timestamp) -> Self {
        Self {
            app: AppOptions::default(),
            prune: false,
            dry_run: false,
            force: false,
            strategy: Strategy::default(),
            selected: Vec::new(),
            revision: String::new(),
            started_at,
            operation_id: String::new(),
            deletion_approved: None,
            prune_budget: Budget::default(),
            managed: 0,
            prune_waves: Vec::new(),
            wave_delay: SignedDuration::from_secs(2),
            limits: Limits::default(),
        }
    }

    /// Says whether deletions were confirmed for this operation.
    pub fn deletion_confirmed(&self) -> bool {
        // Timestamps of objects have whole seconds; a confirmation in the same second counts.
        self.deletion_approved
            .is_some_and(|at| at.as_second() >= self.started_at.as_second())
    }

    /// Says whether hooks run.
    pub fn runs_hooks(&self) -> bool {
        self.strategy == Strategy::Hook && self.selected.is_empty()
    }

    /// Says whether `key` takes part.
    pub fn selects(&self, key: &driftless_core::ResourceKey) -> bool {
        self.selected.is_empty() || self.selected.iter().any(|selector| selector.matches(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objects_options_are_read() {
        let (options, unknown) = ResourceOptions::parse(
            "Prune=confirm, Delete=false,Validate=false,SkipDryRunOnMissingResource=true,PruneLast=true,\
             Replace=true,Force=true,ServerSideApply=false,Prune=maybe,What",
        );
        assert_eq!(
            (options.prune, options.delete),
            (Guard::Confirm, Guard::Never)
        );
        assert!(options.skip_validation && options.skip_dry_run_on_missing && options.prune_last);
        assert!(options.replace && options.force);
        assert_eq!(options.server_side_apply, Some(false));
        assert_eq!(unknown, ["Prune=maybe", "What"]);
    }

    #[test]
    fn an_applications_options_are_read() {
        let list = [
            "CreateNamespace=true",
            "PrunePropagationPolicy=orphan",
            "ClientSideApplyMigration=false",
            "ApplyOutOfSyncOnly=true",
            "FailOnSharedResource=true",
            "RespectIgnoreDifferences=true",
            "ServerSideApply=true",
            "Prune=false",
            "CreateNamespace=perhaps",
            "Nope=true",
        ];
        let (options, unknown) = AppOptions::parse(list);
        assert!(options.create_namespace && options.apply_out_of_sync_only);
        assert!(options.fail_on_shared_resource && options.respect_ignore_differences);
        assert!(!options.client_side_apply_migration);
        assert_eq!(options.server_side_apply, Some(true));
        assert_eq!(options.prune_propagation, Propagation::Orphan);
        assert_eq!(options.prune, Guard::Never);
        assert_eq!(unknown, ["CreateNamespace=perhaps", "Nope=true"]);
    }

    #[test]
    fn the_stricter_guard_holds() {
        let (target, _) = ResourceOptions::parse("Prune=confirm");
        let (live, _) = ResourceOptions::parse("Prune=false,Replace=true");
        let both = target.or(live);
        assert_eq!(both.prune, Guard::Never);
        assert!(both.replace);
    }

    #[test]
    fn a_confirmation_counts_from_the_start_of_the_operation() {
        let mut options = Options::new("2026-01-01T00:00:10.5Z".parse().unwrap());
        assert!(!options.deletion_confirmed());
        options.deletion_approved = Some("2026-01-01T00:00:09Z".parse().unwrap());
        assert!(!options.deletion_confirmed());
        options.deletion_approved = Some("2026-01-01T00:00:10Z".parse().unwrap());
        assert!(options.deletion_confirmed());
    }
}
