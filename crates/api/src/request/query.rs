//! Query strings as typed values.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::read::{self, Error};

/// Reads decoded `key=value` pairs into a type, as the gateway does: a list is a key that repeats,
/// booleans and numbers are texts, keys that the type does not know are ignored.
///
/// The kind of each field is taken from the type's own default, so the type must write every field.
pub fn from_pairs<T, K, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Result<T, Error>
where
    T: Default + Serialize + DeserializeOwned,
    K: AsRef<str>,
    V: AsRef<str>,
{
    let shape = serde_json::to_value(T::default()).unwrap_or_default();
    let mut map = Map::new();
    for (key, text) in pairs {
        let (key, text) = (key.as_ref(), text.as_ref());
        let Some(kind) = shape.get(key) else { continue };
        match kind {
            Value::Array(_) => {
                let list = map.entry(key).or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(items) = list {
                    items.push(Value::from(text));
                }
            }
            Value::Bool(_) => {
                map.insert(key.to_owned(), boolean(key, text)?.into());
            }
            Value::Number(_) => {
                map.insert(key.to_owned(), number(key, text)?.into());
            }
            // An absent option: the texts that read as something else are booleans or numbers.
            Value::Null => {
                let value = serde_json::from_str(text)
                    .ok()
                    .filter(|value: &Value| value.is_boolean() || value.is_i64())
                    .unwrap_or_else(|| Value::from(text));
                map.insert(key.to_owned(), value);
            }
            Value::String(_) | Value::Object(_) => {
                map.insert(key.to_owned(), text.into());
            }
        }
    }
    read::from_value(Value::Object(map))
}

fn boolean(key: &str, text: &str) -> Result<bool, Error> {
    match text {
        "true" | "True" | "TRUE" | "t" | "T" | "1" => Ok(true),
        "false" | "False" | "FALSE" | "f" | "F" | "0" | "" => Ok(false),
        _ => Err(wrong(key, text, "true or false")),
    }
}

fn number(key: &str, text: &str) -> Result<i64, Error> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| wrong(key, text, "a whole number"))
}

fn wrong(key: &str, text: &str, want: &str) -> Error {
    Error::Field {
        path: key.to_owned(),
        message: format!("invalid value {text:?}, expected {want}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::application::{ApplicationQuery, DeleteQuery, LogsQuery};

    #[test]
    fn lists_repeat_and_booleans_are_texts() {
        let query: ApplicationQuery = from_pairs([
            ("projects", "a"),
            ("projects", "b"),
            ("refresh", "hard"),
            ("unknown", "x"),
        ])
        .unwrap();
        assert_eq!(query.projects, ["a", "b"]);
        assert_eq!(query.refresh, "hard");
        let query: DeleteQuery = from_pairs([("cascade", "false")]).unwrap();
        assert_eq!(query.cascade, Some(false));
        let query: LogsQuery = from_pairs([("follow", "true"), ("tailLines", "100")]).unwrap();
        assert!(query.follow);
        assert_eq!(query.tail_lines, 100);
        assert_eq!(
            from_pairs::<LogsQuery, _, _>([("tailLines", "many")])
                .unwrap_err()
                .to_string(),
            "field tailLines: invalid value \"many\", expected a whole number"
        );
    }
}
