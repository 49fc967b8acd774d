//! What apps want to know about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use driftless_core::{GroupKind, GroupVersionKind, ResourceKey};

use super::{Effect, Phase, State};
use crate::discovery::Resolved;
use crate::live::change::Change;

impl State {
    /// Replaces what an app wants.
    pub(in crate::live) fn want(
        &mut self,
        instance: &str,
        objects: impl IntoIterator<Item = (GroupVersionKind, ResourceKey)>,
        kinds: BTreeSet<GroupKind>,
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
        if kinds.is_empty() {
            self.concerns.remove(&instance);
        } else {
            self.concerns.insert(instance.clone(), kinds);
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

    pub(super) fn want_kind(&mut self, kind: &GroupKind, changes: &mut Vec<Change>) {
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

    pub(super) fn unwant(&mut self, instance: &Arc<str>, key: &ResourceKey) {
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
    pub(in crate::live) fn is_settled(&self, instance: &str) -> bool {
        if self.discovery.is_none() {
            return false;
        }
        // An app's objects may be of any kind: after a start all kinds are looked at, as far as that is soon done.
        // Later nobody waits for kinds of which it has, had and wants no objects: one that is slow, or new, would
        // hold everybody up. Objects of such a kind that turn out to be the app's are told as changes.
        if !self.looked_around && !self.kinds.values().all(|kind| kind.seen) {
            return false;
        }
        let is_loading = |kind: &GroupKind| {
            let known = self.kinds.get(kind);
            known.is_some_and(|known| matches!(known.phase, Phase::Loading))
        };
        if self
            .concerns
            .get(instance)
            .into_iter()
            .flatten()
            .any(is_loading)
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
            self.kinds.get(&key.group_kind()).is_none_or(|kind| {
                !matches!(kind.phase, Phase::Loading) && !kind.fetching.contains(key)
            })
        })
    }
}
