//! Typed stores of the control plane's own objects: Applications, projects, ConfigMaps, Secrets.
//!
//! One malformed object never stops a watch: it is kept aside with its name and error.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use driftless_core::GroupVersionKind;
use parking_lot::RwLock;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::cluster::Cluster;
use crate::live::{ResourceVersion, Uid};
use crate::queue::{Listener, Pending, Publisher};
use crate::watch::{self, Event, Feed, Sink, Source};

/// Namespace (empty for cluster-scoped objects) and name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NsName {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
}

impl NsName {
    /// Builds a pair.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: Arc::from(namespace),
            name: Arc::from(name),
        }
    }
}

impl std::fmt::Display for NsName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// An object with its identity.
#[derive(Debug)]
pub struct Stored<T> {
    /// Namespace and name.
    pub id: NsName,
    /// Unique id.
    pub uid: Uid,
    /// Version.
    pub resource_version: ResourceVersion,
    /// The object.
    pub object: T,
}

/// An object that cannot be read as `T`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// Namespace and name.
    pub id: NsName,
    /// Unique id.
    pub uid: Uid,
    /// Version.
    pub resource_version: ResourceVersion,
    /// The field and what is wrong with it.
    pub error: String,
}

/// Whether the objects are known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StoreState {
    /// Being listed for the first time.
    Loading,
    /// Known and watched.
    Ready,
    /// Cannot be listed or watched; what was known before stays.
    Unreadable(Arc<str>),
}

/// What to store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoreScope {
    /// Kind and version.
    pub gvk: GroupVersionKind,
    /// Plural name in paths.
    pub plural: &'static str,
    /// Namespaces; all where empty (and for cluster-scoped kinds).
    pub namespaces: Vec<String>,
    /// Label selector, if not all.
    pub label_selector: Option<String>,
    /// Field selector, if not all.
    pub field_selector: Option<String>,
}

impl StoreScope {
    /// All objects of a kind in one namespace.
    pub fn namespaced(gvk: GroupVersionKind, plural: &'static str, namespace: &str) -> Self {
        Self {
            gvk,
            plural,
            namespaces: vec![namespace.to_owned()],
            label_selector: None,
            field_selector: None,
        }
    }

    fn path(&self, namespace: &str) -> String {
        crate::discovery::collection_path(&self.gvk, self.plural, namespace)
    }
}

/// A change of a store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StoreChange {
    /// Added or changed; malformed ones too.
    Changed(NsName),
    /// Gone.
    Removed(NsName),
    /// The state of the store changed.
    State,
}

/// A live, typed view of some objects. Cheap to clone; the last clone's end stops the watch.
pub struct Store<T>(Arc<Inner<T>>);

impl<T> Clone for Store<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> std::fmt::Debug for Store<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.0.shared.scope.gvk)
    }
}

struct Inner<T> {
    shared: Arc<Shared<T>>,
    _stop: DropGuard,
}

struct Shared<T> {
    scope: StoreScope,
    content: RwLock<Content<T>>,
    publisher: Publisher<Waiting>,
    progress: Notify,
}

enum Entry<T> {
    Read(Arc<Stored<T>>),
    Malformed(Malformed),
}

impl<T> Entry<T> {
    fn version(&self) -> &ResourceVersion {
        match self {
            Self::Read(stored) => &stored.resource_version,
            Self::Malformed(malformed) => &malformed.resource_version,
        }
    }

    fn id(&self) -> &NsName {
        match self {
            Self::Read(stored) => &stored.id,
            Self::Malformed(malformed) => &malformed.id,
        }
    }

    fn uid(&self) -> &Uid {
        match self {
            Self::Read(stored) => &stored.uid,
            Self::Malformed(malformed) => &malformed.uid,
        }
    }
}

struct Content<T> {
    entries: BTreeMap<NsName, Entry<T>>,
    unlisted: BTreeSet<Arc<str>>,
    failed: BTreeMap<Arc<str>, Arc<str>>,
    listing: BTreeMap<Arc<str>, HashSet<NsName>>,
}

impl<T> Content<T> {
    fn state(&self) -> StoreState {
        match self.failed.values().next() {
            Some(reason) => StoreState::Unreadable(reason.clone()),
            None if self.unlisted.is_empty() => StoreState::Ready,
            None => StoreState::Loading,
        }
    }

    /// Takes an object unless a newer version is known. Says whether it was taken.
    fn put(&mut self, entry: Entry<T>) -> bool {
        if let Some(known) = self.entries.get(entry.id())
            && known.uid() == entry.uid()
            && !entry.version().is_newer_than(known.version())
        {
            return false;
        }
        self.entries.insert(entry.id().clone(), entry);
        true
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> Store<T> {
    /// Starts to list and watch.
    pub fn start(cluster: &Cluster, scope: StoreScope) -> Self {
        let namespaces: Vec<Arc<str>> = if scope.namespaces.is_empty() {
            vec![Arc::from("")]
        } else {
            scope
                .namespaces
                .iter()
                .map(|namespace| Arc::from(namespace.as_str()))
                .collect()
        };
        let shared = Arc::new(Shared {
            scope,
            content: RwLock::new(Content {
                entries: BTreeMap::new(),
                unlisted: namespaces.iter().cloned().collect(),
                failed: BTreeMap::new(),
                listing: BTreeMap::new(),
            }),
            publisher: Publisher::default(),
            progress: Notify::new(),
        });
        let stop = CancellationToken::new();
        let lists = Arc::new(Semaphore::new(namespaces.len().clamp(1, 8)));
        for namespace in namespaces {
            let source = Source {
                transport: cluster.transport().clone(),
                path: shared.scope.path(&namespace),
                metadata_only: false,
                label_selector: shared.scope.label_selector.clone(),
                field_selector: shared.scope.field_selector.clone(),
                page: cluster.options().list_page,
                lists: lists.clone(),
                again: Arc::default(),
            };
            let sink = StoreSink {
                namespace,
                shared: shared.clone(),
            };
            let stop = stop.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = watch::run(source, sink) => {}
                }
            });
        }
        Self(Arc::new(Inner {
            shared,
            _stop: stop.drop_guard(),
        }))
    }

    /// Returns the state.
    pub fn state(&self) -> StoreState {
        self.0.shared.content.read().state()
    }

    /// Waits until the first list is complete; false when time is over.
    pub async fn ready(&self, timeout: Duration) -> bool {
        let shared = &self.0.shared;
        let waiting = async {
            loop {
                let progress = shared.progress.notified();
                tokio::pin!(progress);
                progress.as_mut().enable();
                if shared.content.read().state() == StoreState::Ready {
                    return;
                }
                progress.await;
            }
        };
        tokio::time::timeout(timeout, waiting).await.is_ok()
    }

    /// Returns one object; `None` where it is absent or malformed.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<Stored<T>>> {
        match self
            .0
            .shared
            .content
            .read()
            .entries
            .get(&NsName::new(namespace, name))?
        {
            Entry::Read(stored) => Some(stored.clone()),
            Entry::Malformed(_) => None,
        }
    }

    /// Returns all objects that can be read, ordered by namespace and name.
    pub fn list(&self) -> Vec<Arc<Stored<T>>> {
        let content = self.0.shared.content.read();
        content
            .entries
            .values()
            .filter_map(|entry| match entry {
                Entry::Read(stored) => Some(stored.clone()),
                Entry::Malformed(_) => None,
            })
            .collect()
    }

    /// Returns the objects that cannot be read, ordered by namespace and name.
    pub fn malformed(&self) -> Vec<Malformed> {
        let content = self.0.shared.content.read();
        content
            .entries
            .values()
            .filter_map(|entry| match entry {
                Entry::Read(_) => None,
                Entry::Malformed(malformed) => Some(malformed.clone()),
            })
            .collect()
    }

    /// Takes over an answer of our own write (see [`crate::write::Written`]), so that readers do
    /// not see an older object than was written.
    pub fn absorb(&self, body: &[u8]) {
        let Some(entry) = read::<T>(body, &self.0.shared.scope.gvk) else {
            return;
        };
        let id = entry.id().clone();
        let taken = self.0.shared.content.write().put(entry);
        if taken {
            self.0.shared.publisher.publish(&[StoreChange::Changed(id)]);
        }
    }

    /// Listens to changes from now on; changes of one object are merged until they are taken.
    pub fn changes(&self) -> StoreChanges {
        StoreChanges(self.0.shared.publisher.subscribe())
    }
}

/// A listener's queue.
#[derive(Debug)]
pub struct StoreChanges(Listener<Waiting>);

impl StoreChanges {
    /// Waits for changes and takes all of them; `None` when the store is gone.
    pub async fn next(&mut self) -> Option<Vec<StoreChange>> {
        self.0.next().await
    }
}

#[derive(Debug, Default)]
struct Waiting {
    state: bool,
    /// Whether it is gone.
    objects: BTreeMap<NsName, bool>,
}

impl Pending for Waiting {
    type Item = StoreChange;

    fn merge(&mut self, item: &StoreChange) {
        match item {
            StoreChange::State => self.state = true,
            StoreChange::Changed(id) => {
                self.objects.insert(id.clone(), false);
            }
            StoreChange::Removed(id) => {
                self.objects.insert(id.clone(), true);
            }
        }
    }

    fn into_items(self) -> Vec<StoreChange> {
        let objects = self.objects.into_iter().map(|(id, gone)| {
            if gone {
                StoreChange::Removed(id)
            } else {
                StoreChange::Changed(id)
            }
        });
        self.state
            .then_some(StoreChange::State)
            .into_iter()
            .chain(objects)
            .collect()
    }
}

#[derive(Deserialize)]
struct Identity {
    metadata: IdentityMetadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdentityMetadata {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    uid: String,
    #[serde(default)]
    resource_version: String,
}

/// Reads an object; one without identity is logged and left out.
fn read<T: DeserializeOwned>(json: &[u8], gvk: &GroupVersionKind) -> Option<Entry<T>> {
    let identity: Identity = match serde_json::from_slice(json) {
        Ok(identity) => identity,
        Err(error) => {
            tracing::warn!(gvk = %gvk, %error, "Object without identity");
            return None;
        }
    };
    let metadata = identity.metadata;
    let id = NsName::new(&metadata.namespace, &metadata.name);
    let uid = Uid::new(&metadata.uid);
    let resource_version = ResourceVersion::new(&metadata.resource_version);
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    Some(match serde_path_to_error::deserialize(&mut deserializer) {
        Ok(object) => Entry::Read(Arc::new(Stored {
            id,
            uid,
            resource_version,
            object,
        })),
        Err(error) => {
            let text = error.inner().to_string();
            // The position in the server's one-line JSON tells a user nothing.
            let text = text.split(" at line ").next().unwrap_or_default();
            let error = format!("{}: {text}", error.path());
            tracing::warn!(gvk = %gvk, obj = %id, error, "Malformed object");
            Entry::Malformed(Malformed {
                id,
                uid,
                resource_version,
                error,
            })
        }
    })
}

struct StoreSink<T> {
    namespace: Arc<str>,
    shared: Arc<Shared<T>>,
}

impl<T: DeserializeOwned + Send + Sync + 'static> Sink for StoreSink<T> {
    type Item = Parsed<T>;

    fn parse(&self, json: &[u8]) -> Option<Parsed<T>> {
        read(json, &self.shared.scope.gvk).map(Parsed)
    }

    fn version<'a>(&self, item: &'a Parsed<T>) -> &'a str {
        item.0.version().as_str()
    }

    async fn take(&mut self, feed: Feed<Parsed<T>>) -> bool {
        let changes = self.apply(feed);
        self.shared.publisher.publish(&changes);
        self.shared.progress.notify_waiters();
        true
    }
}

/// Hides the entry's shape from the reader.
struct Parsed<T>(Entry<T>);

impl<T> StoreSink<T> {
    fn apply(&self, feed: Feed<Parsed<T>>) -> Vec<StoreChange> {
        let mut content = self.shared.content.write();
        let before = content.state();
        let mut changes = Vec::new();
        match feed {
            Feed::ListBegan => {
                content
                    .listing
                    .insert(self.namespace.clone(), HashSet::new());
            }
            Feed::Listed(items) => {
                for Parsed(entry) in items {
                    let id = entry.id().clone();
                    if let Some(seen) = content.listing.get_mut(&self.namespace) {
                        seen.insert(id.clone());
                    }
                    if content.put(entry) {
                        changes.push(StoreChange::Changed(id));
                    }
                }
            }
            Feed::ListDone(version) => {
                let at = ResourceVersion::new(&version);
                let seen = content.listing.remove(&self.namespace).unwrap_or_default();
                let gone: Vec<NsName> = content
                    .entries
                    .iter()
                    .filter(|(id, _)| self.namespace.is_empty() || id.namespace == self.namespace)
                    .filter(|(id, entry)| {
                        !seen.contains(*id) && !entry.version().is_newer_than(&at)
                    })
                    .map(|(id, _)| id.clone())
                    .collect();
                for id in gone {
                    content.entries.remove(&id);
                    changes.push(StoreChange::Removed(id));
                }
                content.unlisted.remove(&self.namespace);
                content.failed.remove(&self.namespace);
            }
            Feed::Events(events) => {
                for event in events {
                    match event {
                        Event::Put(Parsed(entry)) => {
                            let id = entry.id().clone();
                            if content.put(entry) {
                                changes.push(StoreChange::Changed(id));
                            }
                        }
                        Event::Gone(Parsed(entry)) => {
                            let id = entry.id();
                            let same = content
                                .entries
                                .get(id)
                                .is_some_and(|known| known.uid() == entry.uid());
                            if same {
                                content.entries.remove(id);
                                changes.push(StoreChange::Removed(id.clone()));
                            }
                        }
                    }
                }
            }
            Feed::Failed(error) => {
                content
                    .failed
                    .insert(self.namespace.clone(), Arc::from(error.to_string()));
            }
            Feed::Recovered => {
                content.failed.remove(&self.namespace);
            }
        }
        if content.state() != before {
            changes.push(StoreChange::State);
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, Debug, PartialEq)]
    struct Thing {
        spec: Spec,
    }

    #[derive(Deserialize, Debug, PartialEq)]
    struct Spec {
        count: u32,
    }

    fn gvk() -> GroupVersionKind {
        GroupVersionKind::new("x", "v1", "Thing")
    }

    fn json(name: &str, version: u32, count: &str) -> Vec<u8> {
        format!(
            r#"{{"metadata":{{"name":"{name}","namespace":"ns","uid":"u-{name}","resourceVersion":"{version}"}},"spec":{{"count":{count}}}}}"#
        )
        .into_bytes()
    }

    fn entry(name: &str, version: u32, count: &str) -> Parsed<Thing> {
        Parsed(read(&json(name, version, count), &gvk()).unwrap())
    }

    fn sink() -> StoreSink<Thing> {
        StoreSink {
            namespace: Arc::from("ns"),
            shared: Arc::new(Shared {
                scope: StoreScope::namespaced(gvk(), "things", "ns"),
                content: RwLock::new(Content {
                    entries: BTreeMap::new(),
                    unlisted: BTreeSet::from([Arc::from("ns")]),
                    failed: BTreeMap::new(),
                    listing: BTreeMap::new(),
                }),
                publisher: Publisher::default(),
                progress: Notify::new(),
            }),
        }
    }

    #[test]
    fn a_malformed_object_is_named_and_the_others_stay() {
        let sink = sink();
        sink.apply(Feed::ListBegan);
        sink.apply(Feed::Listed(vec![
            entry("good", 1, "1"),
            entry("bad", 2, "\"many\""),
        ]));
        let changes = sink.apply(Feed::ListDone("3".to_owned()));
        assert_eq!(changes, [StoreChange::State]);
        let content = sink.shared.content.read();
        let Some(Entry::Malformed(bad)) = content.entries.get(&NsName::new("ns", "bad")) else {
            panic!("kept aside")
        };
        assert!(
            bad.error.starts_with("spec.count: invalid type"),
            "{}",
            bad.error
        );
        assert!(!bad.error.contains("column"), "{}", bad.error);
        assert!(matches!(
            content.entries.get(&NsName::new("ns", "good")),
            Some(Entry::Read(_))
        ));
    }

    #[test]
    fn lists_remove_what_is_gone_but_not_what_is_newer() {
        let sink = sink();
        sink.apply(Feed::Events(vec![
            Event::Put(entry("old", 1, "1")),
            Event::Put(entry("new", 9, "1")),
        ]));
        sink.apply(Feed::ListBegan);
        let changes = sink.apply(Feed::ListDone("5".to_owned()));
        assert_eq!(
            changes,
            [
                StoreChange::Removed(NsName::new("ns", "old")),
                StoreChange::State
            ]
        );
        assert_eq!(sink.shared.content.read().state(), StoreState::Ready);
    }

    #[test]
    fn older_versions_are_passed_over_and_failures_keep_objects() {
        let sink = sink();
        sink.apply(Feed::Events(vec![Event::Put(entry("a", 9, "1"))]));
        assert_eq!(
            sink.apply(Feed::Events(vec![Event::Put(entry("a", 8, "2"))])),
            []
        );
        let error = crate::error::Error::Forbidden {
            message: "no".to_owned(),
        };
        assert_eq!(sink.apply(Feed::Failed(error)), [StoreChange::State]);
        let content = sink.shared.content.read();
        assert_eq!(content.state(), StoreState::Unreadable(Arc::from("no")));
        assert_eq!(content.entries.len(), 1);
    }
}
