//! Whether new pods find a place: nodes, pods and quotas as `driftless_rollout::fit` wants them.

use std::collections::BTreeMap;
use std::time::Duration;

use driftless_core::GroupVersionKind;
use driftless_kube::Cluster;
use driftless_manifest::quantity::Quantity;
use driftless_rollout::fit::{
    Ask, Cluster as Places, Held, Node, Resources, Shape, Taint, Toleration, Verdict,
};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::target::{Pods, list};

/// Nodes and pods are read again after this time.
const FRESH: Duration = Duration::from_secs(10);

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    name: String,
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct NodeObject {
    #[serde(default)]
    metadata: Meta,
    #[serde(default)]
    spec: NodeSpec,
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct NodeSpec {
    unschedulable: bool,
    taints: Vec<TaintObject>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct TaintObject {
    key: String,
    value: String,
    effect: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NodeStatus {
    allocatable: BTreeMap<String, Value>,
    conditions: Vec<Condition>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Condition {
    r#type: String,
    status: String,
}

#[derive(Deserialize)]
struct PodObject {
    #[serde(default)]
    spec: PodSpec,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PodStatus {
    phase: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct PodSpec {
    node_name: String,
    containers: Vec<Container>,
    init_containers: Vec<Container>,
    overhead: BTreeMap<String, Value>,
    node_selector: BTreeMap<String, String>,
    tolerations: Vec<TolerationObject>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    resources: ContainerResources,
    restart_policy: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ContainerResources {
    requests: BTreeMap<String, Value>,
    limits: BTreeMap<String, Value>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct TolerationObject {
    key: String,
    operator: String,
    value: String,
    effect: String,
}

#[derive(Deserialize)]
struct QuotaObject {
    #[serde(default)]
    status: QuotaStatus,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct QuotaStatus {
    hard: BTreeMap<String, Value>,
    used: BTreeMap<String, Value>,
}

fn amount(value: &Value) -> i64 {
    let quantity = match value {
        Value::String(text) => Quantity::parse(text),
        other => Quantity::parse(&other.to_string()),
    };
    quantity.map_or(0, |quantity| {
        i64::try_from(quantity.milli()).unwrap_or(i64::MAX / 4)
    })
}

impl Container {
    fn requests(&self) -> Resources {
        let mut requests: Resources = BTreeMap::new();
        // A limit without a request is one.
        for (name, value) in self.resources.limits.iter().chain(&self.resources.requests) {
            requests.insert(name.clone(), amount(value));
        }
        requests
    }
}

impl PodSpec {
    fn requests(&self) -> Resources {
        let mut total: Resources = BTreeMap::new();
        let add = |total: &mut Resources, more: Resources| {
            for (name, amount) in more {
                *total.entry(name).or_default() += amount;
            }
        };
        let mut most: Resources = BTreeMap::new();
        let mut beside: Resources = BTreeMap::new();
        for container in &self.init_containers {
            let requests = container.requests();
            if container.restart_policy == "Always" {
                add(&mut beside, requests);
            } else {
                for (name, amount) in requests {
                    let slot = most.entry(name).or_default();
                    *slot = (*slot).max(amount);
                }
            }
        }
        for container in &self.containers {
            add(&mut total, container.requests());
        }
        add(&mut total, beside);
        for (name, amount) in most {
            let slot = total.entry(name).or_default();
            *slot = (*slot).max(amount);
        }
        let overhead = self
            .overhead
            .iter()
            .map(|(name, value)| (name.clone(), amount(value)));
        add(&mut total, overhead.collect());
        total.insert("pods".to_owned(), 1000);
        total
    }

    fn shape(&self, count: u32) -> Shape {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Shape {
            requests: self.requests(),
            tolerations: self
                .tolerations
                .iter()
                .map(|toleration| Toleration {
                    key: some(&toleration.key),
                    value: if toleration.operator == "Exists" {
                        None
                    } else {
                        Some(toleration.value.clone())
                    },
                    effect: some(&toleration.effect),
                })
                .collect(),
            selector: self.node_selector.clone(),
            count,
        }
    }
}

impl PodObject {
    fn is_over(&self) -> bool {
        matches!(self.status.phase.as_str(), "Succeeded" | "Failed")
    }
}

/// What is known of a cluster's places; shared by its rollouts.
#[derive(Default)]
pub(crate) struct Capacity {
    nodes: Mutex<Option<(Instant, Vec<Node>)>>,
}

impl Capacity {
    /// Says whether so many replicas of the new version fit. The error says what could not be read.
    pub(crate) async fn check(
        &self,
        cluster: &Cluster,
        namespace: &str,
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
        let nodes = self.nodes(cluster).await?;
        let quota = BTreeMap::from([(namespace.to_owned(), left(&quotas))]);
        Ok(Places::new(nodes, quota, std::slice::from_ref(&ask)).check(&ask))
    }

    async fn nodes(&self, cluster: &Cluster) -> Result<Vec<Node>, String> {
        let mut known = self.nodes.lock().await;
        if let Some((at, nodes)) = &*known
            && at.elapsed() < FRESH
        {
            return Ok(nodes.clone());
        }
        let core = |kind: &str| GroupVersionKind::new("", "v1", kind);
        let nodes: Vec<NodeObject> = list(cluster, &core("Node"), "", "")
            .await
            .map_err(|error| error.text())?;
        let pods: Vec<PodObject> = list(cluster, &core("Pod"), "", "")
            .await
            .map_err(|error| error.text())?;
        let nodes = places(nodes, &pods);
        *known = Some((Instant::now(), nodes.clone()));
        Ok(nodes)
    }
}

fn places(nodes: Vec<NodeObject>, pods: &[PodObject]) -> Vec<Node> {
    let mut taken: BTreeMap<&str, Resources> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| !pod.is_over()) {
        let node = taken.entry(&pod.spec.node_name).or_default();
        for (name, amount) in pod.spec.requests() {
            *node.entry(name).or_default() += amount;
        }
    }
    let free = |node: NodeObject| {
        let mut free: Resources = node
            .status
            .allocatable
            .iter()
            .map(|(name, value)| (name.clone(), amount(value)))
            .collect();
        for (name, amount) in taken.get(node.metadata.name.as_str()).into_iter().flatten() {
            if let Some(left) = free.get_mut(name) {
                *left -= amount;
            }
        }
        let is_ready = node
            .status
            .conditions
            .iter()
            .any(|condition| condition.r#type == "Ready" && condition.status == "True");
        Node {
            name: node.metadata.name,
            free,
            taints: node
                .spec
                .taints
                .into_iter()
                .map(|taint| Taint {
                    key: taint.key,
                    value: taint.value,
                    effect: taint.effect,
                })
                .collect(),
            labels: node.metadata.labels,
            closed: node.spec.unschedulable || !is_ready,
        }
    };
    nodes.into_iter().map(free).collect()
}

/// Returns what is left of all quotas of a namespace, by resource.
fn left(quotas: &[QuotaObject]) -> Resources {
    let mut left: Resources = BTreeMap::new();
    for quota in quotas {
        for (name, hard) in &quota.status.hard {
            let resource = match name.strip_prefix("requests.") {
                Some(resource) => resource,
                None if matches!(name.as_str(), "pods" | "cpu" | "memory") => name,
                None => continue,
            };
            let used = quota.status.used.get(name).map_or(0, amount);
            let free = amount(hard) - used;
            let slot = left.entry(resource.to_owned()).or_insert(free);
            *slot = (*slot).min(free);
        }
    }
    left
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
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_of_a_pod() {
        let spec: PodSpec = serde_json::from_value(json!({
            "containers": [{"resources": {"limits": {"nvidia.com/gpu": 1}, "requests": {"cpu": "500m"}}}, {}],
            "initContainers": [{"resources": {"requests": {"cpu": "2"}}},
                {"restartPolicy": "Always", "resources": {"requests": {"cpu": "100m"}}}],
        }))
        .unwrap();
        let requests = spec.requests();
        assert_eq!(requests["nvidia.com/gpu"], 1000);
        assert_eq!(requests["cpu"], 2000);
        assert_eq!(requests["pods"], 1000);
    }

    #[test]
    fn the_tightest_quota_counts() {
        let quota = |hard: &str| -> QuotaObject {
            serde_json::from_value(json!({"status": {
                "hard": {"requests.nvidia.com/gpu": hard, "configmaps": "3"},
                "used": {"requests.nvidia.com/gpu": "1"}}}))
            .unwrap()
        };
        let left = left(&[quota("4"), quota("2")]);
        assert_eq!(left, BTreeMap::from([("nvidia.com/gpu".to_owned(), 1000)]));
    }
}
