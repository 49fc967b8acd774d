//! Makes the plan of an operation: what is wanted, what is there, what it may do.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use driftless_api::Application;
use driftless_api::annotation;
use driftless_api::application::{ConditionType, OperationPhase as ApiPhase, OperationState};
use driftless_appstate::comparison::not_settled;
use driftless_appstate::desired::{Desired, Prepared};
use driftless_appstate::handover::Governance;
use driftless_appstate::{ProjectGate, Target};
use driftless_core::{AppKey, GroupVersionKind, ResourceKey};
use driftless_engine::diff::keep_ignored;
use driftless_engine::health::NoRules;
use driftless_engine::prune::Budget;
use driftless_engine::sync::{self, Input, Options, Plan, Strategy};
use driftless_engine::tracking::Tracking;
use driftless_kube::live::Readiness;
use driftless_kube::{Live, Resolved, Wanted};
use driftless_manifest::Object;

use crate::Controller;
use crate::draft::Draft;

use super::Interruption;
use super::eyes::Eyes;

/// How long a step waits for the cluster's objects to be loaded.
const LOAD_LIMIT: Duration = Duration::from_secs(20);
/// How long it does so when the operation is to end.
const LAST_LOOK: Duration = Duration::from_secs(2);

/// What the plan asks about the destination cluster.
struct Facts<'a> {
    target: &'a Target,
    gate: ProjectGate,
    tracking: &'a Tracking,
    instance: &'a str,
    app: &'a AppKey,
}

impl sync::plan::Cluster for Facts<'_> {
    fn kind(&self, gvk: &GroupVersionKind) -> sync::plan::KindFact {
        use sync::plan::KindFact;
        let discovery = self.target.cluster.discovery();
        match discovery.resolve(gvk) {
            Resolved::Known(resource) if resource.namespaced => KindFact::Namespaced,
            Resolved::Known(_) => KindFact::ClusterScoped,
            Resolved::Unreadable(why) => KindFact::Unavailable(why.to_string()),
            Resolved::Unknown => {
                let served = discovery.versions(&gvk.group_kind());
                let served_versions = served
                    .iter()
                    .map(|one| one.gvk.version.to_string())
                    .collect();
                KindFact::Missing { served_versions }
            }
        }
    }

    fn sharers(&self, live: &Object) -> Option<String> {
        self.tracking.sharers(live, self.instance, self.app)
    }

    fn permit(&self, _gvk: &GroupVersionKind, key: &ResourceKey) -> Result<(), String> {
        self.gate.check(key)
    }
}

impl Controller {
    pub(super) async fn plan(
        &self,
        (app, target): (&Application, &Target),
        desired: &Desired,
        (prepared, governance): (&Prepared, &Governance),
        (state, prune_waves): (&OperationState, &[i32]),
        draft: &mut Draft,
    ) -> Result<Plan, Interruption> {
        let instance = self.state.instance(&app.key());
        let live = target.cluster.live();
        let mut wanted: Vec<_> = prepared
            .objects
            .iter()
            .filter(|one| !one.key.name.is_empty())
            .map(|one| (one.object.gvk(), one.key.clone()))
            .collect();
        let mut options = self.options(app, desired, state, draft);
        options.prune_waves = if prune_waves.is_empty() {
            recorded_waves(app, &options.operation_id)
        } else {
            prune_waves.to_vec()
        };
        let namespace = namespace_target(app, target, &options);
        if let Some(namespace) = &namespace {
            wanted.push((namespace.object.gvk(), namespace.object.key()));
        }
        let limit = if state.phase == ApiPhase::Terminating {
            LAST_LOOK
        } else {
            LOAD_LIMIT
        };
        let asked = self.asked(app, &wanted);
        settle(live, &instance, asked, target, limit).await?;
        let present = present(live, &wanted);
        let config = self.state.config();
        let in_sync = self.state.last_comparison(&app.key());
        let kept = options.app.respect_ignore_differences;
        let ignored = kept.then(|| config.ignore_rules(app).0);
        let targets: Vec<sync::Target> = prepared
            .objects
            .iter()
            .map(|one| {
                let object = match (&ignored, present.get(&one.key)) {
                    (Some(rules), Some(live)) => Arc::new(keep_ignored(&one.object, live, rules)),
                    _ => Arc::clone(&one.object),
                };
                let mut target = sync::Target::new(object);
                target.in_sync = in_sync
                    .as_ref()
                    .is_some_and(|comparison| comparison.is_synced(&one.key, desired));
                target.governor = governance.governor(&one.key).cloned();
                target.refusal = governance.refusal(&one.key).map(str::to_owned);
                target
            })
            .collect();
        let mut known: HashSet<ResourceKey> = wanted.iter().map(|(_, key)| key.clone()).collect();
        let gate = self.state.gate(app, &target.cluster);
        let mut extraneous = extraneous(live, &instance, &known, (target, governance));
        // What the project does not permit is left alone.
        extraneous.retain(|object| gate.check(&object.key()).is_ok());
        options.managed = (present.len() + extraneous.len()) as u64;
        let facts = Facts {
            target,
            gate,
            tracking: &config.tracking,
            instance: &instance,
            app: &app.key(),
        };
        let plan = sync::plan(&Input {
            targets: &targets,
            live: &present,
            extraneous: &extraneous,
            namespace: namespace.as_ref(),
            options: &options,
            cluster: &facts,
        });
        // Hooks have got their final names now: they are watched like everything else the operation writes.
        let before = wanted.len();
        for task in plan.tasks() {
            if known.insert(task.key.clone()) {
                wanted.push((task.gvk.clone(), task.key.clone()));
            }
        }
        if wanted.len() != before {
            let asked = self.asked(app, &wanted);
            settle(live, &instance, asked, target, limit).await?;
        }
        Ok(plan)
    }

    fn asked(&self, app: &Application, objects: &[(GroupVersionKind, ResourceKey)]) -> Wanted {
        Wanted {
            objects: objects.to_vec(),
            kinds: self.state.kinds_of(app),
        }
    }

    fn options(
        &self,
        app: &Application,
        desired: &Desired,
        state: &OperationState,
        draft: &mut Draft,
    ) -> Options {
        let started = state
            .started_at
            .map_or_else(|| self.now(), driftless_api::Time::timestamp);
        let mut options = Options::new(started);
        let Some(operation) = state.operation.sync.as_deref() else {
            return options;
        };
        let list = if operation.sync_options.is_empty() && operation.source.is_none() {
            app.spec.sync_options()
        } else {
            &operation.sync_options
        };
        options.app = sync::AppOptions::parse(list.iter().map(String::as_str)).0;
        options.prune = operation.prune;
        options.dry_run = operation.dry_run;
        options.force = operation.is_force();
        options.strategy = if operation.is_apply_strategy() {
            Strategy::Apply
        } else {
            Strategy::Hook
        };
        options.selected = operation
            .resources
            .iter()
            .map(|one| sync::option::Selector {
                group: one.group.clone(),
                kind: one.kind.clone(),
                namespace: one.namespace.clone(),
                name: one.name.clone(),
            })
            .collect();
        options.revision = desired.revisions.first().cloned().unwrap_or_default();
        options.operation_id = format!(
            "{}-{}-{}",
            app.metadata.uid,
            started.as_second(),
            state.retry_count
        );
        options.deletion_approved = app
            .metadata
            .annotation(annotation::DELETION_APPROVED)
            .and_then(|text| text.parse().ok());
        match app
            .metadata
            .annotation(annotation::PRUNE_BUDGET)
            .map(Budget::parse)
        {
            None => {}
            Some(Ok(budget)) => options.prune_budget = budget,
            Some(Err(error)) => {
                let message = format!(
                    "annotation {}: {error}; the default is used",
                    annotation::PRUNE_BUDGET
                );
                draft.condition(ConditionType::PruneBudgetWarning, message);
            }
        }
        let settings = self.state.settings.current();
        let tuning = &settings.params.controller;
        let signed = |duration: Duration| jiff::SignedDuration::try_from(duration).ok();
        options.wave_delay = signed(tuning.wave_delay).unwrap_or(options.wave_delay);
        options.limits = sync::option::Limits {
            operation: self.sync_deadline(started),
            hook: tuning.hook_timeout.and_then(signed),
            wave: tuning.wave_timeout.and_then(signed),
        };
        options
    }
}

/// Returns the waves that another process recorded for this operation; empty when it did not come that far.
fn recorded_waves(app: &Application, operation_id: &str) -> Vec<i32> {
    let record = app.metadata.annotation(annotation::PRUNE_WAVES);
    let waves = record
        .and_then(|record| record.split_once(' '))
        .filter(|(id, _)| *id == operation_id)
        .map(|(_, waves)| waves.split(',').map(str::parse).collect());
    let mut waves: Vec<i32> = waves.and_then(Result::ok).unwrap_or_default();
    waves.sort_unstable();
    waves.dedup();
    waves
}

/// Tells what a prune above its budget waits for.
pub(super) fn warn_of_excess(plan: &Plan, draft: &mut Draft) {
    if let Some(excess) = plan.excess() {
        let message = format!(
            "{excess}; confirm with annotation {}, or set the budget with annotation {}",
            annotation::DELETION_APPROVED,
            annotation::PRUNE_BUDGET
        );
        draft.condition(ConditionType::PruneBudgetWarning, message);
    }
}

/// Returns those of the objects that are there.
fn present(
    live: &Live,
    wanted: &[(GroupVersionKind, ResourceKey)],
) -> BTreeMap<ResourceKey, Arc<Object>> {
    let seen = wanted.iter().filter_map(|(_, key)| {
        match sync::Observe::live(&Eyes(live, &NoRules), key) {
            sync::Live::Present(object) => Some((key.clone(), object)),
            _ => None,
        }
    });
    seen.collect()
}

/// Returns the objects of an application that are not desired.
fn extraneous(
    live: &Live,
    instance: &str,
    desired: &HashSet<ResourceKey>,
    (target, governance): (&Target, &Governance),
) -> Vec<Arc<Object>> {
    // What pods of a version use stays until no version does.
    let in_use = governance.inputs_in_use(live);
    // Kinds that cannot be read hold no prune back that is known to be right, but they are never called empty:
    // what is not listed is not in `objects`, so it cannot be pruned.
    let tracked = live.tracked(instance).objects.into_iter();
    let extra = tracked.filter_map(|object| {
        let is_desired = desired.contains(&object.key) || in_use.contains(&object.key);
        let is_namespace = &*object.key.kind == "Namespace"
            && object.key.group.is_empty()
            && *object.key.name == *target.namespace.as_str();
        if is_desired || is_namespace || !object.owners.is_empty() {
            return None;
        }
        match sync::Observe::live(&Eyes(live, &NoRules), &object.key) {
            sync::Live::Present(object) => Some(object),
            _ => None,
        }
    });
    extra.collect()
}

/// Asks for objects and waits until they are known.
async fn settle(
    live: &Live,
    instance: &str,
    wanted: Wanted,
    target: &Target,
    limit: Duration,
) -> Result<(), Interruption> {
    live.want(instance, wanted);
    match live.settled(instance, limit).await {
        Readiness::Settled => Ok(()),
        other => Err(Interruption(not_settled(&target.cluster, other))),
    }
}

fn namespace_target(
    app: &Application,
    target: &Target,
    options: &Options,
) -> Option<sync::plan::NamespaceTarget> {
    if !options.app.create_namespace || target.namespace.is_empty() {
        return None;
    }
    let metadata = app
        .spec
        .sync_policy
        .as_deref()
        .and_then(|policy| policy.managed_namespace_metadata.as_deref());
    let mut value = serde_json::json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": target.namespace.as_str()},
    });
    if let Some(metadata) = metadata {
        value["metadata"]["labels"] = serde_json::json!(metadata.labels);
        value["metadata"]["annotations"] = serde_json::json!(metadata.annotations);
    }
    let object = Arc::new(Object::from_value(value).ok()?);
    Some(sync::plan::NamespaceTarget {
        object,
        managed_metadata: metadata.is_some(),
    })
}
