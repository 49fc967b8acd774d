//! A small world to sync into: objects, time, and things that go wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use driftless_core::{GroupVersionKind, ResourceKey};
use driftless_engine::annotation::HOOK_FINALIZER;
use driftless_engine::health::{Health, NoRules, assess};
use driftless_engine::sync::plan::{Cluster, KindFact, NamespaceTarget};
use driftless_engine::sync::{
    Decision, Input, Live, Observe, Options, Outcome, Plan, Progress, ResourceResult, Step, Target,
    Task, TaskId, plan, step,
};
use driftless_manifest::Object;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

pub(crate) fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// Makes an object; the API version follows from the kind.
pub(crate) fn object(kind: &str, name: &str, annotations: &[(&str, &str)]) -> Object {
    let api_version = match kind {
        "Deployment" | "StatefulSet" => "apps/v1",
        "Job" => "batch/v1",
        "CustomResourceDefinition" => "apiextensions.k8s.io/v1",
        "Widget" => "example.com/v1",
        _ => "v1",
    };
    let mut object = Object::from_value(json!({
        "apiVersion": api_version, "kind": kind, "metadata": {"name": name}
    }))
    .unwrap();
    if !matches!(kind, "Namespace" | "CustomResourceDefinition") {
        object.set_namespace("web");
    }
    for (key, value) in annotations {
        let key = match *key {
            "hook" | "hook-delete-policy" | "sync-wave" | "sync-options" => {
                format!("argocd.argoproj.io/{key}")
            }
            other => other.to_owned(),
        };
        object.set_annotation(&key, *value);
    }
    object
}

/// How a workload or hook behaves once it is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Done or ready after this many seconds.
    Good(i64),
    /// Failed or degraded after this many seconds.
    Bad(i64),
    /// Never anything.
    Stuck,
}

/// A cluster.
#[derive(Clone, Default)]
pub(crate) struct World {
    pub(crate) objects: BTreeMap<ResourceKey, Object>,
    pub(crate) now: i64,
    /// By how much the clock of the process is wrong.
    pub(crate) skew: i64,
    born: BTreeMap<ResourceKey, i64>,
    dying: BTreeMap<ResourceKey, i64>,
    pub(crate) fates: BTreeMap<String, Fate>,
    /// Names whose apply is refused.
    pub(crate) refuse: BTreeSet<String>,
    /// Names whose dry run is refused.
    pub(crate) refuse_dry_run: BTreeSet<String>,
    /// Names whose deletion or release is refused.
    pub(crate) refuse_delete: BTreeSet<String>,
    /// Names that cannot be read.
    pub(crate) unreadable: BTreeSet<String>,
    /// Group/kind pairs that are not served.
    pub(crate) missing_kinds: BTreeSet<String>,
    /// How long a deletion takes.
    pub(crate) deletion_takes: i64,
    /// What was done, in order.
    pub(crate) log: Vec<String>,
}

impl World {
    pub(crate) fn with(objects: impl IntoIterator<Item = Object>) -> Self {
        let mut world = Self::default();
        for object in objects {
            world.objects.insert(object.key(), object);
        }
        world
    }

    pub(crate) fn time(&self) -> Timestamp {
        start() + SignedDuration::from_secs(self.now + self.skew)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.objects.keys().any(|key| *key.name == *name)
    }

    /// Lets time pass and things take their course.
    pub(crate) fn pass(&mut self, seconds: i64) {
        self.now += seconds.max(1);
        let dead: Vec<ResourceKey> = self
            .dying
            .iter()
            .filter(|(key, since)| {
                let held = self
                    .objects
                    .get(key)
                    .is_some_and(|object| object.finalizers().next().is_some());
                self.now >= **since + self.deletion_takes && !held
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in dead {
            self.dying.remove(&key);
            self.objects.remove(&key);
        }
        for (key, born) in self.born.clone() {
            let age = self.now - born;
            let fate = self.fates.get(&*key.name).copied().unwrap_or(Fate::Good(0));
            if let Some(object) = self.objects.get_mut(&key) {
                live_out(object, fate, age);
            }
        }
    }

    fn apply(&mut self, task: &Task) -> Outcome {
        let Some(target) = task.target.as_deref() else {
            return Outcome::Failed("nothing to apply".into());
        };
        let name = target.name().to_owned();
        if self.refuse.contains(&name) {
            self.log.push(format!("refuse {name}"));
            return Outcome::Failed(format!("{name} is refused"));
        }
        let key = target.key();
        let known = self.objects.contains_key(&key);
        self.log
            .push(format!("{} {name}", if known { "apply" } else { "create" }));
        let mut object = target.clone();
        object
            .metadata_mut()
            .insert("creationTimestamp".into(), json!(self.time().to_string()));
        // What was there before lives on from here: its controller sees the change.
        self.born.entry(key.clone()).or_insert(self.now);
        let fate = self.fates.get(&name).copied().unwrap_or(Fate::Good(0));
        live_out(
            &mut object,
            fate,
            self.now - self.born.get(&key).copied().unwrap_or(self.now),
        );
        self.objects.insert(key, object);
        let verb = if known { "configured" } else { "created" };
        Outcome::Applied(format!("{}/{name} {verb}", task.gvk.kind.to_lowercase()))
    }

    /// Creates an object as somebody else would.
    pub(crate) fn put(&mut self, mut object: Object) {
        let time = self.time().to_string();
        object
            .metadata_mut()
            .insert("creationTimestamp".into(), json!(time));
        self.born.insert(object.key(), self.now);
        self.objects.insert(object.key(), object);
    }

    fn delete(&mut self, key: &ResourceKey) -> Result<(), String> {
        if self.refuse_delete.contains(&*key.name) {
            return Err(format!("{} may not be deleted", key.name));
        }
        self.log.push(format!("delete {}", key.name));
        let time = self.time().to_string();
        if let Some(object) = self.objects.get_mut(key) {
            if self.deletion_takes == 0 && object.finalizers().next().is_none() {
                self.objects.remove(key);
            } else {
                object
                    .metadata_mut()
                    .insert("deletionTimestamp".into(), json!(time));
                self.dying.entry(key.clone()).or_insert(self.now);
            }
        }
        Ok(())
    }

    fn release(&mut self, key: &ResourceKey) -> Result<(), String> {
        if self.refuse_delete.contains(&*key.name) {
            return Err(format!("{} may not be changed", key.name));
        }
        if let Some(object) = self.objects.get_mut(key) {
            object.remove_finalizer(HOOK_FINALIZER);
        }
        Ok(())
    }
}

/// Gives an object the status that its fate says.
fn live_out(object: &mut Object, fate: Fate, age: i64) {
    let (good, bad) = match fate {
        Fate::Good(after) => (age >= after, false),
        Fate::Bad(after) => (false, age >= after),
        Fate::Stuck => (false, false),
    };
    let status = match object.kind() {
        "Job" if good => {
            json!({"conditions": [{"type": "Complete", "status": "True", "message": "done"}]})
        }
        "Job" if bad => {
            json!({"conditions": [{"type": "Failed", "status": "True", "message": "it broke"}]})
        }
        "Deployment" => {
            let reason = if bad {
                "ProgressDeadlineExceeded"
            } else {
                "NewReplicaSetAvailable"
            };
            json!({"observedGeneration": 0, "replicas": 1, "updatedReplicas": 1, "availableReplicas": i32::from(good),
                "conditions": [{"type": "Progressing", "reason": reason}]})
        }
        _ => return,
    };
    object.as_map_mut().insert("status".into(), status);
}

impl Cluster for World {
    fn kind(&self, gvk: &GroupVersionKind) -> KindFact {
        if self.missing_kinds.contains(&gvk.group_kind().to_string()) {
            return KindFact::Missing {
                served_versions: Vec::new(),
            };
        }
        match &*gvk.kind {
            "Namespace" | "CustomResourceDefinition" => KindFact::ClusterScoped,
            _ => KindFact::Namespaced,
        }
    }

    fn sharers(&self, live: &Object) -> Option<String> {
        let owner = live.annotation("test/owner")?;
        Some(format!("argocd/app and {owner}"))
    }
}

impl Observe for World {
    fn live(&self, key: &ResourceKey) -> Live {
        if self.unreadable.contains(&*key.name) {
            return Live::Unknown("connection refused".into());
        }
        match self.objects.get(key) {
            Some(object) => Live::Present(Arc::new(object.clone())),
            None => Live::Missing,
        }
    }

    fn health(&self, object: &Object) -> Option<Health> {
        assess(object, &NoRules)
    }
}

/// An application to sync.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) targets: Vec<Object>,
    /// Names of live objects the application manages.
    pub(crate) managed: BTreeSet<String>,
    pub(crate) in_sync: BTreeSet<String>,
    pub(crate) namespace: Option<NamespaceTarget>,
    pub(crate) options: Options,
}

impl App {
    pub(crate) fn of(targets: impl IntoIterator<Item = Object>) -> Self {
        let mut options = Options::new(start());
        options.revision = "0123456789abcdef".into();
        options.operation_id = "op-1".into();
        Self {
            targets: targets.into_iter().collect(),
            managed: BTreeSet::new(),
            in_sync: BTreeSet::new(),
            namespace: None,
            options,
        }
    }

    pub(crate) fn plan(&self, world: &World) -> Plan {
        let targets: Vec<Target> = self
            .targets
            .iter()
            .map(|object| {
                let mut target = Target::new(Arc::new(object.clone()));
                target.in_sync = self.in_sync.contains(object.name());
                target
            })
            .collect();
        let wanted: BTreeSet<ResourceKey> =
            targets.iter().map(|target| target.object.key()).collect();
        let live: BTreeMap<ResourceKey, Arc<Object>> = world
            .objects
            .iter()
            .map(|(key, object)| (key.clone(), Arc::new(object.clone())))
            .collect();
        let extraneous: Vec<Arc<Object>> = live
            .iter()
            .filter(|(key, _)| self.managed.contains(&*key.name) && !wanted.contains(*key))
            .map(|(_, object)| object.clone())
            .collect();
        let mut options = self.options.clone();
        options.managed = self.managed.len() as u64;
        plan(&Input {
            targets: &targets,
            live: &live,
            extraneous: &extraneous,
            namespace: self.namespace.as_ref(),
            options: &options,
            cluster: world,
        })
    }
}

/// A process that executes an operation, and may be killed.
pub(crate) struct Runner {
    pub(crate) world: World,
    pub(crate) app: App,
    pub(crate) progress: Progress,
    /// What was persisted.
    pub(crate) saved: Vec<ResourceResult>,
    pub(crate) saved_waves: Vec<i32>,
    /// Every message shown, without repetitions.
    pub(crate) messages: Vec<String>,
    /// How many more single actions until the process is killed.
    pub(crate) lives: Option<usize>,
}

/// The process was killed.
#[derive(Debug)]
pub(crate) struct Killed;

impl Runner {
    pub(crate) fn new(app: App, world: World) -> Self {
        Self {
            world,
            app,
            progress: Progress::new(),
            saved: Vec::new(),
            saved_waves: Vec::new(),
            messages: Vec::new(),
            lives: None,
        }
    }

    /// Plans anew and takes one step.
    pub(crate) fn step(&mut self) -> Result<Decision, Killed> {
        self.app.options.prune_waves = self.progress.prune_waves().to_vec();
        let plan = self.app.plan(&self.world);
        self.progress.keep_prune_waves(plan.prune_waves());
        self.saved_waves = self.progress.prune_waves().to_vec();
        let decision = step(&plan, &mut self.progress, &self.world, self.world.time());
        if self.messages.last() != Some(&decision.message) {
            self.messages.push(decision.message.clone());
        }
        self.execute(&plan, &decision.step)?;
        self.saved = self.progress.results().to_vec();
        Ok(decision)
    }

    fn live_on(&mut self) -> Result<(), Killed> {
        match &mut self.lives {
            None => Ok(()),
            Some(0) => Err(Killed),
            Some(lives) => {
                *lives -= 1;
                Ok(())
            }
        }
    }

    fn execute(&mut self, plan: &Plan, step: &Step) -> Result<(), Killed> {
        match step {
            Step::DryRun { tasks } => {
                let names = &self.world.refuse_dry_run;
                let failed = tasks.iter().filter_map(|id| {
                    let name = &*plan.task(*id)?.key.name;
                    names
                        .contains(name)
                        .then(|| (*id, format!("{name} is not valid")))
                });
                let failed: Vec<(TaskId, String)> = failed.collect();
                self.progress.record_dry_run(plan, failed);
            }
            Step::Run { groups, dry_run } => {
                for id in groups.iter().flatten() {
                    self.live_on()?;
                    let task = plan.task(*id).unwrap();
                    let outcome = match (*dry_run, task.is_prune()) {
                        (true, true) => Outcome::Pruned,
                        (true, false) => Outcome::Applied("pretended".into()),
                        (false, true) => match self.world.delete(&task.key) {
                            Ok(()) => Outcome::Pruned,
                            Err(error) => Outcome::Failed(error),
                        },
                        (false, false) => self.world.apply(task),
                    };
                    self.live_on()?;
                    self.progress.record(plan, *id, outcome);
                }
            }
            Step::DeleteBefore { tasks } => {
                for id in tasks {
                    self.live_on()?;
                    let key = plan.task(*id).unwrap().key.clone();
                    let result = self
                        .world
                        .release(&key)
                        .and_then(|()| self.world.delete(&key));
                    self.progress.record_delete(plan, *id, result);
                }
            }
            Step::CleanUp { release, delete } => {
                if !delete.is_empty() {
                    self.saved = self.progress.results().to_vec();
                }
                for id in release {
                    self.live_on()?;
                    let key = plan.task(*id).unwrap().key.clone();
                    let result = self.world.release(&key);
                    self.progress.record_release(plan, *id, &result);
                }
                for id in delete {
                    self.live_on()?;
                    let key = plan.task(*id).unwrap().key.clone();
                    let result = self
                        .world
                        .release(&key)
                        .and_then(|()| self.world.delete(&key));
                    self.progress.record_clean_up(plan, *id, result);
                }
            }
            Step::Wait { until } => {
                let left =
                    until.map_or(1, |until| until.duration_since(self.world.time()).as_secs());
                self.world.pass(left.clamp(0, 5));
            }
            Step::Finish { .. } => {}
        }
        Ok(())
    }

    /// Goes on as another process would.
    pub(crate) fn resume(&mut self) {
        self.lives = None;
        self.progress = Progress::from_results(self.saved.clone());
        self.progress.keep_prune_waves(&self.saved_waves);
    }

    /// Runs to the end; a machine that does not end fails the test.
    pub(crate) fn run(&mut self) -> Decision {
        self.run_until(|_| false)
    }

    /// Runs until the end or until `stop` says so.
    pub(crate) fn run_until(&mut self, stop: impl Fn(&Self) -> bool) -> Decision {
        for _ in 0..3000 {
            let decision = match self.step() {
                Ok(decision) => decision,
                Err(Killed) => {
                    self.resume();
                    continue;
                }
            };
            if matches!(decision.step, Step::Finish { .. }) || stop(self) {
                return decision;
            }
        }
        panic!("no end after {:?}", self.messages);
    }

    /// Returns the recorded results as `name phase status hook-phase: message`.
    pub(crate) fn results(&self) -> Vec<String> {
        let text = |result: &ResourceResult| {
            format!(
                "{} {} {} {}: {}",
                result.key.name,
                result.sync_phase.as_str(),
                result.status.map_or("-", |status| status.as_str()),
                result.hook_phase.map_or("-", |phase| phase.as_str()),
                result.message
            )
        };
        self.progress.results().iter().map(text).collect()
    }
}
