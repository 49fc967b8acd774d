//! Whether new pods find a place: nodes, pods and quotas as `driftless_rollout::fit` wants them.
//!
//! Who came first is served first: pods that the scheduler has not looked at yet, and rollouts that were told moments ago
//! that their pods fit, have their place before anybody else is told the same.

mod objects;

use std::collections::BTreeMap;
use std::time::Duration;

use driftless_core::GroupVersionKind;
use driftless_kube::Cluster;
use driftless_rollout::fit::{Ask, Cluster as Places, Held, Node, Resources, Verdict};
use tokio::sync::Mutex;
use tokio::time::Instant;

use self::objects::{NodeObject, PodObject, PodSpec, QuotaObject, left, places};
use crate::target::{Pods, list};

/// Nodes and pods are read again after this time.
const FRESH: Duration = Duration::from_secs(10);
/// How long a place is kept for a rollout that was told it fits: by then its pods are there and are counted.
const KEPT: Duration = Duration::from_secs(15);
/// A rollout that asks again has not begun: others may go first before a place is kept for it once more.
const KEPT_AGAIN: Duration = Duration::from_mins(1);

/// Nodes, and what the pods on their way to them need.
#[derive(Clone)]
struct Known {
    nodes: Vec<Node>,
    coming: Vec<Ask>,
}

/// Places that are kept for rollouts which were told that their pods fit, by rollout and target.
#[derive(Default)]
struct Promises(BTreeMap<String, (Instant, Ask)>);

impl Promises {
    /// Returns what is kept for others than `owner`.
    fn of_others(&mut self, owner: &str, now: Instant) -> Vec<Ask> {
        self.0
            .retain(|_, (since, _)| now.duration_since(*since) < KEPT_AGAIN);
        let others = self
            .0
            .iter()
            .filter(|(of, (since, _))| *of != owner && now.duration_since(*since) < KEPT);
        others.map(|(_, (_, ask))| ask.clone()).collect()
    }

    fn keep(&mut self, owner: &str, ask: Ask, now: Instant) {
        self.0
            .entry(owner.to_owned())
            .and_modify(|kept| kept.1 = ask.clone())
            .or_insert((now, ask));
    }
}

/// What is known of a cluster's places; shared by its rollouts.
#[derive(Default)]
pub(crate) struct Capacity {
    known: Mutex<Option<(Instant, Known)>>,
    promises: parking_lot::Mutex<Promises>,
}

impl Capacity {
    /// Says whether so many replicas of the new version fit, and keeps their place for `owner` for a moment when they
    /// do. The error says what could not be read.
    pub(crate) async fn check(
        &self,
        cluster: &Cluster,
        (namespace, owner): (&str, &str),
        pods: &Pods,
        replicas: u32,
    ) -> Result<Verdict, String> {
        let mut gang = Vec::new();
        for shape in &pods.gang {
            let spec: PodSpec = serde_json::from_value(shape.spec.clone())
                .map_err(|error| format!("the pod template cannot be read: {error}"))?;
            gang.push(spec.shape(shape.count));
        }
        if gang.is_empty() {
            return Ok(Verdict::Surge);
        }
        let core = |kind: &str| GroupVersionKind::new("", "v1", kind);
        let mut old = Vec::new();
        if let Some(selector) = &pods.old {
            let found: Vec<PodObject> = list(cluster, &core("Pod"), namespace, selector)
                .await
                .map_err(|error| error.text())?;
            let running = found.into_iter().filter(|pod| !pod.is_over());
            old.extend(running.map(|pod| Held {
                requests: pod.spec.requests(),
                node: pod.spec.node_name,
            }));
        }
        let ask = Ask {
            namespace: namespace.to_owned(),
            gang,
            together: pods.together.clone(),
            replicas,
            old,
        };
        let quotas: Vec<QuotaObject> = list(cluster, &core("ResourceQuota"), namespace, "")
            .await
            .map_err(|error| error.text())?;
        let quota = BTreeMap::from([(namespace.to_owned(), left(&quotas))]);
        let known = self.known(cluster).await?;
        let owner = format!("{namespace}/{owner}");
        Ok(self.promise(known, quota, (&owner, Instant::now()), ask))
    }

    /// Gives those who came first their place, then looks for one.
    fn promise(
        &self,
        known: Known,
        quota: BTreeMap<String, Resources>,
        (owner, now): (&str, Instant),
        ask: Ask,
    ) -> Verdict {
        let mut promises = self.promises.lock();
        let mut asks = known.coming;
        asks.extend(promises.of_others(owner, now));
        asks.push(ask.clone());
        let mut places = Places::new(known.nodes, quota, &asks);
        // Those before the last one take their places; what they hear is not for this rollout.
        let verdicts = asks.iter().map(|one| places.check(one));
        let verdict = verdicts.last().unwrap_or(Verdict::Surge);
        if !matches!(verdict, Verdict::Hold { .. }) {
            promises.keep(owner, ask, now);
        }
        verdict
    }

    async fn known(&self, cluster: &Cluster) -> Result<Known, String> {
        let mut known = self.known.lock().await;
        if let Some((at, known)) = &*known
            && at.elapsed() < FRESH
        {
            return Ok(known.clone());
        }
        let core = |kind: &str| GroupVersionKind::new("", "v1", kind);
        let nodes: Vec<NodeObject> = list(cluster, &core("Node"), "", "")
            .await
            .map_err(|error| error.text())?;
        let pods: Vec<PodObject> = list(cluster, &core("Pod"), "", "")
            .await
            .map_err(|error| error.text())?;
        let coming = pods.iter().filter(|pod| pod.is_on_its_way());
        let fresh = Known {
            coming: coming
                .map(|pod| Ask {
                    gang: vec![pod.spec.shape(1)],
                    replicas: 1,
                    // Quotas count pods from their creation on.
                    ..Ask::default()
                })
                .collect(),
            nodes: places(nodes, &pods),
        };
        *known = Some((Instant::now(), fresh.clone()));
        Ok(fresh)
    }
}

/// Returns a verdict in words, for the status.
pub(crate) fn words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Surge => "all new pods fit beside the old ones".to_owned(),
        Verdict::Partial { pods, reason } => format!("{pods} new pods fit: {reason}"),
        Verdict::InPlace { reason } => format!("only in place of the old pods: {reason}"),
        Verdict::Hold { reason } => format!("they do not fit: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use driftless_rollout::fit::Shape;
    use serde_json::{Value, json};

    use super::*;

    fn gpus(count: i64) -> Ask {
        Ask {
            namespace: "models".to_owned(),
            gang: vec![Shape {
                requests: BTreeMap::from([("nvidia.com/gpu".to_owned(), count * 1000)]),
                count: 1,
                ..Shape::default()
            }],
            replicas: 1,
            ..Ask::default()
        }
    }

    fn one_gpu(coming: Vec<Ask>) -> Known {
        Known {
            nodes: vec![Node {
                name: "a".to_owned(),
                free: BTreeMap::from([("nvidia.com/gpu".to_owned(), 1000)]),
                ..Node::default()
            }],
            coming,
        }
    }

    #[test]

    fn one_gpu_is_promised_once() {
        let capacity = Capacity::default();
        let begin = Instant::now();
        let ask = |owner: &str, after: Duration| {
            let (known, quota) = (one_gpu(Vec::new()), BTreeMap::new());
            capacity.promise(known, quota, (owner, begin + after), gpus(1)) == Verdict::Surge
        };
        assert!(ask("models/a", Duration::ZERO));
        assert!(!ask("models/b", Duration::ZERO), "its place is kept");
        assert!(
            ask("models/a", Duration::ZERO),
            "its own promise is no obstacle"
        );
        // A rollout that asks again and again has not begun: it does not keep others out.
        assert!(ask("models/a", KEPT));
        assert!(ask("models/b", KEPT));
        assert!(!ask("models/a", KEPT));
        // What was asked long ago is forgotten.
        assert!(ask("models/a", KEPT + KEPT_AGAIN));
        assert!(!ask("models/b", KEPT + KEPT_AGAIN));
    }

    #[test]
    fn pods_on_their_way_come_first() {
        let capacity = Capacity::default();
        let coming = one_gpu(vec![gpus(1)]);
        let verdict = capacity.promise(
            coming,
            BTreeMap::new(),
            ("models/a", Instant::now()),
            gpus(1),
        );
        assert!(matches!(verdict, Verdict::Hold { .. }), "{verdict:?}");
        let pod = |value: Value| serde_json::from_value::<PodObject>(value).unwrap();
        assert!(pod(json!({"status": {"phase": "Pending"}})).is_on_its_way());
        for other in [
            json!({"spec": {"nodeName": "a"}, "status": {"phase": "Pending"}}),
            json!({"status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False"}]}}),
            json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": {"phase": "Pending"}}),
        ] {
            assert!(!pod(other.clone()).is_on_its_way(), "{other}");
        }
    }
}
