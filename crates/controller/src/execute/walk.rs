//! Walks a plan: asks the step machine, does what it says, records it.

use std::time::Duration;

use driftless_engine::sync::{self, Outcome, Step, TaskId};
use driftless_kube::write::DryRun;
use futures::StreamExt as _;
use futures::stream::{self, FuturesUnordered};

use crate::draft::Draft;

use super::eyes::Eyes;
use super::record::{phase_to_api, result_to_api};
use super::{Advance, Interruption, Walk};

impl Walk<'_> {
    pub(super) async fn run(&mut self, draft: &mut Draft) -> Advance {
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
}
