//! Reaching the fields that a [`FieldSpec`] names, creating them where it says so.

use crate::config::FieldSpec;
use crate::error::{Context as _, Error, Result};
use crate::id::{ResId, split_api_version};
use crate::node::{Kind, Map, Node, Scalar, Tag, split_path};

/// What is made where a field is missing.
#[derive(Clone, Debug)]
pub(crate) enum Make {
    /// Nothing.
    Nothing,
    /// A scalar, of this type when it was null.
    Scalar(Tag),
    /// A mapping.
    Map,
}

/// A field with its path split.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) spec: FieldSpec,
    path: Vec<String>,
}

impl Field {
    pub(crate) fn new(spec: FieldSpec) -> Self {
        let path = split_path(&spec.path, '/');
        Self { spec, path }
    }

    pub(crate) fn all(specs: &[FieldSpec]) -> Vec<Self> {
        specs.iter().cloned().map(Self::new).collect()
    }

    /// Calls `set` with each place the path leads to, if it is about objects of this kind.
    pub(crate) fn apply(
        &self,
        node: &mut Node,
        make: &Make,
        set: &mut dyn FnMut(&mut Node) -> Result<()>,
    ) -> Result<()> {
        if !self.is_for(node) {
            return Ok(());
        }
        self.visit(node, make, set)
    }

    /// As [`Field::apply`], whatever the kind.
    pub(crate) fn visit(
        &self,
        node: &mut Node,
        make: &Make,
        set: &mut dyn FnMut(&mut Node) -> Result<()>,
    ) -> Result<()> {
        let make = if self.spec.create {
            make
        } else {
            &Make::Nothing
        };
        match descend(node, &self.path, make, set) {
            Ok(()) => Ok(()),
            Err(error) => {
                let id = id_of(node);
                let path = &self.spec.path;
                Err(error.context(format!("considering field '{path}' of object {id}")))
            }
        }
    }

    fn is_for(&self, node: &Node) -> bool {
        let gvk = &self.spec.gvk;
        if gvk.kind.is_empty() && gvk.group.is_empty() && gvk.version.is_empty() {
            return true;
        }
        let kind = node.get("kind").map_or("", Node::text);
        if !gvk.kind.is_empty() && gvk.kind != kind {
            return false;
        }
        let (group, version) = split_api_version(node.get("apiVersion").map_or("", Node::text));
        (gvk.group.is_empty() || gvk.group == group)
            && (gvk.version.is_empty() || gvk.version == version)
    }
}

/// Returns the identity of an object that is being changed.
fn id_of(node: &Node) -> ResId {
    let text = |node: &Node, key: &str| node.get(key).map_or("", Node::text).to_owned();
    let metadata = node.get("metadata");
    let meta = |key: &str| metadata.map_or_else(String::new, |metadata| text(metadata, key));
    ResId {
        gvk: crate::id::Gvk::new(&text(node, "apiVersion"), &text(node, "kind")),
        name: meta("name"),
        namespace: meta("namespace"),
        cluster: false,
    }
}

fn descend(
    node: &mut Node,
    path: &[String],
    make: &Make,
    set: &mut dyn FnMut(&mut Node) -> Result<()>,
) -> Result<()> {
    let Some((part, rest)) = path.split_first() else {
        return set(node);
    };
    if node.is_null() {
        return Ok(());
    }
    match node {
        Node::Seq(items) => items
            .iter_mut()
            .try_for_each(|item| descend(item, path, make, set))
            .context(|| format!("visit traversal on path: [{}]", path.join(" "))),
        Node::Map(map) => enter(map, part, rest, make, set),
        Node::Scalar(_) => Err(Error::new("expected sequence or mapping node")),
    }
}

fn enter(
    map: &mut Map,
    part: &str,
    rest: &[String],
    make: &Make,
    set: &mut dyn FnMut(&mut Node) -> Result<()>,
) -> Result<()> {
    let (name, is_list) = match part.strip_suffix("[]") {
        Some(name) => (name, true),
        None => (part, false),
    };
    if name.is_empty() {
        return Err(Error::new("cannot set or create an empty field name"));
    }
    let made = match make {
        Make::Nothing => None,
        _ if is_list => None,
        Make::Scalar(tag) if rest.is_empty() => Some((Kind::Scalar, tag.clone())),
        Make::Scalar(_) | Make::Map => Some((Kind::Map, Tag::None)),
    };
    if map.get(name).is_none() {
        match &made {
            None => return Ok(()),
            Some((Kind::Scalar, _)) => map.push(name, Node::untyped("")),
            Some(_) => map.push(name, Node::Map(Map::default())),
        }
    }
    let Some(field) = map.get_mut(name) else {
        return Ok(());
    };
    if field.is_null() {
        match made {
            Some((Kind::Scalar, tag)) => {
                *field = Node::Scalar(Scalar::tagged(field.text(), tag));
            }
            Some(_) => *field = Node::Map(Map::default()),
            None if is_list => *field = Node::Seq(Vec::new()),
            None => {}
        }
    }
    descend(field, rest, make, set)
}
