//! Strategic merge, as kustomize does it: field by field, lists by their merge keys, `$patch` directives.
//!
//! The rules mirror kyaml's walk over two trees, quirks included: an object without a patch for a field is
//! walked too (repeated list items become one), and a `null` without text disappears while `null` stays.

use std::collections::{BTreeMap, BTreeSet};

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

/// Lists whose items are told apart by keys. Items keep their identity in `arena` while they move.
struct List<'w, 's> {
    walk: &'w Walk<'s>,
    arena: Vec<Node>,
    dest: Vec<usize>,
    patch: Vec<usize>,
    itself: bool,
    item: Option<Schema<'s>>,
}

impl<'w, 's> List<'w, 's> {
    fn new(
        walk: &'w Walk<'s>,
        dest: Vec<Node>,
        patch: Vec<Node>,
        itself: bool,
        item: Option<Schema<'s>>,
    ) -> Self {
        let count = dest.len();
        let mut arena = dest;
        arena.extend(patch);
        Self {
            walk,
            dest: (0..count).collect(),
            patch: (count..arena.len()).collect(),
            arena,
            itself,
            item,
        }
    }

    fn at(&self, id: usize) -> Option<&Node> {
        self.arena.get(id)
    }

    fn merge(mut self, keys: &[String]) -> Result<Vec<Node>> {
        let primitive = keys.is_empty();
        let one = [String::new()];
        let keys = if primitive { &one } else { keys };
        let mut values = self.values(keys, primitive);
        if keys.len() > 1 {
            merge_values(&mut values);
        }
        let mut added: Vec<usize> = Vec::new();
        let mut valid_keys: Vec<String> = Vec::new();
        for value in &values {
            if value.is_empty() {
                continue;
            }
            let (valid, valid_values) = valid_of(&values, value, keys);
            valid_keys = valid;
            let Some(id) = self.element(&valid_keys, &valid_values)? else {
                self.dest = self.set(&self.dest, None, &valid_keys, &valid_values)?;
                continue;
            };
            added = self.set(&added, Some(id), &valid_keys, &valid_values)?;
        }
        if !values.is_empty() {
            let (base, from) = match self.walk.direction {
                Direction::Prepend => (added, std::mem::take(&mut self.dest)),
                Direction::Append => (std::mem::take(&mut self.dest), added),
            };
            self.dest = self.append(base, &from, &valid_keys)?;
        }
        let mut arena: Vec<Option<Node>> = self.arena.into_iter().map(Some).collect();
        let mut out = Vec::with_capacity(self.dest.len());
        for (position, id) in self.dest.iter().enumerate() {
            let again = self
                .dest
                .get(position + 1..)
                .is_some_and(|rest| rest.contains(id));
            let node = match arena.get_mut(*id) {
                Some(slot) if again => slot.clone(),
                Some(slot) => slot.take(),
                None => None,
            };
            out.extend(node);
        }
        Ok(out)
    }

    /// The key values of all items, each once.
    fn values(&self, keys: &[String], primitive: bool) -> Vec<Vec<String>> {
        let order = match self.walk.direction {
            Direction::Prepend => [&self.patch, &self.dest],
            Direction::Append => [&self.dest, &self.patch],
        };
        let mut seen: BTreeSet<Vec<String>> = BTreeSet::new();
        let mut values = Vec::new();
        for id in order.into_iter().flatten() {
            let Some(node) = self.at(*id) else { continue };
            let value: Vec<String> = if primitive {
                vec![node.text().to_owned()]
            } else {
                let of = |key: &String| {
                    let field = node.get(key).filter(|field| !field.is_empty());
                    field.map_or_else(String::new, |field| field.text().to_owned())
                };
                keys.iter().map(of).collect()
            };
            if seen.insert(value.clone()) {
                values.push(value);
            }
        }
        values
    }

    /// Merges the items with these key values; `None` when nothing is left of them.
    fn element(&mut self, keys: &[String], values: &[String]) -> Result<Option<usize>> {
        let one = [values.to_vec()];
        let (find_keys, find_values) = valid_of(&one, values, keys);
        let dest = self.find(&self.dest, &find_keys, &find_values);
        let patch = self.find(&self.patch, &find_keys, &find_values);
        let old = dest.and_then(|id| self.arena.get(id)).cloned();
        let side = match patch.and_then(|id| self.arena.get(id)) {
            Some(node) => Side::Patch(node.clone()),
            None if self.itself => Side::Itself,
            None => Side::Nothing,
        };
        let outcome = self.walk.walk(old, side, self.item.clone())?;
        let (id, mut node) = match outcome {
            Outcome::Gone => return Ok(None),
            Outcome::Dest(node) | Outcome::Null(node) => (dest, node),
            Outcome::Patch(node) => (patch, node),
        };
        if node.is_null() || matches!(&node, Node::Map(map) if map.0.is_empty()) {
            return Ok(None);
        }
        if let Node::Map(map) = &mut node {
            for (key, value) in keys.iter().zip(values) {
                if !value.is_empty() && map.get(key).is_none() {
                    map.push(key, Node::Scalar(Scalar::untyped(value).quoted_if_needed()));
                }
            }
        }
        let id = id.unwrap_or(self.arena.len());
        match self.arena.get_mut(id) {
            Some(slot) => *slot = node,
            None => self.arena.push(node),
        }
        Ok(Some(id))
    }

    fn find(&self, list: &[usize], keys: &[String], values: &[String]) -> Option<usize> {
        let mut ids = list.iter().copied();
        ids.find(|id| {
            let Some(node) = self.at(*id) else {
                return false;
            };
            if keys.first().is_none_or(String::is_empty) {
                return values.first().is_some_and(|value| node.text() == value);
            }
            keys.len() == values.len()
                && keys
                    .iter()
                    .zip(values)
                    .all(|(key, value)| node.get(key).is_some_and(|field| field.text() == value))
        })
    }

    /// Puts an item where items with these key values are, or at the end; without one those are taken out.
    fn set(
        &self,
        list: &[usize],
        element: Option<usize>,
        keys: &[String],
        values: &[String],
    ) -> Result<Vec<usize>> {
        let mut out = Vec::with_capacity(list.len() + 1);
        let mut found = false;
        let by_field = keys.first().is_some_and(|key| !key.is_empty())
            && values.first().is_some_and(|value| !value.is_empty());
        for id in list {
            let Some(node) = self.at(*id) else { continue };
            if node.is_null() || matches!(node, Node::Map(map) if map.0.is_empty()) {
                continue;
            }
            if node.as_map().is_none() && by_field {
                out.push(*id);
                continue;
            }
            if !matches_keys(node, keys, values)? {
                if !values.is_empty() {
                    out.push(*id);
                }
                continue;
            }
            found = true;
            out.extend(element);
        }
        if let (Some(element), false) = (element, found) {
            out.push(element);
        }
        Ok(out)
    }

    fn append(&self, base: Vec<usize>, from: &[usize], keys: &[String]) -> Result<Vec<usize>> {
        let mut list = base;
        for id in from {
            let Some(node) = self.at(*id) else { continue };
            if keys.first().is_none_or(String::is_empty) {
                let value = [node.text().to_owned()];
                list = self.set(&list, Some(*id), &[String::new()], &value)?;
                continue;
            }
            let mut values = Vec::with_capacity(keys.len());
            for key in keys {
                node.expect(Kind::Map)?;
                match node.get(key) {
                    Some(field) => values.push(field.text().to_owned()),
                    None => list.push(*id),
                }
            }
            if keys.len() > 1 {
                list = self.set(&list, None, keys, &values)?;
            }
            list = self.set(&list, Some(*id), keys, &values)?;
        }
        Ok(list)
    }
}

fn matches_keys(node: &Node, keys: &[String], values: &[String]) -> Result<bool> {
    let mut last = false;
    for (at, key) in keys.iter().enumerate() {
        if let Some(value) = values.get(at) {
            last = if key.is_empty() {
                node.expect(Kind::Scalar)?;
                node.value() == value
            } else {
                node.expect(Kind::Map)?;
                let field = node.get(key);
                field.is_some_and(|field| value.is_empty() || field.text() == value)
            };
        }
        if !last {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Fills key values that one item leaves out from another that agrees with it otherwise.
fn merge_values(values: &mut [Vec<String>]) {
    for first in 0..values.len() {
        let Some(one) = values.get(first).cloned() else {
            continue;
        };
        for second in 0..values.len() {
            let Some(merged) = values.get(second).and_then(|two| agree(&one, two)) else {
                continue;
            };
            for at in [first, second] {
                if let Some(slot) = values.get_mut(at) {
                    slot.clone_from(&merged);
                }
            }
        }
    }
}

fn agree(one: &[String], two: &[String]) -> Option<Vec<String>> {
    if one.len() != two.len() {
        return None;
    }
    let mut common = false;
    let mut merged = Vec::with_capacity(one.len());
    for (a, b) in one.iter().zip(two) {
        if a == b {
            common = true;
        } else if !a.is_empty() && !b.is_empty() {
            return None;
        }
        merged.push(if a.is_empty() { b.clone() } else { a.clone() });
    }
    common.then_some(merged)
}

/// Leaves out keys that no item has.
fn valid_of(all: &[Vec<String>], values: &[String], keys: &[String]) -> (Vec<String>, Vec<String>) {
    let used: Vec<bool> = (0..keys.len())
        .map(|at| {
            all.iter()
                .any(|item| item.get(at).is_some_and(|value| !value.is_empty()))
        })
        .collect();
    if !used.contains(&true) {
        return (keys.to_vec(), values.to_vec());
    }
    let keep = |at: usize| used.get(at).copied().unwrap_or_default();
    let kept_keys = keys.iter().enumerate().filter(|(at, _)| keep(*at));
    let kept_values = values
        .iter()
        .enumerate()
        .filter(|(at, value)| !value.is_empty() || keep(*at));
    (
        kept_keys.map(|(_, key)| key.clone()).collect(),
        kept_values.map(|(_, value)| value.clone()).collect(),
    )
}
