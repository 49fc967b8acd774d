//! The kinds that tests name, and plain reading and writing of their objects.

use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Client, core::GroupVersionKind};
use serde_json::Value;

/// One kind of object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kind {
    /// API group, empty for the core group.
    pub group: &'static str,
    /// Version within the group.
    pub version: &'static str,
    /// Name of the kind.
    pub kind: &'static str,
    /// Name of its collection.
    pub plural: &'static str,
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
}

const fn kind(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    namespaced: bool,
) -> Kind {
    Kind {
        group,
        version,
        kind,
        plural,
        namespaced,
    }
}

impl Kind {
    /// Application of the contract.
    pub const APPLICATION: Self = kind(
        "argoproj.io",
        "v1alpha1",
        "Application",
        "applications",
        true,
    );
    /// AppProject of the contract.
    pub const APP_PROJECT: Self =
        kind("argoproj.io", "v1alpha1", "AppProject", "appprojects", true);
    /// `v1` ConfigMap.
    pub const CONFIG_MAP: Self = kind("", "v1", "ConfigMap", "configmaps", true);
    /// `v1` Event.
    pub const EVENT: Self = kind("", "v1", "Event", "events", true);
    /// `v1` Namespace.
    pub const NAMESPACE: Self = kind("", "v1", "Namespace", "namespaces", false);
    /// `v1` Pod.
    pub const POD: Self = kind("", "v1", "Pod", "pods", true);
    /// `v1` Secret.
    pub const SECRET: Self = kind("", "v1", "Secret", "secrets", true);
    /// `v1` Service.
    pub const SERVICE: Self = kind("", "v1", "Service", "services", true);
    /// `v1` Endpoints.
    pub const ENDPOINTS: Self = kind("", "v1", "Endpoints", "endpoints", true);
    /// `v1` PersistentVolumeClaim.
    pub const CLAIM: Self = kind(
        "",
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        true,
    );
    /// `apps/v1` Deployment.
    pub const DEPLOYMENT: Self = kind("apps", "v1", "Deployment", "deployments", true);
    /// `apps/v1` ReplicaSet.
    pub const REPLICA_SET: Self = kind("apps", "v1", "ReplicaSet", "replicasets", true);
    /// `apps/v1` ControllerRevision.
    pub const CONTROLLER_REVISION: Self = kind(
        "apps",
        "v1",
        "ControllerRevision",
        "controllerrevisions",
        true,
    );
    /// `driftless.dev/v1alpha1` ModelRollout.
    pub const MODEL_ROLLOUT: Self = kind(
        "driftless.dev",
        "v1alpha1",
        "ModelRollout",
        "modelrollouts",
        true,
    );
    /// `batch/v1` Job.
    pub const JOB: Self = kind("batch", "v1", "Job", "jobs", true);
    /// CustomResourceDefinition.
    pub const CRD: Self = kind(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        false,
    );
    /// ValidatingWebhookConfiguration.
    pub const WEBHOOK: Self = kind(
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        false,
    );

    /// Names a kind of a custom resource.
    pub const fn custom(
        group: &'static str,
        version: &'static str,
        name: &'static str,
        plural: &'static str,
    ) -> Self {
        kind(group, version, name, plural, true)
    }

    /// The same kind, its objects in no namespace.
    pub const fn cluster_scoped(self) -> Self {
        Self {
            namespaced: false,
            ..self
        }
    }

    /// Returns the kind as the client names it.
    pub fn resource(self) -> ApiResource {
        let gvk = GroupVersionKind::gvk(self.group, self.version, self.kind);
        ApiResource::from_gvk_with_plural(&gvk, self.plural)
    }

    /// Returns the client for this kind in a namespace (ignored when the kind has none).
    pub fn api(self, client: &Client, ns: &str) -> Api<DynamicObject> {
        if self.namespaced {
            Api::namespaced_with(client.clone(), ns, &self.resource())
        } else {
            Api::all_with(client.clone(), &self.resource())
        }
    }

    /// Reads an object; `None` when it does not exist. While the API server is away it is asked again.
    pub async fn read(self, client: &Client, ns: &str, name: &str) -> Option<Value> {
        let deadline = tokio::time::Instant::now() + crate::DEADLINE;
        loop {
            match self.api(client, ns).get_opt(name).await {
                Ok(found) => return found.map(|object| to_value(&object)),
                Err(error) if tokio::time::Instant::now() > deadline => {
                    panic!("cannot read {} {ns}/{name}: {error}", self.kind)
                }
                Err(_) => tokio::time::sleep(crate::POLL).await,
            }
        }
    }

    /// Lists the objects of a namespace.
    pub async fn list(self, client: &Client, ns: &str) -> Vec<Value> {
        let list = self
            .api(client, ns)
            .list(&kube::api::ListParams::default())
            .await;
        let list =
            list.unwrap_or_else(|error| panic!("cannot list {} in {ns}: {error}", self.kind));
        list.items.iter().map(to_value).collect()
    }

    /// Creates an object.
    pub async fn create(self, client: &Client, ns: &str, object: Value) {
        let name = object
            .pointer("/metadata/name")
            .cloned()
            .unwrap_or_default();
        let object: DynamicObject = serde_json::from_value(object)
            .unwrap_or_else(|error| panic!("not a {}: {error}", self.kind));
        if let Err(error) = self
            .api(client, ns)
            .create(&PostParams::default(), &object)
            .await
        {
            panic!("cannot create {} {ns}/{name}: {error}", self.kind);
        }
    }

    /// Changes an object with a JSON merge patch.
    pub async fn merge(self, client: &Client, ns: &str, name: &str, patch: Value) {
        let api = self.api(client, ns);
        let parameters = PatchParams {
            field_manager: Some("tester".into()),
            ..Default::default()
        };
        if let Err(error) = api.patch(name, &parameters, &Patch::Merge(&patch)).await {
            panic!("cannot patch {} {ns}/{name}: {error}", self.kind);
        }
    }

    /// Changes an object's status with a JSON merge patch.
    pub async fn merge_status(self, client: &Client, ns: &str, name: &str, patch: Value) {
        let api = self.api(client, ns);
        let patch = Patch::Merge(&patch);
        if let Err(error) = api
            .patch_status(name, &PatchParams::default(), &patch)
            .await
        {
            panic!(
                "cannot patch the status of {} {ns}/{name}: {error}",
                self.kind
            );
        }
    }

    /// Deletes an object; fine when it is gone already.
    pub async fn delete(self, client: &Client, ns: &str, name: &str) {
        match self
            .api(client, ns)
            .delete(name, &DeleteParams::default())
            .await
        {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => panic!("cannot delete {} {ns}/{name}: {error}", self.kind),
        }
    }
}

fn to_value(object: &DynamicObject) -> Value {
    serde_json::to_value(object).expect("an object that came as JSON is JSON")
}
