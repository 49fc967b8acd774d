//! Nodes ↔ JSON, with the detours Go takes: floats without a fraction become integers, times become
//! RFC 3339, keys that are not strings are refused below the top.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map as JsonMap, Number, Value};

use super::resolve::{Meaning, Written, meaning};
use super::{Map, Node, Scalar, Style, Tag};
use crate::error::{Error, Result};

/// Converts a node.
pub(crate) fn to_json(node: &Node) -> Result<Value> {
    convert(node, true)
}

fn convert(node: &Node, top: bool) -> Result<Value> {
    match node {
        Node::Scalar(scalar) => scalar.to_json(),
        Node::Seq(items) => items
            .iter()
            .map(|item| convert(item, false))
            .collect::<Result<Vec<_>>>()
            .map(Value::Array),
        Node::Map(map) => {
            let mut object = JsonMap::new();
            for (key, value) in &map.0 {
                if !top {
                    key.check_key()?;
                }
                let value = convert(value, false)?;
                if object.insert(key.text.clone(), value).is_some() {
                    return Err(repeated_key(&key.text));
                }
            }
            Ok(Value::Object(object))
        }
    }
}

pub(super) fn repeated_key(key: &str) -> Error {
    Error::new(format!(
        "yaml: unmarshal errors:\n  mapping key {key:?} already defined"
    ))
}

impl Scalar {
    /// Refuses keys that JSON cannot have.
    pub(super) fn check_key(&self) -> Result<()> {
        let text = match self.written() {
            Written::Text => true,
            Written::Plain => matches!(meaning(&self.text), Meaning::Str | Meaning::Merge),
            Written::Tagged(tag) => tag == "!!str",
        };
        if text {
            return Ok(());
        }
        Err(Error::new(
            "json: unsupported type: map[interface {}]interface {}",
        ))
    }

    pub(super) fn to_json(&self) -> Result<Value> {
        Ok(match self.written_meaning()? {
            Read::Text(text) => Value::String(text),
            Read::Same => Value::String(self.text.clone()),
            Read::Null => Value::Null,
            Read::Bool(value) => Value::Bool(value),
            Read::Int(value) => Value::from(value),
            Read::Uint(value) => Value::from(value),
            Read::Float(value) => Number::from_f64(value).map_or(Value::Null, Value::Number),
        })
    }

    /// Returns what the scalar is in JSON.
    pub(super) fn written_meaning(&self) -> Result<Read> {
        let found = match self.written() {
            Written::Text if self.style == Style::Folded => {
                return Ok(Read::Text(super::write::folded_again(&self.text)));
            }
            Written::Text => return Ok(Read::Same),
            Written::Plain => meaning(&self.text),
            Written::Tagged(tag) => return self.with_tag(tag),
        };
        self.plain(found)
    }

    fn plain(&self, found: Meaning) -> Result<Read> {
        Ok(match found {
            Meaning::Null => Read::Null,
            Meaning::Bool(value) => Read::Bool(value),
            Meaning::Int(value) => Read::Int(value),
            Meaning::Uint(value) => Read::Uint(value),
            Meaning::Float(value) if value.is_finite() => float(value),
            Meaning::Float(value) => {
                let name = if value.is_nan() {
                    "NaN"
                } else if value > 0.0 {
                    "+Inf"
                } else {
                    "-Inf"
                };
                return Err(Error::new(format!("json: unsupported value: {name}")));
            }
            Meaning::Timestamp => Read::Text(rfc_3339(&self.text)),
            Meaning::Str | Meaning::Merge => Read::Same,
        })
    }

    fn with_tag(&self, tag: &str) -> Result<Read> {
        let found = meaning(&self.text);
        match (tag, found) {
            ("!!int", Meaning::Int(_) | Meaning::Uint(_))
            | ("!!bool", Meaning::Bool(_))
            | ("!!null", Meaning::Null)
            | ("!!timestamp", Meaning::Timestamp)
            | ("!!float", Meaning::Float(_)) => self.plain(found),
            ("!!float", Meaning::Int(value)) => Ok(float(value as f64)),
            ("!!float", Meaning::Uint(value)) => Ok(float(value as f64)),
            ("!!int" | "!!bool" | "!!null" | "!!float" | "!!timestamp", _) => {
                let kind = super::resolve::plain_tag(&self.text);
                let (text, kind) = (&self.text, kind.name());
                Err(Error::new(format!(
                    "yaml: cannot decode {kind} `{text}` as a {tag}"
                )))
            }
            ("!!binary", _) => {
                let joined: String = self.text.split_whitespace().collect();
                let bytes = STANDARD
                    .decode(joined)
                    .map_err(|_| Error::new("yaml: !!binary value contains invalid base64 data"))?;
                Ok(Read::Text(String::from_utf8_lossy(&bytes).into_owned()))
            }
            _ => Ok(Read::Same),
        }
    }
}

/// A scalar as JSON has it.
pub(super) enum Read {
    /// The text itself.
    Same,
    /// Another text.
    Text(String),
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
}

fn float(value: f64) -> Read {
    if value.fract() == 0.0 && value.abs() < 9_223_372_036_854_775_808.0 {
        return Read::Int(value as i64);
    }
    Read::Float(value)
}

/// Writes a date, or a date and a time, as Go writes times in JSON.
fn rfc_3339(text: &str) -> String {
    let (date, rest) = match text.find(['T', 't', ' ']) {
        Some(at) => (
            text.get(..at).unwrap_or_default(),
            text.get(at + 1..).unwrap_or_default(),
        ),
        None => (text, ""),
    };
    let two = |part: &str| format!("{part:0>2}");
    let date: Vec<String> = date.split('-').map(two).collect();
    let zone_at = rest.find(['Z', '+', '-']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at_checked(zone_at).unwrap_or((rest, ""));
    let (clock, fraction) = clock.split_once(['.', ',']).unwrap_or((clock, ""));
    let mut parts: Vec<String> = clock
        .split(':')
        .filter(|part| !part.is_empty())
        .map(two)
        .collect();
    parts.resize(3, "00".to_owned());
    let fraction = fraction
        .get(..fraction.len().min(9))
        .unwrap_or_default()
        .trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    let zone = match zone {
        "" | "+00:00" | "-00:00" => "Z",
        zone => zone,
    };
    format!(
        "{}T{}{point}{fraction}{zone}",
        date.join("-"),
        parts.join(":")
    )
}

/// Converts JSON as it comes back from Go: every number was a float on the way.
pub(crate) fn from_json(value: &Value) -> Node {
    match value {
        Value::Null => Node::Scalar(Scalar::tagged("null", Tag::Null)),
        Value::Bool(value) => Node::Scalar(Scalar::tagged(value.to_string(), Tag::Bool)),
        Value::Number(number) => Node::Scalar(from_number(number)),
        Value::String(text) => Node::Scalar(from_text(text)),
        Value::Array(items) => Node::Seq(items.iter().map(from_json).collect()),
        Value::Object(entries) => Node::Map(Map(entries
            .iter()
            .map(|(key, value)| (from_text(key), from_json(value)))
            .collect())),
    }
}

fn from_number(number: &Number) -> Scalar {
    let value = number.as_f64().unwrap_or_default();
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return Scalar::tagged((value as i64).to_string(), Tag::Int);
    }
    let text = driftless_yaml::format_g(value);
    let tag = super::resolve::plain_tag(&text);
    Scalar::tagged(text, tag)
}

fn from_text(text: &str) -> Scalar {
    let scalar = Scalar::string(text);
    if scalar.style == Style::Plain
        && (super::resolve::plain_tag(text) != Tag::Str
            || is_yaml_1_1_word(text)
            || driftless_yaml::resolve::is_base_60(text))
    {
        return scalar.with_style(Style::Double);
    }
    scalar
}

fn is_yaml_1_1_word(text: &str) -> bool {
    text.len() <= 3 && super::is_yaml_1_1_non_string(text)
}
