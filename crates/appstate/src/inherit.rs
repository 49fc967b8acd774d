//! Global projects: rules that other projects inherit (`globalProjects` in the settings, argocd-contract §1.2).

use std::collections::BTreeMap;

use driftless_api::AppProject;
use driftless_settings::general::{LabelExpression, LabelSelector};

/// Returns a project with the rules of global projects added.
pub(crate) fn merged(project: &AppProject, globals: &[&AppProject]) -> AppProject {
    let mut project = project.clone();
    let spec = &mut project.spec;
    for global in globals {
        let more = global.spec.clone();
        spec.source_repos.extend(more.source_repos);
        spec.destinations.extend(more.destinations);
        spec.cluster_resource_whitelist
            .extend(more.cluster_resource_whitelist);
        spec.cluster_resource_blacklist
            .extend(more.cluster_resource_blacklist);
        spec.namespace_resource_blacklist
            .extend(more.namespace_resource_blacklist);
        if let Some(kinds) = more.namespace_resource_whitelist {
            spec.namespace_resource_whitelist
                .get_or_insert_with(Vec::new)
                .extend(kinds);
        }
        spec.sync_windows.extend(more.sync_windows);
        spec.destination_service_accounts
            .extend(more.destination_service_accounts);
    }
    project
}

/// Says whether labels are selected. A selector without conditions selects everything, as in Kubernetes; an operator
/// that is not known selects nothing.
pub(crate) fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let equal = |(key, value): (&String, &String)| labels.get(key) == Some(value);
    selector.match_labels.iter().all(equal)
        && selector
            .match_expressions
            .iter()
            .all(|expression| holds(expression, labels))
}

fn holds(expression: &LabelExpression, labels: &BTreeMap<String, String>) -> bool {
    let value = labels.get(&expression.key);
    let listed = value.is_some_and(|value| expression.values.contains(value));
    match expression.operator.as_str() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn project(spec: Value) -> AppProject {
        serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": spec})).unwrap()
    }

    #[test]
    fn lists_are_joined() {
        let own = project(json!({"sourceRepos": ["a"]}));
        let global = project(json!({
            "sourceRepos": ["b"],
            "namespaceResourceWhitelist": [{"group": "", "kind": "ConfigMap"}],
            "syncWindows": [{"kind": "deny", "schedule": "* * * * *", "duration": "1h", "applications": ["*"]}],
        }));
        let merged = merged(&own, &[&global]);
        assert_eq!(merged.spec.source_repos, ["a", "b"]);
        assert_eq!(merged.spec.namespace_resource_whitelist.unwrap().len(), 1);
        assert_eq!(merged.spec.sync_windows.len(), 1);
    }

    #[test]
    fn selectors_select_by_labels() {
        let labels = BTreeMap::from([("team".to_owned(), "ml".to_owned())]);
        let chosen = |selector: Value| selects(&serde_json::from_value(selector).unwrap(), &labels);
        assert!(chosen(json!({})));
        assert!(chosen(json!({"matchLabels": {"team": "ml"}})));
        assert!(!chosen(json!({"matchLabels": {"team": "web"}})));
        let expression = |operator: &str, values: &[&str]| {
            chosen(
                json!({"matchExpressions": [{"key": "team", "operator": operator, "values": values}]}),
            )
        };
        assert!(expression("In", &["ml", "web"]));
        assert!(!expression("NotIn", &["ml"]));
        assert!(expression("Exists", &[]));
        assert!(!expression("DoesNotExist", &[]));
        assert!(!expression("Near", &["ml"]));
    }
}
