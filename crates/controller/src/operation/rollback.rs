//! Rollbacks, and the history they go back to.

use std::collections::HashMap;
use std::sync::Arc;

use driftless_api::Application;
use driftless_api::annotation;
use driftless_api::application::{
    ConditionType, Initiator, Operation, OperationState, RevisionHistory, Source,
};
use driftless_appstate::Target;
use driftless_appstate::comparison::Comparison;
use driftless_source::Commit;
use jiff::Timestamp;

use super::subject::subject_of_history;
use crate::Controller;
use crate::automation::display as listed;
use crate::draft::Draft;
use crate::quarantine::{Entry, Quarantine};
use crate::queue::Next;

pub(crate) use driftless_api::annotation::ROLLBACK;

/// Who rolled back, where the annotation does not say: Kubernetes does not tell who sets one.
const NOBODY: &str = "annotation driftless.dev/rollback";

impl Controller {
    /// Starts a rollback. With automation on, the revision that is left behind is quarantined.
    pub(super) async fn roll_back(
        &self,
        app: &Application,
        target: &Target,
        comparison: &Arc<Comparison>,
        quarantine: &Quarantine,
        wish: &str,
        draft: &mut Draft,
    ) -> Next {
        draft.remove_annotation(ROLLBACK);
        draft.remove_annotation(annotation::ROLLBACK_BY);
        let entry = match find_history(&draft.status.history, wish) {
            Ok(entry) => entry,
            Err(message) => {
                match app.operation.as_deref() {
                    Some(operation) => self.refuse(draft, operation.clone(), &message),
                    None => draft.condition(ConditionType::SyncError, message),
                }
                return Next::OnEvent;
            }
        };
        let operation = rollback_operation(app, &entry);
        let subject = subject_of_history(&entry);
        let dry_run = operation.is_dry_run();
        if app.spec.automated().is_some()
            && !dry_run
            && subject.revisions != comparison.desired.revisions
        {
            let by = operation
                .initiated_by
                .as_ref()
                .map(|by| by.username.clone())
                .unwrap_or_default();
            let record = quarantine.clone().without(&subject.revisions).with(Entry {
                revisions: comparison.desired.revisions.clone(),
                held_revisions: subject.revisions.clone(),
                history_id: entry.id,
                at: driftless_api::Time::from(self.now()).timestamp(),
                by,
                reason: format!("rollback to history id {}", entry.id),
            });
            draft
                .annotations
                .insert(annotation::QUARANTINE.to_owned(), record.to_annotation());
        }
        tracing::info!(app = %app.key(), revision = listed(&subject.revisions), "Rollback started");
        self.start(app, target, operation, subject, Some(comparison), draft)
            .await
    }

    /// Keeps the commits of the history readable, so that a rollback works while Git is away.
    pub(super) fn keep_history(&self, app: &Application, history: &[RevisionHistory]) {
        let mut by_source: HashMap<String, (Source, Vec<Commit>)> = HashMap::new();
        for entry in history {
            let subject = subject_of_history(entry);
            for (source, revision) in subject.sources.into_iter().zip(subject.revisions) {
                if let Some(commit) = Commit::parse(&revision) {
                    let known = by_source
                        .entry(source.repo_url.clone())
                        .or_insert_with(|| (source, Vec::new()));
                    known.1.push(commit);
                }
            }
        }
        for (source, commits) in by_source.into_values() {
            let Ok(repository) = self.state.repository(app, &source) else {
                continue;
            };
            let (git, key) = (Arc::clone(&self.state.git), app.key());
            tokio::spawn(async move {
                if let Err(error) = git.keep(&repository, &key, &commits).await {
                    tracing::warn!(app = %key, %error, "Commits of the history are not kept");
                }
            });
        }
    }
}

pub(super) fn find_history(
    history: &[RevisionHistory],
    wish: &str,
) -> Result<RevisionHistory, String> {
    let found = if wish == "previous" {
        let current = history.last().map(subject_of_history);
        history.iter().rev().find(|entry| {
            current
                .as_ref()
                .is_some_and(|current| subject_of_history(entry).revisions != current.revisions)
        })
    } else {
        let id: i64 = wish.trim().parse().map_err(|_| {
            format!("annotation {ROLLBACK} is {wish:?}: it must be a history id or \"previous\"")
        })?;
        history.iter().find(|entry| entry.id == id)
    };
    let ids: Vec<String> = history.iter().map(|entry| entry.id.to_string()).collect();
    found.cloned().ok_or_else(|| {
        format!(
            "application has no history entry {wish:?} to roll back to; it has [{}]",
            ids.join(" ")
        )
    })
}

/// Builds the operation of a rollback, or completes the one that the API wrote.
pub(super) fn rollback_operation(app: &Application, entry: &RevisionHistory) -> Operation {
    let mut operation = app
        .operation
        .as_deref()
        .cloned()
        .unwrap_or_else(|| Operation {
            initiated_by: Some(Initiator {
                username: app
                    .metadata
                    .annotation(annotation::ROLLBACK_BY)
                    .unwrap_or(NOBODY)
                    .to_owned(),
                ..Initiator::default()
            }),
            ..Operation::default()
        });
    let prunes = app
        .spec
        .automated()
        .is_some_and(driftless_api::application::Automated::prunes);
    let fresh = operation.sync.is_none();
    let sync = operation.sync.get_or_insert_with(Box::default);
    if fresh {
        sync.prune = prunes;
        sync.sync_options = app.spec.sync_options().to_vec();
    }
    sync.sync_strategy = Some(Box::new(
        driftless_api::application::operation::SyncStrategy {
            apply: Some(driftless_api::application::operation::SyncStrategyApply::default()),
            ..Default::default()
        },
    ));
    sync.revision.clone_from(&entry.revision);
    sync.revisions.clone_from(&entry.revisions);
    sync.source.clone_from(&entry.source);
    sync.sources.clone_from(&entry.sources);
    operation
}

pub(super) fn add_history(
    app: &Application,
    state: &OperationState,
    now: Timestamp,
    history: &mut Vec<RevisionHistory>,
) {
    let Some(result) = state.sync_result.as_deref() else {
        return;
    };
    let id = history.last().map_or(0, |last| last.id + 1);
    history.push(RevisionHistory {
        id,
        deployed_at: Some(now.into()),
        deploy_started_at: state.started_at,
        revision: result.revision.clone(),
        revisions: result.revisions.clone(),
        source: result.source.clone(),
        sources: result.sources.clone(),
        initiated_by: state.operation.initiated_by.clone(),
        ..RevisionHistory::default()
    });
    let limit = app.spec.history_limit();
    let surplus = history.len().saturating_sub(limit);
    history.drain(..surplus);
}
