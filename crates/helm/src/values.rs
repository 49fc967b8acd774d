//! Values: what the user set over what the charts bring.

use driftless_gotemplate::value::Entries;
use driftless_gotemplate::{Map, Str, Value, data};

use crate::chart::Chart;
use crate::error::Error;
use crate::load;
use crate::strvals;

/// Where a value comes from; later ones of a kind win, and the kinds are applied in this order.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `-f`: name and content.
    pub files: Vec<(String, Vec<u8>)>,
    /// `--set-json`
    pub json: Vec<String>,
    /// `--set`
    pub set: Vec<String>,
    /// `--set-string`
    pub strings: Vec<String>,
    /// `--set-file`: the key, and the content of the file it names.
    pub set_files: Vec<String>,
    /// Contents for `set_files`, by the path given there.
    pub file_contents: Vec<(String, Vec<u8>)>,
    /// `--set-literal`
    pub literals: Vec<String>,
}

impl Overrides {
    /// Merges everything into one map.
    pub fn to_map(&self, limits: &driftless_yaml::Limits) -> Result<Map, Error> {
        let mut base = Map::default();
        for (name, content) in &self.files {
            let read = load::read_values(content, limits)
                .map_err(|error| Error::Values(format!("failed to parse {name}: {error}")))?;
            base = merge_maps(&base, &read);
        }
        for text in &self.json {
            if text.trim_start().starts_with('{') {
                let fail = || Error::Values(format!("failed parsing --set-json data JSON: {text}"));
                match data::from_json(text.trim()) {
                    Ok(Value::Map(map)) => base = merge_maps(&base, &map),
                    _ => return Err(fail()),
                }
            } else {
                strvals::parse(text, &base, &strvals::Reading::Json)
                    .map_err(|_| Error::Values(format!("failed parsing --set-json data {text}")))?;
            }
        }
        for text in &self.set {
            strvals::parse(text, &base, &strvals::Reading::Typed)
                .map_err(|error| Error::Values(format!("failed parsing --set data: {error}")))?;
        }
        for text in &self.strings {
            strvals::parse(text, &base, &strvals::Reading::Strings).map_err(|error| {
                Error::Values(format!("failed parsing --set-string data: {error}"))
            })?;
        }
        let read = |path: &str| {
            self.file_contents
                .iter()
                .find(|(known, _)| known == path)
                .map(|(_, content)| driftless_gotemplate::bytes::to_text(content).into_owned())
                .ok_or_else(|| format!("open {path}: no such file or directory"))
        };
        for text in &self.set_files {
            strvals::parse(text, &base, &strvals::Reading::File(&read)).map_err(|error| {
                Error::Values(format!("failed parsing --set-file data: {error}"))
            })?;
        }
        for text in &self.literals {
            strvals::parse_literal(text, &base).map_err(|error| {
                Error::Values(format!("failed parsing --set-literal data: {error}"))
            })?;
        }
        Ok(base)
    }
}

/// Returns `under` with `over` merged over it; neither is changed.
pub fn merge_maps(under: &Map, over: &Map) -> Map {
    let mut out = under.with(Clone::clone);
    for (key, value) in over.snapshot() {
        let merged = match (&value, out.get(&key)) {
            (Value::Map(over), Some(Value::Map(under))) => Value::Map(merge_maps(under, over)),
            _ => value,
        };
        out.insert(key, merged);
    }
    Map::new(out)
}

/// Whether null removes a value or stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// Coalescing: null in the destination removes the chart's value.
    Remove,
    /// Merging: nulls are kept for a later coalescing.
    Keep,
}

fn copy(map: &Map) -> Map {
    match Value::Map(map.clone()).deep_copy() {
        Value::Map(map) => map,
        _ => Map::default(),
    }
}

/// Returns the values of a chart and its subcharts under what the user set.
pub(crate) fn coalesce_values(chart: &Chart, values: &Map, nulls: Nulls) -> Result<Map, String> {
    let values = copy(values);
    coalesce(chart, &values, nulls)?;
    Ok(values)
}

fn coalesce(chart: &Chart, into: &Map, nulls: Nulls) -> Result<(), String> {
    coalesce_chart(chart, into, nulls);
    for subchart in &chart.dependencies {
        let name = subchart.name();
        let table = match into.get(name) {
            None => {
                let table = Map::default();
                into.insert(name, Value::Map(table.clone()));
                table
            }
            Some(Value::Map(table)) => table,
            Some(other) => {
                let shown = driftless_gotemplate::fmt::sprintf("%t", &[other]);
                return Err(format!("type mismatch on {name}: {shown}"));
            }
        };
        coalesce_globals(&table, into);
        coalesce(subchart, &table, nulls)?;
    }
    Ok(())
}

fn globals(map: &Map) -> Option<Map> {
    match map.get("global") {
        None => Some(Map::default()),
        Some(Value::Map(globals)) => Some(globals),
        Some(_) => None,
    }
}

fn coalesce_globals(into: &Map, from: &Map) {
    let (Some(target), Some(source)) = (globals(into), globals(from)) else {
        return;
    };
    for (key, value) in source.snapshot() {
        match (&value, target.get(&key)) {
            (Value::Map(table), None) => {
                target.insert(key, Value::Map(Map::new(table.with(Clone::clone))));
            }
            (Value::Map(table), Some(Value::Map(known))) => {
                let merged = Map::new(table.with(Clone::clone));
                coalesce_tables(&merged, &known, Nulls::Keep);
                target.insert(key, Value::Map(merged));
            }
            (Value::Map(_), Some(_)) | (_, Some(Value::Map(_))) => {}
            _ => target.insert(key, value),
        }
    }
    into.insert("global", Value::Map(target));
}

fn coalesce_chart(chart: &Chart, into: &Map, nulls: Nulls) {
    for (key, value) in copy(&chart.values).snapshot() {
        match into.get(&key) {
            None => {
                if nulls == Nulls::Remove {
                    match &value {
                        Value::Nil => continue,
                        Value::Map(table) => clean_nulls(table),
                        _ => {}
                    }
                }
                into.insert(key, value);
            }
            Some(Value::Nil) if nulls == Nulls::Remove => {
                into.remove(&key);
            }
            Some(Value::Map(target)) => {
                if let Value::Map(source) = &value {
                    let of_subchart = chart
                        .dependencies
                        .iter()
                        .any(|subchart| subchart.name() == &*key);
                    let nulls = if of_subchart { Nulls::Keep } else { nulls };
                    if nulls == Nulls::Remove {
                        clean_nulls(source);
                    }
                    coalesce_tables(&target, source, nulls);
                }
            }
            Some(_) => {}
        }
    }
}

/// Fills `into` with what only `from` has, all the way down.
pub(crate) fn coalesce_tables(into: &Map, from: &Map, nulls: Nulls) {
    if into.is_same(from) {
        return;
    }
    let mut source: Entries = from.with(Clone::clone);
    let given: Vec<Str> = source
        .iter()
        .filter(|(_, value)| !value.is_nil())
        .map(|(key, _)| key.clone())
        .collect();
    into.with(|entries| {
        for (key, value) in entries {
            if value.is_nil() {
                source.insert(key.clone(), Value::Nil);
            }
        }
    });
    for (key, value) in source {
        match into.get(&key) {
            Some(Value::Nil) if nulls == Nulls::Remove && given.contains(&key) => {
                into.remove(&key);
            }
            None => into.insert(key, value),
            Some(Value::Map(target)) => {
                if let Value::Map(source) = &value {
                    coalesce_tables(&target, source, nulls);
                }
            }
            Some(_) => {}
        }
    }
}

fn clean_nulls(map: &Map) {
    for (key, value) in map.snapshot() {
        match value {
            Value::Nil => {
                map.remove(&key);
            }
            Value::Map(table) => clean_nulls(&table),
            _ => {}
        }
    }
}

/// Returns the table at a path of keys.
pub(crate) fn table(map: &Map, path: &str) -> Option<Map> {
    path.split('.')
        .try_fold(map.clone(), |map, key| match map.get(key) {
            Some(Value::Map(table)) => Some(table),
            _ => None,
        })
}

/// Returns the value at a path of keys that is no table.
pub(crate) fn path_value(map: &Map, path: &str) -> Option<Value> {
    let (map, key) = match path.rsplit_once('.') {
        Some((parent, key)) => (table(map, parent)?, key),
        None => (map.clone(), path),
    };
    map.get(key).filter(|value| !matches!(value, Value::Map(_)))
}
