//! Walks the engine's plan through the one writer, recording each step before the next.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use driftless_api::Application;
use driftless_api::annotation;
use driftless_api::application::{
    ConditionType, OperationPhase as ApiPhase, OperationState, ResourceResult as ApiResult,
    ResultCode as ApiCode, SyncPhase as ApiSyncPhase,
};
use driftless_appstate::comparison::not_settled;
use driftless_appstate::desired::{Desired, Prepared};
use driftless_appstate::handover::{Governance, is_rollout};
use driftless_appstate::versioned::Copies;
use driftless_appstate::{ProjectGate, Target};
use driftless_core::class::render_chain;
use driftless_core::{AppKey, GroupVersionKind, ResourceKey};
use driftless_engine::annotation::{HOOK_FINALIZER, HookType};
use driftless_engine::diff::keep_ignored;
use driftless_engine::health::{self, NoRules};
use driftless_engine::prune::Budget;
use driftless_engine::sync::{
    self, Action, Input, Options, Outcome, Phase, Plan, Progress, ResourceResult, ResultCode, Step,
    Strategy, Task, TaskId, Termination,
};
use driftless_engine::tracking::Tracking;
use driftless_kube::live::{Lookup, Readiness};
use driftless_kube::write::{
    ApplyMode, ApplyOptions, Conflicts, DeleteOptions, Deleted, DryRun, Migration, OnImmutable,
    PatchType, Propagation, Target as WriteTarget, Validation,
};
use driftless_kube::{Live, Resolved, Wanted, WriteCtx, Writer};
use driftless_manifest::Object;
use futures::StreamExt as _;
use futures::stream::{self, FuturesUnordered};
use jiff::Timestamp;

use crate::Controller;
use crate::draft::Draft;

/// How long a step waits for the cluster's objects to be loaded.
const LOAD_LIMIT: Duration = Duration::from_secs(20);
/// How long it does so when the operation is to end.
const LAST_LOOK: Duration = Duration::from_secs(2);

/// How far an operation came in one pass.
pub(crate) enum Advance {
    /// It waits; look again after this long unless something happens before.
    Waiting(Duration),
    /// Its record could not be stored; look again.
    Interrupted,
    /// It is over.
    Done {
        /// How it ended.
        phase: ApiPhase,
        /// What to tell.
        message: String,
    },
}

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

/// What the machine sees of the cluster.
pub(crate) struct Eyes<'a>(
    pub(crate) &'a Live,
    pub(crate) &'a (dyn health::Rules + Sync),
);

impl sync::Observe for Eyes<'_> {
    fn live(&self, key: &ResourceKey) -> sync::Live {
        match self.0.lookup(key) {
            Lookup::Missing | Lookup::UnknownKind => sync::Live::Missing,
            Lookup::NotLoaded => sync::Live::Unknown(format!("{key} is not loaded yet")),
            Lookup::Unreadable(why) => sync::Live::Unknown(why.reason.to_string()),
            Lookup::Found(live) => match live.parse() {
                Some(object) => sync::Live::Present(Arc::new(object)),
                None => sync::Live::Unknown(format!("{key} is not loaded yet")),
            },
        }
    }

    fn health(&self, object: &Object) -> Option<health::Health> {
        // A rollout takes hours or waits for a person: no sync waits for it, a newer version must get through.
        if is_rollout(object) {
            return None;
        }
        health::assess(object, self.1)
    }
}

/// Why a step was not carried out: not the object's fault, so nothing is recorded against it.
pub(crate) struct Interruption(pub(crate) String);

/// One try of one operation.
pub(crate) struct Walk<'a> {
    pub(crate) controller: &'a Controller,
    pub(crate) app: &'a Application,
    pub(crate) target: &'a Target,
    pub(crate) ctx: WriteCtx,
    pub(crate) writer: Writer,
    pub(crate) plan: Plan,
    pub(crate) governance: Governance,
    /// What versions of targets use.
    pub(crate) copies: Copies,
    /// Held while a rollout is told what it is to move: targets of one rollout are written at once.
    pub(crate) handing_over: tokio::sync::Mutex<()>,
    progress: Progress,
    migration: Migration,
}

impl Controller {
    /// Plans the running operation and walks the plan as far as it goes now.
    pub(crate) async fn execute(
        &self,
        app: &Application,
        target: &Target,
        desired: &Desired,
        draft: &mut Draft,
    ) -> Advance {
        let Some(state) = draft.status.operation_state.as_deref().cloned() else {
            return Advance::Waiting(Duration::from_secs(30));
        };
        let started = state
            .started_at
            .map_or_else(|| self.now(), driftless_api::Time::timestamp);
        let remembered = self.running.take(&app.key(), started, state.retry_count);
        let mut progress = remembered.unwrap_or_else(|| progress_of(&state));
        if state.phase == ApiPhase::Terminating {
            progress.terminate(Termination::Requested);
        }
        let prepared = match self.state.prepare(&app.key(), target, desired) {
            Ok(prepared) => prepared,
            Err(failure) => {
                return Advance::Done {
                    phase: ApiPhase::Error,
                    message: failure.condition.message,
                };
            }
        };
        let governance = Governance::of(&prepared.objects, &self.state.config().tracking);
        let plan = match self
            .plan(
                (app, target),
                desired,
                (&prepared, &governance),
                (&state, progress.prune_waves()),
                draft,
            )
            .await
        {
            Ok(plan) => plan,
            Err(Interruption(why)) => return self.wait(app, &state, started, progress, &why),
        };
        if !self
            .keep_prune_waves(app, &plan, &mut progress, draft)
            .await
        {
            self.running
                .put(app.key(), started, state.retry_count, progress);
            return Advance::Interrupted;
        }
        warn_of_excess(&plan, draft);
        let ctx = match self
            .state
            .write_ctx(app, &target.cluster, self.fence.clone())
        {
            Ok(ctx) => ctx,
            Err(error) => {
                return Advance::Done {
                    phase: ApiPhase::Error,
                    message: error.to_string(),
                };
            }
        };
        let mut walk = Walk {
            controller: self,
            app,
            target,
            ctx,
            writer: target.cluster.writer(),
            plan,
            governance,
            copies: prepared.copies.clone(),
            handing_over: tokio::sync::Mutex::default(),
            progress,
            migration: migration(app),
        };
        let advance = walk.run(draft).await;
        if !matches!(advance, Advance::Done { .. }) {
            self.running
                .put(app.key(), started, state.retry_count, walk.progress);
        } else if walk.progress.prune_waves().len() > 1 {
            draft.remove_annotation(annotation::PRUNE_WAVES);
        }
        advance
    }

    /// Waits for what a plan needs, unless the operation is to end: it does so although nothing can be read.
    fn wait(
        &self,
        app: &Application,
        state: &OperationState,
        started: Timestamp,
        progress: Progress,
        why: &str,
    ) -> Advance {
        tracing::debug!(app = %app.key(), reason = why, "Operation waits");
        let deadline = self.sync_deadline(started);
        let is_late = deadline.is_some_and(|deadline| self.now() >= deadline);
        if state.phase != ApiPhase::Terminating && !is_late {
            self.running
                .put(app.key(), started, state.retry_count, progress);
            return Advance::Waiting(Duration::from_secs(2));
        }
        let hooks_run = progress.results().iter().any(|result| {
            result.hook_type.is_some() && result.hook_phase == Some(sync::OperationPhase::Running)
        });
        let (phase, message) = match (hooks_run, is_late) {
            (true, _) => (ApiPhase::Error, "Operation termination had errors"),
            (false, true) => (ApiPhase::Failed, "operation is terminating due to timeout"),
            (false, false) => (ApiPhase::Failed, "Operation terminated"),
        };
        let message = if hooks_run || is_late {
            format!("{message}: {why}")
        } else {
            message.to_owned()
        };
        Advance::Done { phase, message }
    }

    /// Records the waves of an operation's prunes before the first of them is carried out; `false` when it could not.
    async fn keep_prune_waves(
        &self,
        app: &Application,
        plan: &Plan,
        progress: &mut Progress,
        draft: &mut Draft,
    ) -> bool {
        let waves = plan.prune_waves();
        // A single wave is its own mirror image.
        let is_new = progress.prune_waves().is_empty() && !plan.options().dry_run;
        if is_new && waves.len() > 1 {
            let waves: Vec<String> = waves.iter().map(i32::to_string).collect();
            let record = format!("{} {}", plan.options().operation_id, waves.join(","));
            if app.metadata.annotation(annotation::PRUNE_WAVES) != Some(&record) {
                let key = annotation::PRUNE_WAVES.to_owned();
                draft.annotations.insert(key, Some(record));
                if !self.patch(app, draft).await {
                    return false;
                }
            }
        }
        progress.keep_prune_waves(waves);
        true
    }

    async fn plan(
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
fn warn_of_excess(plan: &Plan, draft: &mut Draft) {
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

/// Returns whose fields are taken over from client-side apply.
fn migration(app: &Application) -> Migration {
    let manager = app
        .metadata
        .annotation(annotation::CLIENT_SIDE_APPLY_MIGRATION_MANAGER);
    Migration::TakeOver(manager.map(str::to_owned).into_iter().collect())
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

impl Walk<'_> {
    async fn run(&mut self, draft: &mut Draft) -> Advance {
        // What was done and is not yet in the Application's status.
        let mut unrecorded = false;
        loop {
            let config = self.controller.state.config();
            let eyes = Eyes(self.target.cluster.live(), &*config);
            let decision = sync::step(&self.plan, &mut self.progress, &eyes, self.controller.now());
            self.write_down(draft, &decision.message);
            let done = match decision.step {
                Step::Finish { phase } => {
                    return Advance::Done {
                        phase: phase_to_api(phase),
                        message: decision.message,
                    };
                }
                Step::Wait { until } => {
                    if !self.controller.patch(self.app, draft).await {
                        return Advance::Interrupted;
                    }
                    let left = until.map(|until| until.duration_since(self.controller.now()));
                    let left = left.and_then(|left| Duration::try_from(left).ok());
                    return Advance::Waiting(left.unwrap_or(Duration::from_secs(30)));
                }
                Step::DryRun { tasks } => self.dry_run(&tasks).await,
                Step::Run { groups, dry_run } => {
                    if unrecorded && !self.controller.patch(self.app, draft).await {
                        return Advance::Interrupted;
                    }
                    unrecorded = true;
                    self.run_groups(&groups, dry_run).await
                }
                Step::DeleteBefore { tasks } => self.delete_before(&tasks).await,
                Step::CleanUp { release, delete } => {
                    // A hook whose object is gone is known to be over by its recorded result alone.
                    if !delete.is_empty() && !self.controller.patch(self.app, draft).await {
                        return Advance::Interrupted;
                    }
                    self.clean_up(&release, &delete).await
                }
            };
            if let Err(Interruption(why)) = done {
                tracing::warn!(app = %self.app.key(), reason = why, "Operation interrupted");
                self.write_down(draft, &why);
                self.controller.patch(self.app, draft).await;
                return Advance::Waiting(Duration::from_secs(2));
            }
        }
    }

    /// Copies message and results into the draft.
    fn write_down(&self, draft: &mut Draft, message: &str) {
        let Some(state) = draft.status.operation_state.as_mut() else {
            return;
        };
        message.clone_into(&mut state.message);
        let result = state.sync_result.get_or_insert_with(Box::default);
        result.resources = self.progress.results().iter().map(result_to_api).collect();
        let policy = self.app.spec.sync_policy.as_deref();
        result.managed_namespace_metadata =
            policy.and_then(|policy| policy.managed_namespace_metadata.clone());
    }

    async fn dry_run(&mut self, tasks: &[TaskId]) -> Result<(), Interruption> {
        let this = &*self;
        let outcomes: Vec<(TaskId, Result<Outcome, Interruption>)> =
            stream::iter(tasks.iter().copied())
                .map(|id| async move { (id, this.carry_out(id, DryRun::Server).await) })
                .buffer_unordered(32)
                .collect()
                .await;
        let mut failed = Vec::new();
        for (id, outcome) in outcomes {
            if let Outcome::Failed(message) = outcome? {
                failed.push((id, message));
            }
        }
        failed.sort_by_key(|(id, _)| *id);
        self.progress.record_dry_run(&self.plan, failed);
        Ok(())
    }

    async fn run_groups(
        &mut self,
        groups: &[Vec<TaskId>],
        dry_run: bool,
    ) -> Result<(), Interruption> {
        let mode = if dry_run { DryRun::Server } else { DryRun::No };
        for group in groups {
            let this = &*self;
            let mut outcomes: Vec<(TaskId, Result<Outcome, Interruption>)> = group
                .iter()
                .map(|id| async move { (*id, this.carry_out(*id, mode).await) })
                .collect::<FuturesUnordered<_>>()
                .collect()
                .await;
            outcomes.sort_by_key(|(id, _)| *id);
            let mut interruption = None;
            for (id, outcome) in outcomes {
                match outcome {
                    Ok(outcome) => self.progress.record(&self.plan, id, outcome),
                    Err(why) => interruption = Some(why),
                }
            }
            if let Some(why) = interruption {
                return Err(why);
            }
            let defines_kinds = group
                .iter()
                .filter_map(|id| self.plan.task(*id))
                .any(|task| {
                    &*task.key.kind == "CustomResourceDefinition"
                        && task.target.is_some()
                        && !dry_run
                });
            if defines_kinds {
                self.await_new_kinds(group).await;
            }
        }
        Ok(())
    }

    /// Waits until the API serves the kinds of new CRDs, 3 s at most.
    async fn await_new_kinds(&self, group: &[TaskId]) {
        let kinds: Vec<GroupVersionKind> = group
            .iter()
            .filter_map(|id| self.plan.task(*id)?.target.as_deref())
            .flat_map(served_kinds)
            .collect();
        for _ in 0..15 {
            let known = self
                .target
                .cluster
                .refresh_discovery()
                .await
                .is_ok_and(|discovery| {
                    kinds
                        .iter()
                        .all(|gvk| matches!(discovery.resolve(gvk), Resolved::Known(_)))
                });
            if known {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Writes or deletes one object.
    async fn carry_out(&self, id: TaskId, dry_run: DryRun) -> Result<Outcome, Interruption> {
        let Some(task) = self.plan.task(id) else {
            return Ok(Outcome::Failed("the task is not in the plan".to_owned()));
        };
        let outcome = match (&task.action, task.target.as_deref()) {
            (Action::CreateNamespace, Some(target)) => {
                let metadata = target.at(&["metadata"]).filter(|_| {
                    self.app
                        .spec
                        .sync_policy
                        .as_deref()
                        .is_some_and(|policy| policy.managed_namespace_metadata.is_some())
                });
                let created = self
                    .writer
                    .create_namespace(&self.ctx, &task.key.name, metadata, dry_run)
                    .await;
                created.map(|new| {
                    let what = if new { "created" } else { "configured" };
                    Outcome::Applied(format!("namespace/{} {what}", task.key.name))
                })
            }
            (Action::Apply(write), Some(target)) => {
                let options = self.apply_options(*write, dry_run);
                match &task.governor {
                    Some(governor) => return self.release(task, target, governor, &options).await,
                    None => self.apply(target, &options).await,
                }
            }
            (Action::Prune { propagation, .. }, _) => self.prune(task, *propagation, dry_run).await,
            _ => return Ok(Outcome::Failed("nothing to apply".to_owned())),
        };
        outcome.or_else(|error| refused_or_interrupted(&error))
    }

    async fn apply(
        &self,
        target: &Object,
        options: &ApplyOptions,
    ) -> Result<Outcome, driftless_kube::Error> {
        if let Some(left) = self.left_to_rollout(target, options).await? {
            return Ok(left);
        }
        let applied = self.writer.apply(&self.ctx, target, options).await?;
        if is_rollout(target) && options.dry_run == DryRun::No {
            self.forget_targets(&target.key()).await?;
        }
        Ok(Outcome::Applied(applied.message))
    }

    fn apply_options(&self, write: sync::task::Write, dry_run: DryRun) -> ApplyOptions {
        ApplyOptions {
            dry_run,
            conflicts: Conflicts::Force,
            validation: if write.validate {
                Validation::Strict
            } else {
                Validation::Ignore
            },
            mode: match write.method {
                sync::task::Method::Replace => ApplyMode::Replace,
                sync::task::Method::ServerSideApply => ApplyMode::ServerSide,
                sync::task::Method::ClientSideApply => ApplyMode::ClientSide,
            },
            on_immutable: if write.force {
                OnImmutable::Recreate
            } else {
                OnImmutable::Fail
            },
            migration: if write.migrate_client_side {
                self.migration.clone()
            } else {
                Migration::Leave
            },
            ..ApplyOptions::default()
        }
    }

    async fn prune(
        &self,
        task: &Task,
        propagation: sync::option::Propagation,
        dry_run: DryRun,
    ) -> Result<Outcome, driftless_kube::Error> {
        // Only the very object that was planned for: one that was made anew meanwhile is not ours to delete.
        let uid = task
            .live
            .as_deref()
            .and_then(Object::uid)
            .map(driftless_kube::live::Uid::new);
        let propagation = match propagation {
            sync::option::Propagation::Foreground => Propagation::Foreground,
            sync::option::Propagation::Background => Propagation::Background,
            sync::option::Propagation::Orphan => Propagation::Orphan,
        };
        let options = DeleteOptions {
            propagation,
            uid,
            dry_run,
            ..DeleteOptions::default()
        };
        self.writer
            .delete(&self.ctx, &task.key, &options)
            .await
            .map(|deleted| match deleted {
                Deleted::Gone | Deleted::Terminating | Deleted::Absent => Outcome::Pruned,
            })
    }

    async fn delete_before(&mut self, tasks: &[TaskId]) -> Result<(), Interruption> {
        for id in tasks {
            let result = self.remove_hook(*id, true).await?;
            self.progress.record_delete(&self.plan, *id, result);
        }
        Ok(())
    }

    async fn clean_up(
        &mut self,
        release: &[TaskId],
        delete: &[TaskId],
    ) -> Result<(), Interruption> {
        for (ids, and_delete) in [(release, false), (delete, true)] {
            for id in ids {
                let result = self.remove_hook(*id, and_delete).await?;
                if and_delete {
                    self.progress.record_clean_up(&self.plan, *id, result);
                } else {
                    self.progress.record_release(&self.plan, *id, &result);
                }
            }
        }
        Ok(())
    }

    /// Takes our finalizer from a hook's object and, where asked for, deletes it.
    async fn remove_hook(
        &self,
        id: TaskId,
        and_delete: bool,
    ) -> Result<Result<(), String>, Interruption> {
        let Some(task) = self.plan.task(id) else {
            return Ok(Ok(()));
        };
        let eyes = Eyes(self.target.cluster.live(), &NoRules);
        let object = match sync::Observe::live(&eyes, &task.key) {
            sync::Live::Missing => return Ok(Ok(())),
            sync::Live::Unknown(why) => return Err(Interruption(why)),
            sync::Live::Present(object) => object,
        };
        let outcome = self.release_and_delete(task, &object, and_delete).await;
        match outcome {
            Ok(()) | Err(driftless_kube::Error::NotFound { .. }) => Ok(Ok(())),
            Err(error) => match refused_or_interrupted(&error)? {
                Outcome::Failed(message) => Ok(Err(message)),
                _ => Ok(Ok(())),
            },
        }
    }

    async fn release_and_delete(
        &self,
        task: &Task,
        object: &Object,
        and_delete: bool,
    ) -> Result<(), driftless_kube::Error> {
        if object
            .finalizers()
            .any(|finalizer| finalizer == HOOK_FINALIZER)
        {
            let left: Vec<&str> = object
                .finalizers()
                .filter(|finalizer| *finalizer != HOOK_FINALIZER)
                .collect();
            let patch = serde_json::json!({"metadata": {"finalizers": left}}).to_string();
            self.writer
                .patch(
                    &self.ctx,
                    &object.gvk(),
                    &task.key,
                    &WriteTarget::Object,
                    PatchType::Merge,
                    bytes::Bytes::from(patch),
                )
                .await?;
        }
        if and_delete {
            let options = DeleteOptions {
                propagation: Propagation::Background,
                ..DeleteOptions::default()
            };
            self.writer.delete(&self.ctx, &task.key, &options).await?;
        }
        Ok(())
    }
}

/// Tells a refusal, which is the object's result, from a cluster or lease that is away, which is not.
pub(crate) fn refused_or_interrupted(
    error: &driftless_kube::Error,
) -> Result<Outcome, Interruption> {
    use driftless_kube::Error;
    match error {
        Error::Fenced { .. }
        | Error::Unreachable { .. }
        | Error::Timeout { .. }
        | Error::TooManyRequests { .. } => Err(Interruption(render_chain(error))),
        _ => Ok(Outcome::Failed(render_chain(error))),
    }
}

fn served_kinds(crd: &Object) -> Vec<GroupVersionKind> {
    let group = crd.str_at(&["spec", "group"]).unwrap_or_default();
    let kind = crd.str_at(&["spec", "names", "kind"]).unwrap_or_default();
    let versions = crd
        .at(&["spec", "versions"])
        .and_then(serde_json::Value::as_array);
    versions
        .into_iter()
        .flatten()
        .filter(|version| version["served"].as_bool() == Some(true))
        .filter_map(|version| {
            Some(GroupVersionKind::new(
                group,
                version["name"].as_str()?,
                kind,
            ))
        })
        .collect()
}

/// Rebuilds what an operation has done from its record.
pub(crate) fn progress_of(state: &OperationState) -> Progress {
    let results = state
        .sync_result
        .as_deref()
        .map_or(&[][..], |result| &result.resources);
    Progress::from_results(results.iter().filter_map(result_from_api))
}

fn result_to_api(result: &ResourceResult) -> ApiResult {
    ApiResult {
        group: (&result.key.group).into(),
        version: (&result.version).into(),
        kind: (&result.key.kind).into(),
        namespace: (&result.key.namespace).into(),
        name: (&result.key.name).into(),
        status: result
            .status
            .map(|code| ApiCode::from(code.as_str()))
            .unwrap_or_default(),
        message: result.message.as_str().into(),
        hook_type: result
            .hook_type
            .map(|hook| ApiSyncPhase::from(hook.as_str()))
            .unwrap_or_default(),
        hook_phase: result.hook_phase.map(phase_to_api).unwrap_or_default(),
        sync_phase: ApiSyncPhase::from(result.sync_phase.as_str()),
        images: result.images.clone(),
        ..ApiResult::default()
    }
}

fn result_from_api(result: &ApiResult) -> Option<ResourceResult> {
    Some(ResourceResult {
        key: result.key(),
        version: result.version.as_arc().clone(),
        sync_phase: Phase::parse(result.sync_phase.as_str())?,
        status: ResultCode::parse(result.status.as_str()),
        message: result.message.as_str().to_owned(),
        hook_type: HookType::parse(result.hook_type.as_str()),
        hook_phase: sync::OperationPhase::parse(result.hook_phase.as_str()),
        images: result.images.clone(),
    })
}

fn phase_to_api(phase: sync::OperationPhase) -> ApiPhase {
    ApiPhase::from(phase.as_str())
}
