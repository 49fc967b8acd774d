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
mod object;

use std::sync::Arc;
use std::time::Duration;

use driftless_core::{GroupKind, GroupVersionKind, ResourceKey};

pub use change::{Change, Changes, Instances, ObjectChange, Role};
pub use object::{Digests, LiveObject, Owner, ResourceVersion, Uid};

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
}

/// The outcome of waiting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readiness {
    /// Every kind concerned is known, unknown to the cluster, or unreadable; no body is on its way.
    Settled,
    /// Time is over.
    TimedOut,
}

/// The live state of one cluster. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Live {
    publisher: Arc<change::Publisher>,
}

impl Live {
    pub(crate) fn start() -> Self {
        Self {
            publisher: Arc::default(),
        }
    }

    /// Says what an app wants; replaces what it wanted before. Kinds become fully watched and
    /// missing bodies are fetched in the background; wait with [`Live::settled`].
    pub fn want(&self, instance: &str, wanted: Wanted) {
        let _ = (instance, wanted);
    }

    /// Forgets what an app wanted.
    pub fn forget(&self, instance: &str) {
        let _ = instance;
    }

    /// Waits until everything the app wants and tracks is known or known to be unreadable.
    pub async fn settled(&self, instance: &str, timeout: Duration) -> Readiness {
        let _ = instance;
        tokio::time::sleep(timeout).await;
        Readiness::TimedOut
    }

    /// Looks an object up.
    pub fn lookup(&self, key: &ResourceKey) -> Lookup {
        let _ = key;
        Lookup::NotLoaded
    }

    /// Returns an object whatever is kept of it.
    pub fn peek(&self, key: &ResourceKey) -> Option<Arc<LiveObject>> {
        let _ = key;
        None
    }

    /// Returns the objects an app tracks.
    pub fn tracked(&self, instance: &str) -> Tracked {
        let _ = instance;
        Tracked::default()
    }

    /// Returns the objects directly owned by the object with this id, ordered by key.
    pub fn children(&self, uid: &Uid) -> Vec<Arc<LiveObject>> {
        let _ = uid;
        Vec::new()
    }

    /// Returns all objects in a namespace, ordered by key (orphaned resources).
    pub fn in_namespace(&self, namespace: &str) -> Vec<Arc<LiveObject>> {
        let _ = namespace;
        Vec::new()
    }

    /// Returns all objects of a kind, ordered by key (metadata at least).
    pub fn of_kind(&self, kind: &GroupKind) -> Vec<Arc<LiveObject>> {
        let _ = kind;
        Vec::new()
    }

    /// Returns whether a kind is known.
    pub fn kind(&self, kind: &GroupKind) -> KindState {
        let _ = kind;
        KindState::Loading
    }

    /// Returns the apps that track `key` or want it.
    pub fn instances_of(&self, key: &ResourceKey) -> Instances {
        let _ = key;
        Instances::default()
    }

    /// Listens to changes from now on.
    pub fn changes(&self) -> Changes {
        self.publisher.subscribe()
    }
}
