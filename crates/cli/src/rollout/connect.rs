//! A cluster as the user's kubeconfig names it, and ModelRollouts in it.

use std::path::PathBuf;

use driftless_api::rollout::handover::{COMMAND, Command};
use driftless_api::{ModelRollout, read};
use driftless_core::class::render_chain;
use http::Request;
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value as Json, json};

use super::Error;

/// Which cluster, and where in it.
#[derive(clap::Args, Debug, Clone)]
pub struct Cluster {
    /// Kubeconfig; KUBECONFIG and ~/.kube/config otherwise
    #[arg(long)]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long)]
    pub context: Option<String>,
    /// Namespace; the context's otherwise
    #[arg(short, long)]
    pub namespace: Option<String>,
}

/// A connection.
pub(super) struct Connection {
    client: Client,
    /// The namespace that was asked for, or the context's.
    pub(super) namespace: String,
    /// The user's name in the kubeconfig.
    pub(super) user: String,
}

impl Cluster {
    /// Connects.
    pub(super) async fn connect(&self) -> Result<Connection, Error> {
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let config = |error: &dyn std::error::Error| Error::Kubeconfig(render_chain(error));
        let kubeconfig = match &self.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        }
        .map_err(|error| config(&error))?;
        let name = self
            .context
            .clone()
            .or_else(|| kubeconfig.current_context.clone());
        let context = kubeconfig
            .contexts
            .iter()
            .find(|context| Some(&context.name) == name.as_ref());
        let user = context.and_then(|context| context.context.as_ref());
        let user = user
            .and_then(|context| context.user.clone())
            .unwrap_or_default();
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        let loaded = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|error| config(&error))?;
        let namespace = self
            .namespace
            .clone()
            .unwrap_or_else(|| loaded.default_namespace.clone());
        let client = Client::try_from(loaded).map_err(|error| config(&error))?;
        Ok(Connection {
            client,
            namespace,
            user,
        })
    }
}

const GROUP: &str = "/apis/driftless.dev/v1alpha1";

impl Connection {
    fn path(&self, name: &str) -> String {
        format!("{GROUP}/namespaces/{}/modelrollouts/{name}", self.namespace)
    }

    async fn ask(
        &self,
        request: http::Result<Request<Vec<u8>>>,
        doing: &str,
    ) -> Result<Json, Error> {
        let failed = |why: String| Error::Cluster {
            doing: doing.to_owned(),
            why,
        };
        let request = request.map_err(|error| failed(error.to_string()))?;
        match self.client.request::<Json>(request).await {
            Ok(answer) => Ok(answer),
            Err(kube::Error::Api(status)) if status.code == 404 => {
                Err(Error::Missing(doing.to_owned()))
            }
            Err(kube::Error::Api(status)) if status.code == 409 => Err(Error::Changed),
            Err(kube::Error::Api(status)) => Err(failed(status.message.clone())),
            Err(error) => Err(failed(render_chain(&error))),
        }
    }

    /// Says whether the cluster knows the kind.
    async fn has_kind(&self) -> bool {
        let answer = self
            .ask(Request::get(GROUP).body(Vec::new()), "looking for the kind")
            .await;
        answer.is_ok_and(|list| {
            let kinds = list.get("resources").and_then(Json::as_array);
            let mut kinds = kinds.into_iter().flatten();
            kinds.any(|kind| kind.get("name") == Some(&json!("modelrollouts")))
        })
    }

    /// Turns "not there" into what is not there.
    async fn explained<T>(&self, answer: Result<T, Error>, name: &str) -> Result<T, Error> {
        match answer {
            Err(Error::Missing(_)) if !self.has_kind().await => Err(Error::NoKind),
            Err(Error::Missing(_)) => Err(Error::NoRollout {
                name: name.to_owned(),
                namespace: self.namespace.clone(),
            }),
            other => other,
        }
    }

    /// Reads one rollout, as it is and as we know it.
    pub(super) async fn get(&self, name: &str) -> Result<(Json, ModelRollout), Error> {
        let request = Request::get(self.path(name)).body(Vec::new());
        let doing = format!("reading the rollout {name}");
        let answer = self.ask(request, &doing).await;
        let raw = self.explained(answer, name).await?;
        let rollout = parsed(&raw)?;
        Ok((raw, rollout))
    }

    /// Reads all rollouts of the namespace, or of all.
    pub(super) async fn list(&self, everywhere: bool) -> Result<(Json, Vec<ModelRollout>), Error> {
        let path = if everywhere {
            format!("{GROUP}/modelrollouts")
        } else {
            format!("{GROUP}/namespaces/{}/modelrollouts", self.namespace)
        };
        let answer = self
            .ask(Request::get(path).body(Vec::new()), "listing rollouts")
            .await;
        let raw = match answer {
            Err(Error::Missing(_)) => return Err(Error::NoKind),
            other => other?,
        };
        let items = raw.get("items").and_then(Json::as_array);
        let rollouts = items.into_iter().flatten().map(parsed);
        let rollouts = rollouts.collect::<Result<_, _>>()?;
        Ok((raw, rollouts))
    }

    /// Writes a command. Whoever wrote the rollout meanwhile wins.
    pub(super) async fn command(
        &self,
        rollout: &ModelRollout,
        command: &Command,
    ) -> Result<(), Error> {
        let name = &rollout.metadata.name;
        let text = serde_json::to_string(command).map_err(|error| Error::Cluster {
            doing: "writing the command".to_owned(),
            why: error.to_string(),
        })?;
        let patch = json!({"metadata": {
            "resourceVersion": rollout.metadata.resource_version,
            "annotations": {COMMAND: text},
        }});
        let request = Request::patch(format!("{}?fieldManager=driftless-cli", self.path(name)))
            .header("content-type", "application/merge-patch+json")
            .body(patch.to_string().into_bytes());
        let doing = format!("writing the command to the rollout {name}");
        let answer = self.ask(request, &doing).await;
        self.explained(answer, name).await.map(drop)
    }
}

fn parsed(raw: &Json) -> Result<ModelRollout, Error> {
    let name = raw.pointer("/metadata/name").and_then(Json::as_str);
    read::from_value(raw.clone()).map_err(|source| Error::Field {
        kind: ModelRollout::KIND.to_owned(),
        name: name.unwrap_or_default().to_owned(),
        source,
    })
}
