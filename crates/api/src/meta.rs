//! Object metadata, as far as Driftless reads it; the rest survives in `extra`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::object::object;
use crate::time::Time;

object! {
    /// `metadata` of an object.
    no_schema ObjectMeta {
        /// Name.
        name: String,
        /// Prefix from which the API server makes a name.
        generate_name: String,
        /// Namespace, empty for cluster-scoped objects.
        namespace: String,
        /// Unique id, set by the API server.
        uid: String,
        /// Opaque version, set by the API server.
        resource_version: String,
        /// Number of changes to the desired state.
        generation: i64,
        /// Time of creation.
        creation_timestamp: Option<Time>,
        /// Time at which deletion was asked for.
        deletion_timestamp: Option<Time>,
        /// Seconds of grace that deletion allows.
        deletion_grace_period_seconds: Option<i64>,
        /// Labels.
        labels: BTreeMap<String, String>,
        /// Annotations.
        annotations: BTreeMap<String, String>,
        /// Finalizers.
        finalizers: Vec<String>,
        /// Owners.
        owner_references: Vec<OwnerReference>,
        /// Who set which field; large, see [`ObjectMeta::drop_managed_fields`].
        managed_fields: Vec<Value>,
    }
}

impl ObjectMeta {
    /// Forgets who set which field and the last client-side-applied copy, which often weigh
    /// more than the object. For objects kept in memory, never for objects written back whole.
    pub fn drop_managed_fields(&mut self) {
        self.managed_fields = Vec::new();
        self.annotations
            .remove("kubectl.kubernetes.io/last-applied-configuration");
    }

    /// Returns an annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key).map(String::as_str)
    }

    /// Returns a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(String::as_str)
    }

    /// Says whether the object is being deleted.
    pub fn is_deleting(&self) -> bool {
        self.deletion_timestamp.is_some()
    }
}

impl JsonSchema for ObjectMeta {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ObjectMeta".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // The API server owns this part and refuses a schema for it.
        json_schema!({ "type": "object" })
    }
}

object! {
    /// One owner of an object.
    no_schema OwnerReference {
        required {
            /// Group and version of the owner.
            api_version: String,
            /// Kind of the owner.
            kind: String,
            /// Name of the owner.
            name: String,
            /// Unique id of the owner.
            uid: String,
        }
        /// Whether this owner manages the object.
        controller: bool,
        /// Whether the owner waits for the object when it is deleted.
        block_owner_deletion: bool,
    }
}

object! {
    /// `metadata` of a list.
    no_schema ListMeta {
        /// Opaque version of the list.
        resource_version: String,
        /// Token for the next page.
        #[serde(rename = "continue")]
        continue_token: String,
        /// Number of items after this page.
        remaining_item_count: Option<i64>,
    }
}
