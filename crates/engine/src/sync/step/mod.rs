//! What an operation has to do now.

mod clean_up;
mod message;
mod running;

use std::sync::Arc;

use driftless_core::ResourceKey;
use driftless_manifest::Object;
use jiff::Timestamp;

use crate::annotation::DeletePolicy;
use crate::health::Health;
use crate::sync::plan::{OPERATION_ANNOTATION, Plan, operation_mark, waits_for_confirmation};
use crate::sync::progress::{OperationPhase, Progress, ResultCode, Termination};
use crate::sync::task::{Action, Phase, Task, TaskId};

/// What is seen of an object in the cluster.
#[derive(Clone, Debug)]
pub enum Live {
    /// It could not be found out; the text says why. This is never taken for absence.
    Unknown(String),
    /// There is no such object, or its kind is not served any more.
    Missing,
    /// There it is.
    Present(Arc<Object>),
}

/// Eyes on the cluster. What they see must not be older than the last write of this operation.
pub trait Observe {
    /// Returns what is seen of an object.
    fn live(&self, key: &ResourceKey) -> Live;

    /// Returns the health of a live object, `None` when its kind has none.
    fn health(&self, object: &Object) -> Option<Health>;
}

/// What to do now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Try these tasks without changing anything, in any order; then [`Progress::record_dry_run`].
    DryRun {
        /// The tasks.
        tasks: Vec<TaskId>,
    },
    /// Do these tasks: groups one after the other, the tasks of a group at once; a failure stops nothing.
    /// After a group of CustomResourceDefinitions wait until they are established, 3 s at most. Then
    /// [`Progress::record`] for each.
    Run {
        /// The tasks.
        groups: Vec<Vec<TaskId>>,
        /// Only pretend.
        dry_run: bool,
    },
    /// Delete what an earlier operation left of these hooks, their hook finalizer first; then
    /// [`Progress::record_delete`] for each.
    DeleteBefore {
        /// The tasks.
        tasks: Vec<TaskId>,
    },
    /// Persist the results when the second list is not empty: once a hook's object is gone, only its result
    /// tells that it was over. Take the hook finalizer from the live objects of both lists and delete those of
    /// the second; then [`Progress::record_release`] for each of the first and
    /// [`Progress::record_clean_up`] for each of the second.
    CleanUp {
        /// Hooks whose object stays.
        release: Vec<TaskId>,
        /// Hooks whose object goes.
        delete: Vec<TaskId>,
    },
    /// Nothing can be done before something changes in the cluster, or before the given time.
    Wait {
        /// When to ask again at the latest.
        until: Option<Timestamp>,
    },
    /// The operation is over.
    Finish {
        /// How it ended.
        phase: OperationPhase,
    },
}

/// What to do now, and what to show.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// Phase of the operation.
    pub phase: OperationPhase,
    /// Message of the operation.
    pub message: String,
    /// What to do.
    pub step: Step,
}

impl Decision {
    fn running(message: impl Into<String>, step: Step) -> Self {
        Self {
            phase: OperationPhase::Running,
            message: message.into(),
            step,
        }
    }

    fn finish(phase: OperationPhase, message: impl Into<String>) -> Self {
        Self {
            phase,
            message: message.into(),
            step: Step::Finish { phase },
        }
    }
}

/// Says what an operation has to do now. `progress` is brought up to date with what is seen; persist its
/// results after the step was done, before anything else is done for the operation.
pub fn step(
    plan: &Plan,
    progress: &mut Progress,
    observe: &dyn Observe,
    now: Timestamp,
) -> Decision {
    Machine {
        plan,
        progress,
        observe,
        now,
    }
    .decide()
}

struct Machine<'a> {
    plan: &'a Plan,
    progress: &'a mut Progress,
    observe: &'a dyn Observe,
    now: Timestamp,
}

impl<'a> Machine<'a> {
    fn decide(mut self) -> Decision {
        let deadline = self.plan.options().limits.operation;
        if deadline.is_some_and(|deadline| self.now >= deadline) {
            self.progress.terminate(Termination::TimedOut);
        }
        if self.progress.termination().is_some() {
            return self.terminate();
        }
        if self.is_invalid() {
            return self.refuse();
        }
        if let Some(decision) = self.create_namespace() {
            return decision;
        }
        if let Some(decision) = self.dry_run() {
            return decision;
        }
        self.update_running();
        if let Some(decision) = self.wait_for_running() {
            return decision;
        }
        if let Some(decision) = self.release_completed() {
            return decision;
        }
        if self
            .tasks()
            .any(|(_, task)| task.phase != Phase::SyncFail && self.has_failed(task))
        {
            return self.fail();
        }
        self.next_wave()
    }

    fn tasks(&self) -> impl Iterator<Item = (TaskId, &'a Task)> + use<'a> {
        self.plan.entries()
    }

    fn phase_of(&self, task: &Task) -> Option<OperationPhase> {
        self.progress.result(&task.task_key())?.hook_phase
    }

    fn status_of(&self, task: &Task) -> Option<ResultCode> {
        self.progress.result(&task.task_key())?.status
    }

    fn has_failed(&self, task: &Task) -> bool {
        matches!(
            self.phase_of(task),
            Some(OperationPhase::Failed | OperationPhase::Error)
        )
    }

    fn is_running(&self, task: &Task) -> bool {
        self.phase_of(task) == Some(OperationPhase::Running)
    }

    /// Says whether a task still has to be done.
    fn is_pending(&self, task: &Task) -> bool {
        let options = self.plan.options();
        let filtered = options.app.apply_out_of_sync_only
            && task.in_sync
            && !task.is_hook()
            && matches!(task.action, Action::Apply(_));
        !filtered && self.progress.result(&task.task_key()).is_none()
    }

    /// Says whether something that is still to be done cannot be. What was done already does not matter:
    /// the facts may have changed since.
    fn is_invalid(&self) -> bool {
        self.plan.invalid().iter().any(|(id, message)| {
            let result = self
                .plan
                .task(*id)
                .and_then(|task| self.progress.result(&task.task_key()));
            result.is_none_or(|result| {
                result.status == Some(ResultCode::SyncFailed) && result.message == *message
            })
        })
    }

    /// Ends an operation that cannot be done as planned.
    fn refuse(&mut self) -> Decision {
        let mut messages = Vec::new();
        for (id, message) in self.plan.invalid() {
            if let Some(task) = self.plan.task(*id) {
                let status = Some(ResultCode::SyncFailed);
                self.progress
                    .set(task, status, OperationPhase::Failed, message.clone());
            }
            messages.push(message.as_str());
        }
        let hooks = self.tasks().filter(|(_, task)| task.is_hook());
        for (_, task) in hooks
            .filter(|(_, task)| self.is_running(task))
            .collect::<Vec<_>>()
        {
            let message = "stopped: the sync cannot go on".into();
            self.progress
                .set(task, None, OperationPhase::Failed, message);
        }
        self.release_completed()
            .or_else(|| self.clean_up_hooks())
            .unwrap_or_else(|| {
                Decision::finish(OperationPhase::Failed, message::not_valid(messages))
            })
    }

    /// Creates the destination namespace before anything is tried in it.
    fn create_namespace(&mut self) -> Option<Decision> {
        let (id, task) = self
            .tasks()
            .find(|(_, task)| task.action == Action::CreateNamespace)?;
        if self.has_failed(task) {
            return Some(self.fail());
        }
        if !self.is_pending(task) {
            return None;
        }
        Some(self.run(vec![vec![id]]))
    }

    /// Tries everything once before anything is changed.
    fn dry_run(&mut self) -> Option<Decision> {
        let failed = || Decision::finish(OperationPhase::Failed, message::DRY_RUN_FAILED);
        if self.progress.dry_run_failed {
            return Some(failed());
        }
        let started = self.tasks().any(|(_, task)| {
            task.action != Action::CreateNamespace
                && self.progress.result(&task.task_key()).is_some()
        });
        if self.progress.dry_run_passed || started {
            return None;
        }
        let tasks: Vec<TaskId> = self
            .tasks()
            .filter(|(_, task)| {
                matches!(task.action, Action::Apply(_))
                    && !task.skip_dry_run
                    && self.is_pending(task)
            })
            .map(|(id, _)| id)
            .collect();
        if tasks.is_empty() {
            self.progress.dry_run_passed = true;
            return None;
        }
        Some(Decision::running(message::RUNNING, Step::DryRun { tasks }))
    }

    fn run(&self, groups: Vec<Vec<TaskId>>) -> Decision {
        let dry_run = self.plan.options().dry_run;
        Decision::running(message::RUNNING, Step::Run { groups, dry_run })
    }

    fn wait(&self, message: String, until: Option<Timestamp>) -> Decision {
        let deadline = self.plan.options().limits.operation;
        let until = [until, deadline].into_iter().flatten().min();
        Decision::running(message, Step::Wait { until })
    }

    /// Begins the first wave with something left to do, or ends well.
    fn next_wave(&mut self) -> Decision {
        let pending: Vec<(TaskId, &'a Task)> = self
            .tasks()
            .filter(|(_, task)| task.phase != Phase::SyncFail && self.is_pending(task))
            .collect();
        let Some((phase, wave)) = pending
            .iter()
            .map(|(_, task)| (task.phase, task.wave))
            .min()
        else {
            return self.succeed();
        };
        if let Some(until) = self.pause_before(phase, wave) {
            return self.wait(message::RUNNING.into(), Some(until));
        }
        self.progress.begin_wave(phase, wave, self.now);
        let (prunes, creates): (Vec<_>, Vec<_>) = pending
            .into_iter()
            .filter(|(_, task)| (task.phase, task.wave) == (phase, wave))
            .partition(|(_, task)| task.is_prune());
        self.prune(&prunes).unwrap_or_else(|| self.create(&creates))
    }

    /// Returns until when to pause, when a wave was just written and another begins.
    fn pause_before(&self, phase: Phase, wave: i32) -> Option<Timestamp> {
        let (written_phase, written_wave, at) = self.progress.wave_written?;
        if (written_phase, written_wave) == (phase, wave) || self.plan.options().dry_run {
            return None;
        }
        let until = at.checked_add(self.plan.options().wave_delay).ok()?;
        // A clock that was set back must not make the pause longer.
        (self.now < until && self.now >= at).then_some(until)
    }

    /// Handles the prunes of a wave: those that may be deleted now, those that wait, those that stay.
    fn prune(&mut self, prunes: &[(TaskId, &'a Task)]) -> Option<Decision> {
        let options = self.plan.options();
        let mut now = Vec::new();
        let mut waiting = Vec::new();
        for (id, task) in prunes {
            match message::prune_skipped(task) {
                Some(reason) => {
                    let status = Some(ResultCode::PruneSkipped);
                    self.progress
                        .set(task, status, OperationPhase::Succeeded, reason.into());
                }
                None if self.plan.excess().is_some() || waits_for_confirmation(task, options) => {
                    waiting.push(*task);
                }
                None => now.push(*id),
            }
        }
        if !now.is_empty() {
            return Some(self.run(vec![now]));
        }
        if waiting.is_empty() {
            // What stays was recorded above; go on with the rest of the wave, or the next.
            return (!prunes.is_empty()).then(|| self.next_wave());
        }
        let message = match self.plan.excess() {
            Some(excess) => excess.to_string(),
            None => message::confirmation(&waiting),
        };
        Some(self.wait(message, None))
    }

    /// Handles the creations of a wave: leftovers of earlier hooks go first.
    fn create(&mut self, creates: &[(TaskId, &'a Task)]) -> Decision {
        if self.plan.options().dry_run {
            return self.pretend(creates);
        }
        let mut run = Vec::new();
        let mut delete = Vec::new();
        let mut going = Vec::new();
        for (id, task) in creates {
            if !task.is_hook() {
                run.push((*id, *task));
                continue;
            }
            match self.observe.live(&task.key) {
                Live::Unknown(_) => going.push(*task),
                Live::Missing => run.push((*id, *task)),
                Live::Present(live) if self.is_own(task, &live) => {
                    let message = format!("{} created", task.key.name);
                    let status = Some(ResultCode::Synced);
                    self.progress
                        .set(task, status, OperationPhase::Running, message);
                }
                Live::Present(live) => {
                    let asked = self.progress.deletes_asked.contains(&task.task_key());
                    if !task.deletes_on(DeletePolicy::BeforeHookCreation) && !live.is_deleting() {
                        run.push((*id, *task));
                    } else if asked || live.is_deleting() {
                        going.push(*task);
                    } else {
                        delete.push((*id, *task));
                    }
                }
            }
        }
        if !delete.is_empty() {
            let message =
                message::deletion(&delete.iter().map(|(_, task)| *task).collect::<Vec<_>>());
            let tasks = delete.into_iter().map(|(id, _)| id).collect();
            return Decision::running(message, Step::DeleteBefore { tasks });
        }
        if !going.is_empty() {
            return self.wait_in_wave(&going);
        }
        if run.is_empty() {
            // Everything in this wave was found done.
            return self.wait(message::RUNNING.into(), Some(self.now));
        }
        let place = run.first().map(|(_, task)| (task.phase, task.wave));
        if let Some((phase, wave)) = place {
            self.progress.wave_written = Some((phase, wave, self.now));
        }
        self.run(groups(&run))
    }

    /// Says whether a live hook was created by this operation, before it died.
    fn is_own(&self, task: &Task, live: &Object) -> bool {
        let mark = operation_mark(task.phase, self.plan.options());
        mark.is_some() && live.annotation(OPERATION_ANNOTATION) == mark.as_deref()
    }

    /// Waits for leftovers to go, within the limit of a wave.
    fn wait_in_wave(&mut self, going: &[&Task]) -> Decision {
        let limit = self.plan.options().limits.wave;
        if let Some(until) = self.progress.wave_deadline(limit) {
            if self.now >= until {
                for task in going {
                    let message = "what an earlier operation left of it was not deleted in time";
                    self.progress
                        .set(task, None, OperationPhase::Failed, message.into());
                }
                return self.fail();
            }
            return self.wait(message::deletion(going), Some(until));
        }
        self.wait(message::deletion(going), None)
    }

    /// Records what a dry run cannot try, and tries the rest.
    fn pretend(&mut self, creates: &[(TaskId, &'a Task)]) -> Decision {
        let (skipped, run): (Vec<_>, Vec<_>) = creates
            .iter()
            .copied()
            .partition(|(_, task)| task.skip_dry_run);
        for (_, task) in skipped {
            let status = Some(ResultCode::Synced);
            let message = message::NOT_TRIED.into();
            self.progress
                .set(task, status, OperationPhase::Succeeded, message);
        }
        if run.is_empty() {
            return self.next_wave();
        }
        self.run(groups(&run))
    }
}

/// Groups neighbours of the same kind.
fn groups(tasks: &[(TaskId, &Task)]) -> Vec<Vec<TaskId>> {
    tasks
        .chunk_by(|(_, a), (_, b)| a.key.kind == b.key.kind && a.key.group == b.key.group)
        .map(|group| group.iter().map(|(id, _)| *id).collect())
        .collect()
}
