//! Kubernetes Leases: who may act, and the fence that stops writes when that is over.
//!
//! A holder renews every few seconds. Its [`Fence`] stays open until the last renewal's request
//! time plus the lease's duration, less a margin: so it closes before anybody else may take over,
//! whatever happens to the network or to this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::transport::{Call, JSON, Lane, Transport};

/// Says, without waiting, whether a lease is held right now.
#[derive(Clone, Debug)]
pub struct Fence(Arc<FenceInner>);

#[derive(Debug)]
struct FenceInner {
    lease: String,
    base: Instant,
    /// Milliseconds after `base` until which the lease is held; 0 = not held.
    until: AtomicU64,
}

const ALWAYS: u64 = u64::MAX;

impl Fence {
    fn closed(lease: String) -> Self {
        Self(Arc::new(FenceInner {
            lease,
            base: Instant::now(),
            until: AtomicU64::new(0),
        }))
    }

    /// A fence that never closes, for work that needs no lease (a single process, tests).
    pub fn unfenced() -> Self {
        let fence = Self::closed("none".to_owned());
        fence.0.until.store(ALWAYS, Ordering::Release);
        fence
    }

    /// Says whether the lease is held.
    pub fn is_open(&self) -> bool {
        let until = self.0.until.load(Ordering::Acquire);
        until == ALWAYS || (self.0.base.elapsed().as_millis() as u64) < until
    }

    /// Returns the error for a write that must not happen.
    pub fn check(&self) -> Result<(), Error> {
        if self.is_open() {
            Ok(())
        } else {
            Err(Error::Fenced {
                lease: self.0.lease.clone(),
            })
        }
    }

    /// Closes the fence for good or until the next renewal.
    fn close(&self) {
        self.0.until.store(0, Ordering::Release);
    }

    fn open_until(&self, until: Instant) {
        let millis = until.saturating_duration_since(self.0.base).as_millis() as u64;
        self.0.until.store(millis, Ordering::Release);
    }

    async fn closes(&self) {
        loop {
            let until = self.0.until.load(Ordering::Acquire);
            let deadline = self.0.base + Duration::from_millis(until);
            if until == ALWAYS {
                std::future::pending::<()>().await;
            }
            if Instant::now() >= deadline {
                return;
            }
            tokio::time::sleep_until(deadline).await;
        }
    }
}

/// How a lease is held.
#[derive(Clone, Debug)]
pub struct LeaseOptions {
    /// Namespace of the Lease object.
    pub namespace: String,
    /// Name of the Lease object.
    pub name: String,
    /// Who we are: unique among running processes, the same after a restart (pod name, host name).
    pub identity: String,
    /// How long the lease is good without renewal.
    pub duration: Duration,
    /// How often it is renewed.
    pub renew: Duration,
    /// Labels of the Lease object, so that replicas can be listed.
    pub labels: Vec<(String, String)>,
}

impl LeaseOptions {
    /// Defaults: good for 15 s, renewed every 5 s.
    pub fn new(
        namespace: impl Into<String>,
        name: impl Into<String>,
        identity: impl Into<String>,
    ) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            identity: identity.into(),
            duration: Duration::from_secs(15),
            renew: Duration::from_secs(5),
            labels: Vec::new(),
        }
    }
}

/// Where an election stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LeaseState {
    /// Not known yet.
    Starting,
    /// We hold it.
    Held,
    /// Somebody else holds it.
    HeldBy(String),
    /// It cannot be read or written.
    Unknown(String),
}

/// A running election. Dropping it stops renewing without releasing; see [`Lease::release`].
#[derive(Debug)]
pub struct Lease {
    fence: Fence,
    states: watch::Receiver<LeaseState>,
    stop: CancellationToken,
    task: Option<tokio::task::JoinHandle<()>>,
}

/// Tells two processes with the same identity apart, so that the older one steps down.
const PROCESS: &str = "driftless.dev/process";

impl Lease {
    /// Starts to run for the lease in the background.
    pub fn start(cluster: &Cluster, options: LeaseOptions) -> Self {
        let fence = Fence::closed(format!("{}/{}", options.namespace, options.name));
        let (sender, states) = watch::channel(LeaseState::Starting);
        let stop = CancellationToken::new();
        let candidate = Candidate {
            transport: cluster.transport().clone(),
            fence: fence.clone(),
            process: format!("{:016x}", rand::random::<u64>()),
            options,
            states: sender,
            observed: None,
            was_held: false,
        };
        let task = tokio::spawn(candidate.run(stop.clone()));
        Self {
            fence,
            states,
            stop,
            task: Some(task),
        }
    }

    /// Returns the fence of this lease.
    pub fn fence(&self) -> Fence {
        self.fence.clone()
    }

    /// Returns the state and lets a caller wait for changes.
    pub fn states(&self) -> watch::Receiver<LeaseState> {
        self.states.clone()
    }

    /// Waits until the lease is held.
    pub async fn held(&self) {
        let mut states = self.states.clone();
        // The sender lives as long as the election; when it is gone nothing more will come.
        if states
            .wait_for(|state| *state == LeaseState::Held)
            .await
            .is_err()
        {
            std::future::pending::<()>().await;
        }
    }

    /// Closes the fence, gives the lease back and stops.
    pub async fn release(mut self) {
        self.fence.close();
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            // A panic of the task was reported by the runtime already.
            let _ = task.await;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            self.fence.close();
            task.abort();
        }
    }
}

struct Candidate {
    transport: Transport,
    fence: Fence,
    process: String,
    options: LeaseOptions,
    states: watch::Sender<LeaseState>,
    /// What another holder last wrote and when we saw it: clocks of two machines are never compared.
    observed: Option<(String, Instant)>,
    /// This process has held the lease before.
    was_held: bool,
}

enum Round {
    Held,
    HeldBy(String),
}

impl Candidate {
    async fn run(mut self, stop: CancellationToken) {
        loop {
            let started = Instant::now();
            let round = tokio::time::timeout(self.options.renew, self.attempt()).await;
            let state = match round {
                Ok(Ok(Round::Held)) => {
                    self.was_held = true;
                    let margin = self.options.duration / 8;
                    self.fence
                        .open_until(started + self.options.duration.saturating_sub(margin));
                    LeaseState::Held
                }
                Ok(Ok(Round::HeldBy(holder))) => {
                    self.fence.close();
                    LeaseState::HeldBy(holder)
                }
                Ok(Err(error)) => self.after_failure(error.to_string()),
                Err(_) => self.after_failure("the API server does not answer in time".to_owned()),
            };
            let wait = match &state {
                LeaseState::Held => self.options.renew,
                LeaseState::HeldBy(_) => self.options.renew / 2,
                _ => self.options.renew / 5,
            };
            self.publish(state);
            let pause = wait.mul_f64(rand::random_range(0.9..1.1));
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
                () = self.lost() => self.publish(LeaseState::Unknown("renewal is late".to_owned())),
            }
        }
        self.fence.close();
        self.give_back().await;
    }

    /// Resolves when a held lease's time is over before the next renewal.
    async fn lost(&self) {
        if *self.states.borrow() == LeaseState::Held {
            self.fence.closes().await;
        } else {
            std::future::pending::<()>().await;
        }
    }

    fn publish(&self, state: LeaseState) {
        self.states.send_if_modified(|old| {
            if *old == state {
                return false;
            }
            tracing::info!(lease = %self.fence.0.lease, state = ?state, "Lease changed");
            *old = state;
            true
        });
    }

    /// A failed round keeps the lease while its time runs.
    fn after_failure(&self, detail: String) -> LeaseState {
        if self.fence.is_open() {
            tracing::debug!(lease = %self.fence.0.lease, error = detail, "Lease not renewed, still held");
            LeaseState::Held
        } else {
            LeaseState::Unknown(detail)
        }
    }

    async fn attempt(&mut self) -> Result<Round, Error> {
        let current = match self
            .transport
            .fetch(Lane::Write, &Call::get(self.path()))
            .await
        {
            Ok((_, body)) => Some(decode(&body)?),
            Err(Error::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        let Some(mut lease) = current else {
            let lease = self.claim(json!({
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": self.options.name, "namespace": self.options.namespace},
                "spec": {},
            }));
            return match self.write(Method::POST, self.collection(), &lease).await {
                Ok(()) => Ok(Round::Held),
                Err(Error::AlreadyExists { .. }) => Ok(Round::HeldBy("another process".to_owned())),
                Err(error) => Err(error),
            };
        };
        let text = |pointer: &str| {
            lease
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let holder = text("/spec/holderIdentity").to_owned();
        let process = text("/metadata/annotations/driftless.dev~1process").to_owned();
        let mine = holder == self.options.identity;
        // The same identity after a restart takes over at once, whatever became of its first attempts. If we held it
        // and now another process with our identity does, we are the one who was replaced.
        let replaced = mine && process != self.process && self.was_held;
        if !holder.is_empty() && (!mine || replaced) && !self.expired(&lease) {
            return Ok(Round::HeldBy(holder));
        }
        lease = self.claim(lease);
        match self.write(Method::PUT, self.path(), &lease).await {
            Ok(()) => {
                self.observed = None;
                Ok(Round::Held)
            }
            Err(Error::Conflict { .. }) if !self.fence.is_open() => {
                Ok(Round::HeldBy("another process".to_owned()))
            }
            Err(error) => Err(error),
        }
    }

    /// A lease of somebody else is over when it has not changed for its duration on *our* clock.
    fn expired(&mut self, lease: &Value) -> bool {
        let stamp = lease
            .pointer("/metadata/resourceVersion")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let seconds = lease
            .pointer("/spec/leaseDurationSeconds")
            .and_then(Value::as_u64)
            .unwrap_or(self.options.duration.as_secs());
        match &self.observed {
            Some((seen, since)) if *seen == stamp => {
                since.elapsed() >= Duration::from_secs(seconds)
            }
            _ => {
                self.observed = Some((stamp, Instant::now()));
                false
            }
        }
    }

    fn claim(&self, mut lease: Value) -> Value {
        let now = micro_time(Timestamp::now());
        let old_holder = lease
            .pointer("/spec/holderIdentity")
            .and_then(Value::as_str);
        let same = old_holder == Some(self.options.identity.as_str());
        let transitions = lease
            .pointer("/spec/leaseTransitions")
            .and_then(Value::as_u64)
            .unwrap_or(0);
        let acquired = lease
            .pointer("/spec/acquireTime")
            .filter(|_| same)
            .cloned()
            .unwrap_or_else(|| json!(now));
        lease["spec"] = json!({
            "holderIdentity": self.options.identity,
            "leaseDurationSeconds": self.options.duration.as_secs(),
            "acquireTime": acquired,
            "renewTime": now,
            "leaseTransitions": transitions + u64::from(!same),
        });
        if let Some(metadata) = lease.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
            if let Some(annotations) = child(metadata, "annotations") {
                annotations.insert(PROCESS.to_owned(), json!(self.process));
            }
            if !self.options.labels.is_empty()
                && let Some(labels) = child(metadata, "labels")
            {
                for (key, value) in &self.options.labels {
                    labels.insert(key.clone(), json!(value));
                }
            }
        }
        lease
    }

    /// Empties the holder, so that the next candidate need not wait.
    async fn give_back(&self) {
        let attempt = async {
            let (_, body) = self
                .transport
                .fetch(Lane::Write, &Call::get(self.path()))
                .await?;
            let mut lease = decode(&body)?;
            let process = lease
                .pointer("/metadata/annotations/driftless.dev~1process")
                .and_then(Value::as_str);
            if process != Some(self.process.as_str()) {
                return Ok(());
            }
            if let Some(spec) = lease.get_mut("spec").and_then(Value::as_object_mut) {
                spec.insert("holderIdentity".to_owned(), json!(""));
                spec.insert("leaseDurationSeconds".to_owned(), json!(1));
            }
            self.write(Method::PUT, self.path(), &lease).await
        };
        match tokio::time::timeout(Duration::from_secs(2), attempt).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(lease = %self.fence.0.lease, %error, "Lease not given back");
            }
            Err(_) => tracing::debug!(lease = %self.fence.0.lease, "Lease not given back in time"),
        }
    }

    async fn write(&self, method: Method, path: String, lease: &Value) -> Result<(), Error> {
        let call = Call::new(method, path, JSON, Bytes::from(lease.to_string()));
        self.transport.fetch(Lane::Write, &call).await.map(|_| ())
    }

    fn collection(&self) -> String {
        format!(
            "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
            self.options.namespace
        )
    }

    fn path(&self) -> String {
        format!("{}/{}", self.collection(), self.options.name)
    }
}

/// Returns the object at `key`, made if absent; `None` where something else stands there.
fn child<'a>(
    map: &'a mut serde_json::Map<String, Value>,
    key: &str,
) -> Option<&'a mut serde_json::Map<String, Value>> {
    let slot = map.entry(key).or_insert(Value::Null);
    if slot.is_null() {
        *slot = json!({});
    }
    slot.as_object_mut()
}

fn decode(body: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(body).map_err(|error| Error::Decode {
        what: "a Lease".to_owned(),
        detail: error.to_string(),
    })
}

/// Writes a time as Kubernetes' MicroTime.
fn micro_time(time: Timestamp) -> String {
    format!("{time:.6}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_fence_closes_by_itself() {
        let fence = Fence::closed("ns/name".to_owned());
        assert!(!fence.is_open());
        fence.open_until(Instant::now() + Duration::from_secs(13));
        assert!(fence.check().is_ok());
        tokio::time::advance(Duration::from_secs(14)).await;
        assert_eq!(
            fence.check(),
            Err(Error::Fenced {
                lease: "ns/name".to_owned()
            })
        );
        assert!(Fence::unfenced().is_open());
    }

    #[test]
    fn micro_times_have_six_digits() {
        let time: Timestamp = "2026-01-02T03:04:05.5Z".parse().unwrap();
        assert_eq!(micro_time(time), "2026-01-02T03:04:05.500000Z");
    }
}
