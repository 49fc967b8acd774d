//! Comparisons of desired objects with what a real API server (Kubernetes 1.37) made of them.

use driftless_engine::diff::{Applied, Ctx, IgnoreRule, compare, view};
use driftless_manifest::Object;
use serde_json::{Value, json};

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

fn ignore_rules(case: &Value) -> Vec<IgnoreRule> {
    let mut rule = IgnoreRule::new("*", "*", "", "").unwrap();
    for pointer in texts(&case["ignore"]) {
        rule = rule.with_pointer(pointer).unwrap();
    }
    for manager in texts(&case["ignore_managers"]) {
        rule = rule.with_manager(manager);
    }
    vec![rule]
}

#[test]
fn real_objects_compare_as_recorded() {
    super::corpus::check("diff", |case| {
        let desired = Object::from_value(case["desired"].clone()).unwrap();
        let live = Object::from_value(case["live"].clone()).unwrap();
        let rules = ignore_rules(case);
        let cx = Ctx {
            ignore: &rules,
            applied: if case["applied"] == "same" {
                Applied::SameAsDesired
            } else {
                Applied::Unknown
            },
            ..Ctx::default()
        };
        let comparison = compare(&desired, &live, &cx);
        let shown = view(&desired, &live, &cx);
        assert_eq!(
            shown.normalized_live != shown.predicted_live,
            comparison.is_modified(),
            "{desired}: what is shown and what is said differ"
        );
        let differences: Vec<String> = comparison
            .differences
            .iter()
            .map(ToString::to_string)
            .collect();
        json!({
            "strategy": format!("{:?}", comparison.strategy),
            "differences": differences,
            "doubtful": comparison.doubtful,
            "version_differs": comparison.version_differs,
        })
    });
}

/// What is shown as predicted must itself be in sync: applying it leaves nothing to do.
#[test]
fn what_is_predicted_is_in_sync() {
    for path in super::corpus::cases("diff") {
        let text = std::fs::read_to_string(&path).unwrap();
        let case: Value = serde_json::from_str(&text).unwrap();
        let desired = Object::from_value(case["desired"].clone()).unwrap();
        let live = Object::from_value(case["live"].clone()).unwrap();
        if desired.is("", "Secret") {
            continue; // masked
        }
        let mut predicted = view(&desired, &live, &Ctx::default()).predicted_live;
        // Without a record of ownership it is compared two-way: every desired value is there.
        predicted["metadata"]["annotations"]
            .as_object_mut()
            .map(|annotations| {
                annotations.remove("kubectl.kubernetes.io/last-applied-configuration")
            });
        let predicted = Object::from_value(predicted).unwrap();
        let left = compare(&desired, &predicted, &Ctx::default());
        assert_eq!(left.differences, [], "{}", path.display());
    }
}
