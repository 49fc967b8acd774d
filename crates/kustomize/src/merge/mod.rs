//! Strategic merge, as kustomize does it: field by field, lists by their merge keys, `$patch` directives.
//!
//! The rules mirror kyaml's walk over two trees, quirks included: an object without a patch for a field is
//! walked too (repeated list items become one), and a `null` without text disappears while `null` stays.

mod list;

use std::collections::{BTreeMap, BTreeSet};

use self::list::List;
use crate::error::{Error, Result};
use crate::id::Gvk;
use crate::node::{Kind, Map, Node, Scalar};
use crate::schema::{Schema, Schemas};

const DIRECTIVE: &str = "$patch";

/// Where items of a patch go that the list does not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    Prepend,
    Append,
}

/// Merges a patch into an object; `None` when the patch deletes it.
pub(crate) fn strategic_merge(
    dest: Option<Node>,
    patch: Option<Node>,
    schemas: &Schemas,
) -> Result<Option<Node>> {
    merge(dest, patch, schemas, Direction::Prepend)
}

/// Merges two trees.
pub(crate) fn merge(
    dest: Option<Node>,
    patch: Option<Node>,
    schemas: &Schemas,
    direction: Direction,
) -> Result<Option<Node>> {
    let walk = Walk { schemas, direction };
    Ok(walk.walk(dest, Side::given(patch), None)?.into_node())
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

/// The other side of a merge.
enum Side {
    /// The patch says nothing.
    Nothing,
    Patch(Node),
    /// The value itself: it was taken from the patch as a whole, and is cleaned of directives.
    Itself,
}

impl Side {
    fn given(patch: Option<Node>) -> Self {
        patch.map_or(Self::Nothing, Self::Patch)
    }
}

/// What is left of a value, and whose it is.
enum Outcome {
    Gone,
    /// The value of the object, perhaps changed.
    Dest(Node),
    /// The value of the patch.
    Patch(Node),
    /// A null that stays.
    Null(Node),
}

impl Outcome {
    fn into_node(self) -> Option<Node> {
        match self {
            Self::Gone => None,
            Self::Dest(node) | Self::Patch(node) | Self::Null(node) => Some(node),
        }
    }
}

struct Walk<'s> {
    schemas: &'s Schemas,
    direction: Direction,
}

fn present(node: Option<&Node>) -> Option<&Node> {
    node.filter(|node| !node.is_null())
}

impl<'s> Walk<'s> {
    fn walk(&self, dest: Option<Node>, from: Side, schema: Option<Schema<'s>>) -> Result<Outcome> {
        let patch = match &from {
            Side::Patch(node) => Some(node),
            Side::Nothing | Side::Itself => None,
        };
        let kind = present(dest.as_ref())
            .or_else(|| present(patch))
            .map(Node::kind);
        if let Some(kind) = kind {
            for node in [dest.as_ref(), patch].into_iter().flatten() {
                node.expect(kind)?;
            }
        }
        let schema = schema.or_else(|| {
            [dest.as_ref(), patch]
                .into_iter()
                .find_map(|node| self.schema_of(present(node)?))
        });
        match kind {
            None | Some(Kind::Map) => self.map(dest, from, schema),
            Some(Kind::Scalar) => Ok(match (from, dest) {
                (Side::Patch(patch), _) => Outcome::Patch(patch),
                (_, Some(dest)) => Outcome::Dest(dest),
                (_, None) => Outcome::Gone,
            }),
            Some(Kind::Seq) => {
                if let Some(keys) = schema.as_ref().and_then(Schema::merge_keys) {
                    return self.merged_list(dest, from, &keys, schema.and_then(|s| s.item()));
                }
                Ok(match (from, dest) {
                    (Side::Patch(patch), _) => Outcome::Patch(patch),
                    (_, Some(dest)) => Outcome::Dest(dest),
                    (_, None) => Outcome::Gone,
                })
            }
        }
    }

    /// An object inside another brings its own schema.
    fn schema_of(&self, node: &Node) -> Option<Schema<'s>> {
        let kind = node.get("kind")?.value();
        let api_version = node.get("apiVersion")?.value();
        if kind.is_empty() || api_version.is_empty() {
            return None;
        }
        self.schemas.of(&Gvk::new(api_version, kind))
    }

    fn map(&self, dest: Option<Node>, from: Side, schema: Option<Schema<'s>>) -> Result<Outcome> {
        let missing = dest.as_ref().is_none_or(Node::is_null);
        if missing {
            return self.added(dest, from, schema);
        }
        let Some(mut dest) = dest else {
            return Ok(Outcome::Gone);
        };
        match from {
            Side::Nothing => {
                self.fields(&mut dest, Side::Nothing, schema.as_ref())?;
                Ok(Outcome::Dest(dest))
            }
            Side::Itself => match directive(&mut dest)? {
                Directive::Delete => Ok(Outcome::Gone),
                Directive::Merge | Directive::Replace => {
                    self.fields(&mut dest, Side::Itself, schema.as_ref())?;
                    Ok(Outcome::Dest(dest))
                }
            },
            Side::Patch(patch) if patch.is_null() => Ok(Outcome::Gone),
            Side::Patch(mut patch) => match directive(&mut patch)? {
                Directive::Delete => Ok(Outcome::Gone),
                Directive::Replace => {
                    self.fields(&mut patch, Side::Itself, schema.as_ref())?;
                    Ok(Outcome::Patch(patch))
                }
                Directive::Merge => {
                    self.fields(&mut dest, Side::Patch(patch), schema.as_ref())?;
                    Ok(Outcome::Dest(dest))
                }
            },
        }
    }

    /// The object has no such mapping.
    fn added(&self, dest: Option<Node>, from: Side, schema: Option<Schema<'s>>) -> Result<Outcome> {
        match from {
            Side::Patch(mut patch) => {
                if directive(&mut patch).is_ok_and(|found| found == Directive::Delete) {
                    return Ok(Outcome::Gone);
                }
                if !patch.is_null() {
                    self.fields(&mut patch, Side::Itself, schema.as_ref())?;
                }
                Ok(Outcome::Patch(patch))
            }
            // A null of its own stays when it is written out.
            Side::Nothing => Ok(match dest {
                Some(null) if !null.text().is_empty() => Outcome::Null(null),
                _ => Outcome::Gone,
            }),
            Side::Itself => Ok(Outcome::Gone),
        }
    }

    fn fields(&self, dest: &mut Node, from: Side, schema: Option<&Schema<'s>>) -> Result<()> {
        let mut patches: BTreeMap<String, Node> = BTreeMap::new();
        let itself = matches!(from, Side::Itself);
        if let Side::Patch(Node::Map(map)) = from {
            for (key, value) in map.0 {
                patches.entry(key.text().to_owned()).or_insert(value);
            }
        }
        let Node::Map(map) = dest else {
            return Ok(());
        };
        let mut done: BTreeSet<String> = BTreeSet::new();
        let mut at = 0;
        while at < map.0.len() {
            let Some((key, value)) = map.0.get_mut(at) else {
                break;
            };
            let name = key.text().to_owned();
            if !done.insert(name.clone()) {
                // Only the first of repeated keys is looked at.
                at += 1;
                continue;
            }
            let patch = patches.remove(&name);
            // Nothing below a scalar changes without a patch for it.
            if patch.is_none() && matches!(value, Node::Scalar(scalar) if !scalar.is_null()) {
                at += 1;
                continue;
            }
            let side = match patch {
                Some(patch) => Side::Patch(patch),
                None if itself => Side::Itself,
                None => Side::Nothing,
            };
            let field_schema = schema.and_then(|schema| schema.field(&name));
            let old = std::mem::replace(value, Node::Scalar(Scalar::default()));
            let kept = place(old, side, |old, side| {
                self.walk(Some(old), side, field_schema)
            })?;
            match kept {
                Some(kept) => {
                    *value = kept;
                    at += 1;
                }
                None => {
                    map.0.remove(at);
                }
            }
        }
        for (name, patch) in patches {
            let field_schema = schema.and_then(|schema| schema.field(&name));
            let outcome = self.walk(None, Side::Patch(patch), field_schema)?;
            match outcome.into_node() {
                Some(node) if !node.is_null() => push_field(map, &name, node),
                _ => {}
            }
        }
        Ok(())
    }

    fn merged_list(
        &self,
        dest: Option<Node>,
        from: Side,
        keys: &[String],
        item: Option<Schema<'s>>,
    ) -> Result<Outcome> {
        let mut taken = false;
        let (dest, patch, itself) = match (dest.filter(|node| !node.is_null()), from) {
            (None, Side::Patch(mut patch)) => {
                // Directives inside an added list are looked at once it is the list itself.
                if list_directive(&mut patch)? == Directive::Delete {
                    return Ok(Outcome::Gone);
                }
                taken = true;
                (patch, Vec::new(), true)
            }
            (None, _) => return Ok(Outcome::Gone),
            (Some(dest), Side::Nothing) => (dest, Vec::new(), false),
            (Some(mut dest), Side::Itself) => {
                if list_directive(&mut dest)? == Directive::Delete {
                    return Ok(Outcome::Gone);
                }
                (dest, Vec::new(), true)
            }
            (Some(_), Side::Patch(patch)) if patch.is_null() => return Ok(Outcome::Gone),
            (Some(dest), Side::Patch(mut patch)) => match list_directive(&mut patch)? {
                Directive::Delete => return Ok(Outcome::Gone),
                Directive::Replace => {
                    taken = true;
                    (patch, Vec::new(), true)
                }
                Directive::Merge => {
                    let items = match patch {
                        Node::Seq(items) => items,
                        _ => Vec::new(),
                    };
                    (dest, items, false)
                }
            },
        };
        let Node::Seq(items) = dest else {
            return Ok(Outcome::Gone);
        };
        let merged = List::new(self, items, patch, itself, item).merge(keys)?;
        let merged = Node::Seq(merged);
        Ok(if taken {
            Outcome::Patch(merged)
        } else {
            Outcome::Dest(merged)
        })
    }
}

/// Runs a merge for a field that is there; a null that comes out of it takes the field away.
fn place(
    old: Node,
    side: Side,
    run: impl FnOnce(Node, Side) -> Result<Outcome>,
) -> Result<Option<Node>> {
    // The scalar's quotes stay, whatever the patch has.
    let template = match &old {
        Node::Scalar(scalar) => Some(scalar.clone()),
        _ => None,
    };
    let was_null = old.is_null();
    Ok(match run(old, side)? {
        Outcome::Gone => None,
        Outcome::Null(node) => Some(node),
        Outcome::Dest(node) => (!node.is_null()).then_some(node),
        Outcome::Patch(node) if node.is_null() => None,
        Outcome::Patch(Node::Scalar(new)) => match template {
            Some(mut kept) => {
                kept.assign(&new);
                Some(Node::Scalar(kept))
            }
            None => Some(Node::Scalar(new)),
        },
        Outcome::Patch(node) => {
            let _ = was_null;
            Some(node)
        }
    })
}

fn push_field(map: &mut Map, name: &str, node: Node) {
    let node = match node {
        Node::Scalar(scalar) => Node::Scalar(scalar.quoted_if_needed()),
        node => node,
    };
    map.push(name, node);
}

/// Takes the directive out of a mapping.
fn directive(node: &mut Node) -> Result<Directive> {
    let Node::Map(map) = node else {
        return Ok(Directive::Merge);
    };
    let Some(found) = map.get(DIRECTIVE) else {
        return Ok(Directive::Merge);
    };
    let directive = parse_directive(found.text())?;
    map.remove(DIRECTIVE);
    Ok(directive)
}

fn parse_directive(text: &str) -> Result<Directive> {
    match text {
        "delete" => Ok(Directive::Delete),
        "replace" => Ok(Directive::Replace),
        "merge" => Ok(Directive::Merge),
        other => Err(Error::new(format!("unknown patch strategy '{other}'"))),
    }
}

/// Takes the directive out of a list: an item with nothing but `$patch`.
fn list_directive(node: &mut Node) -> Result<Directive> {
    let Node::Seq(items) = node else {
        return Ok(Directive::Merge);
    };
    let found = items.iter().find(|item| item.get(DIRECTIVE).is_some());
    let Some(Node::Map(map)) = found else {
        return Ok(Directive::Merge);
    };
    if map.0.len() > 1 {
        return Ok(Directive::Merge);
    }
    let text = map.get(DIRECTIVE).map_or("", Node::text).to_owned();
    let directive = parse_directive(&text)?;
    items.retain(|item| {
        !item.is_empty() && item.get(DIRECTIVE).is_none_or(|value| value.text() != text)
    });
    Ok(directive)
}
