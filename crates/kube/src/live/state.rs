//! The state itself: objects by kind and the indexes over them. Pure: no network, no tasks.
//!
//! Each method that changes the state returns what to tell listeners and leaves in
//! [`State::effects`] what the cluster's task must do (start a reader, fetch a body).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use driftless_core::{GroupKind, GroupVersionKind, ResourceKey};

use super::change::{Change, Instances, ObjectChange, Role};
use super::compact::{Item, Projection};
use super::object::{LiveObject, ResourceVersion, Uid};
use super::{KindState, Lookup, Tracked, Unreadable};
use crate::discovery::{Discovery, Resolved, Resource};

/// Owner chains are followed this far; cycles end here too.
const MAX_DEPTH: usize = 16;
/// More bodies of one kind than this are not fetched one by one: the kind is listed again.
const MAX_FETCHES: usize = 64;
/// More than this were not confirmed by watch events because lists came in between.
const MAX_TOMBSTONES: usize = 10_000;

/// Names a reader: a kind in a namespace (empty = all), in the kind's n-th watch.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct ReaderId {
    pub(super) kind: GroupKind,
    pub(super) namespace: Arc<str>,
    pub(super) epoch: u64,
}

/// Something the cluster's task must do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Effect {
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
pub(super) enum Found {
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
    /// Namespaces whose first list of this epoch is not complete.
    unlisted: BTreeSet<Arc<str>>,
    failed: BTreeMap<Arc<str>, Arc<str>>,
    /// Names seen by lists under way, per namespace.
    listing: BTreeMap<Arc<str>, HashSet<Name>>,
    objects: BTreeMap<Name, Arc<LiveObject>>,
    fetching: BTreeSet<ResourceKey>,
}

/// Which kinds are not watched.
pub(super) trait Exclusions: Send + Sync {
    /// Never watched, whoever asks.
    fn is_forbidden(&self, kind: &GroupKind) -> bool;
    /// Not watched unless an app wants objects of it.
    fn is_skipped(&self, kind: &GroupKind) -> bool;
    /// Bodies are never kept for trees.
    fn is_bodiless(&self, kind: &GroupKind) -> bool;
}

pub(super) struct State {
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
    /// Deleted by ourselves; late watch events about them are ignored.
    tombstones: HashSet<Uid>,
    pub(super) effects: Vec<Effect>,
}

impl State {
    pub(super) fn new(
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
            tombstones: HashSet::new(),
            effects: Vec::new(),
        }
    }

    // ---- kinds -------------------------------------------------------------------------------

    /// Takes a new snapshot of served kinds: starts new ones, drops those that are gone.
    pub(super) fn discovered(&mut self, discovery: &Arc<Discovery>) -> Vec<Change> {
        let mut changes = Vec::new();
        self.discovery = Some(discovery.clone());
        let known: Vec<GroupKind> = self.kinds.keys().cloned().collect();
        for kind in known {
            match discovery.preferred(&kind) {
                Resolved::Unreadable(_) => {}
                Resolved::Unknown => self.drop_kind(&kind, &mut changes),
                Resolved::Known(preferred) => {
                    let served = self.kinds.get(&kind).is_some_and(|known| {
                        matches!(discovery.resolve(&known.resource.gvk), Resolved::Known(_))
                    });
                    if !served {
                        self.drop_kind(&kind, &mut changes);
                        self.add_kind(&preferred, &mut changes);
                    }
                }
            }
        }
        let served: Vec<Arc<Resource>> = discovery.kinds().cloned().collect();
        for resource in served {
            let kind = resource.gvk.group_kind();
            let skipped =
                self.exclusions.is_skipped(&kind) && !self.wanted_kinds.contains_key(&kind);
            if !self.kinds.contains_key(&kind) && !skipped {
                self.add_kind(&resource, &mut changes);
            }
        }
        changes
    }

    fn add_kind(&mut self, resource: &Arc<Resource>, changes: &mut Vec<Change>) {
        let kind = resource.gvk.group_kind();
        let watchable = resource.can("list") && resource.can("watch");
        let in_scope = resource.namespaced || self.cluster_scoped;
        if !watchable || !in_scope || self.exclusions.is_forbidden(&kind) {
            return;
        }
        let resource = self.wanted_version(resource);
        let full = self.wanted_kinds.contains_key(&kind);
        self.kinds.insert(
            kind.clone(),
            Kind {
                resource,
                full,
                reread: false,
                epoch: 0,
                phase: Phase::Loading,
                unlisted: BTreeSet::new(),
                failed: BTreeMap::new(),
                listing: BTreeMap::new(),
                objects: BTreeMap::new(),
                fetching: BTreeSet::new(),
            },
        );
        self.restart(&kind);
        changes.push(self.kind_change(&kind));
    }

    /// Picks the version apps ask for, where there is just one; the preferred one otherwise.
    fn wanted_version(&self, preferred: &Arc<Resource>) -> Arc<Resource> {
        let kind = preferred.gvk.group_kind();
        if !self.wanted_kinds.contains_key(&kind) {
            return preferred.clone();
        }
        let versions: BTreeSet<&Arc<str>> = self
            .wants
            .values()
            .flatten()
            .map(|(_, gvk)| gvk)
            .filter(|gvk| gvk.group == kind.group && gvk.kind == kind.kind)
            .map(|gvk| &gvk.version)
            .collect();
        let (Some(version), Some(discovery), 1) =
            (versions.first(), &self.discovery, versions.len())
        else {
            return preferred.clone();
        };
        discovery
            .versions(&kind)
            .iter()
            .find(|resource| resource.gvk.version == **version && resource.can("watch"))
            .unwrap_or(preferred)
            .clone()
    }

    fn drop_kind(&mut self, kind: &GroupKind, changes: &mut Vec<Change>) {
        let Some(known) = self.kinds.get(kind) else {
            return;
        };
        let names: Vec<Name> = known.objects.keys().cloned().collect();
        for name in names {
            self.remove(kind, &name, changes);
        }
        changes.push(self.kind_change(kind));
        self.kinds.remove(kind);
        self.effects.push(Effect::Unwatch(kind.clone()));
    }

    /// Lists and watches a kind anew. Objects stay until the list is complete.
    fn restart(&mut self, kind: &GroupKind) {
        let epoch = self.next_epoch;
        let namespaces = self.namespaces.clone();
        let Some(known) = self.kinds.get_mut(kind) else {
            return;
        };
        self.next_epoch += 1;
        known.epoch = epoch;
        known.phase = Phase::Loading;
        known.failed.clear();
        known.listing.clear();
        known.fetching.clear();
        known.unlisted = if known.resource.namespaced && !namespaces.is_empty() {
            namespaces.into_iter().collect()
        } else {
            BTreeSet::from([Arc::from("")])
        };
        self.effects.push(Effect::Watch {
            resource: known.resource.clone(),
            projection: if known.full {
                Projection::Full
            } else {
                Projection::Metadata
            },
            epoch,
        });
    }

    /// Lists and watches every kind anew, because what is read from objects changed.
    pub(super) fn restart_all(&mut self) {
        let kinds: Vec<GroupKind> = self.kinds.keys().cloned().collect();
        for kind in kinds {
            if let Some(known) = self.kinds.get_mut(&kind) {
                known.reread = true;
            }
            self.restart(&kind);
        }
    }

    /// Replaces the exclusions: kinds now excluded are dropped, others appear at the next
    /// [`State::discovered`].
    pub(super) fn exclude(&mut self, exclusions: Arc<dyn Exclusions>) -> Vec<Change> {
        let mut changes = Vec::new();
        self.exclusions = exclusions;
        let kinds: Vec<GroupKind> = self.kinds.keys().cloned().collect();
        for kind in kinds {
            let skipped =
                self.exclusions.is_skipped(&kind) && !self.wanted_kinds.contains_key(&kind);
            if skipped || self.exclusions.is_forbidden(&kind) {
                self.drop_kind(&kind, &mut changes);
            }
        }
        changes
    }

    /// Makes sure full objects of a kind are watched.
    fn promote(&mut self, kind: &GroupKind) {
        let Some(preferred) = self
            .kinds
            .get(kind)
            .filter(|known| !known.full)
            .map(|k| k.resource.clone())
        else {
            return;
        };
        let resource = self.wanted_version(&preferred);
        if let Some(known) = self.kinds.get_mut(kind) {
            known.full = true;
            known.resource = resource;
        }
        self.restart(kind);
    }

    fn kind_change(&self, kind: &GroupKind) -> Change {
        let mut instances: BTreeSet<Arc<str>> = BTreeSet::new();
        if self.wanted_kinds.contains_key(kind) {
            for (instance, keys) in self.wants.iter().collect::<BTreeMap<_, _>>() {
                if keys
                    .keys()
                    .any(|key| key.group == kind.group && key.kind == kind.kind)
                {
                    instances.insert(instance.clone());
                }
            }
        }
        if let Some(known) = self.kinds.get(kind) {
            instances.extend(
                known
                    .objects
                    .values()
                    .filter_map(|object| object.instance.clone()),
            );
        }
        Change::Kind {
            kind: kind.clone(),
            instances: instances.into_iter().collect(),
        }
    }

    // ---- what readers find -------------------------------------------------------------------

    fn current(&mut self, id: &ReaderId) -> Option<&mut Kind> {
        self.kinds
            .get_mut(&id.kind)
            .filter(|kind| kind.epoch == id.epoch)
    }

    /// A reader begins to list.
    pub(super) fn list_began(&mut self, id: &ReaderId) {
        if let Some(kind) = self.current(id) {
            kind.listing.insert(id.namespace.clone(), HashSet::new());
        }
    }

    /// A reader's list is complete: what it did not hold is gone.
    pub(super) fn listed(&mut self, id: &ReaderId, at: &ResourceVersion) -> Vec<Change> {
        let mut changes = Vec::new();
        let Some(kind) = self.current(id) else {
            return changes;
        };
        let seen = kind.listing.remove(&id.namespace).unwrap_or_default();
        let gone: Vec<Name> = kind
            .objects
            .iter()
            .filter(|(name, _)| id.namespace.is_empty() || name.0 == id.namespace)
            // What we wrote while the list was under way is newer than the list.
            .filter(|(name, object)| {
                !seen.contains(*name) && !object.resource_version.is_newer_than(at)
            })
            .map(|(name, _)| name.clone())
            .collect();
        kind.unlisted.remove(&id.namespace);
        kind.reread &= !kind.unlisted.is_empty();
        for name in gone {
            self.remove(&id.kind, &name, &mut changes);
        }
        self.update_phase(id, None, &mut changes);
        changes
    }

    /// A reader cannot list or watch.
    pub(super) fn failed(&mut self, id: &ReaderId, reason: &str) -> Vec<Change> {
        let mut changes = Vec::new();
        self.update_phase(id, Some(reason), &mut changes);
        changes
    }

    /// A reader watches again after failures.
    pub(super) fn recovered(&mut self, id: &ReaderId) -> Vec<Change> {
        let mut changes = Vec::new();
        self.update_phase(id, None, &mut changes);
        changes
    }

    fn update_phase(&mut self, id: &ReaderId, failure: Option<&str>, changes: &mut Vec<Change>) {
        let Some(kind) = self.current(id) else {
            return;
        };
        match failure {
            Some(reason) => kind.failed.insert(id.namespace.clone(), Arc::from(reason)),
            None => kind.failed.remove(&id.namespace),
        };
        let phase = match kind.failed.values().next() {
            Some(reason) => Phase::Unreadable(reason.clone()),
            None if kind.unlisted.is_empty() => Phase::Ready,
            None => Phase::Loading,
        };
        let same = match (&kind.phase, &phase) {
            (Phase::Loading, Phase::Loading) | (Phase::Ready, Phase::Ready) => true,
            (Phase::Unreadable(old), Phase::Unreadable(new)) => old == new,
            _ => false,
        };
        if !same {
            kind.phase = phase;
            changes.push(self.kind_change(&id.kind));
        }
    }

    /// Takes what a reader found.
    pub(super) fn found(&mut self, id: &ReaderId, batch: Vec<Found>) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.current(id).is_none() {
            return changes;
        }
        for found in batch {
            match found {
                Found::Put(item) => {
                    if let Some(seen) = self
                        .current(id)
                        .and_then(|kind| kind.listing.get_mut(&id.namespace))
                    {
                        let key = &item.object.key;
                        seen.insert((key.namespace.clone(), key.name.clone()));
                    }
                    self.put(*item, &mut changes);
                }
                Found::Gone {
                    namespace,
                    name,
                    uid,
                } => {
                    self.tombstones.remove(&uid);
                    let name = (namespace, name);
                    let same = self
                        .kinds
                        .get(&id.kind)
                        .and_then(|kind| kind.objects.get(&name))
                        .is_some_and(|object| object.uid == uid);
                    if same {
                        self.remove(&id.kind, &name, &mut changes);
                    }
                }
            }
        }
        changes
    }

    /// Takes the answer to our own write, or a body that was fetched.
    pub(super) fn written(&mut self, item: Item) -> Vec<Change> {
        let mut changes = Vec::new();
        let kind = item.object.key.group_kind();
        if let Some(known) = self.kinds.get_mut(&kind) {
            known.fetching.remove(&item.object.key);
            // Another version than the one that is watched would make bodies flap.
            if known.resource.gvk.version == item.object.version {
                self.put(item, &mut changes);
            }
        }
        changes
    }

    /// Takes the answer to our own deletion: the object is gone.
    pub(super) fn deleted(&mut self, key: &ResourceKey, uid: Option<&Uid>) -> Vec<Change> {
        let mut changes = Vec::new();
        let kind = key.group_kind();
        let name = (key.namespace.clone(), key.name.clone());
        let Some(object) = self
            .kinds
            .get(&kind)
            .and_then(|known| known.objects.get(&name))
        else {
            return changes;
        };
        if uid.is_none_or(|uid| *uid == object.uid) {
            if self.tombstones.len() >= MAX_TOMBSTONES {
                self.tombstones.clear();
            }
            self.tombstones.insert(object.uid.clone());
            self.remove(&kind, &name, &mut changes);
        }
        changes
    }

    /// A body could not be fetched; it may be asked for again.
    pub(super) fn not_fetched(&mut self, keys: &[ResourceKey]) {
        for key in keys {
            if let Some(kind) = self.kinds.get_mut(&key.group_kind()) {
                kind.fetching.remove(key);
            }
        }
    }

    fn put(&mut self, item: Item, changes: &mut Vec<Change>) {
        let Item { mut object, body } = item;
        if self.tombstones.contains(&object.uid) {
            return;
        }
        let kind_name = object.key.group_kind();
        let name = (object.key.namespace.clone(), object.key.name.clone());
        let Some(kind) = self.kinds.get(&kind_name) else {
            return;
        };
        let old = kind.objects.get(&name).cloned();
        if let Some(old) = &old {
            let gains_body = body.is_some() && (kind.reread || !old.has_body());
            let newer = object.resource_version.is_newer_than(&old.resource_version);
            let same = object.resource_version == old.resource_version;
            if old.uid == object.uid
                && !newer
                && !(same && (gains_body || old.instance != object.instance))
            {
                return;
            }
            object.key = old.key.clone();
        }
        let keep = self.keeps(&object);
        object.body = body.filter(|_| keep);
        let object = Arc::new(object);
        let recreated = old.as_ref().is_some_and(|old| old.uid != object.uid);
        let before = old.as_ref().map(|old| self.concern(old));
        if let Some(old) = &old {
            self.unindex(old);
        }
        self.index(&object);
        if let Some(kind) = self.kinds.get_mut(&kind_name) {
            kind.fetching.remove(&object.key);
            kind.objects.insert(name, object.clone());
        }
        if keep && object.body.is_none() {
            self.ask_for_body(&object.key);
        }
        let moved = old.as_ref().is_none_or(|old| {
            recreated || old.instance != object.instance || old.owners != object.owners
        });
        if moved {
            self.refresh_children(&object.uid, 0);
        }
        self.announce(old.as_ref(), before, Some(&object), changes);
    }

    fn remove(&mut self, kind: &GroupKind, name: &Name, changes: &mut Vec<Change>) {
        let Some(old) = self
            .kinds
            .get_mut(kind)
            .and_then(|kind| kind.objects.remove(name))
        else {
            return;
        };
        let before = self.concern(&old);
        self.unindex(&old);
        self.announce(Some(&old), Some(before), None, changes);
    }

    /// Tells listeners, unless nobody is concerned or nothing they can see changed.
    fn announce(
        &self,
        old: Option<&Arc<LiveObject>>,
        before: Option<(Role, Instances)>,
        new: Option<&Arc<LiveObject>>,
        changes: &mut Vec<Change>,
    ) {
        let Some(key) = new.or(old).map(|object| object.key.clone()) else {
            return;
        };
        let (mut role, mut instances) = new.map_or((Role::Unmanaged, Instances::new()), |object| {
            self.concern(object)
        });
        if let Some((before, concerned)) = before {
            role = role.max(before);
            for instance in concerned {
                if !instances.contains(&instance) {
                    instances.push(instance);
                }
            }
        }
        if role == Role::Unmanaged {
            return;
        }
        if let (Some(old), Some(new)) = (old, new) {
            // Without a body the digest of one side covers metadata only: compare like with like.
            let same = old.digests == new.digests
                && old.uid == new.uid
                && old.instance == new.instance
                && old.has_body() == new.has_body();
            if same {
                return;
            }
        }
        changes.push(Change::Object(ObjectChange {
            key,
            instances,
            role,
            old: old.map(|object| object.digests),
            new: new.map(|object| object.digests),
        }));
    }

    // ---- indexes -----------------------------------------------------------------------------

    fn index(&mut self, object: &Arc<LiveObject>) {
        self.by_uid.insert(object.uid.clone(), object.clone());
        for owner in &object.owners {
            self.children
                .entry(owner.uid.clone())
                .or_default()
                .insert(object.key.clone());
        }
        if let Some(instance) = &object.instance {
            self.by_instance
                .entry(instance.clone())
                .or_default()
                .insert(object.key.clone());
        }
    }

    fn unindex(&mut self, object: &Arc<LiveObject>) {
        self.by_uid.remove(&object.uid);
        for owner in &object.owners {
            if let Some(children) = self.children.get_mut(&owner.uid) {
                children.remove(&object.key);
                if children.is_empty() {
                    self.children.remove(&owner.uid);
                }
            }
        }
        if let Some(instance) = &object.instance
            && let Some(keys) = self.by_instance.get_mut(instance)
        {
            keys.remove(&object.key);
            if keys.is_empty() {
                self.by_instance.remove(instance);
            }
        }
    }

    /// Returns the apps an object concerns by itself.
    pub(super) fn direct(&self, object: &LiveObject) -> Instances {
        let mut instances = self.wanted.get(&object.key).cloned().unwrap_or_default();
        if let Some(instance) = &object.instance
            && !instances.contains(instance)
        {
            instances.push(instance.clone());
        }
        instances
    }

    /// Returns how an object concerns apps, by itself or through its owners.
    fn concern(&self, object: &LiveObject) -> (Role, Instances) {
        let direct = self.direct(object);
        if !direct.is_empty() {
            return (Role::Managed, direct);
        }
        let mut instances = Instances::new();
        self.from_owners(object, 0, &mut |owner| {
            for instance in self.direct(owner) {
                if !instances.contains(&instance) {
                    instances.push(instance);
                }
            }
        });
        if instances.is_empty() {
            (Role::Unmanaged, instances)
        } else {
            (Role::Child, instances)
        }
    }

    fn from_owners(&self, object: &LiveObject, depth: usize, visit: &mut dyn FnMut(&LiveObject)) {
        if depth >= MAX_DEPTH {
            return;
        }
        for owner in &object.owners {
            if let Some(owner) = self.by_uid.get(&owner.uid) {
                visit(owner);
                self.from_owners(owner, depth + 1, visit);
            }
        }
    }

    /// Says whether an object's body is kept (see the module's rule in `live`).
    pub(super) fn keeps(&self, object: &LiveObject) -> bool {
        if object.instance.is_some() || self.wanted.contains_key(&object.key) {
            return true;
        }
        if object.owners.is_empty() || self.exclusions.is_bodiless(&object.key.group_kind()) {
            return false;
        }
        self.concern(object).0 != Role::Unmanaged
    }

    /// After an object appeared or became somebody's: its descendants may need bodies now, or not
    /// any more.
    fn refresh_children(&mut self, uid: &Uid, depth: usize) {
        if depth >= MAX_DEPTH {
            return;
        }
        let keys: Vec<ResourceKey> = self
            .children
            .get(uid)
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        for key in keys {
            let name = (key.namespace.clone(), key.name.clone());
            let object = self
                .kinds
                .get(&key.group_kind())
                .and_then(|k| k.objects.get(&name))
                .cloned();
            let Some(object) = object else {
                continue;
            };
            match (self.keeps(&object), object.has_body()) {
                (true, false) => self.ask_for_body(&key),
                (false, true) => self.drop_body(&object),
                _ => {}
            }
            self.refresh_children(&object.uid, depth + 1);
        }
    }

    fn drop_body(&mut self, object: &Arc<LiveObject>) {
        let mut bare = (**object).clone();
        bare.body = None;
        let bare = Arc::new(bare);
        self.by_uid.insert(bare.uid.clone(), bare.clone());
        if let Some(kind) = self.kinds.get_mut(&bare.key.group_kind()) {
            kind.objects
                .insert((bare.key.namespace.clone(), bare.key.name.clone()), bare);
        }
    }

    /// An existing object's body is missing: watch the kind in full, or read the object.
    fn ask_for_body(&mut self, key: &ResourceKey) {
        let group_kind = key.group_kind();
        let Some(kind) = self.kinds.get_mut(&group_kind) else {
            return;
        };
        if !kind.full {
            self.promote(&group_kind);
            return;
        }
        if matches!(kind.phase, Phase::Loading) || !kind.fetching.insert(key.clone()) {
            return;
        }
        if kind.fetching.len() > MAX_FETCHES {
            self.restart(&group_kind);
            return;
        }
        let resource = kind.resource.clone();
        if let Some(Effect::Fetch {
            resource: same,
            keys,
        }) = self.effects.last_mut()
            && *same == resource
        {
            keys.push(key.clone());
            return;
        }
        self.effects.push(Effect::Fetch {
            resource,
            keys: vec![key.clone()],
        });
    }

    // ---- what apps want ----------------------------------------------------------------------

    /// Replaces what an app wants.
    pub(super) fn want(
        &mut self,
        instance: &str,
        objects: impl IntoIterator<Item = (GroupVersionKind, ResourceKey)>,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        let wanted: BTreeMap<ResourceKey, GroupVersionKind> =
            objects.into_iter().map(|(gvk, key)| (key, gvk)).collect();
        let old = self.wants.remove(instance).unwrap_or_default();
        let instance: Arc<str> = self
            .by_instance
            .get_key_value(instance)
            .map_or_else(|| Arc::from(instance), |(known, _)| known.clone());
        for key in old.keys().filter(|key| !wanted.contains_key(*key)) {
            self.unwant(&instance, key);
        }
        let added: Vec<ResourceKey> = wanted
            .keys()
            .filter(|key| !old.contains_key(*key))
            .cloned()
            .collect();
        if !wanted.is_empty() {
            self.wants.insert(instance.clone(), wanted);
        }
        for key in &added {
            self.wanted
                .entry(key.clone())
                .or_default()
                .push(instance.clone());
            *self.wanted_kinds.entry(key.group_kind()).or_default() += 1;
        }
        let kinds: BTreeSet<GroupKind> = added.iter().map(ResourceKey::group_kind).collect();
        for kind in kinds {
            self.want_kind(&kind, &mut changes);
        }
        for key in &added {
            let name = (key.namespace.clone(), key.name.clone());
            let object = self
                .kinds
                .get(&key.group_kind())
                .and_then(|kind| kind.objects.get(&name))
                .cloned();
            if let Some(object) = object {
                if !object.has_body() {
                    self.ask_for_body(key);
                }
                self.refresh_children(&object.uid, 0);
            }
        }
        changes
    }

    fn want_kind(&mut self, kind: &GroupKind, changes: &mut Vec<Change>) {
        if self.kinds.contains_key(kind) {
            self.promote(kind);
            return;
        }
        match self
            .discovery
            .as_ref()
            .map(|discovery| discovery.preferred(kind))
        {
            Some(Resolved::Known(resource)) => self.add_kind(&resource, changes),
            Some(_) => self.effects.push(Effect::Rediscover),
            None => {}
        }
    }

    fn unwant(&mut self, instance: &Arc<str>, key: &ResourceKey) {
        if let Some(instances) = self.wanted.get_mut(key) {
            instances.retain(|known| known != instance);
            if instances.is_empty() {
                self.wanted.remove(key);
            }
        }
        let kind = key.group_kind();
        if let Some(count) = self.wanted_kinds.get_mut(&kind) {
            *count -= 1;
            if *count == 0 {
                self.wanted_kinds.remove(&kind);
            }
        }
        let name = (key.namespace.clone(), key.name.clone());
        let object = self
            .kinds
            .get(&kind)
            .and_then(|known| known.objects.get(&name))
            .cloned();
        if let Some(object) = object
            && object.has_body()
            && !self.keeps(&object)
        {
            self.drop_body(&object);
            self.refresh_children(&object.uid, 0);
        }
    }

    /// Says whether all that an app wants and tracks is known, unknown to the cluster or unreadable.
    pub(super) fn is_settled(&self, instance: &str) -> bool {
        if self.discovery.is_none() {
            return false;
        }
        // An app's objects may be of any kind, so all kinds must have been looked at.
        if self
            .kinds
            .values()
            .any(|kind| matches!(kind.phase, Phase::Loading))
        {
            return false;
        }
        let tracked = self.by_instance.get(instance).into_iter().flatten();
        let wanted = self
            .wants
            .get(instance)
            .into_iter()
            .flat_map(BTreeMap::keys);
        tracked.chain(wanted).all(|key| {
            self.kinds
                .get(&key.group_kind())
                .is_none_or(|kind| !kind.fetching.contains(key))
        })
    }

    // ---- reading -----------------------------------------------------------------------------

    fn object(&self, key: &ResourceKey) -> Option<&Arc<LiveObject>> {
        // The map is keyed by shared strings; the key's own serve as well.
        let name = (key.namespace.clone(), key.name.clone());
        self.kinds.get(&key.group_kind())?.objects.get(&name)
    }

    pub(super) fn peek(&self, key: &ResourceKey) -> Option<Arc<LiveObject>> {
        self.object(key).cloned()
    }

    pub(super) fn by_uid(&self, uid: &Uid) -> Option<Arc<LiveObject>> {
        self.by_uid.get(uid).cloned()
    }

    pub(super) fn lookup(&self, key: &ResourceKey) -> Lookup {
        let group_kind = key.group_kind();
        let unreadable = |reason: &str| {
            Lookup::Unreadable(Unreadable {
                reason: Arc::from(reason),
                last: self.peek(key),
            })
        };
        let Some(kind) = self.kinds.get(&group_kind) else {
            return match self.kind(&group_kind) {
                KindState::Unknown => Lookup::UnknownKind,
                KindState::Unreadable(reason) => unreadable(&reason),
                KindState::Excluded => unreadable("the kind is excluded from watching"),
                KindState::Loading | KindState::Ready => Lookup::NotLoaded,
            };
        };
        let out_of_scope = kind.resource.namespaced
            && !self.namespaces.is_empty()
            && !self.namespaces.contains(&key.namespace);
        if out_of_scope {
            return unreadable("the namespace is not among those managed on this cluster");
        }
        match (&kind.phase, self.object(key)) {
            (Phase::Unreadable(reason), _) => unreadable(reason),
            (_, Some(object)) if object.has_body() => Lookup::Found(object.clone()),
            (_, Some(_)) | (Phase::Loading, None) => Lookup::NotLoaded,
            (Phase::Ready, None) => Lookup::Missing,
        }
    }

    pub(super) fn kind(&self, kind: &GroupKind) -> KindState {
        if let Some(known) = self.kinds.get(kind) {
            return match &known.phase {
                Phase::Loading => KindState::Loading,
                Phase::Ready => KindState::Ready,
                Phase::Unreadable(reason) => KindState::Unreadable(reason.clone()),
            };
        }
        let Some(discovery) = &self.discovery else {
            return KindState::Loading;
        };
        match discovery.preferred(kind) {
            Resolved::Unknown => KindState::Unknown,
            Resolved::Unreadable(reason) => KindState::Unreadable(reason),
            Resolved::Known(resource) if !resource.can("list") || !resource.can("watch") => {
                KindState::Unreadable(Arc::from("the kind cannot be listed and watched"))
            }
            Resolved::Known(resource) if !resource.namespaced && !self.cluster_scoped => {
                KindState::Unreadable(Arc::from(
                    "cluster-scoped objects are not managed on this cluster",
                ))
            }
            Resolved::Known(_) => KindState::Excluded,
        }
    }

    pub(super) fn tracked(&self, instance: &str) -> Tracked {
        let mut tracked = Tracked::default();
        for key in self.by_instance.get(instance).into_iter().flatten() {
            if let Some(object) = self.object(key) {
                tracked.objects.push(object.clone());
            }
        }
        if self.discovery.is_none() {
            tracked.loading.push(GroupKind::new("", ""));
        }
        for (kind, known) in &self.kinds {
            match &known.phase {
                Phase::Loading => tracked.loading.push(kind.clone()),
                Phase::Unreadable(reason) => {
                    tracked.unreadable.push((kind.clone(), reason.clone()))
                }
                Phase::Ready => {}
            }
        }
        tracked
    }

    pub(super) fn children(&self, uid: &Uid) -> Vec<Arc<LiveObject>> {
        self.children
            .get(uid)
            .into_iter()
            .flatten()
            .filter_map(|key| self.object(key).cloned())
            .collect()
    }

    pub(super) fn in_namespace(&self, namespace: &str) -> Vec<Arc<LiveObject>> {
        let from: Name = (Arc::from(namespace), Arc::from(""));
        self.kinds
            .values()
            .flat_map(|kind| {
                kind.objects
                    .range(from.clone()..)
                    .take_while(|(name, _)| &*name.0 == namespace)
            })
            .map(|(_, object)| object.clone())
            .collect()
    }

    pub(super) fn of_kind(&self, kind: &GroupKind) -> Vec<Arc<LiveObject>> {
        self.kinds
            .get(kind)
            .map(|known| known.objects.values().cloned().collect())
            .unwrap_or_default()
    }

    pub(super) fn instances_of(&self, key: &ResourceKey) -> Instances {
        match self.object(key) {
            Some(object) => self.direct(object),
            None => self.wanted.get(key).cloned().unwrap_or_default(),
        }
    }

    /// Returns numbers for metrics and for the memory test.
    pub(super) fn size(&self) -> super::Size {
        let mut size = super::Size::default();
        for kind in self.kinds.values() {
            size.kinds += 1;
            size.objects += kind.objects.len();
            for object in kind.objects.values() {
                if let Some(body) = &object.body {
                    size.bodies += 1;
                    size.body_bytes += body.size();
                }
            }
        }
        size
    }
}
