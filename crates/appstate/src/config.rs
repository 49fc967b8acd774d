//! What the settings mean for a comparison, lowered once for each version of the settings.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use driftless_api::Application;
use driftless_api::application::{Condition, ConditionType};
use driftless_core::class::render_chain;
use driftless_core::{ClusterUrl, GroupKind};
use driftless_engine::action::Actions;
use driftless_engine::diff::jq::{self, Jq};
use driftless_engine::diff::{self, IgnoreRule, IgnoreStatus, KnownType, ignore};
use driftless_engine::health::script::Scripts;
use driftless_engine::tracking::{Method, Tracking};
use driftless_kube::LiveSettings;
use driftless_kube::live::{self, KindFilter, KindFilters};
use driftless_settings::Settings;
use driftless_settings::general::{self, FilterRule, Override, TrackingMethod};

use crate::AppState;
use crate::script::{self, Failures};

/// Settings as comparisons use them.
pub struct Config {
    /// The settings this was made from.
    pub settings: Arc<Settings>,
    /// How objects are marked.
    pub tracking: Tracking,
    /// Fields that never count.
    pub ignore: Vec<IgnoreRule>,
    /// Fields whose change is no reason to look at an Application.
    pub update_rules: Vec<IgnoreRule>,
    /// Whose status does not count.
    pub ignore_status: IgnoreStatus,
    /// Whether rules of aggregated ClusterRoles do not count.
    pub ignore_aggregated_roles: bool,
    /// Whether the health of each object is kept in the Application.
    pub persists_health: bool,
    /// Changes with everything here that a comparison depends on.
    pub digest: u64,
    /// Fields of custom kinds whose type is known.
    known_types: Vec<KnownType>,
    /// Users' own Lua that judges health.
    pub(crate) scripts: Scripts,
    /// Objects whose script failed.
    pub(crate) failures: Failures,
    /// What can be done to objects.
    pub actions: Actions,
    /// What is wrong with the rules of the settings.
    problems: Vec<String>,
    /// Expressions that were read already: reading one takes longer than using it.
    expressions: parking_lot::Mutex<HashMap<String, Result<Arc<Jq>, jq::Error>>>,
}

/// Most expressions that are kept.
const EXPRESSIONS: usize = 1000;

impl AppState {
    /// Returns the settings as comparisons use them.
    pub fn config(&self) -> Arc<Config> {
        let settings = self.settings.current();
        if let Some(config) = &*self.config.read()
            && Arc::ptr_eq(&config.settings, &settings)
        {
            return Arc::clone(config);
        }
        let config = Arc::new(Config::new(settings));
        *self.config.write() = Some(Arc::clone(&config));
        config
    }

    /// Returns what clusters are asked for: the settings, and the field managers that Applications name.
    pub fn live_settings(&self) -> LiveSettings {
        let config = self.config();
        let filter = &config.settings.general.filter;
        let of_settings = config.settings.general.overrides.iter();
        let mut managers: BTreeSet<String> = of_settings
            .flat_map(|entry| &entry.ignore_differences.managed_fields_managers)
            .cloned()
            .collect();
        for app in self.apps.list() {
            let rules = app.object.spec.ignore_differences.iter();
            managers.extend(rules.flat_map(|rule| rule.managed_fields_managers.iter().cloned()));
        }
        LiveSettings {
            tracking: lower_tracking(&config.tracking),
            managers,
            filters: KindFilters {
                exclusions: filter.exclusions().iter().map(lower_filter).collect(),
                inclusions: filter.inclusions().iter().map(lower_filter).collect(),
            },
        }
    }
}

fn lower_tracking(tracking: &Tracking) -> live::Tracking {
    live::Tracking {
        method: match tracking.method {
            Method::Annotation => live::Method::Annotation,
            Method::Label => live::Method::Label,
            Method::AnnotationAndLabel => live::Method::AnnotationAndLabel,
        },
        label: tracking.label_key.clone(),
        installation_id: Some(tracking.installation_id.clone()).filter(|id| !id.is_empty()),
    }
}

fn lower_filter(rule: &FilterRule) -> KindFilter {
    KindFilter {
        api_groups: rule.api_groups.clone(),
        kinds: rule.kinds.clone(),
        clusters: rule.clusters.clone(),
    }
}

impl Config {
    /// Says whether objects of a kind are left out.
    pub fn is_excluded(&self, kind: &GroupKind, cluster: &ClusterUrl) -> bool {
        self.settings
            .general
            .filter
            .excludes(&kind.group, &kind.kind, cluster.as_str())
    }

    /// Returns the rules for fields that do not count: those of the settings, then the Application's.
    /// Rules that cannot be used come back as warnings; the others count.
    pub fn ignore_rules(&self, app: &Application) -> (Vec<IgnoreRule>, Vec<Condition>) {
        let mut rules = self.ignore.clone();
        let mut warnings: Vec<Condition> = self.problems.iter().cloned().map(warning).collect();
        for (index, rule) in app.spec.ignore_differences.iter().enumerate() {
            let at = format!("spec.ignoreDifferences[{index}]");
            let built = IgnoreRule::new(&rule.group, &rule.kind, &rule.name, &rule.namespace)
                .and_then(|built| {
                    with_fields(built, &rule.json_pointers, &rule.managed_fields_managers)
                });
            match built {
                Ok(mut built) => {
                    for expression in &rule.jq_path_expressions {
                        match self.expression(expression) {
                            Ok(filter) => built = built.with_filter(filter),
                            Err(error) => warnings.push(warning(format!("{at}: {error}"))),
                        }
                    }
                    rules.push(built);
                }
                Err(error) => warnings.push(warning(format!("{at}: {}", render_chain(&error)))),
            }
        }
        (rules, warnings)
    }

    fn expression(&self, text: &str) -> Result<Arc<Jq>, jq::Error> {
        let mut known = self.expressions.lock();
        if let Some(found) = known.get(text) {
            return found.clone();
        }
        let read = Jq::new(text).map(Arc::new);
        if known.len() >= EXPRESSIONS {
            known.clear();
        }
        known.insert(text.to_owned(), read.clone());
        read
    }

    /// Returns how the engine compares, with the rules of [`Config::ignore_rules`].
    pub fn diff_ctx<'a>(&'a self, ignore: &'a [IgnoreRule]) -> diff::Ctx<'a> {
        diff::Ctx {
            ignore,
            ignore_status: self.ignore_status,
            ignore_aggregated_roles: self.ignore_aggregated_roles,
            known_types: &self.known_types,
            tracking: Some(&self.tracking),
            ..diff::Ctx::default()
        }
    }

    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        let general = &settings.general;
        let tracking = Tracking {
            method: match general.tracking {
                TrackingMethod::Annotation => Method::Annotation,
                TrackingMethod::Label => Method::Label,
                TrackingMethod::AnnotationAndLabel => Method::AnnotationAndLabel,
            },
            label_key: general.instance_label_key.clone(),
            installation_id: general.installation_id.clone(),
        };
        let ignore_status = match general.compare.ignore_status {
            general::IgnoreStatus::All => IgnoreStatus::All,
            general::IgnoreStatus::Crd => IgnoreStatus::Crd,
            general::IgnoreStatus::None => IgnoreStatus::None,
        };
        let mut problems = Vec::new();
        let mut lower = |pick: fn(&Override) -> &general::IgnoreDifferences| -> Vec<IgnoreRule> {
            let entries = general.overrides.iter();
            entries
                .filter_map(|entry| lower_override(entry, pick(entry), &mut problems))
                .collect()
        };
        let ignore = lower(|entry| &entry.ignore_differences);
        let mut update_rules = Vec::new();
        if general.compare.ignore_resource_updates {
            update_rules = lower(|entry| &entry.ignore_resource_updates);
            if general.compare.ignore_differences_on_updates {
                update_rules.extend(ignore.iter().cloned());
            }
        }
        Self {
            tracking,
            ignore,
            update_rules,
            ignore_status,
            ignore_aggregated_roles: general.compare.ignore_aggregated_roles,
            persists_health: settings.params.controller.persist_health,
            digest: digest(&settings),
            known_types: known_types(&general.overrides, &mut problems),
            scripts: script::scripts(&general.overrides),
            failures: Failures::default(),
            actions: script::actions(&general.overrides),
            problems,
            expressions: parking_lot::Mutex::default(),
            settings,
        }
    }
}

fn known_types(overrides: &[Override], problems: &mut Vec<String>) -> Vec<KnownType> {
    let mut known = Vec::new();
    for entry in overrides {
        let (group, kind) = (&entry.group, &entry.kind);
        for field in &entry.known_type_fields {
            match KnownType::new(group, kind, &field.field, &field.kind) {
                Ok(one) => known.push(one),
                Err(error) => {
                    let error = render_chain(&error);
                    tracing::warn!(error, group, kind, "Entry of knownTypeFields not used");
                    problems.push(format!(
                        "settings, knownTypeFields of {group}/{kind}: {error}"
                    ));
                }
            }
        }
    }
    known
}

/// Hashes what comparisons depend on, so that a change elsewhere in the settings costs none.
fn digest(settings: &Settings) -> u64 {
    let general = &settings.general;
    let mut hash = DefaultHasher::new();
    let marks = (
        general.tracking,
        &general.instance_label_key,
        &general.installation_id,
    );
    let parts = (marks, &general.overrides, &general.compare, &general.filter);
    format!("{parts:?}").hash(&mut hash);
    settings.params.controller.server_side_diff.hash(&mut hash);
    hash.finish()
}

pub(crate) fn warning(message: String) -> Condition {
    Condition::new(ConditionType::from("IgnoreDifferencesWarning"), message)
}

fn with_fields(
    mut rule: IgnoreRule,
    pointers: &[String],
    managers: &[String],
) -> Result<IgnoreRule, ignore::Error> {
    for pointer in pointers {
        rule = rule.with_pointer(pointer)?;
    }
    Ok(managers
        .iter()
        .fold(rule, |rule, manager| rule.with_manager(manager)))
}

/// Lowers what the settings ignore for a kind; what cannot be used is told in the log once, and to each
/// application.
fn lower_override(
    entry: &Override,
    fields: &general::IgnoreDifferences,
    problems: &mut Vec<String>,
) -> Option<IgnoreRule> {
    if *fields == general::IgnoreDifferences::default() {
        return None;
    }
    let mut tell = |error: String| {
        tracing::warn!(
            error,
            "Rule of resource.customizations.ignoreDifferences not used"
        );
        let (group, kind) = (&entry.group, &entry.kind);
        problems.push(format!(
            "settings, ignoreDifferences of {group}/{kind}: {error}"
        ));
    };
    let rule = IgnoreRule::new(&entry.group, &entry.kind, "", "")
        .and_then(|rule| with_fields(rule, &fields.json_pointers, &fields.managed_fields_managers));
    let mut rule = match rule {
        Ok(rule) => rule,
        Err(error) => {
            tell(render_chain(&error));
            return None;
        }
    };
    for expression in &fields.jq_path_expressions {
        match Jq::new(expression) {
            Ok(filter) => rule = rule.with_filter(Arc::new(filter)),
            Err(error) => tell(error.to_string()),
        }
    }
    Some(rule)
}
