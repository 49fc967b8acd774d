//! Nodes, pods and quotas, as far as their places count.

use std::collections::BTreeMap;

use driftless_manifest::quantity::Quantity;
use driftless_rollout::fit::{
    Node, Operator, Requirement, Resources, Shape, Taint, Term, Toleration,
};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    name: String,
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
pub(super) struct NodeObject {
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
pub(super) struct PodObject {
    #[serde(default)]
    metadata: PodMeta,
    #[serde(default)]
    pub(super) spec: PodSpec,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct PodMeta {
    deletion_timestamp: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PodStatus {
    phase: String,
    conditions: Vec<Condition>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PodSpec {
    pub(super) node_name: String,
    containers: Vec<Container>,
    init_containers: Vec<Container>,
    overhead: BTreeMap<String, Value>,
    node_selector: BTreeMap<String, String>,
    affinity: Affinity,
    tolerations: Vec<TolerationObject>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Affinity {
    node_affinity: NodeAffinity,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct NodeAffinity {
    required_during_scheduling_ignored_during_execution: Option<NodeSelector>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct NodeSelector {
    node_selector_terms: Vec<TermObject>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct TermObject {
    match_expressions: Vec<RequirementObject>,
    match_fields: Vec<RequirementObject>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RequirementObject {
    key: String,
    operator: String,
    values: Vec<String>,
}

impl TermObject {
    /// Returns what the term asks for. An operator that is not known is met by no node.
    fn term(&self) -> Term {
        let read = |of: &RequirementObject,
                    build: &dyn Fn(Operator, Vec<String>) -> Requirement| {
            match Operator::parse(&of.operator) {
                Some(operator) => build(operator, of.values.clone()),
                None => build(Operator::In, Vec::new()),
            }
        };
        let labels = self.match_expressions.iter().map(|one| {
            read(one, &|operator, values| {
                Requirement::label(one.key.as_str(), operator, values)
            })
        });
        // The API knows one field, the node's name.
        let fields = self.match_fields.iter();
        let fields = fields.map(|one| read(one, &Requirement::name));
        labels.chain(fields).collect()
    }
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
pub(super) struct QuotaObject {
    #[serde(default)]
    status: QuotaStatus,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct QuotaStatus {
    hard: BTreeMap<String, Value>,
    used: BTreeMap<String, Value>,
}

impl Container {
    pub(super) fn requests(&self) -> Resources {
        let mut requests: Resources = BTreeMap::new();
        // A limit without a request is one.
        for (name, value) in self.resources.limits.iter().chain(&self.resources.requests) {
            requests.insert(name.clone(), amount(value));
        }
        requests
    }
}

impl PodSpec {
    pub(super) fn requests(&self) -> Resources {
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

    pub(super) fn shape(&self, count: u32) -> Shape {
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
            affinity: self
                .affinity
                .node_affinity
                .required_during_scheduling_ignored_during_execution
                .as_ref()
                .map(|selector| {
                    let terms = selector.node_selector_terms.iter();
                    terms.map(TermObject::term).collect()
                }),
            count,
        }
    }
}

impl PodObject {
    pub(super) fn is_over(&self) -> bool {
        matches!(self.status.phase.as_str(), "Succeeded" | "Failed")
    }

    /// Says whether the scheduler has yet to look at it. What it found no place for takes none away.
    pub(super) fn is_on_its_way(&self) -> bool {
        let is_refused = |one: &Condition| one.r#type == "PodScheduled" && one.status == "False";
        self.spec.node_name.is_empty()
            && self.metadata.deletion_timestamp.is_none()
            && !self.is_over()
            && !self.status.conditions.iter().any(is_refused)
    }
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

pub(super) fn places(nodes: Vec<NodeObject>, pods: &[PodObject]) -> Vec<Node> {
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
pub(super) fn left(quotas: &[QuotaObject]) -> Resources {
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
    fn required_node_affinity_of_a_pod() {
        let spec: PodSpec = serde_json::from_value(json!({"affinity": {"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "gpu", "operator": "In", "values": ["a100", "h100"]}],
                 "matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["b"]}]},
                {"matchExpressions": [{"key": "spot", "operator": "Exists"}]}]},
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": {}}]}}}))
        .unwrap();
        let text = |values: &[&str]| values.iter().map(|one| (*one).to_owned()).collect();
        assert_eq!(
            spec.shape(1).affinity,
            Some(vec![
                vec![
                    Requirement::label("gpu", Operator::In, text(&["a100", "h100"])),
                    Requirement::name(Operator::NotIn, text(&["b"])),
                ],
                vec![Requirement::label("spot", Operator::Exists, Vec::new())],
            ])
        );
        assert_eq!(PodSpec::default().shape(1).affinity, None);
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
