//! The task that owns a cluster's live state: runs readers, feeds the state, tells listeners.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use driftless_core::{GroupKind, GroupVersionKind, ResourceKey};
use futures::StreamExt as _;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::change::Change;
use super::compact::{self, Item, Projection};
use super::object::{Body, ResourceVersion};
use super::state::{Effect, Found, ReaderId};
use super::{Inner, exclusion};
use crate::discovery::Resource;
use crate::error::Error;
use crate::metrics::{ClusterLabels, EventLabels};
use crate::transport::{Call, ClusterState, Lane};
use crate::watch::{self, Event, Feed, Sink, Source};

/// What reaches the task.
pub(super) enum Message {
    /// From a reader.
    Feed(ReaderId, Feed<Item>),
    /// Somebody changed the state and left effects.
    Effects,
    /// Bodies that were asked for, those that were read, and keys that could not be.
    Fetched(Vec<ResourceKey>, Vec<Item>, Vec<ResourceKey>),
    /// Filters or tracking changed.
    Configured,
}

/// Discovery follows changes of CRDs and APIServices after these pauses: the API server needs a
/// moment to serve a new kind, and objects often change several times in a row.
const REDISCOVER_AFTER: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(500),
    Duration::from_secs(3),
];
/// Without any such change discovery is read this often.
const REDISCOVER_EVERY: Duration = Duration::from_mins(10);
/// For so long after a start everybody waits for all kinds.
const LOOK_AROUND: Duration = Duration::from_secs(10);
/// After a change of somebody's rights, kinds that cannot be read are tried again: the API server takes a moment to
/// notice.
const RETRY_AFTER: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(3)];
const FETCHES_AT_ONCE: usize = 8;
/// Waits between attempts to read bodies; after the last one the kind is listed anew.
const FETCH_AGAIN_AFTER: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];
const METRICS_EVERY: Duration = Duration::from_secs(30);

pub(super) struct Task {
    inner: Arc<Inner>,
    sender: mpsc::Sender<Message>,
    inbox: mpsc::Receiver<Message>,
    readers: BTreeMap<GroupKind, (u64, DropGuard)>,
    lists: Arc<Semaphore>,
    rediscover_at: Vec<tokio::time::Instant>,
    retry_at: Vec<tokio::time::Instant>,
    has_discovered: bool,
    /// When looking around ends; `None` before the first discovery and after the end.
    around_until: Option<tokio::time::Instant>,
}

impl Task {
    pub(super) fn new(
        inner: Arc<Inner>,
        sender: mpsc::Sender<Message>,
        inbox: mpsc::Receiver<Message>,
    ) -> Self {
        Self {
            lists: Arc::new(Semaphore::new(inner.options.list_concurrency.max(1))),
            inner,
            sender,
            inbox,
            readers: BTreeMap::new(),
            rediscover_at: Vec::new(),
            retry_at: Vec::new(),
            has_discovered: false,
            around_until: None,
        }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut generations = self.inner.discoverer.generations();
        let mut states = self.inner.transport.reach().states();
        if *generations.borrow_and_update() > 0 {
            self.discovered();
        }
        self.rediscover();
        let mut measure = tokio::time::interval(METRICS_EVERY);
        measure.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let next_discovery = self.rediscover_at.first().copied();
            let next_retry = self.retry_at.first().copied();
            tokio::select! {
                () = stop.cancelled() => return,
                message = self.inbox.recv() => match message {
                    Some(message) => self.handle(message),
                    None => return,
                },
                changed = generations.changed() => if changed.is_ok() { self.discovered() },
                changed = states.changed() => if changed.is_ok() {
                    let ready = *states.borrow_and_update() == ClusterState::Ready;
                    self.reachable(ready);
                },
                () = until(next_discovery) => {
                    self.rediscover_at.remove(0);
                    self.ask_discovery();
                }
                () = until(next_retry) => {
                    self.retry_at.remove(0);
                    self.inner.again.notify_waiters();
                }
                () = until(self.around_until) => self.looked_around(),
                _ = measure.tick() => self.measure(),
            }
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Feed(id, feed) => self.feed(&id, feed),
            Message::Effects => {}
            Message::Fetched(asked, items, left) => {
                let mut changes = Vec::new();
                let mut state = self.inner.state.write();
                state.not_fetched(&asked);
                for item in items {
                    changes.extend(state.written(item));
                }
                if let Some(key) = left.first() {
                    tracing::debug!(obj = %key, objects = left.len(), "Bodies cannot be fetched");
                    state.restart(&key.group_kind());
                }
                drop(state);
                self.tell(&changes);
            }
            Message::Configured => self.configured(),
        }
        self.run_effects();
    }

    fn feed(&mut self, id: &ReaderId, feed: Feed<Item>) {
        if let Feed::Events(events) = &feed {
            let labels = EventLabels {
                server: self.inner.transport.cluster().to_string(),
                group: id.kind.group.to_string(),
                kind: id.kind.kind.to_string(),
            };
            self.inner
                .metrics
                .cluster_events
                .get_or_create(&labels)
                .inc_by(events.len() as u64);
            if is_definition(&id.kind) {
                self.inner.discoverer.definition_changed();
                self.rediscover();
            }
            if &*id.kind.group == "rbac.authorization.k8s.io" {
                self.retry_soon();
            }
        }
        let mut state = self.inner.state.write();
        let changes = match feed {
            Feed::ListBegan => {
                state.list_began(id);
                Vec::new()
            }
            Feed::Listed(items) => {
                let found = items
                    .into_iter()
                    .map(|item| Found::Put(Box::new(item)))
                    .collect();
                state.found(id, found)
            }
            Feed::ListDone(version) => state.listed(id, &ResourceVersion::new(&version)),
            Feed::Events(events) => {
                let found = events
                    .into_iter()
                    .map(|event| match event {
                        Event::Put(item) => Found::Put(Box::new(item)),
                        Event::Gone(item) => Found::Gone {
                            namespace: item.object.key.namespace,
                            name: item.object.key.name,
                            uid: item.object.uid,
                        },
                    })
                    .collect();
                state.found(id, found)
            }
            Feed::Failed(error) => state.failed(id, &error.to_string()),
            Feed::Recovered => state.recovered(id),
        };
        drop(state);
        self.tell(&changes);
    }

    fn tell(&self, changes: &[Change]) {
        self.inner.publisher.publish(changes);
        self.inner.progress.notify_waiters();
    }

    fn discovered(&mut self) {
        let discovery = self.inner.discoverer.snapshot();
        let changes = self.inner.state.write().discovered(&discovery);
        if !std::mem::replace(&mut self.has_discovered, true) {
            self.look_around();
        }
        self.tell(&changes);
        self.run_effects();
    }

    fn look_around(&mut self) {
        self.around_until = Some(tokio::time::Instant::now() + LOOK_AROUND);
    }

    /// The time to look at all kinds is over.
    fn looked_around(&mut self) {
        self.around_until = None;
        if self.inner.state.write().stop_looking_around() {
            self.inner.progress.notify_waiters();
        }
    }

    /// Somebody's rights changed, maybe ours.
    fn retry_soon(&mut self) {
        if self.inner.state.read().has_unreadable() {
            let now = tokio::time::Instant::now();
            self.retry_at = RETRY_AFTER.iter().map(|after| now + *after).collect();
        }
    }

    /// The cluster came back, or went: a new version of it may serve other kinds.
    fn reachable(&mut self, ready: bool) {
        if ready {
            self.rediscover();
        }
        self.inner.progress.notify_waiters();
    }

    fn configured(&mut self) {
        let rules = exclusion::Rules {
            cluster: self.inner.transport.cluster().clone(),
            filters: self.inner.settings.read().filters.clone(),
        };
        let mut state = self.inner.state.write();
        let mut changes = state.exclude(Arc::new(rules));
        state.restart_all();
        changes.extend(state.discovered(&self.inner.discoverer.snapshot()));
        drop(state);
        self.look_around();
        self.tell(&changes);
    }

    fn run_effects(&mut self) {
        let effects = std::mem::take(&mut self.inner.state.write().effects);
        for effect in effects {
            match effect {
                Effect::Watch {
                    resource,
                    projection,
                    epoch,
                } => self.start_readers(&resource, projection, epoch),
                Effect::Unwatch(kind) => {
                    self.readers.remove(&kind);
                }
                Effect::Fetch { resource, keys } => self.fetch(resource, keys),
                Effect::Rediscover => self.rediscover(),
            }
        }
    }

    fn start_readers(&mut self, resource: &Arc<Resource>, projection: Projection, epoch: u64) {
        let kind = resource.gvk.group_kind();
        if self
            .readers
            .get(&kind)
            .is_some_and(|(running, _)| *running > epoch)
        {
            return;
        }
        let stop = CancellationToken::new();
        let everywhere = [Arc::from("")];
        let namespaces = match (resource.namespaced, self.inner.namespaces.as_slice()) {
            (true, namespaces @ [_, ..]) => namespaces,
            _ => &everywhere,
        };
        for namespace in namespaces {
            let source = Source {
                transport: self.inner.transport.clone(),
                path: resource.collection_path(namespace),
                metadata_only: projection == Projection::Metadata
                    && !exclusion::is_watched_whole(&kind),
                label_selector: None,
                field_selector: None,
                page: self.inner.options.list_page,
                lists: self.lists.clone(),
                again: self.inner.again.clone(),
            };
            let sink = KindSink {
                id: ReaderId {
                    kind: kind.clone(),
                    namespace: namespace.clone(),
                    epoch,
                },
                gvk: resource.gvk.clone(),
                projection,
                inner: self.inner.clone(),
                sender: self.sender.clone(),
            };
            let stop = stop.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = watch::run(source, sink) => {}
                }
            });
        }
        // The old guard, if any, is dropped and ends its readers.
        self.readers.insert(kind, (epoch, stop.drop_guard()));
    }

    fn fetch(&self, resource: Arc<Resource>, keys: Vec<ResourceKey>) {
        let inner = self.inner.clone();
        let sender = self.sender.clone();
        tokio::spawn(async move {
            let mut items = Vec::new();
            let mut left = keys.clone();
            for wait in FETCH_AGAIN_AFTER {
                left = fetch_all(&inner, &resource, left, &mut items).await;
                if left.is_empty() {
                    break;
                }
                tokio::time::sleep(wait).await;
            }
            // The task is gone: so is the need for bodies.
            let _ = sender.send(Message::Fetched(keys, items, left)).await;
        });
    }

    fn rediscover(&mut self) {
        let now = tokio::time::Instant::now();
        self.rediscover_at = REDISCOVER_AFTER.iter().map(|after| now + *after).collect();
        let jitter = rand::random_range(0.8..1.2);
        self.rediscover_at
            .push(now + REDISCOVER_EVERY.mul_f64(jitter));
    }

    fn ask_discovery(&mut self) {
        if self.rediscover_at.is_empty() {
            let jitter = rand::random_range(0.8..1.2);
            self.rediscover_at
                .push(tokio::time::Instant::now() + REDISCOVER_EVERY.mul_f64(jitter));
        }
        let discoverer = self.inner.discoverer.clone();
        tokio::spawn(async move {
            if let Err(error) = discoverer.refresh().await {
                tracing::debug!(%error, "Kinds of the cluster cannot be read");
            }
        });
    }

    fn measure(&self) {
        let size = self.inner.state.read().size();
        let labels = ClusterLabels {
            server: self.inner.transport.cluster().to_string(),
        };
        let metrics = &self.inner.metrics;
        metrics
            .api_resources
            .get_or_create(&labels)
            .set(size.kinds as i64);
        metrics
            .objects
            .get_or_create(&labels)
            .set(size.objects as i64);
        let ready = self.inner.transport.reach().state() == ClusterState::Ready;
        metrics
            .connected
            .get_or_create(&labels)
            .set(i64::from(ready));
    }
}

async fn until(time: Option<tokio::time::Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Kinds whose objects define kinds.
fn is_definition(kind: &GroupKind) -> bool {
    matches!(
        (&*kind.group, &*kind.kind),
        ("apiextensions.k8s.io", "CustomResourceDefinition")
            | ("apiregistration.k8s.io", "APIService")
    )
}

/// Reads objects; returns those that must be asked for again.
async fn fetch_all(
    inner: &Arc<Inner>,
    resource: &Arc<Resource>,
    keys: Vec<ResourceKey>,
    items: &mut Vec<Item>,
) -> Vec<ResourceKey> {
    let fetches: Vec<_> = keys
        .into_iter()
        .map(|key| fetch_one(inner.clone(), resource.clone(), key))
        .collect();
    let mut again = Vec::new();
    let mut stream = futures::stream::iter(fetches).buffer_unordered(FETCHES_AT_ONCE);
    while let Some(result) = stream.next().await {
        match result {
            Ok(item) => items.extend(item),
            Err(key) => again.push(key),
        }
    }
    again
}

async fn fetch_one(
    inner: Arc<Inner>,
    resource: Arc<Resource>,
    key: ResourceKey,
) -> Result<Option<Item>, ResourceKey> {
    let Ok(path) = resource.object_path(&key.namespace, &key.name) else {
        return Ok(None);
    };
    match inner.transport.fetch(Lane::Write, &Call::get(path)).await {
        Ok((_, body)) => Ok(inner
            .read(&body, &resource.gvk, Projection::Full)
            .map(Item::compressed)),
        // The watch will say so.
        Err(Error::NotFound { .. } | Error::NamespaceMissing { .. }) => Ok(None),
        Err(error) => {
            tracing::debug!(obj = %key, %error, "Body cannot be fetched");
            Err(key)
        }
    }
}

/// Reads a kind's objects for the task.
struct KindSink {
    id: ReaderId,
    gvk: GroupVersionKind,
    projection: Projection,
    inner: Arc<Inner>,
    sender: mpsc::Sender<Message>,
}

impl Sink for KindSink {
    type Item = Item;

    fn parse(&self, json: &[u8]) -> Option<Item> {
        self.inner.read(json, &self.gvk, self.projection)
    }

    fn version<'a>(&self, item: &'a Item) -> &'a str {
        item.object.resource_version.as_str()
    }

    async fn take(&mut self, mut feed: Feed<Item>) -> bool {
        self.inner.lighten(&mut feed);
        self.sender
            .send(Message::Feed(self.id.clone(), feed))
            .await
            .is_ok()
    }
}

impl Inner {
    /// Reads one object; one that cannot be read is logged and left out, the others count.
    pub(super) fn read(
        &self,
        json: &[u8],
        gvk: &GroupVersionKind,
        projection: Projection,
    ) -> Option<Item> {
        let settings = self.settings.read().clone();
        match compact::read(json, gvk, projection, &settings.reading, &self.interner) {
            Ok(item) => Some(item),
            Err(error) => {
                tracing::warn!(gvk = %gvk, error, "Object cannot be read");
                None
            }
        }
    }

    /// Drops bodies nobody will keep and compresses the others, outside the task. Objects with
    /// owners stay whole: an owner may be in the same batch.
    fn lighten(&self, feed: &mut Feed<Item>) {
        let items: Vec<&mut Item> = match feed {
            Feed::Listed(items) => items.iter_mut().collect(),
            Feed::Events(events) => events
                .iter_mut()
                .map(|event| match event {
                    Event::Put(item) | Event::Gone(item) => item,
                })
                .collect(),
            _ => return,
        };
        let state = self.state.read();
        let mut kept = Vec::new();
        for item in items {
            if item.object.owners.is_empty() && !state.keeps(&item.object) {
                item.body = None;
            } else {
                kept.push(item);
            }
        }
        drop(state);
        for item in kept {
            item.body = item.body.take().map(Body::compressed);
        }
    }
}
