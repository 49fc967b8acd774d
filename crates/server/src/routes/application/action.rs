//! What can be done to an object of an Application, and doing it.

use axum::extract::Path;
use bytes::Bytes;
use driftless_core::class::render_chain;
use driftless_core::{GroupVersionKind, ResourceKey};
use driftless_engine::action::{self, Action, Change, Parameters};
use driftless_kube::write::PatchType;
use driftless_manifest::{Object, merge_patch};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::AppRef;
use super::resource::{ResourceRef, part_of};
use super::write::record_app;
use crate::ctx::Ctx;
use crate::deps::Destination;
use crate::error::{ApiError, Code};
use crate::transport::auth::Caller;
use crate::transport::{Json, Query, Reply};

/// The body of a request to run an action.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RunRequest {
    namespace: String,
    resource_name: String,
    version: String,
    group: String,
    kind: String,
    action: String,
    app_namespace: String,
    project: String,
    resource_action_parameters: Vec<Parameter>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Parameter {
    name: String,
    value: String,
}

pub(super) async fn bind_list(
    Caller(cx): Caller,
    Path(name): Path<String>,
    query: Query,
) -> Result<Reply<Value>, ApiError> {
    let wanted = ResourceRef::from_query(name, &query)?;
    let actions = list(&cx, &wanted).await?;
    let actions: Vec<Value> = actions.into_iter().map(shown).collect();
    Ok(Reply(json!({ "actions": actions })))
}

/// An action, and whether the caller may run it.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What can be done.
    pub action: Action,
    /// The caller lacks the right to.
    pub is_denied: bool,
}

/// Whoever lacks the right sees the action as one that cannot be run, and `denied` says why: clients that do not know that
/// field offer nothing that would fail.
fn shown(Offer { action, is_denied }: Offer) -> Value {
    let mut value = json!({ "name": action.name });
    let params: Vec<Value> = action
        .params
        .into_iter()
        .map(|param| json!({ "name": param.name }))
        .collect();
    let parts = [
        ("params", params.into()),
        ("disabled", (action.disabled || is_denied).into()),
        ("denied", is_denied.into()),
        ("iconClass", action.icon_class.into()),
        ("displayName", action.display_name.into()),
    ];
    for (field, part) in parts {
        if part != json!([]) && part != json!(false) && part != json!("") {
            value[field] = part;
        }
    }
    value
}

/// Returns the name under which policies know an action on a kind of object.
fn permission_for(key: &ResourceKey, action: &str) -> String {
    format!("action/{}/{}/{action}", key.group, key.kind)
}

/// Returns what can be done to an object.
pub async fn list(cx: &Ctx, wanted: &ResourceRef) -> Result<Vec<Offer>, ApiError> {
    let (app, gvk) = part_of(cx, wanted).await?;
    let cluster = cx.deps().destinations.of(&app).await?;
    let object = as_object(cluster.read(&gvk, &wanted.key).await?)?;
    let views = &cx.deps().views;
    let actions = views.actions(&object).await;
    let actions = actions.map_err(|error| refused(&error))?;
    let app = cx.app_object(&app);
    let offers = actions.into_iter().map(|action| Offer {
        is_denied: !cx.may(
            "applications",
            &permission_for(&wanted.key, &action.name),
            &app,
        ),
        action,
    });
    Ok(offers.collect())
}

pub(super) async fn bind_run(
    Caller(cx): Caller,
    Path(name): Path<String>,
    query: Query,
    Json(action): Json<String>,
) -> Result<Reply<Value>, ApiError> {
    let wanted = ResourceRef::from_query(name, &query)?;
    run(&cx, &wanted, &action, &Parameters::new()).await?;
    Ok(Reply(json!({})))
}

pub(super) async fn bind_run_v2(
    Caller(cx): Caller,
    Path(name): Path<String>,
    Json(body): Json<RunRequest>,
) -> Result<Reply<Value>, ApiError> {
    if body.kind.is_empty() || body.resource_name.is_empty() || body.action.is_empty() {
        return Err(ApiError::invalid(
            "fields kind, resourceName and action are required",
        ));
    }
    let wanted = ResourceRef {
        app: AppRef::new(name, &body.app_namespace, &body.project),
        key: ResourceKey::new(
            &*body.group,
            &*body.kind,
            &*body.namespace,
            &*body.resource_name,
        ),
        version: body.version,
    };
    let parameters = body.resource_action_parameters.into_iter();
    let parameters = parameters.map(|one| (one.name, one.value)).collect();
    run(&cx, &wanted, &body.action, &parameters).await?;
    Ok(Reply(json!({})))
}

/// Attempts to change an object that others change as well.
const ATTEMPTS: usize = 5;

/// Runs an action on an object.
pub async fn run(
    cx: &Ctx,
    wanted: &ResourceRef,
    action: &str,
    parameters: &Parameters,
) -> Result<(), ApiError> {
    let (app, gvk) = part_of(cx, wanted).await?;
    let permission = permission_for(&wanted.key, action);
    cx.require("applications", &permission, &cx.app_object(&app))?;
    let cluster = cx.deps().destinations.of(&app).await?;
    let mut attempt = 1;
    while let Err(error) = run_once(cx, &*cluster, &gvk, wanted, action, parameters).await {
        match error {
            // What the action makes of the object may be another thing now.
            Refusal::Changed(_) if attempt < ATTEMPTS => attempt += 1,
            Refusal::Changed(error) | Refusal::Final(error) => return Err(error),
        }
    }
    let ResourceKey {
        group, kind, name, ..
    } = &wanted.key;
    let message = format!("ran action {action} on resource {group}/{kind} '{name}'");
    record_app(cx, &app, "ResourceActionRan", &message);
    Ok(())
}
/// Why an action was not carried out.
enum Refusal {
    /// Somebody else was faster.
    Changed(ApiError),
    /// Anything else.
    Final(ApiError),
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Final(error)
    }
}

async fn run_once(
    cx: &Ctx,
    cluster: &dyn Destination,
    gvk: &GroupVersionKind,
    wanted: &ResourceRef,
    action: &str,
    parameters: &Parameters,
) -> Result<(), Refusal> {
    let key = &wanted.key;
    let object = as_object(cluster.read(gvk, key).await?)?;
    let (views, user) = (&cx.deps().views, cx.identity().username());
    let changes = views.run_action(&object, action, parameters, &user).await;
    for change in changes.map_err(|error| refused(&error))? {
        match change {
            Change::Become(value) => become_of(cluster, &object, key, &value, Guard::None).await?,
            Change::BecomeIfUnchanged(value) => {
                let became = become_of(cluster, &object, key, &value, Guard::Version).await;
                became.map_err(|error| match error.code {
                    Code::Aborted => Refusal::Changed(error),
                    _ => Refusal::Final(error),
                })?;
            }
            Change::Create(value) => cluster.create(&as_object(value)?).await?,
        }
    }
    Ok(())
}

/// Whether a change is refused when somebody else changed the object since it was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    None,
    Version,
}

/// Turns a live object into another one: its status through the subresource, where there is one.
async fn become_of(
    cluster: &dyn Destination,
    live: &Object,
    key: &ResourceKey,
    value: &Value,
    guard: Guard,
) -> Result<(), ApiError> {
    let before = live.to_value();
    for field in [
        "/apiVersion",
        "/kind",
        "/metadata/name",
        "/metadata/namespace",
    ] {
        if before.pointer(field) != value.pointer(field) {
            return Err(ApiError::invalid(format!(
                "the action changes {field} of the object, which says what it is"
            )));
        }
    }
    let mut patch = merge_patch::create(&before, value);
    let Some(fields) = patch.as_object_mut() else {
        return Ok(());
    };
    let gvk = live.gvk();
    if let Some(status) = fields.remove("status") {
        let body = Bytes::from(json!({ "status": &status }).to_string());
        if cluster.patch_status(&gvk, key, body).await?.is_none() {
            fields.insert("status".to_owned(), status);
        }
    }
    if !fields.is_empty() {
        let version = before.pointer("/metadata/resourceVersion");
        if let (Guard::Version, Some(version)) = (guard, version) {
            patch["metadata"]["resourceVersion"] = version.clone();
        }
        let body = Bytes::from(patch.to_string());
        cluster.patch(&gvk, key, PatchType::Merge, body).await?;
    }
    Ok(())
}

fn as_object(value: Value) -> Result<Object, ApiError> {
    Object::from_value(value).map_err(|error| ApiError::invalid(render_chain(&error)))
}

fn refused(error: &action::Error) -> ApiError {
    match error {
        action::Error::Unknown { .. } => ApiError::new(Code::NotFound, error.to_string()),
        action::Error::Pending(_) => ApiError::new(Code::Aborted, error.to_string()),
        _ => ApiError::invalid(render_chain(error)),
    }
}
