//! What starts a pass: changes of Applications and projects, of the cluster, of Git, of settings.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use driftless_api::Application;
use driftless_api::application::OperationPhase;
use driftless_core::{AppKey, ClusterUrl};
use driftless_engine::{health, updates};
use driftless_kube::Cluster;
use driftless_kube::live::{Change, ObjectChange, Role};
use driftless_kube::store::StoreChange;
use driftless_source::RefEvent;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::Controller;
use crate::following::RefKey;
use crate::reasons::{Level, Reasons};

/// How often a changed `timeout.hard.reconciliation` is seen.
const LOOK: Duration = Duration::from_secs(30);

impl Controller {
    /// Queues every Application: at the start, after a lost lease, when settings or clusters change.
    pub(crate) fn queue_all(&self, cause: &'static str) {
        for stored in self.state.apps.list() {
            self.queue.add(stored.object.key(), Reasons::of(cause));
        }
    }

    /// Queues Applications whose wishes changed. Changes of the status, which are mostly our own, start nothing.
    pub(crate) async fn watch_apps(self: Arc<Self>, stop: CancellationToken) {
        let mut changes = self.state.apps.changes();
        let mut seen: HashMap<AppKey, u64> = HashMap::new();
        self.queue_all("start");
        while let Some(batch) = unless(&stop, changes.next()).await.flatten() {
            for change in batch {
                match change {
                    StoreChange::Changed(id) => {
                        let Some(stored) = self.state.apps.get(&id.namespace, &id.name) else {
                            continue;
                        };
                        let key = stored.object.key();
                        let wishes = hash_wishes(&stored.object);
                        if seen.insert(key.clone(), wishes) != Some(wishes) {
                            self.queue.add(key, Reasons::of("application-changed"));
                        }
                    }
                    StoreChange::Removed(id) => {
                        let key = AppKey::new(&*id.namespace, &*id.name);
                        seen.remove(&key);
                        self.queue.add(key, Reasons::of("application-removed"));
                    }
                    StoreChange::State => {}
                }
            }
        }
    }

    /// Queues the Applications of a project that changed.
    pub(crate) async fn watch_projects(self: Arc<Self>, stop: CancellationToken) {
        let mut changes = self.state.projects.changes();
        while let Some(batch) = unless(&stop, changes.next()).await.flatten() {
            for change in batch {
                let (StoreChange::Changed(id) | StoreChange::Removed(id)) = change else {
                    continue;
                };
                let settings = self.state.settings.current();
                let globals = &settings.general.global_projects;
                if globals.iter().any(|one| *one.project_name == *id.name) {
                    self.queue_all("global-project-changed");
                    continue;
                }
                for stored in self.state.apps.list() {
                    if *stored.object.spec.project() == *id.name {
                        self.queue
                            .add(stored.object.key(), Reasons::of("project-changed"));
                    }
                }
            }
        }
    }

    /// Queues the Applications that follow a ref that moved.
    pub(crate) async fn watch_refs(self: Arc<Self>, stop: CancellationToken) {
        let mut events = self.state.git.watch();
        while let Some(event) = unless(&stop, events.recv()).await {
            let (key, cause) = match event {
                Ok(RefEvent::Moved(moved)) => {
                    (RefKey::new(moved.repository, &moved.target), "ref-moved")
                }
                Ok(RefEvent::Failed {
                    repository, target, ..
                }) => (RefKey::new(repository, &target), "ref-failed"),
                Ok(RefEvent::Recovered { repository, target }) => {
                    (RefKey::new(repository, &target), "ref-recovered")
                }
                Err(RecvError::Lagged(_)) => {
                    self.queue_all("refs-lagged");
                    continue;
                }
                Err(RecvError::Closed) => return,
            };
            self.following.set_failing(&key, cause == "ref-failed");
            for app in self.following.followers(&key) {
                self.queue.add(app, Reasons::of(cause));
            }
        }
    }

    /// Queues everything when settings change.
    pub(crate) async fn watch_settings(self: Arc<Self>, stop: CancellationToken) {
        let mut changes = self.state.settings.subscribe();
        while let Some(Ok(())) = unless(&stop, changes.changed()).await {
            self.queue_all("settings-changed");
        }
    }

    /// Queues everything for a hard refresh once per `timeout.hard.reconciliation`, each at its own moment.
    pub(crate) async fn refresh_hard(self: Arc<Self>, stop: CancellationToken) {
        let mut last = tokio::time::Instant::now();
        loop {
            let settings = self.state.settings.current();
            let interval = settings.general.timing.hard_reconciliation;
            // The setting may come, go or change while this waits.
            let look = if interval.is_zero() {
                LOOK
            } else {
                interval.min(LOOK)
            };
            if unless(&stop, tokio::time::sleep(look)).await.is_none() {
                return;
            }
            if interval.is_zero() || last.elapsed() < interval {
                continue;
            }
            last = tokio::time::Instant::now();
            let spread = (interval / 5).min(Duration::from_secs(60));
            for stored in self.state.apps.list() {
                let reasons = Reasons {
                    level: Level::Hard,
                    ..Reasons::of("hard-reconciliation")
                };
                let wait = spread.mul_f64(rand::random());
                self.queue.add_later(stored.object.key(), reasons, wait);
            }
        }
    }

    /// Listens to every cluster, those that come later included.
    pub(crate) async fn watch_clusters(self: Arc<Self>, stop: CancellationToken) {
        let mut generations = self.state.clusters.generations();
        let mut listening: HashMap<ClusterUrl, CancellationToken> = HashMap::new();
        loop {
            let clusters = self.state.clusters.list();
            listening.retain(|url, token| {
                let keep = clusters.iter().any(|cluster| cluster.url() == url);
                if !keep {
                    token.cancel();
                }
                keep
            });
            for cluster in clusters {
                listening.entry(cluster.url().clone()).or_insert_with(|| {
                    let token = stop.child_token();
                    tokio::spawn(Arc::clone(&self).watch_cluster(cluster, token.clone()));
                    token
                });
            }
            match unless(&stop, generations.changed()).await {
                Some(Ok(())) => self.queue_all("clusters-changed"),
                _ => return,
            }
        }
    }

    async fn watch_cluster(
        self: Arc<Self>,
        cluster: Arc<driftless_kube::Cluster>,
        stop: CancellationToken,
    ) {
        let mut changes = cluster.live().changes();
        let mut states = cluster.states();
        loop {
            tokio::select! {
                batch = changes.next() => match batch {
                    Some(batch) => self.queue_changes(&cluster, &batch),
                    None => return,
                },
                changed = states.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.queue_cluster(cluster.url());
                }
                () = stop.cancelled() => return,
            }
        }
    }

    fn queue_changes(&self, cluster: &Cluster, batch: &[Change]) {
        for change in batch {
            if let Change::Object(object) = change
                && object.role == Role::Managed
            {
                self.metrics.talkers.heard(&object.key);
                if self.is_irrelevant(cluster, object) {
                    continue;
                }
            }
            let (instances, cause): (&[Arc<str>], _) = match change {
                Change::Object(object) if object.role == Role::Unmanaged => continue,
                // What controllers made of an object concerns the tree, which is built when somebody looks.
                Change::Object(object) if object.role == Role::Child => continue,
                Change::Object(object) => (&object.instances, "object-changed"),
                Change::Kind { instances, .. } => (instances, "kind-changed"),
            };
            for instance in instances {
                if let Some(key) = self.state.app_of_instance(instance) {
                    self.queue_paced(key, cause);
                }
            }
        }
    }

    /// Queues an application because of its objects. One whose objects change all the time waits, unless something
    /// works on it.
    pub(crate) fn queue_paced(&self, key: AppKey, cause: &'static str) {
        let busy = self.state.app(&key).is_some_and(|stored| {
            let app = &stored.object;
            let works = app
                .operation_state()
                .is_some_and(|state| !state.phase.is_completed());
            works || app.operation.is_some() || app.metadata.is_deleting()
        });
        let wait = if busy {
            None
        } else {
            self.calm.wait(&key, tokio::time::Instant::now())
        };
        match wait {
            None => self.queue.add(key, Reasons::of(cause)),
            Some(wait) => self.queue.add_later(key, Reasons::of(cause), wait),
        }
    }

    /// Says whether an update changed nothing but what the settings call irrelevant (`ignoreResourceUpdates`).
    fn is_irrelevant(&self, cluster: &Cluster, change: &ObjectChange) -> bool {
        let config = self.state.config();
        if config.update_rules.is_empty() || change.old.is_none() || change.new.is_none() {
            return false;
        }
        let live = cluster.live();
        let Some(object) = live.peek(&change.key).and_then(|live| live.parse()) else {
            return false;
        };
        let health = health::assess(&object, &*config);
        updates::relevant(&object, health.as_ref(), &config.update_rules)
            .is_some_and(|hash| self.calm.is_same(cluster.url(), &change.key, hash))
    }

    fn queue_cluster(&self, url: &ClusterUrl) {
        for stored in self.state.apps.list() {
            let cluster = self.state.destination_cluster(&stored.object);
            if cluster.is_ok_and(|cluster| cluster.url() == url) {
                self.queue
                    .add(stored.object.key(), Reasons::of("cluster-changed"));
            }
        }
    }
}

/// Waits for something unless told to stop.
pub(crate) async fn unless<T>(
    stop: &CancellationToken,
    wait: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        outcome = wait => Some(outcome),
        () = stop.cancelled() => None,
    }
}

/// Hashes what people and programs write: spec, operation, metadata, and a request to terminate.
fn hash_wishes(app: &Application) -> u64 {
    let mut hash = DefaultHasher::new();
    let text = |value: serde_json::Result<String>| value.unwrap_or_default();
    text(serde_json::to_string(&app.spec)).hash(&mut hash);
    text(serde_json::to_string(&app.operation)).hash(&mut hash);
    app.metadata.uid.hash(&mut hash);
    app.metadata.annotations.hash(&mut hash);
    app.metadata.finalizers.hash(&mut hash);
    app.metadata.is_deleting().hash(&mut hash);
    let terminating = app
        .operation_state()
        .is_some_and(|state| state.phase == OperationPhase::Terminating);
    terminating.hash(&mut hash);
    hash.finish()
}
