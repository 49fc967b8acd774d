//! The ways to bring an object to what is wanted: server-side, client-side, create and replace.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use driftless_core::ResourceKey;
use driftless_manifest::Object;
use http::{Method, StatusCode};
use serde_json::Value;

use super::send::{Write, encode, kubectl_kind, parse};
use super::{Prepared, RECREATE_WITHIN, ROUNDS, Writer};
use crate::error::Error;
use crate::live::LiveObject;
use crate::transport::{Call, JSON, Lane, Scrub};
use crate::write::ctx::{Verb, WriteCtx};
use crate::write::{
    Applied, ApplyOptions, Conflicts, DeleteOptions, Deleted, DryRun, Migration, Propagation,
    Validation, client_side, migrate,
};

impl Writer {
    pub(super) async fn server_side(
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

    pub(super) async fn create(
        &self,
        ctx: &WriteCtx,
        prepared: &Prepared<'_>,
        options: &ApplyOptions,
    ) -> Result<Applied, Error> {
        let (status, body) = self.post(ctx, prepared, options, Verb::Apply).await?;
        self.applied(prepared, options, status, &body, "created")
    }

    pub(super) async fn post(
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

    pub(super) async fn replace(
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
    pub(super) async fn client_side(
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
    pub(super) async fn make_way(
        &self,
        ctx: &WriteCtx,
        prepared: &Prepared<'_>,
    ) -> Result<(), Error> {
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
    pub(super) async fn current(&self, prepared: &Prepared<'_>) -> Result<Applied, Error> {
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
}

pub(super) fn server_side_write<'a>(
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

/// The error of a write that lost every race.
fn keeps_changing(key: &ResourceKey) -> Error {
    Error::Conflict {
        message: format!("{key} keeps changing"),
    }
}
