//! A way to the API server on which calls fail when a test says so.
//!
//! Calls go to the real API server; a rule decides for each whether it is answered with an error instead, or whether
//! its answer breaks off half-way. The proxy has a thread of its own: tests wait for processes that need it.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Response, StatusCode, header};
use futures::StreamExt as _;
use parking_lot::Mutex;
use serde_json::json;
use tempfile::NamedTempFile;
use tokio::net::TcpListener;

use crate::Devcluster;

/// Largest body of a request.
const BODY: usize = 16 << 20;

/// A call of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
    /// Its query, empty when there is none.
    pub query: String,
}

impl Call {
    /// Says whether it asks for changes as they happen.
    pub fn is_watch(&self) -> bool {
        self.query.contains("watch=")
    }

    /// Says whether it only reads.
    pub fn is_read(&self) -> bool {
        self.method == "GET"
    }

    /// Says whether it deletes for real.
    pub fn is_deletion(&self) -> bool {
        self.method == "DELETE" && !self.query.contains("dryRun")
    }
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with this code, and the API server does not see it.
    Code(u16),
    /// The connection ends in the middle of the answer.
    Cut,
}

type Rule = Box<dyn FnMut(&Call) -> Option<Fault> + Send>;

struct State {
    rule: Mutex<Rule>,
    calls: Mutex<Vec<(Call, Option<Fault>)>>,
}

/// The proxy; it stops with the value.
pub struct ApiProxy {
    kubeconfig: NamedTempFile,
    state: Arc<State>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
}

impl std::fmt::Debug for ApiProxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiProxy").finish_non_exhaustive()
    }
}

impl ApiProxy {
    /// Starts a proxy to a cluster that lets everything pass.
    pub fn start(cluster: &'static Devcluster) -> Arc<Self> {
        let state = Arc::new(State {
            rule: Mutex::new(Box::new(|_| None)),
            calls: Mutex::default(),
        });
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (ready, address) = std::sync::mpsc::channel();
        let serves = Arc::clone(&state);
        std::thread::Builder::new()
            .name("api-proxy".into())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("make a runtime");
                runtime.block_on(async move {
                    let listener = TcpListener::bind("127.0.0.1:0")
                        .await
                        .expect("bind to loopback");
                    let address = listener
                        .local_addr()
                        .expect("a bound socket has an address");
                    let client = cluster.client().await;
                    let app = axum::Router::new().fallback(move |request: Request| {
                        pass(Arc::clone(&serves), client.clone(), request)
                    });
                    ready.send(address).expect("somebody waits for the address");
                    tokio::select! {
                        _ = axum::serve(listener, app) => {}
                        _ = stopped => {}
                    }
                });
            })
            .expect("start the thread of the proxy");
        let address = address.recv().expect("the proxy tells its address");
        Arc::new(Self {
            kubeconfig: kubeconfig(address),
            state,
            stop: Some(stop),
        })
    }

    /// Returns the path of a kubeconfig that leads here.
    pub fn kubeconfig(&self) -> PathBuf {
        Path::new(self.kubeconfig.path()).to_owned()
    }

    /// Decides about every call from now on, and forgets the calls so far.
    pub fn rule(&self, rule: impl FnMut(&Call) -> Option<Fault> + Send + 'static) {
        let mut slot = self.state.rule.lock();
        *slot = Box::new(rule);
        self.state.calls.lock().clear();
    }

    /// Lets everything pass from now on.
    pub fn heal(&self) {
        *self.state.rule.lock() = Box::new(|_| None);
    }

    /// Returns the calls since the last [`rule`](Self::rule), with what happened to them.
    pub fn calls(&self) -> Vec<(Call, Option<Fault>)> {
        self.state.calls.lock().clone()
    }
}

impl Drop for ApiProxy {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

fn kubeconfig(address: SocketAddr) -> NamedTempFile {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
        "clusters": [{"name": "proxy", "cluster": {"server": format!("http://{address}")}}],
        "users": [{"name": "proxy", "user": {}}],
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
    });
    let mut file = NamedTempFile::with_prefix("kubeconfig-").expect("create a file");
    file.write_all(config.to_string().as_bytes())
        .expect("write the kubeconfig");
    file
}

async fn pass(state: Arc<State>, client: kube::Client, request: Request) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let call = Call {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
    };
    let fault = {
        let mut rule = state.rule.lock();
        let fault = rule(&call);
        state.calls.lock().push((call, fault));
        fault
    };
    if let Some(Fault::Code(code)) = fault {
        return refusal(code);
    }
    let Ok(body) = axum::body::to_bytes(body, BODY).await else {
        return refusal(413);
    };
    parts.headers.remove(header::HOST);
    parts.headers.remove(header::CONNECTION);
    // The answer is passed on as it is read: bytes that may be cut in two.
    parts.headers.remove(header::ACCEPT_ENCODING);
    let request = Request::from_parts(parts, kube::client::Body::from(body.to_vec()));
    let answer = match client.send(request).await {
        Ok(answer) => answer,
        Err(error) => {
            let mut answer = Response::new(Body::from(error.to_string()));
            *answer.status_mut() = StatusCode::BAD_GATEWAY;
            return answer;
        }
    };
    let (mut parts, body) = answer.into_parts();
    parts.headers.remove(header::TRANSFER_ENCODING);
    parts.headers.remove(header::CONNECTION);
    let body = Body::new(body);
    if fault != Some(Fault::Cut) {
        return Response::from_parts(parts, body);
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    let whole = axum::body::to_bytes(body, usize::MAX)
        .await
        .unwrap_or_default();
    let half = whole.slice(..whole.len() / 2);
    let end = futures::stream::once(async { Err(std::io::Error::other("cut")) });
    let parts_of_body = futures::stream::once(async move { Ok(half) }).chain(end);
    Response::from_parts(parts, Body::from_stream(parts_of_body))
}

/// Answers as the API server does.
fn refusal(code: u16) -> Response<Body> {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        422 => "Invalid",
        429 => "TooManyRequests",
        _ => "InternalError",
    };
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", "code": code,
        "reason": reason, "message": format!("injected fault {code}"),
    });
    let mut answer = Response::new(Body::from(status.to_string()));
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if code == 429 {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    answer
}
