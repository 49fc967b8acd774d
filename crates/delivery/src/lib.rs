//! Runs ModelRollouts: looks at each target, asks the state machine what is next, and does it.
//!
//! - [`target`]: what can be rolled out, one module for each kind, behind one trait.
//! - `runner` has one cluster's rollouts, `worker` one rollout; `status` says how far it is.
//!
//! # Invariants
//!
//! - What is decided is decided by `driftless_rollout::machine`; nothing here has an opinion.
//! - Every write goes through `kube::Writer`, fenced by the controller's lease.
//! - What is remembered is in the rollout's status, stored before it is acted upon; the process may end at any point.
//! - What cannot be read leads to waiting, never to an action.
//! - A cluster without the kind is asked for its kinds now and then, and nothing else.

mod capacity;
mod index;
mod inputs;
mod metrics;
mod runner;
mod status;
pub mod target;
mod warm;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use driftless_analysis::Measure;
use driftless_core::{Clock, ClusterUrl, Namespace};
use driftless_kube::{Cluster, Clusters, WriteCtx};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use metrics::Metrics;
pub use target::{Ctx, Seen, Target};

use crate::runner::Runner;

/// A cluster is asked this often whether it has rollouts by now.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// What it works with.
pub struct Services {
    /// Clusters with targets.
    pub clusters: Arc<Clusters>,
    /// The cluster of the control plane, for its Secrets.
    pub control: Arc<Cluster>,
    /// Namespace of the control plane.
    pub namespace: Namespace,
    /// On whose behalf it writes, under which lease.
    pub write: WriteCtx,
    /// Namespaces whose rollouts it looks after; all of them when empty.
    pub namespaces: Vec<String>,
    /// Measures metrics.
    pub measure: Arc<dyn Measure>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What it counts.
    pub metrics: Metrics,
}

/// Runs the rollouts of all clusters.
pub struct Delivery {
    services: Services,
}

struct Running {
    cluster: Arc<Cluster>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Delivery {
    /// Puts it together.
    pub fn new(services: Services) -> Arc<Self> {
        Arc::new(Self { services })
    }

    fn write(&self) -> WriteCtx {
        self.services.write.clone()
    }

    /// Works until `stop` is cancelled; passes that run are finished.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut generations = self.services.clusters.generations();
        let mut running: BTreeMap<ClusterUrl, Running> = BTreeMap::new();
        while !stop.is_cancelled() {
            let clusters = self.services.clusters.list();
            running.retain(|_, known| {
                let is_there = clusters
                    .iter()
                    .any(|cluster| Arc::ptr_eq(cluster, &known.cluster));
                if !is_there {
                    known.stop.cancel();
                }
                is_there && !known.task.is_finished()
            });
            for cluster in clusters {
                if !running.contains_key(cluster.url())
                    && cluster.resolve(&runner::kind()).await.is_ok()
                {
                    tracing::info!(cluster = %cluster.url(), "Rollouts are looked after");
                    let stop = stop.child_token();
                    let work =
                        Runner::new(Arc::clone(&self), Arc::clone(&cluster)).run(stop.clone());
                    let task = tokio::spawn(work);
                    let known = Running {
                        cluster: Arc::clone(&cluster),
                        stop,
                        task,
                    };
                    running.insert(cluster.url().clone(), known);
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                _ = generations.changed() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        for known in running.into_values() {
            if let Err(error) = known.task.await {
                tracing::error!(%error, "The rollouts of a cluster ended early");
            }
        }
    }
}
