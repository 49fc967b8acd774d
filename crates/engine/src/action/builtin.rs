//! The built-in actions, as data.

use std::sync::LazyLock;

use driftless_core::Glob;
use driftless_manifest::{Object, merge_patch};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Action, Change, Error, Occasion, Parameter, Parameters, offspring};
use crate::health::rule::{Test, parse_test};

const FILE: &str = include_str!("../../actions/builtin.yaml");

/// What an action does.
#[derive(Debug)]
enum Deed {
    /// Merges the first patch whose test holds.
    Patch(Vec<(Test, Value)>),
    /// Makes a Job of a CronJob.
    CreateJob,
    /// Makes a Workflow of a CronWorkflow.
    CreateWorkflow,
    /// Makes a Workflow that refers to a template.
    CreateWorkflowOfTemplate,
    /// Goes on with the next step of a Rollout.
    SkipStep,
    /// Lets a Rollout go on, from whatever it waits for.
    Promote,
    /// Asks a ModelRollout for what the action is called.
    Command,
}

#[derive(Debug)]
struct Entry {
    kinds: Vec<(Glob, Glob)>,
    actions: Vec<(Action, Option<Test>, Deed)>,
}

static TABLE: LazyLock<Vec<Entry>> =
    LazyLock::new(|| read(FILE).expect("invariant: a test reads the whole table"));

fn entries(object: &Object) -> impl Iterator<Item = &'static (Action, Option<Test>, Deed)> {
    let (group, kind) = (object.group().to_owned(), object.kind().to_owned());
    let fits = move |entry: &&Entry| {
        let mut kinds = entry.kinds.iter();
        kinds.any(|(groups, kinds)| groups.matches(&group) && kinds.matches(&kind))
    };
    TABLE.iter().filter(fits).flat_map(|entry| &entry.actions)
}

pub(super) fn list(object: &Object) -> Vec<Action> {
    entries(object)
        .map(|(action, disabled, _)| Action {
            disabled: disabled.as_ref().is_some_and(|test| test.holds(object)),
            ..action.clone()
        })
        .collect()
}

pub(super) fn run(
    object: &Object,
    action: &str,
    parameters: &Parameters,
    occasion: &Occasion<'_>,
) -> Option<Result<Vec<Change>, Error>> {
    let (_, _, deed) = entries(object).find(|(known, _, _)| known.name == action)?;
    let change = match deed {
        Deed::Command => command(object, action, parameters, occasion),
        _ => do_it(deed, object, parameters, occasion),
    };
    Some(change.map(|change| vec![change]))
}

fn do_it(
    deed: &Deed,
    object: &Object,
    parameters: &Parameters,
    occasion: &Occasion<'_>,
) -> Result<Change, Error> {
    let now = occasion.now;
    let at = |path: &[&str]| object.at(path).cloned();
    match deed {
        Deed::Patch(cases) => {
            let patch = cases.iter().find(|(when, _)| when.holds(object));
            let (_, patch) = patch.ok_or(Error::Object("nothing is to be done"))?;
            let mut value = object.to_value();
            merge_patch::apply(&mut value, &fill(patch, parameters, occasion)?);
            Ok(Change::Become(value))
        }
        Deed::CreateJob => {
            let template = at(&["spec", "jobTemplate"]).unwrap_or_default();
            let spec = template.get("spec").cloned();
            let spec = spec.ok_or(Error::Object("the CronJob has no template"))?;
            let mut job = offspring(object, "batch/v1", "Job", now, spec);
            carry_marks(&mut job, &template, true);
            Ok(Change::Create(job))
        }
        Deed::CreateWorkflow => {
            let spec = at(&["spec", "workflowSpec"])
                .ok_or(Error::Object("the CronWorkflow has no workflowSpec"))?;
            let mut workflow = offspring(object, object.api_version(), "Workflow", now, spec);
            let template = at(&["spec", "workflowMetadata"]).unwrap_or_default();
            carry_marks(&mut workflow, &json!({"metadata": template}), false);
            workflow["metadata"]["labels"]["workflows.argoproj.io/cron-workflow"] =
                object.name().into();
            Ok(Change::Create(workflow))
        }
        Deed::CreateWorkflowOfTemplate => {
            let name = object.name();
            let is_wide = object.kind() == "ClusterWorkflowTemplate";
            let mut reference = json!({ "name": name });
            if is_wide {
                reference["clusterScope"] = true.into();
            }
            let spec = json!({ "workflowTemplateRef": reference });
            let mut workflow = offspring(object, object.api_version(), "Workflow", now, spec);
            workflow["metadata"]["labels"]["workflows.argoproj.io/workflow-template"] = name.into();
            Ok(Change::Create(workflow))
        }
        Deed::Command => Err(Error::Object("a command needs its name")),
        Deed::Promote => {
            let mut value = object.to_value();
            merge_patch::apply(&mut value, &promotion(object));
            Ok(Change::Become(value))
        }
        Deed::SkipStep => {
            let (step, steps) = steps(object);
            let next = step + 1;
            if next > steps {
                return Err(Error::Object("the Rollout has no step left"));
            }
            let mut value = object.to_value();
            merge_patch::apply(
                &mut value,
                &json!({"status": {"currentStepIndex": next, "pauseConditions": null}}),
            );
            Ok(Change::Become(value))
        }
    }
}

/// Returns the step of a Rollout's canary that is at work, and how many there are.
fn steps(rollout: &Object) -> (u64, u64) {
    let step = rollout.at(&["status", "currentStepIndex"]);
    let steps = rollout.at(&["spec", "strategy", "canary", "steps"]);
    let count = steps.and_then(Value::as_array).map_or(0, Vec::len);
    (step.and_then(Value::as_u64).unwrap_or(0), count as u64)
}

/// Returns what lets a Rollout go on: the end of a pause, or else of the step at work.
///
/// Upstream: argo-rollouts/pkg/kubectl-argo-rollouts/cmd/promote (v1.10).
fn promotion(rollout: &Object) -> Value {
    let field = |path: &[&str]| rollout.at(path).cloned().unwrap_or_default();
    let mut patch = json!({});
    if field(&["spec", "paused"]) == true {
        patch["spec"] = json!({"paused": false});
    }
    let (step, steps) = steps(rollout);
    let next = steps.min(step + 1);
    let is_paused = field(&["status", "pauseConditions"])
        .as_array()
        .is_some_and(|list| !list.is_empty());
    let verdict = field(&["status", "canary", "currentStepAnalysisRunStatus", "status"]);
    let is_open = verdict == "Inconclusive" && field(&["status", "controllerPause"]) == true;
    if is_paused && is_open && steps > 0 {
        patch["status"] =
            json!({"pauseConditions": null, "controllerPause": false, "currentStepIndex": next});
    } else if is_paused {
        patch["status"] = json!({"pauseConditions": null});
    } else if steps > 0 {
        patch["status"] = json!({"pauseConditions": null, "currentStepIndex": next});
    }
    patch
}

/// Where a ModelRollout is told what to do.
const COMMAND: &str = "driftless.dev/rollout-command";

/// Asks a ModelRollout, or one of its targets, for something.
///
/// Only an abort takes the place of what was asked before it and is not carried out yet.
fn command(
    rollout: &Object,
    verb: &str,
    parameters: &Parameters,
    occasion: &Occasion<'_>,
) -> Result<Change, Error> {
    let target = parameters.get("target").map_or("", |target| target.trim());
    if !target.is_empty() {
        let known = targets(rollout);
        if !known.contains(&target) {
            return Err(Error::Target {
                target: target.to_owned(),
                known: if known.is_empty() {
                    "none that is known yet".to_owned()
                } else {
                    known.join(", ")
                },
            });
        }
    }
    let pending = rollout.at(&["metadata", "annotations", COMMAND]);
    if let Some(pending) = pending.and_then(Value::as_str)
        && verb != "abort"
    {
        let pending: Value = serde_json::from_str(pending).unwrap_or_default();
        let part = |name: &str| pending[name].as_str().filter(|text| !text.is_empty());
        let by = part("by").unwrap_or("somebody");
        return Err(Error::Pending(match part("verb") {
            Some(verb) => format!("{verb} by {by}"),
            None => "one that cannot be read".to_owned(),
        }));
    }
    let now = Timestamp::from_second(occasion.now.as_second()).unwrap_or(occasion.now);
    let mut command =
        json!({"id": occasion.id, "verb": verb, "by": occasion.user, "at": now.to_string()});
    if !target.is_empty() {
        command["target"] = target.into();
    }
    let mut value = rollout.to_value();
    merge_patch::apply(
        &mut value,
        &json!({"metadata": {"annotations": {COMMAND: command.to_string()}}}),
    );
    Ok(Change::BecomeIfUnchanged(value))
}

/// Returns the names of a ModelRollout's targets, sorted.
fn targets(rollout: &Object) -> Vec<&str> {
    let reported = rollout.at(&["status", "targets"]).and_then(Value::as_array);
    let reported = reported.into_iter().flatten();
    let reported = reported.filter_map(|target| target.get("name").and_then(Value::as_str));
    let named = rollout.at(&["spec", "targetRef", "name"]);
    let mut known: Vec<&str> = reported.chain(named.and_then(Value::as_str)).collect();
    known.sort_unstable();
    known.dedup();
    known
}

/// Gives a new object the labels and annotations that its template names.
fn carry_marks(object: &mut Value, template: &Value, is_by_hand: bool) {
    for field in ["labels", "annotations"] {
        if let Some(marks) = template.pointer(&format!("/metadata/{field}")) {
            object["metadata"][field] = marks.clone();
        }
    }
    if is_by_hand {
        object["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"] = "manual".into();
    }
}

/// Fills in the occasion and the parameters.
fn fill(patch: &Value, parameters: &Parameters, occasion: &Occasion<'_>) -> Result<Value, Error> {
    let now = occasion.now;
    Ok(match patch {
        Value::String(text) if text == "$now" => {
            let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
            now.to_string().into()
        }
        Value::String(text) if text == "$epoch" => now.as_second().to_string().into(),
        Value::Object(map) => {
            if let Some((name, form)) = map.iter().next()
                && let Some(form) = form.as_str()
                && matches!(form, "$text" | "$whole")
            {
                let given = parameters.get(name).map(String::as_str).unwrap_or_default();
                let fail = |problem| Error::Parameter {
                    name: name.clone(),
                    problem,
                };
                if given.is_empty() {
                    return Err(fail("it is missing"));
                }
                return match form {
                    "$text" => Ok(given.into()),
                    _ => {
                        let whole = given.parse::<u32>();
                        whole
                            .map(Value::from)
                            .map_err(|_| fail("it must be a whole number, not below 0"))
                    }
                };
            }
            let mut filled = Map::new();
            for (name, value) in map {
                filled.insert(name.clone(), fill(value, parameters, occasion)?);
            }
            Value::Object(filled)
        }
        other => other.clone(),
    })
}

fn read(text: &str) -> Result<Vec<Entry>, String> {
    let limits = driftless_yaml::Limits::default();
    let documents = driftless_yaml::parse_documents(text.as_bytes(), &limits)
        .map_err(|error| error.to_string())?;
    let list = documents.first().and_then(Value::as_array);
    list.ok_or("no list")?.iter().map(read_entry).collect()
}

fn read_entry(entry: &Value) -> Result<Entry, String> {
    let kinds = entry["kinds"].as_array().ok_or("no kinds")?.iter();
    let kinds = kinds.map(|kind| {
        let text = kind.as_str().unwrap_or_default();
        let (group, kind) = text.split_once('/').ok_or(format!("no kind: {text}"))?;
        let glob = |text| Glob::new(text, None).map_err(|error| error.to_string());
        Ok::<_, String>((glob(group)?, glob(kind)?))
    });
    let actions = entry["actions"].as_array().ok_or("no actions")?.iter();
    Ok(Entry {
        kinds: kinds.collect::<Result<_, _>>()?,
        actions: actions.map(read_action).collect::<Result<_, _>>()?,
    })
}

fn read_action(action: &Value) -> Result<(Action, Option<Test>, Deed), String> {
    let text = |field: &str| action[field].as_str().unwrap_or_default().to_owned();
    let test = |text: &str| parse_test(text).map_err(|error| error.to_string());
    let params = action["params"].as_array().into_iter().flatten();
    let known = Action {
        name: text("name"),
        disabled: false,
        icon_class: text("icon"),
        display_name: text("display"),
        params: params
            .filter_map(Value::as_str)
            .map(|name| Parameter { name: name.into() })
            .collect(),
    };
    let disabled = action["disabled"].as_str().map(test).transpose()?;
    let deed = match text("do").as_str() {
        "create-job" => Deed::CreateJob,
        "create-workflow" => Deed::CreateWorkflow,
        "create-workflow-of-template" => Deed::CreateWorkflowOfTemplate,
        "skip-step" => Deed::SkipStep,
        "promote" => Deed::Promote,
        "command" => Deed::Command,
        "" => {
            let cases = action["cases"].as_array().into_iter().flatten();
            let mut cases: Vec<(Test, Value)> = cases
                .map(|case| {
                    let when = case["when"].as_str().unwrap_or("true");
                    Ok((test(when)?, case["patch"].clone()))
                })
                .collect::<Result<_, String>>()?;
            if action["patch"].is_object() {
                cases.push((test("true")?, action["patch"].clone()));
            }
            if cases.is_empty() || known.name.is_empty() {
                return Err(format!("action {} does nothing", known.name));
            }
            Deed::Patch(cases)
        }
        other => return Err(format!("nothing is called {other}")),
    };
    Ok((known, disabled, deed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Object {
        Object::from_value(value).unwrap()
    }

    fn become_of(object: &Object, action: &str, parameters: &[(&str, &str)]) -> Value {
        let parameters = parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let occasion = Occasion {
            now: Timestamp::from_second(1_700_000_000).unwrap(),
            id: "id-1",
            user: "ann",
        };
        let changes = run(object, action, &parameters, &occasion).expect("a known action");
        match changes.unwrap().remove(0) {
            Change::Become(value) | Change::BecomeIfUnchanged(value) | Change::Create(value) => {
                value
            }
        }
    }

    #[test]
    fn the_whole_table_can_be_read() {
        let entries = read(FILE).unwrap();
        assert!(entries.len() > 15);
    }

    #[test]
    fn a_deployment_is_restarted_paused_and_scaled() {
        let web = object(json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web"}, "spec": {"paused": true}}));
        let names: Vec<(String, bool)> = list(&web)
            .into_iter()
            .map(|action| (action.name, action.disabled))
            .collect();
        let wanted = [
            ("restart", false),
            ("pause", true),
            ("resume", false),
            ("scale", false),
        ];
        assert_eq!(names, wanted.map(|(name, off)| (name.to_owned(), off)));
        let restarted = become_of(&web, "restart", &[]);
        let at = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt";
        assert_eq!(restarted.pointer(at), Some(&json!("2023-11-14T22:13:20Z")));
        assert_eq!(
            become_of(&web, "resume", &[])["spec"]["paused"],
            json!(false)
        );
        assert_eq!(
            become_of(&web, "scale", &[("replicas", "3")])["spec"]["replicas"],
            json!(3)
        );
        let bad = [("replicas".to_owned(), "many".to_owned())].into();
        let occasion = Occasion {
            now: Timestamp::UNIX_EPOCH,
            id: "",
            user: "",
        };
        assert!(run(&web, "scale", &bad, &occasion).unwrap().is_err());
    }

    #[test]
    fn a_job_is_made_of_a_cron_job() {
        let cron = object(json!({"apiVersion": "batch/v1", "kind": "CronJob",
            "metadata": {"name": "nightly", "namespace": "ml", "uid": "u"},
            "spec": {"jobTemplate": {"metadata": {"labels": {"a": "b"}},
                "spec": {"template": {"spec": {"containers": []}}}}}}));
        let job = become_of(&cron, "create-job", &[]);
        assert_eq!(job["kind"], "Job");
        assert_eq!(job["metadata"]["name"], "nightly-1700000000");
        assert_eq!(job["metadata"]["labels"]["a"], "b");
        assert_eq!(job["metadata"]["ownerReferences"][0]["uid"], "u");
        assert!(job["spec"]["template"].is_object());
    }

    #[test]
    fn a_rollout_is_promoted_aborted_and_skips_steps() {
        let rollout = object(
            json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
            "metadata": {"name": "r"}, "spec": {"strategy": {"canary": {"steps": [{}, {}]}}},
            "status": {"currentPodHash": "a", "stableRS": "b", "currentStepIndex": 1,
                "pauseConditions": [{"reason": "CanaryPauseStep"}]}}),
        );
        let enabled: Vec<String> = list(&rollout)
            .into_iter()
            .filter(|action| !action.disabled)
            .map(|action| action.name)
            .collect();
        let wanted = [
            "promote",
            "restart",
            "resume",
            "abort",
            "promote-full",
            "skip-current-step",
        ];
        assert_eq!(enabled, wanted);
        assert_eq!(become_of(&rollout, "abort", &[])["status"]["abort"], true);
        let resumed = become_of(&rollout, "resume", &[]);
        assert!(resumed["status"].get("pauseConditions").is_none());
        let skipped = become_of(&rollout, "skip-current-step", &[]);
        assert_eq!(skipped["status"]["currentStepIndex"], 2);
    }

    #[test]
    fn promoting_ends_the_pause_or_the_step() {
        let promoted = |spec: Value, status: Value| {
            let steps = json!({"canary": {"steps": [{}, {}]}});
            let mut rollout = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
                "metadata": {"name": "r"}, "spec": spec, "status": status});
            rollout["spec"]["strategy"] = steps;
            let value = become_of(&object(rollout), "promote", &[]);
            (value["spec"]["paused"].clone(), value["status"].clone())
        };
        let paused = json!({"currentStepIndex": 1, "pauseConditions": [{}]});
        let (spec, status) = promoted(json!({"paused": true}), paused);
        assert_eq!(
            (spec, status),
            (json!(false), json!({"currentStepIndex": 1}))
        );
        let (_, status) = promoted(json!({}), json!({"currentStepIndex": 1}));
        assert_eq!(status, json!({"currentStepIndex": 2}));
        let open = json!({"currentStepIndex": 0, "pauseConditions": [{}], "controllerPause": true,
            "canary": {"currentStepAnalysisRunStatus": {"status": "Inconclusive"}}});
        let (_, status) = promoted(json!({}), open);
        assert_eq!(status["currentStepIndex"], 1);
        assert_eq!(status["controllerPause"], false);
    }

    fn model_rollout() -> Object {
        object(
            json!({"apiVersion": "driftless.dev/v1alpha1", "kind": "ModelRollout",
            "metadata": {"name": "fraud"}, "status": {"phase": "Degraded", "targets": [
                {"name": "fraud-eu", "phase": "Degraded"}, {"name": "fraud-us", "phase": "Paused"}]}}),
        )
    }

    fn commanded(object: &Object, action: &str, target: &str) -> Result<Value, Error> {
        let parameters = [("target".to_owned(), target.to_owned())].into();
        let occasion = Occasion {
            now: Timestamp::from_second(1_700_000_000).unwrap(),
            id: "id-1",
            user: "ann",
        };
        let mut changes = run(object, action, &parameters, &occasion).expect("a known action")?;
        let Change::BecomeIfUnchanged(told) = changes.remove(0) else {
            panic!("somebody else's change would be lost")
        };
        let text = &told["metadata"]["annotations"]["driftless.dev/rollout-command"];
        Ok(serde_json::from_str(text.as_str().unwrap()).unwrap())
    }

    #[test]
    fn a_model_rollout_is_told_what_to_do_in_an_annotation() {
        let rollout = model_rollout();
        let enabled: Vec<String> = list(&rollout)
            .into_iter()
            .filter(|action| !action.disabled)
            .inspect(|action| assert_eq!(action.params[0].name, "target"))
            .map(|action| action.name)
            .collect();
        // One target needs another try, the other one waits for approval.
        assert_eq!(
            enabled,
            ["promote", "promote-full", "abort", "retry", "pause"]
        );
        assert_eq!(
            commanded(&rollout, "abort", "").unwrap(),
            json!({"id": "id-1", "verb": "abort", "by": "ann", "at": "2023-11-14T22:13:20Z"})
        );
    }

    #[test]
    fn one_target_of_a_model_rollout_is_told_what_to_do() {
        let rollout = model_rollout();
        let told = commanded(&rollout, "promote", "fraud-us").unwrap();
        assert_eq!(told["target"], "fraud-us");
        let unknown = commanded(&rollout, "promote", "fraud-asia").unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "the rollout has no target fraud-asia; it has: fraud-eu, fraud-us"
        );
    }

    #[test]
    fn a_command_waits_for_the_one_before_it_except_an_abort() {
        let mut rollout = model_rollout().to_value();
        rollout["metadata"]["annotations"] =
            json!({COMMAND: r#"{"id":"c1","verb":"retry","by":"bob"}"#});
        let rollout = object(rollout);
        let refused = commanded(&rollout, "promote", "fraud-us").unwrap_err();
        assert_eq!(
            refused.to_string(),
            "another command is not carried out yet: retry by bob; try again in a moment"
        );
        assert_eq!(commanded(&rollout, "abort", "").unwrap()["verb"], "abort");
    }

    #[test]
    fn automation_is_turned_off_and_on() {
        let app = |automated: Value| {
            object(
                json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
                "metadata": {"name": "a"}, "spec": {"syncPolicy": {"automated": automated}}}),
            )
        };
        let enabled = |object: &Object| {
            become_of(object, "toggle-auto-sync", &[])["spec"]["syncPolicy"]["automated"]["enabled"]
                .clone()
        };
        assert_eq!(enabled(&app(json!({"prune": true}))), json!(false));
        assert_eq!(enabled(&app(json!({"enabled": false}))), json!(true));
        assert_eq!(enabled(&app(json!(null))), json!(true));
    }
}
