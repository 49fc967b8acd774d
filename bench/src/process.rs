//! The processes that are measured, and what the operating system says about them.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// How long a process may take to come up.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A throw-away Kubernetes that ends with this value.
pub(crate) struct Cluster {
    /// A client with all rights.
    pub(crate) client: kube::Client,
    pub(crate) kubeconfig: PathBuf,
    _child: Child,
}

impl Cluster {
    pub(crate) async fn start(devcluster: &Path, folder: &Path) -> Result<Self> {
        Self::start_with(devcluster, folder, 1).await
    }

    /// Starts one with so many nodes.
    pub(crate) async fn start_with(devcluster: &Path, folder: &Path, nodes: usize) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let log = std::fs::File::create(folder.with_extension("log"))?;
        let mut child = Command::new(devcluster)
            .args(["up", "--foreground", "--dir"])
            .arg(folder)
            .args(["--nodes", &nodes.to_string()])
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| {
                format!("starting {}; run 'make build' first", devcluster.display())
            })?;
        let kubeconfig = folder.join("kubeconfig");
        let client = wait(&mut child, "the cluster", async || {
            let config = kube::config::Kubeconfig::read_from(&kubeconfig).ok()?;
            let config = kube::Config::from_custom_kubeconfig(
                config,
                &kube::config::KubeConfigOptions::default(),
            )
            .await
            .ok()?;
            let client = kube::Client::try_from(config).ok()?;
            client.list_core_api_versions().await.ok()?;
            Some(client)
        })
        .await?;
        Ok(Self {
            client,
            kubeconfig,
            _child: child,
        })
    }
}

/// A running `driftless serve` that ends with this value.
pub(crate) struct Driftless {
    pid: u32,
    /// Host and port.
    address: String,
    /// From start to the first answer.
    pub(crate) ready: Duration,
    _child: Child,
}

impl Driftless {
    pub(crate) async fn start(binary: &Path, cluster: &Cluster, folder: &Path) -> Result<Self> {
        let data = tempfile::tempdir_in(folder)?.keep();
        let log = std::fs::File::create(data.with_extension("log"))?;
        let began = Instant::now();
        let mut child = Command::new(binary)
            .args([
                "serve",
                "--disable-auth",
                "--apply-crds",
                "--listen",
                "127.0.0.1:0",
                "--kubeconfig",
            ])
            .arg(&cluster.kubeconfig)
            .arg("--data-dir")
            .arg(&data)
            .stdout(log.try_clone()?)
            .stderr(log)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}; run 'make build' first", binary.display()))?;
        let address = data.join("address");
        let address = wait(&mut child, "driftless", async || {
            std::fs::read_to_string(&address).ok()
        })
        .await?;
        let ready = began.elapsed();
        let pid = child.id().context("driftless has ended")?;
        Ok(Self {
            pid,
            address: address
                .trim()
                .trim_start_matches("http://")
                .trim_end_matches('/')
                .to_owned(),
            ready,
            _child: child,
        })
    }

    /// Reads the process's metrics.
    pub(crate) async fn metrics(&self) -> Result<String> {
        let mut stream = TcpStream::connect(&self.address)
            .await
            .with_context(|| format!("connecting to {}", self.address))?;
        let request = "GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n";
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    /// Peak resident memory in MiB (`VmHWM`).
    pub(crate) fn peak_mib(&self) -> Result<f64> {
        self.mib("VmHWM:")
    }

    /// Resident memory now in MiB (`VmRSS`).
    pub(crate) fn now_mib(&self) -> Result<f64> {
        self.mib("VmRSS:")
    }

    fn mib(&self, field: &str) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status
            .lines()
            .find(|line| line.starts_with(field))
            .with_context(|| format!("no {field}"))?;
        let kib: f64 = line
            .split_whitespace()
            .nth(1)
            .context("no figure")?
            .parse()?;
        Ok(kib / 1024.0)
    }

    /// Processor time used so far, user and system.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let fields = stat.rsplit_once(')').context("no fields")?.1;
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|field| field.parse::<u64>().unwrap_or(0))
            .sum();
        // USER_HZ is 100 on every Linux that Rust supports.
        Ok(Duration::from_millis(ticks * 10))
    }
}

async fn wait<T>(
    child: &mut Child,
    what: &str,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> Result<T> {
    let limit = Instant::now() + START_LIMIT;
    loop {
        if let Some(found) = probe().await {
            return Ok(found);
        }
        if let Some(status) = child.try_wait()? {
            bail!("{what} ended at its start: {status}");
        }
        if Instant::now() > limit {
            bail!("{what} did not come up in {} s", START_LIMIT.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
