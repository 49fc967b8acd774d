//! `driftless rollout` against a real API server. No controller runs: the test writes the status by hand.

use std::path::Path;
use std::sync::OnceLock;

use clap::Parser;
use driftless_cli::rollout::{self, Args, Error};
use driftless_testkit::{DEADLINE, Devcluster, POLL};
use http::Request;
use serde_json::{Value as Json, json};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

const GROUP: &str = "/apis/driftless.dev/v1alpha1";

/// Whether the shared cluster knows the kind.
static INSTALLED: OnceLock<()> = OnceLock::new();

/// A namespace of a cluster that knows the kind.
struct World {
    client: kube::Client,
    namespace: String,
    runtime: tokio::runtime::Runtime,
}

impl World {
    fn new(name: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let client = runtime.block_on(Devcluster::shared().client());
        let namespace = driftless_testkit::unique(name);
        let world = Self {
            client,
            namespace,
            runtime,
        };
        let body = json!({"metadata": {"name": world.namespace}});
        world.send("POST", "/api/v1/namespaces", &body);
        INSTALLED.get_or_init(|| world.install());
        world
    }

    fn install(&self) {
        let all = driftless_api::crds();
        let mut found = all
            .into_iter()
            .filter(|crd| crd["metadata"]["name"] == "modelrollouts.driftless.dev");
        let crd = found.next().unwrap();
        self.send(
            "POST",
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            &crd,
        );
        let begin = std::time::Instant::now();
        while self
            .try_send("GET", &format!("{GROUP}/modelrollouts"), &Json::Null)
            .is_err()
        {
            assert!(begin.elapsed() < DEADLINE, "the kind is not served");
            std::thread::sleep(POLL);
        }
    }

    fn try_send(&self, method: &str, path: &str, body: &Json) -> Result<Json, kube::Error> {
        let kind = if method == "PATCH" {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let body = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", kind);
        self.runtime
            .block_on(self.client.request(request.body(body).unwrap()))
    }

    fn send(&self, method: &str, path: &str, body: &Json) -> Json {
        self.try_send(method, path, body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    fn path(&self, rest: &str) -> String {
        format!("{GROUP}/namespaces/{}/modelrollouts{rest}", self.namespace)
    }

    /// Makes a rollout at its second step.
    fn rollout(&self, name: &str) {
        let rollout = json!({
            "apiVersion": "driftless.dev/v1alpha1", "kind": "ModelRollout", "metadata": {"name": name},
            "spec": {
                "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
                "strategy": {"canary": {"steps": [{"setWeight": 10}, {"pause": {}}, {"setWeight": 50}]}},
            },
        });
        self.send("POST", &self.path(""), &rollout);
        self.status(name, &status(name));
    }

    fn status(&self, name: &str, status: &Json) {
        let path = self.path(&format!("/{name}/status"));
        self.send("PATCH", &path, &json!({"status": status}));
    }

    fn run(&self, arguments: &[&str]) -> Result<String, Error> {
        run_with(
            &Devcluster::shared().kubeconfig(),
            arguments,
            &self.namespace,
        )
    }
}

fn run_with(kubeconfig: &Path, arguments: &[&str], namespace: &str) -> Result<String, Error> {
    let kubeconfig = kubeconfig.display().to_string();
    let cluster = ["--kubeconfig", &kubeconfig, "-n", namespace];
    let cli = Cli::parse_from([&["rollout"], arguments, &cluster].concat());
    let mut out = Vec::new();
    rollout::run(&cli.args, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

fn status(name: &str) -> Json {
    json!({
        "phase": "Paused", "message": "waits for a person at step 2 of 3",
        "targets": [{
            "name": name, "phase": "Paused", "message": "waits for a person",
            "waitingFor": "WaitingForApproval",
            "stableVersion": "aaaa", "canaryVersion": "bbbb", "wantedVersion": "bbbb",
            "currentStepIndex": 1, "steps": 3, "weight": 10, "stepSince": "2026-01-01T00:00:00Z",
            "stepTitles": ["Set weight to 10 %", "Wait for a person", "Set weight to 50 %"],
            "stablePods": {"desired": 4, "ready": 4}, "canaryPods": {"desired": 1, "ready": 1},
            "metrics": [{
                "name": "errors", "analysis": "background", "phase": "Running", "success": "result[0] <= 0.05",
                "threshold": 0.05,
                "measurements": [{"phase": "Successful", "value": 0.0125, "text": "[0.0125]"}],
            }],
            "quarantined": [{"version": "0000", "reason": "errors: result[0] <= 0.05 does not hold"}],
            "decisions": [{"sequence": 1, "at": "2026-01-01T00:00:00Z", "reason": "Started", "message": "bbbb replaces aaaa"}],
            "lastCommand": "",
        }],
    })
}

#[test]
fn a_rollout_is_shown() {
    let world = World::new("cli-get");
    world.rollout("fraud");
    let text = world.run(&["get", "fraud"]).unwrap();
    for line in [
        "Phase:      Paused",
        "Message:    waits for a person at step 2 of 3",
        "  Waits:    WaitingForApproval",
        "  ├─ ◇ bbbb                  Version  1/1 pods ready  new, 10 % of the traffic",
        "  │  └─ errors (background)  Metric   Running         0.0125, threshold 0.05",
        "  ├─ ◆ aaaa                  Version  4/4 pods ready  stable, 90 % of the traffic",
        "  └─ ✖ 0000                  Version  kept out        errors: result[0] <= 0.05 does not hold",
        "    ✔ 1 Set weight to 10 %",
        "    ▶ 2 Wait for a person  (",
        "      3 Set weight to 50 %",
        "2026-01-01T00:00:00Z  Started                    bbbb replaces aaaa",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
    let wide = world.run(&["get", "fraud", "-o", "wide"]).unwrap();
    assert!(wide.contains("result[0] <= 0.05"), "{wide}");
    let object: Json =
        serde_json::from_str(&world.run(&["get", "fraud", "-o", "json"]).unwrap()).unwrap();
    assert_eq!(object["status"]["phase"], json!("Paused"));
    assert!(
        world
            .run(&["get", "fraud", "-o", "yaml"])
            .unwrap()
            .contains("\nkind: ModelRollout\n")
    );
    let unknown = world
        .run(&["get", "fraud", "--target", "loans"])
        .unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "the rollout has no target loans; it has: fraud"
    );
    let list = world.run(&["list"]).unwrap();
    assert!(
        list.starts_with("NAME") && list.contains("fraud  Paused  1        2/3   10 %"),
        "{list}"
    );
    let all = world.run(&["list", "-A"]).unwrap();
    assert!(all.contains(&world.namespace), "{all}");
}

#[test]
fn a_command_is_waited_for() {
    let world = World::new("cli-promote");
    world.rollout("fraud");
    // The hand that stands for the controller.
    let hand = std::thread::spawn({
        let (client, path) = (world.client.clone(), world.path("/fraud"));
        let handle = world.runtime.handle().clone();
        move || {
            let send = |method: &str, path: &str, body: Json| -> Json {
                let body = if body.is_null() {
                    Vec::new()
                } else {
                    body.to_string().into_bytes()
                };
                let request = Request::builder().method(method).uri(path);
                let request = request.header("content-type", "application/merge-patch+json");
                handle
                    .block_on(client.request(request.body(body).unwrap()))
                    .unwrap()
            };
            let begin = std::time::Instant::now();
            loop {
                let rollout = send("GET", &path, Json::Null);
                let text = &rollout["metadata"]["annotations"]["driftless.dev/rollout-command"];
                if let Some(text) = text.as_str() {
                    let command: Json = serde_json::from_str(text).unwrap();
                    let mut done = status("fraud");
                    done["phase"] = json!("Progressing");
                    done["targets"][0]["lastCommand"] = command["id"].clone();
                    send("PATCH", &format!("{path}/status"), json!({"status": done}));
                    let gone = json!({"metadata": {"annotations": {"driftless.dev/rollout-command": null}}});
                    send("PATCH", &path, gone);
                    return command;
                }
                assert!(begin.elapsed() < DEADLINE, "no command comes");
                std::thread::sleep(POLL);
            }
        }
    });
    let said = world
        .run(&["promote", "fraud", "--target", "fraud", "--timeout", "60s"])
        .unwrap();
    assert!(
        said.starts_with("rollout fraud: promote; Progressing"),
        "{said}"
    );
    let command = hand.join().unwrap();
    assert_eq!(
        (&command["verb"], &command["target"]),
        (&json!("promote"), &json!("fraud"))
    );
    assert!(!command["by"].as_str().unwrap().is_empty());
}

#[test]
fn what_cannot_be_done_is_said() {
    let world = World::new("cli-errors");
    world.rollout("fraud");
    let error = |arguments: &[&str]| world.run(arguments).unwrap_err();
    let missing = error(&["get", "other"]).to_string();
    assert!(
        missing.starts_with("there is no rollout other in namespace cli-errors"),
        "{missing}"
    );
    let target = error(&["abort", "fraud", "--target", "loans"]).to_string();
    assert_eq!(target, "the rollout has no target loans; it has: fraud");
    // Nobody carries it out.
    let late = error(&["abort", "fraud", "--timeout", "1s"]).to_string();
    assert!(late.contains("not carried out within 1s"), "{late}");
    let pending = error(&["promote", "fraud"]).to_string();
    assert!(
        pending.contains("not carried out yet: abort by"),
        "{pending}"
    );
    let asked = world.run(&["abort", "fraud", "--no-wait"]).unwrap();
    assert_eq!(asked, "rollout fraud: abort is asked for\n");
    let nothing = run_with(Path::new("/does/not/exist"), &["list"], "default").unwrap_err();
    assert!(
        nothing.to_string().contains("kubeconfig cannot be used"),
        "{nothing}"
    );
}

#[test]
fn a_rollout_is_watched_until_it_is_there() {
    let world = World::new("cli-watch");
    world.rollout("fraud");
    let text = world.run(&["watch", "fraud", "--until", "paused"]).unwrap();
    assert!(text.contains("▶ 2 Wait for a person"), "{text}");
    let late = world
        .run(&["watch", "fraud", "--until", "healthy", "--timeout", "1s"])
        .unwrap_err();
    assert_eq!(late.exit_code(), Some(2), "{late}");
    let mut failed = status("fraud");
    failed["phase"] = json!("Degraded");
    failed["message"] = json!("bbbb failed");
    world.status("fraud", &failed);
    let error = world
        .run(&["watch", "fraud", "--until", "healthy"])
        .unwrap_err();
    assert_eq!(
        (error.exit_code(), error.to_string().as_str()),
        (Some(1), "the rollout is Degraded: bbbb failed")
    );
    let mut done = status("fraud");
    done["phase"] = json!("Healthy");
    done["targets"][0]["stableVersion"] = json!("bbbb");
    world.status("fraud", &done);
    world
        .run(&["watch", "fraud", "--until", "healthy"])
        .unwrap();
}

#[test]
fn a_cluster_without_the_kind_is_told() {
    let bare = Devcluster::start("cli-bare", &["--nodes", "1"]);
    for arguments in [&["list"][..], &["get", "fraud"]] {
        let error = run_with(&bare.kubeconfig(), arguments, "default")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("the cluster knows no ModelRollouts"),
            "{error}"
        );
    }
    bare.down();
}
