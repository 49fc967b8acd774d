//! Builds the requests of each kind of write and passes them through the one gate.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use driftless_core::{GroupKind, GroupVersionKind, ResourceKey};
use driftless_manifest::Object;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ctx::{Verb, WriteCtx, WriteRequest};
use super::{
    Applied, ApplyMode, ApplyOptions, Conflicts, DeleteOptions, Deleted, DryRun, Migration,
    OnImmutable, PatchType, Propagation, Target, Validation, Written, client_side, migrate,
};
use crate::cluster::Cluster;
use crate::discovery::Resource;
use crate::error::Error;
use crate::live::compact::{Interner, Reading};
use crate::live::{Item, LiveObject, Projection, compact};
use crate::metrics::RequestLabels;
use crate::transport::{Call, ClusterState, JSON, Lane, Scrub};

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

/// A write on its way through the gate.
struct Write<'a> {
    verb: Verb,
    resource: &'a Resource,
    key: &'a ResourceKey,
    dry_run: DryRun,
    method: Method,
    path: String,
    content_type: &'static str,
    body: Bytes,
    scrub: Scrub,
    /// Sending it twice does the same as sending it once.
    repeatable: bool,
}

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

    async fn server_side(
        &self,
        ctx: &WriteCtx,
        prepared: &Prepared<'_>,
        options: &ApplyOptions,
    ) -> Result<Applied, Error> {
        if prepared.object.name().is_empty() {
            return self.create(ctx, prepared, options).await;
        }
        if let (Migration::TakeOver(others), DryRun::No) = (&options.migration, options.dry_run) {
            self.take_over(ctx, prepared, options.field_manager, others)
                .await?;
        }
        let write = server_side_write(prepared, options, Verb::Apply)?;
        let (status, body) = self.send(ctx, &write).await?;
        self.applied(prepared, options, status, &body, "serverside-applied")
    }

    async fn create(
        &self,
        ctx: &WriteCtx,
        prepared: &Prepared<'_>,
        options: &ApplyOptions,
    ) -> Result<Applied, Error> {
        let (status, body) = self.post(ctx, prepared, options, Verb::Apply).await?;
        self.applied(prepared, options, status, &body, "created")
    }

    async fn post(
        &self,
        ctx: &WriteCtx,
        prepared: &Prepared<'_>,
        options: &ApplyOptions,
        verb: Verb,
    ) -> Result<(StatusCode, Bytes), Error> {
        if !prepared.object.name().is_empty() {
            // Only to check that the name is one.
            prepared
                .resource
                .object_path(&prepared.key.namespace, prepared.object.name())?;
        }
        let probe = prepared
            .resource
            .object_path(&prepared.key.namespace, "name")?;
        let collection = probe.strip_suffix("/name").unwrap_or_default();
        let write = Write {
            verb,
            resource: &prepared.resource,
            key: &prepared.key,
            dry_run: options.dry_run,
            method: Method::POST,
            path: format!("{collection}?{}", parameters(options)),
            content_type: JSON,
            body: encode(prepared.object.as_map()),
            scrub: Scrub::of(prepared.object.as_map()),
            repeatable: false,
        };
        self.send(ctx, &write).await
    }

    async fn replace(
        &self,
        ctx: &WriteCtx,
        prepared: &Prepared<'_>,
        options: &ApplyOptions,
    ) -> Result<Applied, Error> {
        let path = prepared
            .resource
            .object_path(&prepared.key.namespace, &prepared.key.name)?;
        let mut last = None;
        for _ in 0..ROUNDS {
            let read = Call::get(path.clone());
            let current: Value = match self.cluster.transport().fetch(Lane::Write, &read).await {
                Ok((_, body)) => parse(&body, &prepared.resource.gvk)?,
                Err(Error::NotFound { .. } | Error::NamespaceMissing { .. }) => {
                    return self.create(ctx, prepared, options).await;
                }
                Err(error) => return Err(error),
            };
            let mut object = prepared.object.to_value();
            object["metadata"]["resourceVersion"] = current
                .pointer("/metadata/resourceVersion")
                .cloned()
                .unwrap_or_default();
            let write = Write {
                verb: Verb::Apply,
                resource: &prepared.resource,
                key: &prepared.key,
                dry_run: options.dry_run,
                method: Method::PUT,
                path: format!("{path}?{}", parameters(options)),
                content_type: JSON,
                body: encode(&object),
                scrub: Scrub::of(prepared.object.as_map()),
                repeatable: false,
            };
            match self.send(ctx, &write).await {
                Ok((status, body)) => {
                    return self.applied(prepared, options, status, &body, "replaced");
                }
                Err(Error::Conflict { message }) => last = Some(Error::Conflict { message }),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| keeps_changing(&prepared.key)))
    }

    /// Applies as kubectl does: what was applied last is kept in an annotation.
    async fn client_side(
        &self,
        ctx: &WriteCtx,
        prepared: &Prepared<'_>,
        options: &ApplyOptions,
    ) -> Result<Applied, Error> {
        let desired = client_side::annotated(prepared.object.to_value());
        let annotated = Object::from_value(desired.clone()).map_err(|error| Error::BadObject {
            detail: error.to_string(),
        })?;
        let created = Prepared {
            object: &annotated,
            resource: prepared.resource.clone(),
            key: prepared.key.clone(),
        };
        if annotated.name().is_empty() {
            return self.create(ctx, &created, options).await;
        }
        let path = prepared
            .resource
            .object_path(&prepared.key.namespace, &prepared.key.name)?;
        let mut last = None;
        for _ in 0..ROUNDS {
            let read = Call::get(path.clone());
            let current: Value = match self.cluster.transport().fetch(Lane::Write, &read).await {
                Ok((_, body)) => parse(&body, &prepared.resource.gvk)?,
                Err(Error::NotFound { .. } | Error::NamespaceMissing { .. }) => {
                    match self.create(ctx, &created, options).await {
                        Err(Error::AlreadyExists { message }) => {
                            last = Some(Error::AlreadyExists { message });
                            continue;
                        }
                        other => return other,
                    }
                }
                Err(error) => return Err(error),
            };
            let Some(patch) = client_side::patch(&prepared.resource.gvk, &desired, &current) else {
                let body = encode(&current);
                let status = StatusCode::OK;
                return self.applied(prepared, options, status, &body, "unchanged");
            };
            let write = Write {
                verb: Verb::Apply,
                resource: &prepared.resource,
                key: &prepared.key,
                dry_run: options.dry_run,
                method: Method::PATCH,
                path: format!("{path}?{}", parameters(options)),
                content_type: "application/merge-patch+json",
                body: encode(&patch),
                scrub: Scrub::of(prepared.object.as_map()),
                repeatable: false,
            };
            match self.send(ctx, &write).await {
                Ok((status, body)) => {
                    return self.applied(prepared, options, status, &body, "configured");
                }
                Err(Error::Conflict { message }) => last = Some(Error::Conflict { message }),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| keeps_changing(&prepared.key)))
    }

    /// Moves ownership of client-side-applied fields to our manager.
    async fn take_over(
        &self,
        ctx: &WriteCtx,
        prepared: &Prepared<'_>,
        manager: &str,
        others: &[String],
    ) -> Result<(), Error> {
        let live = self.cluster.live_if_started();
        let known = live.and_then(|live| live.peek(&prepared.key));
        let needless = match (&known, live) {
            // The flag knows only the usual managers.
            (Some(object), _) => !object.client_side_applied && others.is_empty(),
            (None, Some(live)) => {
                let state = live.kind(&prepared.key.group_kind());
                matches!(
                    state,
                    crate::live::KindState::Ready | crate::live::KindState::Unknown
                )
            }
            (None, None) => false,
        };
        if needless {
            return Ok(());
        }
        let path = prepared
            .resource
            .object_path(&prepared.key.namespace, &prepared.key.name)?;
        for _ in 0..ROUNDS {
            let read = Call::get(path.clone());
            let current: Value = match self.cluster.transport().fetch(Lane::Write, &read).await {
                Ok((_, body)) => parse(&body, &prepared.resource.gvk)?,
                Err(Error::NotFound { .. } | Error::NamespaceMissing { .. }) => return Ok(()),
                Err(error) => return Err(error),
            };
            let Some(transfer) = migrate::patch(&current, manager, others) else {
                return Ok(());
            };
            let write = Write {
                verb: Verb::Apply,
                resource: &prepared.resource,
                key: &prepared.key,
                dry_run: DryRun::No,
                method: Method::PATCH,
                path: format!("{path}?fieldManager={manager}"),
                content_type: "application/json-patch+json",
                body: encode(&transfer),
                scrub: Scrub::of(prepared.object.as_map()),
                repeatable: false,
            };
            match self.send(ctx, &write).await {
                Ok((_, body)) => {
                    tracing::info!(obj = %prepared.key, "Took over client-side-applied fields");
                    self.remember(&body, &prepared.resource.gvk);
                    return Ok(());
                }
                Err(Error::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Conflict {
            message: format!(
                "{} keeps changing while its fields are taken over",
                prepared.key
            ),
        })
    }

    /// Deletes an object that cannot be changed and waits until it is gone.
    async fn make_way(&self, ctx: &WriteCtx, prepared: &Prepared<'_>) -> Result<(), Error> {
        let options = DeleteOptions {
            propagation: Propagation::Foreground,
            ..DeleteOptions::default()
        };
        if self.delete(ctx, &prepared.key, &options).await? != Deleted::Terminating {
            return Ok(());
        }
        let path = prepared
            .resource
            .object_path(&prepared.key.namespace, &prepared.key.name)?;
        let started = tokio::time::Instant::now();
        let mut wait = Duration::from_millis(50);
        while started.elapsed() < RECREATE_WITHIN {
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(1));
            let read = Call::get(path.clone());
            match self.cluster.transport().fetch(Lane::Write, &read).await {
                Ok(_) => {}
                Err(Error::NotFound { .. }) => {
                    if let Some(live) = self.cluster.live_if_started() {
                        live.deleted(&prepared.key, None);
                    }
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::Timeout {
            what: format!("deletion of {} to create it again", prepared.key),
            after: RECREATE_WITHIN,
        })
    }

    /// Answers a dry run of a re-creation with the object as it is.
    async fn current(&self, prepared: &Prepared<'_>) -> Result<Applied, Error> {
        let path = prepared
            .resource
            .object_path(&prepared.key.namespace, &prepared.key.name)?;
        let (status, body) = self
            .cluster
            .transport()
            .fetch(Lane::Write, &Call::get(path))
            .await?;
        let options = ApplyOptions {
            dry_run: DryRun::Server,
            ..ApplyOptions::default()
        };
        self.applied(
            prepared,
            &options,
            status,
            &body,
            "deleted and created again",
        )
    }

    fn applied(
        &self,
        prepared: &Prepared<'_>,
        options: &ApplyOptions,
        status: StatusCode,
        body: &[u8],
        did: &str,
    ) -> Result<Applied, Error> {
        let gvk = &prepared.resource.gvk;
        let item = self.read(body, gvk).ok_or_else(|| Error::Decode {
            what: format!("the apply of {}", prepared.key),
            detail: "it holds no object".to_owned(),
        })?;
        let object = Arc::new(LiveObject {
            body: item.body.clone(),
            ..item.object.clone()
        });
        let mut message = format!("{}/{} {did}", kubectl_kind(gvk), object.key.name);
        if options.dry_run == DryRun::Server {
            message.push_str(" (server dry run)");
        } else if let Some(live) = self.cluster.live_if_started() {
            live.written(item.compressed());
        }
        Ok(Applied {
            object,
            created: status == StatusCode::CREATED,
            message,
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

    /// The only place that sends writes.
    async fn send(&self, ctx: &WriteCtx, write: &Write<'_>) -> Result<(StatusCode, Bytes), Error> {
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

fn server_side_write<'a>(
    prepared: &'a Prepared<'_>,
    options: &ApplyOptions,
    verb: Verb,
) -> Result<Write<'a>, Error> {
    let path = prepared
        .resource
        .object_path(&prepared.key.namespace, &prepared.key.name)?;
    let force = match options.conflicts {
        Conflicts::Force => "&force=true",
        Conflicts::Fail => "",
    };
    Ok(Write {
        verb,
        resource: &prepared.resource,
        key: &prepared.key,
        dry_run: options.dry_run,
        method: Method::PATCH,
        path: format!("{path}?{}{force}", parameters(options)),
        content_type: "application/apply-patch+yaml",
        body: encode(prepared.object.as_map()),
        scrub: Scrub::of(prepared.object.as_map()),
        repeatable: true,
    })
}

fn parameters(options: &ApplyOptions) -> String {
    let validation = match options.validation {
        Validation::Strict => "Strict",
        Validation::Ignore => "Ignore",
    };
    let dry_run = match options.dry_run {
        DryRun::No => "",
        DryRun::Server => "&dryRun=All",
    };
    format!(
        "fieldManager={}&fieldValidation={validation}{dry_run}",
        options.field_manager
    )
}

fn encode(value: &impl serde::Serialize) -> Bytes {
    // Maps with string keys always serialise.
    Bytes::from(serde_json::to_vec(value).unwrap_or_default())
}

fn parse(body: &[u8], gvk: &GroupVersionKind) -> Result<Value, Error> {
    serde_json::from_slice(body).map_err(|error| Error::Decode {
        what: format!("an object of kind {gvk}"),
        detail: error.to_string(),
    })
}

/// Cluster-scoped objects have no namespace, whatever is written in them.
fn scoped(resource: &Resource, key: ResourceKey) -> ResourceKey {
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

/// A patch of a Secret holds values where an object would.
fn scrub_patch(gvk: &GroupVersionKind, patch: &[u8]) -> Scrub {
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
fn restate(error: Error, key: &ResourceKey) -> Error {
    match error {
        Error::NamespaceMissing { message, .. }
            if key.group_kind() == GroupKind::new("", "Namespace") =>
        {
            Error::NotFound { message }
        }
        other => other,
    }
}

#[derive(Deserialize, Default)]
struct KindOf {
    #[serde(default)]
    kind: String,
}

/// The error of a write that lost every race.
fn keeps_changing(key: &ResourceKey) -> Error {
    Error::Conflict {
        message: format!("{key} keeps changing"),
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
