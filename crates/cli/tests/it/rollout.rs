//! `driftless rollout simulate`, from files to decisions.

use std::path::PathBuf;

use clap::Parser;
use driftless_cli::rollout::{self, Args};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

fn run(arguments: &[&str]) -> Result<String, String> {
    let cli = Cli::parse_from([&["rollout", "simulate"], arguments].concat());
    let mut out = Vec::new();
    match rollout::run(&cli.args, &mut out) {
        Ok(()) => Ok(String::from_utf8(out).unwrap()),
        Err(error) => Err(error.to_string()),
    }
}

fn example(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/rollout");
    format!("{folder}/{name}")
}

fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path: PathBuf = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn the_examples_end_as_their_names_say() {
    let good = run(&[&example("fraud.yaml"), &example("good.jsonl")]).unwrap();
    assert!(good.contains("Healthy at"), "{good}");
    assert!(
        good.contains("v2 becomes the stable version") || good.contains("v2 serves"),
        "{good}"
    );
    let bad = run(&[&example("fraud.yaml"), &example("bad.csv")]).unwrap();
    assert!(bad.contains("AnalysisFailed"), "{bad}");
    assert!(
        bad.contains("Degraded at") && bad.contains("v1 serves"),
        "{bad}"
    );
    assert!(bad.contains("v2 is kept out: metric error-rate"), "{bad}");
}

#[test]
fn the_same_files_give_the_same_bytes() {
    let arguments = [&example("fraud.yaml"), &example("good.jsonl"), "-o", "json"];
    let first = run(&arguments).unwrap();
    assert_eq!(first, run(&arguments).unwrap());
    for line in first.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line.get("reason").is_some() || line.get("digest").is_some());
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let fraud = std::fs::read_to_string(example("fraud.yaml")).unwrap();
    let wrong = file(
        &folder,
        "wrong.yaml",
        &fraud.replace("setWeight: 10", "setWeight: 110"),
    );
    let error = run(&[&wrong]).unwrap_err();
    assert!(
        error.contains("steps[1].setWeight: 110 is not between 0 and 100"),
        "{error}"
    );
    let wrong = file(
        &folder,
        "wrong.yaml",
        &fraud.replace("templateName: error-rate", "templateName: other"),
    );
    let error = run(&[&wrong]).unwrap_err();
    assert!(
        error.contains("AnalysisTemplate other is not in the files"),
        "{error}"
    );
    let wrong = file(
        &folder,
        "wrong.yaml",
        &fraud.replace("result[0] <", "result[0 <"),
    );
    let error = run(&[&wrong]).unwrap_err();
    assert!(
        error.contains("metric error-rate: condition \"result[0 < 0.05\""),
        "{error}"
    );
    let record = file(
        &folder,
        "r.jsonl",
        "{\"t\": 1, \"metric\": \"m\", \"value\": 1}\n{\"t\": 2, \"event\": \"explode\"}\n",
    );
    let error = run(&[&example("fraud.yaml"), &record]).unwrap_err();
    assert!(error.ends_with("r.jsonl, line 2: the event \"explode\" is not known: commit, promote, promote-full, abort, retry, pause, pods, route, fit"), "{error}");
    let table = file(&folder, "t.csv", "t,m\n0,1\n60\n");
    let error = run(&[&example("fraud.yaml"), &table]).unwrap_err();
    assert!(
        error.ends_with("t.csv, line 3: 1 cells, the header has 2"),
        "{error}"
    );
    let record = file(
        &folder,
        "n.jsonl",
        "{\"t\": -5, \"metric\": \"m\", \"value\": 1}\n",
    );
    let error = run(&[&example("fraud.yaml"), &record]).unwrap_err();
    assert!(
        error.ends_with("n.jsonl, line 1: -5 is before the beginning"),
        "{error}"
    );
    let error = run(&[&example("good.jsonl")]).unwrap_err();
    assert_eq!(error, "0 ModelRollouts in the files, exactly one is wanted");
}

#[test]
fn names_that_do_not_meet_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let record = "{\"t\": 5, \"metric\": \"eror-rate\", \"value\": 1}\n";
    let record = file(&folder, "r.jsonl", record);
    let out = run(&[&example("fraud.yaml"), &record]).unwrap();
    assert!(
        out.contains(
            "the record has no sample of: error-rate, worse-than-stable\nno analysis asks for: eror-rate\n"
        ),
        "{out}"
    );
    // Nobody was there in 1970: times of a record without times are times since its beginning.
    let good = run(&[&example("fraud.yaml"), &example("good.jsonl")]).unwrap();
    assert!(
        good.contains("v1 is kept until +01:07:40") && !good.contains("1970"),
        "{good}"
    );
}

#[test]
fn the_templates_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let rollout = file(
        &folder,
        "r.yaml",
        "
apiVersion: driftless.dev/v1alpha1
kind: ModelRollout
metadata: {name: all}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: all}
  strategy:
    canary:
      steps:
      - setWeight: 10
      - analysis: {templates: [{templateName: kserve-latency}], args: [{name: pods, value: a-.*}]}
      - analysis: {templates: [{templateName: vllm-latency}], args: [{name: pods, value: a-.*}]}
      - analysis: {templates: [{templateName: triton}], args: [{name: pods, value: a-.*}]}
      - analysis: {templates: [{templateName: seldon}], args: [{name: deployment, value: a}, {name: predictor, value: b}]}
      - analysis: {templates: [{templateName: istio-error-rate}], args: [{name: workload, value: a}]}
      - analysis: {templates: [{templateName: model-quality}], args: [{name: agreement, value: a}, {name: drift, value: b}]}
      - analysis: {templates: [{templateName: error-rate-and-latency}], args: [{name: bad, value: a}, {name: all, value: b}, {name: duration, value: c}]}
      - analysis: {templates: [{templateName: business-metric}], args: [{name: business, value: a}, {name: least-business, value: \"0\"}]}
",
    );
    let names = [
        "p95",
        "ttft-p95",
        "tpot-p95",
        "error-rate",
        "mean-duration",
        "drift-score",
        "business-metric",
    ];
    let mut record: String = (0..120)
        .flat_map(|minute| {
            names.map(|name| {
                format!(
                    "{{\"t\": {}, \"metric\": \"{name}\", \"value\": [0.001]}}\n",
                    minute * 60
                )
            })
        })
        .collect();
    for minute in 0..120 {
        let metric = "agreement-with-champion";
        let at = minute * 60;
        record.extend(
            format!("{{\"t\": {at}, \"metric\": \"{metric}\", \"value\": [0.99]}}\n").chars(),
        );
    }
    let record = file(&folder, "r.jsonl", &record);
    let out = run(&[&rollout, &example("templates.yaml"), &record]).unwrap();
    assert!(
        out.contains("Healthy at") && out.contains("v2 serves"),
        "{out}"
    );
}
