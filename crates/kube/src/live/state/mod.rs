//! The state itself: objects by kind and the indexes over them. Pure: no network, no tasks.
//!
//! Each method that changes the state returns what to tell listeners and leaves in
//! [`State::effects`] what the cluster's task must do (start a reader, fetch a body).

mod feed;
mod index;
mod kind;
mod query;
#[cfg(test)]
mod tests;
mod want;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use driftless_core::{GroupKind, GroupVersionKind, ResourceKey};

use crate::discovery::{Discovery, Resource};
use crate::live::change::Instances;
use crate::live::compact::{Item, Projection};
use crate::live::object::{LiveObject, Uid};

/// Owner chains are followed this far; cycles end here too.
const MAX_DEPTH: usize = 16;
/// More bodies of one kind than this are not fetched one by one: the kind is listed again.
const MAX_FETCHES: usize = 64;
/// More than this were not confirmed by watch events because lists came in between.
const MAX_TOMBSTONES: usize = 10_000;

/// Names a reader: a kind in a namespace (empty = all), in the kind's n-th watch.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(in crate::live) struct ReaderId {
    pub(in crate::live) kind: GroupKind,
    pub(in crate::live) namespace: Arc<str>,
    pub(in crate::live) epoch: u64,
}

/// Something the cluster's task must do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::live) enum Effect {
    /// Start the readers of a kind, ending those of earlier epochs.
    Watch {
        resource: Arc<Resource>,
        projection: Projection,
        epoch: u64,
    },
    /// End the readers of a kind.
    Unwatch(GroupKind),
    /// Read these objects' bodies.
    Fetch {
        resource: Arc<Resource>,
        keys: Vec<ResourceKey>,
    },
    /// A kind is wanted that discovery does not know.
    Rediscover,
}

/// What a reader found.
#[derive(Debug)]
pub(in crate::live) enum Found {
    Put(Box<Item>),
    Gone {
        namespace: Arc<str>,
        name: Arc<str>,
        uid: Uid,
    },
}

#[derive(Debug)]
enum Phase {
    Loading,
    Ready,
    Unreadable(Arc<str>),
}

type Name = (Arc<str>, Arc<str>);

#[derive(Debug)]
struct Kind {
    resource: Arc<Resource>,
    full: bool,
    /// What is read from objects changed: equal versions are taken again.
    reread: bool,
    epoch: u64,
    phase: Phase,
    /// Whether its objects were looked at since the last start, with whatever outcome.
    seen: bool,
    /// Namespaces whose first list of this epoch is not complete.
    unlisted: BTreeSet<Arc<str>>,
    failed: BTreeMap<Arc<str>, Arc<str>>,
    /// Names seen by lists under way, per namespace.
    listing: BTreeMap<Arc<str>, HashSet<Name>>,
    objects: BTreeMap<Name, Arc<LiveObject>>,
    fetching: BTreeSet<ResourceKey>,
}

/// Which kinds are not watched.
pub(in crate::live) trait Exclusions: Send + Sync {
    /// Never watched, whoever asks.
    fn is_forbidden(&self, kind: &GroupKind) -> bool;
    /// Not watched unless an app wants objects of it.
    fn is_skipped(&self, kind: &GroupKind) -> bool;
    /// Bodies are never kept for trees.
    fn is_bodiless(&self, kind: &GroupKind) -> bool;
}

pub(in crate::live) struct State {
    exclusions: Arc<dyn Exclusions>,
    /// Namespaces to read; all where empty.
    namespaces: Vec<Arc<str>>,
    cluster_scoped: bool,
    discovery: Option<Arc<Discovery>>,
    kinds: BTreeMap<GroupKind, Kind>,
    next_epoch: u64,
    by_uid: HashMap<Uid, Arc<LiveObject>>,
    children: HashMap<Uid, BTreeSet<ResourceKey>>,
    by_instance: HashMap<Arc<str>, BTreeSet<ResourceKey>>,
    wants: HashMap<Arc<str>, BTreeMap<ResourceKey, GroupVersionKind>>,
    wanted: HashMap<ResourceKey, Instances>,
    wanted_kinds: HashMap<GroupKind, usize>,
    /// Kinds of which an app has or had objects, beside those it wants.
    concerns: HashMap<Arc<str>, BTreeSet<GroupKind>>,
    /// Whether nobody waits any more for kinds that are no concern of theirs.
    looked_around: bool,
    /// Deleted by ourselves; late watch events about them are ignored.
    tombstones: HashSet<Uid>,
    pub(in crate::live) effects: Vec<Effect>,
}

impl State {
    pub(in crate::live) fn new(
        exclusions: Arc<dyn Exclusions>,
        namespaces: Vec<Arc<str>>,
        cluster_scoped: bool,
    ) -> Self {
        Self {
            exclusions,
            cluster_scoped: cluster_scoped || namespaces.is_empty(),
            namespaces,
            discovery: None,
            kinds: BTreeMap::new(),
            next_epoch: 1,
            by_uid: HashMap::new(),
            children: HashMap::new(),
            by_instance: HashMap::new(),
            wants: HashMap::new(),
            wanted: HashMap::new(),
            wanted_kinds: HashMap::new(),
            concerns: HashMap::new(),
            looked_around: false,
            tombstones: HashSet::new(),
            effects: Vec::new(),
        }
    }
}
