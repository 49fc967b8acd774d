//! The built-in ValueAddTransformer: a value put into fields, or into file paths they hold.

use super::namespace::{Existing, Namespace, Subjects};
use super::select::select;
use crate::error::Result;
use crate::kustomization::Selector;
use crate::node::{Kind, Node, Scalar, split_path};
use crate::schema::Schemas;
use crate::set::Set;

/// Where a value goes.
pub(crate) struct Target {
    pub(crate) selector: Option<Selector>,
    pub(crate) field_path: String,
    pub(crate) position: i64,
}

/// A value and where it goes.
pub(crate) struct ValueAdd {
    pub(crate) value: String,
    pub(crate) targets: Vec<Target>,
}

impl ValueAdd {
    pub(crate) fn run(&self, set: &mut Set, schemas: &mut Schemas) -> Result<()> {
        for target in &self.targets {
            let places = match &target.selector {
                None => (0..set.list.len()).collect(),
                Some(selector) => select(set, selector)?,
            };
            for at in places {
                let Some(resource) = set.list.get_mut(at) else {
                    continue;
                };
                if target.field_path == "metadata/namespace" {
                    Namespace::new(
                        self.value.clone(),
                        &[],
                        Existing::Replace,
                        Subjects::default(),
                    )
                    .apply(resource, schemas)?;
                    continue;
                }
                resource.edit(schemas, |node| self.put(node, target))?;
            }
        }
        Ok(())
    }

    fn put(&self, node: &mut Node, target: &Target) -> Result<()> {
        let mut at = node;
        let path = split_path(&target.field_path, '/');
        let count = path.len();
        for (step, part) in path.iter().enumerate() {
            at.expect(Kind::Map)?;
            let map = at.become_map();
            if map.get(part).is_none() {
                let made = if step + 1 == count {
                    Node::untyped("")
                } else {
                    Node::Map(crate::node::Map::default())
                };
                map.push(part, made);
            }
            let Some(next) = map.get_mut(part) else {
                return Ok(());
            };
            at = next;
        }
        at.expect(Kind::Scalar)?;
        let value = match usize::try_from(target.position) {
            Ok(position) if position > 0 => insert(at.text(), position - 1, &self.value),
            _ => self.value.clone(),
        };
        at.set_scalar(&Scalar::untyped(value))
    }
}

/// Inserts a part into a file path; a position beyond its end means the end.
fn insert(path: &str, position: usize, part: &str) -> String {
    if path.is_empty() {
        return part.to_owned();
    }
    let (root, rest) = match path.strip_prefix('/') {
        Some(rest) => ("/", rest),
        None => ("", path),
    };
    let mut parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    parts.insert(position.min(parts.len()), part);
    format!("{root}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::insert;

    #[test]
    fn parts_go_into_paths() {
        assert_eq!(insert("", 3, "x"), "x");
        assert_eq!(insert("/", 0, "x"), "/x");
        assert_eq!(insert("/a/b", 1, "x"), "/a/x/b");
        assert_eq!(insert("a/b", 9, "x"), "a/b/x");
    }
}
