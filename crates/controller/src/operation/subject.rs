//! What an operation is about: sources and their revisions.

use std::sync::Arc;
use std::time::Duration;

use driftless_api::Application;
use driftless_api::application::{OperationState, RevisionHistory, Source, SyncOperation};
use driftless_appstate::comparison::Comparison;
use driftless_appstate::desired::{Desired, Failure};
use driftless_appstate::{Revisions, Target};
use driftless_source::Freshness;
use driftless_source::render::CacheUse;

use crate::Controller;

/// The sources and revisions that an operation is about.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) sources: Vec<Source>,
    pub(crate) revisions: Vec<String>,
}

impl Controller {
    /// Renders the sources of an operation at its revisions.
    pub(super) async fn pinned(
        &self,
        app: &Application,
        target: &Target,
        subject: &Subject,
    ) -> Result<Desired, Failure> {
        let revisions = Revisions::Pinned(&subject.revisions);
        self.state
            .desired(app, target, &subject.sources, revisions, CacheUse::Use)
            .await
    }

    pub(super) async fn resolve_named(
        &self,
        app: &Application,
        target: &Target,
        sources: &[Source],
        named: &[String],
    ) -> Result<Vec<String>, Failure> {
        let sources: Vec<Source> = sources
            .iter()
            .enumerate()
            .map(|(index, source)| {
                let mut source = source.clone();
                if let Some(revision) = named.get(index).filter(|revision| !revision.is_empty()) {
                    source.target_revision.clone_from(revision);
                    source.tag_prefix = String::new();
                }
                source
            })
            .collect();
        let revisions = Revisions::Tracked(Freshness::Within(Duration::from_secs(2)));
        let desired = self
            .state
            .desired(app, target, &sources, revisions, CacheUse::Use)
            .await?;
        Ok(desired.revisions)
    }

    /// Compares the cluster with the revisions that a rollback holds.
    pub(crate) async fn compare_held(
        &self,
        app: &Application,
        target: &Target,
        held: &[String],
    ) -> Result<Arc<Comparison>, String> {
        let message = |failure: Failure| failure.condition.message;
        let revisions = Revisions::Pinned(held);
        let desired = self
            .state
            .desired(app, target, &target.sources, revisions, CacheUse::Use)
            .await
            .map_err(message)?;
        self.state
            .compare_aside(app, target, desired)
            .await
            .map_err(message)
    }
}

pub(super) fn named_revisions(sync: &SyncOperation) -> Vec<String> {
    if !sync.revisions.is_empty() {
        sync.revisions.clone()
    } else if sync.revision.is_empty() {
        Vec::new()
    } else {
        vec![sync.revision.clone()]
    }
}

pub(super) fn operation_sources(sync: &SyncOperation, target: &Target) -> Vec<Source> {
    if !sync.sources.is_empty() {
        sync.sources.clone()
    } else if let Some(source) = &sync.source {
        vec![Source::clone(source)]
    } else {
        target.sources.clone()
    }
}

/// Returns what a recorded operation is about.
pub(crate) fn subject_of(state: &OperationState) -> Option<Subject> {
    let result = state.sync_result.as_deref()?;
    if result.sources.is_empty() {
        let source = Source::clone(result.source.as_deref()?);
        Some(Subject {
            sources: vec![source],
            revisions: vec![result.revision.clone()],
        })
    } else {
        Some(Subject {
            sources: result.sources.clone(),
            revisions: result.revisions.clone(),
        })
    }
}

pub(crate) fn subject_of_history(entry: &RevisionHistory) -> Subject {
    if entry.sources.is_empty() {
        let source = entry.source.as_deref().cloned().unwrap_or_default();
        Subject {
            sources: vec![source],
            revisions: vec![entry.revision.clone()],
        }
    } else {
        Subject {
            sources: entry.sources.clone(),
            revisions: entry.revisions.clone(),
        }
    }
}
