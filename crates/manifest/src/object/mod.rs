//! A validated Kubernetes object: identity is present and well-typed, the rest is as it was read.

use std::fmt;

use driftless_core::{Class, Classify, GroupVersionKind, ResourceKey};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// Why a value is not a Kubernetes object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The document is a scalar or a list.
    #[error("a Kubernetes object is a mapping, found {found}")]
    NotMapping {
        /// What the document is.
        found: &'static str,
    },
    /// A field every object has is absent or empty.
    #[error("{object}: field {field} is missing or empty")]
    MissingField {
        /// What is known of the object.
        object: String,
        /// The field, dotted.
        field: &'static str,
    },
    /// A field has a type that Kubernetes does not accept.
    #[error("{object}: field {field} must be {expected}, found {found}")]
    WrongType {
        /// What is known of the object.
        object: String,
        /// The field, dotted.
        field: String,
        /// The type Kubernetes wants.
        expected: &'static str,
        /// The type found.
        found: &'static str,
    },
}

impl Classify for Error {
    fn class(&self) -> Class {
        Class::User
    }

    fn reason(&self) -> &'static str {
        "InvalidManifest"
    }
}

/// Names the type of a value as users know it.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

/// A Kubernetes object whose `apiVersion`, `kind` and `metadata.name` (or `generateName`) are known to be
/// there. `Debug` prints the identity only: the content may be secret.
#[derive(Clone, PartialEq)]
pub struct Object(Map<String, Value>);

impl Object {
    /// Validates a value.
    pub fn from_value(value: Value) -> Result<Self, Error> {
        match value {
            Value::Object(map) => Self::from_map(map),
            other => Err(Error::NotMapping {
                found: type_name(&other),
            }),
        }
    }

    /// Validates a mapping.
    pub fn from_map(map: Map<String, Value>) -> Result<Self, Error> {
        validate(&map)?;
        Ok(Self(map))
    }

    /// Returns the whole object as a mapping.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Returns the mapping for changes. `apiVersion`, `kind` and the name must stay; accessors answer with
    /// empty text where they do not.
    pub fn as_map_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.0
    }

    /// Unwraps the mapping.
    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }

    /// Unwraps the object as a value.
    pub fn into_value(self) -> Value {
        Value::Object(self.0)
    }

    /// Copies the object to a value.
    pub fn to_value(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// Returns the value behind a path of field names.
    pub fn at(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        at(self.0.get(*first)?, rest)
    }

    /// Returns the text behind a path of field names; `None` when absent or not text.
    pub fn str_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path)?.as_str()
    }

    /// Returns `apiVersion`.
    pub fn api_version(&self) -> &str {
        self.str_at(&["apiVersion"]).unwrap_or_default()
    }

    /// Returns the API group, empty for core kinds.
    pub fn group(&self) -> &str {
        self.api_version()
            .split_once('/')
            .map_or("", |(group, _)| group)
    }

    /// Returns the API version without its group.
    pub fn version(&self) -> &str {
        let api_version = self.api_version();
        api_version
            .split_once('/')
            .map_or(api_version, |(_, version)| version)
    }

    /// Returns `kind`.
    pub fn kind(&self) -> &str {
        self.str_at(&["kind"]).unwrap_or_default()
    }

    /// Returns group, version and kind.
    pub fn gvk(&self) -> GroupVersionKind {
        GroupVersionKind::new(self.group(), self.version(), self.kind())
    }

    /// Says whether the object is of the given group and kind.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.kind() == kind && self.group() == group
    }

    /// Returns `metadata.name`, empty when only `generateName` is set.
    pub fn name(&self) -> &str {
        self.str_at(&["metadata", "name"]).unwrap_or_default()
    }

    /// Returns `metadata.generateName`.
    pub fn generate_name(&self) -> Option<&str> {
        self.str_at(&["metadata", "generateName"])
            .filter(|name| !name.is_empty())
    }

    /// Returns `metadata.namespace`, empty when unset.
    pub fn namespace(&self) -> &str {
        self.str_at(&["metadata", "namespace"]).unwrap_or_default()
    }

    /// Returns the key of the object.
    pub fn key(&self) -> ResourceKey {
        ResourceKey::new(self.group(), self.kind(), self.namespace(), self.name())
    }

    /// Returns `metadata.uid`.
    pub fn uid(&self) -> Option<&str> {
        self.str_at(&["metadata", "uid"])
    }

    /// Returns `metadata.resourceVersion`.
    pub fn resource_version(&self) -> Option<&str> {
        self.str_at(&["metadata", "resourceVersion"])
    }

    /// Returns `metadata.generation`, 0 when unset.
    pub fn generation(&self) -> i64 {
        self.at(&["metadata", "generation"])
            .and_then(Value::as_i64)
            .unwrap_or_default()
    }

    /// Returns `metadata.creationTimestamp`.
    pub fn creation_timestamp(&self) -> Option<Timestamp> {
        self.str_at(&["metadata", "creationTimestamp"])?
            .parse()
            .ok()
    }

    /// Returns `metadata.deletionTimestamp`.
    pub fn deletion_timestamp(&self) -> Option<Timestamp> {
        self.str_at(&["metadata", "deletionTimestamp"])?
            .parse()
            .ok()
    }

    /// Says whether deletion has begun.
    pub fn is_deleting(&self) -> bool {
        self.at(&["metadata", "deletionTimestamp"])
            .is_some_and(|at| !at.is_null())
    }

    /// Returns the annotation named `key`.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.str_at(&["metadata", "annotations", key])
    }

    /// Returns all annotations in stable order; values that are not text are passed over.
    pub fn annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts("annotations")
    }

    /// Returns the label named `key`.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.str_at(&["metadata", "labels", key])
    }

    /// Returns all labels in stable order; values that are not text are passed over.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts("labels")
    }

    fn texts(&self, field: &str) -> impl Iterator<Item = (&str, &str)> {
        self.at(&["metadata", field])
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }

    /// Sets an annotation.
    pub fn set_annotation(&mut self, key: &str, value: impl Into<String>) {
        self.set_text("annotations", key, value.into());
    }

    /// Removes an annotation, and the mapping when it was the last.
    pub fn remove_annotation(&mut self, key: &str) {
        self.remove_text("annotations", key);
    }

    /// Sets a label.
    pub fn set_label(&mut self, key: &str, value: impl Into<String>) {
        self.set_text("labels", key, value.into());
    }

    /// Removes a label, and the mapping when it was the last.
    pub fn remove_label(&mut self, key: &str) {
        self.remove_text("labels", key);
    }

    fn set_text(&mut self, field: &str, key: &str, value: String) {
        let slot = self
            .metadata_mut()
            .entry(field)
            .or_insert_with(|| Value::Object(Map::new()));
        if !slot.is_object() {
            *slot = Value::Object(Map::new());
        }
        if let Value::Object(texts) = slot {
            texts.insert(key.to_owned(), Value::String(value));
        }
    }

    fn remove_text(&mut self, field: &str, key: &str) {
        let metadata = self.metadata_mut();
        if let Some(Value::Object(texts)) = metadata.get_mut(field) {
            texts.remove(key);
            if texts.is_empty() {
                metadata.remove(field);
            }
        }
    }

    /// Sets `metadata.namespace`; empty removes it.
    pub fn set_namespace(&mut self, namespace: &str) {
        if namespace.is_empty() {
            self.metadata_mut().remove("namespace");
        } else {
            self.metadata_mut()
                .insert("namespace".into(), namespace.into());
        }
    }

    /// Sets `metadata.name` and drops `generateName`.
    pub fn set_name(&mut self, name: &str) {
        let metadata = self.metadata_mut();
        metadata.insert("name".into(), name.into());
        metadata.remove("generateName");
    }

    /// Returns `metadata`, made if it is absent.
    pub fn metadata_mut(&mut self) -> &mut Map<String, Value> {
        let slot = self
            .0
            .entry("metadata")
            .or_insert_with(|| Value::Object(Map::new()));
        if !slot.is_object() {
            *slot = Value::Object(Map::new());
        }
        match slot {
            Value::Object(metadata) => metadata,
            _ => unreachable!("set to a mapping above"),
        }
    }

    /// Returns the finalizers in order.
    pub fn finalizers(&self) -> impl Iterator<Item = &str> {
        self.at(&["metadata", "finalizers"])
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
    }

    /// Adds a finalizer unless it is there.
    pub fn add_finalizer(&mut self, finalizer: &str) {
        if self.finalizers().any(|known| known == finalizer) {
            return;
        }
        let slot = self
            .metadata_mut()
            .entry("finalizers")
            .or_insert_with(|| Value::Array(Vec::new()));
        match slot {
            Value::Array(list) => list.push(finalizer.into()),
            other => *other = Value::Array(vec![finalizer.into()]),
        }
    }

    /// Removes a finalizer.
    pub fn remove_finalizer(&mut self, finalizer: &str) {
        let metadata = self.metadata_mut();
        if let Some(Value::Array(list)) = metadata.get_mut("finalizers") {
            list.retain(|known| known.as_str() != Some(finalizer));
            if list.is_empty() {
                metadata.remove("finalizers");
            }
        }
    }

    /// Returns the owner references that name an object.
    pub fn owner_references(&self) -> impl Iterator<Item = OwnerReference<'_>> {
        self.at(&["metadata", "ownerReferences"])
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(OwnerReference::from_value)
    }

    /// Returns who owns which fields, one entry per manager, operation and subresource.
    pub fn managed_fields(&self) -> impl Iterator<Item = crate::fields::ManagedFields<'_>> {
        self.at(&["metadata", "managedFields"])
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(crate::fields::ManagedFields::from_value)
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({self})")
    }
}

impl fmt::Display for Object {
    /// Writes `kind namespace/name`, without the namespace where there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.generate_name().filter(|_| self.name().is_empty());
        write!(f, "{} ", self.kind())?;
        if !self.namespace().is_empty() {
            write!(f, "{}/", self.namespace())?;
        }
        match name {
            Some(prefix) => write!(f, "{prefix}*"),
            None => f.write_str(self.name()),
        }
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_map(Map::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// One entry of `metadata.ownerReferences`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OwnerReference<'a> {
    /// `apiVersion` of the owner.
    pub api_version: &'a str,
    /// Kind of the owner.
    pub kind: &'a str,
    /// Name of the owner.
    pub name: &'a str,
    /// UID of the owner.
    pub uid: &'a str,
    /// Whether the owner is the managing controller.
    pub controller: bool,
}

impl<'a> OwnerReference<'a> {
    fn from_value(value: &'a Value) -> Option<Self> {
        let text = |field: &str| value.get(field).and_then(Value::as_str);
        Some(Self {
            api_version: text("apiVersion")?,
            kind: text("kind")?,
            name: text("name")?,
            uid: text("uid").unwrap_or_default(),
            controller: value.get("controller").and_then(Value::as_bool) == Some(true),
        })
    }

    /// Returns the API group of the owner.
    pub fn group(&self) -> &'a str {
        self.api_version
            .split_once('/')
            .map_or("", |(group, _)| group)
    }
}

/// Returns the value behind a path of field names.
pub fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, field| value.get(field))
}

/// Turns one document into objects: `null` is none, a `List` (or `ConfigMapList` and the like) is its items,
/// anything else is one object.
pub fn flatten(value: Value) -> Result<Vec<Object>, Error> {
    let mut objects = Vec::new();
    flatten_into(value, &mut objects)?;
    Ok(objects)
}

fn flatten_into(value: Value, objects: &mut Vec<Object>) -> Result<(), Error> {
    let mut map = match value {
        Value::Null => return Ok(()),
        Value::Object(map) => map,
        other => {
            return Err(Error::NotMapping {
                found: type_name(&other),
            });
        }
    };
    let kind = map.get("kind").and_then(Value::as_str).unwrap_or_default();
    let Some(item_kind) = kind.strip_suffix("List").map(str::to_owned) else {
        objects.push(Object::from_map(map)?);
        return Ok(());
    };
    let items = match map.remove("items") {
        Some(Value::Array(items)) => items,
        // `kind: List` without items is an empty list; any other kind may just be named so.
        None | Some(Value::Null) if item_kind.is_empty() => Vec::new(),
        Some(other) if item_kind.is_empty() => {
            return Err(Error::WrongType {
                object: describe(&map),
                field: "items".into(),
                expected: "a list",
                found: type_name(&other),
            });
        }
        other => {
            if let Some(items) = other {
                map.insert("items".into(), items);
            }
            objects.push(Object::from_map(map)?);
            return Ok(());
        }
    };
    for mut item in items {
        if let Value::Object(item) = &mut item
            && !item_kind.is_empty()
        {
            item.entry("kind")
                .or_insert_with(|| item_kind.clone().into());
            if let Some(api_version) = map.get("apiVersion") {
                item.entry("apiVersion")
                    .or_insert_with(|| api_version.clone());
            }
        }
        flatten_into(item, objects)?;
    }
    Ok(())
}

/// Describes what is known of an object that may not be one.
fn describe(map: &Map<String, Value>) -> String {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let kind = text(map.get("kind")).unwrap_or_else(|| "object".into());
    match text(
        map.get("metadata")
            .and_then(|metadata| metadata.get("name")),
    ) {
        Some(name) => format!("{kind} {name:?}"),
        None => kind,
    }
}

fn validate(map: &Map<String, Value>) -> Result<(), Error> {
    required_text(map, "apiVersion", map.get("apiVersion"))?;
    required_text(map, "kind", map.get("kind"))?;
    let metadata = match map.get("metadata") {
        None | Some(Value::Null) => {
            return Err(Error::MissingField {
                object: describe(map),
                field: "metadata.name",
            });
        }
        Some(Value::Object(metadata)) => metadata,
        Some(other) => return Err(wrong(map, "metadata", "a mapping", other)),
    };
    let generated = optional_text(map, "metadata.generateName", metadata.get("generateName"))?;
    if generated.is_none_or(str::is_empty) {
        required_text(map, "metadata.name", metadata.get("name"))?;
    } else {
        optional_text(map, "metadata.name", metadata.get("name"))?;
    }
    optional_text(map, "metadata.namespace", metadata.get("namespace"))?;
    for field in ["labels", "annotations"] {
        match metadata.get(field) {
            None | Some(Value::Null) => {}
            Some(Value::Object(texts)) => {
                for (key, value) in texts {
                    // A null is dropped by the API server; other types are refused.
                    if !value.is_string() && !value.is_null() {
                        let field = format!("metadata.{field}[{key}]");
                        return Err(wrong(map, &field, "a string (put it in quotes)", value));
                    }
                }
            }
            Some(other) => {
                return Err(wrong(map, &format!("metadata.{field}"), "a mapping", other));
            }
        }
    }
    Ok(())
}

fn wrong(map: &Map<String, Value>, field: &str, expected: &'static str, value: &Value) -> Error {
    Error::WrongType {
        object: describe(map),
        field: field.to_owned(),
        expected,
        found: type_name(value),
    }
}

fn optional_text<'a>(
    map: &Map<String, Value>,
    field: &'static str,
    value: Option<&'a Value>,
) -> Result<Option<&'a str>, Error> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(wrong(map, field, "a string", other)),
    }
}

fn required_text(
    map: &Map<String, Value>,
    field: &'static str,
    value: Option<&Value>,
) -> Result<(), Error> {
    match optional_text(map, field, value)? {
        Some(text) if !text.is_empty() => Ok(()),
        _ => Err(Error::MissingField {
            object: describe(map),
            field,
        }),
    }
}

#[cfg(test)]
mod tests;
