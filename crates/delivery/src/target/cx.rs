//! What a target works with: the cluster, the rollout, the wanted object; and reads and writes in plain words.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use driftless_api::rollout::ModelRolloutSpec;
use driftless_core::{GroupVersionKind, ResourceKey};
use driftless_kube::live::Uid;
use driftless_kube::write::{Applied, DryRun, PatchType, Propagation, Target as Part};
use driftless_kube::{ApplyOptions, Cluster, DeleteOptions, Error as KubeError, WriteCtx};
use driftless_manifest::Object;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::json::is_going;
use super::{Error, Result};

/// Annotation of what a rollout made: the version it is.
pub const VERSION: &str = "driftless.dev/version";

/// The rollout that owns what is made for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Unique id.
    pub uid: String,
}

/// A version that Git asks for.
#[derive(Clone, PartialEq, Debug)]
pub struct Version {
    /// Its name.
    pub version: String,
    /// The whole desired object.
    pub object: Arc<Value>,
}

/// What a target works with.
#[derive(Clone)]
pub struct Ctx {
    /// The cluster.
    pub cluster: Arc<Cluster>,
    /// On whose behalf it writes.
    pub write: WriteCtx,
    /// The rollout.
    pub owner: Owner,
    /// Its spec.
    pub spec: Arc<ModelRolloutSpec>,
    /// Kind of the target.
    pub gvk: GroupVersionKind,
    /// Name of the target.
    pub name: String,
    /// What Git asks for, when that was handed over.
    pub wanted: Option<Version>,
    /// The version that the rollout remembers to serve.
    pub stable: Option<String>,
}

/// A read may take this long.
const READ_WITHIN: std::time::Duration = std::time::Duration::from_secs(20);

impl Ctx {
    /// Returns the wanted version.
    pub fn wanted(&self) -> Result<&Version> {
        self.wanted
            .as_ref()
            .ok_or_else(|| Error::Refused("no version was handed over yet".to_owned()))
    }

    fn key(&self, gvk: &GroupVersionKind, name: &str) -> ResourceKey {
        ResourceKey::new(&gvk.group, &gvk.kind, &self.owner.namespace, name)
    }

    fn error(doing: &str, gvk: &GroupVersionKind, name: &str, source: KubeError) -> Error {
        Error::Request {
            doing: format!("{doing} {} {name}", gvk.kind),
            source,
        }
    }

    /// Reads an object of the rollout's namespace from the API server; `None` when it is not there for certain.
    pub async fn read(&self, gvk: &GroupVersionKind, name: &str) -> Result<Option<Value>> {
        let read = self.cluster.get(gvk, &self.owner.namespace, name).await;
        match read {
            Ok(object) => Ok(Some(object.into_value())),
            Err(KubeError::NotFound { .. }) => Ok(None),
            Err(source) => Err(Self::error("reading", gvk, name, source)),
        }
    }

    /// Reads the target. One that is being deleted is gone.
    pub async fn read_target(&self) -> Result<Option<Value>> {
        let live = self.read(&self.gvk, &self.name).await?;
        Ok(live.filter(|live| !is_going(live)))
    }

    /// Reads an object that must be there; otherwise `hint` says what to do.
    pub async fn read_needed(
        &self,
        gvk: &GroupVersionKind,
        name: &str,
        hint: &str,
    ) -> Result<Value> {
        self.read(gvk, name)
            .await?
            .ok_or_else(|| Error::Refused(format!("{} {name} is not there: {hint}", gvk.kind)))
    }

    /// Lists objects of the rollout's namespace by label.
    pub async fn list(&self, gvk: &GroupVersionKind, selector: &str) -> Result<Vec<Value>> {
        list(&self.cluster, gvk, &self.owner.namespace, selector).await
    }

    /// Reads an object of any namespace; `None` when it is not there for certain, or its kind is not.
    pub(crate) async fn read_of(
        cluster: &Cluster,
        gvk: &GroupVersionKind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>> {
        match cluster.get(gvk, namespace, name).await {
            Ok(object) => Ok(Some(object.into_value())),
            Err(KubeError::NotFound { .. } | KubeError::UnknownKind { .. }) => Ok(None),
            Err(source) => Err(Self::error("reading", gvk, name, source)),
        }
    }

    /// Applies an object the way a sync does, so that the next comparison finds it as Git says.
    pub async fn apply(&self, object: &Value) -> Result<()> {
        self.apply_with(object, &ApplyOptions::default())
            .await
            .map(drop)
    }

    /// Returns what an apply would make of an object, without storing it.
    pub async fn dry_apply(&self, object: &Value) -> Result<Value> {
        let options = ApplyOptions {
            dry_run: DryRun::Server,
            ..ApplyOptions::default()
        };
        let applied = self.apply_with(object, &options).await?;
        applied
            .object
            .parse()
            .map(Object::into_value)
            .ok_or_else(|| {
                Error::Refused(format!("the answer about {} is not an object", self.name))
            })
    }

    async fn apply_with(&self, object: &Value, options: &ApplyOptions) -> Result<Applied> {
        let object = Object::from_value(object.clone()).map_err(|error| {
            Error::Refused(format!("the wanted object cannot be used: {error}"))
        })?;
        let (gvk, name) = (object.gvk(), object.name().to_owned());
        let applied = self
            .cluster
            .writer()
            .apply(&self.write, &object, options)
            .await;
        applied.map_err(|source| Self::error("applying", &gvk, &name, source))
    }

    /// Sends a merge patch. With `metadata.resourceVersion` in it, it fails when the object has changed since.
    pub async fn patch(&self, gvk: &GroupVersionKind, name: &str, patch: &Value) -> Result<Value> {
        let written = self
            .cluster
            .writer()
            .patch(
                &self.write,
                gvk,
                &self.key(gvk, name),
                &Part::Object,
                PatchType::Merge,
                Bytes::from(patch.to_string()),
            )
            .await
            .map_err(|source| Self::error("changing", gvk, name, source))?;
        serde_json::from_slice(&written.body).map_err(|error| Error::Refused(error.to_string()))
    }

    /// Deletes an object, this very one when `live` has a uid.
    pub async fn delete(
        &self,
        gvk: &GroupVersionKind,
        name: &str,
        live: Option<&Value>,
        propagation: Propagation,
    ) -> Result<()> {
        let uid = live
            .and_then(|live| live.pointer("/metadata/uid"))
            .and_then(Value::as_str);
        let options = DeleteOptions {
            propagation,
            uid: uid.map(Uid::new),
            ..DeleteOptions::default()
        };
        let deleted = self
            .cluster
            .writer()
            .delete(&self.write, &self.key(gvk, name), &options)
            .await;
        match deleted {
            Ok(_) => Ok(()),
            Err(source) => Err(Self::error("deleting", gvk, name, source)),
        }
    }

    /// Returns an error unless a Service has ready endpoints.
    pub(crate) async fn has_endpoints(&self, name: &str) -> Result<()> {
        let gvk = GroupVersionKind::new("discovery.k8s.io", "v1", "EndpointSlice");
        let slices = self
            .list(&gvk, &format!("kubernetes.io/service-name={name}"))
            .await?;
        let is_ready = slices
            .iter()
            .filter_map(|slice| slice.get("endpoints")?.as_array())
            .flatten()
            .any(|endpoint| endpoint.pointer("/conditions/ready") != Some(&Value::Bool(false)));
        if is_ready {
            Ok(())
        } else {
            Err(Error::Refused(format!(
                "Service {name} has no ready endpoints yet"
            )))
        }
    }

    /// Returns the metadata of an object that a rollout makes: it goes with the rollout, and no Application tracks it.
    pub fn made(&self, name: &str, version: &str) -> Value {
        json!({
            "name": name,
            "namespace": self.owner.namespace,
            "labels": {
                driftless_api::rollout::handover::ROLLOUT_LABEL: label(&self.owner.name),
                driftless_api::rollout::handover::TARGET_LABEL: label(&self.name),
            },
            "annotations": { VERSION: version },
            "ownerReferences": [{
                "apiVersion": "driftless.dev/v1alpha1",
                "kind": "ModelRollout",
                "name": self.owner.name,
                "uid": self.owner.uid,
                "controller": true,
                "blockOwnerDeletion": false,
            }],
        })
    }

    /// Says whether this rollout made an object.
    pub fn is_mine(&self, object: &Value) -> bool {
        object
            .pointer("/metadata/ownerReferences")
            .and_then(Value::as_array)
            .is_some_and(|owners| {
                owners
                    .iter()
                    .any(|owner| owner.get("uid").and_then(Value::as_str) == Some(&self.owner.uid))
            })
    }
}

/// Returns a name as far as a label's value can hold it.
fn label(name: &str) -> String {
    let kept: String = name.chars().take(63).collect();
    kept.trim_end_matches(['-', '.', '_']).to_owned()
}

/// Lists objects of a namespace, or of all of them when it is empty, by label.
pub(crate) async fn list<T: DeserializeOwned>(
    cluster: &Cluster,
    gvk: &GroupVersionKind,
    namespace: &str,
    selector: &str,
) -> Result<Vec<T>> {
    let resource = cluster
        .resolve(gvk)
        .await
        .map_err(|source| Ctx::error("reading", gvk, "", source))?;
    let failed = |error: String| Error::Refused(format!("listing {}: {error}", gvk.kind));
    let mut items = Vec::new();
    let mut next = String::new();
    loop {
        let query = http_query(&[
            ("labelSelector", selector),
            ("limit", "500"),
            ("continue", &next),
        ]);
        let request = http::Request::get(format!("{}{query}", resource.collection_path(namespace)))
            .body(Vec::new())
            .map_err(|error| failed(error.to_string()))?;
        let client = cluster.client();
        let answer = tokio::time::timeout(READ_WITHIN, client.request::<Page<T>>(request)).await;
        let answer = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(failed(error.to_string())),
            Err(_) => return Err(failed("no answer in time".to_owned())),
        };
        items.extend(answer.items);
        next = answer.metadata.next;
        if next.is_empty() {
            return Ok(items);
        }
    }
}

#[derive(Deserialize)]
struct Page<T> {
    #[serde(default)]
    metadata: PageMeta,
    items: Vec<T>,
}

#[derive(Deserialize, Default)]
struct PageMeta {
    #[serde(default, rename = "continue")]
    next: String,
}

fn http_query(pairs: &[(&str, &str)]) -> String {
    let mut query = String::new();
    for (name, value) in pairs {
        if value.is_empty() {
            continue;
        }
        query.push(if query.is_empty() { '?' } else { '&' });
        query.push_str(name);
        query.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                query.push(char::from(byte));
            } else {
                // Writing to a text does not fail.
                let _ = write!(query, "%{byte:02X}");
            }
        }
    }
    query
}
