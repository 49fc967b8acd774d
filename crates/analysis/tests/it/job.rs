//! Jobs and objects in a real cluster. Its nodes are simulated: a pod ends as its annotation says.

use std::sync::Arc;

use driftless_analysis::{Measure as _, MeasureError};
use driftless_core::GroupVersionKind;
use driftless_kube::{
    ApplyOptions, Cluster, ClusterState, Clusters, Error, Fence, Metrics, Options, WriteCtx,
};
use driftless_manifest::Object;
use driftless_rollout::Value;
use driftless_testkit::{DEADLINE, Devcluster, POLL};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value as Json, json};

use crate::setup::{in_cluster, providers, source};

struct World {
    _clusters: Arc<Clusters>,
    cluster: Arc<Cluster>,
    namespace: String,
    uid: String,
}

impl World {
    async fn new(name: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let file = Devcluster::shared().kubeconfig();
        let kubeconfig = Kubeconfig::read_from(file).unwrap();
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .unwrap();
        let clusters = Clusters::new(Options::default(), Metrics::default());
        let cluster = clusters.connect_in_cluster(config).unwrap();
        let mut states = cluster.states();
        states
            .wait_for(|state| *state == ClusterState::Ready)
            .await
            .unwrap();
        let mut world = Self {
            _clusters: clusters,
            cluster,
            namespace: driftless_testkit::unique(name),
            uid: String::new(),
        };
        let namespace = world.namespace.clone();
        world
            .apply(
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
            )
            .await;
        let owner = world
            .apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fraud", "namespace": namespace}, "data": {"score": "0.75"}}))
            .await;
        owner.uid().unwrap().clone_into(&mut world.uid);
        world
    }

    async fn apply(&self, object: Json) -> Object {
        let object = Object::from_value(object).unwrap();
        let write = WriteCtx::internal(Fence::unfenced());
        let writer = self.cluster.writer();
        writer
            .apply(&write, &object, &ApplyOptions::default())
            .await
            .unwrap();
        self.cluster
            .get(&object.gvk(), object.namespace(), object.name())
            .await
            .unwrap()
    }

    fn ctx(&self) -> driftless_analysis::Ctx {
        in_cluster(Some(self.cluster.clone()), &self.namespace, &self.uid)
    }

    async fn jobs(&self) -> Vec<Json> {
        let address = format!("/apis/batch/v1/namespaces/{}/jobs", self.namespace);
        let request = http::Request::get(address).body(Vec::new()).unwrap();
        let list: Json = self.cluster.client().request(request).await.unwrap();
        list["items"].as_array().unwrap().clone()
    }
}

fn job(outcome: Option<&str>) -> Json {
    let annotations = match outcome {
        Some(outcome) => json!({"devcluster.driftless.dev/outcome": outcome}),
        None => json!({}),
    };
    json!({"job": {"spec": {"template": {
        "metadata": {"annotations": annotations},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "load-test"}]},
    }}}})
}

#[tokio::test]
async fn a_job_says_how_it_ended() {
    let world = World::new("job-ends").await;
    let providers = providers();
    let mut ctx = world.ctx();
    let good = source(job(None));
    assert_eq!(providers.measure(&good, &ctx).await, Ok(Value::Bool(true)));
    let jobs = world.jobs().await;
    let [job] = jobs.as_slice() else {
        panic!("one Job: {jobs:?}");
    };
    assert_eq!(
        job["metadata"]["ownerReferences"][0]["uid"],
        json!(world.uid)
    );
    assert_eq!(job["spec"]["backoffLimit"], json!(0));
    // A process that comes after a crash finds the same Job.
    assert_eq!(providers.measure(&good, &ctx).await, Ok(Value::Bool(true)));
    assert_eq!(world.jobs().await.len(), 1);

    ctx.attempt = "second".to_owned();
    let bad = source(self::job(Some("fail")));
    assert_eq!(providers.measure(&bad, &ctx).await, Ok(Value::Bool(false)));
    assert_eq!(world.jobs().await.len(), 2);
    providers.stop(&ctx).await.unwrap();
    assert_eq!(
        world.jobs().await.len(),
        2,
        "the logs of what ended can be read"
    );
}

#[tokio::test]
async fn jobs_at_work_end_with_the_rollout() {
    let world = World::new("job-stops").await;
    let mut ctx = world.ctx();
    ctx.attempt = "fraud/v2/step 0/m/0".to_owned();
    // No node has so much memory: the pod waits.
    let mut waits = job(None);
    waits["job"]["spec"]["template"]["spec"]["containers"][0]["resources"] =
        json!({"requests": {"memory": "100Ti"}});
    let waits = source(waits);
    let measured = tokio::spawn({
        let ctx = ctx.clone();
        async move { providers().measure(&waits, &ctx).await }
    });
    let begin = std::time::Instant::now();
    while world.jobs().await.is_empty() {
        assert!(begin.elapsed() < DEADLINE, "no Job is made");
        tokio::time::sleep(POLL).await;
    }
    ctx.attempt = "fraud/v1/".to_owned();
    providers().stop(&ctx).await.unwrap();
    assert_eq!(world.jobs().await.len(), 1, "that of another version stays");
    ctx.attempt = "fraud/v2/".to_owned();
    providers().stop(&ctx).await.unwrap();
    let error = measured.await.unwrap().unwrap_err();
    assert!(
        error.to_string().contains("deleted before its end"),
        "{error}"
    );
    assert!(world.jobs().await.is_empty());
}

#[tokio::test]
async fn a_field_of_an_object() {
    let world = World::new("object").await;
    let ctx = world.ctx();
    let object = |name: &str, path: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": name, "jsonPath": path});
    let measured = async |provider: Json| providers().measure(&source(provider), &ctx).await;
    let wanted = Ok(Value::Text("0.75".to_owned()));
    assert_eq!(
        measured(json!({"object": object("fraud", "{.data.score}")})).await,
        wanted
    );
    let plugin = json!({"plugin": {"driftless.dev/object": object("fraud", "{.data.score}")}});
    assert_eq!(measured(plugin).await, wanted);
    let error = measured(json!({"object": object("fraud", "{.data.drift}")}))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("drift is not found"), "{error}");
    let error = measured(json!({"object": object("other", "{.data.score}")}))
        .await
        .unwrap_err();
    assert!(matches!(error, MeasureError::Cluster(_)), "{error}");
    let namespace =
        json!({"object": {"apiVersion": "v1", "kind": "Namespace", "name": "kube-system"}});
    let error = measured(namespace).await.unwrap_err();
    assert!(error.to_string().contains("not in a namespace"), "{error}");
    let gvk = GroupVersionKind::new("", "v1", "ConfigMap");
    let missing = world.cluster.get(&gvk, &world.namespace, "other").await;
    assert!(matches!(missing, Err(Error::NotFound { .. })));
}
