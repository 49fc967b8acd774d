//! `fields=`: answers that carry only what was asked for.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Most fields looked at in one request.
const MAX_FIELDS: usize = 200;

/// A set of dotted paths to keep, or with a leading `-` to leave out. Lists are looked through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Projection {
    root: Node,
    excludes: bool,
    text: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Node {
    children: BTreeMap<String, Node>,
    ends: bool,
}

impl Projection {
    /// Reads a comma-separated list; nothing asked for is everything.
    pub fn parse(text: &str) -> Option<Self> {
        let (excludes, list) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut root = Node::default();
        for path in list
            .split(',')
            .filter(|path| !path.is_empty())
            .take(MAX_FIELDS)
        {
            let mut node = &mut root;
            for part in path.split('.') {
                node = node.children.entry(part.to_owned()).or_default();
            }
            node.ends = true;
        }
        (!root.children.is_empty()).then(|| Self {
            root,
            excludes,
            text: text.to_owned(),
        })
    }

    /// Returns the part of the projection below a field, such as `items`.
    pub fn below(&self, path: &[&str]) -> Below<'_> {
        let mut node = &self.root;
        for part in path {
            if node.ends {
                break;
            }
            match node.children.get(*part) {
                Some(child) => node = child,
                None if self.excludes => return Below::Everything,
                None => return Below::Nothing,
            }
        }
        match (self.excludes, node.ends) {
            (false, true) => Below::Everything,
            (true, true) => Below::Nothing,
            (excludes, false) => Below::Part(Part { node, excludes }),
        }
    }

    /// Returns what was asked for: equal texts give equal answers.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// What is left of a projection below some field.
#[derive(Clone, Copy, Debug)]
pub enum Below<'a> {
    /// All of it is sent.
    Everything,
    /// None of it.
    Nothing,
    /// Some of it.
    Part(Part<'a>),
}

/// A projection that keeps some fields.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    node: &'a Node,
    excludes: bool,
}

impl Below<'_> {
    /// Applies it.
    pub fn apply(self, value: Value) -> Value {
        match self {
            Self::Everything => value,
            Self::Nothing => Value::Null,
            Self::Part(part) if part.excludes => without(value, part.node),
            Self::Part(part) => only(value, part.node),
        }
    }
}

fn only(value: Value, node: &Node) -> Value {
    match value {
        _ if node.ends => value,
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| only(item, node)).collect())
        }
        Value::Object(fields) => {
            let kept = fields.into_iter().filter_map(|(key, value)| {
                let child = node.children.get(&key)?;
                Some((key, only(value, child)))
            });
            Value::Object(
                kept.filter(|(_, value)| !is_hollow(value))
                    .collect::<Map<_, _>>(),
            )
        }
        other => other,
    }
}

/// Says whether nothing asked for was in it.
fn is_hollow(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty)
}

fn without(value: Value, node: &Node) -> Value {
    match value {
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| without(item, node)).collect())
        }
        Value::Object(fields) => {
            let kept =
                fields
                    .into_iter()
                    .filter_map(|(key, value)| match node.children.get(&key) {
                        Some(child) if child.ends => None,
                        Some(child) => Some((key, without(value, child))),
                        None => Some((key, value)),
                    });
            Value::Object(kept.collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(fields: &str, path: &[&str], want: &Value) {
        let value = json!({"metadata": {"name": "x", "uid": "u"}, "spec": {"sources": [{"path": "a", "repo": "r"}]}});
        let projection = Projection::parse(fields).expect("fields");
        assert_eq!(projection.below(path).apply(value), *want, "{fields}");
    }

    #[test]
    fn fields_are_kept_or_left_out() {
        check(
            "items.metadata.name",
            &["items"],
            &json!({"metadata": {"name": "x"}}),
        );
        check(
            "items.spec.sources.path",
            &["items"],
            &json!({"spec": {"sources": [{"path": "a"}]}}),
        );
        check("items.status", &["items"], &json!({}));
        check("metadata", &["items"], &Value::Null);
        check(
            "-items.spec,items.metadata.uid",
            &["items"],
            &json!({"metadata": {"name": "x"}}),
        );
        let all = json!({"metadata": {"name": "x", "uid": "u"}, "spec": {"sources": [{"path": "a", "repo": "r"}]}});
        check("items", &["items"], &all);
        check("-metadata", &["items"], &all);
        assert_eq!(Projection::parse(""), None);
        assert_eq!(Projection::parse("-"), None);
    }
}
