//! One cluster's HTTP: sends requests, reads answers, turns refusals into typed errors, and keeps
//! account of whether the cluster answers at all.

mod answer;
mod connect;
mod reach;
mod spread;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use driftless_core::{ClusterUrl, Secret};
use futures::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyDataStream, BodyExt as _, Limited};
use kube::client::Body;
use tower::ServiceExt as _;

use crate::error::Error;
use crate::lease::Fence;
use connect::{Protocol, Service};

pub(crate) use answer::Scrub;
pub(crate) use reach::Reach;
pub use reach::{ClusterState, Version};
pub(crate) use spread::Answer;

/// Largest answer that is read whole.
const MAX_ANSWER: usize = 512 * 1024 * 1024;
/// Longest time a request waits in all when the server asks to slow down.
const MAX_SLOWDOWN: Duration = Duration::from_secs(30);

/// Acting as somebody else; the API server decides with that identity's rights.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Impersonate {
    /// User name, such as `system:serviceaccount:ns:name`. Never empty.
    user: String,
    groups: Vec<String>,
}

impl Impersonate {
    /// Acts as `user`; `None` for an empty name, which would silently mean ourselves.
    pub fn user(user: impl Into<String>) -> Option<Self> {
        let user = user.into();
        (!user.trim().is_empty()).then_some(Self {
            user,
            groups: Vec::new(),
        })
    }

    /// Acts as a service account; `None` where a part is empty.
    pub fn service_account(namespace: &str, name: &str) -> Option<Self> {
        if namespace.is_empty() || name.is_empty() {
            return None;
        }
        Self::user(format!("system:serviceaccount:{namespace}:{name}"))
    }

    /// Adds groups.
    pub fn with_groups(mut self, groups: impl IntoIterator<Item = String>) -> Self {
        self.groups
            .extend(groups.into_iter().filter(|group| !group.is_empty()));
        self
    }
}

/// One request.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    /// Path and query, from the root of the API server.
    pub(crate) path: String,
    pub(crate) accept: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    /// Limit for the head of the answer, and for its body where it is read whole.
    pub(crate) timeout: Duration,
    pub(crate) impersonate: Option<&'a Impersonate>,
    /// What is removed from error texts.
    pub(crate) scrub: Scrub,
    /// Asked before each attempt to send, those after "slow down" too.
    pub(crate) gate: Option<&'a Fence>,
}

pub(crate) const JSON: &str = "application/json";
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

impl Call<'_> {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path, JSON, Bytes::new())
    }

    pub(crate) fn new(
        method: Method,
        path: impl Into<String>,
        content_type: &'static str,
        body: Bytes,
    ) -> Self {
        Self {
            method,
            path: path.into(),
            accept: JSON,
            content_type,
            body,
            timeout: REQUEST_TIMEOUT,
            impersonate: None,
            scrub: Scrub::default(),
            gate: None,
        }
    }

    fn what(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{} {path}", self.method)
    }
}

/// Which connections a request uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lane {
    /// Lists and watches.
    Read,
    /// Writes, single reads, logs.
    Write,
}

/// The connections to one cluster. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Transport(Arc<Inner>);

pub(crate) struct Inner {
    cluster: ClusterUrl,
    base: String,
    read: Service,
    write: Service,
    reach: Reach,
    headers: Vec<(header::HeaderName, Secret<HeaderValue>)>,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Transport({})", self.0.cluster)
    }
}

impl Transport {
    /// Sets up connections; nothing is sent yet.
    pub(crate) fn new(cluster: ClusterUrl, config: &kube::Config) -> Result<Self, String> {
        // A second call finds the provider installed, which is what we want.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let base = config
            .cluster_url
            .to_string()
            .trim_end_matches('/')
            .to_owned();
        let mut headers: Vec<_> = config
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), Secret::new(value.clone())))
            .collect();
        if let Some(user) = &config.auth_info.impersonate {
            let value = HeaderValue::from_str(user).map_err(|error| error.to_string())?;
            headers.push((IMPERSONATE_USER, Secret::new(value)));
            for group in config.auth_info.impersonate_groups.iter().flatten() {
                let value = HeaderValue::from_str(group).map_err(|error| error.to_string())?;
                headers.push((IMPERSONATE_GROUP, Secret::new(value)));
            }
        }
        Ok(Self(Arc::new(Inner {
            reach: Reach::new(cluster.clone()),
            cluster,
            base,
            read: connect::service(config, Protocol::Multiplexed)?,
            write: connect::service(config, Protocol::Parallel)?,
            headers,
        })))
    }

    pub(crate) fn cluster(&self) -> &ClusterUrl {
        &self.0.cluster
    }

    pub(crate) fn reach(&self) -> &Reach {
        &self.0.reach
    }

    /// Sends a request and returns the answer's head once it says success.
    pub(crate) async fn send(
        &self,
        lane: Lane,
        call: &Call<'_>,
    ) -> Result<Response<Answer>, Error> {
        self.0.reach.admit()?;
        let started = tokio::time::Instant::now();
        loop {
            if let Some(fence) = call.gate {
                fence.check()?;
            }
            let response = self.send_once(lane, call).await?;
            let status = response.status();
            if status.is_success() {
                return Ok(response);
            }
            let wait = retry_after(response.headers());
            let error = self.refusal(call, response).await;
            match (&error, wait) {
                (Error::TooManyRequests { .. }, Some(wait))
                    if started.elapsed() + wait < MAX_SLOWDOWN =>
                {
                    let jitter = rand::random_range(0.0..0.2);
                    tokio::time::sleep(wait.mul_f64(1.0 + jitter)).await;
                }
                _ => return Err(error),
            }
        }
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn fetch(
        &self,
        lane: Lane,
        call: &Call<'_>,
    ) -> Result<(StatusCode, Bytes), Error> {
        let response = self.send(lane, call).await?;
        let status = response.status();
        let body = self.read_body(call, response).await?;
        Ok((status, body))
    }

    /// Asks for `/version` whatever the state of the circuit; the prober's request.
    async fn probe(&self) -> Result<Bytes, Error> {
        let mut call = Call::get("/version");
        call.timeout = Duration::from_secs(5);
        let response = self.send_once(Lane::Write, &call).await?;
        if response.status().is_success() {
            return self.read_body(&call, response).await;
        }
        Err(self.refusal(&call, response).await)
    }

    async fn send_once(&self, lane: Lane, call: &Call<'_>) -> Result<Response<Answer>, Error> {
        let request = self.request(call)?;
        let service = match lane {
            Lane::Read => &self.0.read,
            Lane::Write => &self.0.write,
        };
        match tokio::time::timeout(call.timeout, service.clone().oneshot(request)).await {
            Ok(Ok(response)) => {
                if response.status() != StatusCode::UNAUTHORIZED {
                    self.0.reach.answered();
                }
                Ok(response)
            }
            Ok(Err(error)) => {
                let detail = deepest(&*error);
                self.suspect(&detail);
                Err(Error::Unreachable {
                    cluster: self.0.cluster.clone(),
                    detail,
                })
            }
            Err(_) => {
                self.suspect("no answer in time");
                Err(Error::Timeout {
                    what: call.what(),
                    after: call.timeout,
                })
            }
        }
    }

    fn request(&self, call: &Call<'_>) -> Result<Request<Body>, Error> {
        let bad = |detail: String| Error::BadObject { detail };
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(format!("{}{}", self.0.base, call.path))
            .header(header::ACCEPT, call.accept)
            .header(
                header::USER_AGENT,
                concat!("driftless/", env!("CARGO_PKG_VERSION")),
            );
        if !call.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, call.content_type);
        }
        for (name, value) in &self.0.headers {
            request = request.header(name, value.expose());
        }
        if let Some(identity) = call.impersonate {
            request = request.header(IMPERSONATE_USER, &identity.user);
            for group in &identity.groups {
                request = request.header(IMPERSONATE_GROUP, group);
            }
        }
        request
            .body(Body::from(call.body.clone()))
            .map_err(|error| bad(format!("{}: {error}", call.what())))
    }

    async fn read_body(&self, call: &Call<'_>, response: Response<Answer>) -> Result<Bytes, Error> {
        let collected = Limited::new(response.into_body(), MAX_ANSWER).collect();
        match tokio::time::timeout(call.timeout, collected).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) => {
                let detail = deepest(&*error);
                self.suspect(&detail);
                Err(Error::Unreachable {
                    cluster: self.0.cluster.clone(),
                    detail,
                })
            }
            Err(_) => Err(Error::Timeout {
                what: call.what(),
                after: call.timeout,
            }),
        }
    }

    async fn refusal(&self, call: &Call<'_>, response: Response<Answer>) -> Error {
        let status = response.status();
        let wait = retry_after(response.headers());
        match self.read_body(call, response).await {
            Ok(body) => answer::refusal(&self.0.cluster, status, wait, &body, &call.scrub),
            Err(error) => error,
        }
    }

    /// Starts asking whether the cluster is there, unless somebody does already.
    fn suspect(&self, detail: &str) {
        if self.0.reach.begin_probing() {
            let transport = Arc::downgrade(&self.0);
            let detail = detail.to_owned();
            tokio::spawn(async move { reach::probe(transport, detail).await });
        }
    }

    /// Makes sure the state is known soon: asks for the version if nobody is asking.
    pub(crate) fn connect(&self) {
        self.suspect("not tried yet");
    }
}

const IMPERSONATE_USER: header::HeaderName = header::HeaderName::from_static("impersonate-user");
const IMPERSONATE_GROUP: header::HeaderName = header::HeaderName::from_static("impersonate-group");

/// No object is larger (etcd takes about 1.5 MiB); a log line may be, and ends the stream.
const LONGEST_LINE: usize = 32 * 1024 * 1024;

/// Splits a streamed body into lines.
pub(crate) fn lines(body: Answer) -> Lines {
    Lines {
        stream: body.into_data_stream(),
        pending: BytesMut::new(),
        searched: 0,
    }
}

/// Lines of a streamed body, in batches of those that arrived together.
pub(crate) struct Lines {
    stream: BodyDataStream<Answer>,
    pending: BytesMut,
    /// Bytes of `pending` that hold no line end.
    searched: usize,
}

impl Lines {
    /// Waits for the next whole lines, at most `idle` long; `None` at the end of the stream. A last
    /// line without a line end is given too.
    pub(crate) async fn next(&mut self, idle: Duration) -> Result<Option<Vec<Bytes>>, String> {
        loop {
            match tokio::time::timeout(idle, self.stream.next()).await {
                Err(_) => return Err("the stream went silent".to_owned()),
                Ok(Some(Err(error))) => return Err(deepest(&error)),
                Ok(None) if self.pending.is_empty() => return Ok(None),
                Ok(None) => {
                    self.searched = 0;
                    return Ok(Some(vec![self.pending.split().freeze()]));
                }
                Ok(Some(Ok(chunk))) => self.pending.extend_from_slice(&chunk),
            }
            let fresh = self.pending.get(self.searched..).unwrap_or_default();
            let Some(last) = fresh.iter().rposition(|byte| *byte == b'\n') else {
                self.searched = self.pending.len();
                if self.searched > LONGEST_LINE {
                    return Err(format!("a line is longer than {LONGEST_LINE} bytes"));
                }
                continue;
            };
            let whole = self.pending.split_to(self.searched + last + 1).freeze();
            self.searched = self.pending.len();
            let batch = whole
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(|line| whole.slice_ref(line))
                .collect();
            return Ok(Some(batch));
        }
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// Returns the innermost message: the outer ones of HTTP errors say only "client error".
fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    let mut current = error;
    while let Some(source) = current.source() {
        current = source;
    }
    current.to_string()
}
