//! Smart HTTP: a small server on loopback in front of `git http-backend`, which can be told to fail.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::GitRepo;

/// What the server does instead of its work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Nothing: it works.
    None,
    /// Answers 503 to everything.
    Down,
    /// Answers 401 to everything, right credentials included.
    Unauthorized,
    /// Waits this long before each answer.
    Slow(Duration),
}

struct Backend {
    root: PathBuf,
    credentials: Mutex<Option<String>>,
    fault: Mutex<Fault>,
    requests: AtomicUsize,
}

/// A running server for one repository; it stops with the value.
pub struct HttpGit {
    address: SocketAddr,
    backend: Arc<Backend>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
}

impl HttpGit {
    /// Serves a repository without credentials.
    pub fn serve(repo: &GitRepo) -> Self {
        let backend = Arc::new(Backend {
            root: repo.root().to_owned(),
            credentials: Mutex::new(None),
            fault: Mutex::new(Fault::None),
            requests: AtomicUsize::new(0),
        });
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (report, address) = std::sync::mpsc::channel();
        let state = Arc::clone(&backend);
        // A runtime of its own: the test's may be busy with a blocking call of the same request.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("build a runtime");
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
                    .await
                    .expect("bind to loopback");
                let _ = report.send(
                    listener
                        .local_addr()
                        .expect("a bound socket has an address"),
                );
                let app = Router::new().fallback(answer).with_state(state);
                tokio::select! {
                    _ = async { axum::serve(listener, app).await } => {}
                    _ = stopped => {}
                }
            });
        });
        let address = address.recv().expect("the Git server starts");
        Self {
            address,
            backend,
            stop: Some(stop),
        }
    }

    /// Asks for these credentials from now on.
    pub fn require(&self, user: &str, password: &str) {
        let encoded =
            base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        *self.backend.credentials.lock() = Some(format!("Basic {encoded}"));
    }

    /// Makes every request fail, or none, from now on.
    pub fn inject(&self, fault: Fault) {
        *self.backend.fault.lock() = fault;
    }

    /// Returns how many requests came in so far.
    pub fn requests(&self) -> usize {
        self.backend.requests.load(Ordering::SeqCst)
    }

    /// Returns the URL of the repository.
    pub fn url(&self) -> String {
        format!("http://{}/repo.git", self.address)
    }
}

impl Drop for HttpGit {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

impl std::fmt::Debug for HttpGit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpGit")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

async fn answer(
    State(backend): State<Arc<Backend>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    backend.requests.fetch_add(1, Ordering::SeqCst);
    let fault = *backend.fault.lock();
    match fault {
        Fault::Down => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Fault::Unauthorized => return unauthorized(),
        Fault::Slow(delay) => tokio::time::sleep(delay).await,
        Fault::None => {}
    }
    let wanted = backend.credentials.lock().clone();
    let given = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    if wanted.is_some() && wanted.as_deref() != given {
        return unauthorized();
    }
    match run_backend(&backend, &method, &uri, &headers, &body).await {
        Ok(output) => from_cgi(&output),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn unauthorized() -> Response {
    (
        StatusCode::UNAUTHORIZED,
        [("www-authenticate", "Basic realm=\"git\"")],
        "credentials please",
    )
        .into_response()
}

async fn run_backend(
    backend: &Backend,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
) -> std::io::Result<Vec<u8>> {
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &backend.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", uri.path())
        .env("QUERY_STRING", uri.query().unwrap_or_default())
        .env("REQUEST_METHOD", method.as_str())
        .env("CONTENT_TYPE", header("content-type"))
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let body = body.clone();
    let feed = tokio::spawn(async move { stdin.write_all(&body).await });
    let output = child.wait_with_output().await?;
    let _ = feed.await;
    Ok(output.stdout)
}

/// Turns the output of a CGI program (headers, an empty line, the body) into a response.
fn from_cgi(output: &[u8]) -> Response {
    let end = output.windows(4).position(|window| window == b"\r\n\r\n");
    let Some(end) = end else {
        return (StatusCode::BAD_GATEWAY, "git http-backend gave no headers").into_response();
    };
    let mut response = Response::builder();
    for line in String::from_utf8_lossy(&output[..end]).lines() {
        if let Some((name, value)) = line.split_once(": ") {
            if name.eq_ignore_ascii_case("status") {
                let code = value
                    .split(' ')
                    .next()
                    .and_then(|code| code.parse::<u16>().ok());
                response = response.status(code.unwrap_or(500));
            } else {
                response = response.header(name, value);
            }
        }
    }
    response
        .body(Body::from(output[end + 4..].to_vec()))
        .unwrap_or_else(|_| StatusCode::BAD_GATEWAY.into_response())
}
