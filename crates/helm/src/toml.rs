//! TOML as Go's most used library reads and writes it.

use driftless_gotemplate::value::Entries;
use driftless_gotemplate::{Map, Str, Time, Value};

/// Reads a document.
pub(crate) fn read(text: &str) -> Result<Map, String> {
    let table: toml::Table = text.parse().map_err(|error| message(text, &error))?;
    Ok(table_to_map(&table))
}

fn message(text: &str, error: &toml::de::Error) -> String {
    let at = error.span().map_or(0, |span| span.start);
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let last = before.rsplit('\n').next().unwrap_or_default();
    let key = last.split('=').next().unwrap_or_default().trim();
    let rest = text.get(at..).unwrap_or_default();
    match error.message() {
        "duplicate key" => {
            let name = rest.split(['=', '\n']).next().unwrap_or_default().trim();
            return format!(
                "toml: line {line} (last key {name:?}): Key '{name}' has already been defined."
            );
        }
        _ if key.is_empty() && rest.starts_with('=') => {
            return format!("toml: line {line}: unexpected '=': key name appears blank");
        }
        _ => {}
    }
    let place = if key.is_empty() {
        format!("toml: line {line}")
    } else {
        format!("toml: line {line} (last key {key:?})")
    };
    if text.get(at..).is_none_or(|rest| rest.trim().is_empty()) && last.contains('=') {
        return format!("{place}: unexpected EOF; expected value");
    }
    format!("{place}: {}", error.message())
}

fn table_to_map(table: &toml::Table) -> Map {
    let entries: Entries = table
        .iter()
        .map(|(key, value)| (Str::from(key.as_str()), to_value(value)))
        .collect();
    Map::new(entries)
}

fn to_value(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::str(text),
        toml::Value::Integer(number) => Value::Int64(*number),
        toml::Value::Float(number) => Value::Float(*number),
        toml::Value::Boolean(value) => Value::Bool(*value),
        toml::Value::Datetime(time) => time_of(time).into_value(),
        toml::Value::Array(items) => Value::list(items.iter().map(to_value).collect()),
        toml::Value::Table(table) => Value::Map(table_to_map(table)),
    }
}

/// Zones that stand for a date or a time of no zone, as the library names them.
const LOCAL: [&str; 3] = ["datetime-local", "date-local", "time-local"];

fn time_of(time: &toml::value::Datetime) -> Time {
    let date = time.date.map_or((0, 1, 1), |date| {
        (
            i64::from(date.year),
            u32::from(date.month),
            u32::from(date.day),
        )
    });
    let clock = time.time.map_or((0, 0, 0, 0), |clock| {
        (
            u32::from(clock.hour),
            u32::from(clock.minute),
            clock.second.map_or(0, u32::from),
            clock.nanosecond.unwrap_or(0),
        )
    });
    let [both, date_alone, time_alone] = LOCAL;
    let (offset, zone) = match (time.offset, time.date, time.time) {
        (Some(toml::value::Offset::Z), ..) => (0, "UTC"),
        (Some(toml::value::Offset::Custom { minutes }), ..) => (i32::from(minutes) * 60, ""),
        (None, Some(_), Some(_)) => (0, both),
        (None, Some(_), None) => (0, date_alone),
        (None, ..) => (0, time_alone),
    };
    Time::of_civil(date, clock, offset, zone)
}

fn write_time(time: &Time) -> String {
    let [both, date_alone, time_alone] = LOCAL;
    time.format(match time.zone.as_str() {
        zone if zone == both => "2006-01-02T15:04:05.999999999",
        zone if zone == date_alone => "2006-01-02",
        zone if zone == time_alone => "15:04:05.999999999",
        _ => "2006-01-02T15:04:05.999999999Z07:00",
    })
}

/// Writes a document.
pub(crate) fn write(value: &Value) -> Result<String, String> {
    let mut out = String::new();
    match plain(value) {
        Value::Map(map) => write_map(&mut out, &[], &map)?,
        Value::Nil => return Err("toml: cannot encode nil".to_owned()),
        value if is_table_array(&value)? => {
            return Err("toml: top-level values must be Go maps or structs".to_owned());
        }
        value => element(&mut out, &value)?,
    }
    Ok(out)
}

fn plain(value: &Value) -> Value {
    match value {
        Value::Object(object) if !object.as_any().is::<Time>() => object.to_plain(),
        other => other.clone(),
    }
}

/// A list of nothing but maps is an array of tables.
fn is_table_array(value: &Value) -> Result<bool, String> {
    let Value::List(list) = value else {
        return Ok(false);
    };
    if list.items().iter().any(Value::is_nil) {
        return Err("toml: cannot encode array with nil element".to_owned());
    }
    Ok(!list.items().is_empty()
        && list
            .items()
            .iter()
            .all(|item| matches!(item, Value::Map(_))))
}

fn is_table(value: &Value) -> Result<bool, String> {
    Ok(matches!(value, Value::Map(_)) || is_table_array(value)?)
}

fn new_line(out: &mut String) {
    if !out.is_empty() {
        out.push('\n');
    }
}

fn indent(out: &mut String, depth: usize) {
    for _ in 1..depth {
        out.push_str("  ");
    }
}

fn quoted_key(key: &str) -> String {
    let bare = !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if bare { key.to_owned() } else { quoted(key) }
}

fn path(keys: &[Str]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| quoted_key(key)).collect();
    keys.join(".")
}

fn write_map(out: &mut String, keys: &[Str], map: &Map) -> Result<(), String> {
    let entries = map.snapshot();
    for tables in [false, true] {
        for (key, value) in &entries {
            let value = plain(value);
            if value.is_nil() || is_table(&value)? != tables {
                continue;
            }
            let mut inner = keys.to_vec();
            inner.push(key.clone());
            write_entry(out, &inner, key, &value)?;
        }
    }
    Ok(())
}

fn write_entry(out: &mut String, keys: &[Str], key: &str, value: &Value) -> Result<(), String> {
    match value {
        Value::Map(map) => {
            if keys.len() == 1 {
                new_line(out);
            }
            indent(out, keys.len());
            out.push_str(&format!("[{}]\n", path(keys)));
            write_map(out, keys, map)
        }
        Value::List(list) if is_table_array(value)? => {
            for item in list.items() {
                new_line(out);
                indent(out, keys.len());
                out.push_str(&format!("[[{}]]\n", path(keys)));
                if let Value::Map(map) = item {
                    write_map(out, keys, map)?;
                }
            }
            Ok(())
        }
        _ => {
            indent(out, keys.len());
            out.push_str(&quoted_key(key));
            out.push_str(" = ");
            element(out, value)?;
            out.push('\n');
            Ok(())
        }
    }
}

fn element(out: &mut String, value: &Value) -> Result<(), String> {
    match value {
        Value::Nil => return Err("toml: cannot encode array with nil element".to_owned()),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(number) | Value::Int64(number) => out.push_str(&number.to_string()),
        Value::Float(number) => out.push_str(&float(*number)),
        Value::Str(text) => out.push_str(&quoted(text)),
        Value::Bytes(bytes) => {
            let items = bytes.iter().map(|byte| Value::Int(i64::from(*byte)));
            element(out, &Value::list(items.collect()))?;
        }
        Value::List(list) => {
            is_table_array(value)?;
            out.push('[');
            for (index, item) in list.items().iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                element(out, &plain(item))?;
            }
            out.push(']');
        }
        Value::Map(map) => inline(out, map)?,
        Value::Object(object) => match object.as_any().downcast_ref::<Time>() {
            Some(time) => out.push_str(&write_time(time)),
            None => element(out, &object.to_plain())?,
        },
    }
    Ok(())
}

fn inline(out: &mut String, map: &Map) -> Result<(), String> {
    let (mut direct, mut tables) = (Vec::new(), Vec::new());
    for (key, value) in map.snapshot() {
        if is_table(&value)? {
            tables.push((key, value));
        } else {
            direct.push((key, value));
        }
    }
    out.push('{');
    let last_direct = if tables.is_empty() {
        direct.len()
    } else {
        usize::MAX
    };
    for (entries, last) in [(&direct, last_direct), (&tables, tables.len())] {
        for (index, (key, value)) in entries.iter().enumerate() {
            if value.is_nil() {
                continue;
            }
            out.push_str(&quoted_key(key));
            out.push_str(" = ");
            element(out, value)?;
            if index + 1 < last {
                out.push_str(", ");
            }
        }
    }
    out.push('}');
    Ok(())
}

fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let text = driftless_yaml::format_g(number);
    if text.contains(['e', '.']) {
        text
    } else {
        format!("{text}.0")
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{08}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{0C}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..='\u{1F}' | '\u{7F}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
