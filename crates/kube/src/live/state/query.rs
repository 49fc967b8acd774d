//! Answers for readers of the state.

use std::sync::Arc;

use driftless_core::{GroupKind, ResourceKey};

use super::{Name, Phase, State};
use crate::discovery::Resolved;
use crate::live::change::Instances;
use crate::live::object::{LiveObject, Uid};
use crate::live::{KindState, Lookup, Tracked, Unreadable};

impl State {
    pub(super) fn object(&self, key: &ResourceKey) -> Option<&Arc<LiveObject>> {
        // The map is keyed by shared strings; the key's own serve as well.
        let name = (key.namespace.clone(), key.name.clone());
        self.kinds.get(&key.group_kind())?.objects.get(&name)
    }

    pub(in crate::live) fn peek(&self, key: &ResourceKey) -> Option<Arc<LiveObject>> {
        self.object(key).cloned()
    }

    pub(in crate::live) fn by_uid(&self, uid: &Uid) -> Option<Arc<LiveObject>> {
        self.by_uid.get(uid).cloned()
    }

    pub(in crate::live) fn lookup(&self, key: &ResourceKey) -> Lookup {
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

    pub(in crate::live) fn kind(&self, kind: &GroupKind) -> KindState {
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

    pub(in crate::live) fn tracked(&self, instance: &str) -> Tracked {
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
                    tracked.unreadable.push((kind.clone(), reason.clone()));
                }
                Phase::Ready => {}
            }
        }
        tracked
    }

    pub(in crate::live) fn children(&self, uid: &Uid) -> Vec<Arc<LiveObject>> {
        self.children
            .get(uid)
            .into_iter()
            .flatten()
            .filter_map(|key| self.object(key).cloned())
            .collect()
    }

    pub(in crate::live) fn in_namespace(&self, namespace: &str) -> Vec<Arc<LiveObject>> {
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

    pub(in crate::live) fn of_kind(&self, kind: &GroupKind) -> Vec<Arc<LiveObject>> {
        self.kinds
            .get(kind)
            .map(|known| known.objects.values().cloned().collect())
            .unwrap_or_default()
    }

    pub(in crate::live) fn instances_of(&self, key: &ResourceKey) -> Instances {
        match self.object(key) {
            Some(object) => self.direct(object),
            None => self.wanted.get(key).cloned().unwrap_or_default(),
        }
    }

    /// Returns numbers for metrics and for the memory test.
    pub(in crate::live) fn size(&self) -> crate::live::Size {
        let mut size = crate::live::Size::default();
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
