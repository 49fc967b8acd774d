//! Tasks under way: what is seen of them, and how long they are waited for.

use driftless_manifest::Object;
use jiff::{SignedDuration, Timestamp};

use super::{Decision, Live, Machine, message};
use crate::health::Status;
use crate::sync::progress::{OperationPhase, ResultCode};
use crate::sync::task::{Phase, Task};

/// How long an object that was written may stay unseen before it counts as deleted by somebody.
const UNSEEN: SignedDuration = SignedDuration::from_secs(60);

/// Objects whose health holds others back: those of later waves, or the end of an operation whose last wave has hooks.
#[derive(Clone, Copy)]
enum Awaited {
    /// Those of earlier places than the first with something left to do.
    Before((Phase, i32)),
    All,
    Nobody,
}

impl Awaited {
    fn holds(self, task: &Task) -> bool {
        match self {
            Self::Before(next) => (task.phase, task.wave) < next,
            Self::All => true,
            Self::Nobody => false,
        }
    }
}

impl Machine<'_> {
    /// Brings tasks under way up to date with what is seen: hooks, and objects that something waits for.
    /// Others are done once they are written.
    pub(super) fn update_running(&mut self) {
        let awaited = self.awaited(self.next_place());
        let running: Vec<&Task> = self
            .tasks()
            .map(|(_, task)| task)
            .filter(|task| self.is_running(task) && !task.is_prune())
            .filter(|task| task.is_hook() || awaited.holds(task))
            .collect();
        for task in running {
            let live = self.observe.live(&task.key);
            if !matches!(live, Live::Missing) {
                self.progress.seen(task);
            }
            match live {
                Live::Unknown(_) => {}
                Live::Missing => self.update_missing(task),
                Live::Present(live) if task.is_hook() => self.update_hook(task, &live),
                Live::Present(live) => self.update_object(task, &live),
            }
        }
    }

    /// Returns the first phase and wave with something left to do.
    fn next_place(&self) -> Option<(Phase, i32)> {
        self.tasks()
            .map(|(_, task)| task)
            .filter(|task| task.phase != Phase::SyncFail && self.is_pending(task))
            .map(|task| (task.phase, task.wave))
            .min()
    }

    /// Says whose health holds others back. All tasks are looked at for it: once for a step, not for each of them.
    fn awaited(&self, next: Option<(Phase, i32)>) -> Awaited {
        match next {
            Some(next) => Awaited::Before(next),
            None if self.ends_with_hooks() => Awaited::All,
            None => Awaited::Nobody,
        }
    }

    fn update_missing(&mut self, task: &Task) {
        let since = self.progress.unseen_since(task, self.now);
        if self.now.duration_since(since) >= UNSEEN {
            let message = format!("{} was deleted while it was waited for", task.label());
            self.progress
                .set(task, None, OperationPhase::Failed, message);
        }
    }

    fn update_hook(&mut self, task: &Task, live: &Object) {
        let (phase, text) = match self.observe.health(live) {
            _ if live.is_deleting() => (
                OperationPhase::Failed,
                format!("hook {} was deleted before it finished", task.label()),
            ),
            None => (
                OperationPhase::Succeeded,
                format!("{} created", live.name()),
            ),
            Some(health) => (hook_phase(health.status), health.message),
        };
        let limit = self.plan.options().limits.hook;
        let late = limit
            .zip(live.creation_timestamp())
            .filter(|(limit, created)| {
                phase == OperationPhase::Running && self.now.duration_since(*created) >= *limit
            });
        match late {
            Some((limit, _)) => {
                let message = format!("hook {} did not finish within {limit:#}", task.label());
                self.progress
                    .set(task, None, OperationPhase::Failed, message);
            }
            None => self.progress.set(task, None, phase, text),
        }
    }

    fn update_object(&mut self, task: &Task, live: &Object) {
        let known = self.progress.result(&task.task_key());
        let applied = known.map(|known| known.message.clone()).unwrap_or_default();
        let (phase, text) = match self.observe.health(live) {
            None => (OperationPhase::Succeeded, String::new()),
            Some(health) => match health.status {
                Status::Healthy => (OperationPhase::Succeeded, health.message),
                Status::Degraded => (OperationPhase::Failed, health.message),
                _ => return,
            },
        };
        let text = if text.is_empty() { applied } else { text };
        self.progress.set(task, None, phase, text);
    }

    /// Waits while hooks run, while objects of a wave that others follow become healthy, and while pruned
    /// objects that others follow go away.
    pub(super) fn wait_for_running(&mut self) -> Option<Decision> {
        let next = self.next_place();
        let awaited = self.awaited(next);
        let failed = self.tasks().any(|(_, task)| self.has_failed(task));
        let waited: Vec<&Task> = self
            .tasks()
            .map(|(_, task)| task)
            .filter(|task| self.is_running(task) && !task.is_prune())
            .filter(|task| {
                // Hooks of the wave at work run beside what is still to be written in it.
                let at_work = next.is_some_and(|next| (task.phase, task.wave) >= next);
                if task.is_hook() {
                    failed || !at_work
                } else {
                    !failed && awaited.holds(task)
                }
            })
            .collect();
        if !waited.is_empty() {
            return Some(self.wait_or_give_up(&waited, message::completion(&hooks_first(&waited))));
        }
        if failed || next.is_none() {
            return None;
        }
        let going: Vec<&Task> = self
            .tasks()
            .map(|(_, task)| task)
            .filter(|task| {
                self.status_of(task) == Some(ResultCode::Pruned)
                    && next.is_some_and(|next| (task.phase, task.wave) < next)
                    && matches!(self.observe.live(&task.key), Live::Present(live) if live.is_deleting())
            })
            .collect();
        if going.is_empty() || self.plan.options().dry_run {
            return None;
        }
        Some(self.wait_or_give_up(&going, message::deletion(&going)))
    }

    /// Says whether the last wave of a plan of several holds hooks: its objects are waited for, too.
    fn ends_with_hooks(&self) -> bool {
        let places = || {
            let regular = self
                .tasks()
                .filter(|(_, task)| task.phase != Phase::SyncFail);
            regular.map(|(_, task)| ((task.phase, task.wave), task.is_hook()))
        };
        let last = places().map(|(place, _)| place).max();
        let several = places().any(|(place, _)| Some(place) != last);
        several && places().any(|(place, is_hook)| Some(place) == last && is_hook)
    }

    fn wait_or_give_up(&mut self, tasks: &[&Task], message: String) -> Decision {
        if let Some(first) = tasks.first() {
            // After a resumption nobody knows when the wave began.
            self.progress.resume_wave(first.phase, first.wave, self.now);
        }
        let hooks = self.plan.options().limits.hook;
        let deadline = self.progress.wave_deadline(self.plan.options().limits.wave);
        let slow: Vec<&&Task> = tasks.iter().filter(|task| !task.is_hook()).collect();
        if deadline.is_some_and(|deadline| self.now >= deadline) && !slow.is_empty() {
            for task in slow {
                let verb = if task.is_prune() {
                    "go away"
                } else {
                    "become healthy"
                };
                let message = format!("{} did not {verb} in time", task.label());
                self.progress
                    .set(task, None, OperationPhase::Failed, message);
            }
            return self.fail();
        }
        // Ask again when a limit may have passed, or when an unseen object has been so for too long.
        let hook_end = hooks.and_then(|limit| self.now.checked_add(limit).ok());
        let unseen = self
            .progress
            .first_unseen()
            .and_then(|since| since.checked_add(UNSEEN).ok());
        let until: Option<Timestamp> = [deadline, hook_end, unseen].into_iter().flatten().min();
        self.wait(message, until)
    }
}

fn hooks_first<'a>(tasks: &[&'a Task]) -> Vec<&'a Task> {
    let (mut hooks, objects): (Vec<&Task>, Vec<&Task>) =
        tasks.iter().copied().partition(|task| task.is_hook());
    if hooks.is_empty() {
        hooks = objects;
    }
    hooks
}

fn hook_phase(status: Status) -> OperationPhase {
    match status {
        Status::Healthy => OperationPhase::Succeeded,
        Status::Degraded | Status::Unknown => OperationPhase::Failed,
        Status::Progressing | Status::Suspended | Status::Missing => OperationPhase::Running,
    }
}
