//! The control plane's own objects.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use driftless_api::Application;
use driftless_core::{GroupVersionKind, ResourceKey};
use driftless_kube::write::PatchType;
use driftless_kube::write::{ApplyMode, Propagation, Target};
use driftless_kube::{
    ApplyOptions, Cluster, ClusterState, DeleteOptions, Error, Fence, Store, WriteCtx,
};
use driftless_manifest::Object;
use serde_json::Value;

use super::event;
use crate::deps::{ControlPlane, EventStream, HealthCheck};

/// Field manager of what the API writes.
const MANAGER: &str = "argocd-server";

/// The cluster that holds the control plane's objects.
pub(super) struct Own {
    cluster: Arc<Cluster>,
    apps: Arc<Store<Application>>,
}

impl Own {
    pub(super) fn new(cluster: Arc<Cluster>, apps: Arc<Store<Application>>) -> Self {
        Self { cluster, apps }
    }

    /// Shows readers what was just written, and returns it.
    fn take(&self, what: &str, body: &[u8]) -> Result<Value, Error> {
        self.apps.absorb(body);
        parse(what, body)
    }
}

fn parse(what: &str, body: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(body).map_err(|error| Error::Decode {
        what: what.to_owned(),
        detail: error.to_string(),
    })
}

pub(super) fn ctx() -> WriteCtx {
    // Callers' writes are no controller's: several servers may take them at once, and the API server
    // orders them by resource version.
    WriteCtx::internal(Fence::unfenced())
}

#[async_trait]
impl ControlPlane for Own {
    async fn read(&self, gvk: &GroupVersionKind, key: &ResourceKey) -> Result<Value, Error> {
        let object = self.cluster.get(gvk, &key.namespace, &key.name).await?;
        Ok(object.into_value())
    }

    async fn create(&self, object: &Value) -> Result<Value, Error> {
        let object = Object::from_value(object.clone()).map_err(|error| Error::BadObject {
            detail: error.to_string(),
        })?;
        let options = ApplyOptions {
            mode: ApplyMode::Create,
            field_manager: MANAGER,
            ..ApplyOptions::default()
        };
        let applied = self
            .cluster
            .writer()
            .apply(&ctx(), &object, &options)
            .await?;
        let body = applied.object.json().ok_or_else(|| Error::Decode {
            what: "creating an object".to_owned(),
            detail: "the answer holds no object".to_owned(),
        })?;
        self.take("creating an object", &body)
    }

    async fn patch(
        &self,
        gvk: &GroupVersionKind,
        key: &ResourceKey,
        patch_type: PatchType,
        patch: &Value,
    ) -> Result<Value, Error> {
        let body = Bytes::from(patch.to_string());
        let writer = self.cluster.writer();
        let written = writer
            .patch(&ctx(), gvk, key, &Target::Object, patch_type, body)
            .await?;
        self.take("patching an object", &written.body)
    }

    async fn delete(&self, key: &ResourceKey) -> Result<(), Error> {
        let options = DeleteOptions {
            propagation: Propagation::Background,
            ..DeleteOptions::default()
        };
        self.cluster
            .writer()
            .delete(&ctx(), key, &options)
            .await
            .map(|_| ())
    }

    async fn events(
        &self,
        namespace: &str,
        name: &str,
        uid: Option<&str>,
    ) -> Result<Vec<Value>, Error> {
        self.cluster.events_about(namespace, name, uid).await
    }

    fn follow_events(&self, namespace: &str, name: &str, uid: Option<&str>) -> EventStream {
        event::follow(self.cluster.follow_events(namespace, name, uid))
    }
}

#[async_trait]
impl HealthCheck for Own {
    async fn check(&self) -> Result<(), String> {
        match self.cluster.state() {
            ClusterState::Unreachable { .. } => Err("the API server cannot be reached".to_owned()),
            _ => match self.apps.state() {
                driftless_kube::store::StoreState::Unreadable(reason) => Err(reason.to_string()),
                _ => Ok(()),
            },
        }
    }
}
