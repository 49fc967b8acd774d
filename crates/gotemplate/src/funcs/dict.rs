//! Maps.

use super::{Answer, arg, func, map, shared, text, variadic};
use crate::error::Fault;
use crate::exec::Exec;
use crate::registry::{Func, Ty};
use crate::value::{Entries, Map, MapKind, Str, Value};

pub(super) const FUNCS: &[Func] = &[
    variadic("dict", &[], Ty::Any, dict),
    func("get", &[Ty::Map, Ty::Str], |_, args| {
        Ok(map(args, 0)
            .get(text(args, 1))
            .unwrap_or_else(|| Value::str("")))
    }),
    func("set", &[Ty::Map, Ty::Str, Ty::Any], set),
    func("unset", &[Ty::Map, Ty::Str], |_, args| {
        map(args, 0).remove(text(args, 1));
        // A nil map has nothing to remove, and stays a map.
        Ok(match arg(args, 0) {
            Value::Nil => Value::map::<Str>([]),
            given => plain(given),
        })
    }),
    func("hasKey", &[Ty::Map, Ty::Str], |_, args| {
        Ok(Value::Bool(map(args, 0).contains(text(args, 1))))
    }),
    variadic("pluck", &[Ty::Str], Ty::Map, |_, args| {
        let key = text(args, 0);
        let found = (1..args.len()).filter_map(|index| map(args, index).get(key));
        Ok(Value::list(found.collect()))
    }),
    variadic("keys", &[], Ty::Map, |_, args| {
        let keys = (0..args.len()).flat_map(|index| map(args, index).snapshot());
        Ok(Value::strings(keys.map(|(key, _)| key)))
    }),
    func("values", &[Ty::Map], |_, args| {
        let values = map(args, 0).snapshot();
        Ok(Value::list(
            values.into_iter().map(|(_, value)| value).collect(),
        ))
    }),
    variadic("pick", &[Ty::Map], Ty::Str, |_, args| {
        let from = map(args, 0);
        let mut entries = Entries::new();
        for index in 1..args.len() {
            let key = shared(args, index);
            if let Some(value) = from.get(&key) {
                entries.insert(key, value);
            }
        }
        Ok(Value::Map(Map::new(entries)))
    }),
    variadic("omit", &[Ty::Map], Ty::Str, |_, args| {
        let mut entries = map(args, 0).with(Clone::clone);
        for index in 1..args.len() {
            entries.remove(text(args, index));
        }
        Ok(Value::Map(Map::new(entries)))
    }),
    variadic("merge", &[Ty::Map], Ty::Map, |exec, args| {
        Ok(merge_all(exec, args, Overwrite::No))
    }),
    variadic("mustMerge", &[Ty::Map], Ty::Map, |exec, args| {
        Ok(merge_all(exec, args, Overwrite::No))
    }),
    variadic("mergeOverwrite", &[Ty::Map], Ty::Map, |exec, args| {
        Ok(merge_all(exec, args, Overwrite::Yes))
    }),
    variadic("mustMergeOverwrite", &[Ty::Map], Ty::Map, |exec, args| {
        Ok(merge_all(exec, args, Overwrite::Yes))
    }),
    variadic("dig", &[], Ty::Any, dig),
];

fn dict(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let mut entries = Entries::new();
    for pair in args.chunks(2) {
        let key: Str = match pair.first() {
            Some(Value::Str(key)) => key.clone(),
            Some(other) => super::string::strval(other).into(),
            None => continue,
        };
        let value = pair.get(1).cloned().unwrap_or_else(|| Value::str(""));
        entries.insert(key, value);
    }
    Ok(Value::Map(Map::new(entries)))
}

/// A map that a function returns as `map[string]interface {}`.
fn plain(value: &Value) -> Value {
    value.clone()
}

fn set(exec: &mut Exec<'_>, args: &[Value]) -> Answer {
    let Value::Map(map) = arg(args, 0) else {
        return Err(Fault::new("assignment to entry in nil map"));
    };
    map.insert(shared(args, 1), arg(args, 2).clone());
    exec.note_change(map);
    Ok(plain(arg(args, 0)))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Overwrite {
    No,
    Yes,
}

fn merge_all(exec: &mut Exec<'_>, args: &[Value], overwrite: Overwrite) -> Value {
    let target = map(args, 0);
    exec.note_change(&target);
    for index in 1..args.len() {
        let source = map(args, index);
        if !source.is_same(&target) {
            merge(&target, &source, overwrite);
        }
    }
    match arg(args, 0) {
        Value::Nil => Value::Map(target),
        first => first.clone(),
    }
}

/// Mergo's deep merge of maps: maps are merged, anything else replaces what is there, always or only
/// when that is empty. Nested maps are shared with the source, as they are there.
fn merge(target: &Map, source: &Map, overwrite: Overwrite) {
    for (key, from) in source.snapshot() {
        if from.is_nil() {
            if overwrite == Overwrite::Yes {
                target.insert(key, from);
            }
            continue;
        }
        let into = target.get(&key);
        if let (Some(Value::Map(into)), Value::Map(from)) = (&into, &from)
            && into.kind() != MapKind::Str
            && from.kind() != MapKind::Str
        {
            if !into.is_same(from) {
                merge(into, from, overwrite);
            }
            if !into.is_empty() {
                continue;
            }
        }
        let empty = into.as_ref().is_none_or(|into| !into.is_true());
        if empty || overwrite == Overwrite::Yes {
            target.insert(key, from);
        }
    }
}

fn dig(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    if args.len() < 3 {
        return Err(Fault::new("dig needs at least three arguments"));
    }
    let (keys, rest) = args.split_at(args.len() - 2);
    let mut at = arg(rest, 1).clone();
    for (index, key) in keys.iter().enumerate() {
        let map = match &at {
            Value::Map(map) if map.kind() == MapKind::Any => map.clone(),
            other => {
                let shown = match other {
                    Value::Nil => "nil",
                    other => other.type_name(),
                };
                return Err(Fault::new(format!(
                    "interface conversion: interface {{}} is {shown}, not map[string]interface {{}}"
                )));
            }
        };
        let Value::Str(key) = key else {
            return Err(Fault::new(format!(
                "interface conversion: interface {{}} is {}, not string",
                key.type_name()
            )));
        };
        match map.get(key) {
            None => return Ok(arg(rest, 0).clone()),
            Some(value) if index + 1 == keys.len() => return Ok(value),
            Some(value) => at = value,
        }
    }
    Ok(at)
}
