//! Which objects are looked at, and what is special about some kinds (argocd-contract §7.1: resources).

use std::collections::BTreeMap;

use driftless_core::glob::Glob;
use serde::Deserialize;

use crate::reader::{Reader, from_yaml};

/// Kinds that are never looked at.
const BUILT_IN_EXCLUSIONS: [(&str, &str); 4] = [
    ("events.k8s.io", "*"),
    ("metrics.k8s.io", "*"),
    ("", "Event"),
    ("coordination.k8s.io", "Lease"),
];

/// Which objects are looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceFilter {
    exclusions: Vec<FilterRule>,
    inclusions: Vec<FilterRule>,
}

/// One rule of `resource.exclusions` or `resource.inclusions`; every part is a list of globs, and
/// an empty list matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FilterRule {
    /// API groups.
    pub api_groups: Vec<String>,
    /// Kinds.
    pub kinds: Vec<String>,
    /// Cluster addresses.
    pub clusters: Vec<String>,
}

impl FilterRule {
    fn matches(&self, group: &str, kind: &str, cluster: &str) -> bool {
        let any = |patterns: &[String], text: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| glob(pattern, text))
        };
        any(&self.api_groups, group) && any(&self.kinds, kind) && any(&self.clusters, cluster)
    }
}

pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    pattern == "*"
        || pattern == text
        || Glob::new(pattern, None).is_ok_and(|glob| glob.matches(text))
}

impl ResourceFilter {
    /// Builds a filter.
    pub fn new(exclusions: Vec<FilterRule>, inclusions: Vec<FilterRule>) -> Self {
        Self {
            exclusions,
            inclusions,
        }
    }

    /// Returns `resource.exclusions`.
    pub fn exclusions(&self) -> &[FilterRule] {
        &self.exclusions
    }

    /// Returns `resource.inclusions`.
    pub fn inclusions(&self) -> &[FilterRule] {
        &self.inclusions
    }

    /// Says whether objects of a kind are left out on a cluster.
    pub fn excludes(&self, group: &str, kind: &str, cluster: &str) -> bool {
        let built_in = BUILT_IN_EXCLUSIONS
            .iter()
            .any(|(g, k)| *g == group && (*k == "*" || *k == kind));
        if built_in {
            return true;
        }
        let included = self.inclusions.is_empty()
            || self
                .inclusions
                .iter()
                .any(|rule| rule.matches(group, kind, cluster));
        !included
            || self
                .exclusions
                .iter()
                .any(|rule| rule.matches(group, kind, cluster))
    }
}

/// Which differences of a kind are ignored, wherever it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IgnoreDifferences {
    /// Fields, as JSON pointers.
    pub json_pointers: Vec<String>,
    /// Fields, as jq path expressions.
    pub jq_path_expressions: Vec<String>,
    /// Fields that these managers own.
    pub managed_fields_managers: Vec<String>,
}

/// A field whose type is known (`knownTypeFields`), so that quantities compare by value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct KnownTypeField {
    /// Path of the field.
    pub field: String,
    /// Type, such as `core/Quantity`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// What is special about a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Override {
    /// API group, a glob.
    pub group: String,
    /// Kind, a glob.
    pub kind: String,
    /// Lua script that judges health.
    pub health_lua: String,
    /// Whether the scripts here come from the one key `resource.customizations` of old.
    pub is_legacy: bool,
    /// The script may use Lua's libraries.
    pub use_open_libs: bool,
    /// Actions, as the YAML that defines them.
    pub actions: String,
    /// Differences to ignore.
    pub ignore_differences: IgnoreDifferences,
    /// Changes that cause no refresh.
    pub ignore_resource_updates: IgnoreDifferences,
    /// Fields whose type is known.
    pub known_type_fields: Vec<KnownTypeField>,
}

impl Override {
    fn new(group: &str, kind: &str) -> Self {
        Self {
            group: group.to_owned(),
            kind: kind.to_owned(),
            ..Self::default()
        }
    }

    /// Returns the key of `argocd-cm` that holds a part (`health`, `actions`).
    pub fn key(&self, part: &str) -> String {
        let Self { group, kind, .. } = self;
        if self.is_legacy {
            return match group.as_str() {
                "" => format!("argocd-cm resource.customizations ({kind})"),
                _ => format!("argocd-cm resource.customizations ({group}/{kind})"),
            };
        }
        match (group.as_str(), kind.as_str()) {
            ("*", "*") => format!("argocd-cm resource.customizations.{part}.all"),
            ("", _) => format!("argocd-cm resource.customizations.{part}.{kind}"),
            _ => format!("argocd-cm resource.customizations.{part}.{group}_{kind}"),
        }
    }

    /// Says whether it concerns a kind.
    pub fn matches(&self, group: &str, kind: &str) -> bool {
        glob(&self.group, group) && glob(&self.kind, kind)
    }
}

/// What `status` is ignored when comparing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IgnoreStatus {
    /// Of every object.
    #[default]
    All,
    /// Of CustomResourceDefinitions.
    Crd,
    /// Of none.
    None,
}

/// The form of an entry in the old key `resource.customizations`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct LegacyOverride {
    #[serde(rename = "health.lua")]
    health_lua: String,
    #[serde(rename = "health.lua.useOpenLibs")]
    use_open_libs: bool,
    actions: String,
    #[serde(rename = "ignoreDifferences")]
    ignore_differences: String,
    #[serde(rename = "ignoreResourceUpdates")]
    ignore_resource_updates: String,
    #[serde(rename = "knownTypeFields")]
    known_type_fields: Vec<KnownTypeField>,
}

/// Reads exclusions and inclusions.
pub(super) fn filter(reader: &mut Reader<'_>) -> ResourceFilter {
    let hint = "write a YAML list of {apiGroups, kinds, clusters}";
    ResourceFilter {
        exclusions: reader.yaml("resource.exclusions", hint).unwrap_or_default(),
        inclusions: reader.yaml("resource.inclusions", hint).unwrap_or_default(),
    }
}

/// Reads `resource.customizations` and its split keys, the most general first.
pub(super) fn overrides(reader: &mut Reader<'_>) -> Vec<Override> {
    let mut found: BTreeMap<(String, String), Override> = BTreeMap::new();
    let legacy: BTreeMap<String, LegacyOverride> = reader
        .yaml(
            "resource.customizations",
            "write a YAML map of group/Kind to {health.lua, actions, ignoreDifferences}",
        )
        .unwrap_or_default();
    for (name, entry) in legacy {
        let (group, kind) = name.split_once('/').unwrap_or(("", &name));
        let mut item = Override::new(group, kind);
        item.is_legacy = true;
        item.health_lua = entry.health_lua;
        item.use_open_libs = entry.use_open_libs;
        item.actions = entry.actions;
        item.known_type_fields = entry.known_type_fields;
        item.ignore_differences = nested(
            reader,
            &name,
            "ignoreDifferences",
            &entry.ignore_differences,
        );
        item.ignore_resource_updates = nested(
            reader,
            &name,
            "ignoreResourceUpdates",
            &entry.ignore_resource_updates,
        );
        found.insert((group.to_owned(), kind.to_owned()), item);
    }
    split_keys(reader, &mut found);
    // `*` sorts before letters, so that the most general comes first and later ones win.
    found.into_values().collect()
}

/// Reads `group_Kind`; `all` is every kind.
fn group_kind(name: &str) -> (String, String) {
    if name == "all" {
        return ("*".to_owned(), "*".to_owned());
    }
    match name.rsplit_once('_') {
        Some((group, kind)) => (group.to_owned(), kind.to_owned()),
        None => (String::new(), name.to_owned()),
    }
}

fn nested(reader: &mut Reader<'_>, name: &str, part: &str, text: &str) -> IgnoreDifferences {
    if text.trim().is_empty() {
        return IgnoreDifferences::default();
    }
    from_yaml(text).unwrap_or_else(|message| {
        reader.problem(
            "resource.customizations",
            format!("{name}, {part}: {message}"),
            "write {jsonPointers, jqPathExpressions, managedFieldsManagers}; this part is left out"
                .to_owned(),
        );
        IgnoreDifferences::default()
    })
}

fn split_keys(reader: &mut Reader<'_>, found: &mut BTreeMap<(String, String), Override>) {
    const PREFIX: &str = "resource.customizations.";
    let hint = "write {jsonPointers, jqPathExpressions, managedFieldsManagers} as YAML";
    for rest in reader.keys_under(PREFIX) {
        let Some((part, name)) = rest.split_once('.') else {
            continue;
        };
        let key = format!("{PREFIX}{rest}");
        let (group, kind) = group_kind(name);
        let item = found
            .entry((group.clone(), kind.clone()))
            .or_insert_with(|| Override::new(&group, &kind));
        match part {
            "health" => {
                item.health_lua = reader.text(&key).unwrap_or_default();
                item.is_legacy = false;
            }
            "useOpenLibs" => item.use_open_libs = reader.boolean(&key, false),
            "actions" => {
                item.actions = reader.text(&key).unwrap_or_default();
                item.is_legacy = false;
            }
            "ignoreDifferences" => {
                item.ignore_differences = reader.yaml(&key, hint).unwrap_or_default();
            }
            "ignoreResourceUpdates" => {
                item.ignore_resource_updates = reader.yaml(&key, hint).unwrap_or_default();
            }
            "knownTypeFields" => {
                let hint = "write a YAML list of {field, type}";
                item.known_type_fields = reader.yaml(&key, hint).unwrap_or_default();
            }
            _ => {}
        }
    }
}
