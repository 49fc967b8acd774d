//! Repositories and their pushes.

use std::sync::Arc;

use async_trait::async_trait;
use driftless_api::Application;
use driftless_appstate::AppState;
use driftless_source::Commit;
use driftless_source::webhook::{self, Pushed};
use http::HeaderMap;

use crate::deps::{RevisionMetadata, Sources};
use crate::error::ApiError;

pub(super) struct Repositories(Arc<AppState>);

impl Repositories {
    pub(super) fn new(state: Arc<AppState>) -> Self {
        Self(state)
    }
}

#[async_trait]
impl Sources for Repositories {
    async fn revision_metadata(
        &self,
        app: &Application,
        source: usize,
        revision: &str,
    ) -> Result<RevisionMetadata, ApiError> {
        let sources = app.spec.effective_sources();
        let source = sources
            .get(source)
            .ok_or_else(|| ApiError::invalid(format!("the application has no source {source}")))?;
        let commit = Commit::parse(revision).ok_or_else(|| {
            ApiError::invalid(format!(
                "revision {revision:?} must be resolved: 40 hexadecimal digits"
            ))
        })?;
        let repository = self
            .0
            .repository(app, source)
            .map_err(|error| ApiError::from_classified(&error))?;
        let metadata = self
            .0
            .git
            .metadata(&repository, commit)
            .await
            .map_err(|error| ApiError::from_classified(&error))?;
        Ok(RevisionMetadata {
            author: metadata.author,
            date: metadata.date,
            tags: metadata.tags.map(|tags| tags.to_vec()).unwrap_or_default(),
            message: metadata.message,
        })
    }

    fn parse_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Vec<Pushed>, webhook::Error> {
        let settings = self.0.settings.current();
        let secrets = webhook::Secrets {
            github: settings.credentials.webhooks.github.clone(),
        };
        let limit = settings.general.timing.webhook_max_payload as usize;
        webhook::parse(headers, body, &secrets, limit)
    }

    fn nudge(&self, url: &str) -> usize {
        self.0.git.nudge(url)
    }
}
