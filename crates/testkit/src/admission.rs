//! Admission webhooks: one that denies every write to the ConfigMaps of one namespace, and one that fills in defaults.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::routing::post;
use base64::Engine as _;
use kube::Client;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::Kind;

/// A registered webhook with its server. The server stops with the value; the registration stays, so that
/// a test can also see what happens when nobody answers.
#[derive(Debug)]
pub struct DenyingWebhook(Webhook);

impl DenyingWebhook {
    /// Starts the server on loopback and registers it for a namespace.
    pub async fn register(client: &Client, namespace: &str, message: &str) -> Self {
        Self::register_for(client, namespace, &json!({}), message).await
    }

    /// Does so for the objects of the namespace that have these labels.
    pub async fn register_for(
        client: &Client,
        namespace: &str,
        labels: &Value,
        message: &str,
    ) -> Self {
        let response = json!({"allowed": false, "status": {"code": 403, "message": message}});
        let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]});
        let webhook =
            Webhook::register(client, Kind::WEBHOOK, namespace, (labels, rule), response).await;
        Self(webhook)
    }

    /// Takes the registration back.
    pub async fn remove(&self) {
        self.0.remove().await;
    }
}

/// A registered webhook that adds to the objects of one kind in one namespace, as those do that fill in defaults.
#[derive(Debug)]
pub struct DefaultingWebhook(Webhook);

impl DefaultingWebhook {
    /// Starts the server on loopback and registers it. `patch` is a JSON patch that is applied to each object which is
    /// created or changed.
    pub async fn register(client: &Client, namespace: &str, kind: Kind, patch: &Value) -> Self {
        let patch = base64::engine::general_purpose::STANDARD.encode(patch.to_string());
        let response = json!({"allowed": true, "patchType": "JSONPatch", "patch": patch});
        let rule = json!({"apiGroups": [kind.group], "apiVersions": [kind.version],
            "resources": [kind.plural]});
        let configuration = Kind {
            kind: "MutatingWebhookConfiguration",
            plural: "mutatingwebhookconfigurations",
            ..Kind::WEBHOOK
        };
        let scope = (&json!({}), rule);
        Self(Webhook::register(client, configuration, namespace, scope, response).await)
    }

    /// Takes the registration back.
    pub async fn remove(&self) {
        self.0.remove().await;
    }
}

#[derive(Debug)]
struct Webhook {
    configuration: Kind,
    name: String,
    client: ClientBox,
    server: tokio::task::JoinHandle<()>,
}

struct ClientBox(Client);

impl std::fmt::Debug for ClientBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl Webhook {
    /// Registers a server that gives each request the same response.
    async fn register(
        client: &Client,
        configuration: Kind,
        namespace: &str,
        (labels, mut rule): (&Value, Value),
        response: Value,
    ) -> Self {
        rule["operations"] = json!(["CREATE", "UPDATE"]);
        let (server, client_config) = serve(response).await;
        let name = crate::unique("webhook");
        let object = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": configuration.kind,
            "metadata": {"name": name},
            "webhooks": [{
                "name": "tests.example.com",
                "clientConfig": client_config,
                "rules": [rule],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "objectSelector": {"matchLabels": labels},
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "timeoutSeconds": 5,
            }],
        });
        configuration.create(client, "", object).await;
        Self {
            configuration,
            name,
            client: ClientBox(client.clone()),
            server,
        }
    }

    async fn remove(&self) {
        let configuration = self.configuration;
        configuration.delete(&self.client.0, "", &self.name).await;
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Serves on loopback; returns how the API server reaches it.
async fn serve(response: Value) -> (tokio::task::JoinHandle<()>, Value) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("bind to loopback");
    let address = listener
        .local_addr()
        .expect("a bound socket has an address");
    let certificate = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])
        .expect("make a certificate");
    let key = PrivatePkcs8KeyDer::from(certificate.signing_key.serialize_der());
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .expect("ring supports the default protocol versions")
    .with_no_client_auth()
    .with_single_cert(
        vec![certificate.cert.der().clone()],
        PrivateKeyDer::Pkcs8(key),
    )
    .expect("the certificate fits its key");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let app = axum::Router::new().route(
        "/",
        post(move |Json(review): Json<Value>| async move { Json(answer(&review, response)) }),
    );
    let server = tokio::spawn(async move {
        let _ = axum::serve(Tls { listener, acceptor }, app).await;
    });
    let authority = base64::engine::general_purpose::STANDARD.encode(certificate.cert.pem());
    let client_config = json!({"url": format!("https://{address}/"), "caBundle": authority});
    (server, client_config)
}

fn answer(review: &Value, mut response: Value) -> Value {
    response["uid"] = review.pointer("/request/uid").cloned().unwrap_or_default();
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
}

/// Accepts TLS connections; those that fail the handshake are none.
struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            if let Ok((stream, address)) = self.listener.accept().await
                && let Ok(stream) = self.acceptor.accept(stream).await
            {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
