//! Walks the engine's plan through the one writer, recording each step before the next.

mod eyes;
mod hooks;
mod plan;
mod record;
mod walk;
mod write;

use std::time::Duration;

use driftless_api::Application;
use driftless_api::annotation;
use driftless_api::application::{OperationPhase as ApiPhase, OperationState};
use driftless_appstate::Target;
use driftless_appstate::desired::Desired;
use driftless_appstate::handover::Governance;
use driftless_appstate::versioned::Copies;
use driftless_engine::sync::{self, Plan, Progress, Termination};
use driftless_kube::write::Migration;
use driftless_kube::{WriteCtx, Writer};
use jiff::Timestamp;

use crate::Controller;
use crate::draft::Draft;

pub(crate) use self::eyes::Eyes;
use self::plan::warn_of_excess;
pub(crate) use self::record::progress_of;
use self::write::migration;
pub(crate) use self::write::refused_or_interrupted;

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
}
