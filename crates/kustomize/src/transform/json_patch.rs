//! JSON patch (RFC 6902) with the habits of the library that kustomize uses: `replace` of a missing key of a
//! mapping adds it, negative indices count from the end.

use serde_json::Value;

use crate::decode::read;
use crate::error::{Error, Result};

/// A list of operations.
#[derive(Clone, Debug)]
pub(crate) struct JsonPatch(Vec<Value>);

/// Copies may not add up to more than this many values.
const MAX_COPIED: usize = 1_000_000;

impl JsonPatch {
    /// Reads a patch from JSON or YAML.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(Error::new("empty json patch operations"));
        }
        let value = if text.starts_with('[') {
            // Only what does not look like JSON may be YAML.
            serde_json::from_str(text).map_err(|error| not_json(text, &error))?
        } else {
            read(text.as_bytes(), driftless_yaml::Duplicates::Last)?
        };
        let found = match value {
            Value::Null => return Ok(Self(Vec::new())),
            Value::Array(operations) => {
                if operations
                    .iter()
                    .all(|one| one.is_object() || one.is_null())
                {
                    return Ok(Self(operations));
                }
                return Err(Error::new(
                    "json: cannot unmarshal value into Go value of type jsonpatch.Operation",
                ));
            }
            Value::Object(_) => "object",
            Value::String(_) => "string",
            Value::Number(_) => "number",
            Value::Bool(_) => "bool",
        };
        Err(Error::new(format!(
            "json: cannot unmarshal {found} into Go value of type jsonpatch.Patch"
        )))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Applies all operations in order.
    pub(crate) fn apply(&self, document: &mut Value) -> Result<()> {
        let mut copied = 0;
        for operation in &self.0 {
            let text = |key: &str| operation.get(key).and_then(Value::as_str);
            let kind = text("op").unwrap_or("unknown");
            let missing = |what: &str| {
                Error::new(format!(
                    "{kind} operation failed to decode {what}: missing value"
                ))
            };
            let known = ["add", "remove", "replace", "move", "test", "copy"];
            if !known.contains(&kind) {
                return Err(Error::new(format!("Unexpected kind: {kind}")));
            }
            let path = text("path").ok_or_else(|| missing("path"))?;
            let value = operation.get("value");
            match kind {
                "add" => add(document, path, value.cloned().unwrap_or(Value::Null))?,
                "remove" => drop(remove(document, path)?),
                "replace" => replace(document, path, value)?,
                "test" => test(document, path, value)?,
                _ => {
                    let from = text("from").ok_or_else(|| missing("from"))?;
                    if kind == "move" {
                        relocate(document, from, path)?;
                    } else {
                        copied += copy(document, from, path)?;
                        if copied > MAX_COPIED {
                            return Err(Error::limit("copies of a JSON patch are too large"));
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// Says in Go's words where a text is no JSON, as far as that can be told.
fn not_json(text: &str, error: &serde_json::Error) -> Error {
    if error.is_eof() {
        return Error::new("unexpected end of JSON input");
    }
    let line = text.lines().nth(error.line().saturating_sub(1));
    let found = line.and_then(|line| line.get(error.column().saturating_sub(1)..)?.chars().next());
    let found = found.map_or_else(String::new, |c| format!(" {c:?}"));
    let place = error.to_string();
    let expected = if place.starts_with("key must be a string") {
        "looking for beginning of object key string"
    } else if place.starts_with("expected `,` or") {
        "after array element"
    } else if place.starts_with("trailing characters") {
        "after top-level value"
    } else {
        "looking for beginning of value"
    };
    Error::new(format!("invalid character{found} {expected}"))
}

fn decode(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

/// Returns the container a path leads into, and the last key.
fn container<'a>(document: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let mut parts = path.split('/').skip(1).collect::<Vec<_>>();
    if !path.contains('/') {
        return None;
    }
    let key = parts.pop()?;
    let mut at = document;
    for part in parts {
        let part = decode(part);
        at = match at {
            Value::Object(entries) => entries.get_mut(&part)?,
            Value::Array(items) => {
                let index = index(&part, items.len()).ok()?;
                items.get_mut(index)?
            }
            _ => return None,
        };
    }
    matches!(at, Value::Object(_) | Value::Array(_)).then(|| (at, decode(key)))
}

fn index(key: &str, length: usize) -> Result<usize> {
    let wrong = |index: i64| {
        Error::new(format!(
            "Unable to access invalid index: {index}: invalid index referenced"
        ))
    };
    let number: i64 = key
        .parse()
        .map_err(|_| Error::new(format!("strconv.Atoi: parsing {key:?}: invalid syntax")))?;
    let from_end = number + length as i64;
    let position = if number < 0 { from_end } else { number };
    usize::try_from(position)
        .map_err(|_| wrong(number))
        .and_then(|position| {
            if position < length {
                Ok(position)
            } else {
                Err(wrong(number))
            }
        })
}

fn add(document: &mut Value, path: &str, value: Value) -> Result<()> {
    let Some((container, key)) = container(document, path) else {
        return Err(Error::new(format!(
            "add operation does not apply: doc is missing path: \"{path}\": missing value"
        )));
    };
    let failed = |error: Error| error.context(format!("error in add for path: '{path}'"));
    insert(container, &key, value).map_err(failed)
}

fn insert(container: &mut Value, key: &str, value: Value) -> Result<()> {
    match container {
        Value::Object(entries) => {
            entries.insert(key.to_owned(), value);
        }
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => {
            if key.parse::<i64>().is_err() {
                return Err(Error::new(format!(
                    "value was not a proper array index: '{key}': strconv.Atoi: parsing {key:?}: invalid syntax"
                )));
            }
            let at = index(key, items.len() + 1)?;
            items.insert(at, value);
        }
        _ => {}
    }
    Ok(())
}

fn take(container: &mut Value, key: &str) -> Result<Value> {
    match container {
        Value::Object(entries) => entries.remove(key).ok_or_else(|| {
            Error::new(format!(
                "Unable to remove nonexistent key: {key}: missing value"
            ))
        }),
        Value::Array(items) => {
            let at = index(key, items.len())?;
            Ok(items.remove(at))
        }
        _ => Ok(Value::Null),
    }
}

fn remove(document: &mut Value, path: &str) -> Result<Value> {
    let Some((container, key)) = container(document, path) else {
        return Err(Error::new(format!(
            "remove operation does not apply: doc is missing path: \"{path}\": missing value"
        )));
    };
    take(container, &key)
        .map_err(|error| error.context(format!("error in remove for path: '{path}'")))
}

fn replace(document: &mut Value, path: &str, value: Option<&Value>) -> Result<()> {
    let value = value.cloned().unwrap_or(Value::Null);
    if path.is_empty() {
        if !value.is_object() && !value.is_array() {
            return Err(Error::new(
                "replace operation value must be object or array",
            ));
        }
        *document = value;
        return Ok(());
    }
    let Some((container, key)) = container(document, path) else {
        return Err(Error::new(format!(
            "replace operation does not apply: doc is missing path: {path}: missing value"
        )));
    };
    match container {
        Value::Object(entries) => {
            entries.insert(key, value);
        }
        Value::Array(items) => {
            let at = index(&key, items.len()).map_err(|_| {
                Error::new(format!(
                    "replace operation does not apply: doc is missing key: {path}: missing value"
                ))
            })?;
            if let Some(slot) = items.get_mut(at) {
                *slot = value;
            }
        }
        _ => {}
    }
    Ok(())
}

fn look(container: &Value, key: &str) -> Result<Option<Value>> {
    match container {
        Value::Object(entries) => Ok(entries.get(key).filter(|value| !value.is_null()).cloned()),
        Value::Array(items) => {
            let at = index(key, items.len())?;
            Ok(items.get(at).filter(|value| !value.is_null()).cloned())
        }
        _ => Ok(None),
    }
}

fn test(document: &mut Value, path: &str, value: Option<&Value>) -> Result<()> {
    let failed = || {
        Error::new(format!(
            "testing value {path} failed: testing value {path} failed"
        ))
    };
    if path.is_empty() {
        return if Some(&*document) == value {
            Ok(())
        } else {
            Err(failed())
        };
    }
    let Some((container, key)) = container(document, path) else {
        return Err(Error::new(format!(
            "test operation does not apply: is missing path: {path}: missing value"
        )));
    };
    let found = look(container, &key)
        .map_err(|error| error.context(format!("error in test for path: '{path}'")))?;
    let wanted = value.filter(|value| !value.is_null());
    if found.as_ref() == wanted {
        Ok(())
    } else {
        Err(Error::new(format!(
            "testing value {path} failed: test failed"
        )))
    }
}

fn relocate(document: &mut Value, from: &str, path: &str) -> Result<()> {
    let Some((source, key)) = container(document, from) else {
        return Err(Error::new(format!(
            "move operation does not apply: doc is missing from path: {from}: missing value"
        )));
    };
    let value = take(source, &key)
        .map_err(|error| error.context(format!("error in move for path: '{key}'")))?;
    let Some((target, key)) = container(document, path) else {
        return Err(Error::new(format!(
            "move operation does not apply: doc is missing destination path: {path}: missing value"
        )));
    };
    insert(target, &key, value)
        .map_err(|error| error.context(format!("error in move for path: '{path}'")))
}

fn copy(document: &mut Value, from: &str, path: &str) -> Result<usize> {
    let Some((source, key)) = container(document, from) else {
        return Err(Error::new(format!(
            "copy operation does not apply: doc is missing from path: {from}: missing value"
        )));
    };
    let value = look(source, &key)
        .map_err(|error| error.context(format!("error in copy for from: '{from}'")))?
        .unwrap_or(Value::Null);
    let size = count(&value);
    let Some((target, key)) = container(document, path) else {
        return Err(Error::new(format!(
            "copy operation does not apply: doc is missing destination path: {path}: missing value"
        )));
    };
    insert(target, &key, value)
        .map_err(|error| error.context("error while adding value during copy"))?;
    Ok(size)
}

fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Object(entries) => 1 + entries.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::JsonPatch;

    fn applied(mut document: Value, patch: &str) -> Result<Value, String> {
        let patch = JsonPatch::parse(patch).map_err(|error| error.to_string())?;
        patch
            .apply(&mut document)
            .map_err(|error| error.to_string())?;
        Ok(document)
    }

    #[test]
    fn operations() {
        let document = json!({"a": {"b": [1, 2]}, "x/y": 1});
        for (patch, want) in [
            ("- {op: add, path: /a/b/-, value: 3}", json!([1, 2, 3])),
            ("- {op: add, path: /a/b/0, value: 0}", json!([0, 1, 2])),
            ("- {op: replace, path: /a/b/-1, value: 9}", json!([1, 9])),
            ("- {op: remove, path: /a/b/0}", json!([2])),
            ("- {op: copy, from: /x~1y, path: /a/b/0}", json!([1, 1, 2])),
            ("- {op: move, from: /a/b/0, path: /a/b/1}", json!([2, 1])),
        ] {
            let got = applied(document.clone(), patch).unwrap();
            assert_eq!(got.pointer("/a/b"), Some(&want), "{patch}");
        }
        assert_eq!(
            applied(document.clone(), "- {op: replace, path: /new, value: 1}").unwrap()["new"],
            json!(1)
        );
    }

    #[test]
    fn what_does_not_apply_is_told() {
        let document = json!({"a": {"b": [1, 2]}});
        for (patch, want) in [
            (
                "- {op: add, path: /z/y, value: 1}",
                "add operation does not apply: doc is missing path: \"/z/y\": missing value",
            ),
            (
                "- {op: remove, path: /z}",
                "error in remove for path: '/z': Unable to remove nonexistent key: z: missing value",
            ),
            (
                "- {op: test, path: /a/b/0, value: 2}",
                "testing value /a/b/0 failed: test failed",
            ),
            ("- {op: frob, path: /a}", "Unexpected kind: frob"),
        ] {
            assert_eq!(applied(document.clone(), patch).unwrap_err(), want);
        }
    }
}
