//! Which updates of a live object matter (`ignoreResourceUpdates`).

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use driftless_manifest::Object;

use crate::diff::IgnoreRule;
use crate::health::Health;

/// Hashes the part of a live object whose change matters, and its health: an update that leaves the hash as it was needs
/// no look at the application. `None` when no rule speaks of the object.
pub fn relevant(live: &Object, health: Option<&Health>, rules: &[IgnoreRule]) -> Option<u64> {
    let mut rules = rules.iter().filter(|rule| rule.matches(live)).peekable();
    rules.peek()?;
    let mut value = live.to_value();
    for rule in rules {
        rule.remove(&mut value, live);
    }
    if let Some(metadata) = value
        .get_mut("metadata")
        .and_then(serde_json::Value::as_object_mut)
    {
        for field in ["resourceVersion", "generation", "managedFields"] {
            metadata.remove(field);
        }
    }
    let mut hash = DefaultHasher::new();
    value.to_string().hash(&mut hash);
    let health = health.map(|health| (health.status.as_str(), &health.message));
    health.hash(&mut hash);
    Some(hash.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Status;
    use serde_json::json;

    fn deployment(replicas: u32, ready: u32, leader: &str) -> Object {
        Object::from_value(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "resourceVersion": leader, "annotations": {"leader": leader}},
            "spec": {"replicas": replicas}, "status": {"readyReplicas": ready},
        }))
        .unwrap()
    }

    #[test]
    fn only_what_is_not_ignored_counts() {
        let rule = IgnoreRule::new("apps", "Deployment", "", "").unwrap();
        let rules = [rule
            .with_pointer("/status")
            .unwrap()
            .with_pointer("/metadata/annotations/leader")
            .unwrap()];
        let hash = |object: &Object| relevant(object, None, &rules).unwrap();
        let before = hash(&deployment(2, 1, "a"));
        assert_eq!(before, hash(&deployment(2, 2, "b")));
        assert_ne!(before, hash(&deployment(3, 1, "a")));
    }

    #[test]
    fn a_change_of_health_always_counts() {
        let rules = [IgnoreRule::new("*", "*", "", "").unwrap()];
        let health = |status| Health {
            status,
            message: String::new(),
        };
        let object = deployment(2, 1, "a");
        assert_ne!(
            relevant(&object, Some(&health(Status::Healthy)), &rules),
            relevant(&object, Some(&health(Status::Degraded)), &rules)
        );
    }

    #[test]
    fn without_a_rule_there_is_no_hash() {
        let rules = [IgnoreRule::new("", "ConfigMap", "", "").unwrap()];
        assert_eq!(relevant(&deployment(1, 1, "a"), None, &rules), None);
    }
}
