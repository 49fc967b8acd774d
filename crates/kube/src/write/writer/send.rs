//! The one gate of every write: project rules, fence, request, metrics.

use std::sync::Arc;

use bytes::Bytes;
use driftless_core::{GroupKind, GroupVersionKind, ResourceKey};
use http::{Method, StatusCode};
use serde_json::Value;

use super::{RESEND_AFTER, Writer};
use crate::discovery::Resource;
use crate::error::Error;
use crate::metrics::RequestLabels;
use crate::transport::{Call, ClusterState, Lane, Scrub};
use crate::write::DryRun;
use crate::write::ctx::{Verb, WriteCtx, WriteRequest};

/// A write on its way through the gate.
pub(super) struct Write<'a> {
    pub(super) verb: Verb,
    pub(super) resource: &'a Resource,
    pub(super) key: &'a ResourceKey,
    pub(super) dry_run: DryRun,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) content_type: &'static str,
    pub(super) body: Bytes,
    pub(super) scrub: Scrub,
    /// Sending it twice does the same as sending it once.
    pub(super) repeatable: bool,
}

impl Writer {
    /// The only place that sends writes.
    pub(super) async fn send(
        &self,
        ctx: &WriteCtx,
        write: &Write<'_>,
    ) -> Result<(StatusCode, Bytes), Error> {
        let request = WriteRequest {
            verb: write.verb,
            gvk: &write.resource.gvk,
            key: write.key,
            dry_run: write.dry_run == DryRun::Server,
            cluster: self.cluster.url(),
        };
        ctx.authorise
            .authorise(&request)
            .map_err(|message| Error::Denied { message })?;
        let call = Call {
            impersonate: ctx.impersonate.as_ref(),
            scrub: write.scrub.clone(),
            gate: Some(&ctx.fence),
            ..Call::new(
                write.method.clone(),
                write.path.clone(),
                write.content_type,
                write.body.clone(),
            )
        };
        // The semaphore is never closed.
        let _slot = self.cluster.write_slots().acquire().await.ok();
        let mut result = self.cluster.transport().fetch(Lane::Write, &call).await;
        if write.repeatable && matches!(result, Err(Error::Unreachable { .. })) {
            tokio::time::sleep(RESEND_AFTER).await;
            if !matches!(self.cluster.state(), ClusterState::Unreachable { .. }) {
                result = self.cluster.transport().fetch(Lane::Write, &call).await;
            }
        }
        self.count(ctx, write, &result);
        result.map_err(|error| restate(error, write.key))
    }

    fn count(
        &self,
        ctx: &WriteCtx,
        write: &Write<'_>,
        result: &Result<(StatusCode, Bytes), Error>,
    ) {
        let Some(app) = &ctx.app else {
            return;
        };
        let labels = RequestLabels {
            namespace: app.namespace.to_string(),
            name: app.name.to_string(),
            project: ctx
                .project
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            server: self.cluster.url().to_string(),
            response_code: match result {
                Ok((status, _)) => status.as_u16(),
                Err(error) => error.status_code(),
            },
            verb: match write.method {
                Method::DELETE => "Delete",
                Method::POST => "Create",
                Method::PUT => "Update",
                _ => "Patch",
            },
            resource_kind: write.key.kind.to_string(),
            resource_namespace: write.key.namespace.to_string(),
            dry_run: if write.dry_run == DryRun::Server {
                "true"
            } else {
                "false"
            },
        };
        self.cluster
            .metrics()
            .app_requests
            .get_or_create(&labels)
            .inc();
    }
}

/// A patch of a Secret holds values where an object would.
pub(super) fn scrub_patch(gvk: &GroupVersionKind, patch: &[u8]) -> Scrub {
    if !gvk.group.is_empty() || &*gvk.kind != "Secret" {
        return Scrub::default();
    }
    match serde_json::from_slice(patch) {
        // Operation names and paths are no values.
        Ok(Value::Array(steps)) => Scrub::all(
            &steps
                .iter()
                .filter_map(|step| step.get("value").cloned())
                .collect(),
        ),
        Ok(patch) => Scrub::all(&patch),
        Err(_) => Scrub::default(),
    }
}

/// A missing Namespace object is a missing object, not a missing namespace.
pub(super) fn restate(error: Error, key: &ResourceKey) -> Error {
    match error {
        Error::NamespaceMissing { message, .. }
            if key.group_kind() == GroupKind::new("", "Namespace") =>
        {
            Error::NotFound { message }
        }
        other => other,
    }
}

pub(super) fn encode(value: &impl serde::Serialize) -> Bytes {
    // Maps with string keys always serialise.
    Bytes::from(serde_json::to_vec(value).unwrap_or_default())
}

pub(super) fn parse(body: &[u8], gvk: &GroupVersionKind) -> Result<Value, Error> {
    serde_json::from_slice(body).map_err(|error| Error::Decode {
        what: format!("an object of kind {gvk}"),
        detail: error.to_string(),
    })
}

/// Cluster-scoped objects have no namespace, whatever is written in them.
pub(super) fn scoped(resource: &Resource, key: ResourceKey) -> ResourceKey {
    if resource.namespaced {
        key
    } else {
        ResourceKey {
            namespace: Arc::from(""),
            ..key
        }
    }
}

/// Names a kind as kubectl does: `configmap`, `deployment.apps`.
pub(super) fn kubectl_kind(gvk: &GroupVersionKind) -> String {
    let kind = gvk.kind.to_lowercase();
    if gvk.group.is_empty() {
        kind
    } else {
        format!("{kind}.{}", gvk.group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named_as_kubectl_names_them() {
        assert_eq!(
            kubectl_kind(&GroupVersionKind::new("", "v1", "ConfigMap")),
            "configmap"
        );
        assert_eq!(
            kubectl_kind(&GroupVersionKind::new("apps", "v1", "Deployment")),
            "deployment.apps"
        );
    }

    #[test]
    fn patches_of_secrets_are_scrubbed() {
        let patch = br#"[{"op":"add","path":"/data/x","value":"c2VjcmV0"}]"#;
        let scrub = scrub_patch(&GroupVersionKind::new("", "v1", "Secret"), patch);
        assert_eq!(
            scrub.clean("bad c2VjcmV0 and secret"),
            "bad ++++++++ and ++++++++"
        );
        let scrub = scrub_patch(&GroupVersionKind::new("", "v1", "ConfigMap"), patch);
        assert_eq!(scrub.clean("bad c2VjcmV0"), "bad c2VjcmV0");
    }

    #[test]
    fn a_missing_namespace_object_is_a_missing_object() {
        let missing = |kind: &str| {
            restate(
                Error::NamespaceMissing {
                    namespace: "x".to_owned(),
                    message: "m".to_owned(),
                },
                &ResourceKey::new("", kind, "", "x"),
            )
        };
        assert!(matches!(missing("Namespace"), Error::NotFound { .. }));
        assert!(matches!(
            missing("ConfigMap"),
            Error::NamespaceMissing { .. }
        ));
    }
}
