//! KServe's controller, run beside the cluster as it is, with routes of the Gateway API. Standard mode is its default;
//! [`Knative`] has the controllers for Serverless mode.
//!
//! It reads its settings from a ConfigMap and serves its webhooks itself, so that it takes more than a program and its
//! kinds. No gateway runs: what is looked at are the routes.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Instant;

use base64::Engine as _;
use kube::Client;
use kube::api::{Patch, PatchParams};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::controller::{install_crds, program};
use crate::spawn::{spawn_bound, tail};
use crate::{DEADLINE, Devcluster, Kind, POLL};

/// A serving runtime for the format `demo`, whose pods KWOK runs.
const RUNTIME: &str = "demo-server";

/// The running controller.
#[derive(Debug)]
pub struct Kserve {
    log: PathBuf,
    child: Mutex<Child>,
}

impl Kserve {
    /// Returns the controller on the shared cluster, starting it for the first who asks.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Kserve> = OnceCell::const_new();
        SHARED
            .get_or_init(|| Self::start(Devcluster::shared()))
            .await
    }

    async fn start(cluster: &'static Devcluster) -> Self {
        let client = cluster.client().await;
        let program = program("kserve");
        install_crds(&client, &program.with_extension("crds")).await;
        // KServe looks for Knative's kinds once, when it starts.
        install_crds(&client, &program.with_extension("knative.crds")).await;
        configure(&client, &program.with_extension("config")).await;
        let (running, port, certificate) = Self::launch(cluster, &program, "kserve");
        running.wait_for(port).await;
        register(&client, port, &certificate, ("v1beta1", "inferenceservice")).await;
        running
    }

    /// Returns KServe's controller of LLMInferenceServices on the shared cluster, starting it for the first who asks.
    pub async fn llm() -> &'static Self {
        static SHARED: OnceCell<Kserve> = OnceCell::const_new();
        Self::shared().await.check();
        SHARED
            .get_or_init(|| Self::start_llm(Devcluster::shared()))
            .await
    }

    async fn start_llm(cluster: &'static Devcluster) -> Self {
        let client = cluster.client().await;
        let program = program("kserve.llmisvc");
        install_crds(&client, &program.with_extension("llmisvc.crds")).await;
        // Routes name it; nobody programs it.
        let class = json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass",
            "metadata": {"name": "none"},
            "spec": {"controllerName": "example.com/none"},
        });
        let classes = cluster_kind(
            "gateway.networking.k8s.io",
            "v1",
            "GatewayClass",
            "gatewayclasses",
        );
        apply(&client, classes, &class).await;
        let gateway = json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
            "metadata": {"name": "kserve-ingress-gateway", "namespace": "kserve"},
            "spec": {"gatewayClassName": "none", "listeners": [
                {"name": "http", "port": 80, "protocol": "HTTP",
                 "allowedRoutes": {"namespaces": {"from": "All"}}},
            ]},
        });
        let gateways = Kind {
            group: "gateway.networking.k8s.io",
            version: "v1",
            kind: "Gateway",
            plural: "gateways",
            namespaced: true,
        };
        apply(&client, gateways, &gateway).await;
        let (running, port, certificate) = Self::launch(cluster, &program, "kserve-llm");
        running.wait_for(port).await;
        register(
            &client,
            port,
            &certificate,
            ("v1alpha2", "llminferenceservice"),
        )
        .await;
        let config = program.with_extension("llmisvc.config");
        let files = std::fs::read_dir(&config)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", config.display()));
        let kind = Kind {
            group: "serving.kserve.io",
            version: "v1alpha2",
            kind: "LLMInferenceServiceConfig",
            plural: "llminferenceserviceconfigs",
            namespaced: true,
        };
        for file in files.flatten() {
            let mut object = read(&file.path());
            object["metadata"]["namespace"] = "kserve".into();
            apply(&client, kind, &object).await;
        }
        running
    }

    /// Starts a controller that serves its webhooks at a port with a certificate.
    fn launch(cluster: &Devcluster, program: &Path, name: &str) -> (Self, u16, String) {
        let certificate = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])
            .expect("make a certificate");
        let temporary = cluster.logs().join(name);
        let certificates = temporary.join("k8s-webhook-server/serving-certs");
        std::fs::create_dir_all(&certificates).expect("make a directory");
        std::fs::write(certificates.join("tls.crt"), certificate.cert.pem()).expect("write");
        std::fs::write(
            certificates.join("tls.key"),
            certificate.signing_key.serialize_pem(),
        )
        .expect("write");
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let log = cluster.logs().join(format!("{name}.log"));
        let file = File::create(&log)
            .unwrap_or_else(|error| panic!("cannot create {}: {error}", log.display()));
        let child = spawn_bound(program, |command| {
            command
                .env("POD_NAMESPACE", "kserve")
                .env("TMPDIR", &temporary)
                .arg("--kubeconfig")
                .arg(cluster.kubeconfig())
                .arg(format!("--webhook-port={port}"))
                .args(["--metrics-addr=0", "--health-probe-addr=0"])
                .stdin(Stdio::null())
                .stdout(file.try_clone().expect("duplicate a file handle"))
                .stderr(file);
        });
        let running = Self {
            log,
            child: Mutex::new(child),
        };
        (running, port, certificate.cert.pem())
    }

    async fn wait_for(&self, port: u16) {
        let started = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .is_err()
        {
            self.check();
            assert!(
                started.elapsed() < 2 * DEADLINE,
                "KServe does not listen:\n{}",
                tail(&self.log, 20)
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// Fails the test when the controller is gone.
    pub fn check(&self) {
        let ended = self.child.lock().try_wait();
        assert!(
            matches!(ended, Ok(None)),
            "KServe ended:\n{}",
            tail(&self.log, 20)
        );
    }

    /// Returns the last lines that it logged.
    pub fn tail(&self, lines: usize) -> String {
        tail(&self.log, lines)
    }

    /// Returns an InferenceService of the runtime that is installed, with so many pods, for the model at a storage URI.
    pub fn inference_service(namespace: &str, name: &str, storage: &str, pods: u32) -> Value {
        json!({
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {"name": name, "namespace": namespace,
                "annotations": {"serving.kserve.io/deploymentMode": "Standard"}},
            "spec": {"predictor": {
                "minReplicas": pods,
                "maxReplicas": pods,
                "model": {"modelFormat": {"name": "demo"}, "runtime": RUNTIME, "storageUri": storage},
            }},
        })
    }
}

/// The controllers of Knative Serving, with the autoscaler of the class `hpa.autoscaling.knative.dev`: the other class asks
/// the pods for their requests, which pods of KWOK do not have.
#[derive(Debug)]
pub struct Knative {
    log: PathBuf,
    child: Mutex<Child>,
}

impl Knative {
    /// Returns the controllers on the shared cluster, starting them for the first who asks. KServe runs, too.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Knative> = OnceCell::const_new();
        Kserve::shared().await.check();
        SHARED
            .get_or_init(|| Self::start(Devcluster::shared()))
            .await
    }

    async fn start(cluster: &'static Devcluster) -> Self {
        let client = cluster.client().await;
        let program = program("kserve.knative");
        let config = program.with_extension("knative.config");
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "knative-serving"}});
        apply(&client, Kind::NAMESPACE, &namespace).await;
        let files = std::fs::read_dir(&config)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", config.display()));
        for file in files.flatten() {
            let mut map = read(&file.path());
            let name = map["metadata"]["name"].clone();
            map["metadata"] = json!({"name": name, "namespace": "knative-serving"});
            match name.as_str().expect("a name") {
                // No registry answers for the images.
                "config-deployment" => {
                    map["data"] = json!({
                        "queue-sidecar-image": "registry.example/queue:1",
                        "registries-skipping-tag-resolving": "registry.example",
                    });
                }
                "config-domain" => map["data"] = json!({"models.example": ""}),
                _ => {}
            }
            apply(&client, Kind::CONFIG_MAP, &map).await;
        }
        // The activator starts pods for revisions that have none. It does not run, and is looked up all the same.
        let activator = json!({"apiVersion": "v1", "kind": "Endpoints",
            "metadata": {"name": "activator-service", "namespace": "knative-serving"},
            "subsets": [{"addresses": [{"ip": "10.255.255.1"}],
                "ports": [{"name": "http", "port": 8012}]}]});
        apply(&client, Kind::ENDPOINTS, &activator).await;
        let log = cluster.logs().join("knative.log");
        let file = File::create(&log)
            .unwrap_or_else(|error| panic!("cannot create {}: {error}", log.display()));
        let child = spawn_bound(&program, |command| {
            command
                .env("SYSTEM_NAMESPACE", "knative-serving")
                .env("POD_NAME", "knative")
                .arg("--kubeconfig")
                .arg(cluster.kubeconfig())
                .stdin(Stdio::null())
                .stdout(file.try_clone().expect("duplicate a file handle"))
                .stderr(file);
        });
        Self {
            log,
            child: Mutex::new(child),
        }
    }

    /// Fails the test when the controllers are gone.
    pub fn check(&self) {
        let ended = self.child.lock().try_wait();
        assert!(
            matches!(ended, Ok(None)),
            "Knative ended:\n{}",
            tail(&self.log, 20)
        );
    }

    /// Returns the last lines that they logged.
    pub fn tail(&self, lines: usize) -> String {
        tail(&self.log, lines)
    }

    /// Returns an InferenceService in Serverless mode with so many pods at least, for the model at a storage URI.
    pub fn inference_service(namespace: &str, name: &str, storage: &str, pods: u32) -> Value {
        let mut object = Kserve::inference_service(namespace, name, storage, pods);
        object["metadata"]["annotations"] = json!({
            "serving.kserve.io/deploymentMode": "Serverless",
            "serving.kserve.io/autoscalerClass": "hpa",
            "autoscaling.knative.dev/class": "hpa.autoscaling.knative.dev",
        });
        object
    }
}

/// A kind whose objects live in no namespace.
const fn cluster_kind(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
) -> Kind {
    Kind {
        group,
        version,
        kind,
        plural,
        namespaced: false,
    }
}

/// Returns the file with the kind HTTPRoute of the Gateway API.
pub fn http_routes() -> PathBuf {
    program("kserve")
        .with_extension("crds")
        .join("gateway.networking.k8s.io_httproutes.yaml")
}

fn read(path: &Path) -> Value {
    let text = std::fs::read(path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    driftless_yaml::parse_documents(&text, &driftless_yaml::Limits::default())
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
        .into_iter()
        .find(|one| !one.is_null())
        .unwrap_or_else(|| panic!("{} is empty", path.display()))
}

async fn apply(client: &Client, kind: Kind, object: &Value) {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
    let name = text("/metadata/name").expect("a name");
    let namespace = text("/metadata/namespace").unwrap_or_default();
    let parameters = PatchParams::apply("tester").force();
    let api = kind.api(client, namespace);
    if let Err(error) = api.patch(name, &parameters, &Patch::Apply(object)).await {
        panic!("cannot apply {name}: {error}");
    }
}

/// Installs what the controller reads when it starts, and what InferenceServices need.
async fn configure(client: &Client, config: &Path) {
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kserve"}});
    apply(client, Kind::NAMESPACE, &namespace).await;
    let mut map = read(&config.join("inferenceservice.yaml"));
    map["metadata"] = json!({"name": "inferenceservice-config", "namespace": "kserve"});
    for (section, fields) in [
        ("ingress", json!({"enableGatewayApi": true})),
        ("deploy", json!({"defaultDeploymentMode": "Standard"})),
    ] {
        let text = map["data"][section]
            .as_str()
            .expect("a section of the settings");
        let mut settings: Value = serde_json::from_str(text).expect("settings in JSON");
        for (name, value) in fields.as_object().expect("fields") {
            settings[name] = value.clone();
        }
        map["data"][section] = settings.to_string().into();
    }
    apply(client, Kind::CONFIG_MAP, &map).await;
    let serving = |kind, plural| cluster_kind("serving.kserve.io", "v1alpha1", kind, plural);
    let storage = serving("ClusterStorageContainer", "clusterstoragecontainers");
    apply(client, storage, &read(&config.join("storage.yaml"))).await;
    let runtime = json!({
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ClusterServingRuntime",
        "metadata": {"name": RUNTIME},
        "spec": {
            "supportedModelFormats": [{"name": "demo", "version": "1", "autoSelect": true}],
            "protocolVersions": ["v1", "v2"],
            "containers": [{"name": "kserve-container", "image": "registry.example/demo-server:1",
                "ports": [{"containerPort": 8080, "protocol": "TCP"}],
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}],
        },
    });
    let runtimes = serving("ClusterServingRuntime", "clusterservingruntimes");
    apply(client, runtimes, &runtime).await;
}

/// Has the API server ask the controller about its kind, as an installation does.
async fn register(client: &Client, port: u16, certificate: &str, (version, kind): (&str, &str)) {
    let asked = kind;
    let bundle = base64::engine::general_purpose::STANDARD.encode(certificate);
    for (kind, plural, verb) in [
        (
            "MutatingWebhookConfiguration",
            "mutatingwebhookconfigurations",
            "mutate",
        ),
        (
            "ValidatingWebhookConfiguration",
            "validatingwebhookconfigurations",
            "validate",
        ),
    ] {
        let object = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": format!("{asked}.serving.kserve.io")},
            "webhooks": [{
                "name": format!("{verb}.{asked}.kserve.io"),
                "clientConfig": {
                    "url": format!("https://localhost:{port}/{verb}-serving-kserve-io-{version}-{asked}"),
                    "caBundle": bundle,
                },
                "admissionReviewVersions": ["v1", "v1beta1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "rules": [{"apiGroups": ["serving.kserve.io"], "apiVersions": [version],
                    "operations": ["CREATE", "UPDATE"], "resources": [format!("{asked}s")]}],
            }],
        });
        let kind = cluster_kind("admissionregistration.k8s.io", "v1", kind, plural);
        apply(client, kind, &object).await;
    }
}
