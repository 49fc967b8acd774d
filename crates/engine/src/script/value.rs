//! Values between JSON and Lua.

use mlua::{Lua, Value as LuaValue};
use serde_json::{Map, Number, Value};

use super::Error;

/// Deepest nesting of an answer.
const DEPTH: usize = 100;
/// Most values of an answer.
const SIZE: usize = 200_000;

/// Hands a JSON value to Lua; null is nil, so that a field that is null is not there.
pub(super) fn to_lua(lua: &Lua, value: &Value) -> mlua::Result<LuaValue> {
    Ok(match value {
        Value::Null => LuaValue::Nil,
        Value::Bool(flag) => LuaValue::Boolean(*flag),
        Value::Number(number) => LuaValue::Number(number.as_f64().unwrap_or_default()),
        Value::String(text) => LuaValue::String(lua.create_string(text)?),
        Value::Array(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for (index, item) in items.iter().enumerate() {
                table.raw_set(index + 1, to_lua(lua, item)?)?;
            }
            LuaValue::Table(table)
        }
        Value::Object(map) => {
            let table = lua.create_table_with_capacity(0, map.len())?;
            for (name, item) in map {
                table.raw_set(name.as_str(), to_lua(lua, item)?)?;
            }
            LuaValue::Table(table)
        }
    })
}

/// Takes a value from Lua. A table without entries is an empty mapping: Lua knows no difference.
pub(super) fn from_lua(value: &LuaValue) -> Result<Value, Error> {
    let mut left = SIZE;
    take(value, 0, &mut left)
}

fn take(value: &LuaValue, depth: usize, left: &mut usize) -> Result<Value, Error> {
    *left = left
        .checked_sub(1)
        .ok_or(Error::Answer("more values than can be taken"))?;
    Ok(match value {
        LuaValue::Nil => Value::Null,
        LuaValue::Boolean(flag) => Value::Bool(*flag),
        LuaValue::Integer(number) => Value::from(*number),
        LuaValue::Number(number) => number_of(*number)?,
        LuaValue::String(text) => Value::String(text.to_string_lossy()),
        LuaValue::Table(_) if depth >= DEPTH => {
            return Err(Error::Answer("a table that is nested too deeply"));
        }
        LuaValue::Table(table) => {
            let length = table.raw_len();
            if length > 0 {
                let items = table.sequence_values::<LuaValue>();
                let items = items.map(|item| {
                    let item = item.map_err(super::told)?;
                    take(&item, depth + 1, left)
                });
                return items.collect::<Result<_, _>>().map(Value::Array);
            }
            let mut map = Map::new();
            for pair in table.pairs::<LuaValue, LuaValue>() {
                let (name, item) = pair.map_err(super::told)?;
                let name = match name {
                    LuaValue::String(name) => name.to_string_lossy(),
                    LuaValue::Number(number) => number.to_string(),
                    LuaValue::Integer(number) => number.to_string(),
                    _ => return Err(Error::Answer("a table with a key that is no text")),
                };
                map.insert(name, take(&item, depth + 1, left)?);
            }
            Value::Object(map)
        }
        LuaValue::Function(_) => return Err(Error::Answer("a function")),
        _ => return Err(Error::Answer("a value that is no data")),
    })
}

fn number_of(number: f64) -> Result<Value, Error> {
    if number.fract() == 0.0 && number.abs() < 9e15 {
        return Ok(Value::from(number as i64));
    }
    Number::from_f64(number)
        .map(Value::Number)
        .ok_or(Error::Answer("a number that is not finite"))
}

/// Gives back what Lua cannot tell apart: where an empty mapping was an empty list before, or a number a
/// whole one with a point, the value before is taken.
pub fn restore(value: &mut Value, before: &Value) {
    match (value, before) {
        (slot @ Value::Object(_), Value::Array(_))
            if slot.as_object().is_some_and(Map::is_empty) =>
        {
            *slot = Value::Array(Vec::new());
        }
        (Value::Object(map), Value::Object(before)) => {
            for (name, item) in before {
                match map.get_mut(name) {
                    Some(slot) => restore(slot, item),
                    // A null that nobody could see.
                    None if item.is_null() => {
                        map.insert(name.clone(), Value::Null);
                    }
                    None => {}
                }
            }
        }
        (Value::Array(items), Value::Array(before)) => {
            for (slot, item) in items.iter_mut().zip(before) {
                restore(slot, item);
            }
        }
        (slot @ Value::Number(_), Value::Number(number)) if slot.as_f64() == number.as_f64() => {
            *slot = Value::Number(number.clone());
        }
        _ => {}
    }
}
