//! What a measurement gives. Unlike JSON it knows NaN, and whole numbers apart from others.

use std::collections::BTreeMap;
use std::fmt;

/// A measured value.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any number, also NaN and the infinities.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A mapping.
    Map(BTreeMap<String, Value>),
}

impl Value {
    /// Returns the number.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// Looks up a field of a mapping.
    pub fn field(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Map(map) => map.get(name),
            _ => None,
        }
    }

    /// Says what it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a truth value",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }

    /// Says whether there is nothing in it to judge: null, NaN, an empty list, or a list of nothing else.
    pub fn is_no_data(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Float(number) => number.is_nan(),
            Self::List(items) => items.iter().all(Self::is_no_data),
            Self::Map(map) => map.is_empty(),
            _ => false,
        }
    }

    /// Turns texts that Prometheus and JSON use for numbers without a JSON form (`NaN`, `+Inf`, `-Inf`) into those.
    pub fn with_special_numbers(self) -> Self {
        match self {
            Self::Text(text) => match text.as_str() {
                "NaN" => Self::Float(f64::NAN),
                "+Inf" | "Inf" => Self::Float(f64::INFINITY),
                "-Inf" => Self::Float(f64::NEG_INFINITY),
                _ => Self::Text(text),
            },
            Self::List(items) => {
                Self::List(items.into_iter().map(Self::with_special_numbers).collect())
            }
            Self::Map(map) => {
                let entries = map.into_iter();
                Self::Map(
                    entries
                        .map(|(key, value)| (key, value.with_special_numbers()))
                        .collect(),
                )
            }
            other => other,
        }
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(whole) => Self::Int(whole),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            serde_json::Value::String(text) => Self::Text(text),
            serde_json::Value::Array(items) => {
                Self::List(items.into_iter().map(Self::from).collect())
            }
            serde_json::Value::Object(map) => {
                let entries = map.into_iter();
                Self::Map(
                    entries
                        .map(|(key, value)| (key, Self::from(value)))
                        .collect(),
                )
            }
        }
    }
}

impl fmt::Display for Value {
    /// Writes it short: what people read in a decision, at most some 120 characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        write_to(self, &mut text);
        f.write_str(&text)
    }
}

const LONGEST: usize = 120;

fn write_to(value: &Value, out: &mut String) {
    use std::fmt::Write as _;
    if out.len() > LONGEST {
        if !out.ends_with('…') {
            out.push('…');
        }
        return;
    }
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(number) => {
            let _ = write!(out, "{number}");
        }
        Value::Float(number) => {
            let _ = write!(out, "{number}");
        }
        Value::Text(text) => out.extend(text.chars().take(LONGEST)),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_to(item, out);
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            for (index, (key, item)) in map.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                let _ = write!(out, "{key}:");
                write_to(item, out);
            }
            out.push('}');
        }
    }
}
