//! Controllers of other projects, run beside the cluster as they are: built by `make tools`, started once per test
//! binary, gone when the test process ends.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Instant;

use kube::Client;
use kube::api::{Patch, PatchParams};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::spawn::{spawn_bound, tail};
use crate::{DEADLINE, Devcluster, Kind, POLL};

/// A program that was built into `target/tools`, with its CustomResourceDefinitions beside it (`<name>.crds`).
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// Its file name.
    pub name: &'static str,
    /// The argument before the path of the kubeconfig.
    pub kubeconfig: &'static str,
    /// More arguments. Nothing may listen but on the loopback interface.
    pub arguments: &'static [&'static str],
}

/// The controller of Argo Rollouts.
pub const ARGO_ROLLOUTS: Tool = Tool {
    name: "argo-rollouts",
    kubeconfig: "--kubeconfig",
    // A port that is none: it would listen on every interface, and goes on without.
    arguments: &[
        "--leader-elect=false",
        "--metricsPort=-1",
        "--healthzPort=-1",
    ],
};

/// A running controller.
#[derive(Debug)]
pub struct Controller {
    tool: Tool,
    log: PathBuf,
    child: Mutex<Child>,
}

impl Controller {
    /// Returns the controller of Argo Rollouts on the shared cluster, starting it for the first who asks.
    pub async fn argo_rollouts() -> &'static Self {
        static SHARED: OnceCell<Controller> = OnceCell::const_new();
        SHARED
            .get_or_init(|| Self::start(Devcluster::shared(), ARGO_ROLLOUTS))
            .await
    }

    /// Installs the kinds of a controller and starts it.
    pub async fn start(cluster: &'static Devcluster, tool: Tool) -> Self {
        let program = program(tool.name);
        install_crds(&cluster.client().await, &program.with_extension("crds")).await;
        let log = cluster.logs().join(format!("{}.log", tool.name));
        let file = File::create(&log)
            .unwrap_or_else(|error| panic!("cannot create {}: {error}", log.display()));
        let child = spawn_bound(&program, |command| {
            command
                .arg(tool.kubeconfig)
                .arg(cluster.kubeconfig())
                .args(tool.arguments)
                .stdin(Stdio::null())
                .stdout(file.try_clone().expect("duplicate a file handle"))
                .stderr(file);
        });
        Self {
            tool,
            log,
            child: Mutex::new(child),
        }
    }

    /// Fails the test when the controller is gone.
    pub fn check(&self) {
        let ended = self.child.lock().try_wait();
        assert!(
            matches!(ended, Ok(None)),
            "{} ended:\n{}",
            self.tool.name,
            tail(&self.log, 20)
        );
    }
}

/// Returns a program of `target/tools`.
pub(crate) fn program(name: &str) -> PathBuf {
    let tools = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tools"));
    let path = tools.join(name);
    assert!(
        path.is_file(),
        "{name} is missing at {}: build it with `make tools`",
        path.display()
    );
    path
}

/// Installs the CustomResourceDefinitions of a file, or of the files of a directory, and returns when they are served.
pub async fn install_crds(client: &Client, place: &Path) {
    let mut files = if place.is_dir() {
        let entries = std::fs::read_dir(place)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", place.display()));
        entries.flatten().map(|entry| entry.path()).collect()
    } else {
        vec![place.to_owned()]
    };
    files.sort();
    for file in files {
        let text = std::fs::read(&file)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()));
        let documents = driftless_yaml::parse_documents(&text, &driftless_yaml::Limits::default())
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()));
        for crd in documents.into_iter().filter(|one| !one.is_null()) {
            install_crd(client, &crd).await;
        }
    }
}

async fn install_crd(client: &Client, crd: &Value) {
    let name = crd
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let api = Kind::CRD.api(client, "");
    let parameters = PatchParams::apply("tester").force();
    if let Err(error) = api.patch(name, &parameters, &Patch::Apply(crd)).await {
        panic!("cannot install {name}: {error}");
    }
    let started = Instant::now();
    loop {
        let live = Kind::CRD.read(client, "", name).await.unwrap_or_default();
        let conditions = live.pointer("/status/conditions").and_then(Value::as_array);
        let is_served = conditions
            .into_iter()
            .flatten()
            .any(|condition| condition["type"] == "Established" && condition["status"] == "True");
        if is_served {
            return;
        }
        assert!(started.elapsed() < DEADLINE, "{name} is not served: {live}");
        tokio::time::sleep(POLL).await;
    }
}
