//! Reads an object's JSON once: identity, owners, marks, digests, and the compact body.
//!
//! What a compact body leaves out: `metadata.managedFields` entries of managers the diff does not
//! look at (kept are Driftless' own, `kubectl-client-side-apply`, and those configured with
//! [`Reading::managers`]), and the `time` of the entries that stay. Everything else is the API
//! server's text, in its order; `apiVersion` and `kind`, which items of lists lack, are added.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use driftless_core::{GroupVersionKind, ResourceKey};
use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::object::{Body, Digests, LiveObject, Owner, ResourceVersion, Uid};
use super::tracking::{INSTALLATION_ID, Marks, TRACKING_ID, Tracking};
use crate::write::FIELD_MANAGER;

/// The manager of `kubectl apply` without `--server-side`.
pub(crate) const CLIENT_SIDE: &str = "kubectl-client-side-apply";

/// What is read from objects.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Reading {
    pub(crate) tracking: Tracking,
    /// Field managers whose entries stay in bodies, beside the built-in ones.
    pub(crate) managers: BTreeSet<String>,
}

/// Whether the body is read too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Projection {
    /// Metadata only.
    Metadata,
    /// Everything.
    Full,
}

/// One object as it was read.
#[derive(Debug)]
pub(crate) struct Item {
    /// Without a body.
    pub(crate) object: LiveObject,
    /// The compact body, if the projection is full; not compressed yet.
    pub(crate) body: Option<Body>,
}

impl Item {
    /// Compresses the body if it is large.
    pub(crate) fn compressed(mut self) -> Self {
        self.body = self.body.map(Body::compressed);
        self
    }
}

/// Shares equal strings: namespaces, kinds of owners, names of apps.
#[derive(Debug, Default)]
pub(crate) struct Interner(Mutex<HashSet<Arc<str>>>);

impl Interner {
    pub(crate) fn share(&self, text: &str) -> Arc<str> {
        let mut known = self.0.lock();
        if let Some(shared) = known.get(text) {
            return shared.clone();
        }
        let shared: Arc<str> = Arc::from(text);
        known.insert(shared.clone());
        shared
    }
}

/// Reads one object of kind `gvk`.
pub(crate) fn read(
    json: &[u8],
    gvk: &GroupVersionKind,
    projection: Projection,
    reading: &Reading,
    interner: &Interner,
) -> Result<Item, String> {
    let fields: Fields<'_> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let raw_metadata = fields.find("metadata").ok_or("has no metadata")?;
    let metadata_fields: Fields<'_> =
        serde_json::from_str(raw_metadata.get()).map_err(|error| error.to_string())?;
    let metadata: Metadata<'_> =
        serde_json::from_str(raw_metadata.get()).map_err(|error| error.to_string())?;
    let managed: Vec<Managed<'_>> = metadata
        .managed_fields
        .map(|raw| serde_json::from_str(raw.get()))
        .transpose()
        .map_err(|error| error.to_string())?
        .unwrap_or_default();
    let kept: Vec<&Managed<'_>> = managed
        .iter()
        .filter(|entry| entry.is_kept(reading))
        .collect();

    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let name = metadata.name.as_deref().unwrap_or_default();
    if name.is_empty() {
        return Err("has no name".to_owned());
    }
    let instance = find_instance(&metadata, gvk, namespace, name, reading)?;
    let object = LiveObject {
        key: ResourceKey {
            group: gvk.group.clone(),
            kind: gvk.kind.clone(),
            namespace: interner.share(namespace),
            name: Arc::from(name),
        },
        version: gvk.version.clone(),
        uid: Uid::new(metadata.uid.as_deref().unwrap_or_default()),
        resource_version: ResourceVersion::new(
            metadata.resource_version.as_deref().unwrap_or_default(),
        ),
        created: time(metadata.creation_timestamp.as_deref()),
        deleting: time(metadata.deletion_timestamp.as_deref()),
        owners: metadata
            .owner_references
            .iter()
            .flatten()
            .map(|owner| owner.to_owner(interner))
            .collect(),
        instance: instance.map(|instance| interner.share(&instance)),
        digests: digests(&fields, &metadata_fields, &kept, projection),
        client_side_applied: managed.iter().any(Managed::is_client_side),
        body: None,
    };
    let body = (projection == Projection::Full)
        .then(|| Body::plain(compact(&fields, &metadata_fields, &kept, gvk)));
    Ok(Item { object, body })
}

fn time(text: Option<&str>) -> Option<Timestamp> {
    text?.parse().ok()
}

fn find_instance(
    metadata: &Metadata<'_>,
    gvk: &GroupVersionKind,
    namespace: &str,
    name: &str,
    reading: &Reading,
) -> Result<Option<String>, String> {
    let annotations = metadata
        .annotations
        .map(texts)
        .transpose()?
        .unwrap_or_default();
    let labels = metadata.labels.map(texts).transpose()?.unwrap_or_default();
    let find = |entries: &[(Cow<'_, str>, Cow<'_, str>)], key: &str| {
        entries
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.clone().into_owned())
    };
    let tracking_id = find(&annotations, TRACKING_ID);
    let installation_id = find(&annotations, INSTALLATION_ID);
    let label = find(&labels, &reading.tracking.label);
    let marks = Marks {
        tracking_id: tracking_id.as_deref(),
        label: label.as_deref(),
        installation_id: installation_id.as_deref(),
    };
    Ok(reading
        .tracking
        .instance(marks, &gvk.group, &gvk.kind, namespace, name)
        .map(str::to_owned))
}

/// Parts of metadata that change with every write and say nothing about content.
const VOLATILE: [&str; 4] = ["resourceVersion", "generation", "managedFields", "selfLink"];

fn digests(
    fields: &Fields<'_>,
    metadata: &Fields<'_>,
    kept: &[&Managed<'_>],
    projection: Projection,
) -> Digests {
    let mut content = DefaultHasher::new();
    let mut status = DefaultHasher::new();
    for (key, value) in &fields.0 {
        match key.as_ref() {
            "apiVersion" | "kind" | "metadata" => {}
            "status" => value.get().hash(&mut status),
            key => {
                key.hash(&mut content);
                value.get().hash(&mut content);
            }
        }
    }
    for (key, value) in &metadata.0 {
        if !VOLATILE.contains(&key.as_ref()) {
            key.hash(&mut content);
            value.get().hash(&mut content);
        }
    }
    if projection == Projection::Full {
        for entry in kept {
            entry.manager.hash(&mut content);
            entry.operation.hash(&mut content);
            entry.fields.map(RawValue::get).hash(&mut content);
        }
    }
    Digests {
        content: content.finish(),
        status: status.finish(),
    }
}

fn compact(
    fields: &Fields<'_>,
    metadata: &Fields<'_>,
    kept: &[&Managed<'_>],
    gvk: &GroupVersionKind,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(b"{\"apiVersion\":");
    push_text(&mut out, &gvk.api_version());
    out.extend_from_slice(b",\"kind\":");
    push_text(&mut out, &gvk.kind);
    out.extend_from_slice(b",\"metadata\":{");
    let mut first = true;
    for (key, value) in &metadata.0 {
        if matches!(key.as_ref(), "managedFields" | "selfLink") {
            continue;
        }
        push_field(&mut out, &mut first, key, value.get());
    }
    if !kept.is_empty() {
        let entries: Vec<String> = kept.iter().map(|entry| entry.to_json()).collect();
        push_field(
            &mut out,
            &mut first,
            "managedFields",
            &format!("[{}]", entries.join(",")),
        );
    }
    out.push(b'}');
    first = false;
    for (key, value) in &fields.0 {
        if !matches!(key.as_ref(), "apiVersion" | "kind" | "metadata") {
            push_field(&mut out, &mut first, key, value.get());
        }
    }
    out.push(b'}');
    out
}

fn push_field(out: &mut Vec<u8>, first: &mut bool, key: &str, value: &str) {
    if !std::mem::take(first) {
        out.push(b',');
    }
    push_text(out, key);
    out.push(b':');
    out.extend_from_slice(value.as_bytes());
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
}

/// The members of a JSON object in their order, values unread.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    fn find(&self, key: &str) -> Option<&'a RawValue> {
        self.0
            .iter()
            .find(|(known, _)| known == key)
            .map(|(_, value)| *value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(8);
                while let Some((key, value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    fields.push((key.0, value));
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Members).map(Fields)
    }
}

/// A string that borrows where the JSON text has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

type TextPair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Reads a map of strings in its order.
fn texts<'a>(raw: &'a RawValue) -> Result<Vec<TextPair<'a>>, String> {
    let fields: Fields<'a> = serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
    fields
        .0
        .into_iter()
        .map(|(key, value)| {
            serde_json::from_str::<Text<'a>>(value.get())
                .map(|text| (key, text.0))
                .map_err(|error| error.to_string())
        })
        .collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    namespace: Option<Cow<'a, str>>,
    #[serde(borrow)]
    uid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    resource_version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    creation_timestamp: Option<Cow<'a, str>>,
    #[serde(borrow)]
    deletion_timestamp: Option<Cow<'a, str>>,
    #[serde(borrow)]
    labels: Option<&'a RawValue>,
    #[serde(borrow)]
    annotations: Option<&'a RawValue>,
    #[serde(borrow)]
    owner_references: Option<Vec<OwnerReference<'a>>>,
    #[serde(borrow)]
    managed_fields: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OwnerReference<'a> {
    #[serde(borrow, default)]
    api_version: Cow<'a, str>,
    #[serde(borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    uid: Cow<'a, str>,
    controller: Option<bool>,
}

impl OwnerReference<'_> {
    fn to_owner(&self, interner: &Interner) -> Owner {
        Owner {
            uid: Uid::new(&self.uid),
            api_version: interner.share(&self.api_version),
            kind: interner.share(&self.kind),
            name: Arc::from(&*self.name),
            controller: self.controller.unwrap_or(false),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Managed<'a> {
    #[serde(borrow, default)]
    manager: Cow<'a, str>,
    #[serde(borrow, default)]
    operation: Cow<'a, str>,
    #[serde(borrow, default)]
    api_version: Cow<'a, str>,
    #[serde(borrow)]
    fields_type: Option<&'a RawValue>,
    #[serde(borrow, rename = "fieldsV1")]
    fields: Option<&'a RawValue>,
    #[serde(borrow)]
    subresource: Option<Cow<'a, str>>,
}

impl Managed<'_> {
    fn is_kept(&self, reading: &Reading) -> bool {
        self.manager == FIELD_MANAGER
            || self.manager == CLIENT_SIDE
            || reading.managers.contains(self.manager.as_ref())
    }

    /// Says whether a client-side apply, kubectl's or ours of earlier days, owns fields.
    fn is_client_side(&self) -> bool {
        self.operation == "Update"
            && self.subresource.as_deref().unwrap_or_default().is_empty()
            && (self.manager == CLIENT_SIDE || self.manager == FIELD_MANAGER)
    }

    fn to_json(&self) -> String {
        let mut out = vec![b'{'];
        let mut first = true;
        let text = |text: &str| serde_json::Value::from(text).to_string();
        push_field(&mut out, &mut first, "manager", &text(&self.manager));
        push_field(&mut out, &mut first, "operation", &text(&self.operation));
        push_field(&mut out, &mut first, "apiVersion", &text(&self.api_version));
        if let Some(raw) = self.fields_type {
            push_field(&mut out, &mut first, "fieldsType", raw.get());
        }
        if let Some(raw) = self.fields {
            push_field(&mut out, &mut first, "fieldsV1", raw.get());
        }
        if let Some(subresource) = &self.subresource {
            push_field(&mut out, &mut first, "subresource", &text(subresource));
        }
        out.push(b'}');
        String::from_utf8_lossy(&out).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn gvk() -> GroupVersionKind {
        GroupVersionKind::new("apps", "v1", "Deployment")
    }

    fn read_value(value: &Value) -> Item {
        let interner = Interner::default();
        let json = serde_json::to_vec(value).unwrap();
        read(
            &json,
            &gvk(),
            Projection::Full,
            &Reading::default(),
            &interner,
        )
        .unwrap()
    }

    fn sample() -> Value {
        json!({
            "metadata": {
                "name": "web", "namespace": "prod", "uid": "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
                "resourceVersion": "42", "generation": 3, "creationTimestamp": "2026-01-02T03:04:05Z",
                "annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:prod/web", "q": "a\"b"},
                "ownerReferences": [{"apiVersion":"v1","kind":"X","name":"o","uid":"u","controller":true}],
                "managedFields": [
                    {"manager":"argocd-controller","operation":"Apply","apiVersion":"apps/v1","time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{}}},
                    {"manager":"kube-controller-manager","operation":"Update","apiVersion":"apps/v1","subresource":"status","fieldsV1":{"f:status":{}}},
                ],
            },
            "spec": {"replicas": 2},
            "status": {"readyReplicas": 1},
        })
    }

    #[test]
    fn identity_owners_and_instance_are_read() {
        let item = read_value(&sample());
        let object = &item.object;
        assert_eq!(
            object.key,
            ResourceKey::new("apps", "Deployment", "prod", "web")
        );
        assert_eq!(object.instance.as_deref(), Some("shop"));
        assert_eq!(object.resource_version.as_str(), "42");
        assert_eq!(
            object.created.map(|t| t.to_string()).as_deref(),
            Some("2026-01-02T03:04:05Z")
        );
        assert!(!object.client_side_applied);
        let owner = object.owners.first().unwrap();
        assert_eq!((&*owner.kind, owner.controller), ("X", true));
    }

    #[test]
    fn bodies_keep_all_but_foreign_managers() {
        let item = read_value(&sample());
        let body: Value = serde_json::from_slice(&item.body.unwrap().to_bytes()).unwrap();
        assert_eq!(body["kind"], "Deployment");
        assert_eq!(body["apiVersion"], "apps/v1");
        assert_eq!(body["metadata"]["annotations"]["q"], "a\"b");
        assert_eq!(body["metadata"]["generation"], 3);
        assert_eq!(body["status"]["readyReplicas"], 1);
        assert_eq!(
            body["metadata"]["managedFields"],
            json!([{"manager":"argocd-controller","operation":"Apply","apiVersion":"apps/v1","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{}}}])
        );
    }

    #[test]
    fn digests_tell_content_from_status_from_noise() {
        let base = read_value(&sample()).object.digests;
        let mut noise = sample();
        noise["metadata"]["resourceVersion"] = json!("43");
        noise["metadata"]["managedFields"][0]["time"] = json!("2026-01-03T00:00:00Z");
        noise["metadata"]["managedFields"][1]["fieldsV1"] = json!({});
        assert_eq!(read_value(&noise).object.digests, base);
        let mut status = sample();
        status["status"]["readyReplicas"] = json!(2);
        let status = read_value(&status).object.digests;
        assert_eq!(status.content, base.content);
        assert_ne!(status.status, base.status);
        for (pointer, value) in [
            ("/spec/replicas", json!(3)),
            ("/metadata/annotations/q", json!("c")),
            (
                "/metadata/managedFields/0/fieldsV1",
                json!({"f:spec":{"f:replicas":{}}}),
            ),
        ] {
            let mut content = sample();
            *content.pointer_mut(pointer).unwrap() = value;
            assert_ne!(
                read_value(&content).object.digests.content,
                base.content,
                "{pointer}"
            );
        }
    }

    #[test]
    fn client_side_applies_are_noticed() {
        for manager in ["kubectl-client-side-apply", "argocd-controller"] {
            let mut value = sample();
            value["metadata"]["managedFields"][0] =
                json!({"manager":manager,"operation":"Update","fieldsV1":{}});
            assert!(read_value(&value).object.client_side_applied);
            value["metadata"]["managedFields"][0]["subresource"] = json!("status");
            assert!(!read_value(&value).object.client_side_applied);
        }
    }

    #[test]
    fn objects_without_metadata_or_name_are_errors() {
        let interner = Interner::default();
        for text in [
            "{}",
            "[]",
            "{\"metadata\":{}}",
            "{\"metadata\":{\"name\":1}}",
            "nonsense",
        ] {
            let read = read(
                text.as_bytes(),
                &gvk(),
                Projection::Full,
                &Reading::default(),
                &interner,
            );
            assert!(read.is_err(), "{text}");
        }
    }
}
