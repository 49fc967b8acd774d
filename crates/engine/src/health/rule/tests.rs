//! The language, the form of a file, and the table itself.

use serde_json::{Value, json};

use super::expression::Scope;
use super::*;

fn object() -> Value {
    json!({
        "apiVersion": "example.com/v1", "kind": "Widget",
        "metadata": {"name": "w", "generation": 3, "labels": {"a.b/c": "x"}},
        "spec": {"replicas": 3, "paused": false},
        "status": {
            "observedGeneration": 2, "replicas": "2/3", "empty": "", "none": null,
            "conditions": [
                {"type": "Synced", "status": "True", "message": "in step"},
                {"type": "Ready", "status": "False", "reason": "Waiting", "observedGeneration": 3}
            ],
            "nodes": {"b": {"count": 2}, "a": {"count": 1}}
        }
    })
}

fn value(text: &str) -> Value {
    let object = object();
    let expression = parse::expression(text).unwrap_or_else(|error| panic!("{error}"));
    expression
        .value(Scope::of(object.as_object().unwrap()))
        .into_owned()
}

#[test]
fn expressions_read_fields_and_compare_them() {
    for (text, want) in [
        ("spec.replicas == 3", json!(true)),
        ("spec.missing.deeper == null", json!(true)),
        ("metadata.labels['a.b/c']", json!("x")),
        ("spec.replicas > 2 && !spec.paused", json!(true)),
        ("spec.missing < 2 || spec.missing > 2", json!(false)),
        ("spec.missing ?? spec.replicas", json!(3)),
        ("(spec.missing ?? 1) < spec.replicas - 1", json!(true)),
        ("status.conditions[0].type", json!("Synced")),
        (
            "status.conditions[-1].type in ['Ready', 'Other']",
            json!(true),
        ),
        ("status.conditions[7].type", json!(null)),
        ("is('Ready', 'False')", json!(true)),
        ("cond('Synced').message", json!("in step")),
        ("cond('None').message == null", json!(true)),
        ("stale(status)", json!(true)),
        ("stale(cond('Ready'))", json!(false)),
        ("any(status.conditions, it.status == 'False')", json!(true)),
        ("all(status.none, false)", json!(true)),
        ("count(status.conditions, it.status == 'True')", json!(1)),
        (
            "first(status.conditions, it.status == 'False').reason",
            json!("Waiting"),
        ),
        ("sum(status.nodes, it.count)", json!(3)),
        ("join(status.conditions, it.type)", json!("Synced, Ready")),
        ("number(part(status.replicas, '/', 1))", json!(3)),
        ("has(status.empty) || has(status.none)", json!(false)),
        ("size(status.nodes)", json!(2)),
        (
            "starts(kind, 'Wid') && ends(kind, 'get') && contains(kind, 'dg')",
            json!(true),
        ),
        (
            "any(status.nodes, any(status.conditions, outer.count == 2))",
            json!(true),
        ),
    ] {
        assert_eq!(value(text), want, "{text}");
    }
}

#[test]
fn mistakes_in_expressions_are_told() {
    for (text, want) in [
        ("a ==", "None is not a value"),
        ("a b", "Name(\"b\") does not belong here"),
        ("unknown(a)", "there is no function unknown"),
        ("size(a, b)", "size takes 1 arguments"),
        ("'open", "a text without its end"),
        ("a # b", "'#' means nothing"),
    ] {
        let error = parse::expression(text).unwrap_err().to_string();
        assert_eq!(error, format!("expression {text:?}: {want}"));
    }
}

fn judge(rules: &str, object: Value) -> (Status, String) {
    let table = load::table(&[("test", rules)]).unwrap_or_else(|error| panic!("{error:?}"));
    let health = table.assess(&Object::from_value(object).unwrap()).unwrap();
    (health.status, health.message)
}

#[test]
fn the_first_rule_that_holds_decides() {
    let rules = "
- kinds: ['*.com/*']
  rules: []
  else: Unknown
- kinds: [example.com/Widget]
  rules:
    - Suspended: spec.paused
    - of: status.phase
      Healthy: [Fine, 1]
      Degraded: [Bad]
      say: it is {status.phase}
    - each: status.conditions
      rules:
        - Degraded: it.type == 'Ready' && it.status == 'False'
          say: '{it.reason}!'
        - Healthy: it.type == 'Synced' && it.status == 'True'
  else: Progressing
  say: waiting for {metadata.name}
";
    assert_eq!(judge(rules, object()), (Status::Healthy, "in step".into()));
    let mut other = object();
    other["status"]["conditions"][0]["status"] = "Unknown".into();
    assert_eq!(
        judge(rules, other.clone()),
        (Status::Degraded, "Waiting!".into())
    );
    other["status"]["phase"] = 1.into();
    assert_eq!(
        judge(rules, other.clone()),
        (Status::Healthy, "it is 1".into())
    );
    other["status"] = json!({});
    assert_eq!(
        judge(rules, other.clone()),
        (Status::Progressing, "waiting for w".into())
    );
    other["kind"] = "Gadget".into();
    assert_eq!(judge(rules, other).0, Status::Unknown);
}

#[test]
fn mistakes_in_files_are_told() {
    for (rules, want) in [
        (
            "- kinds: [a/B]\n  rules: []\n  else: Fine\n",
            "must be a status",
        ),
        (
            "- kinds: [B]\n  rules: []\n  else: Healthy\n",
            "is not group/Kind",
        ),
        (
            "- kinds: [a/B, a/B]\n  rules: []\n  else: Healthy\n",
            "has a rule already",
        ),
        (
            "- kinds: [a/B]\n  rules:\n    - Fine: a\n  else: Healthy\n",
            "\"Fine\" means nothing",
        ),
        (
            "- kinds: [a/B]\n  rule: []\n  else: Healthy\n",
            "\"rule\" means nothing",
        ),
        (
            "- kinds: [a/B]\n  rules:\n    - say: a\n  else: Healthy\n",
            "a rule has one status",
        ),
    ] {
        let error = load::table(&[("test", rules)]).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
}

#[test]
fn the_whole_table_can_be_read() {
    let table = Table::builtin().unwrap_or_else(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        panic!("{error}: {}", source.unwrap_or_default())
    });
    assert!(table.rules.len() > 100);
}

#[test]
fn the_worst_of_several_controllers_counts() {
    let table = Table::builtin().unwrap();
    for (states, want) in [
        (["Accepted", "Rejected"], Status::Degraded),
        (["Pending", "Warning"], Status::Degraded),
        (["Accepted", "Pending"], Status::Suspended),
        (["Accepted", "Accepted"], Status::Healthy),
    ] {
        let [one, two] = states.map(|state| json!({"state": state}));
        let object = Object::from_value(json!({
            "apiVersion": "gateway.solo.io/v1", "kind": "VirtualService", "metadata": {"name": "a"},
            "status": {"statuses": {"one": one, "two": two}},
        }))
        .unwrap();
        let health = table.assess(&object).unwrap();
        assert_eq!(health.status, want, "{states:?}");
    }
}
