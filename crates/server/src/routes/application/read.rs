//! One Application, its revisions and its sync windows.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use driftless_api::project::SyncWindow;
use driftless_api::{Application, annotation};
use driftless_kube::store::Stored;
use driftless_kube::write::PatchType;
use serde_json::{Value, json};

use super::access::{self, AppRef, app_for};
use crate::ctx::Ctx;
use crate::deps::RevisionMetadata;
use crate::error::{ApiError, Code};
use crate::index::AppId;
use crate::projection::{Below, Projection};
use crate::transport::auth::Caller;
use crate::transport::{Query, Reply};

/// What to do before an Application is returned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refresh {
    /// Nothing.
    No,
    /// Compare again.
    Normal,
    /// Compare again, past every cache.
    Hard,
}

impl Refresh {
    fn from_query(query: &Query) -> Result<Self, ApiError> {
        match query.text("refresh") {
            None | Some("false") => Ok(Self::No),
            Some("normal" | "true") => Ok(Self::Normal),
            Some("hard") => Ok(Self::Hard),
            Some(other) => Err(ApiError::invalid(format!(
                "parameter refresh: {other:?} is neither normal nor hard"
            ))),
        }
    }

    fn as_annotation(self) -> Option<&'static str> {
        match self {
            Self::No => None,
            Self::Normal => Some("normal"),
            Self::Hard => Some("hard"),
        }
    }
}

pub(super) async fn bind_get(
    Caller(cx): Caller,
    Path(name): Path<String>,
    query: Query,
) -> Result<Response, ApiError> {
    let wanted = AppRef::from_query(name, &query);
    let refresh = Refresh::from_query(&query)?;
    let app = get(&cx, &wanted, refresh).await?;
    let Some(fields) = query.text("fields").and_then(Projection::parse) else {
        return Ok(Reply(&app.object).into_response());
    };
    let value = serde_json::to_value(&app.object).map_err(|error| ApiError::internal(&error))?;
    let below: Below<'_> = fields.below(&[]);
    Ok(Reply(below.apply(value)).into_response())
}

/// Returns an Application, after a refresh if one is asked for.
pub async fn get(
    cx: &Ctx,
    wanted: &AppRef,
    refresh: Refresh,
) -> Result<Arc<Stored<Application>>, ApiError> {
    let stored = app_for(cx, wanted, "get")?;
    let Some(value) = refresh.as_annotation() else {
        return Ok(stored);
    };
    let app = &stored.object;
    let subscription = cx.server().index().subscribe(Some(AppId::new(
        &app.metadata.namespace,
        &app.metadata.name,
    )));
    let patch = json!({"metadata": {"annotations": {
        annotation::REFRESH: value,
        annotation::REFRESH_TIMESTAMP: cx.deps().clock.now().to_string(),
    }}});
    let written = cx
        .deps()
        .control
        .patch(
            &access::gvk(),
            &access::object_key(app),
            PatchType::Merge,
            &patch,
        )
        .await
        .map_err(|error| access::write_error(&wanted.name, &error))?;
    let written_version = version(&written);
    let done = async {
        loop {
            let now = app_for(cx, wanted, "get")?;
            let seen: u64 = now.resource_version.as_str().parse().unwrap_or(0);
            if seen >= written_version
                && now
                    .object
                    .metadata
                    .annotation(annotation::REFRESH)
                    .is_none()
            {
                return Ok(now);
            }
            // A change wakes this up; the time limit covers an index that lags behind.
            let _ = tokio::time::timeout(Duration::from_millis(250), subscription.next(1)).await;
        }
    };
    tokio::time::timeout(cx.deps().config.refresh_timeout, done)
        .await
        .unwrap_or_else(|_| {
            Err(ApiError::new(
                Code::DeadlineExceeded,
                "the refresh was asked for and is not done yet",
            ))
        })
}

fn version(object: &Value) -> u64 {
    object
        .pointer("/metadata/resourceVersion")
        .and_then(Value::as_str)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

pub(super) async fn bind_revision(
    Caller(cx): Caller,
    Path((name, revision)): Path<(String, String)>,
    query: Query,
) -> Result<Reply<RevisionMetadata>, ApiError> {
    let source = query.number("sourceIndex")?.unwrap_or(0) as usize;
    let wanted = AppRef::from_query(name, &query);
    revision_metadata(&cx, &wanted, source, &revision)
        .await
        .map(Reply)
}

/// Returns what a commit says of itself. Only commits of the Application's own sources can be asked
/// for: the source is taken from its spec.
pub async fn revision_metadata(
    cx: &Ctx,
    wanted: &AppRef,
    source: usize,
    revision: &str,
) -> Result<RevisionMetadata, ApiError> {
    let app = app_for(cx, wanted, "get")?;
    cx.deps()
        .sources
        .revision_metadata(&app.object, source, revision)
        .await
}

pub(super) async fn bind_sync_windows(
    Caller(cx): Caller,
    Path(name): Path<String>,
    query: Query,
) -> Result<Reply<Value>, ApiError> {
    sync_windows(&cx, &AppRef::from_query(name, &query)).map(Reply)
}

/// Returns the sync windows that concern an Application, those that are open, and whether it can be synced by hand.
pub fn sync_windows(cx: &Ctx, wanted: &AppRef) -> Result<Value, ApiError> {
    let app = app_for(cx, wanted, "get")?;
    access::project_of(cx, &app.object)?;
    let state = cx.deps().views.sync_windows(&app.object);
    let shown = |windows: &[SyncWindow]| -> Vec<Value> {
        let one = |window: &SyncWindow| {
            json!({
                "kind": window.kind, "schedule": window.schedule, "duration": window.duration,
                "manualSync": window.manual_sync,
            })
        };
        windows.iter().map(one).collect()
    };
    Ok(json!({
        "activeWindows": shown(&state.active),
        "assignedWindows": shown(&state.assigned),
        "canSync": state.manual.is_allowed(),
        "changesAt": state.manual.changes_at.map(driftless_api::Time::from),
    }))
}
