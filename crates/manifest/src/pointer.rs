//! JSON pointers (RFC 6901): reading them, and removing what they point at (RFC 6902 `remove`).

use std::borrow::Cow;

use serde_json::Value;

/// Why a text is not a JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("JSON pointer {0:?} must be empty or begin with \"/\"")]
pub struct Error(
    /// The text as given.
    pub String,
);

/// A parsed JSON pointer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Pointer(Vec<String>);

impl Pointer {
    /// Reads a pointer: `/spec/template/metadata/annotations/a~1b`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let rest = text.strip_prefix('/').ok_or_else(|| Error(text.into()))?;
        let tokens = rest
            .split('/')
            .map(|token| token.replace("~1", "/").replace("~0", "~"));
        Ok(Self(tokens.collect()))
    }

    /// Returns the reference tokens, unescaped.
    pub fn tokens(&self) -> &[String] {
        &self.0
    }

    /// Removes the value pointed at and returns it; `None` when nothing is there. The empty pointer removes
    /// nothing.
    pub fn remove(&self, value: &mut Value) -> Option<Value> {
        let (leaf, path) = self.0.split_last()?;
        let parent = path.iter().try_fold(value, |value, token| match value {
            Value::Object(map) => map.get_mut(token),
            Value::Array(list) => list.get_mut(index(token)?),
            _ => None,
        })?;
        match parent {
            Value::Object(map) => map.remove(leaf),
            Value::Array(list) => {
                let index = index(leaf).filter(|index| *index < list.len())?;
                Some(list.remove(index))
            }
            _ => None,
        }
    }

    /// Returns the value pointed at.
    pub fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(value, |value, token| match value {
            Value::Object(map) => map.get(token),
            Value::Array(list) => list.get(index(token)?),
            _ => None,
        })
    }
}

/// Escapes one reference token.
pub fn escape(token: &str) -> Cow<'_, str> {
    if token.contains(['~', '/']) {
        Cow::Owned(token.replace('~', "~0").replace('/', "~1"))
    } else {
        Cow::Borrowed(token)
    }
}

/// Reads a list index: digits without leading zeros.
fn index(token: &str) -> Option<usize> {
    let plain = token == "0" || !token.starts_with(['0', '+']);
    token.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn removed(pointer: &str, mut value: Value) -> Value {
        Pointer::parse(pointer).unwrap().remove(&mut value);
        value
    }

    #[test]
    fn removes_fields_and_items() {
        assert_eq!(
            removed("/a/b", json!({"a": {"b": 1, "c": 2}})),
            json!({"a": {"c": 2}})
        );
        assert_eq!(
            removed("/a/1", json!({"a": [1, 2, 3]})),
            json!({"a": [1, 3]})
        );
        assert_eq!(
            removed("/m/example.com~1x~0y", json!({"m": {"example.com/x~y": 1}})),
            json!({"m": {}})
        );
    }

    #[test]
    fn leaves_the_value_where_nothing_is_there() {
        for pointer in ["/b", "/a/9", "/a/01", "/a/-", "/a/0/x", "", "/a/x"] {
            assert_eq!(
                removed(pointer, json!({"a": [1]})),
                json!({"a": [1]}),
                "{pointer}"
            );
        }
    }

    #[test]
    fn a_pointer_begins_with_a_slash() {
        let error = Pointer::parse("spec/replicas").unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"JSON pointer "spec/replicas" must be empty or begin with "/""#
        );
    }

    #[test]
    fn escaping_is_undone_by_parsing() {
        let pointer = Pointer::parse(&format!("/{}", escape("a/b~c~1"))).unwrap();
        assert_eq!(pointer.tokens(), ["a/b~c~1"]);
    }
}
