//! The objects of a build, in order.

use std::collections::HashSet;

use driftless_yaml::Limits;

use crate::error::{Context as _, Error, Result};
use crate::id::ResId;
use crate::merge::strategic_merge;
use crate::node::{Documents, Node, from_json, parse_documents, to_json};
use crate::resource::{Behavior, Resource};
use crate::schema::Schemas;

/// Objects in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Set {
    pub(crate) list: Vec<Resource>,
}

/// The part of an identity that must not be there twice.
type Key = (crate::id::Gvk, String, String);

fn key(id: &ResId) -> Key {
    (
        id.gvk.clone(),
        id.name.clone(),
        id.effective_namespace().to_owned(),
    )
}

impl Set {
    /// Adds an object; its identity must be new.
    pub(crate) fn append(&mut self, resource: Resource) -> Result<()> {
        if self
            .list
            .iter()
            .any(|known| known.id().equals(resource.id()))
        {
            return Err(taken(resource.id()));
        }
        self.list.push(resource);
        Ok(())
    }

    /// Adds objects; their identities must be new.
    pub(crate) fn append_all(&mut self, resources: Vec<Resource>) -> Result<()> {
        if resources.len() < 4 {
            return resources
                .into_iter()
                .try_for_each(|resource| self.append(resource));
        }
        let mut known: HashSet<Key> = self.list.iter().map(|one| key(one.id())).collect();
        for resource in resources {
            if !known.insert(key(resource.id())) {
                return Err(taken(resource.id()));
            }
            self.list.push(resource);
        }
        Ok(())
    }

    /// Adds generated objects: they are new, or replace or merge with one that is there.
    pub(crate) fn absorb(&mut self, mut resource: Resource, schemas: &mut Schemas) -> Result<()> {
        let id = resource.id().clone();
        let matches: Vec<usize> = self.ever(&id);
        let behavior = resource.marks.behavior.unwrap_or_default();
        let [index] = matches.as_slice() else {
            if !matches.is_empty() {
                let shown: Vec<String> = matches
                    .iter()
                    .filter_map(|at| self.list.get(*at))
                    .map(|known| known.id().to_string())
                    .collect();
                return Err(Error::new(format!(
                    "found multiple objects [{}] that could accept merge of {id}",
                    shown.join(" ")
                )));
            }
            if matches!(behavior, Behavior::Merge | Behavior::Replace) {
                return Err(Error::new(format!(
                    "id {} does not exist; cannot merge or replace",
                    id.go_syntax()
                )));
            }
            return self.append(resource);
        };
        let Some(old) = self.list.get_mut(*index) else {
            return Ok(());
        };
        match behavior {
            Behavior::Replace => resource.merge_metadata_from(old, schemas)?,
            Behavior::Merge => {
                resource.merge_metadata_from(old, schemas)?;
                resource.merge_data_from(old, "data")?;
                resource.merge_data_from(old, "binaryData")?;
                if let Some(origin) = old.annotation(crate::resource::ORIGIN) {
                    let mut annotations = resource.annotations();
                    annotations.insert(crate::resource::ORIGIN.to_owned(), origin.to_owned());
                    resource.set_annotations(annotations)?;
                }
            }
            Behavior::Unspecified | Behavior::Create => {
                return Err(Error::new(format!(
                    "id {} exists; can not use behavior: '{}', behavior must be merge or replace",
                    id.go_syntax(),
                    behavior.as_str()
                )));
            }
        }
        *old = resource;
        Ok(())
    }

    /// Returns the places of objects that are, or ever were, called so.
    pub(crate) fn ever(&self, id: &ResId) -> Vec<usize> {
        let found = self
            .list
            .iter()
            .enumerate()
            .filter(|(_, resource)| resource.ever_equals(id));
        found.map(|(at, _)| at).collect()
    }

    /// Returns the one object a patch is for.
    pub(crate) fn only(&self, id: &ResId) -> Result<usize> {
        let matches = self.ever(id);
        match matches.as_slice() {
            [one] => Ok(*one),
            [] => Err(Error::new(format!(
                "no matches for Id {id}; failed to find unique target for patch {id}"
            ))),
            _ => Err(Error::new(format!(
                "multiple matches for Id {id}; failed to find unique target for patch {id}"
            ))),
        }
    }

    /// Merges a patch into the objects at these places.
    pub(crate) fn apply_patch(
        &mut self,
        selected: &[usize],
        patch: &Resource,
        schemas: &mut Schemas,
    ) -> Result<()> {
        let ids: HashSet<ResId> = selected
            .iter()
            .filter_map(|at| self.list.get(*at))
            .map(|resource| resource.id().clone())
            .collect();
        let mut kept = Vec::with_capacity(self.list.len());
        for mut resource in std::mem::take(&mut self.list) {
            if ids.contains(resource.id()) {
                let mut copy = patch.clone();
                let (labels, annotations) = (copy.labels(), copy.annotations());
                copy.set_labels(labels)?;
                copy.set_annotations(annotations)?;
                copy.set_name(&patch.id().name, schemas)?;
                copy.set_namespace(&patch.id().namespace, schemas)?;
                let api_version = resource.id().gvk.api_version();
                copy.set_api_version(&api_version, schemas)?;
                if !merge_patch(&mut resource, &copy, schemas)? {
                    continue;
                }
            }
            kept.push(resource);
        }
        self.append_all(kept)
    }

    /// Takes empty objects out.
    pub(crate) fn drop_empty(&mut self) {
        self.list.retain(|resource| !resource.node().is_empty());
    }
}

fn taken(id: &ResId) -> Error {
    Error::new(format!(
        "may not add resource with an already registered id: {id}"
    ))
}

/// Merges a patch into an object; `false` when nothing of it is left.
pub(crate) fn merge_patch(
    resource: &mut Resource,
    patch: &Resource,
    schemas: &mut Schemas,
) -> Result<bool> {
    let before = resource.id().clone();
    if patch.marks.name_change || patch.marks.kind_change {
        resource.store_previous();
    }
    if clears_annotations(patch.node()) {
        // Upstream keeps former names there.
        resource.marks = crate::resource::Marks::default();
    }
    let old = resource.take();
    let merged = strategic_merge(Some(old), Some(patch.node().clone()), schemas)?;
    let Some(merged) = merged.filter(|node| !node.is_empty()) else {
        resource.replace_node(Node::Map(crate::node::Map::default()), schemas);
        return Ok(false);
    };
    resource.put(merged, schemas);
    if !patch.marks.kind_change {
        resource.set_kind(&before.gvk.kind, schemas)?;
    }
    if !patch.marks.name_change {
        resource.set_name(&before.name, schemas)?;
    }
    resource.set_namespace(&before.namespace, schemas)?;
    Ok(true)
}

/// Says whether a patch takes all annotations off, those of kustomize itself included.
fn clears_annotations(patch: &Node) -> bool {
    let annotations = patch
        .get("metadata")
        .and_then(|metadata| metadata.get("annotations"));
    annotations.is_some_and(|annotations| {
        let directive = annotations.get("$patch").map(Node::text);
        annotations.is_null() || matches!(directive, Some("replace" | "delete"))
    })
}

/// Reads objects from a text, lists unfolded.
pub(crate) fn read_objects(
    bytes: &[u8],
    limits: &Limits,
    schemas: &mut Schemas,
) -> Result<Vec<Resource>> {
    let documents = parse_documents(bytes, limits)?;
    let nodes = valid(unwrap_list(documents))?;
    let nodes = unfold_lists(nodes)?;
    Ok(nodes
        .into_iter()
        .map(|node| Resource::new(node, schemas))
        .collect())
}

/// A single document of kind `List` or `ResourceList` stands for its items.
fn unwrap_list(documents: Documents) -> Vec<Node> {
    let Documents { mut nodes, pieces } = documents;
    if pieces != 1 {
        return nodes;
    }
    let is_list = nodes.first().is_some_and(|node| {
        matches!(
            node.get("kind").map(Node::text),
            Some("List" | "ResourceList")
        ) && (node.get("items").is_some() || node.get("functionConfig").is_some())
    });
    if !is_list {
        return nodes;
    }
    match nodes.first_mut().and_then(|node| node.get_mut("items")) {
        Some(Node::Seq(items)) => std::mem::take(items),
        _ => Vec::new(),
    }
}

fn valid(nodes: Vec<Node>) -> Result<Vec<Node>> {
    let nodes: Vec<Node> = nodes.into_iter().filter(|node| !node.is_empty()).collect();
    nodes.iter().try_for_each(check_metadata)?;
    Ok(nodes)
}

/// Fails for what is no Kubernetes object.
fn check_metadata(node: &Node) -> Result<()> {
    let filled = |node: &Node, field: &str| {
        node.get(field)
            .filter(|value| !value.is_empty())
            .map(|value| value.text().to_owned())
    };
    let api_version = filled(node, "apiVersion");
    let kind = filled(node, "kind");
    let metadata = node.get("metadata").filter(|value| !value.is_empty());
    let inner = |field: &str| metadata.and_then(|metadata| filled(metadata, field));
    let (name, namespace) = (inner("name"), inner("namespace"));
    let maps = ["labels", "annotations"]
        .iter()
        .any(|field| metadata.is_some_and(|m| m.get(field).is_some_and(|v| !v.is_empty())));
    if api_version.is_none() && kind.is_none() && name.is_none() && namespace.is_none() && !maps {
        return Err(Error::new("missing Resource metadata"));
    }
    let kind = kind.unwrap_or_default();
    let problem = if kind.is_empty() {
        "missing kind"
    } else if kind.ends_with("List") || name.as_ref().is_some_and(|name| !name.is_empty()) {
        return Ok(());
    } else {
        "missing metadata.name"
    };
    let map = |field: &str| {
        let entries = metadata.and_then(|metadata| metadata.get(field));
        let mut entries: Vec<String> = entries
            .and_then(Node::as_map)
            .into_iter()
            .flat_map(crate::node::Map::iter)
            .map(|(key, value)| format!("{key}:{}", value.value()))
            .collect();
        entries.sort();
        entries.join(" ")
    };
    Err(Error::new(format!(
        "{problem} in object {{{{{} {kind}}} {{{{{} {}}} map[{}] map[{}]}}}}",
        api_version.unwrap_or_default(),
        name.unwrap_or_default(),
        namespace.unwrap_or_default(),
        map("labels"),
        map("annotations")
    )))
}

/// Items of lists among other documents come after those.
fn unfold_lists(nodes: Vec<Node>) -> Result<Vec<Node>> {
    let mut result = Vec::with_capacity(nodes.len());
    let mut pending: std::collections::VecDeque<Node> = nodes.into();
    while let Some(node) = pending.pop_front() {
        let kind = node.get("kind").map_or("", Node::text).to_owned();
        let items = match node.get("items") {
            Some(items) if kind.ends_with("List") => items,
            _ => {
                result.push(node);
                continue;
            }
        };
        match items {
            items if items.is_null() => {}
            Node::Seq(items) => {
                let mut inner = Vec::with_capacity(items.len());
                for item in items {
                    let json =
                        to_json(item).context(|| format!("trouble expanding list of {kind}"))?;
                    inner.push(from_json(&json));
                }
                pending.extend(valid(inner)?);
            }
            other => {
                let found = match other {
                    Node::Map(_) => "map[string]interface {}",
                    _ => "string",
                };
                return Err(Error::new(format!(
                    "expected array in {kind}/items, but found {found}"
                )));
            }
        }
    }
    Ok(result)
}
