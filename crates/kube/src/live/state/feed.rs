//! What readers find, and answers to our own writes.

use std::collections::HashSet;
use std::sync::Arc;

use driftless_core::{GroupKind, ResourceKey};

use super::{Found, Kind, MAX_TOMBSTONES, Name, Phase, ReaderId, State};
use crate::live::change::{Change, Instances, ObjectChange, Role};
use crate::live::compact::Item;
use crate::live::object::{LiveObject, ResourceVersion, Uid};

impl State {
    pub(super) fn current(&mut self, id: &ReaderId) -> Option<&mut Kind> {
        self.kinds
            .get_mut(&id.kind)
            .filter(|kind| kind.epoch == id.epoch)
    }

    /// A reader begins to list.
    pub(in crate::live) fn list_began(&mut self, id: &ReaderId) {
        if let Some(kind) = self.current(id) {
            kind.listing.insert(id.namespace.clone(), HashSet::new());
        }
    }

    /// A reader's list is complete: what it did not hold is gone.
    pub(in crate::live) fn listed(&mut self, id: &ReaderId, at: &ResourceVersion) -> Vec<Change> {
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
    pub(in crate::live) fn failed(&mut self, id: &ReaderId, reason: &str) -> Vec<Change> {
        let mut changes = Vec::new();
        self.update_phase(id, Some(reason), &mut changes);
        changes
    }

    /// A reader watches again after failures.
    pub(in crate::live) fn recovered(&mut self, id: &ReaderId) -> Vec<Change> {
        let mut changes = Vec::new();
        self.update_phase(id, None, &mut changes);
        changes
    }

    pub(super) fn update_phase(
        &mut self,
        id: &ReaderId,
        failure: Option<&str>,
        changes: &mut Vec<Change>,
    ) {
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
        if same {
            return;
        }
        kind.seen |= !matches!(phase, Phase::Loading);
        kind.phase = phase;
        changes.push(self.kind_change(&id.kind));
    }

    /// Takes what a reader found.
    pub(in crate::live) fn found(&mut self, id: &ReaderId, batch: Vec<Found>) -> Vec<Change> {
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
                    // The answer to our own deletion may come later than this: it must not bring the object back.
                    self.bury(uid.clone());
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
    pub(in crate::live) fn written(&mut self, item: Item) -> Vec<Change> {
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
    pub(in crate::live) fn deleted(&mut self, key: &ResourceKey, uid: Option<&Uid>) -> Vec<Change> {
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
            let uid = object.uid.clone();
            self.bury(uid);
            self.remove(&kind, &name, &mut changes);
        }
        changes
    }

    /// Remembers that an object is gone for good: no other one ever has its uid.
    fn bury(&mut self, uid: Uid) {
        if self.tombstones.len() >= MAX_TOMBSTONES {
            self.tombstones.clear();
        }
        self.tombstones.insert(uid);
    }

    /// A body could not be fetched; it may be asked for again.
    pub(in crate::live) fn not_fetched(&mut self, keys: &[ResourceKey]) {
        for key in keys {
            if let Some(kind) = self.kinds.get_mut(&key.group_kind()) {
                kind.fetching.remove(key);
            }
        }
    }

    pub(super) fn put(&mut self, item: Item, changes: &mut Vec<Change>) {
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

    pub(super) fn remove(&mut self, kind: &GroupKind, name: &Name, changes: &mut Vec<Change>) {
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
    pub(super) fn announce(
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
}
