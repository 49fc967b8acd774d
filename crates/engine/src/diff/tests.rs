//! What the server's own answer is worth.

use serde_json::json;

use super::*;

fn object(spec: &Value, owned: &Value) -> Object {
    Object::from_value(json!({
        "apiVersion": "example.com/v1", "kind": "Widget",
        "metadata": {"name": "w", "managedFields": [{
            "manager": MANAGER, "operation": "Apply", "apiVersion": "example.com/v1", "fieldsV1": owned}]},
        "spec": spec
    }))
    .unwrap()
}

fn paths(comparison: &Comparison) -> Vec<&str> {
    let differences = comparison.differences.iter();
    differences.map(|one| one.path.as_str()).collect()
}

#[test]
fn what_a_webhook_adds_counts_only_when_asked_for() {
    let owned = json!({"f:spec": {"f:size": {}, "f:list": {}}});
    let live = object(&json!({"size": 1, "list": [{"a": 1}]}), &owned);
    let same = object(
        &json!({"size": 1, "list": [{"a": 1}], "stamp": "now"}),
        &owned,
    );
    let predicted = |mutations| compare_predicted(&same, &live, &Ctx::default(), mutations);
    assert!(!predicted(Mutations::Pass).is_modified());
    assert_eq!(paths(&predicted(Mutations::Count)), ["spec.stamp"]);
    let other = object(&json!({"size": 2, "list": [{"a": 2}]}), &owned);
    let comparison = compare_predicted(&other, &live, &Ctx::default(), Mutations::Pass);
    assert_eq!(paths(&comparison), ["spec.list[0].a", "spec.size"]);
}

#[test]
fn a_doubt_is_settled_by_what_the_server_says() {
    let owned = json!({"f:spec": {"f:size": {}, "f:mode": {}}});
    let desired = object(&json!({"size": "1", "mode": "fast"}), &json!({}));
    // Somebody rewrote both on their way in.
    let live = object(&json!({"size": "1000m", "mode": "FAST"}), &owned);
    let local = compare(&desired, &live, &Ctx::default());
    assert!(local.doubtful && local.is_modified());
    let judge = |predicted: Value| {
        let predicted = object(&predicted, &owned);
        let server = compare_predicted(&predicted, &live, &Ctx::default(), Mutations::Count);
        confirm(&local, server)
    };
    assert!(!judge(json!({"size": "1000m", "mode": "FAST"})).is_modified());
    // What the server would add is not what was in doubt.
    assert!(!judge(json!({"size": "1000m", "mode": "FAST", "stamp": 1})).is_modified());
    let rest = judge(json!({"size": "1000m", "mode": "fast"}));
    assert_eq!(paths(&rest), ["spec.mode"]);
}

#[test]
fn the_servers_answer_about_an_item_of_a_custom_kind_counts() {
    let items = |image: &str, more: &Value| {
        let mut item = json!({"name": "main", "image": image});
        item["resources"] = more.clone();
        json!({"containers": [item]})
    };
    let item = json!({".": {}, "f:image": {}, "f:name": {}});
    let owned = json!({"f:spec": {"f:containers": {"k:{\"name\":\"main\"}": item}}});
    let live = object(&items("web:1", &json!({})), &owned);
    let desired = object(
        &json!({"containers": [{"name": "main", "image": "web:2"}]}),
        &json!({}),
    );
    let local = compare(&desired, &live, &Ctx::default());
    assert_eq!(paths(&local), ["spec.containers[name=main].image"]);
    let predicted = object(&items("web:2", &json!({})), &owned);
    let server = compare_predicted(&predicted, &live, &Ctx::default(), Mutations::Count);
    assert_eq!(paths(&server), ["spec.containers[0].image"]);
    assert!(confirm(&local, server).is_modified());
}

#[test]
fn names_of_fields_are_no_labels_of_items() {
    assert_eq!(unlabelled("a[name=x].b[3][=v]"), "a[].b[][]");
    assert_eq!(
        unlabelled("metadata.annotations[a.b/c].d"),
        "metadata.annotations[a.b/c].d"
    );
}
