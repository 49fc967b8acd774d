//! Which kinds are watched, and how.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use driftless_core::GroupKind;

use super::{Effect, Exclusions, Kind, Name, Phase, State};
use crate::discovery::{Discovery, Resolved, Resource};
use crate::live::change::Change;
use crate::live::compact::Projection;

impl State {
    /// Takes a new snapshot of served kinds: starts new ones, drops those that are gone.
    pub(in crate::live) fn discovered(&mut self, discovery: &Arc<Discovery>) -> Vec<Change> {
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

    pub(super) fn add_kind(&mut self, resource: &Arc<Resource>, changes: &mut Vec<Change>) {
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
                seen: false,
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
    pub(super) fn wanted_version(&self, preferred: &Arc<Resource>) -> Arc<Resource> {
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

    pub(super) fn drop_kind(&mut self, kind: &GroupKind, changes: &mut Vec<Change>) {
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
    pub(in crate::live) fn restart(&mut self, kind: &GroupKind) {
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
    pub(in crate::live) fn restart_all(&mut self) {
        let kinds: Vec<GroupKind> = self.kinds.keys().cloned().collect();
        for kind in kinds {
            if let Some(known) = self.kinds.get_mut(&kind) {
                known.reread = true;
                known.seen = false;
            }
            self.restart(&kind);
        }
        self.looked_around = false;
    }

    /// From now on apps wait for their own kinds alone. Returns whether somebody may be waiting for others.
    pub(in crate::live) fn stop_looking_around(&mut self) -> bool {
        !std::mem::replace(&mut self.looked_around, true)
    }

    /// Says whether a kind cannot be read.
    pub(in crate::live) fn has_unreadable(&self) -> bool {
        let mut kinds = self.kinds.values();
        kinds.any(|kind| matches!(kind.phase, Phase::Unreadable(_)))
    }

    /// Replaces the exclusions: kinds now excluded are dropped, others appear at the next
    /// [`State::discovered`].
    pub(in crate::live) fn exclude(&mut self, exclusions: Arc<dyn Exclusions>) -> Vec<Change> {
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
    pub(super) fn promote(&mut self, kind: &GroupKind) {
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

    pub(super) fn kind_change(&self, kind: &GroupKind) -> Change {
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
        let concerned = self.concerns.iter().collect::<BTreeMap<_, _>>();
        instances.extend(
            concerned
                .into_iter()
                .filter(|(_, kinds)| kinds.contains(kind))
                .map(|(instance, _)| instance.clone()),
        );
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
}
