//! Which rollouts an object concerns, found without walking all rollouts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use driftless_api::ModelRollout;
use driftless_core::{GroupVersionKind, ResourceKey};
use driftless_kube::store::NsName;

/// Rollouts by the objects that concern them, and by the targets that they name.
#[derive(Default)]
pub(crate) struct Index {
    /// Rollouts that look at an object.
    concerned: BTreeMap<ResourceKey, BTreeSet<NsName>>,
    /// The objects that each rollout looks at.
    objects: HashMap<NsName, Vec<ResourceKey>>,
    /// Rollouts that name a target. The key of those with a selector has no name.
    governors: BTreeMap<ResourceKey, BTreeSet<NsName>>,
    /// What each rollout is filed under there.
    governed: HashMap<NsName, ResourceKey>,
}

impl Index {
    /// Notes which objects concern a rollout.
    pub(crate) fn relate(&mut self, id: &NsName, objects: &[(GroupVersionKind, String)]) {
        let key = |(gvk, name): &(GroupVersionKind, String)| {
            ResourceKey::new(&gvk.group, &gvk.kind, &id.namespace, name)
        };
        let new: Vec<ResourceKey> = objects.iter().map(key).collect();
        let old = self.objects.get(id).map_or(&[][..], Vec::as_slice);
        if old == new {
            return;
        }
        for key in self.objects.remove(id).unwrap_or_default() {
            take(&mut self.concerned, &key, id);
        }
        for key in &new {
            let rollouts = self.concerned.entry(key.clone()).or_default();
            rollouts.insert(id.clone());
        }
        if !new.is_empty() {
            self.objects.insert(id.clone(), new);
        }
    }

    /// Returns the rollouts that look at an object.
    pub(crate) fn concerned(&self, key: &ResourceKey) -> BTreeSet<NsName> {
        self.concerned.get(key).cloned().unwrap_or_default()
    }

    /// Notes what a rollout is for; `None` when it is gone or cannot be read.
    pub(crate) fn govern(&mut self, id: &NsName, rollout: Option<&ModelRollout>) {
        let new = rollout.and_then(|rollout| {
            let (version, kind) = rollout.spec.target_kind()?;
            let gvk = GroupVersionKind::from_api_version(version, kind);
            let name = rollout.spec.target_ref.as_ref();
            let name = name.map_or("", |target| target.name.as_str());
            Some(filed(&gvk, &id.namespace, name))
        });
        if self.governed.get(id) == new.as_ref() {
            return;
        }
        if let Some(old) = self.governed.remove(id) {
            take(&mut self.governors, &old, id);
        }
        if let Some(new) = new {
            let rollouts = self.governors.entry(new.clone()).or_default();
            rollouts.insert(id.clone());
            self.governed.insert(id.clone(), new);
        }
    }

    /// Returns the rollouts that may be for an object: by its name, or with a selector for its kind.
    pub(crate) fn governors(
        &self,
        gvk: &GroupVersionKind,
        namespace: &str,
        name: &str,
    ) -> Vec<NsName> {
        [name, ""]
            .into_iter()
            .filter_map(|name| self.governors.get(&filed(gvk, namespace, name)))
            .flatten()
            .cloned()
            .collect()
    }
}

fn filed(gvk: &GroupVersionKind, namespace: &str, name: &str) -> ResourceKey {
    ResourceKey::new(&gvk.group, &gvk.kind, namespace, name)
}

fn take(index: &mut BTreeMap<ResourceKey, BTreeSet<NsName>>, key: &ResourceKey, id: &NsName) {
    if let Some(rollouts) = index.get_mut(key) {
        rollouts.remove(id);
        if rollouts.is_empty() {
            index.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use driftless_api::read;
    use serde_json::{Value, json};

    use super::*;

    fn id(name: &str) -> NsName {
        NsName {
            namespace: "models".into(),
            name: name.into(),
        }
    }

    fn deployment() -> GroupVersionKind {
        GroupVersionKind::new("apps", "v1", "Deployment")
    }

    #[test]
    fn objects_lead_to_the_rollouts_that_look_at_them_now() {
        let mut index = Index::default();
        let of = |name: &str| (deployment(), name.to_owned());
        let seen = |index: &Index, name: &str| -> Vec<String> {
            let key = ResourceKey::new("apps", "Deployment", "models", name);
            let rollouts = index.concerned(&key).into_iter();
            rollouts.map(|id| id.name.to_string()).collect()
        };
        index.relate(&id("a"), &[of("one"), of("two")]);
        index.relate(&id("b"), &[of("two")]);
        assert_eq!(seen(&index, "one"), ["a"]);
        assert_eq!(seen(&index, "two"), ["a", "b"]);
        index.relate(&id("a"), &[of("three")]);
        assert_eq!(seen(&index, "one"), [""; 0]);
        assert_eq!(seen(&index, "two"), ["b"]);
        index.relate(&id("a"), &[]);
        index.relate(&id("b"), &[]);
        assert!(index.concerned.is_empty() && index.objects.is_empty());
    }

    #[test]
    fn a_target_leads_to_the_rollouts_that_name_it_or_select_its_kind() {
        let mut index = Index::default();
        let rollout = |spec: Value| -> ModelRollout {
            read::from_value(json!({"metadata": {"name": "r"}, "spec": spec})).unwrap()
        };
        let named = |name: &str| {
            rollout(
                json!({"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}}),
            )
        };
        let selector =
            rollout(json!({"selector": {"apiVersion": "apps/v1", "kind": "Deployment"}}));
        index.govern(&id("a"), Some(&named("one")));
        index.govern(&id("b"), Some(&named("two")));
        index.govern(&id("c"), Some(&selector));
        let found = |index: &Index, namespace: &str| -> Vec<String> {
            let found = index.governors(&deployment(), namespace, "one").into_iter();
            found.map(|id| id.name.to_string()).collect()
        };
        assert_eq!(found(&index, "models"), ["a", "c"]);
        assert_eq!(found(&index, "elsewhere"), [""; 0]);
        // It is for another target from now on, and one is gone.
        index.govern(&id("b"), Some(&named("one")));
        index.govern(&id("c"), None);
        assert_eq!(found(&index, "models"), ["a", "b"]);
        index.govern(&id("a"), None);
        index.govern(&id("b"), None);
        assert!(index.governors.is_empty() && index.governed.is_empty());
    }
}
