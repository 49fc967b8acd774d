//! One cluster's rollouts: a worker for each, woken by whatever concerns it.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use driftless_api::ModelRollout;
use driftless_api::rollout::TargetSelector;
use driftless_core::{GroupVersionKind, ResourceKey};
use driftless_kube::store::{NsName, StoreChange};
use driftless_kube::{Cluster, EventRecorder, Store, StoreScope};
use parking_lot::Mutex;
use serde::{Deserialize, Deserializer};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::Delivery;
use crate::capacity::Capacity;
use crate::index::Index;
use crate::worker::{Signal, Worker};

/// How long the first list may take before it is looked at again.
const LIST_WITHIN: Duration = Duration::from_secs(30);

/// An object of which only its changes matter.
#[derive(Deserialize, Debug)]
struct Touched {}

/// A ModelRollout as it is kept: who set which of its fields takes more room than they do.
#[derive(Clone, Debug)]
pub(crate) struct Kept(ModelRollout);

impl Deref for Kept {
    type Target = ModelRollout;

    fn deref(&self) -> &ModelRollout {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut rollout = ModelRollout::deserialize(deserializer)?;
        rollout.metadata.drop_managed_fields();
        Ok(Self(rollout))
    }
}

struct Running {
    signal: Arc<Signal>,
    stop: CancellationToken,
}

/// One cluster's rollouts.
pub(crate) struct Runner {
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) store: Store<Kept>,
    pub(crate) events: EventRecorder,
    pub(crate) capacity: Capacity,
    running: Mutex<BTreeMap<NsName, Running>>,
    index: Mutex<Index>,
    watched: Mutex<BTreeMap<GroupVersionKind, JoinHandle<()>>>,
}

pub(crate) fn kind() -> GroupVersionKind {
    GroupVersionKind::new(ModelRollout::GROUP, "v1alpha1", ModelRollout::KIND)
}

fn namespaces(delivery: &Delivery, cluster: &Cluster) -> Vec<String> {
    if !delivery.services.namespaces.is_empty() {
        return delivery.services.namespaces.clone();
    }
    let config = cluster.config();
    config
        .iter()
        .flat_map(|config| &config.namespaces)
        .map(|namespace| namespace.as_str().to_owned())
        .collect()
}

impl Runner {
    pub(crate) fn new(delivery: Arc<Delivery>, cluster: Arc<Cluster>) -> Arc<Self> {
        let scope = StoreScope {
            gvk: kind(),
            plural: ModelRollout::PLURAL,
            namespaces: namespaces(&delivery, &cluster),
            label_selector: None,
            field_selector: None,
        };
        Arc::new(Self {
            store: Store::start(&cluster, scope),
            events: EventRecorder::start(&cluster, "driftless-rollout"),
            capacity: Capacity::default(),
            running: Mutex::default(),
            index: Mutex::default(),
            watched: Mutex::default(),
            delivery,
            cluster,
        })
    }

    /// Works until `stop` is cancelled; passes that run are finished.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut changes = self.store.changes();
        // Which of two rollouts is the older one is known when all of them are.
        while !self.store.ready(LIST_WITHIN).await {
            if stop.is_cancelled() {
                return;
            }
            tracing::warn!(cluster = %self.cluster.url(), state = ?self.store.state(), "Rollouts cannot be listed");
        }
        let mut workers = tokio::task::JoinSet::new();
        let known = self.store.list();
        for stored in &known {
            // All of them before the first one begins.
            self.index.lock().govern(&stored.id, Some(&stored.object));
        }
        for stored in known {
            self.start(&stored.id, &stop, &mut workers);
        }
        for malformed in self.store.malformed() {
            self.start(&malformed.id, &stop, &mut workers);
        }
        loop {
            let changed = tokio::select! {
                changed = changes.next() => changed,
                Some(ended) = workers.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "A rollout's worker ended early");
                    }
                    continue;
                }
                () = stop.cancelled() => break,
            };
            let Some(changed) = changed else { break };
            for change in changed {
                match change {
                    StoreChange::Changed(id) => {
                        let stored = self.store.get(&id.namespace, &id.name);
                        let rollout = stored.as_ref().map(|stored| &*stored.object);
                        self.index.lock().govern(&id, rollout);
                        self.start(&id, &stop, &mut workers);
                    }
                    StoreChange::Removed(id) => self.end(&id),
                    StoreChange::State => {}
                }
            }
        }
        let tasks = std::mem::take(&mut *self.watched.lock());
        for task in tasks.into_values() {
            task.abort();
        }
        while workers.join_next().await.is_some() {}
    }

    /// Starts a rollout's worker, or tells it that something changed.
    fn start(
        self: &Arc<Self>,
        id: &NsName,
        stop: &CancellationToken,
        workers: &mut tokio::task::JoinSet<()>,
    ) {
        let mut running = self.running.lock();
        if let Some(known) = running.get(id) {
            known.signal.notify.notify_one();
            return;
        }
        let signal = Arc::<Signal>::default();
        let stop = stop.child_token();
        let worker = Worker::new(Arc::clone(self), id.clone(), Arc::clone(&signal));
        workers.spawn(worker.run(stop.clone()));
        running.insert(id.clone(), Running { signal, stop });
    }

    fn end(&self, id: &NsName) {
        if let Some(known) = self.running.lock().remove(id) {
            known.stop.cancel();
        }
        self.relate(id, &[]);
        self.index.lock().govern(id, None);
        // One that waited for it may begin.
        for (other, known) in self.running.lock().iter() {
            if other.namespace == id.namespace {
                known.signal.notify.notify_one();
            }
        }
    }

    /// Notes which objects concern a rollout.
    pub(crate) fn relate(&self, id: &NsName, objects: &[(GroupVersionKind, String)]) {
        self.index.lock().relate(id, objects);
    }

    /// Watches objects of a kind from now on, if they can be: only that they changed is kept of them.
    pub(crate) async fn watch(self: &Arc<Self>, gvk: &GroupVersionKind) {
        if self.watched.lock().contains_key(gvk) {
            return;
        }
        let Ok(resource) = self.cluster.resolve(gvk).await else {
            return;
        };
        let scope = StoreScope {
            gvk: gvk.clone(),
            // A few kinds in the life of a process.
            plural: Box::leak(resource.plural.to_string().into_boxed_str()),
            namespaces: namespaces(&self.delivery, &self.cluster),
            label_selector: None,
            field_selector: None,
        };
        let mut watched = self.watched.lock();
        if watched.contains_key(gvk) {
            return;
        }
        let store: Store<Touched> = Store::start(&self.cluster, scope);
        let runner = Arc::downgrade(self);
        let kind = gvk.clone();
        let task = tokio::spawn(async move {
            let mut changes = store.changes();
            while let Some(changed) = changes.next().await {
                let Some(runner) = runner.upgrade() else {
                    return;
                };
                for change in changed {
                    if let StoreChange::Changed(id) | StoreChange::Removed(id) = change {
                        runner.touched(&kind, &id);
                    }
                }
            }
        });
        watched.insert(gvk.clone(), task);
    }

    fn touched(&self, gvk: &GroupVersionKind, id: &NsName) {
        let key = ResourceKey::new(&gvk.group, &gvk.kind, &id.namespace, &id.name);
        let concerned = self.index.lock().concerned(&key);
        let running = self.running.lock();
        for rollout in &concerned {
            if let Some(known) = running.get(rollout) {
                known.signal.notify.notify_one();
            }
        }
    }

    /// Returns an older rollout that has the same target.
    pub(crate) fn older(
        &self,
        rollout: &ModelRollout,
        gvk: &GroupVersionKind,
        name: &str,
        labels: &BTreeMap<String, String>,
    ) -> Option<String> {
        let age = |rollout: &ModelRollout| {
            let created = rollout
                .metadata
                .creation_timestamp
                .map(driftless_api::Time::timestamp);
            (created.is_none(), created, rollout.metadata.name.clone())
        };
        let own = age(rollout);
        let namespace = &rollout.metadata.namespace;
        let governors = self.index.lock().governors(gvk, namespace, name);
        let others: Vec<_> = governors
            .iter()
            .filter(|id| *id.name != *rollout.metadata.name)
            .filter_map(|id| self.store.get(&id.namespace, &id.name))
            .collect();
        let mut older: Vec<_> = others
            .iter()
            .map(|stored| &stored.object)
            .filter(|other| age(other) < own && governs(other, gvk, name, labels))
            .collect();
        older.sort_by_key(|other| age(other));
        older.first().map(|other| other.metadata.name.clone())
    }
}

/// Says whether a rollout is for an object.
fn governs(
    rollout: &ModelRollout,
    gvk: &GroupVersionKind,
    name: &str,
    labels: &BTreeMap<String, String>,
) -> bool {
    let is_kind = rollout.spec.target_kind().is_some_and(|(version, kind)| {
        let other = GroupVersionKind::from_api_version(version, kind);
        other.group == gvk.group && other.kind == gvk.kind
    });
    let is_named = match (&rollout.spec.target_ref, &rollout.spec.selector) {
        (Some(target), _) => target.name == name,
        (None, Some(selector)) => selects(selector, labels),
        (None, None) => false,
    };
    is_kind && is_named
}

/// Says whether a selector chooses an object with such labels.
pub(crate) fn selects(selector: &TargetSelector, labels: &BTreeMap<String, String>) -> bool {
    let has = |key: &String, value: &String| labels.get(key) == Some(value);
    selector
        .match_labels
        .iter()
        .all(|(key, value)| has(key, value))
        && selector.match_expressions.iter().all(|term| {
            let value = labels.get(&term.key);
            let is_in = value.is_some_and(|value| term.values.contains(value));
            match term.operator.as_str() {
                "In" => is_in,
                "NotIn" => !is_in,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

#[cfg(test)]
mod tests {
    use driftless_api::read;
    use serde_json::json;

    use super::*;

    #[test]
    fn rollouts_govern_by_name_or_by_label() {
        let rollout = |spec| -> ModelRollout {
            read::from_value(json!({"metadata": {"name": "r"}, "spec": spec})).unwrap()
        };
        let deployment = GroupVersionKind::new("apps", "v1", "Deployment");
        let labels = BTreeMap::from([("model".to_owned(), "fraud".to_owned())]);
        let by_name = rollout(
            json!({"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"}}),
        );
        assert!(governs(&by_name, &deployment, "a", &labels));
        assert!(!governs(&by_name, &deployment, "b", &labels));
        let by_label = |terms| {
            rollout(
                json!({"selector": {"apiVersion": "apps/v1", "kind": "Deployment", "matchExpressions": terms}}),
            )
        };
        let chosen = by_label(json!([{"key": "model", "operator": "In", "values": ["fraud"]}]));
        assert!(governs(&chosen, &deployment, "b", &labels));
        let other = by_label(json!([{"key": "model", "operator": "DoesNotExist"}]));
        assert!(!governs(&other, &deployment, "b", &labels));
    }
}
