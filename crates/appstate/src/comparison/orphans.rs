//! Objects of a destination that no Application has.

use std::sync::Arc;

use driftless_api::application::{Condition, ConditionType};
use driftless_kube::live::LiveObject;

use crate::AppState;
use crate::target::Target;

impl AppState {
    /// Returns the objects of the destination namespace that belong to no Application, where the project asks for them.
    pub(crate) fn orphans(&self, target: &Target) -> Vec<Arc<LiveObject>> {
        let Some(rules) = target.rules.orphans() else {
            return Vec::new();
        };
        let namespace = target.namespace.as_str();
        if namespace.is_empty() {
            return Vec::new();
        }
        let mut found = target.cluster.live().in_namespace(namespace);
        found.retain(|object| {
            let is_ours = |instance: &Arc<str>| self.app_of_instance(instance).is_some();
            object.owners.is_empty()
                && !object.instance.as_ref().is_some_and(is_ours)
                && rules.count(&object.key)
        });
        found
    }

    /// Returns how many such objects there are; `None` where the project does not ask for them.
    pub fn orphan_count(&self, target: &Target) -> Option<usize> {
        target.rules.orphans()?;
        Some(self.orphans(target).len())
    }

    pub(super) fn orphan_warning(&self, target: &Target) -> Option<Condition> {
        let count = self.orphans(target).len();
        let warns = target.rules.orphans().is_some_and(|rules| rules.warns);
        (warns && count > 0).then(|| {
            let message = format!("Application has {count} orphaned resources");
            Condition::new(ConditionType::OrphanedResourceWarning, message)
        })
    }
}
