//! Starts real clusters and connects to them.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use driftless_core::ResourceKey;
use driftless_kube::live::Readiness;
use driftless_kube::{
    ApplyOptions, Cluster, ClusterState, Clusters, Fence, Metrics, Options, Wanted, WriteCtx,
};
use driftless_manifest::Object;
use serde_json::{Value, json};

/// A running development cluster; it ends with this process.
pub(crate) struct Dev {
    dir: tempfile::TempDir,
    child: Child,
}

fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("DRIFTLESS_DEVCLUSTER") {
        return PathBuf::from(path);
    }
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/devcluster")
}

impl Dev {
    /// Starts a cluster of one's own, for tests that break it.
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = program();
        let mut child = Command::new(&program)
            .args(["up", "--foreground", "--nodes", "1", "--dir"])
            .arg(dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "cannot run {}: {error}; build it or set DRIFTLESS_DEVCLUSTER",
                    program.display()
                )
            });
        let out = BufReader::new(child.stdout.take().unwrap());
        let ready = out
            .lines()
            .map_while(Result::ok)
            .any(|line| line.starts_with("ready"));
        assert!(ready, "devcluster ended before it was ready");
        Self { dir, child }
    }

    /// Returns the cluster all tests share.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Dev> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Runs a command of the program on this cluster.
    pub(crate) fn command(&self, name: &str) {
        let status = Command::new(program())
            .arg(name)
            .arg("--dir")
            .arg(self.dir.path())
            .status()
            .unwrap();
        assert!(status.success(), "devcluster {name}");
    }

    /// Connects anew, as a process that just started.
    pub(crate) async fn connect(&self) -> Kube {
        self.connect_with(|_| {}).await
    }

    /// Connects as somebody who may do less.
    pub(crate) async fn connect_as(&self, user: &str) -> Kube {
        self.connect_with(|config| {
            config.auth_info.impersonate = Some(user.to_owned());
            config.auth_info.impersonate_groups = Some(vec!["system:authenticated".to_owned()]);
        })
        .await
    }

    async fn connect_with(&self, change: impl FnOnce(&mut kube::Config)) -> Kube {
        let file = self.dir.path().join("kubeconfig");
        let kubeconfig = kube::config::Kubeconfig::read_from(file).unwrap();
        let mut config = kube::Config::from_custom_kubeconfig(
            kubeconfig,
            &kube::config::KubeConfigOptions::default(),
        )
        .await
        .unwrap();
        change(&mut config);
        let clusters = Clusters::new(Options::default(), Metrics::default());
        let cluster = clusters.connect_in_cluster(config).unwrap();
        let mut states = cluster.states();
        states
            .wait_for(|state| *state == ClusterState::Ready)
            .await
            .unwrap();
        Kube {
            _clusters: clusters,
            cluster,
        }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection with shorthands.
pub(crate) struct Kube {
    /// Keeps the registry as long as the test.
    _clusters: Arc<Clusters>,
    pub(crate) cluster: Arc<Cluster>,
}

pub(crate) fn ctx() -> WriteCtx {
    WriteCtx::internal(Fence::unfenced())
}

impl Kube {
    /// Makes a namespace for one test.
    pub(crate) async fn namespace(&self, name: &str) -> String {
        let name = format!("{name}-{:06x}", rand::random_range(0..0xff_ffff));
        let new = self
            .cluster
            .writer()
            .create_namespace(&ctx(), &name, None, driftless_kube::write::DryRun::No)
            .await
            .unwrap();
        assert!(new);
        name
    }

    pub(crate) async fn apply(&self, object: &Object) -> driftless_kube::write::Applied {
        self.cluster
            .writer()
            .apply(&ctx(), object, &ApplyOptions::default())
            .await
            .unwrap()
    }

    /// Says what app `instance` wants and waits until it is known.
    pub(crate) async fn want(&self, instance: &str, objects: &[&Object]) {
        let objects = objects
            .iter()
            .map(|object| (object.gvk(), object.key()))
            .collect();
        self.cluster.live().want(
            instance,
            Wanted {
                objects,
                ..Wanted::default()
            },
        );
        let ready = self
            .cluster
            .live()
            .settled(instance, Duration::from_secs(30))
            .await;
        assert_eq!(ready, Readiness::Settled);
    }
}

pub(crate) fn object(value: Value) -> Object {
    Object::from_value(value).unwrap()
}

/// A ConfigMap tracked by `app`.
pub(crate) fn config_map(app: &str, ns: &str, name: &str, value: &str) -> Object {
    object(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": ns,
            "annotations": {"argocd.argoproj.io/tracking-id": format!("{app}:/ConfigMap:{ns}/{name}")}},
        "data": {"key": value},
    }))
}

pub(crate) fn key(kind: &str, ns: &str, name: &str) -> ResourceKey {
    ResourceKey::new("", kind, ns, name)
}

/// Waits until `check` gives a value; panics with `what` after 30 s.
pub(crate) async fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(value) = check() {
            return value;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}
