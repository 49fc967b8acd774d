//! Operations: how they start, go on, are tried again, give way to a newer commit, and end.
//!
//! Everything that must survive is in `status.operationState`: what was asked, which revisions, what became of each
//! object. A `Running` state with `finishedAt` waits for its next try. The memory in [`Running`] only saves work.

mod rollback;
mod running;
mod subject;

use std::sync::Arc;
use std::time::Duration;

use driftless_api::Application;
use driftless_api::annotation;
use driftless_api::application::{
    ConditionType, Operation, OperationPhase, OperationState, SyncOperation, SyncResult,
    SyncStatusCode,
};
use driftless_appstate::comparison::{Comparison, LiveState};
use driftless_appstate::desired::Desired;
use driftless_appstate::{Revisions, Target};
use driftless_engine::sync::Termination;
use driftless_source::render::CacheUse;
use driftless_source::{Commit, Freshness};
use jiff::Timestamp;

use crate::Controller;
use crate::automation::display as listed;
use crate::draft::Draft;
use crate::execute::Advance;
use crate::quarantine::Quarantine;
use crate::queue::Next;

pub(crate) use self::rollback::ROLLBACK;
use self::rollback::{add_history, find_history, rollback_operation};
pub(crate) use self::running::Running;
pub(crate) use self::subject::{Subject, subject_of, subject_of_history};
use self::subject::{named_revisions, operation_sources};

/// When a waiting operation is looked at although no event said so (contract §3.1).
const BACKSTOP: Duration = Duration::from_secs(30);

impl Controller {
    /// Starts the requested operation or carries the running one on.
    pub(crate) async fn operate(
        &self,
        app: &Application,
        target: &Target,
        comparison: &Arc<Comparison>,
        quarantine: &Quarantine,
        draft: &mut Draft,
    ) -> Next {
        if self.is_operating(draft) {
            return self.go_on(app, target, comparison, draft).await;
        }
        if let Some(wish) = app.metadata.annotation(ROLLBACK) {
            return self
                .roll_back(app, target, comparison, quarantine, wish, draft)
                .await;
        }
        if let Some(operation) = app.operation.as_deref().filter(|_| !is_done(app, draft)) {
            let lifted = operation
                .sync
                .as_ref()
                .is_some_and(|sync| lifts(quarantine, sync, comparison));
            if lifted {
                let left = quarantine
                    .clone()
                    .without(&comparison.desired.revisions)
                    .to_annotation();
                draft
                    .annotations
                    .insert(annotation::QUARANTINE.to_owned(), left);
            }
            return self
                .begin(app, target, operation.clone(), comparison, draft)
                .await;
        }
        Next::OnEvent
    }

    /// Carries on what can be carried on although the sources cannot be compared.
    pub(crate) async fn operate_blind(
        &self,
        app: &Application,
        target: &Target,
        problem: &str,
        draft: &mut Draft,
    ) -> Next {
        if self.is_operating(draft) {
            let Some(state) = draft.status.operation_state.as_deref() else {
                return Next::OnEvent;
            };
            if state.phase == OperationPhase::Terminating {
                self.finish(app, draft, OperationPhase::Failed, "Operation terminated");
                return Next::OnEvent;
            }
            let Some(subject) = subject_of(state) else {
                return Next::OnEvent;
            };
            return match self.pinned(app, target, &subject).await {
                Ok(desired) => match self.blocked(app, target, draft) {
                    Some(next) => next,
                    None => self.advance(app, target, &desired, draft).await,
                },
                Err(_) => Next::After(BACKSTOP),
            };
        }
        if app.metadata.annotation(ROLLBACK).is_some() || app.operation.is_some() {
            return self
                .operate_without_comparison(app, target, problem, draft)
                .await;
        }
        Next::OnEvent
    }

    /// A rollback, or a sync to a full commit, needs no answer from Git: the objects may be here.
    async fn operate_without_comparison(
        &self,
        app: &Application,
        target: &Target,
        problem: &str,
        draft: &mut Draft,
    ) -> Next {
        if let Some(wish) = app.metadata.annotation(ROLLBACK) {
            draft.remove_annotation(ROLLBACK);
            draft.remove_annotation(annotation::ROLLBACK_BY);
            return match find_history(&draft.status.history, wish) {
                Ok(entry) => {
                    let operation = rollback_operation(app, &entry);
                    self.start(
                        app,
                        target,
                        operation,
                        subject_of_history(&entry),
                        None,
                        draft,
                    )
                    .await
                }
                Err(message) => {
                    draft.condition(ConditionType::SyncError, message);
                    Next::OnEvent
                }
            };
        }
        let Some(operation) = app.operation.as_deref() else {
            return Next::OnEvent;
        };
        let sync = operation.sync.clone().unwrap_or_default();
        let revisions = named_revisions(&sync);
        if !revisions.is_empty() && revisions.iter().all(|one| Commit::parse(one).is_some()) {
            let subject = Subject {
                sources: operation_sources(&sync, target),
                revisions,
            };
            return self
                .start(app, target, operation.clone(), subject, None, draft)
                .await;
        }
        self.refuse(draft, operation.clone(), problem);
        Next::OnEvent
    }

    /// Starts an operation: resolves what it is about, records it, and begins to work on it.
    pub(crate) async fn begin(
        &self,
        app: &Application,
        target: &Target,
        operation: Operation,
        comparison: &Arc<Comparison>,
        draft: &mut Draft,
    ) -> Next {
        let Some(sync) = operation.sync.as_deref() else {
            self.refuse(
                draft,
                operation,
                "Invalid operation request: no operation specified",
            );
            return Next::OnEvent;
        };
        let sources = operation_sources(sync, target);
        let named = named_revisions(sync);
        let subject = if named.is_empty() && sources == target.sources {
            Subject {
                sources,
                revisions: comparison.desired.revisions.clone(),
            }
        } else {
            match self.resolve_named(app, target, &sources, &named).await {
                Ok(revisions) => Subject { sources, revisions },
                Err(failure) => {
                    self.refuse(draft, operation, &failure.condition.message);
                    return Next::OnEvent;
                }
            }
        };
        self.start(app, target, operation, subject, Some(comparison), draft)
            .await
    }

    /// Records a started operation in the Application, then works on it. Nothing is written to the destination before
    /// the record is stored, so a crash leaves either no trace or an operation to resume.
    async fn start(
        &self,
        app: &Application,
        target: &Target,
        operation: Operation,
        subject: Subject,
        comparison: Option<&Arc<Comparison>>,
        draft: &mut Draft,
    ) -> Next {
        let multi = app.spec.is_multi_source();
        let mut result = SyncResult::default();
        if multi {
            result.revisions.clone_from(&subject.revisions);
            result.sources.clone_from(&subject.sources);
        } else {
            result.revision = subject.revisions.first().cloned().unwrap_or_default();
            result.source = subject.sources.first().cloned().map(Box::new);
        }
        let shown = listed(&subject.revisions);
        tracing::info!(app = %app.key(), revision = shown, automated = operation.is_automated(), "Sync started");
        self.tell_started(
            app,
            &operation,
            subject.revisions.first().map_or("", String::as_str),
        );
        draft.status.operation_state = Some(Box::new(OperationState {
            operation: Box::new(operation),
            phase: OperationPhase::Running,
            message: "one or more tasks are running".to_owned(),
            sync_result: Some(Box::new(result)),
            started_at: Some(self.now().into()),
            ..OperationState::default()
        }));
        self.running.forget(&app.key());
        if !self.patch(app, draft).await {
            return Next::After(Duration::from_millis(200));
        }
        if let Some(next) = self.blocked(app, target, draft) {
            return next;
        }
        let desired = comparison
            .filter(|one| {
                one.desired.revisions == subject.revisions && subject.sources == target.sources
            })
            .map(|one| one.desired.clone());
        let desired = match desired {
            Some(desired) => desired,
            None => match self.pinned(app, target, &subject).await {
                Ok(desired) => desired,
                Err(failure) => {
                    self.finish(
                        app,
                        draft,
                        OperationPhase::Error,
                        &failure.condition.message,
                    );
                    return Next::OnEvent;
                }
            },
        };
        self.advance(app, target, &desired, draft).await
    }

    /// Goes on with an operation that is under way.
    async fn go_on(
        &self,
        app: &Application,
        target: &Target,
        comparison: &Arc<Comparison>,
        draft: &mut Draft,
    ) -> Next {
        let Some(state) = draft.status.operation_state.as_deref() else {
            return Next::OnEvent;
        };
        let Some(subject) = subject_of(state) else {
            self.finish(
                app,
                draft,
                OperationPhase::Error,
                "the operation has no sync result to go on from",
            );
            return Next::OnEvent;
        };
        let terminating = state.phase == OperationPhase::Terminating;
        let newer = self.state.settings.current().params.controller.preempt
            && is_superseded(state, &subject, target, comparison);
        if let Some(failed) = state.finished_at {
            // Between two tries.
            if terminating {
                self.finish(app, draft, OperationPhase::Failed, "Operation terminated");
                return Next::OnEvent;
            }
            if newer {
                let message = format!(
                    "{} (superseded by {})",
                    state.message,
                    listed(&comparison.desired.revisions)
                );
                self.finish(app, draft, OperationPhase::Failed, &message);
                return Next::OnEvent;
            }
            if let Some(left) = self.wait_left(state, failed.timestamp()) {
                return Next::After(left);
            }
            let refresh = state
                .operation
                .retry
                .as_ref()
                .is_some_and(|retry| retry.refresh);
            self.try_again(draft, refresh.then_some(&comparison.desired));
            if !self.patch(app, draft).await {
                return Next::After(Duration::from_millis(200));
            }
        }
        let Some(subject) = draft.status.operation_state.as_deref().and_then(subject_of) else {
            return Next::OnEvent;
        };
        let same =
            subject.revisions == comparison.desired.revisions && subject.sources == target.sources;
        let desired = if same {
            comparison.desired.clone()
        } else {
            match self.pinned(app, target, &subject).await {
                Ok(desired) => desired,
                Err(failure) => {
                    tracing::warn!(app = %app.key(), error = failure.condition.message, "Operation waits for its source");
                    return Next::After(BACKSTOP);
                }
            }
        };
        if !newer && let Some(next) = self.blocked(app, target, draft) {
            return next;
        }
        if newer {
            self.supersede(app, &listed(&comparison.desired.revisions), draft);
        }
        self.advance(app, target, &desired, draft).await
    }

    /// Works on the running operation as far as it goes now.
    async fn advance(
        &self,
        app: &Application,
        target: &Target,
        desired: &Desired,
        draft: &mut Draft,
    ) -> Next {
        let local;
        let desired = match local_manifests(draft) {
            [] => desired,
            manifests => match desired.clone().with_manifests(manifests) {
                Ok(desired) => {
                    local = desired;
                    &local
                }
                Err(message) => {
                    self.finish(app, draft, OperationPhase::Error, &message);
                    return Next::OnEvent;
                }
            },
        };
        match self.execute(app, target, desired, draft).await {
            Advance::Waiting(after) => Next::After(after.min(BACKSTOP)),
            Advance::Interrupted => Next::After(Duration::from_secs(1)),
            Advance::Done { phase, message } => {
                let next = self.conclude(app, draft, phase, message);
                self.compare_again(app, target, draft).await;
                next
            }
        }
    }

    /// Ends the operation, or arranges its next try.
    fn conclude(
        &self,
        app: &Application,
        draft: &mut Draft,
        phase: OperationPhase,
        message: String,
    ) -> Next {
        let now = self.now();
        let Some(state) = draft.status.operation_state.as_mut() else {
            return Next::OnEvent;
        };
        let terminated =
            state.phase == OperationPhase::Terminating || message.starts_with("superseded");
        let retry = state.operation.retry.as_deref();
        let may_retry = retry.is_some_and(|retry| retry.allows(state.retry_count));
        if phase.is_failure() && may_retry && !terminated && !state.operation.is_dry_run() {
            let delay = retry
                .and_then(|retry| retry.delay(state.retry_count).ok())
                .and_then(|delay| Duration::try_from(delay).ok())
                .unwrap_or(Duration::from_secs(5));
            let at = now.checked_add(delay).unwrap_or(now);
            state.phase = OperationPhase::Running;
            state.finished_at = Some(now.into());
            state.message = format!(
                "{message}. Retrying attempt #{} at {}.",
                state.retry_count + 1,
                driftless_api::Time::from(at)
            );
            return Next::After(delay);
        }
        let message = if state.retry_count > 0 {
            format!("{message} (retried {} times).", state.retry_count)
        } else {
            message
        };
        self.finish(app, draft, phase, &message);
        Next::OnEvent
    }

    /// Ends the operation for good.
    fn finish(&self, app: &Application, draft: &mut Draft, phase: OperationPhase, message: &str) {
        let now = self.now();
        self.running.forget(&app.key());
        draft.clear_operation = app.operation.is_some();
        let Some(state) = draft.status.operation_state.as_mut() else {
            return;
        };
        state.phase = phase.clone();
        message.clone_into(&mut state.message);
        state.finished_at = Some(now.into());
        let state = OperationState::clone(state);
        let revisions = subject_of(&state)
            .map(|subject| subject.revisions)
            .unwrap_or_default();
        let failure = phase.is_failure().then_some(message);
        tracing::info!(app = %app.key(), phase = phase.as_str(), revision = listed(&revisions), message, "Sync ended");
        let dry_run = state.operation.is_dry_run();
        self.metrics.count_sync(app, phase.as_str(), dry_run);
        self.tell_completed(
            app,
            &state.operation,
            revisions.first().map_or("", String::as_str),
            failure,
        );
        let selective = state
            .operation
            .sync
            .as_ref()
            .is_some_and(|sync| !sync.resources.is_empty());
        // What somebody handed over is in no repository: it cannot be rolled back to.
        let is_local = !local_manifests(draft).is_empty();
        if phase == OperationPhase::Succeeded && !dry_run && !selective && !is_local {
            add_history(app, &state, now, &mut draft.status.history);
            self.keep_history(app, &draft.status.history);
        }
    }

    /// Ends a request that cannot even begin.
    fn refuse(&self, draft: &mut Draft, operation: Operation, message: &str) {
        let now = self.now();
        draft.status.operation_state = Some(Box::new(OperationState {
            operation: Box::new(operation),
            phase: OperationPhase::Error,
            message: message.to_owned(),
            started_at: Some(now.into()),
            finished_at: Some(now.into()),
            ..OperationState::default()
        }));
        draft.clear_operation = true;
    }

    /// Compares once more after objects were written, so that one patch tells the outcome and what it led to.
    async fn compare_again(&self, app: &Application, target: &Target, draft: &mut Draft) {
        let revisions = Revisions::Tracked(Freshness::Cached);
        if let Ok(comparison) = self
            .compare(
                app,
                target,
                revisions,
                CacheUse::Use,
                LiveState::MayHaveChanged,
            )
            .await
        {
            self.report(app, &comparison, draft);
        }
    }

    fn wait_left(&self, state: &OperationState, failed: Timestamp) -> Option<Duration> {
        let retry = state.operation.retry.as_deref()?;
        retry.wait_left(state.retry_count, failed, self.now())
    }

    /// Begins the next try of a failed operation, at newer revisions when asked to.
    fn try_again(&self, draft: &mut Draft, refreshed: Option<&Desired>) {
        let Some(state) = draft.status.operation_state.as_mut() else {
            return;
        };
        state.retry_count += 1;
        state.finished_at = None;
        state.message = format!("Retrying operation. Attempt #{}", state.retry_count);
        if let Some(result) = &mut state.sync_result {
            result.resources = Vec::new();
            if let Some(desired) = refreshed {
                if result.revisions.is_empty() {
                    result.revision = desired.revisions.first().cloned().unwrap_or_default();
                } else {
                    result.revisions.clone_from(&desired.revisions);
                }
            }
        }
    }

    fn supersede(&self, app: &Application, newer: &str, draft: &Draft) {
        let Some(state) = draft.status.operation_state.as_deref() else {
            return;
        };
        let Some(started) = state.started_at.map(driftless_api::Time::timestamp) else {
            return;
        };
        let key = app.key();
        let mut progress = self
            .running
            .take(&key, started, state.retry_count)
            .unwrap_or_else(|| crate::execute::progress_of(state));
        progress.terminate(Termination::Superseded(newer.to_owned()));
        self.running.put(key, started, state.retry_count, progress);
    }
}

/// Says whether the requested operation is the one whose end is already recorded.
fn is_done(app: &Application, draft: &Draft) -> bool {
    draft.clear_operation
        || draft
            .status
            .operation_state
            .as_deref()
            .is_some_and(|state| {
                state.phase.is_completed()
                    && app.operation.as_deref() == Some(&*state.operation)
                    && app
                        .operation_state()
                        .is_none_or(|before| !before.phase.is_completed())
            })
}

/// Says whether somebody syncs a quarantined revision on purpose.
fn lifts(quarantine: &Quarantine, sync: &SyncOperation, comparison: &Comparison) -> bool {
    let current = &comparison.desired.revisions;
    let named = named_revisions(sync);
    let means_current = named.is_empty() || named == *current;
    !sync.dry_run && sync.source.is_none() && means_current && quarantine.blocks(current).is_some()
}

/// Says whether automation works on an older commit than the newest.
fn is_superseded(
    state: &OperationState,
    subject: &Subject,
    target: &Target,
    comparison: &Comparison,
) -> bool {
    let tracked = state
        .operation
        .sync
        .as_ref()
        .is_some_and(|sync| sync.source.is_none() && sync.sources.is_empty());
    state.operation.is_automated()
        && tracked
        && comparison.status != SyncStatusCode::Unknown
        && (subject.revisions != comparison.desired.revisions || subject.sources != target.sources)
}

/// Returns the manifests that the operation of the draft brings along.
fn local_manifests(draft: &Draft) -> &[String] {
    let state = draft.status.operation_state.as_deref();
    state
        .and_then(|state| state.operation.sync.as_deref())
        .map_or(&[], |sync| &sync.manifests)
}
