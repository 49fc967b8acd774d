//! Starting and ending operations.

use axum::extract::Path;
use driftless_api::Application;
use driftless_api::application::operation::{SyncStrategy, SyncStrategyApply};
use driftless_api::application::{
    Info, Initiator, Operation, RetryStrategy, Source, SyncOperation, SyncOperationResource,
};
use driftless_kube::write::PatchType;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{self, AppRef, app_for};
use super::write::record_app;
use crate::ctx::Ctx;
use crate::error::{ApiError, Code};
use crate::transport::auth::Caller;
use crate::transport::body::nullable;
use crate::transport::{Json, Reply};

/// Tells the controller that an operation is a rollback, and to which deployment.
const ROLLBACK: &str = "driftless.dev/rollback";

/// Sync options, as the API wraps them.
#[derive(Clone, Deserialize, Debug, Default)]
pub struct SyncOptions {
    /// `Key=value` texts.
    #[serde(default, deserialize_with = "nullable")]
    items: Vec<String>,
}

/// A sync.
#[derive(Deserialize, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncRequest {
    revision: Option<String>,
    #[serde(deserialize_with = "nullable")]
    revisions: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    source_positions: Vec<i64>,
    dry_run: bool,
    prune: bool,
    strategy: Option<Box<SyncStrategy>>,
    resources: Option<Vec<SyncOperationResource>>,
    #[serde(deserialize_with = "nullable")]
    manifests: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    infos: Vec<Info>,
    retry_strategy: Option<Box<RetryStrategy>>,
    sync_options: Option<SyncOptions>,
    app_namespace: String,
    project: String,
}

pub(super) async fn bind_sync(
    Caller(cx): Caller,
    Path(name): Path<String>,
    Json(request): Json<SyncRequest>,
) -> Result<Reply<Value>, ApiError> {
    sync(&cx, name, request).await.map(Reply)
}

/// Starts a sync.
pub async fn sync(cx: &Ctx, name: String, request: SyncRequest) -> Result<Value, ApiError> {
    let wanted = AppRef::new(name, &request.app_namespace, &request.project);
    let stored = app_for(cx, &wanted, "sync")?;
    let app = &stored.object;
    if !request.manifests.is_empty() {
        cx.require("applications", "override", &cx.app_object(app))?;
        if app.spec.automated().is_some() && !request.dry_run {
            return Err(ApiError::precondition(
                "cannot use local sync when Automatic Sync Policy is enabled",
            ));
        }
    }
    may_start(cx, app)?;
    if !request.dry_run && !cx.deps().views.sync_windows(app).manual.is_allowed() {
        return Err(ApiError::new(
            Code::PermissionDenied,
            "cannot sync: blocked by sync window",
        ));
    }
    let revision = request.revision.clone().unwrap_or_default();
    check_revision(app, &revision, request.dry_run)?;
    let sync_options = sync_options(cx, app, request.sync_options.clone())?;
    let revisions = revisions(app, &request)?;
    let resources = request.resources.clone().unwrap_or_default();
    let partial = if resources.is_empty() { "" } else { "partial " };
    let target = if revision.is_empty() {
        target_of(app)
    } else {
        revision.clone()
    };
    let operation = Operation {
        sync: Some(Box::new(SyncOperation {
            revision,
            revisions,
            prune: request.prune,
            dry_run: request.dry_run,
            sync_strategy: request.strategy,
            resources,
            source: single_source(app),
            manifests: request.manifests,
            sync_options,
            ..SyncOperation::default()
        })),
        initiated_by: Some(initiator(cx)),
        info: request.infos,
        retry: request.retry_strategy.or_else(|| policy_retry(app)),
        ..Operation::default()
    };
    let written = start(cx, app, &operation, None).await?;
    record_app(
        cx,
        app,
        "OperationStarted",
        &format!("initiated {partial}sync to {target}"),
    );
    Ok(written)
}

fn single_source(app: &Application) -> Option<Box<Source>> {
    if app.spec.is_multi_source() {
        return None;
    }
    app.spec.effective_sources().first().cloned().map(Box::new)
}

fn policy_retry(app: &Application) -> Option<Box<RetryStrategy>> {
    app.spec.sync_policy.as_ref()?.retry.clone()
}

fn target_of(app: &Application) -> String {
    let sources = app.spec.effective_sources();
    let target = sources
        .first()
        .map_or("", |source| source.target_revision.as_str());
    if target.is_empty() {
        "HEAD".to_owned()
    } else {
        target.to_owned()
    }
}

fn initiator(cx: &Ctx) -> Initiator {
    Initiator {
        username: cx.identity().username(),
        ..Initiator::default()
    }
}

/// Automation would undo a sync to another revision at once.
fn check_revision(app: &Application, revision: &str, dry_run: bool) -> Result<(), ApiError> {
    let target = target_of(app);
    let is_other = !revision.is_empty() && revision != target;
    if app.spec.automated().is_some() && is_other && !dry_run {
        return Err(ApiError::precondition(format!(
            "Cannot sync to {revision}: auto-sync currently set to {target}"
        )));
    }
    Ok(())
}

fn sync_options(
    cx: &Ctx,
    app: &Application,
    asked: Option<SyncOptions>,
) -> Result<Vec<String>, ApiError> {
    let options = match asked {
        Some(options) => options.items,
        None => app.spec.sync_options().to_vec(),
    };
    let replaces = options.iter().any(|option| option == "Replace=true");
    if replaces && !cx.deps().settings.current().sync_with_replace_allowed {
        return Err(ApiError::precondition(
            "sync with replace was disabled on the API Server level via the server configuration",
        ));
    }
    Ok(options)
}

/// Puts revisions of several sources in their places; positions count from 1.
fn revisions(app: &Application, request: &SyncRequest) -> Result<Vec<String>, ApiError> {
    if !app.spec.is_multi_source() {
        return Ok(Vec::new());
    }
    if request.revisions.len() != request.source_positions.len() {
        return Err(ApiError::invalid(
            "source positions and revisions must have the same length",
        ));
    }
    let mut all: Vec<String> = app
        .spec
        .sources
        .iter()
        .map(|source| source.target_revision.clone())
        .collect();
    if request.revisions.is_empty() {
        return Ok(Vec::new());
    }
    for (position, revision) in request.source_positions.iter().zip(&request.revisions) {
        let slot = usize::try_from(position - 1)
            .ok()
            .and_then(|at| all.get_mut(at));
        let count = app.spec.sources.len();
        slot.ok_or_else(|| {
            ApiError::invalid(format!(
                "source position {position} is out of range: there are {count} sources"
            ))
        })?
        .clone_from(revision);
    }
    Ok(all)
}

fn may_start(cx: &Ctx, app: &Application) -> Result<(), ApiError> {
    if app.metadata.is_deleting() {
        return Err(ApiError::precondition("application is deleting"));
    }
    if app.operation.is_some() {
        return Err(ApiError::precondition(
            "another operation is already in progress",
        ));
    }
    access::project_of(cx, app).map(|_| ())
}

/// Sets the operation, unless another one was faster.
async fn start(
    cx: &Ctx,
    app: &Application,
    operation: &Operation,
    rollback: Option<i64>,
) -> Result<Value, ApiError> {
    let mut patch = json!({
        "metadata": {"resourceVersion": app.metadata.resource_version},
        "operation": operation,
        "status": {"operationState": null},
    });
    // An annotation left by an earlier rollback must not make this operation one.
    let left_over = app.metadata.annotation(ROLLBACK).is_some();
    if rollback.is_some() || left_over {
        let id = rollback.map(|id| id.to_string());
        patch["metadata"]["annotations"] = json!({ ROLLBACK: id });
    }
    let (gvk, key) = (access::gvk(), access::object_key(app));
    let control = &cx.deps().control;
    let mut outcome = control.patch(&gvk, &key, PatchType::Merge, &patch).await;
    for _ in 0..5 {
        if !matches!(outcome, Err(driftless_kube::Error::Conflict { .. })) {
            break;
        }
        // Status changes all the time; only an operation that is already there is in the way.
        let fresh = control
            .read(&gvk, &key)
            .await
            .map_err(|error| access::write_error(&app.metadata.name, &error))?;
        if fresh
            .get("operation")
            .is_some_and(|operation| !operation.is_null())
        {
            return Err(ApiError::precondition(
                "another operation is already in progress",
            ));
        }
        patch["metadata"]["resourceVersion"] = fresh["metadata"]["resourceVersion"].clone();
        outcome = control.patch(&gvk, &key, PatchType::Merge, &patch).await;
    }
    let mut written = outcome.map_err(|error| access::write_error(&app.metadata.name, &error))?;
    access::tidy(&mut written);
    Ok(written)
}

/// A rollback.
#[derive(Deserialize, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct RollbackRequest {
    id: i64,
    dry_run: bool,
    prune: bool,
    app_namespace: String,
    project: String,
}

pub(super) async fn bind_rollback(
    Caller(cx): Caller,
    Path(name): Path<String>,
    Json(request): Json<RollbackRequest>,
) -> Result<Reply<Value>, ApiError> {
    rollback(&cx, name, &request).await.map(Reply)
}

/// Goes back to an earlier deployment. Automation stays on: the controller quarantines what is left
/// behind until a newer commit comes.
pub async fn rollback(
    cx: &Ctx,
    name: String,
    request: &RollbackRequest,
) -> Result<Value, ApiError> {
    let verb = if cx.deps().settings.current().rollback_enforced {
        "rollback"
    } else {
        "sync"
    };
    let wanted = AppRef::new(name, &request.app_namespace, &request.project);
    let stored = app_for(cx, &wanted, verb)?;
    let app = &stored.object;
    may_start(cx, app)?;
    let id = request.id;
    let history = app
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.history);
    let entry = history.iter().find(|entry| entry.id == id).ok_or_else(|| {
        ApiError::invalid(format!(
            "application {} does not have deployment with id {id}",
            app.metadata.name
        ))
    })?;
    if entry.source.is_none() && entry.sources.is_empty() {
        return Err(ApiError::precondition(
            "cannot rollback to revision with empty source",
        ));
    }
    let operation = Operation {
        sync: Some(Box::new(SyncOperation {
            revision: entry.revision.clone(),
            revisions: entry.revisions.clone(),
            prune: request.prune,
            dry_run: request.dry_run,
            sync_strategy: Some(Box::new(SyncStrategy {
                apply: Some(SyncStrategyApply::default()),
                ..SyncStrategy::default()
            })),
            source: entry.source.clone(),
            sources: entry.sources.clone(),
            sync_options: app.spec.sync_options().to_vec(),
            ..SyncOperation::default()
        })),
        initiated_by: Some(initiator(cx)),
        ..Operation::default()
    };
    let written = start(cx, app, &operation, Some(id)).await?;
    record_app(
        cx,
        app,
        "OperationStarted",
        &format!("initiated rollback to {id}"),
    );
    Ok(written)
}

pub(super) async fn bind_terminate(
    Caller(cx): Caller,
    Path(name): Path<String>,
    query: crate::transport::Query,
) -> Result<Reply<Value>, ApiError> {
    terminate(&cx, &AppRef::from_query(name, &query)).await?;
    Ok(Reply(json!({})))
}

/// Asks the controller to end the operation in progress.
pub async fn terminate(cx: &Ctx, wanted: &AppRef) -> Result<(), ApiError> {
    let stored = app_for(cx, wanted, "sync")?;
    let (gvk, key) = (access::gvk(), access::object_key(&stored.object));
    let control = &cx.deps().control;
    for _ in 0..5 {
        let fresh = control
            .read(&gvk, &key)
            .await
            .map_err(|error| access::write_error(&wanted.name, &error))?;
        let is_set = |pointer: &str| fresh.pointer(pointer).is_some_and(|value| !value.is_null());
        if !is_set("/operation") {
            return Err(ApiError::invalid(
                "Unable to terminate operation. No operation is in progress",
            ));
        }
        let mut patch =
            json!({"metadata": {"resourceVersion": fresh["metadata"]["resourceVersion"]}});
        if is_set("/status/operationState") {
            patch["status"] = json!({"operationState": {"phase": "Terminating"}});
        } else {
            // Nobody has begun it: taking it back is enough.
            patch["operation"] = Value::Null;
        }
        match control.patch(&gvk, &key, PatchType::Merge, &patch).await {
            Ok(_) => {
                record_app(
                    cx,
                    &stored.object,
                    "ResourceUpdated",
                    "terminated running operation",
                );
                return Ok(());
            }
            Err(driftless_kube::Error::Conflict { .. }) => {}
            Err(error) => return Err(access::write_error(&wanted.name, &error)),
        }
    }
    Err(ApiError::new(
        Code::Aborted,
        "the application is changing too fast, try again",
    ))
}
