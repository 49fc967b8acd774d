//! Deleting what an Application manages before the Application itself goes (argocd-contract §3.4).
//!
//! Objects go in reverse order of waves, one wave at a time. CRDs, objects that say `Delete=false` or Helm's `keep`, and objects
//! that something else owns stay. The finalizer is removed only when everything that must go is known to be gone: a kind
//! that cannot be read holds it back.

use std::sync::Arc;
use std::time::Duration;

use driftless_api::Application;
use driftless_api::annotation::{self, Cascade};
use driftless_api::application::ConditionType;
use driftless_core::class::render_chain;
use driftless_engine::annotation::Annotations;
use driftless_engine::sync::option::{AppOptions, Guard};
use driftless_kube::live::{LiveObject, Readiness};
use driftless_kube::write::{DeleteOptions, Propagation};
use driftless_kube::{Cluster, Wanted};

use crate::Controller;
use crate::draft::Draft;
use crate::queue::Next;

/// How long a pass waits for the cluster's objects to be loaded.
const LOAD_LIMIT: Duration = Duration::from_secs(20);
/// When to look again although no event said so.
const BACKSTOP: Duration = Duration::from_secs(10);

/// One object that must go.
struct Doomed {
    live: Arc<LiveObject>,
    wave: i32,
    needs_confirmation: bool,
}

impl Controller {
    /// Goes on with the deletion of an Application.
    pub(crate) async fn finalize(&self, app: &Application) -> Next {
        let ours = |finalizer: &String| annotation::is_our_finalizer(finalizer);
        if !app.metadata.finalizers.iter().any(ours) {
            return Next::OnEvent;
        }
        let Ok(cluster) = self.state.destination_cluster(app) else {
            // The destination is not configured any more: nothing of it can be deleted, and nobody waits for it.
            return self.release(app).await;
        };
        let propagation = match annotation::cascade(&app.metadata.finalizers) {
            Cascade::Orphan => return self.release(app).await,
            Cascade::Foreground => Propagation::Foreground,
            Cascade::Background => Propagation::Background,
        };
        match self.delete_next_wave(app, &cluster, propagation).await {
            Ok(true) => self.release(app).await,
            Ok(false) => Next::After(BACKSTOP),
            Err(message) => {
                let mut draft = Draft::new(app);
                draft.condition(ConditionType::DeletionError, message);
                self.patch(app, &mut draft).await;
                Next::After(BACKSTOP)
            }
        }
    }

    /// Deletes the highest wave that is left. Returns whether nothing is left.
    async fn delete_next_wave(
        &self,
        app: &Application,
        cluster: &Arc<Cluster>,
        propagation: Propagation,
    ) -> Result<bool, String> {
        let instance = self.state.instance(&app.key());
        let live = cluster.live();
        live.want(&instance, Wanted::default());
        let readiness = live.settled(&instance, LOAD_LIMIT).await;
        if readiness != Readiness::Settled {
            return Err(driftless_appstate::comparison::not_settled(
                cluster, readiness,
            ));
        }
        let tracked = live.tracked(&instance);
        if let Some((kind, reason)) = tracked.unreadable.first() {
            return Err(format!(
                "objects of kind {kind} cannot be read, so it is not known whether all are deleted: {reason}"
            ));
        }
        let mut doomed = Vec::new();
        for object in tracked.objects {
            if let Some(one) = judge(app, object)? {
                doomed.push(one);
            }
        }
        let Some(wave) = doomed.iter().map(|one| one.wave).max() else {
            return Ok(true);
        };
        let waiting = doomed.iter().find(|one| one.needs_confirmation);
        if let Some(one) = waiting.filter(|_| !is_approved(app)) {
            return Err(format!(
                "waiting for deletion confirmation of {}: set annotation {} to the current time",
                one.live.key,
                annotation::DELETION_APPROVED
            ));
        }
        let ctx = self.deletion_ctx(app, cluster);
        let writer = cluster.writer();
        for one in doomed
            .iter()
            .filter(|one| one.wave == wave && one.live.deleting.is_none())
        {
            let options = DeleteOptions {
                propagation,
                uid: Some(one.live.uid.clone()),
                ..DeleteOptions::default()
            };
            writer
                .delete(&ctx, &one.live.key, &options)
                .await
                .map_err(|error| format!("deleting {}: {}", one.live.key, render_chain(&error)))?;
        }
        // Deletions of objects without finalizers are in the live state already.
        let left = live.tracked(&instance).objects;
        let mut all_gone = true;
        for object in left {
            all_gone &= judge(app, object)?.is_none();
        }
        Ok(all_gone)
    }

    /// Removes our finalizers, so that Kubernetes deletes the Application.
    async fn release(&self, app: &Application) -> Next {
        let left: Vec<&String> = app
            .metadata
            .finalizers
            .iter()
            .filter(|finalizer| !annotation::is_our_finalizer(finalizer))
            .collect();
        let patch = serde_json::json!({
            "metadata": {"finalizers": left, "resourceVersion": app.metadata.resource_version}
        });
        match self.patch_app(app, &patch).await {
            Ok(_) => Next::OnEvent,
            Err(error) if error.is_missing() => Next::OnEvent,
            Err(error) => {
                tracing::warn!(app = %app.key(), error = %error, "Finalizer not removed, trying again");
                Next::After(Duration::from_secs(1))
            }
        }
    }
}

/// Says whether an object must go with its Application.
fn judge(app: &Application, live: Arc<LiveObject>) -> Result<Option<Doomed>, String> {
    let is_crd = &*live.key.kind == "CustomResourceDefinition";
    let is_itself = &*live.key.kind == Application::KIND
        && *live.key.name == *app.metadata.name
        && *live.key.namespace == *app.metadata.namespace;
    if is_crd || is_itself || !live.owners.is_empty() {
        return Ok(None);
    }
    let Some(object) = live.parse() else {
        return Err(format!("{} is not loaded yet", live.key));
    };
    let annotations = Annotations::of(&object);
    // The Application's own option guards every object; the stricter of both holds.
    let list = app.spec.sync_options().iter().map(String::as_str);
    let guard = AppOptions::parse(list)
        .0
        .delete
        .max(annotations.options.delete);
    if annotations.keep_on_delete || guard == Guard::Never {
        return Ok(None);
    }
    let needs_confirmation = guard == Guard::Confirm;
    Ok(Some(Doomed {
        live,
        wave: annotations.wave,
        needs_confirmation,
    }))
}

fn is_approved(app: &Application) -> bool {
    let approved = app.metadata.annotation(annotation::DELETION_APPROVED);
    let approved = approved.and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let asked = app
        .metadata
        .deletion_timestamp
        .map(driftless_api::Time::timestamp);
    matches!((approved, asked), (Some(approved), Some(asked)) if approved >= asked)
}
