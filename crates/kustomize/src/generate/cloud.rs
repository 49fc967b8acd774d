//! The built-in IAMPolicyGenerator: a service account bound to one of a cloud.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::node::{Map, Node};
use crate::resource::Resource;
use crate::schema::Schemas;

/// Makes the service account.
pub(crate) fn generate(config: &Value, schemas: &mut Schemas) -> Result<Resource> {
    let text = |pointer: &str| {
        config
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let cloud = text("/cloud");
    if cloud != "gke" {
        return Err(Error::new(format!(
            "cloud provider {cloud} not supported yet"
        )));
    }
    let account = format!(
        "{}@{}.iam.gserviceaccount.com",
        text("/serviceAccount/name"),
        text("/serviceAccount/projectId")
    );
    let mut annotations = Map::default();
    annotations.push("iam.gke.io/gcp-service-account", Node::string(account));
    let mut metadata = Map::default();
    metadata.push("annotations", Node::Map(annotations));
    metadata.push("name", Node::string(text("/kubernetesService/name")));
    let namespace = text("/kubernetesService/namespace");
    if !namespace.is_empty() {
        metadata.push("namespace", Node::string(namespace));
    }
    let mut root = Map::default();
    root.push("apiVersion", Node::string("v1"));
    root.push("kind", Node::string("ServiceAccount"));
    root.push("metadata", Node::Map(metadata));
    Ok(Resource::new(Node::Map(root), schemas))
}
