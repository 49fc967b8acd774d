//! An object on its way through a build, with what kustomize keeps in internal annotations: former names,
//! prefixes and suffixes, how a generated object merges.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::id::{Gvk, ResId};
use crate::node::{Map, Node, Scalar, Style, Tag};
use crate::schema::Schemas;

/// Marks objects that are never printed.
pub(crate) const LOCAL_CONFIG: &str = "config.kubernetes.io/local-config";
/// Tells where an object came from.
pub(crate) const ORIGIN: &str = "config.kubernetes.io/origin";
/// Tells what changed it.
pub(crate) const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";

const PREVIOUS_KINDS: &str = "internal.config.kubernetes.io/previousKinds";
const PREVIOUS_NAMES: &str = "internal.config.kubernetes.io/previousNames";
const PREVIOUS_NAMESPACES: &str = "internal.config.kubernetes.io/previousNamespaces";
const PREFIXES: &str = "internal.config.kubernetes.io/prefixes";
const SUFFIXES: &str = "internal.config.kubernetes.io/suffixes";
const BEHAVIOR: &str = "internal.config.kubernetes.io/generatorBehavior";
const NEEDS_HASH: &str = "internal.config.kubernetes.io/needsHashSuffix";
const NAME_CHANGE: &str = "internal.config.kubernetes.io/allowNameChange";
const KIND_CHANGE: &str = "internal.config.kubernetes.io/allowKindChange";
const HELM: &str = "internal.config.kubernetes.io/helm-generated";
const ENABLED: &str = "enabled";

/// Annotations that are taken off before anything is printed.
const INTERNAL: [&str; 19] = [
    PREVIOUS_KINDS,
    PREVIOUS_NAMES,
    PREFIXES,
    SUFFIXES,
    PREVIOUS_NAMESPACES,
    NAME_CHANGE,
    KIND_CHANGE,
    "internal.config.kubernetes.io/refBy",
    BEHAVIOR,
    NEEDS_HASH,
    "internal.config.kubernetes.io/path",
    "internal.config.kubernetes.io/index",
    "internal.config.kubernetes.io/seqindent",
    "internal.config.kubernetes.io/id",
    "internal.config.kubernetes.io/annotations-migration-resource-id",
    "config.kubernetes.io/path",
    "config.kubernetes.io/index",
    "config.k8s.io/id",
    HELM,
];

/// How a generated object meets one that is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Behavior {
    #[default]
    Unspecified,
    Create,
    Replace,
    Merge,
}

impl Behavior {
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "replace" => Self::Replace,
            "merge" => Self::Merge,
            "create" => Self::Create,
            _ => Self::Unspecified,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Merge => "merge",
        }
    }
}

/// What an object was called before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Previous {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) kind: String,
}

/// What a build knows of an object besides its fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    pub(crate) previous: Vec<Previous>,
    pub(crate) prefixes: Vec<String>,
    pub(crate) suffixes: Vec<String>,
    pub(crate) behavior: Option<Behavior>,
    pub(crate) needs_hash: bool,
    pub(crate) name_change: bool,
    pub(crate) kind_change: bool,
    pub(crate) helm: bool,
}

impl Marks {
    fn any(&self) -> bool {
        !self.previous.is_empty()
            || !self.prefixes.is_empty()
            || !self.suffixes.is_empty()
            || self.behavior.is_some()
            || self.needs_hash
            || self.name_change
            || self.kind_change
            || self.helm
    }

    /// Returns them as the annotations kustomize keeps them in.
    pub(crate) fn annotations(&self) -> BTreeMap<&'static str, String> {
        let mut all = BTreeMap::new();
        let join = |part: fn(&Previous) -> &str| {
            let parts: Vec<&str> = self.previous.iter().map(part).collect();
            parts.join(",")
        };
        if !self.previous.is_empty() {
            all.insert(PREVIOUS_NAMES, join(|previous| &previous.name));
            all.insert(PREVIOUS_NAMESPACES, join(|previous| &previous.namespace));
            all.insert(PREVIOUS_KINDS, join(|previous| &previous.kind));
        }
        if !self.prefixes.is_empty() {
            all.insert(PREFIXES, self.prefixes.join(","));
        }
        if !self.suffixes.is_empty() {
            all.insert(SUFFIXES, self.suffixes.join(","));
        }
        if let Some(behavior) = self.behavior {
            all.insert(BEHAVIOR, behavior.as_str().to_owned());
        }
        for (set, key, value) in [
            (self.needs_hash, NEEDS_HASH, ENABLED),
            (self.name_change, NAME_CHANGE, ENABLED),
            (self.kind_change, KIND_CHANGE, ENABLED),
            (self.helm, HELM, "true"),
        ] {
            if set {
                all.insert(key, value.to_owned());
            }
        }
        all
    }

    /// Takes such annotations off an object.
    fn take(annotations: &mut Map) -> Self {
        let mut marks = Self::default();
        let list = |text: String| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let mut text = |key: &str| {
            let value = annotations.remove(key)?;
            Some(value.text().to_owned())
        };
        if let Some(names) = text(PREVIOUS_NAMES) {
            let namespaces = list(text(PREVIOUS_NAMESPACES).unwrap_or_default());
            let kinds = list(text(PREVIOUS_KINDS).unwrap_or_default());
            let rest = namespaces.into_iter().zip(kinds);
            marks.previous = list(names)
                .into_iter()
                .zip(rest)
                .map(|(name, (namespace, kind))| Previous {
                    name,
                    namespace,
                    kind,
                })
                .collect();
        }
        marks.prefixes = text(PREFIXES).map(list).unwrap_or_default();
        marks.suffixes = text(SUFFIXES).map(list).unwrap_or_default();
        marks.behavior = text(BEHAVIOR).map(|text| Behavior::parse(&text));
        let mut enabled = |key| text(key).is_some_and(|value| value == ENABLED);
        marks.needs_hash = enabled(NEEDS_HASH);
        marks.name_change = enabled(NAME_CHANGE);
        marks.kind_change = enabled(KIND_CHANGE);
        marks
    }
}

/// An object.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    node: Node,
    id: ResId,
    pub(crate) marks: Marks,
    /// Names of the vars that read from it.
    pub(crate) var_names: Vec<String>,
    /// Last known values of scalars that change together.
    groups: BTreeMap<u32, Scalar>,
    next_group: u32,
}

impl Resource {
    pub(crate) fn new(mut node: Node, schemas: &mut Schemas) -> Self {
        let mut marks = Marks::default();
        if let Some(Node::Map(annotations)) = node
            .get_mut("metadata")
            .and_then(|metadata| metadata.get_mut("annotations"))
            && annotations
                .iter()
                .any(|(key, _)| key.starts_with("internal.config.kubernetes.io/"))
        {
            marks = Marks::take(annotations);
        }
        let mut resource = Self {
            node,
            id: ResId::default(),
            marks,
            var_names: Vec::new(),
            groups: BTreeMap::new(),
            next_group: 1,
        };
        resource.refresh(schemas);
        resource
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// Returns the present identity.
    pub(crate) fn id(&self) -> &ResId {
        &self.id
    }

    /// Changes the object; its identity is read anew afterwards.
    pub(crate) fn edit<T>(
        &mut self,
        schemas: &mut Schemas,
        change: impl FnOnce(&mut Node) -> T,
    ) -> T {
        let result = change(&mut self.node);
        self.settle_groups();
        self.refresh(schemas);
        result
    }

    /// Takes the fields out; [`Resource::put`] has to follow.
    pub(crate) fn take(&mut self) -> Node {
        std::mem::replace(&mut self.node, Node::Map(Map::default()))
    }

    /// Puts changed fields back.
    pub(crate) fn put(&mut self, node: Node, schemas: &mut Schemas) {
        self.edit(schemas, |slot| *slot = node);
    }

    /// Puts another object in its place.
    pub(crate) fn replace_node(&mut self, node: Node, schemas: &mut Schemas) {
        self.node = node;
        self.groups.clear();
        self.refresh(schemas);
    }

    fn refresh(&mut self, schemas: &mut Schemas) {
        let api_version = self.node.get("apiVersion").map_or("", Node::text);
        let kind = self.node.get("kind").map_or("", Node::text);
        let same_kind = self.id.gvk.kind == kind && {
            let (group, version) = crate::id::split_api_version(api_version);
            self.id.gvk.group == group && self.id.gvk.version == version
        };
        if !same_kind || self.id.gvk.kind.is_empty() {
            self.id.gvk = Gvk::new(api_version, kind);
            let gvk = &self.id.gvk;
            self.id.cluster = schemas.is_cluster_scoped(&gvk.group, &gvk.version, &gvk.kind);
        }
        let (name, namespace) = (self.meta("name"), self.meta("namespace"));
        if self.id.name != name || self.id.namespace != namespace {
            let (name, namespace) = (name.to_owned(), namespace.to_owned());
            self.id.name = name;
            self.id.namespace = namespace;
        }
    }

    fn meta(&self, field: &str) -> &str {
        self.node
            .get("metadata")
            .and_then(|metadata| metadata.get(field))
            .filter(|value| !value.is_empty())
            .map_or("", Node::text)
    }

    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        self.string_map("labels")
    }

    pub(crate) fn annotations(&self) -> BTreeMap<String, String> {
        self.string_map("annotations")
    }

    pub(crate) fn annotation(&self, key: &str) -> Option<&str> {
        self.node
            .get("metadata")?
            .get("annotations")?
            .get(key)
            .map(Node::text)
    }

    fn string_map(&self, field: &str) -> BTreeMap<String, String> {
        self.node
            .get("metadata")
            .and_then(|metadata| metadata.get(field))
            .and_then(Node::as_map)
            .into_iter()
            .flat_map(Map::iter)
            .map(|(key, value)| (key.to_owned(), value.text().to_owned()))
            .collect()
    }

    pub(crate) fn set_labels(&mut self, labels: BTreeMap<String, String>) -> Result<()> {
        set_strings(&mut self.node, "labels", labels)
    }

    pub(crate) fn set_annotations(&mut self, annotations: BTreeMap<String, String>) -> Result<()> {
        set_strings(&mut self.node, "annotations", annotations)
    }

    pub(crate) fn set_name(&mut self, name: &str, schemas: &mut Schemas) -> Result<()> {
        self.edit(schemas, |node| {
            node.field_map("metadata")?
                .set_field("name", Scalar::untyped(name))
        })
    }

    pub(crate) fn set_namespace(&mut self, namespace: &str, schemas: &mut Schemas) -> Result<()> {
        self.edit(schemas, |node| {
            if namespace.is_empty() {
                if let Some(Node::Map(metadata)) = node.get_mut("metadata") {
                    metadata.remove("namespace");
                }
                return Ok(());
            }
            node.field_map("metadata")?
                .set_field("namespace", Scalar::untyped(namespace))
        })
    }

    pub(crate) fn set_kind(&mut self, kind: &str, schemas: &mut Schemas) -> Result<()> {
        self.edit(schemas, |node| {
            node.set_field("kind", Scalar::untyped(kind))
        })
    }

    pub(crate) fn set_api_version(&mut self, version: &str, schemas: &mut Schemas) -> Result<()> {
        self.edit(schemas, |node| {
            node.set_field("apiVersion", Scalar::untyped(version))
        })
    }

    /// Remembers what the object is called now.
    pub(crate) fn store_previous(&mut self) {
        self.marks.previous.push(Previous {
            name: self.id.name.clone(),
            namespace: self.id.effective_namespace().to_owned(),
            kind: self.id.gvk.kind.clone(),
        });
    }

    /// Returns former identities, oldest first.
    pub(crate) fn previous_ids(&self) -> impl Iterator<Item = ResId> + '_ {
        self.marks.previous.iter().map(|previous| ResId {
            gvk: Gvk {
                kind: previous.kind.clone(),
                ..self.id.gvk.clone()
            },
            name: previous.name.clone(),
            namespace: previous.namespace.clone(),
            cluster: false,
        })
    }

    /// Says whether the object is, or ever was, called so.
    pub(crate) fn ever(&self, mut matches: impl FnMut(&ResId) -> bool) -> bool {
        self.previous_ids().any(|id| matches(&id)) || matches(&self.id)
    }

    /// Says whether the object was ever called by this name, kind and namespace.
    pub(crate) fn ever_equals(&self, id: &ResId) -> bool {
        let (group, version) = (&self.id.gvk.group, &self.id.gvk.version);
        if *group != id.gvk.group || *version != id.gvk.version {
            return false;
        }
        let wanted = id.effective_namespace();
        let previous = self.marks.previous.iter().any(|previous| {
            previous.name == id.name
                && previous.kind == id.gvk.kind
                && (if previous.namespace.is_empty() {
                    "default"
                } else {
                    &previous.namespace
                }) == wanted
        });
        previous || self.id.equals(id)
    }

    /// Returns the identity the object started with.
    pub(crate) fn original_id(&self) -> ResId {
        self.previous_ids()
            .next()
            .unwrap_or_else(|| self.id.clone())
    }

    /// Returns a number that no other group of scalars in this object has.
    pub(crate) fn new_group(&mut self) -> u32 {
        self.next_group += 1;
        self.next_group - 1
    }

    /// Records the value of a group of scalars.
    pub(crate) fn remember_group(&mut self, group: u32, value: Scalar) {
        self.groups.insert(group, value);
    }

    /// Brings scalars that change together into line: one that differs from the known value was changed, and the
    /// others follow.
    fn settle_groups(&mut self) {
        if self.groups.is_empty() {
            return;
        }
        let mut changed: BTreeMap<u32, Scalar> = BTreeMap::new();
        visit_groups(&mut self.node, &mut |scalar| {
            if let Some(known) = self.groups.get(&scalar.group())
                && !known.same(scalar)
            {
                changed.insert(scalar.group(), scalar.clone());
            }
        });
        if changed.is_empty() {
            return;
        }
        visit_groups(&mut self.node, &mut |scalar| {
            if let Some(value) = changed.get(&scalar.group()) {
                scalar.overwrite(value);
            }
        });
        self.groups.extend(changed);
    }

    /// Copies labels, annotations, name and namespace of another object, as merging generators do.
    pub(crate) fn merge_metadata_from(
        &mut self,
        other: &Resource,
        schemas: &mut Schemas,
    ) -> Result<()> {
        let mut labels = other.labels();
        labels.extend(self.labels());
        self.set_labels(labels)?;
        let mut annotations = other.annotations();
        annotations.extend(self.annotations());
        annotations.retain(|key, _| !INTERNAL.contains(&key.as_str()));
        self.set_annotations(annotations)?;
        let needs_hash = self.marks.needs_hash && other.marks.needs_hash;
        self.marks = Marks {
            needs_hash,
            ..other.marks.clone()
        };
        self.var_names.clone_from(&other.var_names);
        self.set_name(&other.id.name, schemas)?;
        self.set_namespace(&other.id.namespace, schemas)
    }

    /// Copies the entries of `data` or `binaryData` that this object does not have.
    pub(crate) fn merge_data_from(&mut self, other: &Resource, field: &str) -> Result<()> {
        let entries = |resource: &Resource| -> BTreeMap<String, String> {
            let data = resource.node.get(field).and_then(Node::as_map);
            data.into_iter()
                .flat_map(Map::iter)
                .map(|(key, value)| (key.to_owned(), value.value().to_owned()))
                .collect()
        };
        let mut merged = entries(other);
        merged.extend(entries(self));
        if let Node::Map(map) = &mut self.node {
            map.remove(field);
        }
        if merged.is_empty() {
            return Ok(());
        }
        let data = self.node.field_map(field)?;
        for (key, value) in merged {
            data.set_field(&key, Scalar::string(value))?;
        }
        Ok(())
    }

    /// Returns the object with kustomize's internal annotations, as messages show it.
    pub(crate) fn shown(&self) -> String {
        crate::node::write_yaml(&self.with_marks()).unwrap_or_default()
    }

    /// As [`Resource::shown`], as JSON.
    pub(crate) fn shown_json(&self) -> String {
        crate::node::to_json(&self.with_marks())
            .map(|value| crate::transform::hash::go_json(&value))
            .unwrap_or_default()
    }

    fn with_marks(&self) -> Node {
        let mut node = self.node.clone();
        if self.marks.any() {
            let mut annotations = self.annotations();
            for (key, value) in self.marks.annotations() {
                annotations.insert(key.to_owned(), value);
            }
            // A failure leaves them out of the message.
            let _ = set_strings(&mut node, "annotations", annotations);
        }
        node
    }

    /// Takes off what is not for the reader of the result. Annotations become strings on the way.
    pub(crate) fn strip(&mut self, keep_origin: bool, keep_transformations: bool) -> Result<()> {
        let mut annotations = self.annotations();
        let had_any = !annotations.is_empty() || self.marks.any();
        annotations.retain(|key, _| {
            !INTERNAL.contains(&key.as_str())
                && (keep_origin || key != ORIGIN)
                && (keep_transformations || key != TRANSFORMATIONS)
        });
        if !had_any && keep_origin && keep_transformations {
            return Ok(());
        }
        self.set_annotations(annotations)
    }

    /// Says whether the object is only for the build itself.
    pub(crate) fn is_local(&self) -> bool {
        self.annotation(LOCAL_CONFIG)
            .is_some_and(|value| value != "false")
    }

    /// Returns the namespace as written, or the one for objects outside of namespaces.
    pub(crate) fn original_namespace(&self) -> String {
        self.marks.previous.first().map_or_else(
            || self.id.effective_namespace().to_owned(),
            |previous| {
                if previous.namespace.is_empty() {
                    "default".to_owned()
                } else {
                    previous.namespace.clone()
                }
            },
        )
    }
}

fn visit_groups(node: &mut Node, visit: &mut dyn FnMut(&mut Scalar)) {
    match node {
        Node::Scalar(scalar) => {
            if scalar.group() != 0 {
                visit(scalar);
            }
        }
        Node::Map(map) => {
            for (_, value) in &mut map.0 {
                visit_groups(value, visit);
            }
        }
        Node::Seq(items) => {
            for item in items {
                visit_groups(item, visit);
            }
        }
    }
}

/// Replaces `metadata.<field>` by these entries, all strings; without any the field goes.
pub(crate) fn set_strings(
    node: &mut Node,
    field: &str,
    entries: BTreeMap<String, String>,
) -> Result<()> {
    let metadata = node.field_map("metadata")?;
    let Some(map) = metadata.as_map_mut() else {
        return Err(Error::new("metadata is not a mapping"));
    };
    map.remove(field);
    if entries.is_empty() {
        return Ok(());
    }
    let entries = entries
        .into_iter()
        .map(|(key, value)| (Scalar::untyped(key), Node::string(value)));
    map.push(field, Node::Map(Map(entries.collect())));
    Ok(())
}

/// Returns a scalar that YAML reads as this boolean.
pub(crate) fn boolean(value: bool) -> Node {
    Node::Scalar(Scalar::tagged(value.to_string(), Tag::Bool).with_style(Style::Plain))
}
