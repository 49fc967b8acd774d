//! What an object's annotations ask for, parsed once.
//!
//! Unknown words are ignored as the incumbent ignores them; they are kept in [`Annotations::unknown`] so
//! that a component can tell the user.

use driftless_manifest::Object;

use crate::sync::option::ResourceOptions;

/// Hook types, comma-separated.
pub const HOOK: &str = "argocd.argoproj.io/hook";
/// When a hook object is deleted, comma-separated.
pub const HOOK_DELETE_POLICY: &str = "argocd.argoproj.io/hook-delete-policy";
/// Wave of an object.
pub const SYNC_WAVE: &str = "argocd.argoproj.io/sync-wave";
/// Options of an object, comma-separated.
pub const SYNC_OPTIONS: &str = "argocd.argoproj.io/sync-options";
/// How an object counts for the comparison, comma-separated.
pub const COMPARE_OPTIONS: &str = "argocd.argoproj.io/compare-options";
/// Keeps an object out of the application's health.
pub const IGNORE_HEALTHCHECK: &str = "argocd.argoproj.io/ignore-healthcheck";
/// Keeps changes of an untracked object from refreshing the application.
pub const IGNORE_RESOURCE_UPDATES: &str = "argocd.argoproj.io/ignore-resource-updates";
/// Judges a Pod that is not restarted like one that is.
pub const IGNORE_RESTART_POLICY: &str = "argocd.argoproj.io/ignore-restart-policy";
/// Suppresses links made from ingress rules.
pub const IGNORE_DEFAULT_LINKS: &str = "argocd.argoproj.io/ignore-default-links";
/// Prefix of link annotations.
pub const LINK_PREFIX: &str = "link.argocd.argoproj.io/";
/// Finalizer of hook objects while they run.
pub const HOOK_FINALIZER: &str = "argocd.argoproj.io/hook-finalizer";
/// Helm's hook types, comma-separated.
pub const HELM_HOOK: &str = "helm.sh/hook";
/// Helm's hook deletion policies, comma-separated.
pub const HELM_HOOK_DELETE_POLICY: &str = "helm.sh/hook-delete-policy";
/// Helm's order of hooks, read as the wave.
pub const HELM_HOOK_WEIGHT: &str = "helm.sh/hook-weight";
/// Helm's word for objects that outlive the release.
pub const HELM_RESOURCE_POLICY: &str = "helm.sh/resource-policy";

/// When a hook runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum HookType {
    /// Before the objects are applied.
    PreSync,
    /// With the objects.
    Sync,
    /// After all objects are healthy.
    PostSync,
    /// When the sync failed.
    SyncFail,
    /// Before the application's objects are deleted.
    PreDelete,
    /// After the application's objects are deleted.
    PostDelete,
    /// Never: the object is left alone.
    Skip,
}

impl HookType {
    /// Reads an Argo CD hook word.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "PreSync" => Self::PreSync,
            "Sync" => Self::Sync,
            "PostSync" => Self::PostSync,
            "SyncFail" => Self::SyncFail,
            "PreDelete" => Self::PreDelete,
            "PostDelete" => Self::PostDelete,
            "Skip" => Self::Skip,
            _ => return None,
        })
    }

    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreSync => "PreSync",
            Self::Sync => "Sync",
            Self::PostSync => "PostSync",
            Self::SyncFail => "SyncFail",
            Self::PreDelete => "PreDelete",
            Self::PostDelete => "PostDelete",
            Self::Skip => "Skip",
        }
    }
}

/// When the object of a hook is deleted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DeletePolicy {
    /// After it succeeded.
    HookSucceeded,
    /// After it failed.
    HookFailed,
    /// Before the next one is created (the default).
    BeforeHookCreation,
}

impl DeletePolicy {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "HookSucceeded" => Self::HookSucceeded,
            "HookFailed" => Self::HookFailed,
            "BeforeHookCreation" => Self::BeforeHookCreation,
            _ => return None,
        })
    }

    fn parse_helm(word: &str) -> Option<Self> {
        Some(match word {
            "hook-succeeded" => Self::HookSucceeded,
            "hook-failed" => Self::HookFailed,
            "before-hook-creation" => Self::BeforeHookCreation,
            _ => return None,
        })
    }
}

/// How an object counts for the comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CompareOptions {
    /// An extra object does not make the application out of sync.
    pub ignore_extraneous: bool,
    /// Ask the server for the difference, where given.
    pub server_side_diff: Option<bool>,
    /// Count what admission webhooks change.
    pub include_mutation_webhook: bool,
}

impl CompareOptions {
    /// Reads the annotation's value.
    pub fn parse(text: &str) -> Self {
        let mut options = Self::default();
        for word in words(text) {
            match word {
                "IgnoreExtraneous" => options.ignore_extraneous = true,
                "ServerSideDiff=true" => options.server_side_diff = Some(true),
                "ServerSideDiff=false" => options.server_side_diff = Some(false),
                "IncludeMutationWebhook=true" => options.include_mutation_webhook = true,
                _ => {}
            }
        }
        options
    }
}

/// Whether an object is a hook.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Hook {
    /// An ordinary object.
    #[default]
    None,
    /// Left alone: neither applied nor pruned (`Skip`).
    Skip,
    /// Runs at these times, sorted. Empty: a hook of types that are not known, ignored.
    At(Vec<HookType>),
}

impl Hook {
    /// Says whether the object is a hook of any kind, skipped and ignored ones included.
    pub fn is_hook(&self) -> bool {
        *self != Self::None
    }

    /// Returns the times the hook runs at.
    pub fn types(&self) -> &[HookType] {
        match self {
            Self::At(types) => types,
            _ => &[],
        }
    }
}

/// What an object's annotations ask for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Annotations {
    /// Whether it is a hook.
    pub hook: Hook,
    /// When its object is deleted, sorted; the default is filled in for hooks.
    pub delete_policies: Vec<DeletePolicy>,
    /// Its wave.
    pub wave: i32,
    /// Its sync options.
    pub options: ResourceOptions,
    /// Its compare options.
    pub compare: CompareOptions,
    /// It is left out of the application's health.
    pub ignore_healthcheck: bool,
    /// Changes of it do not refresh the application.
    pub ignore_resource_updates: bool,
    /// It is kept when the application is deleted (Helm's `keep`).
    pub keep_on_delete: bool,
    /// Words that mean nothing, as `annotation: word`.
    pub unknown: Vec<String>,
}

impl Annotations {
    /// Reads an object's annotations.
    pub fn of(object: &Object) -> Self {
        let mut parsed = Self::default();
        let hook = parsed.parse_hook(object);
        parsed.delete_policies = parsed.parse_delete_policies(object);
        if hook.is_hook() && parsed.delete_policies.is_empty() {
            parsed
                .delete_policies
                .push(DeletePolicy::BeforeHookCreation);
        }
        parsed.hook = hook;
        parsed.wave = parsed.parse_wave(object);
        if let Some(text) = object.annotation(SYNC_OPTIONS) {
            let (options, unknown) = ResourceOptions::parse(text);
            parsed.options = options;
            parsed.note(SYNC_OPTIONS, unknown.iter().map(String::as_str));
        }
        if let Some(text) = object.annotation(COMPARE_OPTIONS) {
            parsed.compare = CompareOptions::parse(text);
        }
        let is_true = |key: &str| object.annotation(key) == Some("true");
        parsed.ignore_healthcheck = is_true(IGNORE_HEALTHCHECK);
        parsed.ignore_resource_updates = is_true(IGNORE_RESOURCE_UPDATES);
        parsed.keep_on_delete = object
            .annotation(HELM_RESOURCE_POLICY)
            .is_some_and(|text| words(text).any(|word| word == "keep"));
        parsed
    }

    fn note<'a>(&mut self, key: &str, unknown: impl Iterator<Item = &'a str>) {
        self.unknown
            .extend(unknown.map(|word| format!("{key}: {word}")));
    }

    fn parse_hook(&mut self, object: &Object) -> Hook {
        let mut types = Vec::new();
        let mut unknown = Vec::new();
        let argo = object.annotation(HOOK);
        for word in argo.into_iter().flat_map(words) {
            match HookType::parse(word) {
                Some(known) => types.push(known),
                None => unknown.push(word),
            }
        }
        self.note(HOOK, unknown.into_iter());
        let named = argo.is_some_and(|text| words(text).next().is_some());
        let mut ordinary = !named;
        if let Some(text) = object.annotation(HELM_HOOK) {
            let own_types = !types.is_empty();
            for word in words(text) {
                let mapped = match word {
                    "crd-install" => continue,
                    "pre-delete" => Some(HookType::PreDelete),
                    "post-delete" => Some(HookType::PostDelete),
                    "pre-install" | "pre-upgrade" if !own_types => Some(HookType::PreSync),
                    "post-install" | "post-upgrade" if !own_types => Some(HookType::PostSync),
                    // Rollback and test hooks have no place in a sync.
                    _ => None,
                };
                ordinary = false;
                types.extend(mapped);
            }
        }
        if ordinary {
            return Hook::None;
        }
        types.sort_unstable();
        types.dedup();
        if types == [HookType::Skip] {
            return Hook::Skip;
        }
        types.retain(|known| *known != HookType::Skip);
        Hook::At(types)
    }

    fn parse_delete_policies(&mut self, object: &Object) -> Vec<DeletePolicy> {
        let mut policies = Vec::new();
        let mut unknown = Vec::new();
        for word in object
            .annotation(HOOK_DELETE_POLICY)
            .into_iter()
            .flat_map(words)
        {
            match DeletePolicy::parse(word) {
                Some(policy) => policies.push(policy),
                None => unknown.push(word),
            }
        }
        self.note(HOOK_DELETE_POLICY, unknown.into_iter());
        let helm = object.annotation(HELM_HOOK_DELETE_POLICY);
        policies.extend(
            helm.into_iter()
                .flat_map(words)
                .filter_map(DeletePolicy::parse_helm),
        );
        policies.sort_unstable();
        policies.dedup();
        policies
    }

    fn parse_wave(&mut self, object: &Object) -> i32 {
        for key in [SYNC_WAVE, HELM_HOOK_WEIGHT] {
            if let Some(text) = object.annotation(key) {
                match text.trim().parse() {
                    Ok(wave) => return wave,
                    Err(_) => self.note(key, std::iter::once(text)),
                }
            }
        }
        0
    }
}

/// Splits a comma-separated list and drops blanks.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, Value, json};

    fn parse(annotations: &[(&str, &str)]) -> Annotations {
        let map: Map<String, Value> = annotations
            .iter()
            .map(|(key, value)| ((*key).to_owned(), Value::from(*value)))
            .collect();
        let value = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "annotations": map}});
        Annotations::of(&Object::from_value(value).unwrap())
    }

    fn hook(annotations: &[(&str, &str)]) -> Hook {
        parse(annotations).hook
    }

    #[test]
    fn argo_hooks_are_read_in_order_of_phase() {
        assert_eq!(hook(&[]), Hook::None);
        assert_eq!(
            hook(&[(HOOK, "PostSync, PreSync,PostSync")]),
            Hook::At(vec![HookType::PreSync, HookType::PostSync])
        );
        assert_eq!(hook(&[(HOOK, "Skip")]), Hook::Skip);
        assert_eq!(hook(&[(HOOK, "Skip,Sync")]), Hook::At(vec![HookType::Sync]));
    }

    #[test]
    fn a_hook_of_unknown_types_never_runs() {
        let parsed = parse(&[(HOOK, "Presync")]);
        assert_eq!(parsed.hook, Hook::At(vec![]));
        assert_eq!(parsed.unknown, ["argocd.argoproj.io/hook: Presync"]);
    }

    #[test]
    fn helm_hooks_map_unless_argo_types_are_given() {
        for (helm, want) in [
            ("pre-install,pre-upgrade", Hook::At(vec![HookType::PreSync])),
            ("post-upgrade", Hook::At(vec![HookType::PostSync])),
            ("pre-delete", Hook::At(vec![HookType::PreDelete])),
            (
                "post-delete,post-install",
                Hook::At(vec![HookType::PostSync, HookType::PostDelete]),
            ),
            ("crd-install", Hook::None),
            ("test", Hook::At(vec![])),
            ("pre-rollback", Hook::At(vec![])),
        ] {
            assert_eq!(hook(&[(HELM_HOOK, helm)]), want, "{helm}");
        }
        assert_eq!(
            hook(&[(HOOK, "Sync"), (HELM_HOOK, "pre-install,post-delete")]),
            Hook::At(vec![HookType::Sync, HookType::PostDelete])
        );
    }

    #[test]
    fn delete_policies_are_united_and_have_a_default() {
        use DeletePolicy::{BeforeHookCreation, HookFailed, HookSucceeded};
        assert_eq!(
            parse(&[(HOOK, "Sync")]).delete_policies,
            [BeforeHookCreation]
        );
        assert_eq!(parse(&[]).delete_policies, []);
        assert_eq!(
            parse(&[
                (HOOK, "Sync"),
                (HOOK_DELETE_POLICY, "HookSucceeded"),
                (HELM_HOOK_DELETE_POLICY, "hook-failed,hook-succeeded"),
            ])
            .delete_policies,
            [HookSucceeded, HookFailed]
        );
    }

    #[test]
    fn the_wave_falls_back_to_helms_weight() {
        assert_eq!(
            parse(&[(SYNC_WAVE, "-5"), (HELM_HOOK_WEIGHT, "3")]).wave,
            -5
        );
        assert_eq!(parse(&[(HELM_HOOK_WEIGHT, "3")]).wave, 3);
        let parsed = parse(&[(SYNC_WAVE, "first"), (HELM_HOOK_WEIGHT, "3")]);
        assert_eq!(parsed.wave, 3);
        assert_eq!(parsed.unknown, ["argocd.argoproj.io/sync-wave: first"]);
    }

    #[test]
    fn switches_are_read() {
        let parsed = parse(&[
            (IGNORE_HEALTHCHECK, "true"),
            (COMPARE_OPTIONS, "IgnoreExtraneous,ServerSideDiff=true"),
            (HELM_RESOURCE_POLICY, "keep"),
            (SYNC_OPTIONS, "Prune=false,Bogus=1"),
        ]);
        assert!(
            parsed.ignore_healthcheck && parsed.keep_on_delete && !parsed.ignore_resource_updates
        );
        assert!(parsed.compare.ignore_extraneous);
        assert_eq!(parsed.compare.server_side_diff, Some(true));
        assert_eq!(parsed.unknown, ["argocd.argoproj.io/sync-options: Bogus=1"]);
    }
}
