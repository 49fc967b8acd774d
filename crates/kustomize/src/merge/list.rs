//! Lists whose items are told apart by keys: which item of the patch belongs to which item of the list.

use std::collections::BTreeSet;

use super::{Direction, Outcome, Side, Walk};
use crate::error::Result;
use crate::node::{Kind, Node, Scalar};
use crate::schema::Schema;

/// Lists whose items are told apart by keys. Items keep their identity in `arena` while they move.
pub(super) struct List<'w, 's> {
    walk: &'w Walk<'s>,
    arena: Vec<Node>,
    dest: Vec<usize>,
    patch: Vec<usize>,
    itself: bool,
    item: Option<Schema<'s>>,
}

impl<'w, 's> List<'w, 's> {
    pub(super) fn new(
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

    pub(super) fn merge(mut self, keys: &[String]) -> Result<Vec<Node>> {
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
