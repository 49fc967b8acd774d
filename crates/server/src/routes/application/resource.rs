//! Single objects of an Application, and what differs from Git.

use axum::extract::Path;
use bytes::Bytes;
use driftless_api::Application;
use driftless_core::{GroupVersionKind, ResourceKey};
use driftless_kube::write::{DeleteOptions, PatchType, Propagation};
use serde::Serialize;
use serde_json::{Value, json};

use super::access::{AppRef, app_for};
use super::write::record_app;
use crate::ctx::Ctx;
use crate::deps::{ManagedResource, Node, ResourceTree};
use crate::error::ApiError;
use crate::mask;
use crate::transport::auth::Caller;
use crate::transport::{Json, Query, Reply};

/// How a request names an object.
#[derive(Clone, Debug)]
pub struct ResourceRef {
    pub(super) app: AppRef,
    pub(super) key: ResourceKey,
    pub(super) version: String,
}

impl ResourceRef {
    pub(super) fn from_query(app: String, query: &Query) -> Result<Self, ApiError> {
        let text = |name: &str| query.text(name).unwrap_or_default();
        let (kind, name) = (text("kind"), text("resourceName"));
        if kind.is_empty() || name.is_empty() {
            return Err(ApiError::invalid(
                "parameters kind and resourceName are required",
            ));
        }
        Ok(Self {
            key: ResourceKey::new(text("group"), kind, text("namespace"), name),
            version: text("version").to_owned(),
            app: AppRef::from_query(app, query),
        })
    }
}

/// An object as JSON text.
#[derive(Serialize)]
pub struct Manifest {
    manifest: String,
}

impl Manifest {
    /// Hides what must not be shown and writes the rest.
    fn new(mut object: Value) -> Self {
        mask::hide(&mut object);
        Self {
            manifest: object.to_string(),
        }
    }
}

pub(super) async fn bind_managed(
    Caller(cx): Caller,
    Path(name): Path<String>,
    query: Query,
) -> Result<Reply<Value>, ApiError> {
    let mut items = managed(&cx, &AppRef::from_query(name, &query)).await?;
    let wanted =
        |parameter: &str, value: &str| query.text(parameter).is_none_or(|wanted| wanted == value);
    items.retain(|item| {
        wanted("group", &item.group)
            && wanted("kind", &item.kind)
            && wanted("namespace", &item.namespace)
            && wanted("name", &item.name)
    });
    Ok(Reply(json!({ "items": items })))
}

/// Returns every object of an Application as Git wants it and as it is.
pub async fn managed(cx: &Ctx, wanted: &AppRef) -> Result<Vec<ManagedResource>, ApiError> {
    let app = app_for(cx, wanted, "get")?;
    let mut items = cx.deps().views.managed_resources(&app.object.key()).await?;
    // They come masked; this is the last gate, and the one that tests watch.
    for item in &mut items {
        for state in [
            &mut item.target_state,
            &mut item.live_state,
            &mut item.normalized_live_state,
            &mut item.predicted_live_state,
        ] {
            mask::hide_text(&item.group, &item.kind, state);
        }
    }
    Ok(items)
}

/// Finds an object in a tree.
pub(super) fn find<'a>(tree: &'a ResourceTree, key: &ResourceKey) -> Option<&'a Node> {
    tree.nodes.iter().find(|node| {
        node.group == *key.group
            && node.kind == *key.kind
            && node.namespace == *key.namespace
            && node.name == *key.name
    })
}

fn not_part(key: &ResourceKey, app: &Application) -> ApiError {
    ApiError::invalid(format!(
        "{} {} {} not found as part of application {}",
        key.kind, key.group, key.name, app.metadata.name
    ))
}

/// Returns the Application and the object's kind, if the object is part of it.
pub(super) async fn part_of(
    cx: &Ctx,
    wanted: &ResourceRef,
) -> Result<(Application, GroupVersionKind), ApiError> {
    let stored = app_for(cx, &wanted.app, "get")?;
    let tree = cx.deps().views.tree(&stored.object.key()).await?;
    let node = find(&tree, &wanted.key).ok_or_else(|| not_part(&wanted.key, &stored.object))?;
    let version = [&wanted.version, &node.version]
        .into_iter()
        .find(|version| !version.is_empty());
    let gvk = GroupVersionKind::new(
        &wanted.key.group,
        version.map_or("", String::as_str),
        &wanted.key.kind,
    );
    Ok((stored.object.clone(), gvk))
}

/// Asks for the permission on one object; where inherited, the permission on the app is enough.
fn require_on(cx: &Ctx, app: &Application, verb: &str, key: &ResourceKey) -> Result<(), ApiError> {
    let object = cx.app_object(app);
    let inherited = cx.deps().settings.current().fine_grained_inheritance;
    if inherited && cx.may("applications", verb, &object) {
        return Ok(());
    }
    let ResourceKey {
        group,
        kind,
        namespace,
        name,
    } = key;
    let action = format!("{verb}/{group}/{kind}/{namespace}/{name}");
    cx.require("applications", &action, &object)
}

pub(super) async fn bind_get(
    Caller(cx): Caller,
    Path(name): Path<String>,
    query: Query,
) -> Result<Reply<Manifest>, ApiError> {
    let wanted = ResourceRef::from_query(name, &query)?;
    get(&cx, &wanted).await.map(Reply)
}

/// Returns an object as it is.
pub async fn get(cx: &Ctx, wanted: &ResourceRef) -> Result<Manifest, ApiError> {
    let (app, gvk) = part_of(cx, wanted).await?;
    let cluster = cx.deps().destinations.of(&app).await?;
    cluster.read(&gvk, &wanted.key).await.map(Manifest::new)
}

pub(super) async fn bind_patch(
    Caller(cx): Caller,
    Path(name): Path<String>,
    query: Query,
    Json(body): Json<Value>,
) -> Result<Reply<Manifest>, ApiError> {
    let wanted = ResourceRef::from_query(name, &query)?;
    let patch_type = match query.text("patchType").unwrap_or_default() {
        "application/json-patch+json" | "json" => PatchType::Json,
        "application/merge-patch+json" | "merge" | "" => PatchType::Merge,
        "application/strategic-merge-patch+json" | "strategic" => PatchType::Strategic,
        other => {
            return Err(ApiError::invalid(format!(
                "Patch type '{other}' is not supported"
            )));
        }
    };
    let patch = match body {
        Value::String(text) => Bytes::from(text),
        other => Bytes::from(other.to_string()),
    };
    patch_resource(&cx, &wanted, patch_type, patch)
        .await
        .map(Reply)
}

/// Patches an object and returns it.
pub async fn patch_resource(
    cx: &Ctx,
    wanted: &ResourceRef,
    patch_type: PatchType,
    patch: Bytes,
) -> Result<Manifest, ApiError> {
    let (app, gvk) = part_of(cx, wanted).await?;
    require_on(cx, &app, "update", &wanted.key)?;
    let cluster = cx.deps().destinations.of(&app).await?;
    let patched = cluster.patch(&gvk, &wanted.key, patch_type, patch).await?;
    let ResourceKey {
        group, kind, name, ..
    } = &wanted.key;
    let message = format!("patched resource {group}/{kind} '{name}'");
    record_app(cx, &app, "ResourceUpdated", &message);
    Ok(Manifest::new(patched))
}

pub(super) async fn bind_delete(
    Caller(cx): Caller,
    Path(name): Path<String>,
    query: Query,
) -> Result<Reply<Value>, ApiError> {
    let wanted = ResourceRef::from_query(name, &query)?;
    let force = query.flag("force")?.unwrap_or(false);
    let orphan = query.flag("orphan")?.unwrap_or(false);
    let propagation = match (orphan, force) {
        (true, _) => Propagation::Orphan,
        (false, true) => Propagation::Background,
        (false, false) => Propagation::Foreground,
    };
    let options = DeleteOptions {
        propagation,
        grace_period: force.then_some(0),
        ..DeleteOptions::default()
    };
    delete(&cx, &wanted, &options).await?;
    Ok(Reply(json!({})))
}

/// Deletes an object.
pub async fn delete(
    cx: &Ctx,
    wanted: &ResourceRef,
    options: &DeleteOptions,
) -> Result<(), ApiError> {
    let (app, _) = part_of(cx, wanted).await?;
    require_on(cx, &app, "delete", &wanted.key)?;
    let cluster = cx.deps().destinations.of(&app).await?;
    cluster.delete(&wanted.key, options).await?;
    let ResourceKey {
        group, kind, name, ..
    } = &wanted.key;
    let message = format!("deleted resource {group}/{kind} '{name}'");
    record_app(cx, &app, "ResourceDeleted", &message);
    Ok(())
}
