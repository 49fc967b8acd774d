//! What changed in a cluster, coalesced per object and delivered to any number of listeners.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use driftless_core::{GroupKind, ResourceKey};
use smallvec::SmallVec;

use super::object::Digests;
use crate::queue::{Listener, Pending};

/// Names of the apps an object concerns, as tracking instances (`app` or `<ns>_<app>`).
pub type Instances = SmallVec<[Arc<str>; 1]>;

/// How an object concerns the apps named in a change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Role {
    /// Nobody's: neither tracked, nor wanted, nor owned by such an object.
    Unmanaged,
    /// Owned, at any distance, by a tracked or wanted object.
    Child,
    /// Tracked by the app, or at a key the app wants.
    Managed,
}

/// A change of one object since the listener last asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectChange {
    /// The object.
    pub key: ResourceKey,
    /// Apps it concerns now or concerned before.
    pub instances: Instances,
    /// How it concerns them.
    pub role: Role,
    /// Digests when the listener last heard of it; `None` if it was not there.
    pub old: Option<Digests>,
    /// Digests now; `None` if it is gone.
    pub new: Option<Digests>,
}

impl ObjectChange {
    /// Says whether more than the status differs.
    pub fn content_changed(&self) -> bool {
        self.old.map(|d| d.content) != self.new.map(|d| d.content)
    }
}

/// Something changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// An object.
    Object(ObjectChange),
    /// A kind became readable, unreadable, known or unknown; with the apps that want objects of it.
    Kind {
        /// The kind.
        kind: GroupKind,
        /// Apps that want or have objects of it.
        instances: Vec<Arc<str>>,
    },
}

/// A listener's own queue. Never lags: changes of one object are merged until they are taken.
#[derive(Debug)]
pub struct Changes(pub(super) Listener<Waiting>);

impl Changes {
    /// Waits for changes and takes all of them, kinds first; `None` when the live state is gone.
    pub async fn next(&mut self) -> Option<Vec<Change>> {
        self.0.next().await
    }

    /// Takes what is pending, without waiting.
    pub fn take(&mut self) -> Option<Vec<Change>> {
        self.0.take()
    }
}

/// Changes a listener has not taken yet.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    objects: BTreeMap<ResourceKey, ObjectChange>,
    kinds: BTreeMap<GroupKind, Vec<Arc<str>>>,
}

impl Pending for Waiting {
    type Item = Change;

    fn merge(&mut self, change: &Change) {
        match change {
            Change::Kind { kind, instances } => {
                let known = self.kinds.entry(kind.clone()).or_default();
                for instance in instances {
                    if !known.contains(instance) {
                        known.push(instance.clone());
                    }
                }
            }
            Change::Object(change) => match self.objects.entry(change.key.clone()) {
                Entry::Vacant(slot) => {
                    slot.insert(change.clone());
                }
                Entry::Occupied(mut slot) => {
                    let pending = slot.get_mut();
                    pending.new = change.new;
                    pending.role = pending.role.max(change.role);
                    for instance in &change.instances {
                        if !pending.instances.contains(instance) {
                            pending.instances.push(instance.clone());
                        }
                    }
                }
            },
        }
    }

    fn into_items(self) -> Vec<Change> {
        let kinds = self
            .kinds
            .into_iter()
            .map(|(kind, instances)| Change::Kind { kind, instances });
        kinds
            .chain(self.objects.into_values().map(Change::Object))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Publisher;

    fn change(name: &str, old: Option<u64>, new: Option<u64>, app: &str) -> Change {
        let digests = |content| Digests { content, status: 0 };
        Change::Object(ObjectChange {
            key: ResourceKey::new("", "ConfigMap", "ns", name),
            instances: SmallVec::from_vec(vec![Arc::from(app)]),
            role: Role::Managed,
            old: old.map(digests),
            new: new.map(digests),
        })
    }

    #[tokio::test]
    async fn changes_of_one_object_are_merged_until_taken() {
        let publisher = Publisher::<Waiting>::default();
        let mut changes = Changes(publisher.subscribe());
        publisher.publish(&[change("a", Some(1), Some(2), "one")]);
        publisher.publish(&[
            change("a", Some(2), None, "two"),
            change("b", None, Some(1), "one"),
        ]);
        let batch = changes.next().await.unwrap();
        assert_eq!(batch.len(), 2);
        let Some(Change::Object(first)) = batch.first() else {
            panic!("an object")
        };
        assert_eq!((first.old.map(|d| d.content), first.new), (Some(1), None));
        assert_eq!(first.instances.len(), 2);
        assert!(changes.take().is_none());
        drop(publisher);
        assert!(changes.next().await.is_none());
    }
}
