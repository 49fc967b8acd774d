//! What an operation has done so far: the recorded result of each task, and nothing else that matters.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use driftless_core::ResourceKey;

use crate::annotation::HookType;
use crate::sync::plan::Plan;
use crate::sync::task::{Phase, Task, TaskId, TaskKey};

/// Phase of an operation or of a hook.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum OperationPhase {
    /// At work.
    Running,
    /// Being stopped.
    Terminating,
    /// It did not work out.
    Failed,
    /// It could not be done.
    Error,
    /// Done.
    Succeeded,
}

impl OperationPhase {
    /// Returns the word used in status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Terminating => "Terminating",
            Self::Failed => "Failed",
            Self::Error => "Error",
            Self::Succeeded => "Succeeded",
        }
    }

    /// Reads the word used in status.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "Running" => Self::Running,
            "Terminating" => Self::Terminating,
            "Failed" => Self::Failed,
            "Error" => Self::Error,
            "Succeeded" => Self::Succeeded,
            _ => return None,
        })
    }

    /// Says whether nothing follows.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Running | Self::Terminating)
    }
}

/// What became of an object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ResultCode {
    /// Written.
    Synced,
    /// It could not be written or deleted.
    SyncFailed,
    /// Deleted.
    Pruned,
    /// Not deleted, on purpose.
    PruneSkipped,
}

impl ResultCode {
    /// Returns the word used in status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Synced => "Synced",
            Self::SyncFailed => "SyncFailed",
            Self::Pruned => "Pruned",
            Self::PruneSkipped => "PruneSkipped",
        }
    }

    /// Reads the word used in status.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "Synced" => Self::Synced,
            "SyncFailed" => Self::SyncFailed,
            "Pruned" => Self::Pruned,
            "PruneSkipped" => Self::PruneSkipped,
            _ => return None,
        })
    }
}

/// One entry of `status.operationState.syncResult.resources`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResourceResult {
    /// The object.
    pub key: ResourceKey,
    /// Its API version.
    pub version: Arc<str>,
    /// Phase in which it was handled.
    pub sync_phase: Phase,
    /// What became of it.
    pub status: Option<ResultCode>,
    /// What the API server or the health check said.
    pub message: String,
    /// Hook type, for hooks.
    pub hook_type: Option<HookType>,
    /// How far the hook, or the object's way to health, is.
    pub hook_phase: Option<OperationPhase>,
    /// Images the target names.
    pub images: Vec<String>,
}

/// What the executor tells about one task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Written; the text is what kubectl would print (`deployment.apps/x configured`).
    Applied(String),
    /// Left to the rollout that moves the object, which nothing here waits for; the text says so.
    HandedOver(String),
    /// Deleted, or already gone.
    Pruned,
    /// The API refused; the text says why.
    Failed(String),
}

/// Why an operation is stopped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Termination {
    /// Somebody asked for it.
    Requested,
    /// It took too long.
    TimedOut,
    /// A newer revision is to be synced instead; the text names it.
    Superseded(String),
}

/// What an operation has done so far.
///
/// [`Progress::results`] is what must be persisted after each step, [`Progress::prune_waves`] before the first. The
/// rest is memory that speeds things
/// up; without it some harmless work is done again.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    results: Vec<ResourceResult>,
    index: BTreeMap<TaskKey, usize>,
    /// The dry run passed.
    pub(crate) dry_run_passed: bool,
    /// The dry run failed.
    pub(crate) dry_run_failed: bool,
    /// The operation is to stop.
    pub(crate) termination: Option<Termination>,
    /// Hooks whose clean-up was tried, and whether it worked.
    pub(crate) cleaned: BTreeMap<TaskKey, Cleaned>,
    /// The wave at work and since when.
    wave: Option<(Phase, i32, Timestamp)>,
    /// Objects that were written and are not seen, and since when.
    unseen: BTreeMap<TaskKey, Timestamp>,
    /// When the last wave was written, for the pause after it.
    pub(crate) wave_written: Option<(Phase, i32, Timestamp)>,
    /// Leftovers of earlier operations whose deletion was asked for.
    pub(crate) deletes_asked: BTreeSet<TaskKey>,
    /// Waves among which prunes are mirrored.
    prune_waves: Vec<i32>,
}

/// What came of a hook's clean-up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Cleaned {
    pub(crate) released: bool,
    pub(crate) deleted: bool,
    pub(crate) failed: bool,
}

impl Progress {
    /// Starts an operation that has done nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on where the recorded results end.
    pub fn from_results(results: impl IntoIterator<Item = ResourceResult>) -> Self {
        let mut progress = Self::default();
        for result in results {
            progress.put(result);
        }
        progress
    }

    /// Keeps the waves of the first plan's prunes, or those that were persisted.
    pub fn keep_prune_waves(&mut self, waves: &[i32]) {
        if self.prune_waves.is_empty() {
            self.prune_waves = waves.to_vec();
        }
    }

    /// Returns the waves of the first plan's prunes, for [`super::Options::prune_waves`]; empty before there is one.
    pub fn prune_waves(&self) -> &[i32] {
        &self.prune_waves
    }

    /// Returns the results in the order of first mention.
    pub fn results(&self) -> &[ResourceResult] {
        &self.results
    }

    /// Returns the result of a task.
    pub fn result(&self, key: &TaskKey) -> Option<&ResourceResult> {
        self.results.get(*self.index.get(key)?)
    }

    /// Asks the operation to stop; the first reason stays.
    pub fn terminate(&mut self, why: Termination) {
        self.termination.get_or_insert(why);
    }

    /// Returns why the operation is being stopped.
    pub fn termination(&self) -> Option<&Termination> {
        self.termination.as_ref()
    }

    /// Records what came of a task of a `Run` step.
    pub fn record(&mut self, plan: &Plan, id: TaskId, outcome: Outcome) {
        let Some(task) = plan.task(id) else { return };
        let (status, phase, message) = match outcome {
            Outcome::Applied(message) => {
                // Nothing was created in a dry run, so there is nothing to wait for.
                let phase = if plan.options().dry_run {
                    OperationPhase::Succeeded
                } else {
                    OperationPhase::Running
                };
                (ResultCode::Synced, phase, message)
            }
            Outcome::HandedOver(message) => {
                (ResultCode::Synced, OperationPhase::Succeeded, message)
            }
            Outcome::Pruned if plan.options().dry_run => (
                ResultCode::Pruned,
                OperationPhase::Succeeded,
                "pruned (dry run)".into(),
            ),
            Outcome::Pruned => (
                ResultCode::Pruned,
                OperationPhase::Succeeded,
                "pruned".into(),
            ),
            Outcome::Failed(message) => (ResultCode::SyncFailed, OperationPhase::Failed, message),
        };
        self.set(task, Some(status), phase, message);
    }

    /// Records that the dry run is over and which tasks failed in it.
    pub fn record_dry_run(
        &mut self,
        plan: &Plan,
        failed: impl IntoIterator<Item = (TaskId, String)>,
    ) {
        let mut passed = true;
        for (id, message) in failed {
            passed = false;
            if let Some(task) = plan.task(id) {
                self.set(
                    task,
                    Some(ResultCode::SyncFailed),
                    OperationPhase::Failed,
                    message,
                );
            }
        }
        self.dry_run_passed = passed;
        self.dry_run_failed = !passed;
    }

    /// Records that deletion of a hook's leftover was asked for (`DeleteBefore`), or why it failed.
    pub fn record_delete(&mut self, plan: &Plan, id: TaskId, result: Result<(), String>) {
        let Some(task) = plan.task(id) else { return };
        match result {
            Ok(()) => {
                self.deletes_asked.insert(task.task_key());
            }
            Err(error) => {
                let message = format!("failed to delete resource: {error}");
                self.set(task, None, OperationPhase::Error, message);
            }
        }
    }

    /// Records that a hook of the first list of `CleanUp` lost its finalizer, or why that failed. Its object is still
    /// there: whether it is deleted is decided at the end. A failure is not tried again.
    pub fn record_release(&mut self, plan: &Plan, id: TaskId, result: &Result<(), String>) {
        let Some(task) = plan.task(id) else { return };
        let entry = self.cleaned.entry(task.task_key()).or_default();
        entry.released = true;
        entry.failed |= result.is_err();
    }

    /// Records that a hook of the second list of `CleanUp` was deleted, its finalizer first, or why that failed. A
    /// failure is not tried again.
    pub fn record_clean_up(&mut self, plan: &Plan, id: TaskId, result: Result<(), String>) {
        let Some(task) = plan.task(id) else { return };
        let deleted = self.wants_deletion(task);
        let terminating = self.termination.is_some();
        let key = task.task_key();
        let was_running = self
            .result(&key)
            .is_some_and(|result| result.hook_phase == Some(OperationPhase::Running));
        let entry = self.cleaned.entry(key).or_default();
        entry.released = true;
        entry.deleted |= deleted;
        match result {
            Ok(()) if terminating && was_running => {
                self.set(task, None, OperationPhase::Succeeded, "Deleted".into());
            }
            Ok(()) => {}
            Err(error) => {
                entry.failed = true;
                if terminating {
                    let message = format!("Failed to delete: {error}");
                    self.set(task, None, OperationPhase::Failed, message);
                }
            }
        }
    }

    /// Notes that a wave begins, unless it is at work.
    pub(crate) fn begin_wave(&mut self, phase: Phase, wave: i32, now: Timestamp) {
        if self
            .wave
            .is_none_or(|(known, at_wave, _)| (known, at_wave) != (phase, wave))
        {
            self.wave = Some((phase, wave, now));
        }
    }

    /// Notes that the given wave is at work, when none is known to be.
    pub(crate) fn resume_wave(&mut self, phase: Phase, wave: i32, now: Timestamp) {
        self.wave.get_or_insert((phase, wave, now));
    }

    /// Notes that an object is there.
    pub(crate) fn seen(&mut self, task: &Task) {
        self.unseen.remove(&task.task_key());
    }

    /// Returns when the wave at work has taken too long.
    pub(crate) fn wave_deadline(&self, limit: Option<SignedDuration>) -> Option<Timestamp> {
        let (_, _, since) = self.wave?;
        since.checked_add(limit?).ok()
    }

    /// Returns since when an object that was written is not seen.
    pub(crate) fn unseen_since(&mut self, task: &Task, now: Timestamp) -> Timestamp {
        *self.unseen.entry(task.task_key()).or_insert(now)
    }

    /// Returns since when the first of the objects that are not seen has been so.
    pub(crate) fn first_unseen(&self) -> Option<Timestamp> {
        self.unseen.values().min().copied()
    }

    /// Writes a task's result; status `None` keeps the one there is.
    pub(crate) fn set(
        &mut self,
        task: &Task,
        status: Option<ResultCode>,
        phase: OperationPhase,
        message: String,
    ) {
        let known = self.result(&task.task_key());
        let status = status.or(known.and_then(|known| known.status));
        let images = task.target.as_deref().map(images).unwrap_or_default();
        self.put(ResourceResult {
            key: task.key.clone(),
            version: task.gvk.version.clone(),
            sync_phase: task.phase,
            status,
            message,
            hook_type: task.hook,
            hook_phase: Some(phase),
            images,
        });
    }

    fn put(&mut self, result: ResourceResult) {
        let key = TaskKey {
            object: result.key.clone(),
            phase: result.sync_phase,
        };
        let known = self.index.get(&key).copied();
        if let Some(slot) = known.and_then(|index| self.results.get_mut(index)) {
            *slot = result;
        } else {
            self.index.insert(key, self.results.len());
            self.results.push(result);
        }
    }
}

/// Returns the images an object names in its containers, sorted.
pub fn images(object: &driftless_manifest::Object) -> Vec<String> {
    let mut found = BTreeSet::new();
    for path in POD_SPECS {
        let Some(spec) = object.at(path) else {
            continue;
        };
        for field in ["initContainers", "containers", "ephemeralContainers"] {
            let containers = spec.get(field).and_then(Value::as_array);
            for container in containers.into_iter().flatten() {
                if let Some(image) = container.get("image").and_then(Value::as_str) {
                    found.insert(image.to_owned());
                }
            }
        }
    }
    found
        .into_iter()
        .filter(|image| !image.is_empty())
        .collect()
}

/// Where built-in kinds, and those that follow their custom, keep a pod's spec.
const POD_SPECS: [&[&str]; 3] = [
    &["spec"],
    &["spec", "template", "spec"],
    &["spec", "jobTemplate", "spec", "template", "spec"],
];
