//! One rollout: look, decide, store, act, and again, until there is nothing to do but wait.

mod act;
mod look;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use driftless_api::rollout::handover::{self, Wanted};
use driftless_api::rollout::status::{ModelRolloutStatus, TargetStatus};
use driftless_api::rollout::validate;
use driftless_api::{ModelRollout, annotation};
use driftless_core::ResourceKey;
use driftless_kube::store::NsName;
use driftless_kube::write::{PatchType, Target as Part};
use driftless_manifest::merge_patch;
use driftless_rollout::machine::{Answer, Warmed, Which};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::inputs::Inputs;
use crate::runner::{self, Runner};
use crate::status;

/// A rollout at rest is looked at again after this time; changes wake it before.
const REST: Duration = Duration::from_mins(5);
/// After something went wrong that nobody foresaw.
const AFTER_PANIC: Duration = Duration::from_secs(30);
/// Without the lease nothing is done.
const WITHOUT_LEASE: Duration = Duration::from_secs(1);
/// An invalid rollout is looked at again: a template may be there by then.
const INVALID: Duration = Duration::from_secs(15);
/// Targets of one rollout that are looked at at once.
const AT_ONCE: usize = 8;
/// A look at one of several targets may take this long; then the others go on without it for a while.
const LOOK_WITHIN: Duration = Duration::from_secs(10);
/// Holds a rollout back from being deleted while traffic is on its way.
const FINALIZER: &str = "driftless.dev/rollout";

/// Wakes a worker, and hands over what came in the meantime.
#[derive(Default)]
pub(crate) struct Signal {
    pub(crate) notify: Notify,
    inbox: Mutex<Inbox>,
}

#[derive(Default)]
struct Inbox {
    /// Measurements, by target.
    answers: Vec<(String, Answer)>,
    /// Measurements at work.
    measuring: BTreeSet<(String, Which, String)>,
    /// Targets and versions that Jobs measure for.
    jobs: BTreeSet<(String, String)>,
    /// Warm-ups, by target.
    warming: BTreeMap<String, Warming>,
}

/// A warm-up of one step of one version.
struct Warming {
    step: usize,
    /// When the step began: one that is tried again counts anew.
    since: Timestamp,
    done: Warmed,
    is_running: bool,
}

/// One rollout.
pub(crate) struct Worker {
    runner: Arc<Runner>,
    id: NsName,
    signal: Arc<Signal>,
    inputs: tokio::sync::Mutex<Inputs>,
    /// Digest of the status as it was written the last time. Whoever holds it writes the next one.
    written: tokio::sync::Mutex<Option<Digest>>,
    /// Failed attempts in a row, by target.
    failures: Mutex<BTreeMap<String, u32>>,
    /// Why the last action failed, by target.
    errors: Mutex<BTreeMap<String, String>>,
    /// Targets that did not answer, and when they are looked at again.
    slow: Mutex<BTreeMap<String, Instant>>,
    /// Phases that were counted, by target.
    phases: BTreeMap<String, String>,
    /// Passes in a row that nothing but the passing of time brought about.
    quiet: u32,
}

/// SHA-256 of what was written.
type Digest = [u8; 32];

fn digest(value: &Value) -> Digest {
    Sha256::digest(value.to_string().as_bytes()).into()
}

/// The status of a rollout while its targets are looked at.
type Shared = Mutex<ModelRolloutStatus>;

/// Why a pass ended before its end.
struct Stopped(Duration);

impl Worker {
    pub(crate) fn new(runner: Arc<Runner>, id: NsName, signal: Arc<Signal>) -> Self {
        Self {
            runner,
            id,
            signal,
            inputs: tokio::sync::Mutex::default(),
            written: tokio::sync::Mutex::default(),
            failures: Mutex::default(),
            errors: Mutex::default(),
            slow: Mutex::default(),
            phases: BTreeMap::new(),
            quiet: 0,
        }
    }

    /// Works until `stop` is cancelled. A panic ends a pass, not the worker.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let began = tokio::time::Instant::now();
            let pass = AssertUnwindSafe(self.pass()).catch_unwind().await;
            let wait = pass.unwrap_or_else(|_| {
                tracing::error!(obj = %self.id, "A look at a rollout ended with a panic");
                AFTER_PANIC
            });
            let metrics = &self.runner.delivery.services.metrics;
            metrics.passed(began.elapsed().as_secs_f64());
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.signal.notify.notified() => self.quiet = 0,
                () = tokio::time::sleep(wait) => self.quiet = self.quiet.saturating_add(1),
            }
        }
        for phase in self.phases.values() {
            self.runner.delivery.services.metrics.moved(phase, "");
        }
    }

    fn now(&self) -> Timestamp {
        self.runner.delivery.services.clock.now()
    }

    /// Looks at all targets once. Returns when to look again at the latest.
    async fn pass(&mut self) -> Duration {
        if !self.runner.delivery.services.write.fence.is_open() {
            return WITHOUT_LEASE;
        }
        let stored = self.runner.store.get(&self.id.namespace, &self.id.name);
        let Some(stored) = stored else {
            return self.malformed().await;
        };
        let rollout = &stored.object;
        if rollout.metadata.annotation(annotation::SUSPEND).is_some() {
            // Somebody else has it in hand.
            return REST;
        }
        let mut status = rollout.status.as_deref().cloned().unwrap_or_default();
        match self.targets(rollout, &mut status).await {
            Ok(wait) | Err(Stopped(wait)) => wait,
        }
    }

    async fn targets(
        &mut self,
        rollout: &ModelRollout,
        status: &mut ModelRolloutStatus,
    ) -> Result<Duration, Stopped> {
        let commands = Commands::of(rollout);
        let wanted = wanted(rollout);
        let problem = validate(&rollout.spec).first().map(ToString::to_string);
        let names = match self.names(rollout, wanted.as_ref().ok()).await {
            Ok(names) => names,
            // What is known goes on; what is new has to wait.
            Err(error) => {
                tracing::debug!(obj = %self.id, error, "Targets cannot be listed");
                status
                    .targets
                    .iter()
                    .map(|target| target.name.clone())
                    .collect()
            }
        };
        status
            .targets
            .retain(|target| names.contains(&target.name) || look::is_at_work(target));
        let known: Vec<String> = status
            .targets
            .iter()
            .map(|target| target.name.clone())
            .collect();
        let all: BTreeSet<String> = names.into_iter().chain(known).collect();
        for name in &all {
            if !status.targets.iter().any(|target| target.name == *name) {
                status.targets.push(TargetStatus {
                    name: name.clone(),
                    ..TargetStatus::default()
                });
            }
        }
        let shared = Shared::new(std::mem::take(status));
        let jobs: Vec<look::Job<'_>> = all
            .iter()
            .map(|name| look::Job {
                rollout,
                name,
                commands: &commands,
                wanted: &wanted,
                problem: problem.as_deref(),
            })
            .collect();
        let looked = self.look_at(&jobs, &shared).await;
        *status = shared.into_inner();
        let wait = looked.iter().map(|looked| looked.wait).min();
        let wait = wait.unwrap_or(REST);
        let related = looked.into_iter().flat_map(|looked| looked.related);
        let related: Vec<_> = related.collect();
        for (gvk, _) in &related {
            self.runner.watch(gvk).await;
        }
        self.runner.relate(&self.id, &related);
        if all.is_empty()
            && let Some(problem) = &problem
        {
            status::conclude(status, "Invalid", problem, self.now());
            status.observed_generation = rollout.metadata.generation;
            let mut written = self.written.lock().await;
            self.write_status(rollout, status, &mut written).await?;
        } else {
            let shared = Shared::new(std::mem::take(status));
            let stored = self.persist(rollout, &shared).await;
            *status = shared.into_inner();
            stored?;
        }
        self.count(status);
        self.finish_command(rollout, &commands).await;
        let is_at_work = status.targets.iter().any(look::is_at_work);
        self.hold(rollout, is_at_work).await?;
        Ok(wait)
    }

    /// Looks at all targets at once, a few at a time: one that does not answer delays no other.
    async fn look_at(&self, jobs: &[look::Job<'_>], status: &Shared) -> Vec<look::Looked> {
        let is_alone = jobs.len() == 1;
        let looks: Vec<BoxFuture<'_, look::Looked>> = jobs
            .iter()
            .map(|job| {
                if is_alone {
                    self.target(job, status).boxed()
                } else {
                    self.target_in_time(job, status).boxed()
                }
            })
            .collect();
        futures::stream::iter(looks)
            .buffer_unordered(AT_ONCE)
            .collect()
            .await
    }

    /// Counts phases of targets.
    fn count(&mut self, status: &ModelRolloutStatus) {
        let metrics = &self.runner.delivery.services.metrics;
        let mut phases = BTreeMap::new();
        for target in &status.targets {
            let before = self.phases.remove(&target.name).unwrap_or_default();
            metrics.moved(&before, &target.phase);
            phases.insert(target.name.clone(), target.phase.clone());
        }
        for phase in self.phases.values() {
            metrics.moved(phase, "");
        }
        self.phases = phases;
    }

    /// Says that a rollout cannot be read at all.
    async fn malformed(&mut self) -> Duration {
        let malformed = self.runner.store.malformed();
        let Some(malformed) = malformed
            .into_iter()
            .find(|malformed| malformed.id == self.id)
        else {
            return REST;
        };
        let patch = json!({"status": {"phase": "Invalid", "message": malformed.error}});
        let digest = digest(&patch);
        if *self.written.get_mut() != Some(digest)
            && self
                .patch(
                    Part::Subresource("status".to_owned()),
                    PatchType::Merge,
                    &patch,
                )
                .await
                .is_ok()
        {
            *self.written.get_mut() = Some(digest);
        }
        REST
    }

    /// Stores the status, summed up.
    async fn persist(&self, rollout: &ModelRollout, status: &Shared) -> Result<(), Stopped> {
        // Targets are looked at at once: none may write an older status after a newer one.
        let mut written = self.written.lock().await;
        let status = {
            let mut status = status.lock();
            status::summarise(&mut status, rollout.metadata.generation, self.now());
            status.clone()
        };
        self.write_status(rollout, &status, &mut written).await
    }

    async fn write_status(
        &self,
        rollout: &ModelRollout,
        status: &ModelRolloutStatus,
        written: &mut Option<Digest>,
    ) -> Result<(), Stopped> {
        let mut new = serde_json::to_value(status).unwrap_or_default();
        strip(&mut new);
        let digest = digest(&new);
        if *written == Some(digest) {
            return Ok(());
        }
        let stored = self.runner.store.get(&self.id.namespace, &self.id.name);
        let old = stored
            .as_ref()
            .and_then(|stored| stored.object.status.as_ref())
            .or(rollout.status.as_ref())
            .and_then(|status| serde_json::to_value(status).ok())
            .unwrap_or_else(|| json!({}));
        let patch = merge_patch::create(&old, &new);
        if patch.as_object().is_some_and(serde_json::Map::is_empty) {
            *written = Some(digest);
            return Ok(());
        }
        let part = Part::Subresource("status".to_owned());
        let patch = json!({"status": patch});
        match self.patch(part, PatchType::Merge, &patch).await {
            Ok(()) => {
                *written = Some(digest);
                Ok(())
            }
            Err(error) => {
                // The next pass starts from what is stored.
                *written = None;
                tracing::debug!(obj = %self.id, error, "The status of a rollout was not written");
                Err(Stopped(WITHOUT_LEASE))
            }
        }
    }

    async fn patch(&self, part: Part, kind: PatchType, patch: &Value) -> Result<(), String> {
        let gvk = runner::kind();
        let key = ResourceKey::new(&gvk.group, &gvk.kind, &self.id.namespace, &self.id.name);
        let written = self
            .runner
            .cluster
            .writer()
            .patch(
                &self.runner.delivery.write(),
                &gvk,
                &key,
                &part,
                kind,
                Bytes::from(patch.to_string()),
            )
            .await
            .map_err(|error| error.to_string())?;
        self.runner.store.absorb(&written.body);
        Ok(())
    }

    /// Takes a command off that was carried out.
    async fn finish_command(&self, rollout: &ModelRollout, commands: &Commands) {
        let Some(text) = rollout.metadata.annotation(handover::COMMAND) else {
            return;
        };
        if let Commands::Unreadable(error) = commands {
            tracing::warn!(obj = %self.id, error, "A command cannot be read");
        }
        let path = "/metadata/annotations/driftless.dev~1rollout-command";
        // A newer command stays.
        let patch = json!([
            {"op": "test", "path": path, "value": text},
            {"op": "remove", "path": path},
        ]);
        if let Err(error) = self.patch(Part::Object, PatchType::Json, &patch).await {
            tracing::debug!(obj = %self.id, error, "A command was not taken off");
        }
    }

    /// Holds the rollout back from deletion while it is at work, and lets it go when it is not.
    async fn hold(&self, rollout: &ModelRollout, is_at_work: bool) -> Result<(), Stopped> {
        let stored = self.runner.store.get(&self.id.namespace, &self.id.name);
        let Some(stored) = stored else { return Ok(()) };
        let metadata = &stored.object.metadata;
        let is_held = metadata.finalizers.iter().any(|name| name == FINALIZER);
        if is_held == is_at_work || (is_at_work && rollout.metadata.is_deleting()) {
            return Ok(());
        }
        let mut finalizers: Vec<&str> = metadata
            .finalizers
            .iter()
            .map(String::as_str)
            .filter(|name| *name != FINALIZER)
            .collect();
        if is_at_work {
            finalizers.push(FINALIZER);
        }
        let patch = json!({"metadata": {
            "finalizers": finalizers,
            "resourceVersion": stored.resource_version.as_str(),
        }});
        self.patch(Part::Object, PatchType::Merge, &patch)
            .await
            .map_err(|error| {
                tracing::debug!(obj = %self.id, error, "A rollout was not held");
                Stopped(Duration::from_millis(200))
            })
    }
}

/// What a person asked for.
enum Commands {
    None,
    One(handover::Command),
    Unreadable(String),
}

impl Commands {
    fn of(rollout: &ModelRollout) -> Self {
        match rollout.metadata.annotation(handover::COMMAND) {
            None => Self::None,
            Some(text) => match serde_json::from_str(text) {
                Ok(command) => Self::One(command),
                Err(error) => Self::Unreadable(error.to_string()),
            },
        }
    }

    /// Returns the command for a target, unless it was carried out.
    fn open(&self, target: &TargetStatus) -> Option<&handover::Command> {
        match self {
            Self::One(command)
                if (command.target.is_empty() || command.target == target.name)
                    && command.id != target.last_command =>
            {
                Some(command)
            }
            _ => None,
        }
    }
}

fn wanted(rollout: &ModelRollout) -> Result<Wanted, String> {
    match rollout.metadata.annotation(handover::WANTED) {
        None => Ok(Wanted::default()),
        Some(text) => serde_json::from_str(text).map_err(|error| {
            format!(
                "the annotation {} cannot be read: {error}",
                handover::WANTED
            )
        }),
    }
}

/// Drops what is null: the API server does not keep it.
fn strip(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, inner| !inner.is_null());
            map.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}
