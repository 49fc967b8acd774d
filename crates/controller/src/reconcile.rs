//! One pass over one Application: load, fill a draft of its status, patch it once.

use std::sync::Arc;
use std::time::Duration;

use driftless_api::Application;
use driftless_api::annotation::{self, Refresh};
use driftless_api::application::{
    Condition, ConditionType, HealthStatus, HealthStatusCode, OperationPhase, ResourceStatus,
    SourceType, Summary, SyncStatus, SyncStatusCode,
};
use driftless_appstate::comparison::{Comparison, LiveState};
use driftless_appstate::desired::Failure;
use driftless_appstate::{ProjectRules, Revisions, Target};
use driftless_core::{AppKey, Class, ResourceKey};
use driftless_engine::sync::AppOptions;
use driftless_engine::sync::option::Guard;
use driftless_source::Freshness;
use driftless_source::render::CacheUse;

use crate::Controller;
use crate::automation::{self, Decision, Differing, Situation};
use crate::draft::Draft;
use crate::quarantine::Quarantine;
use crate::queue::Next;
use crate::reasons::{Level, Reasons};

/// Conditions that every comparison decides about.
const EVALUATED: &[ConditionType] = &[
    ConditionType::InvalidSpecError,
    ConditionType::ComparisonError,
    ConditionType::SyncError,
    ConditionType::UnknownError,
    ConditionType::SharedResourceWarning,
    ConditionType::RepeatedResourceWarning,
    ConditionType::ExcludedResourceWarning,
    ConditionType::QuarantinedRevisionWarning,
    ConditionType::QuarantinedVersionWarning,
    ConditionType::PruneBudgetWarning,
    ConditionType::SyncWindowWarning,
    ConditionType::SuspendedWarning,
    ConditionType::DependencyWarning,
    ConditionType::DependencyError,
    ConditionType::OrphanedResourceWarning,
];

/// Ours: a rule of `ignoreDifferences` that cannot be used.
const IGNORE_WARNING: &str = "IgnoreDifferencesWarning";

/// First and longest wait after a failure that may pass by itself.
const RETRY_FIRST: Duration = Duration::from_secs(2);
const RETRY_CAP: Duration = Duration::from_secs(60);

impl Controller {
    /// Runs one pass.
    pub(crate) async fn pass(self: Arc<Self>, key: AppKey, reasons: Reasons) -> Next {
        if !self.fence.is_open() {
            // Whoever holds the lease does the work; when it is us again, everything is queued.
            return Next::OnEvent;
        }
        let Some(stored) = self.state.app(&key) else {
            self.forget(&key);
            return Next::OnEvent;
        };
        let app = &stored.object;
        if annotation::is_true(app.metadata.annotation(annotation::SKIP_RECONCILE)) {
            return Next::OnEvent;
        }
        let timer = self.metrics.time_reconcile(app);
        let next = if app.metadata.is_deleting() {
            self.finalize(app).await
        } else {
            self.reconcile(app, &reasons).await
        };
        drop(timer);
        next
    }

    async fn reconcile(&self, app: &Application, reasons: &Reasons) -> Next {
        let mut draft = Draft::new(app);
        draft.evaluates(EVALUATED);
        draft.evaluates(&[ConditionType::from(IGNORE_WARNING)]);
        let refresh = app
            .metadata
            .annotation(annotation::REFRESH)
            .map(Refresh::from_annotation);
        let level = match refresh {
            Some(Refresh::Hard) => Level::Hard,
            Some(Refresh::Normal) => Level::Latest.max(reasons.level),
            None => reasons.level,
        };
        // A requested operation is about what Git says now, and an old answer must not hide that a ref is gone.
        let begins = app.operation.is_some() && !self.is_operating(&draft);
        let level = if begins || self.following.is_failing(&app.key()) {
            level.max(Level::Latest)
        } else {
            level
        };
        if refresh.is_some() {
            draft.remove_annotation(annotation::REFRESH);
        }
        let mut next = match self.state.target(app) {
            Ok(target) => {
                if refresh.is_some() {
                    // Whoever asks may have given a right that was missing.
                    target.cluster.live().retry_unreadable();
                }
                self.reconcile_at(app, &target, level, reasons, &mut draft)
                    .await
            }
            Err(conditions) => {
                self.invalid(app, conditions, &mut draft);
                Next::OnEvent
            }
        };
        if !self.patch(app, &mut draft).await {
            // The object has changed meanwhile, or the API server did not take it: nothing is lost, look again in
            // a moment. Looking again at once would keep a processor busy for as long as the API server is away.
            self.queue.remember(
                app.key(),
                Reasons {
                    level,
                    ..Reasons::of("patch-conflict")
                },
            );
            next = Next::After(Duration::from_secs(1));
        }
        next
    }

    async fn reconcile_at(
        &self,
        app: &Application,
        target: &Target,
        level: Level,
        reasons: &Reasons,
        draft: &mut Draft,
    ) -> Next {
        let known = self.state.last_comparison(&app.key());
        let known = known.as_ref().map(|one| one.desired.rendered.as_slice());
        self.follow(app, target, known.unwrap_or_default());
        self.count_orphans(&app.key(), target);
        let cache = if level == Level::Hard {
            CacheUse::Bypass
        } else {
            CacheUse::Use
        };
        let freshness = if level == Level::Cached {
            Freshness::Cached
        } else {
            Freshness::Now
        };
        let live = if reasons.is_only_about_git() {
            LiveState::Unchanged
        } else {
            LiveState::MayHaveChanged
        };
        let compared = self
            .compare(app, target, Revisions::Tracked(freshness), cache, live)
            .await;
        let comparison = match compared {
            Ok(comparison) => comparison,
            Err(failure) => return self.cannot_compare(app, target, failure, draft).await,
        };
        self.failures.clear(&app.key());
        self.unreadable.clear(&app.key());
        // The render may have used other repositories than the one before.
        self.follow(app, target, &comparison.desired.rendered);
        self.report(app, &comparison, draft);
        set_deletion_finalizers(app, &comparison, draft);
        let quarantine = self.read_quarantine(app, draft);
        let quarantine = self.quarantine_aborted(app, target, &comparison, quarantine, draft);
        tell_quarantine(&quarantine, draft);
        let was_operating = self.is_operating(draft)
            || app.operation.is_some()
            || app
                .metadata
                .annotation(crate::operation::ROLLBACK)
                .is_some();
        let mut next = self
            .operate(app, target, &comparison, &quarantine, draft)
            .await;
        let suspended = self.suspended(app, draft);
        if was_operating && !self.is_operating(draft) {
            // Comparison and quarantine were read before the operation: automation decides in a pass of its own.
            next = next.sooner(Next::After(Duration::from_millis(10)));
        } else if let Some(again) = suspended {
            next = next.sooner(again);
        } else if !self.is_operating(draft) {
            next = next.sooner(
                self.automate(app, target, &comparison, &quarantine, draft)
                    .await,
            );
        }
        next
    }

    /// Compares the given revisions with the cluster.
    pub(crate) async fn compare(
        &self,
        app: &Application,
        target: &Target,
        revisions: Revisions<'_>,
        cache: CacheUse,
        live: LiveState,
    ) -> Result<Arc<Comparison>, Failure> {
        let desired = self
            .state
            .desired(app, target, &target.sources, revisions, cache)
            .await?;
        self.state.compare(app, target, desired, live).await
    }

    fn invalid(&self, app: &Application, conditions: Vec<Condition>, draft: &mut Draft) {
        let message = conditions
            .first()
            .map_or_else(String::new, |one| one.message.clone());
        for one in conditions {
            draft.add(one);
        }
        self.set_sync(draft, app, SyncStatusCode::Unknown, None);
        set_health(draft, HealthStatusCode::Unknown, "", self.now());
        self.fail_operation(draft, &message);
    }

    /// The sources could not be read: the last known objects stay in the status, and nothing is synced or pruned.
    async fn cannot_compare(
        &self,
        app: &Application,
        target: &Target,
        failure: Failure,
        draft: &mut Draft,
    ) -> Next {
        tracing::debug!(app = %app.key(), error = %failure.condition.message, "Not compared");
        let retry = match failure.class {
            Class::Transient | Class::Conflict | Class::Internal => {
                Next::After(self.failures.delay(&app.key(), RETRY_FIRST, RETRY_CAP))
            }
            // A missing revision may be pushed later; the poll of the repository tells.
            _ => Next::OnEvent,
        };
        let message = failure.condition.message.clone();
        draft.add(failure.condition);
        if !self.is_graceful(app, failure.class, draft) {
            self.set_sync(
                draft,
                app,
                SyncStatusCode::Unknown,
                Some(&failure.revisions),
            );
        }
        // A running operation reads its own revision, which may still be there.
        let next = self.operate_blind(app, target, &message, draft).await;
        retry.sooner(next)
    }

    /// Says whether the sync status stays what it was although the sources cannot be read: for a while, when that may
    /// pass by itself (`controller.repo.error.grace.period.seconds`). Nothing is synced or pruned meanwhile.
    fn is_graceful(&self, app: &Application, class: Class, draft: &Draft) -> bool {
        let settings = self.state.settings.current();
        let grace = settings.params.controller.repo_error_grace;
        let failing_for = self
            .unreadable
            .failing_for(&app.key(), tokio::time::Instant::now());
        let is_known = draft.status.sync.as_deref().is_some_and(|sync| {
            matches!(
                sync.status,
                SyncStatusCode::Synced | SyncStatusCode::OutOfSync
            ) && sync.compared_to.as_deref() == Some(&app.spec.to_compared())
        });
        class == Class::Transient && is_known && failing_for < grace
    }

    /// Writes the outcome of a comparison into the draft.
    pub(crate) fn report(&self, app: &Application, comparison: &Comparison, draft: &mut Draft) {
        let now = self.now();
        comparison
            .conditions
            .iter()
            .for_each(|one| draft.add(one.clone()));
        let code = sync_code(app, comparison, draft);
        self.set_sync(draft, app, code, Some(&comparison.desired.revisions));
        set_health(
            draft,
            code_of(&comparison.health),
            &comparison.health.message,
            now,
        );
        let persist = self.state.config().persists_health;
        let options = AppOptions::parse(app.spec.sync_options().iter().map(String::as_str)).0;
        let all_confirmed = options.prune == Guard::Confirm || options.delete == Guard::Confirm;
        let rules = self.state.project_rules(app.spec.project());
        let status = &mut draft.status;
        status.resources = comparison
            .objects
            .iter()
            .map(|one| ResourceStatus {
                group: (&one.gvk.group).into(),
                version: (&one.gvk.version).into(),
                kind: (&one.gvk.kind).into(),
                namespace: (&one.key.namespace).into(),
                name: (&one.key.name).into(),
                status: match &rules {
                    Some(rules) if !permits_kind(rules, &one.key) => SyncStatusCode::Unknown,
                    _ => one.status.clone().unwrap_or_default(),
                },
                health: one.health.as_ref().filter(|_| persist).map(|health| {
                    Box::new(HealthStatus {
                        status: code_of(health),
                        message: health.message.clone(),
                        ..HealthStatus::default()
                    })
                }),
                hook: one.hook,
                requires_pruning: one.requires_pruning,
                requires_deletion_confirmation: one.wants_confirmation || all_confirmed,
                sync_wave: i64::from(one.wave),
                ..ResourceStatus::default()
            })
            .collect();
        status.resource_health_source = if persist {
            String::new()
        } else {
            "appTree".to_owned()
        };
        let types: Vec<SourceType> = comparison
            .desired
            .source_types
            .iter()
            .map(|one| SourceType::from(one.as_str()))
            .collect();
        if app.spec.is_multi_source() {
            status.source_types = types;
            status.source_type = SourceType::default();
        } else {
            status.source_type = types.into_iter().next().unwrap_or_default();
            status.source_types = Vec::new();
        }
        let summary = Summary {
            external_urls: comparison.external_urls(),
            images: comparison.images(),
            is_app_of_apps: comparison
                .objects
                .iter()
                .any(|one| &*one.key.kind == Application::KIND),
            ..Summary::default()
        };
        status.summary = Some(Box::new(summary));
        self.state
            .control_namespace
            .as_str()
            .clone_into(&mut status.controller_namespace);
    }

    fn set_sync(
        &self,
        draft: &mut Draft,
        app: &Application,
        code: SyncStatusCode,
        revisions: Option<&[String]>,
    ) {
        let mut sync = draft.status.sync.take().unwrap_or_default();
        let changed =
            sync.status != code || revisions.is_some_and(|new| sync.effective_revisions() != new);
        sync.status = code;
        sync.compared_to = Some(Box::new(app.spec.to_compared()));
        if let Some(revisions) = revisions {
            if app.spec.is_multi_source() {
                sync.revisions = revisions.to_vec();
                sync.revision = String::new();
            } else {
                sync.revision = revisions.first().cloned().unwrap_or_default();
                sync.revisions = Vec::new();
            }
        }
        if changed || draft.status.reconciled_at.is_none() {
            draft.status.reconciled_at = Some(self.now().into());
        }
        draft.status.sync = Some(sync);
    }

    /// Reads the quarantine.
    fn read_quarantine(&self, app: &Application, draft: &mut Draft) -> Quarantine {
        match Quarantine::from_annotation(app.metadata.annotation(annotation::QUARANTINE)) {
            Ok(quarantine) => quarantine,
            Err(error) => {
                // Not knowing what is quarantined is no reason to deploy it: automation waits.
                draft.condition(
                    ConditionType::SyncError,
                    driftless_core::class::render_chain(&error),
                );
                Quarantine::unreadable()
            }
        }
    }

    /// Starts an automated sync when the rules say so.
    async fn automate(
        &self,
        app: &Application,
        target: &Target,
        comparison: &Arc<Comparison>,
        quarantine: &Quarantine,
        draft: &mut Draft,
    ) -> Next {
        let Some(automated) = app.spec.automated() else {
            return Next::OnEvent;
        };
        if !comparison.complete || quarantine.is_unreadable() {
            return Next::OnEvent;
        }
        // What must run: what Git says, or what a rollback holds against a quarantined revision.
        let held = quarantine.blocks(&comparison.desired.revisions);
        let held_comparison;
        let comparison = match held {
            None => comparison,
            Some(entry) => {
                if !automated.heals() {
                    return Next::OnEvent;
                }
                match self.compare_held(app, target, &entry.held_revisions).await {
                    Ok(comparison) => {
                        held_comparison = comparison;
                        &held_comparison
                    }
                    Err(message) => {
                        draft.condition(ConditionType::ComparisonError, message);
                        return Next::After(RETRY_CAP);
                    }
                }
            }
        };
        if comparison.is_held_by_rollouts() {
            tracing::debug!(app = %app.key(), reason = "VersionQuarantined", "No automated sync");
            return Next::OnEvent;
        }
        let differing: Vec<Differing> = comparison
            .differing()
            .filter(|one| !one.is_quarantined())
            .map(|one| Differing {
                object: driftless_api::application::SyncOperationResource {
                    group: one.key.group.to_string(),
                    kind: one.key.kind.to_string(),
                    namespace: one.key.namespace.to_string(),
                    name: one.key.name.to_string(),
                    ..Default::default()
                },
                requires_pruning: one.requires_pruning,
            })
            .collect();
        let policy = app.spec.sync_policy.as_deref();
        let code = sync_code(app, comparison, draft);
        let decision = automation::decide(&Situation {
            automated,
            status: &code,
            revisions: &comparison.desired.revisions,
            sources: &target.sources,
            multi_source: app.spec.is_multi_source(),
            differing: &differing,
            wipes_out: comparison.wipes_out(),
            last: draft.status.operation_state.as_deref(),
            retry: policy.and_then(|policy| policy.retry.as_deref()),
            sync_options: app.spec.sync_options(),
            backoff: self.heal_backoff(),
            now: self.now(),
        });
        match decision {
            Decision::Skip(skip) => {
                tracing::debug!(app = %app.key(), reason = skip.reason(), "No automated sync");
                Next::OnEvent
            }
            Decision::Later(wait) => Next::After(wait),
            Decision::Refuse(condition) => {
                draft.add(condition);
                Next::OnEvent
            }
            Decision::Sync(operation) => {
                if let Some(next) = self.automation_held(app, target, draft).await {
                    return next;
                }
                self.begin(app, target, *operation, comparison, draft).await
            }
        }
    }

    /// Says whether the draft has an operation that is not over.
    pub(crate) fn is_operating(&self, draft: &Draft) -> bool {
        draft
            .status
            .operation_state
            .as_ref()
            .is_some_and(|state| !state.phase.is_completed())
    }

    fn fail_operation(&self, draft: &mut Draft, message: &str) {
        let now = self.now();
        if let Some(state) = draft
            .status
            .operation_state
            .as_mut()
            .filter(|state| !state.phase.is_completed())
        {
            state.phase = OperationPhase::Error;
            message.clone_into(&mut state.message);
            state.finished_at = Some(now.into());
            draft.clear_operation = true;
        }
    }
}

/// Says in a condition what the quarantine holds back.
fn tell_quarantine(quarantine: &Quarantine, draft: &mut Draft) {
    let revisions = draft
        .status
        .sync
        .as_deref()
        .map(SyncStatus::effective_revisions);
    let revisions: Vec<String> = revisions
        .unwrap_or_default()
        .into_iter()
        .map(str::to_owned)
        .collect();
    if let Some(entry) = quarantine.blocks(&revisions) {
        let message = format!(
            "revision {} is quarantined since {} ({}, by {}): automation holds {} until the next commit; sync \
             it by hand or remove annotation {} to lift the quarantine",
            automation::display(&entry.revisions),
            entry.at,
            entry.reason,
            if entry.by.is_empty() {
                "unknown"
            } else {
                &entry.by
            },
            automation::display(&entry.held_revisions),
            annotation::QUARANTINE,
        );
        draft.condition(ConditionType::QuarantinedRevisionWarning, message);
    }
}

/// Keeps the finalizers that hold an Application until its deletion hooks have run: there when Git has such hooks.
fn set_deletion_finalizers(app: &Application, comparison: &Comparison, draft: &mut Draft) {
    let (before, after) = comparison.deletion_hooks();
    let wanted = [
        (annotation::FINALIZER_PRE_DELETE, before),
        (annotation::FINALIZER_PRE_DELETE_CLEANUP, before),
        (annotation::FINALIZER_POST_DELETE, after),
        (annotation::FINALIZER_POST_DELETE_CLEANUP, after),
    ];
    let mut finalizers = app.metadata.finalizers.clone();
    for (name, is_wanted) in wanted {
        let is_there = finalizers.iter().any(|one| one == name);
        if is_wanted && !is_there {
            finalizers.push(name.to_owned());
        } else if !is_wanted && is_there {
            finalizers.retain(|one| one != name);
        }
    }
    if finalizers != app.metadata.finalizers {
        draft.finalizers = Some(finalizers);
    }
}

fn code_of(health: &driftless_engine::health::Health) -> HealthStatusCode {
    HealthStatusCode::from(health.status.as_str())
}

fn set_health(draft: &mut Draft, code: HealthStatusCode, message: &str, now: jiff::Timestamp) {
    let before = draft.status.health.take();
    let since = before
        .filter(|old| old.status == code)
        .and_then(|old| old.last_transition_time);
    draft.status.health = Some(HealthStatus {
        status: code,
        message: message.to_owned(),
        last_transition_time: Some(since.unwrap_or_else(|| now.into())),
        ..HealthStatus::default()
    });
}

/// Returns the sync status to show: labels and annotations of the destination namespace are no object of Git's, but
/// those that the last sync did not give it are a difference.
fn sync_code(app: &Application, comparison: &Comparison, draft: &Draft) -> SyncStatusCode {
    let policy = app.spec.sync_policy.as_deref();
    let wanted = policy.and_then(|policy| policy.managed_namespace_metadata.as_ref());
    let options = AppOptions::parse(app.spec.sync_options().iter().map(String::as_str)).0;
    let state = draft.status.operation_state.as_deref();
    let result = state.and_then(|state| state.sync_result.as_deref());
    let differs = result.is_some_and(|result| {
        wanted.is_some() && result.managed_namespace_metadata.as_ref() != wanted
    });
    if comparison.status == SyncStatusCode::Synced && options.create_namespace && differs {
        SyncStatusCode::OutOfSync
    } else {
        comparison.status.clone()
    }
}

/// Says whether the project permits objects of this kind at all.
fn permits_kind(rules: &ProjectRules, key: &ResourceKey) -> bool {
    let kind = key.group_kind();
    if key.is_namespaced() {
        rules.permits_namespaced_kind(&kind)
    } else {
        rules.permits_cluster_kind(&kind, &key.name)
    }
}
