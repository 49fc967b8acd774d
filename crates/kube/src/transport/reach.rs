//! Whether a cluster answers: state, circuit breaker and the prober that runs only while it does not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use driftless_core::ClusterUrl;
use jiff::Timestamp;
use parking_lot::RwLock;
use serde::Deserialize;
use tokio::sync::watch;

use super::{Inner, Transport};
use crate::error::Error;

/// Whether a cluster answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClusterState {
    /// Not tried, or the first answer is awaited.
    Connecting,
    /// Answers.
    Ready,
    /// Does not answer, or does not accept our credentials.
    Unreachable {
        /// When it was first noticed.
        since: Timestamp,
        /// What the connection said.
        reason: String,
    },
}

/// What the API server says about itself.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// Such as `1`.
    pub major: String,
    /// Such as `37` or `37+`.
    pub minor: String,
    /// Such as `v1.37.2`.
    pub git_version: String,
    /// Such as `linux/amd64`.
    #[serde(default)]
    pub platform: String,
}

/// Shared account of a cluster's reachability.
pub(crate) struct Reach {
    cluster: ClusterUrl,
    state: watch::Sender<ClusterState>,
    probing: AtomicBool,
    version: RwLock<Option<Arc<Version>>>,
}

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

impl Reach {
    pub(super) fn new(cluster: ClusterUrl) -> Self {
        Self {
            cluster,
            state: watch::Sender::new(ClusterState::Connecting),
            probing: AtomicBool::new(false),
            version: RwLock::new(None),
        }
    }

    pub(crate) fn state(&self) -> ClusterState {
        self.state.borrow().clone()
    }

    pub(crate) fn states(&self) -> watch::Receiver<ClusterState> {
        self.state.subscribe()
    }

    pub(crate) fn version(&self) -> Option<Arc<Version>> {
        self.version.read().clone()
    }

    /// Fails at once while the circuit is open.
    pub(super) fn admit(&self) -> Result<(), Error> {
        match &*self.state.borrow() {
            ClusterState::Unreachable { reason, .. } => Err(Error::Unreachable {
                cluster: self.cluster.clone(),
                detail: reason.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// The cluster answered something.
    pub(super) fn answered(&self) {
        if *self.state.borrow() != ClusterState::Ready {
            self.state.send_if_modified(|state| {
                let changed = *state != ClusterState::Ready;
                *state = ClusterState::Ready;
                changed
            });
        }
    }

    fn lost(&self, reason: &str) {
        self.state.send_if_modified(|state| match state {
            ClusterState::Unreachable { reason: old, .. } if old == reason => false,
            ClusterState::Unreachable { reason: old, .. } => {
                reason.clone_into(old);
                true
            }
            _ => {
                *state = ClusterState::Unreachable {
                    since: Timestamp::now(),
                    reason: reason.to_owned(),
                };
                true
            }
        });
    }

    /// Returns true to the one caller who should start the prober.
    pub(super) fn begin_probing(&self) -> bool {
        !self.probing.swap(true, Ordering::AcqRel)
    }
}

/// Asks for the version until the cluster answers. One failed request alone (a connection that was
/// cut) does not open the circuit: the first probe must fail too.
/// Ends when the cluster is removed.
pub(super) async fn probe(inner: Weak<Inner>, first_detail: String) {
    let mut wait = FIRST_WAIT;
    while let Some(transport) = inner.upgrade().map(Transport) {
        tracing::debug!(cluster = %transport.cluster(), reason = first_detail, "Asking whether the cluster answers");
        if probe_once(&transport).await {
            return;
        }
        drop(transport);
        tokio::time::sleep(wait.mul_f64(rand::random_range(0.8..1.2))).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

async fn probe_once(transport: &Transport) -> bool {
    let reach = transport.reach();
    let result = transport.probe().await;
    if let Ok(body) = &result {
        remember_version(reach, body);
    }
    let silence = match result {
        Err(Error::Unreachable { detail, .. }) => detail,
        Err(
            error @ (Error::Timeout { .. } | Error::Unauthorized { .. } | Error::Server { .. }),
        ) => error.to_string(),
        // Any other refusal is an answer.
        Ok(_) | Err(_) => {
            reach.probing.store(false, Ordering::Release);
            reach.answered();
            return true;
        }
    };
    if reach.state() == ClusterState::Ready {
        tracing::warn!(cluster = %reach.cluster, error = silence, "Cluster does not answer");
    }
    reach.lost(&silence);
    false
}

fn remember_version(reach: &Reach, body: &Bytes) {
    match serde_json::from_slice::<Version>(body) {
        Ok(version) => *reach.version.write() = Some(Arc::new(version)),
        Err(error) => {
            tracing::warn!(cluster = %reach.cluster, %error, "Cluster's version cannot be read");
        }
    }
}
