//! Destination clusters, behind what an app's project permits.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use driftless_api::Application;
use driftless_appstate::AppState;
use driftless_core::{GroupVersionKind, ResourceKey};
use driftless_kube::log::{LogLine, LogOptions};
use driftless_kube::write::{ApplyMode, PatchType, Target};
use driftless_kube::{ApplyOptions, Cluster, DeleteOptions, Error, Fence, WriteCtx};
use driftless_manifest::Object;
use futures::stream::BoxStream;
use serde_json::Value;

use super::event;
use crate::deps::{Destination, Destinations, EventStream};
use crate::error::ApiError;

pub(super) struct Finder(Arc<AppState>);

impl Finder {
    pub(super) fn new(state: Arc<AppState>) -> Self {
        Self(state)
    }
}

#[async_trait]
impl Destinations for Finder {
    async fn of(&self, app: &Application) -> Result<Arc<dyn Destination>, ApiError> {
        let cluster = self
            .0
            .destination_cluster(app)
            .map_err(|error| ApiError::invalid(error.to_string()))?;
        let ctx = self
            .0
            .write_ctx(app, &cluster, Fence::unfenced())
            .map_err(|error| ApiError::precondition(error.to_string()))?;
        Ok(Arc::new(Reached { cluster, ctx }))
    }
}

/// Who patches live objects for people: not the manager of what Git says.
const MANAGER: &str = "argocd-server";

struct Reached {
    cluster: Arc<Cluster>,
    ctx: WriteCtx,
}

fn refused(error: Error) -> ApiError {
    ApiError::from_classified(&error)
}

#[async_trait]
impl Destination for Reached {
    async fn read(&self, gvk: &GroupVersionKind, key: &ResourceKey) -> Result<Value, ApiError> {
        let object = self
            .cluster
            .get(gvk, &key.namespace, &key.name)
            .await
            .map_err(refused)?;
        Ok(object.into_value())
    }

    async fn patch(
        &self,
        gvk: &GroupVersionKind,
        key: &ResourceKey,
        patch_type: PatchType,
        patch: Bytes,
    ) -> Result<Value, ApiError> {
        let writer = self.cluster.writer().as_manager(MANAGER);
        let written = writer
            .patch(&self.ctx, gvk, key, &Target::Object, patch_type, patch)
            .await
            .map_err(refused)?;
        serde_json::from_slice(&written.body).map_err(|error| ApiError::internal(&error))
    }

    async fn patch_status(
        &self,
        gvk: &GroupVersionKind,
        key: &ResourceKey,
        patch: Bytes,
    ) -> Result<Option<Value>, ApiError> {
        let writer = self.cluster.writer().as_manager(MANAGER);
        let target = Target::Subresource("status".into());
        let written = writer
            .patch(&self.ctx, gvk, key, &target, PatchType::Merge, patch)
            .await;
        match written {
            Ok(written) => serde_json::from_slice(&written.body)
                .map(Some)
                .map_err(|error| ApiError::internal(&error)),
            // The object was read a moment ago: what is missing is the subresource.
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(refused(error)),
        }
    }

    async fn create(&self, object: &Object) -> Result<(), ApiError> {
        let options = ApplyOptions {
            mode: ApplyMode::Create,
            ..ApplyOptions::default()
        };
        let writer = self.cluster.writer();
        let applied = writer.apply(&self.ctx, object, &options).await;
        applied.map(|_| ()).map_err(refused)
    }

    async fn delete(&self, key: &ResourceKey, options: &DeleteOptions) -> Result<(), ApiError> {
        let writer = self.cluster.writer();
        writer
            .delete(&self.ctx, key, options)
            .await
            .map(|_| ())
            .map_err(refused)
    }

    async fn events(
        &self,
        namespace: &str,
        name: &str,
        uid: Option<&str>,
    ) -> Result<Vec<Value>, ApiError> {
        self.cluster
            .events_about(namespace, name, uid)
            .await
            .map_err(refused)
    }

    fn follow_events(&self, namespace: &str, name: &str, uid: Option<&str>) -> EventStream {
        event::follow(self.cluster.follow_events(namespace, name, uid))
    }

    async fn logs(
        &self,
        namespace: &str,
        pod: &str,
        options: &LogOptions,
    ) -> Result<BoxStream<'static, Result<LogLine, Error>>, ApiError> {
        self.cluster
            .logs(namespace, pod, options)
            .await
            .map_err(refused)
    }
}
