//! Keeps every Application equal to what Git says: refresh, automated sync, operations, rollback, deletion.
//!
//! One pass over one Application at a time ([`queue`]). A pass loads what is known, compares ([`reconcile`]), decides
//! ([`automation`]), carries an operation on ([`operation`]) and patches the Application ([`draft`]). What starts a
//! pass is in [`triggers`]. All state that must survive is in the Application itself; the memory here only saves work.
//!
//! The controller never talks to other components: the API writes Applications, the controller reads them.

mod aborted;
pub mod automation;
mod calm;
mod deletion;
pub mod draft;
mod events;
mod execute;
mod failures;
mod fit;
mod following;
mod handover;
mod holds;
mod metrics;
mod operation;
mod orphans;
pub mod quarantine;
pub mod queue;
pub mod reasons;
mod reconcile;
mod triggers;

use std::sync::Arc;

use bytes::Bytes;
use driftless_api::Application;
use driftless_appstate::AppState;
use driftless_core::{AppKey, GroupVersionKind, ResourceKey};
use driftless_kube::write::{PatchType, Target as WriteTarget};
use driftless_kube::{Cluster, EventRecorder, Fence, WriteCtx, Writer};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

pub use metrics::Metrics;

use crate::automation::HealBackoff;
use crate::draft::Draft;
use crate::failures::{Failures, Since};
use crate::following::Following;
use crate::queue::Queue;
use crate::reasons::Reasons;

/// How the controller works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Applications worked on at once.
    pub parallel: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { parallel: 20 }
    }
}

/// The controller.
pub struct Controller {
    state: Arc<AppState>,
    writer: Writer,
    events: EventRecorder,
    fence: Fence,
    metrics: Metrics,
    queue: Arc<Queue<AppKey, Reasons>>,
    following: Following,
    failures: Failures<AppKey>,
    /// Since when the sources of Applications could not be read.
    unreadable: Since<AppKey>,
    calm: calm::Calm,
    running: operation::Running,
    orphans: orphans::Orphans,
    options: Options,
}

/// Why an Application was not patched.
#[derive(Debug, thiserror::Error)]
#[error("patching application {app}")]
struct PatchError {
    app: AppKey,
    source: driftless_kube::Error,
}

impl PatchError {
    fn is_missing(&self) -> bool {
        matches!(self.source, driftless_kube::Error::NotFound { .. })
    }
}

impl Controller {
    /// Puts a controller together; `control` is the cluster that holds the Applications.
    pub fn new(
        state: Arc<AppState>,
        control: &Arc<Cluster>,
        fence: Fence,
        metrics: Metrics,
        options: Options,
    ) -> Arc<Self> {
        Arc::new(Self {
            state,
            writer: control.writer(),
            events: EventRecorder::start(control, "argocd-application-controller"),
            fence,
            metrics,
            queue: Arc::default(),
            following: Following::default(),
            failures: Failures::default(),
            unreadable: Since::default(),
            calm: calm::Calm::default(),
            running: operation::Running::default(),
            orphans: orphans::Orphans::default(),
            options,
        })
    }

    /// Works until `stop` is cancelled; passes that run are finished.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let watches = [
            tokio::spawn(Arc::clone(&self).watch_apps(stop.clone())),
            tokio::spawn(Arc::clone(&self).watch_projects(stop.clone())),
            tokio::spawn(Arc::clone(&self).watch_refs(stop.clone())),
            tokio::spawn(Arc::clone(&self).watch_settings(stop.clone())),
            tokio::spawn(Arc::clone(&self).watch_clusters(stop.clone())),
            tokio::spawn(Arc::clone(&self).refresh_hard(stop.clone())),
            tokio::spawn(Arc::clone(&self).watch_orphans(stop.clone())),
        ];
        let controller = Arc::clone(&self);
        let queue = Arc::clone(&self.queue);
        queue
            .run(self.options.parallel, stop, move |key, reasons| {
                Arc::clone(&controller).pass(key, reasons)
            })
            .await;
        for watch in watches {
            if let Err(error) = watch.await {
                tracing::error!(%error, "A watch of the controller ended early");
            }
        }
    }

    /// Looks at every Application again, after a time in which nothing could be written: what came meanwhile was
    /// passed over.
    pub fn resume(&self) {
        self.queue_all("lease-held-again");
    }

    /// Returns how self-heal spaces its attempts, as the settings have it now.
    fn heal_backoff(&self) -> HealBackoff {
        let settings = self.state.settings.current();
        let heal = &settings.params.controller.self_heal;
        HealBackoff {
            fixed: heal.timeout,
            first: heal.backoff,
            factor: u32::try_from(heal.factor).unwrap_or(u32::MAX),
            cap: heal.cap,
        }
    }

    fn now(&self) -> Timestamp {
        self.state.clock.now()
    }

    /// Forgets an Application that is gone.
    fn forget(&self, key: &AppKey) {
        self.following.forget(key);
        self.failures.clear(key);
        self.unreadable.clear(key);
        self.calm.forget(key);
        self.running.forget(key);
        self.orphans.forget(key);
        for cluster in self.state.clusters.list() {
            if let Some(live) = cluster.live_if_started() {
                live.forget(&self.state.instance(key));
            }
        }
        self.state.forget(key);
        self.queue.forget(key);
    }

    /// Follows the refs of an Application's sources, and those of the repositories that its last render took bases of.
    fn follow(
        &self,
        app: &Application,
        target: &driftless_appstate::Target,
        rendered: &[driftless_source::Rendered],
    ) {
        let mut refs: Vec<_> = target
            .sources
            .iter()
            .filter(|source| !source.is_helm_chart())
            .filter_map(|source| {
                let target =
                    driftless_source::Target::parse(&source.target_revision, &source.tag_prefix)
                        .ok()?;
                let repository = self.state.repository(app, source).ok()?;
                (!target.is_fixed()).then_some((repository, target))
            })
            .collect();
        refs.extend(self.state.remote_refs(app, rendered));
        self.following.set(&self.state.git, &app.key(), &refs);
    }

    /// Patches an Application with what its draft changed. Returns whether the Application is as the draft says.
    async fn patch(&self, app: &Application, draft: &mut Draft) -> bool {
        let before = draft.shown();
        let Some(mut patch) = draft.take_patch(self.now()) else {
            return true;
        };
        // What people write too is patched only as we have read it: a newer wish is never overwritten.
        if patch.get("operation").is_some() || patch.get("metadata").is_some() {
            patch["metadata"]["resourceVersion"] = draft.resource_version.as_str().into();
        }
        match self.patch_app(app, &patch).await {
            Ok(version) => {
                draft.resource_version = version;
                self.tell_status(app, &before, &draft.shown());
                true
            }
            Err(error) if error.is_missing() => true,
            Err(error) => {
                let text = driftless_core::class::render_chain(&error);
                tracing::debug!(app = %app.key(), error = text, "Application not patched");
                false
            }
        }
    }

    /// Sends a merge patch for an Application; the store knows the outcome when this returns.
    async fn patch_app(
        &self,
        app: &Application,
        patch: &serde_json::Value,
    ) -> Result<String, PatchError> {
        let gvk = GroupVersionKind::from_api_version(Application::API_VERSION, Application::KIND);
        let key = ResourceKey::new(
            &gvk.group,
            &gvk.kind,
            &app.metadata.namespace,
            &app.metadata.name,
        );
        let ctx = WriteCtx::internal(self.fence.clone());
        let body = Bytes::from(patch.to_string());
        let written = self
            .writer
            .patch(
                &ctx,
                &gvk,
                &key,
                &WriteTarget::Object,
                PatchType::Merge,
                body,
            )
            .await
            .map_err(|source| PatchError {
                app: app.key(),
                source,
            })?;
        self.state.apps.absorb(&written.body);
        let stored = self.state.app(&app.key());
        Ok(stored.map_or_else(String::new, |stored| {
            stored.resource_version.as_str().to_owned()
        }))
    }
}
