//! What is in a cluster right now.
//!
//! One task per cluster owns the state and is its only writer. Each kind that can be listed and
//! watched has a reader of its own that feeds the task. Readers of the state take short locks and
//! get `Arc`s.
//!
//! Which bodies are kept (everything else is metadata):
//! - objects tracked by an app (tracking annotation or label),
//! - keys an app asked for with [`Live::want`],
//! - objects owned, at any distance, by one of those (for health and the tree), except kinds whose
//!   body tells nothing there (EndpointSlice, ControllerRevision, Lease).
//!
//! A kind is watched as metadata only until one of its objects needs a body; then its full objects
//! are watched, and the bodies of all others are dropped as they arrive.

mod change;
pub(crate) mod compact;
mod exclusion;
mod object;
mod state;
mod task;
mod tracking;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use driftless_core::{GroupKind, GroupVersionKind, ResourceKey};
use parking_lot::RwLock;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use change::{Change, Changes, Instances, ObjectChange, Role};
pub(crate) use compact::{Item, Projection};
pub use exclusion::{KindFilter, KindFilters};

pub use object::{Digests, LiveObject, Owner, ResourceVersion, Uid};
pub use tracking::{INSTALLATION_ID, Method, TRACKING_ID, Tracking, TrackingId};

use crate::cluster::Options;
use crate::discovery::Discoverer;
use crate::metrics::Metrics;
use crate::queue::Publisher;
use crate::transport::{ClusterState, Transport};

/// The answer to "is this object there?".
#[derive(Clone, Debug)]
pub enum Lookup {
    /// It is, and its body is kept.
    Found(Arc<LiveObject>),
    /// It is not, for certain.
    Missing,
    /// Not known yet: the kind is being listed, or the body is being fetched.
    NotLoaded,
    /// The cluster serves no such kind, for certain.
    UnknownKind,
    /// It cannot be known.
    Unreadable(Unreadable),
}

/// Why something cannot be known.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// In words.
    pub reason: Arc<str>,
    /// The object as it was when last seen, if it was.
    pub last: Option<Arc<LiveObject>>,
}

/// Whether the objects of a kind are known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KindState {
    /// Being listed for the first time.
    Loading,
    /// Known and watched.
    Ready,
    /// Cannot be listed or watched.
    Unreadable(Arc<str>),
    /// Not watched on purpose (built-in or configured exclusion).
    Excluded,
    /// Not served by the cluster.
    Unknown,
}

/// The objects an app tracks, with what could not be looked at.
#[derive(Clone, Debug, Default)]
pub struct Tracked {
    /// Objects, ordered by key. A body may still be on its way: [`LiveObject::has_body`].
    pub objects: Vec<Arc<LiveObject>>,
    /// Kinds that may hold more objects of the app; nothing may be called complete while there
    /// are any.
    pub unreadable: Vec<(GroupKind, Arc<str>)>,
    /// Kinds that are still being listed.
    pub loading: Vec<GroupKind>,
}

/// What an app wants to know about, beside the objects it tracks already.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Desired objects: kind at the version Git says, and key.
    pub objects: Vec<(GroupVersionKind, ResourceKey)>,
    /// Further kinds of which the app has or had objects. It waits for them to be known and hears when that
    /// changes; a kind that is neither here nor wanted nor tracked is no concern of the app.
    pub kinds: BTreeSet<GroupKind>,
}

/// The outcome of waiting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readiness {
    /// Every kind concerned is known, unknown to the cluster, or unreadable; no body is on its way.
    Settled,
    /// The cluster does not answer and never did: nothing is known.
    Unreachable,
    /// Time is over.
    TimedOut,
}

/// How much is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Size {
    /// Watched kinds.
    pub kinds: usize,
    /// Objects, with or without body.
    pub objects: usize,
    /// Objects with a body.
    pub bodies: usize,
    /// Bytes of all bodies as kept.
    pub body_bytes: usize,
}

/// What is read and watched; the same for all clusters.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LiveSettings {
    /// How apps and objects are tied together.
    pub tracking: Tracking,
    /// Field managers that `ignoreDifferences` names: their entries stay in bodies.
    pub managers: BTreeSet<String>,
    /// Kinds that are not watched.
    pub filters: KindFilters,
}

#[derive(Debug, Default)]
struct Settings {
    reading: compact::Reading,
    filters: KindFilters,
}

impl From<LiveSettings> for Settings {
    fn from(settings: LiveSettings) -> Self {
        Self {
            reading: compact::Reading {
                tracking: settings.tracking,
                managers: settings.managers,
            },
            filters: settings.filters,
        }
    }
}

/// What the live state of a cluster is made from.
pub(crate) struct Parts {
    pub(crate) transport: Transport,
    pub(crate) discoverer: Arc<Discoverer>,
    pub(crate) options: Options,
    pub(crate) metrics: Metrics,
    pub(crate) settings: LiveSettings,
    /// Namespaces to read; all where empty.
    pub(crate) namespaces: Vec<Arc<str>>,
    pub(crate) cluster_scoped: bool,
}

struct Inner {
    transport: Transport,
    discoverer: Arc<Discoverer>,
    options: Options,
    metrics: Metrics,
    namespaces: Vec<Arc<str>>,
    settings: RwLock<Arc<Settings>>,
    state: RwLock<state::State>,
    publisher: Publisher<change::Waiting>,
    /// Notified whenever something may have settled.
    progress: Notify,
    /// Notified when kinds that cannot be read are worth another attempt.
    again: Arc<Notify>,
    interner: compact::Interner,
}

/// The live state of one cluster. Cheap to clone; the last clone's end stops the watches.
#[derive(Clone)]
pub struct Live(Arc<Handle>);

struct Handle {
    inner: Arc<Inner>,
    sender: mpsc::Sender<task::Message>,
    _stop: DropGuard,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Live({}, {:?})",
            self.0.inner.transport.cluster(),
            self.size()
        )
    }
}

/// Reports that may wait for the task; readers wait when there are more.
const INBOX: usize = 64;

impl Live {
    pub(crate) fn start(parts: Parts) -> Self {
        let settings: Arc<Settings> = Arc::new(parts.settings.into());
        let rules = exclusion::Rules {
            cluster: parts.transport.cluster().clone(),
            filters: settings.filters.clone(),
        };
        let state = state::State::new(
            Arc::new(rules),
            parts.namespaces.clone(),
            parts.cluster_scoped,
        );
        let inner = Arc::new(Inner {
            transport: parts.transport,
            discoverer: parts.discoverer,
            options: parts.options,
            metrics: parts.metrics,
            namespaces: parts.namespaces,
            settings: RwLock::new(settings),
            state: RwLock::new(state),
            publisher: Publisher::default(),
            progress: Notify::new(),
            again: Arc::default(),
            interner: compact::Interner::default(),
        });
        let (sender, inbox) = mpsc::channel(INBOX);
        let stop = CancellationToken::new();
        let task = task::Task::new(inner.clone(), sender.clone(), inbox);
        tokio::spawn(task.run(stop.clone()));
        Self(Arc::new(Handle {
            inner,
            sender,
            _stop: stop.drop_guard(),
        }))
    }

    /// Says what an app wants; replaces what it wanted before. Kinds become fully watched and
    /// missing bodies are fetched in the background; wait with [`Live::settled`].
    pub fn want(&self, instance: &str, wanted: Wanted) {
        let mut state = self.0.inner.state.write();
        let changes = state.want(instance, wanted.objects, wanted.kinds);
        drop(state);
        self.after(&changes);
    }

    /// Forgets what an app wanted.
    pub fn forget(&self, instance: &str) {
        self.want(instance, Wanted::default());
    }

    /// Tries kinds that cannot be read again now, rather than when they are due: somebody may have given a right
    /// or repaired a webhook.
    pub fn retry_unreadable(&self) {
        self.0.inner.again.notify_waiters();
    }

    /// Waits until everything the app wants and tracks is known or known to be unreadable.
    pub async fn settled(&self, instance: &str, timeout: Duration) -> Readiness {
        let inner = &self.0.inner;
        let waiting = async {
            loop {
                let progress = inner.progress.notified();
                tokio::pin!(progress);
                progress.as_mut().enable();
                if inner.state.read().is_settled(instance) {
                    return Readiness::Settled;
                }
                let unreachable = matches!(
                    inner.transport.reach().state(),
                    ClusterState::Unreachable { .. }
                );
                if unreachable && *inner.discoverer.generations().borrow() == 0 {
                    return Readiness::Unreachable;
                }
                progress.await;
            }
        };
        tokio::time::timeout(timeout, waiting)
            .await
            .unwrap_or(Readiness::TimedOut)
    }

    /// Looks an object up. Call [`Live::want`] first for keys that are not tracked: an object that
    /// nobody asked for is `NotLoaded`.
    pub fn lookup(&self, key: &ResourceKey) -> Lookup {
        self.0.inner.state.read().lookup(key)
    }

    /// Looks many objects up at one point in time.
    pub fn lookup_all<'a>(&self, keys: impl IntoIterator<Item = &'a ResourceKey>) -> Vec<Lookup> {
        let state = self.0.inner.state.read();
        keys.into_iter().map(|key| state.lookup(key)).collect()
    }

    /// Returns an object whatever is kept of it.
    pub fn peek(&self, key: &ResourceKey) -> Option<Arc<LiveObject>> {
        self.0.inner.state.read().peek(key)
    }

    /// Returns the object with this id, whatever is kept of it.
    pub fn by_uid(&self, uid: &Uid) -> Option<Arc<LiveObject>> {
        self.0.inner.state.read().by_uid(uid)
    }

    /// Returns the objects an app tracks.
    pub fn tracked(&self, instance: &str) -> Tracked {
        self.0.inner.state.read().tracked(instance)
    }

    /// Returns the objects directly owned by the object with this id, ordered by key.
    pub fn children(&self, uid: &Uid) -> Vec<Arc<LiveObject>> {
        self.0.inner.state.read().children(uid)
    }

    /// Returns everything owned, at any distance, by the objects with these ids, parents first.
    pub fn descendants<'a>(
        &self,
        roots: impl IntoIterator<Item = &'a Uid>,
    ) -> Vec<Arc<LiveObject>> {
        let state = self.0.inner.state.read();
        let mut seen: HashSet<Uid> = roots.into_iter().cloned().collect();
        let mut level: BTreeSet<Uid> = seen.iter().cloned().collect();
        let mut all = Vec::new();
        while !level.is_empty() {
            let mut next = BTreeSet::new();
            for uid in &level {
                for child in state.children(uid) {
                    if seen.insert(child.uid.clone()) {
                        next.insert(child.uid.clone());
                        all.push(child);
                    }
                }
            }
            level = next;
        }
        all
    }

    /// Returns all objects in a namespace, ordered by kind and name (orphaned resources).
    pub fn in_namespace(&self, namespace: &str) -> Vec<Arc<LiveObject>> {
        self.0.inner.state.read().in_namespace(namespace)
    }

    /// Returns all objects of a kind, ordered by key (metadata at least).
    pub fn of_kind(&self, kind: &GroupKind) -> Vec<Arc<LiveObject>> {
        self.0.inner.state.read().of_kind(kind)
    }

    /// Returns whether a kind is known.
    pub fn kind(&self, kind: &GroupKind) -> KindState {
        self.0.inner.state.read().kind(kind)
    }

    /// Returns the apps that track `key` or want it.
    pub fn instances_of(&self, key: &ResourceKey) -> Instances {
        self.0.inner.state.read().instances_of(key)
    }

    /// Returns how much is kept.
    pub fn size(&self) -> Size {
        self.0.inner.state.read().size()
    }

    /// Listens to changes from now on.
    pub fn changes(&self) -> Changes {
        Changes(self.0.inner.publisher.subscribe())
    }

    /// Replaces what is read and watched; everything is listed anew if something changed.
    pub(crate) async fn configure(&self, settings: LiveSettings) {
        *self.0.inner.settings.write() = Arc::new(settings.into());
        // The task is gone only when the last handle is, which we hold.
        let _ = self.0.sender.send(task::Message::Configured).await;
    }

    /// Takes the answer to our own write.
    pub(crate) fn written(&self, item: Item) {
        let changes = self.0.inner.state.write().written(item);
        self.after(&changes);
    }

    /// Takes the answer to our own deletion: the object is gone.
    pub(crate) fn deleted(&self, key: &ResourceKey, uid: Option<&Uid>) {
        let changes = self.0.inner.state.write().deleted(key, uid);
        self.after(&changes);
    }

    /// Reads an object the way the state does.
    pub(crate) fn read(&self, json: &[u8], gvk: &GroupVersionKind) -> Option<Item> {
        self.0.inner.read(json, gvk, Projection::Full)
    }

    /// Tells listeners and wakes the task for effects. A full inbox wakes it anyway.
    fn after(&self, changes: &[Change]) {
        self.0.inner.publisher.publish(changes);
        self.0.inner.progress.notify_waiters();
        let idle = self.0.inner.state.read().effects.is_empty();
        if !idle {
            let _ = self.0.sender.try_send(task::Message::Effects);
        }
    }
}
