//! Values from and to YAML and JSON, as Go's libraries convert them.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use driftless_yaml::{Build, Dialect, Duplicates, Limits, Reader, Writer, key_order};
use serde_json::de::Deserializer;

use crate::bytes;
use crate::value::{Entries, List, Map, Str, Value};

/// Builds values of a YAML document; every number is a float, since Go reads it through JSON.
#[derive(Clone, Copy, Debug, Default)]
pub struct ValueBuild;

impl Build for ValueBuild {
    type Value = Value;
    type Map = Entries;

    fn null(&mut self) -> Value {
        Value::Nil
    }

    fn boolean(&mut self, value: bool) -> Value {
        Value::Bool(value)
    }

    fn integer(&mut self, value: i64) -> Value {
        Value::Float(value as f64)
    }

    fn unsigned(&mut self, value: u64) -> Value {
        Value::Float(value as f64)
    }

    fn float(&mut self, value: f64) -> Value {
        Value::Float(value)
    }

    fn string(&mut self, value: Cow<'_, str>) -> Value {
        Value::Str(value.into())
    }

    fn sequence(&mut self, items: Vec<Value>) -> Value {
        Value::List(List::new(items))
    }

    fn map(&mut self) -> Entries {
        Entries::new()
    }

    fn insert(&mut self, map: &mut Entries, key: Cow<'_, str>, value: Value) -> bool {
        map.insert(key.into(), value).is_some()
    }

    fn merge(&mut self, map: &mut Entries, from: &Value) -> bool {
        match from {
            Value::Map(other) => {
                for (key, value) in other.snapshot() {
                    map.insert(key, value.deep_copy());
                }
                true
            }
            Value::List(list) if list.items().iter().all(|item| item.as_map().is_some()) => {
                list.items().iter().rev().all(|item| self.merge(map, item))
            }
            _ => false,
        }
    }

    fn finish(&mut self, map: Entries) -> Value {
        Value::Map(Map::new(map))
    }
}

/// Reads the first YAML document; an empty text is nil. The error is Go's text.
pub fn from_yaml(text: &[u8], limits: &Limits) -> Result<Value, String> {
    let fail =
        |error: driftless_yaml::Error| format!("error converting YAML to JSON: {}", error.as_go());
    let text = driftless_yaml::decode(text, limits).map_err(fail)?;
    let mut reader = Reader::new(&text, ValueBuild, *limits, Duplicates::Last);
    let value = reader.next_document().map_err(fail)?.unwrap_or_default();
    // An alias is the same map twice here, and two maps in Go.
    Ok(if text.contains('*') {
        value.deep_copy()
    } else {
        value
    })
}

/// Reads a YAML document that must be a mapping (or nothing).
pub fn map_from_yaml(text: &[u8], limits: &Limits) -> Result<Map, String> {
    match from_yaml(text, limits)? {
        Value::Map(map) => Ok(map),
        Value::Nil => Ok(Map::default()),
        other => Err(format!(
            "error unmarshaling JSON: while decoding JSON: {}",
            wrong_type(&other, "map[string]interface {}")
        )),
    }
}

/// Go's message for JSON of another type than the target.
pub fn wrong_type(value: &Value, target: &str) -> String {
    let kind = match value {
        Value::Bool(_) => "bool",
        Value::Float(_) | Value::Int(_) | Value::Int64(_) => "number",
        Value::Str(_) => "string",
        Value::List(_) => "array",
        _ => "object",
    };
    format!("json: cannot unmarshal {kind} into Go value of type {target}")
}

/// Writes YAML with the habits of a library, with a line end. Fails where Go does: on numbers that are
/// none, and on control characters that Go's reader of its own JSON refuses.
pub fn to_yaml(value: &Value, dialect: Dialect) -> Result<String, String> {
    let mut writer = Writer::new(dialect);
    write_yaml(&mut writer, value, dialect)?;
    Ok(writer.finish())
}

fn yaml_text(text: &str, dialect: Dialect) -> Result<Cow<'_, str>, String> {
    if text.is_ascii() {
        if dialect == Dialect::Kubernetes && text.contains('\u{7F}') {
            return Err("yaml: control characters are not allowed".to_owned());
        }
        return Ok(Cow::Borrowed(text));
    }
    let text = bytes::lossy(text);
    if dialect == Dialect::Version3 {
        return Ok(text);
    }
    let forbidden =
        |c: char| matches!(c, '\u{7F}'..='\u{84}' | '\u{86}'..='\u{9F}' | '\u{FFFE}' | '\u{FFFF}');
    if text.contains(forbidden) {
        return Err("yaml: control characters are not allowed".to_owned());
    }
    if !text.contains('\u{85}') {
        return Ok(text);
    }
    // The JSON in between holds this line break as it is, and its reader folds it.
    let mut folded = String::with_capacity(text.len());
    let mut parts = text.split('\u{85}').peekable();
    let mut empty = 0;
    while let Some(part) = parts.next() {
        let part = if folded.is_empty() && empty == 0 {
            part
        } else {
            part.trim_start_matches([' ', '\t'])
        };
        if !folded.is_empty() && part.is_empty() && parts.peek().is_some() {
            empty += 1;
            continue;
        }
        folded.extend(std::iter::repeat_n('\n', empty));
        empty = 0;
        let last = parts.peek().is_none();
        let part = if last {
            part
        } else {
            part.trim_end_matches([' ', '\t'])
        };
        folded.push_str(part);
        if !last {
            folded.push(' ');
        }
    }
    Ok(Cow::Owned(folded))
}

fn write_yaml(writer: &mut Writer, value: &Value, dialect: Dialect) -> Result<(), String> {
    match value {
        Value::Nil => writer.null(),
        Value::Bool(value) => writer.boolean(*value),
        Value::Int(value) | Value::Int64(value) => writer.integer(*value),
        Value::Float(value) if !value.is_finite() && dialect == Dialect::Kubernetes => {
            return Err(format!(
                "json: unsupported value: {}",
                crate::fmt::to_text(&Value::Float(*value))
            ));
        }
        Value::Float(value) => writer.float(*value),
        Value::Str(text) => writer.string(&yaml_text(text, dialect)?),
        Value::Bytes(bytes) => writer.string(&STANDARD.encode(bytes)),
        Value::List(list) if list.items().is_empty() => writer.empty_sequence(),
        Value::List(list) => {
            writer.begin_sequence();
            for item in list.items() {
                writer.item();
                write_yaml(writer, item, dialect)?;
            }
            writer.end_sequence();
        }
        Value::Map(map) if map.is_empty() => writer.empty_map(),
        Value::Map(map) => {
            writer.begin_map();
            map.with(|entries| {
                let mut sorted: Vec<(&Str, &Value)> = entries.iter().collect();
                sorted.sort_by(|a, b| key_order(a.0, b.0, dialect));
                for (key, value) in sorted {
                    writer.key(&yaml_text(key, dialect)?);
                    write_yaml(writer, value, dialect)?;
                }
                Ok::<(), String>(())
            })?;
            writer.end_map();
        }
        Value::Object(object) => write_yaml(writer, &object.to_plain(), dialect)?,
    }
    Ok(())
}

/// Whether `<`, `>` and `&` are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Html {
    /// As `json.Marshal` does.
    Escaped,
    /// As an encoder told not to.
    Raw,
}

/// Go's `json.Marshal`; `indent` is one level of indentation, empty for none.
pub fn to_json(value: &Value, html: Html, indent: &str) -> Result<String, String> {
    let mut out = String::new();
    write_json(&mut out, value, html, indent, 0)?;
    Ok(out)
}

fn new_line(out: &mut String, indent: &str, level: usize) {
    if !indent.is_empty() {
        out.push('\n');
        for _ in 0..level {
            out.push_str(indent);
        }
    }
}

fn write_json(
    out: &mut String,
    value: &Value,
    html: Html,
    indent: &str,
    level: usize,
) -> Result<(), String> {
    match value {
        Value::Nil => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) | Value::Int64(value) => out.push_str(&value.to_string()),
        Value::Float(value) => out.push_str(&json_float(*value)?),
        Value::Str(text) => json_string(out, text, html),
        Value::Bytes(bytes) => json_string(out, &STANDARD.encode(bytes), html),
        Value::List(list) if list.items().is_empty() => out.push_str("[]"),
        Value::List(list) => {
            out.push('[');
            for (index, item) in list.items().iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                new_line(out, indent, level + 1);
                write_json(out, item, html, indent, level + 1)?;
            }
            new_line(out, indent, level);
            out.push(']');
        }
        Value::Map(map) if map.is_empty() => out.push_str("{}"),
        Value::Map(map) => {
            out.push('{');
            map.with(|entries| {
                for (index, (key, value)) in entries.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    new_line(out, indent, level + 1);
                    json_string(out, key, html);
                    out.push_str(if indent.is_empty() { ":" } else { ": " });
                    write_json(out, value, html, indent, level + 1)?;
                }
                Ok::<(), String>(())
            })?;
            new_line(out, indent, level);
            out.push('}');
        }
        Value::Object(object) => write_json(out, &object.to_plain(), html, indent, level)?,
    }
    Ok(())
}

fn json_float(value: f64) -> Result<String, String> {
    if !value.is_finite() {
        let shown = crate::fmt::to_text(&Value::Float(value));
        return Err(format!("json: unsupported value: {shown}"));
    }
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let sign = if exponent.starts_with('-') { "" } else { "+" };
        return Ok(format!("{mantissa}e{sign}{exponent}"));
    }
    Ok(format!("{value}"))
}

fn json_string(out: &mut String, text: &str, html: Html) {
    out.push('"');
    for character in bytes::lossy(text).chars() {
        let short = match character {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{08}' => "\\b",
            '\u{0C}' => "\\f",
            '<' if html == Html::Escaped => "\\u003c",
            '>' if html == Html::Escaped => "\\u003e",
            '&' if html == Html::Escaped => "\\u0026",
            '\u{2028}' => "\\u2028",
            '\u{2029}' => "\\u2029",
            '\0'..='\u{1F}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(character)));
                continue;
            }
            other => {
                out.push(other);
                continue;
            }
        };
        out.push_str(short);
    }
    out.push('"');
}

struct JsonValue(Value);

impl<'de> serde::Deserialize<'de> for JsonValue {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor).map(Self)
    }
}

struct JsonVisitor;

impl<'de> serde::de::Visitor<'de> for JsonVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Float(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Float(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Str(Arc::from(value)))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(JsonValue(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::list(items))
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Entries::new();
        while let Some((key, JsonValue(value))) = map.next_entry::<String, JsonValue>()? {
            entries.insert(key.into(), value);
        }
        Ok(Value::Map(Map::new(entries)))
    }
}

/// Go's `json.Unmarshal` into `interface {}`.
pub fn from_json(text: &str) -> Result<Value, String> {
    let mut reader = Deserializer::from_str(text);
    let value = <JsonValue as serde::Deserialize>::deserialize(&mut reader);
    match value.and_then(|value| reader.end().map(|()| value)) {
        Ok(JsonValue(value)) => Ok(value),
        Err(error) => Err(json_message(text, &error)),
    }
}

/// Go's wording of a syntax error.
fn json_message(text: &str, error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "unexpected end of JSON input".to_owned();
    }
    let lines: usize = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    let at = lines + error.column().saturating_sub(1);
    let found = text
        .get(at..)
        .and_then(|tail| tail.chars().next())
        .map_or_else(|| "' '".to_owned(), crate::quote::quote_char);
    let message = error.to_string();
    let context = if message.starts_with("trailing characters") {
        "after top-level value"
    } else if message.starts_with("key must be a string") {
        "looking for beginning of object key string"
    } else if message.starts_with("expected `:`") {
        "after object key"
    } else if message.starts_with("expected `,` or `}`") {
        "after object key:value pair"
    } else if message.starts_with("expected `,` or `]`") {
        "after array element"
    } else {
        "looking for beginning of value"
    };
    format!("invalid character {found} {context}")
}

/// Converts a JSON value; numbers become floats.
pub fn from_serde(value: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::Float(number.as_f64().unwrap_or_default()),
        Json::String(text) => Value::str(text),
        Json::Array(items) => Value::list(items.iter().map(from_serde).collect()),
        Json::Object(entries) => Value::map(
            entries
                .iter()
                .map(|(key, value)| (Str::from(key.as_str()), from_serde(value))),
        ),
    }
}

/// Converts to a JSON value; a float without a fraction becomes an integer, as in Go's JSON.
pub fn to_serde(value: &Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Value::Nil => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(value) | Value::Int64(value) => Json::from(*value),
        Value::Float(value) if value.fract() == 0.0 && value.abs() < 9e18 => {
            Json::from(*value as i64)
        }
        Value::Float(value) => Json::from(*value),
        Value::Str(text) => Json::String(bytes::lossy(text).into_owned()),
        Value::Bytes(bytes) => Json::String(STANDARD.encode(bytes)),
        Value::List(list) => Json::Array(list.items().iter().map(to_serde).collect()),
        Value::Map(map) => Json::Object(map.with(|entries| {
            entries
                .iter()
                .map(|(key, value)| (key.to_string(), to_serde(value)))
                .collect()
        })),
        Value::Object(object) => to_serde(&object.to_plain()),
    }
}
