//! A namespace with a model, and the component that rolls it out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use driftless_analysis::{Ctx, Measure, MeasureError, MetricSource};
use driftless_core::{Clock, GroupVersionKind, Namespace, ResourceKey};
use driftless_delivery::{Delivery, Metrics, Services};
use driftless_kube::write::{Authorise, DryRun, PatchType, Target, WriteRequest};
use driftless_kube::{
    ApplyOptions, Cluster, ClusterState, Clusters, DeleteOptions, Fence, Options, WriteCtx,
};
use driftless_manifest::Object;
use driftless_rollout::Value as Measured;
use driftless_testkit::Devcluster;
use driftless_testkit::controller::install_crds;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Longest time anything may take; tests end long before it.
const PATIENCE: Duration = Duration::from_secs(60);

struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Measures what a test says.
#[derive(Default)]
pub(crate) struct Fake(
    pub(crate) Mutex<BTreeMap<String, Result<Value, String>>>,
    /// When something was measured last.
    pub(crate) Mutex<Timestamp>,
);

#[async_trait]
impl Measure for Fake {
    async fn measure(&self, source: &MetricSource, _: &Ctx) -> Result<Measured, MeasureError> {
        let known = self.0.lock().get(&source.metric).cloned();
        *self.1.lock() = Timestamp::now();
        known
            .unwrap_or_else(|| Err("nothing is known".to_owned()))
            .map(Measured::from)
            .map_err(MeasureError::Unreachable)
    }

    async fn stop(&self, _: &Ctx) -> Result<(), MeasureError> {
        Ok(())
    }
}

/// Allows so many writes, then none: to everybody else it looks as if the process had ended.
pub(crate) struct Mortal {
    left: AtomicI64,
    pub(crate) died: Notify,
}

impl Authorise for Mortal {
    fn authorise(&self, request: &WriteRequest<'_>) -> Result<(), String> {
        if request.dry_run || request.key.kind.as_ref() == "Event" {
            return Ok(());
        }
        if self.left.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Ok(());
        }
        self.died.notify_one();
        Err("the process has ended".to_owned())
    }
}

/// A namespace of the shared cluster.
pub(crate) struct World {
    clusters: Arc<Clusters>,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) namespace: String,
    pub(crate) fake: Arc<Fake>,
    stop: Mutex<CancellationToken>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.lock().cancel();
    }
}

pub(crate) fn gvk(kind: &str) -> GroupVersionKind {
    match kind {
        "Deployment" | "StatefulSet" | "ReplicaSet" | "ControllerRevision" => {
            GroupVersionKind::new("apps", "v1", kind)
        }
        "InferenceService" => GroupVersionKind::new("serving.kserve.io", "v1beta1", kind),
        "Route" | "Revision" => GroupVersionKind::new("serving.knative.dev", "v1", kind),
        "Model" | "Experiment" => GroupVersionKind::new("mlops.seldon.io", "v1alpha1", kind),
        "SeldonDeployment" => GroupVersionKind::new("machinelearning.seldon.io", "v1", kind),
        "VirtualService" => GroupVersionKind::new("networking.istio.io", "v1", kind),
        "LLMInferenceService" => GroupVersionKind::new("serving.kserve.io", "v1alpha2", kind),
        "HTTPRoute" => GroupVersionKind::new("gateway.networking.k8s.io", "v1", kind),
        "ModelRollout" => GroupVersionKind::new("driftless.dev", "v1alpha1", kind),
        "CustomResourceDefinition" => GroupVersionKind::new("apiextensions.k8s.io", "v1", kind),
        "ResourceQuota" | "Service" | "Pod" => GroupVersionKind::new("", "v1", kind),
        other => panic!("the kind {other} is not known here"),
    }
}

impl World {
    pub(crate) async fn new(name: &str) -> Self {
        let config = kube::Config::from_custom_kubeconfig(
            kube::config::Kubeconfig::read_from(Devcluster::shared().kubeconfig()).unwrap(),
            &kube::config::KubeConfigOptions::default(),
        )
        .await
        .unwrap();
        let clusters = Clusters::new(Options::default(), driftless_kube::Metrics::default());
        let cluster = clusters.connect_in_cluster(config).unwrap();
        let mut states = cluster.states();
        states
            .wait_for(|state| *state == ClusterState::Ready)
            .await
            .unwrap();
        let namespace = format!("{name}-{:06x}", rand::random_range(0..0xff_ffff));
        let world = Self {
            clusters,
            cluster,
            namespace,
            fake: Arc::default(),
            stop: Mutex::default(),
        };
        let mut crds = driftless_api::crds();
        crds.retain(|crd| crd.pointer("/spec/names/kind") == Some(&json!("ModelRollout")));
        for crd in crds {
            world.apply_plain(crd).await;
        }
        let routes = driftless_testkit::kserve::http_routes();
        install_crds(&Devcluster::shared().client().await, &routes).await;
        for kind in ["ModelRollout", "HTTPRoute"] {
            let kind = gvk(kind);
            world
                .until(&format!("{kind} is served"), async || {
                    world.cluster.resolve(&kind).await.is_ok()
                })
                .await;
        }
        let ctx = WriteCtx::internal(Fence::unfenced());
        world
            .cluster
            .writer()
            .create_namespace(&ctx, &world.namespace, None, DryRun::No)
            .await
            .unwrap();
        world
    }

    pub(crate) async fn until(&self, what: &str, mut is: impl AsyncFnMut() -> bool) {
        let began = tokio::time::Instant::now();
        while !is().await {
            if began.elapsed() > PATIENCE {
                let rollout = self.find("ModelRollout", "fraud").await;
                let status = rollout.and_then(|rollout| rollout.get("status").cloned());
                panic!(
                    "not within {} s: {what}\n{:#}",
                    PATIENCE.as_secs(),
                    status.unwrap_or_default()
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn apply_plain(&self, object: Value) {
        let ctx = WriteCtx::internal(Fence::unfenced());
        let object = Object::from_value(object).unwrap();
        self.cluster
            .writer()
            .apply(&ctx, &object, &ApplyOptions::default())
            .await
            .unwrap();
    }

    pub(crate) async fn apply(&self, mut object: Value) {
        object["metadata"]["namespace"] = self.namespace.as_str().into();
        self.apply_plain(object).await;
    }

    pub(crate) async fn find(&self, kind: &str, name: &str) -> Option<Value> {
        match self.cluster.get(&gvk(kind), &self.namespace, name).await {
            Ok(object) => Some(object.into_value()),
            Err(driftless_kube::Error::NotFound { .. }) => None,
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) async fn get(&self, kind: &str, name: &str) -> Value {
        self.find(kind, name).await.unwrap()
    }

    pub(crate) async fn patch(&self, kind: &str, name: &str, patch: Value) {
        let ctx = WriteCtx::internal(Fence::unfenced());
        let gvk = gvk(kind);
        let key = ResourceKey::new(&gvk.group, &gvk.kind, &self.namespace, name);
        self.cluster
            .writer()
            .patch(
                &ctx,
                &gvk,
                &key,
                &Target::Object,
                PatchType::Merge,
                Bytes::from(patch.to_string()),
            )
            .await
            .unwrap();
    }

    pub(crate) async fn delete(&self, kind: &str, name: &str) {
        let ctx = WriteCtx::internal(Fence::unfenced());
        let gvk = gvk(kind);
        let key = ResourceKey::new(&gvk.group, &gvk.kind, &self.namespace, name);
        self.cluster
            .writer()
            .delete(&ctx, &key, &DeleteOptions::default())
            .await
            .unwrap();
    }

    /// Returns ready pods of the model, by name, with their ids and images.
    pub(crate) async fn pods(&self) -> BTreeMap<String, (String, String)> {
        let resource = self.cluster.resolve(&gvk("Pod")).await.unwrap();
        let path = format!(
            "{}?labelSelector=app%3Dfraud",
            resource.collection_path(&self.namespace)
        );
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        let list: Value = self.cluster.client().request(request).await.unwrap();
        let pods = list["items"].as_array().unwrap().iter();
        pods.filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none())
            .map(|pod| {
                let text =
                    |pointer: &str| pod.pointer(pointer).unwrap().as_str().unwrap().to_owned();
                (
                    text("/metadata/name"),
                    (text("/metadata/uid"), text("/spec/containers/0/image")),
                )
            })
            .collect()
    }

    /// Starts the component; the one before ends.
    pub(crate) fn start(&self) {
        self.start_with(WriteCtx::internal(Fence::unfenced()));
    }

    pub(crate) fn start_mortal(&self, writes: i64) -> Arc<Mortal> {
        let mortal = Arc::new(Mortal {
            left: AtomicI64::new(writes),
            died: Notify::new(),
        });
        self.start_with(WriteCtx {
            authorise: Arc::clone(&mortal) as Arc<dyn Authorise>,
            ..WriteCtx::internal(Fence::unfenced())
        });
        mortal
    }

    fn start_with(&self, write: WriteCtx) {
        let stop = CancellationToken::new();
        std::mem::replace(&mut *self.stop.lock(), stop.clone()).cancel();
        let delivery = Delivery::new(Services {
            clusters: Arc::clone(&self.clusters),
            control: Arc::clone(&self.cluster),
            namespace: Namespace::new(&self.namespace),
            write,
            namespaces: vec![self.namespace.clone()],
            measure: Arc::clone(&self.fake) as Arc<dyn Measure>,
            clock: Arc::new(Now),
            metrics: Metrics::register(&mut prometheus_client::registry::Registry::default()),
        });
        tokio::spawn(delivery.run(stop));
    }

    /// Hands a version over as a sync does.
    pub(crate) async fn hand_over(&self, rollout: &str, version: &str, object: &Value) {
        let mut object = object.clone();
        object["metadata"]["namespace"] = self.namespace.as_str().into();
        let name = driftless_api::rollout::handover::controller_revision_name("fraud", version);
        if self.find("ControllerRevision", &name).await.is_none() {
            self.apply(json!({
                "apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {"name": name},
                "revision": 1, "data": {"object": object},
            }))
            .await;
        }
        let wanted = json!({"fraud": {"version": version, "controllerRevision": name}}).to_string();
        let patch = json!({"metadata": {"annotations": {"driftless.dev/wanted": wanted}}});
        self.patch("ModelRollout", rollout, patch).await;
    }

    pub(crate) async fn command(&self, verb: &str) {
        let id = format!("{:08x}", rand::random::<u32>());
        let command = json!({"id": id, "verb": verb, "by": "ann"}).to_string();
        let patch =
            json!({"metadata": {"annotations": {"driftless.dev/rollout-command": command}}});
        self.patch("ModelRollout", "fraud", patch).await;
    }

    pub(crate) async fn target(&self) -> Value {
        let rollout = self.get("ModelRollout", "fraud").await;
        rollout
            .pointer("/status/targets/0")
            .cloned()
            .unwrap_or_default()
    }

    /// Waits until the rollout waits for a person.
    pub(crate) async fn awaits_approval(&self) {
        self.status("/waitingFor", json!("WaitingForApproval"))
            .await;
    }

    /// Waits until the status of the target says so.
    pub(crate) async fn status(&self, pointer: &str, wanted: Value) {
        let what = format!("{pointer} is {wanted}");
        self.until(&what, async || {
            self.target().await.pointer(pointer) == Some(&wanted)
        })
        .await;
    }

    /// Waits until a decision was made for this reason.
    pub(crate) async fn decided(&self, reason: &str) {
        self.until(&format!("decision {reason}"), async || {
            let target = self.target().await;
            let decisions = target.get("decisions").and_then(Value::as_array);
            decisions.is_some_and(|decisions| {
                decisions
                    .iter()
                    .any(|decision| decision["reason"] == reason)
            })
        })
        .await;
    }

    /// Makes the model at its first version with Service, route and rollout, and waits until the rollout knows it.
    pub(crate) async fn model(&self, kind: &str, steps: Value) {
        self.apply(service()).await;
        self.apply(route()).await;
        self.apply(workload(kind, "v1", 2)).await;
        self.apply(rollout("fraud", kind, steps)).await;
        self.hand_over("fraud", "v1", &workload(kind, "v1", 2))
            .await;
        self.until("the first version runs", async || {
            self.get(kind, "fraud")
                .await
                .pointer("/status/readyReplicas")
                == Some(&json!(2))
        })
        .await;
        self.start();
        self.status("/stableVersion", json!("v1")).await;
        self.status("/phase", json!("Healthy")).await;
    }
}

pub(crate) fn workload(kind: &str, image: &str, replicas: u32) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": kind,
        "metadata": {"name": "fraud", "labels": {"app": "fraud"}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "fraud"}},
            "template": {
                "metadata": {"labels": {"app": "fraud"}},
                "spec": {"containers": [{"name": "model", "image": format!("registry.example/fraud:{image}"),
                    "resources": {"requests": {"cpu": "1000m"}}}]},
            },
        },
    });
    if kind == "StatefulSet" {
        object["spec"]["serviceName"] = "fraud".into();
    }
    object
}

pub(crate) fn service() -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "fraud"},
        "spec": {"selector": {"app": "fraud"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}})
}

/// With all that the API server fills in, so that it can be compared.
pub(crate) fn route() -> Value {
    json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "fraud"},
    "spec": {"rules": [{
        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
        "backendRefs": [{"group": "", "kind": "Service", "name": "fraud", "port": 80, "weight": 1}],
    }]}})
}

/// Versions as a sync names them.
pub(crate) const ONE: &str = "1111111111";
pub(crate) const TWO: &str = "2222222222";
pub(crate) const THREE: &str = "3333333333";

/// Returns the rollout of the target `fraud` of a serving system, which routes by itself.
pub(crate) fn rollout_of(api_version: &str, kind: &str, steps: Value) -> Value {
    json!({
        "apiVersion": "driftless.dev/v1alpha1", "kind": "ModelRollout", "metadata": {"name": "fraud"},
        "spec": {
            "targetRef": {"apiVersion": api_version, "kind": kind, "name": "fraud"},
            "strategy": {"canary": {"scaleDownDelaySeconds": 0, "steps": steps}},
        },
    })
}

pub(crate) fn rollout(name: &str, kind: &str, steps: Value) -> Value {
    json!({
        "apiVersion": "driftless.dev/v1alpha1", "kind": "ModelRollout", "metadata": {"name": name},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": kind, "name": "fraud"},
            "strategy": {"canary": {
                "stableService": "fraud",
                "trafficRouting": {"httpRoute": {"name": "fraud"}},
                "scaleDownDelaySeconds": 0,
                "steps": steps,
            }},
        },
    })
}

/// Returns the weights in the route, by Service.
pub(crate) fn weights(route: &Value) -> BTreeMap<String, i64> {
    let backends = route
        .pointer("/spec/rules/0/backendRefs")
        .unwrap()
        .as_array()
        .unwrap();
    backends
        .iter()
        .map(|backend| {
            let name = backend["name"].as_str().unwrap().to_owned();
            (
                name,
                backend.get("weight").and_then(Value::as_i64).unwrap_or(1),
            )
        })
        .collect()
}
