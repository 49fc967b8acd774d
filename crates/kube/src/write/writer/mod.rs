//! Builds the requests of each kind of write and passes them through the one gate.

mod apply;
mod send;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use driftless_core::{GroupVersionKind, ResourceKey};
use driftless_manifest::Object;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::discovery::Resource;
use crate::error::Error;
use crate::live::compact::{Interner, Reading};
use crate::live::{Item, Projection, compact};
use crate::transport::{JSON, Scrub};
use crate::write::ctx::{Verb, WriteCtx};
use crate::write::{
    Applied, ApplyMode, ApplyOptions, DeleteOptions, Deleted, DryRun, Migration, OnImmutable,
    PatchType, Target, Written,
};

use self::apply::server_side_write;
use self::send::{Write, scoped, scrub_patch};

/// Writes to one cluster. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Writer {
    cluster: Arc<Cluster>,
    manager: &'static str,
}

/// Attempts of read-change-write rounds that lost against somebody else.
const ROUNDS: usize = 4;
/// An object that is deleted to be created again must be gone within this time.
const RECREATE_WITHIN: Duration = Duration::from_mins(1);
/// Before a write that may be repeated is sent once more after its connection broke.
const RESEND_AFTER: Duration = Duration::from_millis(100);

/// An object with what is known about its kind.
struct Prepared<'a> {
    object: &'a Object,
    resource: Arc<Resource>,
    key: ResourceKey,
}

impl Writer {
    pub(crate) fn new(cluster: Arc<Cluster>) -> Self {
        Self {
            cluster,
            manager: super::FIELD_MANAGER,
        }
    }

    /// Names the manager of what is patched from now on. What the usual one patches counts as Git's own, which the next
    /// apply removes where Git does not have it.
    #[must_use]
    pub fn as_manager(mut self, manager: &'static str) -> Self {
        self.manager = manager;
        self
    }

    /// Returns the cluster it writes to.
    pub fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    /// Applies (or creates or replaces) an object. The answer is in the live state when this
    /// returns, so a comparison that follows never sees an older object.
    pub async fn apply(
        &self,
        ctx: &WriteCtx,
        object: &Object,
        options: &ApplyOptions,
    ) -> Result<Applied, Error> {
        let prepared = self.prepare(object).await?;
        let first = self.apply_prepared(ctx, &prepared, options).await;
        match first {
            Err(error)
                if options.on_immutable == OnImmutable::Recreate
                    && options.dry_run == DryRun::No
                    && (error.is_immutable() || matches!(error, Error::Conflict { .. })) =>
            {
                self.make_way(ctx, &prepared).await?;
                self.apply_prepared(ctx, &prepared, options).await
            }
            // A dry run cannot show the deletion that would make way.
            Err(error) if options.on_immutable == OnImmutable::Recreate && error.is_immutable() => {
                let dry = ApplyOptions {
                    mode: ApplyMode::Create,
                    ..options.clone()
                };
                match self.apply_prepared(ctx, &prepared, &dry).await {
                    Err(Error::AlreadyExists { .. }) => self.current(&prepared).await,
                    other => other,
                }
            }
            other => other,
        }
    }

    async fn apply_prepared(
        &self,
        ctx: &WriteCtx,
        prepared: &Prepared<'_>,
        options: &ApplyOptions,
    ) -> Result<Applied, Error> {
        match options.mode {
            ApplyMode::ServerSide => self.server_side(ctx, prepared, options).await,
            ApplyMode::ClientSide => self.client_side(ctx, prepared, options).await,
            ApplyMode::Replace => self.replace(ctx, prepared, options).await,
            ApplyMode::Create => self.create(ctx, prepared, options).await,
        }
    }

    /// Deletes an object. The kind's preferred version is used.
    pub async fn delete(
        &self,
        ctx: &WriteCtx,
        key: &ResourceKey,
        options: &DeleteOptions,
    ) -> Result<Deleted, Error> {
        let resource = match self.cluster.resolve_preferred(&key.group_kind()).await {
            Ok(resource) => resource,
            // Without the kind there are no objects of it.
            Err(Error::UnknownKind { .. }) => return Ok(Deleted::Absent),
            Err(error) => return Err(error),
        };
        let key = scoped(&resource, key.clone());
        let mut body = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": options.propagation.as_str(),
        });
        if let Some(uid) = &options.uid {
            body["preconditions"] = json!({"uid": uid.to_string()});
        }
        if let Some(seconds) = options.grace_period {
            body["gracePeriodSeconds"] = json!(seconds);
        }
        if options.dry_run == DryRun::Server {
            body["dryRun"] = json!(["All"]);
        }
        let write = Write {
            verb: Verb::Delete,
            resource: &resource,
            key: &key,
            dry_run: options.dry_run,
            method: Method::DELETE,
            path: resource.object_path(&key.namespace, &key.name)?,
            content_type: JSON,
            body: Bytes::from(body.to_string()),
            scrub: Scrub::default(),
            repeatable: options.uid.is_some(),
        };
        let (_, answer) = match self.send(ctx, &write).await {
            Ok(answer) => answer,
            Err(Error::NotFound { .. } | Error::NamespaceMissing { .. }) => {
                self.forget(&key, options);
                return Ok(Deleted::Absent);
            }
            // Another object has the name now: the one that was meant is gone.
            Err(Error::Conflict { message })
                if options.uid.is_some() && message.contains("UID in the precondition") =>
            {
                return Ok(Deleted::Absent);
            }
            Err(error) => return Err(error),
        };
        let kind: KindOf = serde_json::from_slice(&answer).unwrap_or_default();
        if kind.kind == "Status" {
            self.forget(&key, options);
            return Ok(Deleted::Gone);
        }
        if options.dry_run == DryRun::No {
            self.remember(&answer, &resource.gvk);
        }
        Ok(Deleted::Terminating)
    }

    fn forget(&self, key: &ResourceKey, options: &DeleteOptions) {
        if options.dry_run == DryRun::No
            && let Some(live) = self.cluster.live_if_started()
        {
            live.deleted(key, options.uid.as_ref());
        }
    }

    /// Patches an object or a subresource of it.
    pub async fn patch(
        &self,
        ctx: &WriteCtx,
        gvk: &GroupVersionKind,
        key: &ResourceKey,
        target: &Target,
        patch_type: PatchType,
        patch: Bytes,
    ) -> Result<Written, Error> {
        let resource = self.cluster.resolve(gvk).await?;
        let key = scoped(&resource, key.clone());
        let mut address = resource.object_path(&key.namespace, &key.name)?;
        if let Target::Subresource(name) = target {
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
                return Err(Error::BadObject {
                    detail: format!("'{name}' is not a subresource"),
                });
            }
            address = format!("{address}/{name}");
        }
        let write = Write {
            verb: Verb::Patch,
            resource: &resource,
            key: &key,
            dry_run: DryRun::No,
            method: Method::PATCH,
            path: format!("{address}?fieldManager={}", self.manager),
            content_type: match patch_type {
                PatchType::Json => "application/json-patch+json",
                PatchType::Merge => "application/merge-patch+json",
                PatchType::Strategic => "application/strategic-merge-patch+json",
            },
            scrub: scrub_patch(&resource.gvk, &patch),
            body: patch,
            repeatable: false,
        };
        let (_, body) = self.send(ctx, &write).await?;
        self.remember(&body, &resource.gvk);
        Ok(Written { body })
    }

    /// Creates the destination namespace, or applies `metadata` (labels, annotations) to it.
    /// Returns whether it was new.
    pub async fn create_namespace(
        &self,
        ctx: &WriteCtx,
        name: &str,
        metadata: Option<&Value>,
        dry_run: DryRun,
    ) -> Result<bool, Error> {
        let mut object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {}});
        if let Some(metadata) = metadata {
            object["metadata"] = metadata.clone();
        }
        object["metadata"]["name"] = json!(name);
        let object = Object::from_value(object).map_err(|error| Error::BadObject {
            detail: error.to_string(),
        })?;
        let prepared = self.prepare(&object).await?;
        if metadata.is_none() {
            let known = self
                .cluster
                .live_if_started()
                .and_then(|live| live.peek(&prepared.key));
            if known.is_some() {
                return Ok(false);
            }
            let options = ApplyOptions {
                dry_run,
                ..ApplyOptions::default()
            };
            let created = self
                .post(ctx, &prepared, &options, Verb::CreateNamespace)
                .await;
            return match created {
                Ok(_) => Ok(true),
                Err(Error::AlreadyExists { .. }) => Ok(false),
                Err(error) => Err(error),
            };
        }
        let options = ApplyOptions {
            dry_run,
            migration: Migration::Leave,
            ..ApplyOptions::default()
        };
        let write = server_side_write(&prepared, &options, Verb::CreateNamespace)?;
        let (status, body) = self.send(ctx, &write).await?;
        if dry_run == DryRun::No {
            self.remember(&body, &prepared.resource.gvk);
        }
        Ok(status == StatusCode::CREATED)
    }

    // ---- apply -------------------------------------------------------------------------------

    async fn prepare<'a>(&self, object: &'a Object) -> Result<Prepared<'a>, Error> {
        let gvk = object.gvk();
        let resource = self.cluster.resolve(&gvk).await?;
        let key = scoped(&resource, object.key());
        Ok(Prepared {
            object,
            resource,
            key,
        })
    }

    /// Feeds an answer into the live state.
    fn remember(&self, body: &[u8], gvk: &GroupVersionKind) {
        if let Some(live) = self.cluster.live_if_started()
            && let Some(item) = live.read(body, gvk)
        {
            live.written(item.compressed());
        }
    }

    fn read(&self, body: &[u8], gvk: &GroupVersionKind) -> Option<Item> {
        match self.cluster.live_if_started() {
            Some(live) => live.read(body, gvk),
            None => compact::read(
                body,
                gvk,
                Projection::Full,
                &Reading::default(),
                &Interner::default(),
            )
            .ok(),
        }
    }

    // ---- the gate ----------------------------------------------------------------------------
}

#[derive(Deserialize, Default)]
struct KindOf {
    #[serde(default)]
    kind: String,
}
