//! The development cluster: started once per test binary, gone when the test process ends.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::spawn::tail;

/// A running cluster.
#[derive(Debug)]
pub struct Devcluster {
    binary: PathBuf,
    dir: PathBuf,
}

impl Devcluster {
    /// Returns the cluster that every test of this binary shares, starting it when it is the first to ask.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Devcluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start("shared", &["--nodes", "2", "--gpus-per-node", "4"]))
    }

    /// Starts a cluster of the caller's own, for tests that stop parts of it.
    pub fn start(name: &str, arguments: &[&str]) -> Self {
        let binary = binary();
        let dir = directory(name);
        let mut child = Command::new(&binary)
            .args(["up", "--foreground", "--dir"])
            .arg(&dir)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", binary.display()));
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        let read = stdout.read_line(&mut line);
        if read.is_err() || !line.starts_with("ready ") {
            let mut message = String::new();
            if let Some(mut stderr) = child.stderr.take() {
                let _ = stderr.read_to_string(&mut message);
            }
            panic!("the cluster does not start: {message}{line}");
        }
        // The pipes and the child are leaked on purpose: the cluster watches this process and ends with it.
        std::mem::forget((stdout, child));
        Self { binary, dir }
    }

    /// Returns the path of the administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.dir.join("kubeconfig")
    }

    /// Returns the directory in which its components log, which stays when the cluster is gone.
    pub fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    /// Returns a client with the administrator's rights. A client belongs to the async runtime in which it
    /// is made, so every test makes its own.
    pub async fn client(&self) -> Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let path = self.kubeconfig();
        let kubeconfig = Kubeconfig::read_from(&path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        let config =
            kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                .await
                .unwrap_or_else(|error| panic!("cannot use {}: {error}", path.display()));
        Client::try_from(config).unwrap_or_else(|error| panic!("cannot make a client: {error}"))
    }

    /// Stops only the API server.
    pub fn stop_api(&self) {
        self.command("stop-api");
    }

    /// Starts the API server again and returns when it is ready.
    pub fn start_api(&self) {
        self.command("start-api");
    }

    /// Ends the cluster before the test process does.
    pub fn down(&self) {
        self.command("down");
    }

    fn command(&self, name: &str) {
        let output = Command::new(&self.binary)
            .arg(name)
            .arg("--dir")
            .arg(&self.dir)
            .output()
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", self.binary.display()));
        assert!(
            output.status.success(),
            "devcluster {name} failed: {}\n{}",
            String::from_utf8_lossy(&output.stderr),
            tail(&self.dir.join("logs/devcluster.log"), 10)
        );
    }
}

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn binary() -> PathBuf {
    let path = std::env::var_os("DRIFTLESS_DEVCLUSTER").map_or_else(
        || repository().join("target/tools/devcluster"),
        PathBuf::from,
    );
    assert!(
        path.is_file(),
        "devcluster is missing at {}: build it with `make tools`, or name it in DRIFTLESS_DEVCLUSTER",
        path.display()
    );
    path
}

/// Returns where a cluster keeps its files: below `target`, where the logs of the last run stay to be read.
fn directory(name: &str) -> PathBuf {
    let test = std::env::current_exe()
        .ok()
        .and_then(|path| {
            path.file_stem()
                .map(|stem| stem.to_string_lossy().into_owned())
        })
        .unwrap_or_default();
    let target = repository().join("target/devclusters");
    // An older run's directories are only logs by now; those of a run beside this one are in use and stay.
    if let Ok(entries) = std::fs::read_dir(&target) {
        for entry in entries.flatten() {
            if !entry.path().join("devcluster.json").exists() && is_old(&entry) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }
    target.join(format!("{test}-{name}-{}", std::process::id()))
}

fn is_old(entry: &std::fs::DirEntry) -> bool {
    let age = entry.metadata().and_then(|metadata| metadata.modified());
    age.is_ok_and(|at| at.elapsed().is_ok_and(|age| age.as_secs() > 600))
}
