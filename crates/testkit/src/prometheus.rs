//! A real Prometheus on loopback, scraping what a test serves.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::routing::get;
use parking_lot::Mutex;
use tempfile::TempDir;

use crate::spawn::{spawn_bound, tail};
use crate::{DEADLINE, POLL};

/// Where Debian's package puts the program.
const PROGRAM: &str = "/usr/bin/prometheus";

/// An exposition endpoint whose text the test sets.
#[derive(Clone, Debug)]
pub struct MetricSource {
    text: Arc<Mutex<String>>,
    address: String,
}

impl MetricSource {
    /// Serves on loopback until the runtime ends.
    pub async fn serve() -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let served = Arc::clone(&text);
        let answer = get(move || {
            let text = served.lock().clone();
            async move { text }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("bind a port of loopback");
        let address = listener.local_addr().expect("a bound port").to_string();
        let router = Router::new().route("/metrics", answer);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { text, address }
    }

    /// Sets what is exposed from now on.
    pub fn set(&self, text: impl Into<String>) {
        *self.text.lock() = text.into();
    }
}

/// A running Prometheus; it ends with the value and with the test process.
#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    port: u16,
    _data: TempDir,
}

impl Prometheus {
    /// Starts one that scrapes `source` once a second, and returns when it answers.
    pub async fn start(source: &MetricSource) -> Self {
        assert!(
            Path::new(PROGRAM).is_file(),
            "{PROGRAM} is missing: install the package prometheus (tools/setup.sh)"
        );
        let data = TempDir::with_prefix("driftless-prometheus-").expect("a temporary directory");
        let config = data.path().join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n- job_name: models\n  static_configs: [{{targets: [\"{}\"]}}]\n",
            source.address
        );
        std::fs::write(&config, text).expect("write the configuration");
        let port = free_port();
        let log = data.path().join("log");
        let output = std::fs::File::create(&log).expect("create the log");
        let child = spawn_bound(Path::new(PROGRAM), |command: &mut Command| {
            command
                .arg(format!("--config.file={}", config.display()))
                .arg(format!(
                    "--storage.tsdb.path={}",
                    data.path().join("tsdb").display()
                ))
                .arg(format!("--web.listen-address=127.0.0.1:{port}"))
                .arg("--log.level=warn")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(output);
        });
        let mut running = Self {
            child,
            port,
            _data: data,
        };
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = running.child.try_wait().ok().flatten();
            assert!(
                ended.is_none() && begin.elapsed() < DEADLINE,
                "prometheus does not answer:\n{}",
                tail(&log, 20)
            );
            tokio::time::sleep(POLL).await;
        }
        running
    }

    /// Returns its address.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Stops it for the time being: connections stand, and nothing answers.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// Ends it.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(status.is_ok_and(|status| status.success()), "kill -{name}");
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Returns a port that was free a moment ago: Prometheus does not say which one it took.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind a port of loopback");
    listener.local_addr().expect("a bound port").port()
}
