//! RFC 6902 patches of Applications.

use serde::Deserialize;
use serde_json::Value;

/// Why a patch was not applied. The message is for the caller and holds no values.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The patch itself is wrong.
    #[error("invalid JSON patch: {0}")]
    Invalid(String),
    /// It does not fit the object.
    #[error("JSON patch operation {index} ({op} {path}) does not apply")]
    DoesNotApply {
        /// Which operation, from 0.
        index: usize,
        /// Its verb.
        op: String,
        /// Its path.
        path: String,
    },
}

#[derive(Deserialize)]
struct Step {
    op: String,
    path: String,
    #[serde(default)]
    from: Option<String>,
    #[serde(default, deserialize_with = "present")]
    value: Option<Value>,
}

/// Tells a value that is `null` from none.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Applies the patch in `text`; on an error the object is as far as the patch got.
pub fn apply(object: &mut Value, text: &str) -> Result<(), Error> {
    let steps: Vec<Step> =
        serde_json::from_str(text).map_err(|error| Error::Invalid(error.to_string()))?;
    for (index, step) in steps.into_iter().enumerate() {
        let (op, path) = (step.op.clone(), step.path.clone());
        step.apply(object)
            .ok_or(Error::DoesNotApply { index, op, path })?;
    }
    Ok(())
}

impl Step {
    fn apply(self, object: &mut Value) -> Option<()> {
        match self.op.as_str() {
            "add" => insert(object, &self.path, self.value?),
            "remove" => remove(object, &self.path).map(|_| ()),
            "replace" => {
                *pointed(object, &self.path)? = self.value?;
                Some(())
            }
            "move" => {
                let from = self.from?;
                if self.path.starts_with(&format!("{from}/")) {
                    return None;
                }
                let value = remove(object, &from)?;
                insert(object, &self.path, value)
            }
            "copy" => {
                let value = pointed(object, &self.from?)?.clone();
                insert(object, &self.path, value)
            }
            "test" => (*pointed(object, &self.path)? == self.value?).then_some(()),
            _ => None,
        }
    }
}

fn pointed<'a>(object: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    object.pointer_mut(path)
}

/// Splits a path into its parent's and the last, unescaped part.
fn split(path: &str) -> Option<(&str, String)> {
    let (parent, last) = path.rsplit_once('/')?;
    Some((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn insert(object: &mut Value, path: &str, value: Value) -> Option<()> {
    if path.is_empty() {
        *object = value;
        return Some(());
    }
    let (parent, last) = split(path)?;
    match pointed(object, parent)? {
        Value::Object(map) => {
            map.insert(last, value);
        }
        Value::Array(items) if last == "-" => items.push(value),
        Value::Array(items) => {
            let at = index(&last).filter(|at| *at <= items.len())?;
            items.insert(at, value);
        }
        _ => return None,
    }
    Some(())
}

fn remove(object: &mut Value, path: &str) -> Option<Value> {
    let (parent, last) = split(path)?;
    match pointed(object, parent)? {
        Value::Object(map) => map.remove(&last),
        Value::Array(items) => {
            let at = index(&last).filter(|at| *at < items.len())?;
            Some(items.remove(at))
        }
        _ => None,
    }
}

fn index(text: &str) -> Option<usize> {
    let is_plain =
        text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
    text.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "reads better at the calls")]
    fn check(patch: &Value, want: Option<Value>) {
        let mut object = json!({"a": {"b/c": 1}, "list": [1, 2]});
        let outcome = apply(&mut object, &patch.to_string());
        assert_eq!(outcome.ok().map(|()| object), want);
    }

    #[test]
    fn every_operation() {
        check(
            &json!([{"op": "add", "path": "/a/x", "value": null}]),
            Some(json!({"a": {"b/c": 1, "x": null}, "list": [1, 2]})),
        );
        check(
            &json!([{"op": "add", "path": "/list/-", "value": 3}]),
            Some(json!({"a": {"b/c": 1}, "list": [1, 2, 3]})),
        );
        check(
            &json!([{"op": "add", "path": "/list/1", "value": 3}]),
            Some(json!({"a": {"b/c": 1}, "list": [1, 3, 2]})),
        );
        check(
            &json!([{"op": "replace", "path": "/a/b~1c", "value": 2}]),
            Some(json!({"a": {"b/c": 2}, "list": [1, 2]})),
        );
        check(
            &json!([{"op": "remove", "path": "/list/0"}]),
            Some(json!({"a": {"b/c": 1}, "list": [2]})),
        );
        check(
            &json!([{"op": "move", "from": "/a/b~1c", "path": "/d"}]),
            Some(json!({"a": {}, "list": [1, 2], "d": 1})),
        );
        check(
            &json!([{"op": "copy", "from": "/a", "path": "/d"}, {"op": "test", "path": "/d", "value": {"b/c": 1}}]),
            Some(json!({"a": {"b/c": 1}, "list": [1, 2], "d": {"b/c": 1}})),
        );
        for wrong in [
            json!([{"op": "replace", "path": "/x", "value": 1}]),
            json!([{"op": "remove", "path": ""}]),
            json!([{"op": "remove", "path": "/list/2"}]),
            json!([{"op": "add", "path": "/list/01", "value": 1}]),
            json!([{"op": "add", "path": "/x/y", "value": 1}]),
            json!([{"op": "move", "from": "/a", "path": "/a/x"}]),
            json!([{"op": "test", "path": "/list/0", "value": 2}]),
            json!([{"op": "sing", "path": "/a"}]),
            json!({"op": "add"}),
        ] {
            check(&wrong, None);
        }
    }
}
