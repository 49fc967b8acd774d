//! A field of a Kubernetes object in the rollout's namespace.

use driftless_api::analysis::Provider;
use driftless_api::analysis::provider::ObjectField;
use driftless_api::read;
use driftless_core::GroupVersionKind;
use driftless_core::class::render_chain;
use driftless_rollout::Value;

use super::{Ctx, MeasureError};
use crate::path::Path;
use crate::source::OBJECT_PLUGIN;

/// Returns the provider, written as a field or as a plugin.
pub(super) fn spec(provider: &Provider) -> Result<Option<ObjectField>, String> {
    if let Some(spec) = &provider.object {
        return Ok(Some((**spec).clone()));
    }
    match provider.plugin.get(OBJECT_PLUGIN) {
        None => Ok(None),
        Some(raw) => read::from_value(raw.0.clone())
            .map(Some)
            .map_err(|error| format!("plugin {OBJECT_PLUGIN}: {error}")),
    }
}

/// Says what is wrong with a source.
pub(super) fn check(spec: &ObjectField) -> Result<(), String> {
    for (field, text) in [
        ("apiVersion", &spec.api_version),
        ("kind", &spec.kind),
        ("name", &spec.name),
    ] {
        if text.is_empty() {
            return Err(format!("object.{field}: required"));
        }
    }
    if spec.kind == "Secret" && spec.api_version == "v1" {
        return Err("object: values of Secrets are not measured".into());
    }
    if !spec.json_path.is_empty() {
        Path::parse(&spec.json_path).map_err(|why| format!("object.jsonPath: {why}"))?;
    }
    Ok(())
}

/// Measures.
pub(super) async fn measure(spec: &ObjectField, ctx: &Ctx) -> Result<Value, MeasureError> {
    let failed = |message: String| MeasureError::Cluster(message);
    let Some(cluster) = &ctx.cluster else {
        return Err(failed("there is no cluster to read the object from".into()));
    };
    let gvk = GroupVersionKind::from_api_version(&spec.api_version, &spec.kind);
    let kind = cluster.resolve(&gvk).await;
    if kind.is_ok_and(|kind| !kind.namespaced) {
        let message = format!(
            "{} is not in a namespace: only objects of the rollout's own are read",
            spec.kind
        );
        return Err(MeasureError::Refused(message));
    }
    let object = cluster
        .get(&gvk, &ctx.owner.namespace, &spec.name)
        .await
        .map_err(|error| {
            failed(format!(
                "reading {} {}: {}",
                spec.kind,
                spec.name,
                render_chain(&error)
            ))
        })?;
    let object = object.into_value();
    if spec.json_path.is_empty() {
        return Ok(Value::from(object));
    }
    let path = Path::parse(&spec.json_path).map_err(MeasureError::Refused)?;
    let found = path.first(&object).map_err(|why| {
        let (kind, name) = (&spec.kind, &spec.name);
        MeasureError::Answer(format!("{kind} {name}, {}: {why}", spec.json_path))
    })?;
    Ok(Value::from(found.clone()))
}
