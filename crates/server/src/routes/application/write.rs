//! Creating, changing and deleting Applications.

use axum::extract::Path;
use driftless_api::application::Spec;
use driftless_api::{AppProject, Application, ObjectMeta, annotation};
use driftless_core::glob::Glob;
use driftless_kube::write::PatchType;
use driftless_manifest::merge_patch;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{self, AppRef, app_for};
use crate::ctx::{Ctx, app_object};
use crate::deps::AppEvent;
use crate::error::{ApiError, Code};
use crate::json_patch;
use crate::transport::auth::Caller;
use crate::transport::{Json, Query, Reply};

/// How an Application is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreateOptions {
    /// Replace the spec of one that exists already.
    pub upsert: bool,
    /// Check the spec first.
    pub validate: bool,
}

pub(super) async fn bind_create(
    Caller(cx): Caller,
    query: Query,
    Json(app): Json<Application>,
) -> Result<Reply<Value>, ApiError> {
    let options = CreateOptions {
        upsert: query.flag("upsert")?.unwrap_or(false),
        validate: query.flag("validate")?.unwrap_or(true),
    };
    create(&cx, app, options).await.map(Reply)
}

/// Creates an Application. The same spec again is no error; another one needs `upsert`.
pub async fn create(
    cx: &Ctx,
    mut app: Application,
    options: CreateOptions,
) -> Result<Value, ApiError> {
    if app.metadata.name.is_empty() {
        return Err(ApiError::invalid(
            "invalid application: metadata.name is required",
        ));
    }
    let key = cx.app_key(&app.metadata.name, Some(&app.metadata.namespace))?;
    app.metadata.namespace = key.namespace.to_string();
    prepare(&mut app);
    cx.require("applications", "create", &cx.app_object(&app))?;
    check(cx, &app, options.validate)?;
    let mut object = json!(app);
    object["apiVersion"] = json!(Application::API_VERSION);
    object["kind"] = json!(Application::KIND);
    match cx.deps().control.create(&object).await {
        Ok(mut created) => {
            record(cx, &created, "ResourceCreated", "created application");
            access::tidy(&mut created);
            Ok(created)
        }
        Err(driftless_kube::Error::AlreadyExists { .. }) => create_again(cx, app, options).await,
        Err(error) => Err(access::write_error(&app.metadata.name, &error)),
    }
}

/// Takes the object as callers may send it: no operation, no status, nothing the API server sets.
fn prepare(app: &mut Application) {
    app.operation = None;
    app.status = None;
    app.metadata = ObjectMeta {
        name: std::mem::take(&mut app.metadata.name),
        namespace: std::mem::take(&mut app.metadata.namespace),
        labels: std::mem::take(&mut app.metadata.labels),
        annotations: std::mem::take(&mut app.metadata.annotations),
        finalizers: std::mem::take(&mut app.metadata.finalizers),
        resource_version: std::mem::take(&mut app.metadata.resource_version),
        owner_references: std::mem::take(&mut app.metadata.owner_references),
        ..ObjectMeta::default()
    };
    app.metadata.annotations.remove(annotation::REFRESH);
    if app.spec.project.is_empty() {
        AppProject::DEFAULT.clone_into(&mut app.spec.project);
    }
}

async fn create_again(
    cx: &Ctx,
    app: Application,
    options: CreateOptions,
) -> Result<Value, ApiError> {
    let metadata = &app.metadata;
    let raw = cx
        .deps()
        .control
        .read(&access::gvk(), &access::object_key(&app))
        .await
        .map_err(|error| access::write_error(&metadata.name, &error))?;
    let existing: Application =
        driftless_api::read::from_value(raw.clone()).map_err(|error| ApiError::internal(&error))?;
    if !cx.may("applications", "get", &cx.app_object(&existing)) {
        return Err(ApiError::denied());
    }
    let same = existing.spec == app.spec
        && contains(&existing.metadata.labels, &metadata.labels)
        && contains(&existing.metadata.annotations, &metadata.annotations)
        && metadata
            .finalizers
            .iter()
            .all(|finalizer| existing.metadata.finalizers.contains(finalizer));
    if same {
        let mut unchanged = raw;
        access::tidy(&mut unchanged);
        return Ok(unchanged);
    }
    if !options.upsert {
        return Err(ApiError::invalid(
            "existing application spec is different, use upsert flag to force update",
        ));
    }
    cx.require("applications", "update", &cx.app_object(&existing))?;
    let mut merged = existing.clone();
    merged.spec = app.spec;
    merged.metadata.labels.extend(app.metadata.labels);
    merged.metadata.annotations.extend(app.metadata.annotations);
    for finalizer in app.metadata.finalizers {
        if !merged.metadata.finalizers.contains(&finalizer) {
            merged.metadata.finalizers.push(finalizer);
        }
    }
    replace(cx, &existing, &merged, "updated application").await
}

fn contains(
    all: &std::collections::BTreeMap<String, String>,
    some: &std::collections::BTreeMap<String, String>,
) -> bool {
    some.iter().all(|(key, value)| all.get(key) == Some(value))
}

pub(super) async fn bind_update(
    Caller(cx): Caller,
    Path(name): Path<String>,
    query: Query,
    Json(mut app): Json<Application>,
) -> Result<Reply<Value>, ApiError> {
    if app.metadata.name.is_empty() {
        app.metadata.name.clone_from(&name);
    }
    if app.metadata.name != name {
        return Err(ApiError::invalid(
            "the name in the path is not the name in the object",
        ));
    }
    if app.metadata.namespace.is_empty() {
        app.metadata.namespace = query.text("appNamespace").unwrap_or_default().to_owned();
    }
    let validate = query.flag("validate")?.unwrap_or(true);
    let project = query.text("project").unwrap_or_default();
    update(&cx, app, project, validate).await.map(Reply)
}

/// Replaces spec, labels, annotations and finalizers. A resource version in the request makes it fail
/// when somebody else was faster.
pub async fn update(
    cx: &Ctx,
    mut app: Application,
    project: &str,
    validate: bool,
) -> Result<Value, ApiError> {
    let wanted = AppRef::new(app.metadata.name.clone(), &app.metadata.namespace, project);
    let stored = app_for(cx, &wanted, "update")?;
    let existing = &stored.object;
    let stale = !app.metadata.resource_version.is_empty()
        && app.metadata.resource_version != existing.metadata.resource_version;
    if stale {
        return Err(ApiError::new(
            Code::Aborted,
            format!(
                "Operation cannot be fulfilled on applications.argoproj.io {:?}: the object has been modified; \
                 please apply your changes to the latest version and try again",
                app.metadata.name
            ),
        ));
    }
    app.metadata
        .namespace
        .clone_from(&existing.metadata.namespace);
    prepare(&mut app);
    may_move(cx, existing, &app)?;
    check(cx, &app, validate)?;
    replace(cx, existing, &app, "updated application spec").await
}

pub(super) async fn bind_update_spec(
    Caller(cx): Caller,
    Path(name): Path<String>,
    query: Query,
    Json(spec): Json<Spec>,
) -> Result<Reply<Value>, ApiError> {
    let validate = query.flag("validate")?.unwrap_or(true);
    update_spec(&cx, &AppRef::from_query(name, &query), spec, validate)
        .await
        .map(Reply)
}

/// Replaces the spec and returns the new one.
pub async fn update_spec(
    cx: &Ctx,
    wanted: &AppRef,
    spec: Spec,
    validate: bool,
) -> Result<Value, ApiError> {
    let stored = app_for(cx, wanted, "update")?;
    let mut app = stored.object.clone();
    app.spec = spec;
    if app.spec.project.is_empty() {
        AppProject::DEFAULT.clone_into(&mut app.spec.project);
    }
    may_move(cx, &stored.object, &app)?;
    check(cx, &app, validate)?;
    let mut written = replace(cx, &stored.object, &app, "updated application spec").await?;
    Ok(written.get_mut("spec").map(Value::take).unwrap_or_default())
}

/// A patch.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct PatchRequest {
    /// JSON text of the patch.
    #[serde(default)]
    patch: String,
    /// `json` or `merge`.
    #[serde(default)]
    patch_type: String,
    /// Namespace of the Application.
    #[serde(default)]
    app_namespace: String,
    /// Its project.
    #[serde(default)]
    project: String,
}

pub(super) async fn bind_patch(
    Caller(cx): Caller,
    Path(name): Path<String>,
    Json(request): Json<PatchRequest>,
) -> Result<Reply<Value>, ApiError> {
    patch(&cx, name, &request).await.map(Reply)
}

/// Patches spec, labels, annotations and finalizers; other fields are not the callers' to change.
pub async fn patch(cx: &Ctx, name: String, request: &PatchRequest) -> Result<Value, ApiError> {
    let wanted = AppRef::new(name, &request.app_namespace, &request.project);
    let stored = app_for(cx, &wanted, "update")?;
    let mut object = json!(stored.object);
    match request.patch_type.as_str() {
        "json" | "" => json_patch::apply(&mut object, &request.patch).map_err(|error| {
            ApiError::invalid(format!("error decoding or applying patch: {error}"))
        })?,
        "merge" => {
            let patch: Value = serde_json::from_str(&request.patch).map_err(|error| {
                ApiError::invalid(format!("error decoding merge patch: {error}"))
            })?;
            merge_patch::apply(&mut object, &patch);
        }
        other => {
            let text = format!("Patch type '{other}' is not supported");
            return Err(ApiError::invalid(text));
        }
    }
    let mut app: Application = driftless_api::read::from_value(object)
        .map_err(|error| ApiError::invalid(format!("patched application: {error}")))?;
    app.metadata.name.clone_from(&stored.object.metadata.name);
    app.metadata
        .namespace
        .clone_from(&stored.object.metadata.namespace);
    if app.spec.project.is_empty() {
        AppProject::DEFAULT.clone_into(&mut app.spec.project);
    }
    may_move(cx, &stored.object, &app)?;
    // Annotations can be set whatever is wrong with the spec: they are how people say what to do about it.
    check(cx, &app, app.spec != stored.object.spec)?;
    replace(cx, &stored.object, &app, "updated application spec").await
}

/// Moving an Application to another project takes the right to create it there and to update it there.
fn may_move(cx: &Ctx, existing: &Application, app: &Application) -> Result<(), ApiError> {
    if existing.spec.project() == app.spec.project() {
        return Ok(());
    }
    let control = &cx.deps().config.control_namespace;
    let metadata = &existing.metadata;
    let object = app_object(
        app.spec.project(),
        &metadata.namespace,
        &metadata.name,
        control,
    );
    cx.require("applications", "create", &object)?;
    cx.require("applications", "update", &object)
}

/// Checks what can be known at once: the namespace, and unless switched off what the controller would refuse anyway.
fn check(cx: &Ctx, app: &Application, validate: bool) -> Result<(), ApiError> {
    let project = access::project_of(cx, app)?;
    let namespace = &app.metadata.namespace;
    if *namespace != cx.deps().config.control_namespace.as_str()
        && !permits_namespace(&project.object, namespace)
    {
        return Err(ApiError::new(
            Code::PermissionDenied,
            format!(
                "namespace {namespace:?} is not permitted in project {:?}",
                app.spec.project()
            ),
        ));
    }
    if !validate {
        return Ok(());
    }
    let problems: Vec<String> = cx
        .deps()
        .views
        .problems(app)
        .into_iter()
        .map(|condition| format!("{}: {}", condition.kind.as_str(), condition.message))
        .collect();
    if problems.is_empty() {
        return Ok(());
    }
    let name = &app.metadata.name;
    let problems = problems.join(";");
    Err(ApiError::invalid(format!(
        "application spec for {name} is invalid: {problems}"
    )))
}

/// Says whether a project takes Applications from a namespace: wildcards, or `/…/` expressions.
fn permits_namespace(project: &AppProject, namespace: &str) -> bool {
    project.spec.source_namespaces.iter().any(|pattern| {
        let expression = pattern
            .strip_prefix('/')
            .and_then(|rest| rest.strip_suffix('/'));
        match expression {
            // Only whole names count: a match in the middle would let others in.
            Some(expression) => regex_matches(expression, namespace),
            None => Glob::new(pattern, None).is_ok_and(|glob| glob.matches(namespace)),
        }
    })
}

fn regex_matches(expression: &str, text: &str) -> bool {
    regex::RegexBuilder::new(&format!("^(?:{expression})$"))
        .size_limit(1 << 20)
        .build()
        .is_ok_and(|regex| regex.is_match(text))
}

/// Writes what changed between two forms of an Application, unless somebody else was faster.
async fn replace(
    cx: &Ctx,
    existing: &Application,
    app: &Application,
    message: &str,
) -> Result<Value, ApiError> {
    let part = |app: &Application| {
        json!({
            "metadata": {
                "labels": app.metadata.labels,
                "annotations": app.metadata.annotations,
                "finalizers": app.metadata.finalizers,
            },
            "spec": app.spec,
        })
    };
    let mut patch = merge_patch::create(&part(existing), &part(app));
    if patch.as_object().is_none_or(serde_json::Map::is_empty) {
        let mut unchanged = json!(existing);
        access::tidy(&mut unchanged);
        return Ok(unchanged);
    }
    merge_patch::apply(
        &mut patch,
        &json!({"metadata": {"resourceVersion": existing.metadata.resource_version}}),
    );
    let mut written = cx
        .deps()
        .control
        .patch(
            &access::gvk(),
            &access::object_key(existing),
            PatchType::Merge,
            &patch,
        )
        .await
        .map_err(|error| access::write_error(&existing.metadata.name, &error))?;
    record(cx, &written, "ResourceUpdated", message);
    access::tidy(&mut written);
    Ok(written)
}

/// A deletion.
#[derive(Clone, Debug, Default)]
pub struct DeleteRequest {
    /// Whether its objects go too; they do unless this is false.
    pub cascade: Option<bool>,
    /// `foreground` or `background`; empty for the default.
    pub propagation: String,
}

pub(super) async fn bind_delete(
    Caller(cx): Caller,
    Path(name): Path<String>,
    query: Query,
) -> Result<Reply<Value>, ApiError> {
    let request = DeleteRequest {
        cascade: query.flag("cascade")?,
        propagation: query
            .text("propagationPolicy")
            .unwrap_or_default()
            .to_owned(),
    };
    delete(&cx, &AppRef::from_query(name, &query), &request).await?;
    Ok(Reply(json!({})))
}

/// Deletes an Application, and with it its objects unless told otherwise.
pub async fn delete(cx: &Ctx, wanted: &AppRef, request: &DeleteRequest) -> Result<(), ApiError> {
    let stored = app_for(cx, wanted, "delete")?;
    let app = &stored.object;
    let finalizers = finalizers_for(&app.metadata.finalizers, request)?;
    if finalizers != app.metadata.finalizers {
        let patch = json!({"metadata": {"finalizers": finalizers}});
        cx.deps()
            .control
            .patch(
                &access::gvk(),
                &access::object_key(app),
                PatchType::Merge,
                &patch,
            )
            .await
            .map_err(|error| access::write_error(&wanted.name, &error))?;
    }
    cx.deps()
        .control
        .delete(&access::object_key(app))
        .await
        .map_err(|error| access::write_error(&wanted.name, &error))?;
    record_app(cx, app, "ResourceDeleted", "deleted application");
    Ok(())
}

fn finalizers_for(present: &[String], request: &DeleteRequest) -> Result<Vec<String>, ApiError> {
    let is_cascade = |finalizer: &String| {
        [
            annotation::FINALIZER,
            annotation::FINALIZER_FOREGROUND,
            annotation::FINALIZER_BACKGROUND,
        ]
        .contains(&finalizer.as_str())
    };
    let others = || {
        present
            .iter()
            .filter(|finalizer| !is_cascade(finalizer))
            .cloned()
    };
    if request.cascade == Some(false) {
        if !request.propagation.is_empty() {
            return Err(ApiError::invalid(
                "cannot set propagation policy when cascading is disabled",
            ));
        }
        return Ok(others().collect());
    }
    let wanted = match request.propagation.as_str() {
        "" if present.iter().any(is_cascade) => return Ok(present.to_vec()),
        "" => annotation::FINALIZER,
        "foreground" => annotation::FINALIZER_FOREGROUND,
        "background" => annotation::FINALIZER_BACKGROUND,
        other => {
            return Err(ApiError::invalid(format!(
                "invalid propagation policy: {other}"
            )));
        }
    };
    Ok(others().chain([wanted.to_owned()]).collect())
}

fn record(cx: &Ctx, written: &Value, reason: &'static str, message: &str) {
    if let Ok(app) = driftless_api::read::from_value::<Application>(written.clone()) {
        record_app(cx, &app, reason, message);
    }
}

/// Records an event in the caller's name.
pub(super) fn record_app(cx: &Ctx, app: &Application, reason: &'static str, message: &str) {
    let user = cx.identity().username();
    let who = if user.is_empty() {
        "Unknown user"
    } else {
        &user
    };
    let event = AppEvent {
        reason,
        message: format!("{who} {message}"),
        user: user.clone(),
    };
    cx.deps().events.record(app, event);
}
