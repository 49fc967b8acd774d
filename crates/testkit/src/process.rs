//! `driftless serve` as a subprocess: started, watched, killed, restarted.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::spawn::{spawn_bound, tail};
use crate::{Devcluster, Kind};

/// How long the binary may take until it serves. Far more than the product promises: debug builds on a
/// busy machine are slow, and the promise has its own benchmark.
const START: Duration = Duration::from_secs(60);

/// How to start the binary.
#[derive(Clone, Debug)]
pub struct Serve {
    /// The `driftless` binary.
    pub binary: PathBuf,
    /// The cluster it manages and keeps its settings in.
    pub cluster: &'static Devcluster,
    /// How it reaches the cluster, when it is not the administrator's way.
    pub kubeconfig: Option<PathBuf>,
    /// The namespace of its settings and Applications.
    pub namespace: String,
    /// More arguments.
    pub arguments: Vec<String>,
    /// More environment variables.
    pub environment: Vec<(String, String)>,
}

impl Serve {
    /// Returns the usual way, on the given cluster.
    pub fn on(
        cluster: &'static Devcluster,
        binary: impl Into<PathBuf>,
        namespace: impl Into<String>,
    ) -> Self {
        Self {
            binary: binary.into(),
            cluster,
            kubeconfig: None,
            namespace: namespace.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }
}

/// A running `driftless serve`; killed with the value and with the test process.
#[derive(Debug)]
pub struct Driftless {
    serve: Serve,
    data: TempDir,
    log: PathBuf,
    child: Mutex<Option<Child>>,
    address: Mutex<String>,
}

impl Driftless {
    /// Returns the instance that the tests of this binary share, in the namespace `argocd`.
    pub fn shared(binary: &Path) -> Arc<Self> {
        static SHARED: OnceLock<Arc<Driftless>> = OnceLock::new();
        let start = || {
            Arc::new(Self::start(Serve::on(
                Devcluster::shared(),
                binary,
                "argocd",
            )))
        };
        Arc::clone(SHARED.get_or_init(start))
    }

    /// Creates the namespace if it is not there, starts the binary and returns when it serves.
    pub fn start(serve: Serve) -> Self {
        ensure_namespace(&serve);
        let data = TempDir::with_prefix("driftless-data-").expect("create a temporary directory");
        Self::start_with_data(serve, data)
    }

    /// Starts without waiting, for tests that kill it early.
    pub fn start_with_data(serve: Serve, data: TempDir) -> Self {
        let logs = serve.cluster.logs();
        let log = logs.join(format!("driftless-{}.log", crate::unique(&serve.namespace)));
        let instance = Self {
            serve,
            data,
            log,
            child: Mutex::new(None),
            address: Mutex::new(String::new()),
        };
        instance.restart();
        instance
    }

    /// Starts the binary again after [`kill`](Self::kill), on the same data directory, and returns when it serves.
    pub fn restart(&self) {
        self.launch();
        self.wait_until_it_serves();
    }

    /// Starts the binary again and returns at once.
    pub fn launch(&self) {
        self.kill();
        let _ = std::fs::remove_file(self.data.path().join("address"));
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.unwrap_or_else(|error| panic!("cannot open {}: {error}", self.log.display()));
        assert!(
            self.serve.binary.is_file(),
            "the binary {} is missing",
            self.serve.binary.display()
        );
        let kubeconfig = self.serve.kubeconfig.clone();
        let kubeconfig = kubeconfig.unwrap_or_else(|| self.serve.cluster.kubeconfig());
        let child = spawn_bound(&self.serve.binary, |command| {
            // What the tester's own shell says about Driftless is not about this instance.
            for (name, _) in std::env::vars_os() {
                if name.as_encoded_bytes().starts_with(b"DRIFTLESS_") {
                    command.env_remove(name);
                }
            }
            command
                .arg("serve")
                .arg("--kubeconfig")
                .arg(kubeconfig)
                .args([
                    "--namespace",
                    &self.serve.namespace,
                    "--listen",
                    "127.0.0.1:0",
                    "--data-dir",
                ])
                .arg(self.data.path())
                .args(["--disable-auth", "--apply-crds"])
                .args(&self.serve.arguments)
                .envs(
                    self.serve
                        .environment
                        .iter()
                        .map(|(key, value)| (key, value)),
                )
                .stdin(Stdio::null())
                .stdout(log.try_clone().expect("duplicate a file handle"))
                .stderr(log);
        });
        *self.child.lock() = Some(child);
    }

    /// Ends the process as `kill -9` does.
    pub fn kill(&self) {
        if let Some(mut child) = self.child.lock().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Empties the data directory of a process that does not run.
    pub fn forget(&self) {
        for entry in std::fs::read_dir(self.data.path())
            .expect("read the data directory")
            .flatten()
        {
            let path = entry.path();
            let removed = if path.is_dir() {
                std::fs::remove_dir_all(&path)
            } else {
                std::fs::remove_file(&path)
            };
            removed.unwrap_or_else(|error| panic!("cannot remove {}: {error}", path.display()));
        }
    }

    /// Stops the process from running, as if the machine had forgotten it, until [`resume`](Self::resume).
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets a paused process run again.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self
            .child
            .lock()
            .as_ref()
            .map(Child::id)
            .unwrap_or_default()
            .to_string();
        let sent = std::process::Command::new("kill")
            .args([signal, &id])
            .status();
        assert!(
            sent.is_ok_and(|status| status.success()),
            "cannot signal process {id}"
        );
    }

    /// Asks the process to end and returns its exit code, or `None` when it was killed by a signal.
    pub fn stop(&self) -> Option<i32> {
        let mut child = self.child.lock().take()?;
        let id = child.id().to_string();
        let told = std::process::Command::new("kill")
            .args(["-TERM", &id])
            .status();
        assert!(
            told.is_ok_and(|status| status.success()),
            "cannot signal process {id}"
        );
        let started = Instant::now();
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return status.code(),
                Ok(None) if started.elapsed() < START => std::thread::sleep(crate::POLL),
                outcome => {
                    let _ = child.kill();
                    panic!(
                        "driftless does not stop ({outcome:?}):\n{}",
                        self.log_tail(30)
                    );
                }
            }
        }
    }

    /// Tells whether the process still runs.
    pub fn is_running(&self) -> bool {
        self.child
            .lock()
            .as_mut()
            .is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Returns the URL at which it serves.
    pub fn url(&self) -> String {
        format!("http://{}", self.address.lock())
    }

    /// Returns the namespace of its settings and Applications.
    pub fn namespace(&self) -> &str {
        &self.serve.namespace
    }

    /// Returns how it was started.
    pub fn serve(&self) -> &Serve {
        &self.serve
    }

    /// Returns everything it logged so far.
    pub fn log(&self) -> String {
        tail(&self.log, usize::MAX)
    }

    /// Returns the end of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        format!(
            "… the end of {}:\n{}",
            self.log.display(),
            tail(&self.log, lines)
        )
    }

    /// Returns its memory in use, in bytes.
    pub fn memory(&self) -> u64 {
        let child = self.child.lock();
        let Some(child) = child.as_ref() else {
            return 0;
        };
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap_or("0 kB");
        line.trim()
            .trim_end_matches(" kB")
            .trim()
            .parse::<u64>()
            .unwrap_or(0)
            * 1024
    }

    /// Sends a REST request and returns the status code with the answer (JSON, else text).
    pub async fn rest(
        &self,
        method: http::Method,
        path: &str,
        body: Option<Value>,
    ) -> (u16, Value) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut request = reqwest::Client::new().request(method, format!("{}{path}", self.url()));
        // Anything that may change something must say that it is no form of a browser's.
        request = request.header("content-type", "application/json");
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await;
        let answer = answer
            .unwrap_or_else(|error| panic!("no answer to {path}: {error}\n{}", self.log_tail(30)));
        let code = answer.status().as_u16();
        let text = answer.text().await.unwrap_or_default();
        (
            code,
            serde_json::from_str(&text).unwrap_or_else(|_| json!(text)),
        )
    }

    fn wait_until_it_serves(&self) {
        let started = Instant::now();
        let file = self.data.path().join("address");
        loop {
            assert!(
                self.is_running(),
                "driftless ended while starting:\n{}",
                self.log_tail(40)
            );
            let address = std::fs::read_to_string(&file)
                .unwrap_or_default()
                .trim()
                .to_owned();
            if !address.is_empty() && is_healthy(&address) {
                *self.address.lock() = address;
                return;
            }
            assert!(
                started.elapsed() < START,
                "driftless does not serve (address {address:?}):\n{}",
                self.log_tail(40)
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Driftless {
    fn drop(&mut self) {
        self.kill();
    }
}

fn is_healthy(address: &str) -> bool {
    let exchange = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /healthz HTTP/1.0\r\nhost: localhost\r\n\r\n")?;
        let mut answer = [0; 64];
        let read = stream.read(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer[..read]).into_owned())
    };
    exchange().is_ok_and(|answer| answer.split(' ').nth(1) == Some("200"))
}

/// Creates the control namespace, on a thread of its own because callers are synchronous.
fn ensure_namespace(serve: &Serve) {
    let (namespace, cluster) = (serve.namespace.clone(), serve.cluster);
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("build a runtime").block_on(async move {
            let client = cluster.client().await;
            if Kind::NAMESPACE.read(&client, "", &namespace).await.is_none() {
                let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
                Kind::NAMESPACE.create(&client, "", object).await;
            }
        });
    });
    assert!(
        thread.join().is_ok(),
        "cannot create the namespace {}",
        serve.namespace
    );
}
