//! Which fields transformers touch: kustomize's defaults, the user's `configurations`, and what `crds` add.
//!
//! `field_specs.txt` holds the defaults: `@name` starts a list, a line is `<Kind> <version> <group> <path> [+]`
//! with `-` for "any" and `+` for "create when missing"; `@nameReference` also names the kind referred to.

mod crds;
mod read;

use std::sync::{Arc, OnceLock};

pub(crate) use crds::from_crds;
pub(crate) use read::{field_spec, from_documents};

use crate::error::{Context as _, Error, Result};
use crate::id::Gvk;

/// A field of some kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSpec {
    pub(crate) gvk: Gvk,
    pub(crate) path: String,
    pub(crate) create: bool,
}

/// Fields that hold the name of objects of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BackReference {
    pub(crate) gvk: Gvk,
    pub(crate) referrers: Vec<FieldSpec>,
}

/// All lists of fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) name_prefix: Vec<FieldSpec>,
    pub(crate) name_suffix: Vec<FieldSpec>,
    pub(crate) namespace: Vec<FieldSpec>,
    pub(crate) common_labels: Vec<FieldSpec>,
    pub(crate) labels: Vec<FieldSpec>,
    pub(crate) template_labels: Vec<FieldSpec>,
    pub(crate) common_annotations: Vec<FieldSpec>,
    pub(crate) name_reference: Vec<BackReference>,
    pub(crate) var_reference: Vec<FieldSpec>,
    pub(crate) images: Vec<FieldSpec>,
    pub(crate) replicas: Vec<FieldSpec>,
}

const DEFAULTS: &str = include_str!("field_specs.txt");

/// Returns kustomize's defaults.
pub(crate) fn defaults() -> Arc<Config> {
    static CONFIG: OnceLock<Arc<Config>> = OnceLock::new();
    CONFIG.get_or_init(|| Arc::new(parse_defaults())).clone()
}

fn parse_defaults() -> Config {
    let mut config = Config::default();
    let mut section = "";
    let any = |word: &str| {
        if word == "-" {
            String::new()
        } else {
            word.to_owned()
        }
    };
    for line in DEFAULTS.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let gvk = |kind: &str, version: &str, group: &str| Gvk {
            group: any(group),
            version: any(version),
            kind: any(kind),
        };
        match words.as_slice() {
            ["@nameReference", kind, version, group] => {
                section = "nameReference";
                config.name_reference.push(BackReference {
                    gvk: gvk(kind, version, group),
                    referrers: Vec::new(),
                });
            }
            [name] => section = name.trim_start_matches('@'),
            [kind, version, group, path, create @ ..] => {
                let spec = FieldSpec {
                    gvk: gvk(kind, version, group),
                    path: (*path).to_owned(),
                    create: !create.is_empty(),
                };
                if section == "nameReference" {
                    if let Some(last) = config.name_reference.last_mut() {
                        last.referrers.push(spec);
                    }
                } else if let Some(list) = config.list_mut(section) {
                    list.push(spec);
                }
            }
            _ => {}
        }
    }
    config.sort();
    let mut merged = Config::default();
    match merged.merge(&config) {
        Ok(()) => merged,
        Err(_) => config,
    }
}

/// Ranks of kinds in the order of installation; all others have rank 0.
const FIRST: [&str; 22] = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];
const LAST: [&str; 2] = [
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// Returns the default order of installation: kinds that come first, kinds that come last.
pub(crate) fn install_order() -> (&'static [&'static str], &'static [&'static str]) {
    (&FIRST, &LAST)
}

fn rank(kind: &str) -> i64 {
    if let Some(at) = FIRST.iter().position(|known| *known == kind) {
        return at as i64 - FIRST.len() as i64;
    }
    LAST.iter()
        .position(|known| *known == kind)
        .map_or(0, |at| at as i64 + 1)
}

fn sort_key(gvk: &Gvk) -> (i64, String) {
    (rank(&gvk.kind), gvk.sort_text())
}

impl FieldSpec {
    /// Says whether this already stands for `other`.
    fn covers(&self, other: &FieldSpec) -> bool {
        self.path == other.path && self.gvk.is_selected(&other.gvk)
    }
}

/// Adds a field to a list unless it is there.
pub(crate) fn merge_one(list: &mut Vec<FieldSpec>, spec: &FieldSpec) -> Result<()> {
    match list.iter().find(|known| known.covers(spec)) {
        Some(known) if known.create != spec.create => Err(Error::new("conflicting fieldspecs")),
        Some(_) => Ok(()),
        None => {
            list.push(spec.clone());
            Ok(())
        }
    }
}

/// Adds the fields of another list.
pub(crate) fn merge_all(list: &mut Vec<FieldSpec>, from: &[FieldSpec]) -> Result<()> {
    from.iter().try_for_each(|spec| merge_one(list, spec))
}

/// Adds fields that hold names of a kind.
pub(crate) fn merge_reference(list: &mut Vec<BackReference>, from: &BackReference) -> Result<()> {
    let mut found = false;
    for known in list.iter_mut().filter(|known| known.gvk == from.gvk) {
        merge_all(&mut known.referrers, &from.referrers)?;
        found = true;
    }
    if !found {
        list.push(from.clone());
    }
    Ok(())
}

impl Config {
    pub(crate) fn list_mut(&mut self, name: &str) -> Option<&mut Vec<FieldSpec>> {
        Some(match name {
            "namePrefix" => &mut self.name_prefix,
            "nameSuffix" => &mut self.name_suffix,
            "namespace" => &mut self.namespace,
            "commonLabels" => &mut self.common_labels,
            "labels" => &mut self.labels,
            "templateLabels" => &mut self.template_labels,
            "commonAnnotations" => &mut self.common_annotations,
            "varReference" => &mut self.var_reference,
            "images" => &mut self.images,
            "replicas" => &mut self.replicas,
            _ => return None,
        })
    }

    /// Adds another configuration to this one.
    pub(crate) fn merge(&mut self, other: &Config) -> Result<()> {
        let failed = |what: &'static str| move || format!("failed to merge {what} fieldSpec");
        merge_all(&mut self.name_prefix, &other.name_prefix).context(failed("NamePrefix"))?;
        merge_all(&mut self.name_suffix, &other.name_suffix).context(failed("NameSuffix"))?;
        merge_all(&mut self.namespace, &other.namespace).context(failed("NameSpace"))?;
        merge_all(&mut self.common_annotations, &other.common_annotations)
            .context(failed("CommonAnnotations"))?;
        merge_all(&mut self.common_labels, &other.common_labels).context(failed("CommonLabels"))?;
        merge_all(&mut self.labels, &other.labels).context(failed("Labels"))?;
        merge_all(&mut self.template_labels, &other.template_labels)
            .context(failed("TemplateLabels"))?;
        merge_all(&mut self.var_reference, &other.var_reference).context(failed("VarReference"))?;
        for reference in &other.name_reference {
            merge_reference(&mut self.name_reference, reference)
                .context(failed("NameReference"))?;
        }
        merge_all(&mut self.images, &other.images).context(failed("Images"))?;
        merge_all(&mut self.replicas, &other.replicas).context(failed("Replicas"))?;
        self.sort();
        Ok(())
    }

    fn sort(&mut self) {
        for name in [
            "namePrefix",
            "nameSuffix",
            "namespace",
            "commonLabels",
            "labels",
            "templateLabels",
            "commonAnnotations",
            "varReference",
            "images",
            "replicas",
        ] {
            if let Some(list) = self.list_mut(name) {
                list.sort_by_cached_key(|spec| sort_key(&spec.gvk));
            }
        }
        self.name_reference
            .sort_by_cached_key(|reference| sort_key(&reference.gvk));
    }
}

/// Merges two shared configurations; equal ones cost nothing.
pub(crate) fn merge_shared(known: &mut Arc<Config>, other: &Arc<Config>) -> Result<()> {
    if Arc::ptr_eq(known, other) {
        return Ok(());
    }
    // The defaults are merged already; other configurations may lose fields that others of them cover.
    if **known == Config::default() && Arc::ptr_eq(other, &defaults()) {
        *known = other.clone();
        return Ok(());
    }
    let mut merged = (**known).clone();
    merged.merge(other)?;
    *known = if merged == **other {
        other.clone()
    } else if merged == **known {
        known.clone()
    } else {
        Arc::new(merged)
    };
    Ok(())
}
