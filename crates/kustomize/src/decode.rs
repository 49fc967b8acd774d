//! JSON → our types as Go's `encoding/json` does it: names match whatever their case, null changes nothing,
//! and a wrong type or an unknown field is told in Go's words.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::{Error, Result};

/// Whether fields that nobody knows are an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unknown {
    Refuse,
    Ignore,
}

/// Where in a document we are.
#[derive(Clone, Debug)]
pub(crate) struct At {
    unknown: Unknown,
    /// Go's name of the type that holds the field.
    holder: &'static str,
    /// Go's name of the type that holds this place, when it is one of a type with fields of its own.
    outer: Option<&'static str>,
    path: String,
    /// Whether numbers and booleans are taken for strings where strings belong, as `sigs.k8s.io/yaml` does when it
    /// knows the type it reads into. The kustomization itself is turned into JSON before.
    converts: bool,
}

impl At {
    pub(crate) fn top(holder: &'static str, unknown: Unknown) -> Self {
        Self {
            unknown,
            holder,
            outer: None,
            path: String::new(),
            converts: holder != "Kustomization",
        }
    }

    /// Returns Go's name of the type that holds the field.
    pub(crate) fn holder(&self) -> &'static str {
        self.holder
    }

    fn field(&self, name: &str) -> Self {
        let path = if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        };
        Self {
            path,
            outer: None,
            ..self.clone()
        }
    }

    /// Returns this place as one of a type with fields of its own.
    pub(crate) fn of(&self, holder: &'static str) -> Self {
        Self {
            holder,
            outer: Some(self.holder),
            ..self.clone()
        }
    }

    fn mismatch(&self, value: &Value, wanted: &str) -> Error {
        let found = match value {
            Value::Null => "null".to_owned(),
            Value::Bool(_) => "bool".to_owned(),
            Value::Number(number) if wanted.starts_with("int") => format!("number {number}"),
            Value::Number(_) => "number".to_owned(),
            Value::String(_) => "string".to_owned(),
            Value::Array(_) => "array".to_owned(),
            Value::Object(_) => "object".to_owned(),
        };
        if self.path.is_empty() {
            return Error::new(format!(
                "json: cannot unmarshal {found} into Go value of type {wanted}"
            ));
        }
        Error::new(format!(
            "json: cannot unmarshal {found} into Go struct field {}.{} of type {wanted}",
            self.outer.unwrap_or(self.holder),
            self.path
        ))
    }

    /// Calls `take` with each field that is known and not null. Fields of types that Go embeds have the names of
    /// those types before theirs, with dots between: they are part of messages alone.
    pub(crate) fn object<'v>(
        &self,
        value: &'v Value,
        wanted: &str,
        fields: &[&'static str],
        mut take: impl FnMut(&'static str, &'v Value, &At) -> Result<()>,
    ) -> Result<()> {
        let entries = match value {
            Value::Null => return Ok(()),
            Value::Object(entries) => entries,
            _ => return Err(self.mismatch(value, wanted)),
        };
        for (key, value) in entries {
            let all = || fields.iter().map(|field| (*field, short(field)));
            let known = all()
                .find(|(_, field)| field == key)
                .or_else(|| all().find(|(_, field)| field.eq_ignore_ascii_case(key)));
            match known {
                Some(_) if value.is_null() => {}
                Some((whole, field)) => {
                    take(field, value, &self.field(whole))?;
                }
                None if self.unknown == Unknown::Refuse => {
                    return Err(Error::new(format!("json: unknown field {key:?}")));
                }
                None => {}
            }
        }
        Ok(())
    }

    pub(crate) fn string(&self, value: &Value) -> Result<String> {
        self.string_of(value, "string")
    }

    /// Reads a string of a type with a name of its own.
    pub(crate) fn string_of(&self, value: &Value, wanted: &str) -> Result<String> {
        match value {
            Value::Null => Ok(String::new()),
            Value::String(text) => Ok(text.clone()),
            Value::Bool(value) if self.converts => Ok(value.to_string()),
            Value::Number(number) if self.converts => Ok(match number.as_f64() {
                Some(value) if number.is_f64() => driftless_yaml::format_g(value),
                _ => number.to_string(),
            }),
            _ => Err(self.mismatch(value, wanted)),
        }
    }

    pub(crate) fn boolean(&self, value: &Value) -> Result<bool> {
        match value {
            Value::Null => Ok(false),
            Value::Bool(value) => Ok(*value),
            _ => Err(self.mismatch(value, "bool")),
        }
    }

    pub(crate) fn integer(&self, value: &Value, wanted: &str) -> Result<i64> {
        if value.is_null() {
            return Ok(0);
        }
        value.as_i64().ok_or_else(|| self.mismatch(value, wanted))
    }

    pub(crate) fn list<T>(
        &self,
        value: &Value,
        wanted: &str,
        mut item: impl FnMut(&Value, &At) -> Result<T>,
    ) -> Result<Vec<T>> {
        match value {
            Value::Null => Ok(Vec::new()),
            Value::Array(items) => items.iter().map(|value| item(value, self)).collect(),
            _ => Err(self.mismatch(value, wanted)),
        }
    }

    pub(crate) fn strings(&self, value: &Value) -> Result<Vec<String>> {
        self.list(value, "[]string", |item, at| at.string(item))
    }

    pub(crate) fn any_map(&self, value: &Value) -> Result<Value> {
        if value.is_object() || value.is_null() {
            return Ok(value.clone());
        }
        Err(self.mismatch(value, "map[string]interface {}"))
    }

    pub(crate) fn string_map(&self, value: &Value) -> Result<BTreeMap<String, String>> {
        match value {
            Value::Null => Ok(BTreeMap::new()),
            Value::Object(entries) => entries
                .iter()
                .map(|(key, value)| Ok((key.clone(), self.string(value)?)))
                .collect(),
            _ => Err(self.mismatch(value, "map[string]string")),
        }
    }
}

fn short(field: &'static str) -> &'static str {
    field.rsplit('.').next().unwrap_or(field)
}

/// Reads a YAML or JSON text as Go's `sigs.k8s.io/yaml` does: one document, the last of repeated keys counts.
pub(crate) fn read(bytes: &[u8], repeated: driftless_yaml::Duplicates) -> Result<Value> {
    let limits = driftless_yaml::Limits::default();
    driftless_yaml::parse_first(bytes, &limits, repeated)
        .map_err(|error| Error::new(format!("error converting YAML to JSON: {}", error.as_go())))
}
