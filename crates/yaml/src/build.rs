//! What the composer builds: a seam, so that template values and JSON values are read by one parser.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form<'a> {
    /// Without quotes: the text decides what it means.
    Plain,
    /// In single quotes.
    Single,
    /// In double quotes.
    Double,
    /// A block that keeps its lines.
    Literal,
    /// A block whose lines are joined.
    Folded,
    /// With a tag, written in full.
    Tagged(&'a str),
}

/// Builds values of some type out of what a document says.
pub trait Build {
    /// One value. Aliases are clones of it.
    type Value: Clone;
    /// A mapping that is being filled.
    type Map;
    /// Whether scalars are wanted as they are written, not as what they mean.
    const RAW: bool = false;

    /// Takes a scalar as it is written. Called only when [`Build::RAW`] is set.
    fn raw(&mut self, text: Cow<'_, str>, _form: Form<'_>) -> Self::Value {
        self.string(text)
    }
    /// Tells how the key of the next [`Build::insert`] is written. Called only when [`Build::RAW`] is set.
    fn raw_key(&mut self, _form: Form<'_>) {}

    /// Returns null.
    fn null(&mut self) -> Self::Value;
    /// Returns a boolean.
    fn boolean(&mut self, value: bool) -> Self::Value;
    /// Returns an integer.
    fn integer(&mut self, value: i64) -> Self::Value;
    /// Returns an integer above `i64::MAX`.
    fn unsigned(&mut self, value: u64) -> Self::Value;
    /// Returns a finite float.
    fn float(&mut self, value: f64) -> Self::Value;
    /// Returns a string.
    fn string(&mut self, value: Cow<'_, str>) -> Self::Value;
    /// Returns a sequence.
    fn sequence(&mut self, items: Vec<Self::Value>) -> Self::Value;
    /// Starts a mapping.
    fn map(&mut self) -> Self::Map;
    /// Sets a key; says whether it was there before.
    fn insert(&mut self, map: &mut Self::Map, key: Cow<'_, str>, value: Self::Value) -> bool;
    /// Copies the entries of a mapping into `map` (the merge key); of a sequence of mappings the first
    /// one wins. Says whether `from` was one of these.
    fn merge(&mut self, map: &mut Self::Map, from: &Self::Value) -> bool;
    /// Ends a mapping.
    fn finish(&mut self, map: Self::Map) -> Self::Value;
}

/// Builds [`serde_json::Value`]s.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonBuild;

impl Build for JsonBuild {
    type Value = Value;
    type Map = Map<String, Value>;

    fn null(&mut self) -> Value {
        Value::Null
    }

    fn boolean(&mut self, value: bool) -> Value {
        Value::Bool(value)
    }

    fn integer(&mut self, value: i64) -> Value {
        Value::from(value)
    }

    fn unsigned(&mut self, value: u64) -> Value {
        Value::from(value)
    }

    fn float(&mut self, value: f64) -> Value {
        // Go writes the float as JSON before it reads it again: 1e3 has no fraction there.
        if value.fract() == 0.0 && value.abs() < 9_223_372_036_854_775_808.0 {
            return Value::from(value as i64);
        }
        Number::from_f64(value).map_or(Value::Null, Value::Number)
    }

    fn string(&mut self, value: Cow<'_, str>) -> Value {
        Value::String(value.into_owned())
    }

    fn sequence(&mut self, items: Vec<Value>) -> Value {
        Value::Array(items)
    }

    fn map(&mut self) -> Self::Map {
        Map::new()
    }

    fn insert(&mut self, map: &mut Self::Map, key: Cow<'_, str>, value: Value) -> bool {
        map.insert(key.into_owned(), value).is_some()
    }

    fn merge(&mut self, map: &mut Self::Map, from: &Value) -> bool {
        match from {
            Value::Object(entries) => {
                for (key, value) in entries {
                    map.insert(key.clone(), value.clone());
                }
                true
            }
            Value::Array(items) if items.iter().all(Value::is_object) => {
                items.iter().rev().all(|item| self.merge(map, item))
            }
            _ => false,
        }
    }

    fn finish(&mut self, map: Self::Map) -> Value {
        Value::Object(map)
    }
}
