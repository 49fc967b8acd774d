//! Bootstrap and live settings on a real cluster: `DRIFTLESS_DEVCLUSTER` names the program that
//! starts one (default `target/tools/devcluster`).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use driftless_core::{GroupVersionKind, Namespace};
use driftless_kube::lease::Fence;
use driftless_kube::{Cluster, Clusters, WriteCtx};
use driftless_manifest::Object;
use driftless_settings::bootstrap::{self, Admin, CrdOutcome};
use driftless_settings::{Settings, SettingsHandle};
use driftless_testkit::{Devcluster, unique};
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind as KubeGvk};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);

struct World {
    cluster: Arc<Cluster>,
    client: kube::Client,
    namespace: Namespace,
}

impl World {
    /// A connection of its own to the shared cluster, and a namespace that does not exist yet.
    async fn new(name: &str) -> Self {
        let shared = Devcluster::shared();
        let kubeconfig = Kubeconfig::read_from(shared.kubeconfig()).unwrap();
        let config =
            kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                .await
                .unwrap();
        let client = shared.client().await;
        let mut registry = prometheus_client::registry::Registry::default();
        let metrics = driftless_kube::Metrics::register(&mut registry);
        let clusters = Clusters::new(driftless_kube::Options::default(), metrics);
        let cluster = clusters.connect_in_cluster(config).unwrap();
        Self {
            cluster,
            client,
            namespace: Namespace::new(unique(name)),
        }
    }

    fn ctx() -> WriteCtx {
        WriteCtx::internal(Fence::unfenced())
    }

    async fn crds(&self) -> Vec<CrdOutcome> {
        bootstrap::apply_crds(&self.cluster, &Self::ctx())
            .await
            .unwrap()
            .into_iter()
            .map(|(_, outcome)| outcome)
            .collect()
    }

    async fn bootstrap(&self) -> Vec<String> {
        let now = jiff::Timestamp::now();
        bootstrap::run(
            &self.cluster,
            &self.namespace,
            &Self::ctx(),
            Admin::Password,
            now,
        )
        .await
        .unwrap()
    }

    fn api(&self, api_version: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let gvk = KubeGvk::gvk(group, version, kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
        Api::namespaced_with(self.client.clone(), self.namespace.as_str(), &resource)
    }

    fn config_maps(&self) -> Api<DynamicObject> {
        self.api("v1", "ConfigMap", "configmaps")
    }

    fn secrets(&self) -> Api<DynamicObject> {
        self.api("v1", "Secret", "secrets")
    }

    async fn secret_value(&self, name: &str, key: &str) -> String {
        let secret = self.secrets().get(name).await.unwrap();
        let text = secret.data["data"][key].as_str().unwrap();
        String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
    }

    async fn settings(&self) -> SettingsHandle {
        SettingsHandle::start(&self.cluster, &self.namespace, LIMIT)
            .await
            .unwrap()
    }
}

async fn until(handle: &SettingsHandle, what: &str, reached: impl Fn(&Settings) -> bool) {
    let mut changes = handle.subscribe();
    let waited = tokio::time::timeout(LIMIT, async {
        while !reached(&handle.current()) {
            changes.changed().await.unwrap();
        }
    })
    .await;
    assert!(waited.is_ok(), "not reached: {what}");
}

async fn patch(api: &Api<DynamicObject>, name: &str, patch: Value) {
    api.patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_create_everything_once() {
    let world = World::new("boot").await;
    world.crds().await;
    let (one, two) = tokio::join!(world.bootstrap(), world.bootstrap());
    let mut created: Vec<String> = one.into_iter().chain(two).collect();
    created.sort();
    // The project is applied, which two may do with the same outcome.
    created.dedup_by(|a, b| a == b && a == "AppProject default");
    let mut wanted = vec![
        "AppProject default".to_owned(),
        "ConfigMap argocd-cm".to_owned(),
        "ConfigMap argocd-cmd-params-cm".to_owned(),
        "ConfigMap argocd-rbac-cm".to_owned(),
        "ConfigMap argocd-ssh-known-hosts-cm".to_owned(),
        "ConfigMap argocd-tls-certs-cm".to_owned(),
        "Secret argocd-initial-admin-secret".to_owned(),
        "Secret argocd-secret".to_owned(),
    ];
    wanted.push(format!("Namespace {}", world.namespace));
    wanted.sort();
    assert_eq!(created, wanted, "each exactly once");
    let password = world
        .secret_value("argocd-initial-admin-secret", "password")
        .await;
    let hash = world.secret_value("argocd-secret", "admin.password").await;
    assert!(bcrypt::verify(password, &hash).unwrap());
    assert!(
        !world
            .secret_value("argocd-secret", "server.secretkey")
            .await
            .is_empty()
    );

    assert_eq!(
        world.bootstrap().await,
        Vec::<String>::new(),
        "again does nothing"
    );
    assert_eq!(
        world.secret_value("argocd-secret", "admin.password").await,
        hash
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_users_made_is_kept_and_completed() {
    let world = World::new("kept").await;
    world.crds().await;
    world.bootstrap().await;
    let key = world
        .secret_value("argocd-secret", "server.secretkey")
        .await;
    // Somebody resets the password, and made the ConfigMap without the label.
    patch(
        &world.secrets(),
        "argocd-secret",
        json!({"data": {"admin.password": null, "mine": "eA=="}}),
    )
    .await;
    patch(
        &world.config_maps(),
        "argocd-cm",
        json!({"metadata": {"labels": {"app.kubernetes.io/part-of": null}}, "data": {"url": "https://mine"}}),
    )
    .await;
    assert_eq!(world.bootstrap().await, Vec::<String>::new());
    assert_eq!(
        world
            .secret_value("argocd-secret", "server.secretkey")
            .await,
        key
    );
    assert_eq!(world.secret_value("argocd-secret", "mine").await, "x");
    assert!(
        world
            .secret_value("argocd-secret", "admin.password")
            .await
            .starts_with("$2")
    );
    let settings = world.settings().await.current();
    assert_eq!(settings.general.url, "https://mine");
    assert_eq!(
        settings.credentials.signing_key.as_ref().unwrap().expose(),
        key.as_bytes()
    );
    assert!(
        settings
            .trust
            .known_hosts
            .as_ref()
            .unwrap()
            .contains("github.com")
    );
    assert!(
        settings
            .general
            .filter
            .excludes("discovery.k8s.io", "EndpointSlice", "https://x")
    );
    assert!(
        settings.diagnostics.is_empty(),
        "{:?}",
        settings.diagnostics
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_follow_their_objects() {
    let world = World::new("live").await;
    world.crds().await;
    world.bootstrap().await;
    let handle = world.settings().await;
    assert_eq!(
        handle.current().general.timing.reconciliation,
        Duration::from_secs(30)
    );
    let config = world.config_maps();
    patch(
        &config,
        "argocd-cm",
        json!({"data": {"timeout.reconciliation": "7m"}}),
    )
    .await;
    until(&handle, "the new value", |settings| {
        settings.general.timing.reconciliation == Duration::from_secs(420)
    })
    .await;
    patch(
        &config,
        "argocd-cm",
        json!({"data": {"timeout.reconciliation": "often"}}),
    )
    .await;
    until(&handle, "the diagnostic", |settings| {
        settings.diagnostics.len() == 1
    })
    .await;
    assert_eq!(
        handle.current().general.timing.reconciliation,
        Duration::from_secs(420)
    );

    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "repo", "labels": {"argocd.argoproj.io/secret-type": "repository"}},
        "stringData": {"url": "https://git.example/x", "username": "u", "password": "p"}
    });
    let secrets = world.secrets();
    secrets
        .create(
            &PostParams::default(),
            &serde_json::from_value(secret).unwrap(),
        )
        .await
        .unwrap();
    until(&handle, "the repository", |settings| {
        settings
            .repositories
            .find("https://git.example/x.git", None)
            .is_some()
    })
    .await;
    secrets
        .delete("repo", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    until(&handle, "its end", |settings| {
        settings.repositories.iter().count() == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_crds_take_every_field_and_give_it_back() {
    let world = World::new("crds").await;
    world.crds().await;
    assert_eq!(
        world.crds().await,
        [CrdOutcome::Updated; 5],
        "ours are updated"
    );
    world.bootstrap().await;
    for (name, kind, plural) in [
        ("rich-application", "Application", "applications"),
        ("hydrated-application", "Application", "applications"),
        ("minimal-application", "Application", "applications"),
        ("rich-project", "AppProject", "appprojects"),
    ] {
        let mut wanted = object(name);
        // The API server fills these in, or refuses them.
        for key in [
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "managedFields",
            "selfLink",
            "namespace",
            "ownerReferences",
        ] {
            wanted["metadata"].as_object_mut().unwrap().remove(key);
        }
        let api = world.api("argoproj.io/v1alpha1", kind, plural);
        let sent: DynamicObject = serde_json::from_value(wanted.clone()).unwrap();
        let stored = api.create(&PostParams::default(), &sent).await.unwrap();
        for part in ["spec", "status", "operation", "futureTopField"] {
            assert_eq!(stored.data.get(part), wanted.get(part), "{name}: {part}");
        }
    }
    let refused = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "refused"},
        "spec": {"destination": {}, "syncPolicy": {"automated": {"prune": "yes"}}}
    });
    let error = world
        .api("argoproj.io/v1alpha1", "Application", "applications")
        .create(
            &PostParams::default(),
            &serde_json::from_value(refused).unwrap(),
        )
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("spec.syncPolicy.automated.prune"), "{error}");
}

fn object(name: &str) -> Value {
    let path = format!(
        "{}/../api/tests/objects/{name}.yaml",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read(path).unwrap();
    let limits = driftless_yaml::Limits::default();
    driftless_yaml::parse_documents(&text, &limits)
        .unwrap()
        .remove(0)
}

/// The control plane's own cluster reads what users may not have: an object that is not there.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_without_the_kinds_is_told_apart() {
    let own = Devcluster::start("bare", &["--nodes", "1"]);
    let kubeconfig = Kubeconfig::read_from(own.kubeconfig()).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .unwrap();
    let mut registry = prometheus_client::registry::Registry::default();
    let metrics = driftless_kube::Metrics::register(&mut registry);
    let clusters = Clusters::new(driftless_kube::Options::default(), metrics);
    let cluster = clusters.connect_in_cluster(config).unwrap();
    let run = || {
        let cluster = cluster.clone();
        async move {
            let namespace = Namespace::new("argocd");
            let now = jiff::Timestamp::now();
            bootstrap::run(&cluster, &namespace, &World::ctx(), Admin::None, now).await
        }
    };
    let error = run().await.unwrap_err();
    assert!(
        error.to_string().contains("start with --apply-crds"),
        "{error}"
    );
    // Somebody else's CRD is kept and works.
    let foreign = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "appprojects.argoproj.io"},
        "spec": {
            "group": "argoproj.io", "scope": "Namespaced",
            "names": {"kind": "AppProject", "listKind": "AppProjectList", "plural": "appprojects", "singular": "appproject"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true, "schema": {
                "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}
            }}]
        }
    });
    let foreign = Object::from_value(foreign).unwrap();
    cluster
        .writer()
        .apply(
            &World::ctx(),
            &foreign,
            &driftless_kube::ApplyOptions::default(),
        )
        .await
        .unwrap();
    let outcomes = bootstrap::apply_crds(&cluster, &World::ctx())
        .await
        .unwrap();
    assert_eq!(
        outcomes,
        [
            ("applications.argoproj.io".to_owned(), CrdOutcome::Created),
            ("appprojects.argoproj.io".to_owned(), CrdOutcome::Kept),
            (
                "modelrollouts.driftless.dev".to_owned(),
                CrdOutcome::Created
            ),
            (
                "analysistemplates.argoproj.io".to_owned(),
                CrdOutcome::Created
            ),
            (
                "clusteranalysistemplates.argoproj.io".to_owned(),
                CrdOutcome::Created
            ),
        ]
    );
    assert_eq!(run().await.unwrap(), ["AppProject default"]);
    let gvk = GroupVersionKind::new("argoproj.io", "v1alpha1", "AppProject");
    let project = cluster.get(&gvk, "argocd", "default").await.unwrap();
    assert_eq!(project.str_at(&["spec", "sourceRepos", "0"]), None);
    assert_eq!(project.at(&["spec", "sourceRepos"]), Some(&json!(["*"])));
    own.down();
}
