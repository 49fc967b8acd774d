//! Real charts and kustomizations, applied with their CRDs: Synced at once, and calm after that.
//!
//! They are not part of this repository. `DRIFTLESS_NOISE_CORPUS` names the folder that has them (`helm/<case>/chart` with
//! `helm/<case>/cases/default/{args,expected.yaml}`, `kustomize/<case>/{root,args,expected.yaml}`); the test
//! runs only when asked for (`-- --ignored calm`). `DRIFTLESS_NOISE_SECONDS` is how long everything must stay calm at the end (60 unless told),
//! `DRIFTLESS_NOISE_ONLY` a part of the names of the cases to try, `DRIFTLESS_NOISE_PART` which part of all cases
//! to try (`2/3`: the second third), so that one run need not take long.
#![allow(clippy::print_stderr, reason = "the test reports figures")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use driftless_testkit::git::{Change, write};
use driftless_testkit::{Kind, World};
use serde_json::{Value, json};

use crate::given;

const CHARTS: [&str; 28] = [
    "airflow-helm_charts__airflow",
    "apache_yunikorn-release__yunikorn",
    "bitnami-labs_sealed-secrets__sealed-secrets",
    "bitnami_charts__kafka",
    "bitnami_charts__postgresql",
    "bitnami_charts__redis",
    "cert-manager_cert-manager__cert-manager",
    "cilium_tetragon__tetragon",
    "cloudnative-pg_charts__cluster",
    "dask_helm-chart__daskhub",
    "goharbor_harbor-helm__harbor",
    "grafana-community_helm-charts__grafana",
    "grafana_alloy__alloy",
    "hashicorp_consul-k8s__consul",
    "jupyterhub_zero-to-jupyterhub-k8s__jupyterhub",
    "kedacore_charts__keda",
    "kubeflow_spark-operator__spark-operator-chart",
    "kubernetes-sigs_aws-ebs-csi-driver__aws-ebs-csi-driver",
    "kubernetes-sigs_lws__lws",
    "kubernetes-sigs_secrets-store-csi-driver__secrets-store-csi-driver",
    "kubernetes_autoscaler__cluster-autoscaler",
    "minio_minio__minio",
    "nats-io_k8s__nats",
    "open-policy-agent_gatekeeper__gatekeeper",
    "qdrant_qdrant-helm__qdrant",
    "stefanprodan_podinfo__podinfo",
    "strimzi_strimzi-kafka-operator__strimzi-kafka-operator",
    "weaviate_weaviate-helm__weaviate",
];

const KUSTOMIZATIONS: [&str; 18] = [
    "aquasecurity_trivy-operator__deploy-static",
    "argoproj_argo-workflows__manifests-quick-start-base",
    "argoproj_argocd-example-apps__sock-shop",
    "flyteorg_flyte__executor-config-default",
    "kubeflow_katib__manifests-v1beta1-installs-katib-standalone-postgres",
    "kubeflow_manifests__applications-model-registry-upstream-overlays-db",
    "kubeflow_manifests__applications-pipeline-upstream-env-plain-multi-user",
    "kubeflow_manifests__applications-profiles-upstream-overlays-kubeflow",
    "kubeflow_manifests__applications-tensorboard-tensorboard-controller-upstream-default",
    "kubeflow_manifests__common-dex-overlays-istio",
    "kubeflow_manifests__common-oauth2-proxy-overlays-m2m-dex-only",
    "kubeflow_trainer__manifests-overlays-runtimes",
    "kubernetes-sigs_kueue__config-default",
    "kubernetes_autoscaler__vertical-pod-autoscaler-deploy",
    "kyverno_policies__pod-security",
    "project-codeflare_codeflare-operator__config-default",
    "sourcegraph_deploy-sourcegraph-k8s__examples-old-cluster",
    "stefanprodan_podinfo__deploy-overlays-production",
];

/// How long one case may take until its sync is over and its comparison is done.
const LIMIT: Duration = Duration::from_secs(60);

/// After a sync the next comparison says Synced; this much later it will not any more.
const AFTERWARDS: Duration = Duration::from_secs(10);

/// Kinds of other projects that live outside of namespaces.
const CLUSTER_WIDE: [&str; 10] = [
    "ClusterIssuer",
    "ClusterPolicy",
    "ClusterTrainingRuntime",
    "GatewayClass",
    "IPAddressPool",
    "Profile",
    "ClusterServingRuntime",
    "ResourceFlavor",
    "ClusterQueue",
    "SecurityContextConstraints",
];

struct Case {
    name: &'static str,
    /// Files of the repository.
    changes: Vec<Change>,
    /// `spec.source` without the repository.
    source: Value,
    /// What the reference renders.
    objects: Vec<Value>,
}

fn files(folder: &Path, below: &str, found: &mut Vec<Change>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            files(&path, &format!("{below}/{name}"), found);
        } else {
            found.push(write(
                &format!("{below}/{name}"),
                std::fs::read(&path).unwrap(),
            ));
        }
    }
}

fn documents(path: &Path) -> Vec<Value> {
    let text = std::fs::read(path).unwrap();
    driftless_yaml::parse_documents(&text, &driftless_yaml::Limits::default())
        .map_err(|error| format!("{}: {error}", path.display()))
        .unwrap()
}

/// `release` differs from chart to chart: some name objects outside of namespaces after it alone.
fn chart(root: &Path, name: &'static str, release: &str) -> Case {
    let folder = root.join("helm").join(name);
    let case = folder.join("cases/default");
    let arguments = std::fs::read_to_string(case.join("args")).unwrap();
    let mut words = arguments.lines();
    let (mut parameters, mut values) = (Vec::new(), Vec::new());
    while let Some(word) = words.next() {
        match word {
            "--set" | "--set-string" => {
                let (key, value) = words.next().unwrap().split_once('=').unwrap();
                parameters.push(
                    json!({"name": key, "value": value, "forceString": word == "--set-string"}),
                );
            }
            "-f" | "--values" => values.push(words.next().unwrap().to_owned()),
            _ => {}
        }
    }
    let mut changes = Vec::new();
    files(&folder.join("chart"), "chart", &mut changes);
    for file in &values {
        let content = std::fs::read(folder.join(file)).unwrap();
        changes.push(write(&format!("chart/{file}"), content));
    }
    Case {
        name,
        changes,
        source: json!({"path": "chart", "helm":
            {"releaseName": release, "parameters": parameters, "valueFiles": values}}),
        objects: documents(&case.join("expected.yaml")),
    }
}

fn kustomization(root: &Path, name: &'static str) -> Case {
    let folder = root.join("kustomize").join(name);
    let arguments = std::fs::read_to_string(folder.join("args")).unwrap();
    let path = arguments.lines().last().unwrap();
    let mut changes = Vec::new();
    files(&folder.join("root"), "root", &mut changes);
    Case {
        name,
        changes,
        source: json!({"path": path}),
        objects: documents(&folder.join("expected.yaml")),
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

impl Case {
    /// Kinds of other projects that the case uses and does not define.
    fn foreign_kinds(&self) -> BTreeSet<(String, String, String)> {
        let defined: Vec<(&str, &str)> = self
            .objects
            .iter()
            .filter(|one| text(one, "/kind") == "CustomResourceDefinition")
            .map(|one| (text(one, "/spec/group"), text(one, "/spec/names/kind")))
            .collect();
        let used = self.objects.iter().filter_map(|one| {
            let (group, version) = text(one, "/apiVersion").split_once('/')?;
            let kind = text(one, "/kind");
            let is_foreign = group.contains('.')
                && !(group.ends_with(".k8s.io") && is_built_in(group))
                && !defined.contains(&(group, kind));
            is_foreign.then(|| (group.to_owned(), version.to_owned(), kind.to_owned()))
        });
        used.collect()
    }

    fn namespaces(&self) -> BTreeSet<&str> {
        let named = self
            .objects
            .iter()
            .map(|one| text(one, "/metadata/namespace"));
        named
            .filter(|name| !name.is_empty() && *name != "platform-system")
            .collect()
    }

    fn has_webhooks(&self) -> bool {
        let admits = |one: &Value| {
            text(one, "/kind").ends_with("WebhookConfiguration")
                || text(one, "/kind") == "APIService"
        };
        self.objects.iter().any(admits)
    }
}

fn is_built_in(group: &str) -> bool {
    [
        "admissionregistration",
        "apiextensions",
        "apiregistration",
        "authentication",
        "authorization",
        "certificates",
        "coordination",
        "discovery",
        "events",
        "flowcontrol.apiserver",
        "networking",
        "node",
        "policy",
        "rbac.authorization",
        "resource",
        "scheduling",
        "storage",
    ]
    .iter()
    .any(|known| group.strip_suffix(".k8s.io") == Some(known))
}

/// Creates what a case needs and does not bring: namespaces, and kinds of other projects.
async fn provide(case: &Case, client: &kube::Client) {
    for name in case.namespaces() {
        let own = case
            .objects
            .iter()
            .any(|one| text(one, "/kind") == "Namespace" && text(one, "/metadata/name") == name);
        if !own && Kind::NAMESPACE.read(client, "", name).await.is_none() {
            let object =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            Kind::NAMESPACE.create(client, "", object).await;
        }
    }
    for (group, version, kind) in case.foreign_kinds() {
        let plural = format!("{}s", kind.to_lowercase());
        let name = format!("{plural}.{group}");
        let defined =
            Kind::CRD.list(client, "").await.into_iter().find(|one| {
                text(one, "/spec/group") == group && text(one, "/spec/names/kind") == kind
            });
        if defined.is_some() {
            continue;
        }
        let scope = if CLUSTER_WIDE.contains(&kind.as_str()) {
            "Cluster"
        } else {
            "Namespaced"
        };
        let approved = json!({"api-approved.kubernetes.io": "unapproved, for a test"});
        let object = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": name, "annotations": approved},
            "spec": {
                "group": group, "scope": scope,
                "names": {"kind": kind, "plural": plural},
                "versions": [{"name": version, "served": true, "storage": true,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": {"type": "object",
                        "x-kubernetes-preserve-unknown-fields": true}}}],
            },
        });
        Kind::CRD.create(client, "", object).await;
        established(client, &name).await;
    }
}

/// Waits until the API server serves a kind.
async fn established(client: &kube::Client, name: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        let found = Kind::CRD.read(client, "", name).await.unwrap_or_default();
        let conditions = found
            .pointer("/status/conditions")
            .and_then(Value::as_array);
        let is_established =
            |one: &Value| text(one, "/type") == "Established" && text(one, "/status") == "True";
        if conditions.into_iter().flatten().any(is_established) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    unreachable!("{name} is not established");
}

/// What came of one case.
#[derive(Debug, Default)]
struct Outcome {
    objects: usize,
    seconds: f64,
    phase: String,
    status: String,
    /// What is wrong, for people.
    problems: Vec<String>,
}

fn out_of_sync(app: &Value) -> Vec<String> {
    let resources = app.pointer("/status/resources").and_then(Value::as_array);
    let resources = resources.into_iter().flatten();
    resources
        .filter(|one| text(one, "/status") == "OutOfSync")
        .map(|one| {
            format!(
                "{}/{} {}/{}",
                text(one, "/group"),
                text(one, "/kind"),
                text(one, "/namespace"),
                text(one, "/name")
            )
        })
        .collect()
}

/// Tells which fields differ, from what the API shows of it.
async fn explain(world: &World) -> Vec<String> {
    let url = format!(
        "{}/api/v1/applications/{}/managed-resources",
        world.driftless.url(),
        world.name
    );
    let answer = reqwest::get(url).await.unwrap().text().await.unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
    let items = answer.get("items").and_then(Value::as_array).cloned();
    let mut found = Vec::new();
    for item in items.unwrap_or_default() {
        let state = |field: &str| -> Value {
            serde_json::from_str(text(&item, &format!("/{field}"))).unwrap_or_default()
        };
        let mut differences = Vec::new();
        differ(
            "",
            &state("normalizedLiveState"),
            &state("predictedLiveState"),
            &mut differences,
        );
        if !differences.is_empty() && item["modified"] == true {
            let name = format!("{} {}", text(&item, "/kind"), text(&item, "/name"));
            differences.truncate(6);
            found.push(format!("{name}: {}", differences.join("; ")));
        }
    }
    found
}

fn differ(at: &str, live: &Value, predicted: &Value, found: &mut Vec<String>) {
    match (live, predicted) {
        (Value::Object(live), Value::Object(predicted)) => {
            let names: BTreeSet<&String> = live.keys().chain(predicted.keys()).collect();
            for name in names {
                let null = Value::Null;
                let (a, b) = (
                    live.get(name).unwrap_or(&null),
                    predicted.get(name).unwrap_or(&null),
                );
                differ(&format!("{at}.{name}"), a, b, found);
            }
        }
        (Value::Array(live), Value::Array(predicted)) if live.len() == predicted.len() => {
            for (index, (a, b)) in live.iter().zip(predicted).enumerate() {
                differ(&format!("{at}[{index}]"), a, b, found);
            }
        }
        _ if live != predicted => {
            let short = |value: &Value| value.to_string().chars().take(120).collect::<String>();
            found.push(format!("{at}: {} -> {}", short(live), short(predicted)));
        }
        _ => {}
    }
}

/// Applies a case and waits until it is compared.
#[allow(clippy::too_many_lines, reason = "one run, told in order")]
async fn try_case(case: &Case) -> (World, Outcome) {
    let short: String = case
        .name
        .rsplit("__")
        .next()
        .unwrap_or_default()
        .chars()
        .take(24)
        .collect();
    let name = format!("noise-{}", short.trim_end_matches('-'));
    let world = given(&name)
        .changes(case.changes.clone())
        .spec(json!({"source": case.source}))
        .sync_options(&["SkipDryRunOnMissingResource=true"])
        .without_app()
        .await;
    provide(case, &world.client).await;
    world.create_app().await;
    let began = Instant::now();
    world
        .patch_app(json!({"operation": {"sync": {}, "initiatedBy": {"username": "tester"}}}))
        .await;
    let mut outcome = Outcome::default();
    let mut over: Option<Instant> = None;
    while began.elapsed() < LIMIT {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let app = world.app().await;
        text(&app, "/status/operationState/phase").clone_into(&mut outcome.phase);
        text(&app, "/status/sync/status").clone_into(&mut outcome.status);
        outcome.objects = app
            .pointer("/status/resources")
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        outcome.seconds = began.elapsed().as_secs_f64();
        let is_over = app.get("operation").is_none_or(Value::is_null)
            && !matches!(outcome.phase.as_str(), "" | "Running" | "Terminating");
        if is_over && outcome.status == "Synced" {
            return (world, outcome);
        }
        if !is_over {
            over = None;
        } else if over.get_or_insert_with(Instant::now).elapsed() > AFTERWARDS {
            break;
        }
    }
    let app = world.app().await;
    outcome.problems.push(format!(
        "phase {} {}",
        outcome.phase,
        text(&app, "/status/operationState/message")
    ));
    let results = app.pointer("/status/operationState/syncResult/resources");
    for one in results.and_then(Value::as_array).into_iter().flatten() {
        if text(one, "/status") == "SyncFailed" || text(one, "/hookPhase") == "Failed" {
            outcome.problems.push(format!(
                "failed: {} {} {}",
                text(one, "/kind"),
                text(one, "/name"),
                text(one, "/message")
            ));
        }
    }
    for one in app
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        outcome.problems.push(format!(
            "condition {}: {}",
            text(one, "/type"),
            text(one, "/message")
        ));
    }
    outcome.problems.extend(
        out_of_sync(&app)
            .into_iter()
            .map(|one| format!("OutOfSync {one}")),
    );
    outcome.problems.extend(explain(&world).await);
    (world, outcome)
}

/// Reads counters of the process: name with labels, and value.
async fn counters(url: &str) -> BTreeMap<String, f64> {
    let text = reqwest::get(format!("{url}/metrics"))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        })
        .collect()
}

const COMPARED: &str = "driftless_object_comparisons_total";
const NEEDLESS: &str = "driftless_object_comparisons_needless_total";
const DRY_RUNS: &str = "driftless_diff_dry_runs_total";

#[tokio::test]
#[ignore = "needs charts that are not in the repository: DRIFTLESS_NOISE_CORPUS=DIR cargo test -- --ignored calm"]
#[allow(clippy::too_many_lines, reason = "one run, told in order")]
async fn real_charts_and_kustomizations_are_calm() {
    let root = std::env::var_os("DRIFTLESS_NOISE_CORPUS").map(PathBuf::from);
    let root = root.expect("DRIFTLESS_NOISE_CORPUS: a folder of charts and kustomizations");
    let seconds = std::env::var("DRIFTLESS_NOISE_SECONDS").ok();
    let seconds: u64 = seconds.and_then(|text| text.parse().ok()).unwrap_or(60);
    let only = std::env::var("DRIFTLESS_NOISE_ONLY").unwrap_or_default();
    let part = std::env::var("DRIFTLESS_NOISE_PART").unwrap_or_else(|_| "1/1".to_owned());
    let (part, parts) = part.split_once('/').expect("DRIFTLESS_NOISE_PART: N/M");
    let (part, parts): (usize, usize) = (part.parse().unwrap(), parts.parse().unwrap());
    let cases: Vec<Case> = CHARTS
        .into_iter()
        .map(|name| (name, true))
        .chain(KUSTOMIZATIONS.into_iter().map(|name| (name, false)))
        .enumerate()
        .filter(|(index, (name, _))| index % parts == part - 1 && name.contains(&only))
        .map(|(index, (name, is_chart))| {
            if is_chart {
                chart(&root, name, &format!("app{index}"))
            } else {
                kustomization(&root, name)
            }
        })
        .collect();
    let mut failures = Vec::new();
    let mut kept = Vec::new();
    let mut url = String::new();
    let mut objects = 0;
    for case in &cases {
        let (world, outcome) = try_case(case).await;
        url = world.driftless.url();
        objects += outcome.objects;
        eprintln!(
            "{}: {} {} in {:.1} s, {} objects",
            case.name, outcome.phase, outcome.status, outcome.seconds, outcome.objects
        );
        if !outcome.problems.is_empty() {
            eprintln!("  {}", outcome.problems.join("\n  "));
        }
        if outcome.status != "Synced" || outcome.phase != "Succeeded" {
            failures.push(case.name);
        }
        // Its webhooks have no server here and would refuse the objects of others.
        if case.has_webhooks() {
            remove_admission(&world).await;
        } else {
            kept.push((case.name, world));
        }
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    let before = counters(&url).await;
    let began = Instant::now();
    let mut restless = BTreeSet::new();
    while began.elapsed() < Duration::from_secs(seconds) {
        tokio::time::sleep(Duration::from_secs(5)).await;
        for (name, world) in &kept {
            if failures.contains(name) {
                continue;
            }
            let app = world.app().await;
            if text(&app, "/status/sync/status") != "Synced" && restless.insert(*name) {
                eprintln!("{name} is not Synced any more: {:?}", out_of_sync(&app));
                eprintln!("  {:?}", explain(world).await);
            }
        }
    }
    let after = counters(&url).await;
    for (name, value) in &after {
        let change = value - before.get(name).copied().unwrap_or_default();
        if name.starts_with("driftless_") && change != 0.0 && !name.contains("bucket") {
            eprintln!("{name}: +{change}");
        }
    }
    let value = |name: &str| after.get(name).copied().unwrap_or_default();
    eprintln!(
        "{} cases, {objects} objects, {} failed; {} watched for {seconds} s, {} restless; in all {} comparisons, {} needless, {} dry runs",
        cases.len(),
        failures.len(),
        kept.len(),
        restless.len(),
        value(COMPARED),
        value(NEEDLESS),
        value(DRY_RUNS)
    );
    assert!(failures.is_empty(), "not Synced: {failures:?}");
    assert!(restless.is_empty(), "not Synced any more: {restless:?}");
    assert!(
        value(NEEDLESS) == 0.0,
        "{} needless comparisons",
        value(NEEDLESS)
    );
}

/// Takes the Application away, and with it what stands between the API server and everybody else.
async fn remove_admission(world: &World) {
    let app = world.app().await;
    Kind::APPLICATION
        .delete(&world.client, world.control(), &world.name)
        .await;
    let resources = app.pointer("/status/resources").and_then(Value::as_array);
    for one in resources.into_iter().flatten() {
        let (kind, plural): (&'static str, &'static str) = match text(one, "/kind") {
            "ValidatingWebhookConfiguration" => (
                "ValidatingWebhookConfiguration",
                "validatingwebhookconfigurations",
            ),
            "MutatingWebhookConfiguration" => (
                "MutatingWebhookConfiguration",
                "mutatingwebhookconfigurations",
            ),
            "APIService" => ("APIService", "apiservices"),
            _ => continue,
        };
        let group = match kind {
            "APIService" => "apiregistration.k8s.io",
            _ => "admissionregistration.k8s.io",
        };
        let kind = Kind {
            namespaced: false,
            ..Kind::custom(group, "v1", kind, plural)
        };
        kind.delete(&world.client, "", text(one, "/name")).await;
    }
}
