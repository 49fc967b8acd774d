//! How an operation ends: hooks are released and deleted as their policies say, then it is over.

use super::{Decision, Live, Machine, Step, message};
use crate::annotation::{DeletePolicy, HOOK_FINALIZER};
use crate::sync::progress::{OperationPhase, Progress, ResultCode, Termination};
use crate::sync::task::{Action, Phase, Task, TaskId};

impl Machine<'_> {
    /// Takes the finalizer from hooks that are over, so that anybody may delete them.
    pub(super) fn release_completed(&mut self) -> Option<Decision> {
        let release: Vec<TaskId> = self
            .tasks()
            .filter(|(_, task)| {
                let over = self.phase_of(task).is_some_and(OperationPhase::is_final);
                task.is_hook() && over && self.must_release(task)
            })
            .map(|(id, _)| id)
            .collect();
        self.clean(release, Vec::new())
    }

    fn must_release(&self, task: &Task) -> bool {
        let tried = self.progress.cleaned.get(&task.task_key());
        !tried.is_some_and(|tried| tried.released)
            && matches!(self.observe.live(&task.key), Live::Present(live)
                if live.finalizers().any(|finalizer| finalizer == HOOK_FINALIZER))
    }

    fn clean(&self, release: Vec<TaskId>, delete: Vec<TaskId>) -> Option<Decision> {
        if (release.is_empty() && delete.is_empty()) || self.plan.options().dry_run {
            return None;
        }
        Some(Decision::running(
            message::RUNNING,
            Step::CleanUp { release, delete },
        ))
    }

    /// Deletes the objects of hooks as their policies say; once each.
    pub(super) fn clean_up_hooks(&mut self) -> Option<Decision> {
        let delete: Vec<TaskId> = self
            .tasks()
            .filter(|(_, task)| {
                let tried = self.progress.cleaned.get(&task.task_key());
                self.progress.wants_deletion(task)
                    && !tried.is_some_and(|tried| tried.deleted)
                    && !matches!(self.observe.live(&task.key), Live::Missing)
            })
            .map(|(id, _)| id)
            .collect();
        self.clean(Vec::new(), delete)
    }

    /// Ends well.
    pub(super) fn succeed(&mut self) -> Decision {
        if let Some(decision) = self.clean_up_hooks() {
            return decision;
        }
        let mut places: Vec<(Phase, i32)> = Vec::new();
        let regular = || {
            self.tasks()
                .filter(|(_, task)| task.phase != Phase::SyncFail)
        };
        places.extend(regular().map(|(_, task)| (task.phase, task.wave)));
        let last = places.into_iter().max();
        let in_last = || regular().filter(|(_, task)| Some((task.phase, task.wave)) == last);
        let hooks = in_last().any(|(_, task)| task.is_hook());
        let ran = in_last().any(|(_, task)| self.phase_of(task).is_some());
        let message = if ran && !hooks {
            message::ALL_RUN
        } else {
            message::NO_MORE
        };
        Decision::finish(OperationPhase::Succeeded, message)
    }

    /// Ends badly: SyncFail hooks run first.
    pub(super) fn fail(&mut self) -> Decision {
        // A wave that took too long ends here before its finished hooks were let go.
        if let Some(decision) = self.release_completed() {
            return decision;
        }
        let fail_tasks: Vec<(TaskId, &Task)> = self
            .tasks()
            .filter(|(_, task)| task.phase == Phase::SyncFail)
            .collect();
        let reached = self.tasks().any(|(_, task)| {
            task.action != Action::CreateNamespace
                && self.progress.result(&task.task_key()).is_some()
        });
        let pending: Vec<(TaskId, &Task)> = fail_tasks
            .iter()
            .copied()
            .filter(|(_, task)| self.is_pending(task))
            .collect();
        if !pending.is_empty() && reached && !self.plan.options().dry_run {
            // They have a time of their own, whatever the wave that failed used up.
            self.progress.begin_wave(Phase::SyncFail, 0, self.now);
            return self.create(&pending);
        }
        if let Some(decision) = self.clean_up_hooks() {
            return decision;
        }
        Decision::finish(OperationPhase::Failed, self.failure_message(&fail_tasks))
    }

    fn failure_message(&self, fail_tasks: &[(TaskId, &Task)]) -> String {
        let regular = || {
            let tasks = self.tasks().map(|(_, task)| task);
            tasks.filter(|task| task.phase != Phase::SyncFail && self.has_failed(task))
        };
        let reason = |task: &Task| {
            let result = self.progress.result(&task.task_key());
            result
                .map(|result| result.message.as_str())
                .unwrap_or_default()
        };
        let refused: Vec<&str> = regular()
            .filter(|task| self.status_of(task) == Some(ResultCode::SyncFailed))
            .map(reason)
            .collect();
        let mut text = if refused.is_empty() {
            message::with_reasons(message::UNSUCCESSFUL, regular().map(reason))
        } else {
            message::with_reasons(message::APPLY_FAILED, refused)
        };
        let failed: Vec<&Task> = fail_tasks
            .iter()
            .map(|(_, task)| *task)
            .filter(|task| self.has_failed(task))
            .collect();
        if !failed.is_empty() {
            text.push('\n');
            let reasons = failed.into_iter().map(reason);
            text.push_str(&message::with_reasons(message::SYNC_FAIL_FAILED, reasons));
        }
        text
    }

    /// Ends because it was told to: hooks at work are deleted, the others released.
    pub(super) fn terminate(&mut self) -> Decision {
        let mut release = Vec::new();
        let mut delete = Vec::new();
        for (id, task) in self.tasks().filter(|(_, task)| task.is_hook()) {
            let tried = self.progress.cleaned.get(&task.task_key()).copied();
            let tried = tried.unwrap_or_default();
            if self.is_running(task) {
                match self.observe.live(&task.key) {
                    Live::Missing => {
                        let message = "Deleted".into();
                        self.progress
                            .set(task, None, OperationPhase::Succeeded, message);
                    }
                    _ if !tried.deleted => delete.push(id),
                    _ => {}
                }
            } else if self.phase_of(task).is_some() && self.must_release(task) {
                release.push(id);
            }
        }
        let why = self.progress.termination().cloned();
        let idle = release.is_empty() && delete.is_empty();
        if !idle && !self.plan.options().dry_run {
            let message = match why {
                Some(Termination::TimedOut) => message::TERMINATING_TIMEOUT,
                _ => message::TERMINATING,
            };
            return Decision {
                phase: OperationPhase::Terminating,
                message: message.into(),
                step: Step::CleanUp { release, delete },
            };
        }
        if self.progress.cleaned.values().any(|cleaned| cleaned.failed) {
            return Decision::finish(OperationPhase::Error, message::TERMINATION_ERRORS);
        }
        let message = match why {
            Some(Termination::TimedOut) => format!("{} (timed out)", message::TERMINATED),
            Some(Termination::Superseded(revision)) => {
                format!(
                    "{} (superseded by revision {revision})",
                    message::TERMINATED
                )
            }
            _ => message::TERMINATED.into(),
        };
        Decision::finish(OperationPhase::Failed, message)
    }
}

impl Progress {
    /// Says whether the object of a hook is to be deleted: while terminating when it is at work, else when
    /// it is over and its policies say so.
    pub(crate) fn wants_deletion(&self, task: &Task) -> bool {
        let phase = self
            .result(&task.task_key())
            .and_then(|result| result.hook_phase);
        match phase {
            Some(OperationPhase::Running) => task.is_hook() && self.termination().is_some(),
            Some(OperationPhase::Succeeded) => task.deletes_on(DeletePolicy::HookSucceeded),
            Some(OperationPhase::Failed | OperationPhase::Error) => {
                task.deletes_on(DeletePolicy::HookFailed)
            }
            _ => false,
        }
    }
}
