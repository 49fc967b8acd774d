//! Who owns whom, who is concerned, whose body is kept.

use std::sync::Arc;

use driftless_core::ResourceKey;

use super::{Effect, MAX_DEPTH, MAX_FETCHES, Phase, State};
use crate::live::change::{Instances, Role};
use crate::live::object::{LiveObject, Uid};

impl State {
    pub(super) fn index(&mut self, object: &Arc<LiveObject>) {
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

    pub(super) fn unindex(&mut self, object: &Arc<LiveObject>) {
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
    pub(in crate::live) fn direct(&self, object: &LiveObject) -> Instances {
        let mut instances = self.wanted.get(&object.key).cloned().unwrap_or_default();
        if let Some(instance) = &object.instance
            && !instances.contains(instance)
        {
            instances.push(instance.clone());
        }
        instances
    }

    /// Returns how an object concerns apps, by itself or through its owners.
    pub(super) fn concern(&self, object: &LiveObject) -> (Role, Instances) {
        let direct = self.direct(object);
        if !direct.is_empty() {
            return (Role::Managed, direct);
        }
        let mut instances = Instances::new();
        self.visit_owners(object, 0, &mut |owner| {
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

    pub(super) fn visit_owners(
        &self,
        object: &LiveObject,
        depth: usize,
        visit: &mut dyn FnMut(&LiveObject),
    ) {
        if depth >= MAX_DEPTH {
            return;
        }
        for owner in &object.owners {
            if let Some(owner) = self.by_uid.get(&owner.uid) {
                visit(owner);
                self.visit_owners(owner, depth + 1, visit);
            }
        }
    }

    /// Says whether an object's body is kept (see the module's rule in `live`).
    pub(in crate::live) fn keeps(&self, object: &LiveObject) -> bool {
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
    pub(super) fn refresh_children(&mut self, uid: &Uid, depth: usize) {
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

    pub(super) fn drop_body(&mut self, object: &Arc<LiveObject>) {
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
    pub(super) fn ask_for_body(&mut self, key: &ResourceKey) {
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
}
