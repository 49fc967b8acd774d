//! Lists.

use super::{Answer, arg, builtin, cast, func, int, string, text, variadic};
use crate::error::Fault;
use crate::exec::Exec;
use crate::registry::{Func, Ty};
use crate::value::{List, ListKind, Str, Value};

pub(super) const FUNCS: &[Func] = &[
    variadic("list", &[], Ty::Any, |_, args| {
        Ok(Value::list(args.to_vec()))
    }),
    variadic("tuple", &[], Ty::Any, |_, args| {
        Ok(Value::list(args.to_vec()))
    }),
    func("append", &[Ty::Any, Ty::Any], push),
    func("push", &[Ty::Any, Ty::Any], push),
    func("mustAppend", &[Ty::Any, Ty::Any], push),
    func("mustPush", &[Ty::Any, Ty::Any], push),
    func("prepend", &[Ty::Any, Ty::Any], prepend),
    func("mustPrepend", &[Ty::Any, Ty::Any], prepend),
    func("first", &[Ty::Any], |_, args| {
        Ok(items(args, 0, "find first on")?
            .first()
            .cloned()
            .unwrap_or_default())
    }),
    func("mustFirst", &[Ty::Any], |_, args| {
        Ok(items(args, 0, "find first on")?
            .first()
            .cloned()
            .unwrap_or_default())
    }),
    func("last", &[Ty::Any], |_, args| {
        Ok(items(args, 0, "find last on")?
            .last()
            .cloned()
            .unwrap_or_default())
    }),
    func("mustLast", &[Ty::Any], |_, args| {
        Ok(items(args, 0, "find last on")?
            .last()
            .cloned()
            .unwrap_or_default())
    }),
    func("rest", &[Ty::Any], rest),
    func("mustRest", &[Ty::Any], rest),
    func("initial", &[Ty::Any], initial),
    func("mustInitial", &[Ty::Any], initial),
    func("reverse", &[Ty::Any], reverse),
    func("mustReverse", &[Ty::Any], reverse),
    func("uniq", &[Ty::Any], uniq),
    func("mustUniq", &[Ty::Any], uniq),
    func("compact", &[Ty::Any], compact),
    func("mustCompact", &[Ty::Any], compact),
    variadic("without", &[Ty::Any], Ty::Any, without),
    variadic("mustWithout", &[Ty::Any], Ty::Any, without),
    func("has", &[Ty::Any, Ty::Any], has),
    func("mustHas", &[Ty::Any, Ty::Any], has),
    variadic("slice", &[Ty::Any], Ty::Any, slice),
    variadic("mustSlice", &[Ty::Any], Ty::Any, slice),
    variadic("concat", &[], Ty::Any, concat),
    func("chunk", &[Ty::Int, Ty::Any], chunk),
    func("mustChunk", &[Ty::Int, Ty::Any], chunk),
    func("sortAlpha", &[Ty::Any], sort_alpha),
    func("join", &[Ty::Str, Ty::Any], |_, args| {
        let parts = string::strslice(arg(args, 1));
        let length: usize = parts.iter().map(String::len).sum();
        string::check_length(
            length.saturating_add(parts.len().saturating_mul(text(args, 0).len())),
        )?;
        Ok(parts.join(text(args, 0)).into())
    }),
    func("toStrings", &[Ty::Any], |_, args| {
        Ok(Value::strings(string::strslice(arg(args, 0))))
    }),
];

/// The items of a slice; `action` words the message of anything else.
fn items(args: &[Value], index: usize, action: &str) -> Result<Vec<Value>, Fault> {
    match arg(args, index) {
        Value::List(list) => Ok(list.items().to_vec()),
        Value::Bytes(bytes) => Ok(bytes.iter().map(|b| Value::Int(i64::from(*b))).collect()),
        Value::Nil => Err(Fault::new(
            "runtime error: invalid memory address or nil pointer dereference",
        )),
        Value::Object(object) => match object.to_plain() {
            Value::List(list) => Ok(list.items().to_vec()),
            _ => Err(cannot(action, object.kind_name())),
        },
        other => Err(cannot(action, other.kind_name())),
    }
}

fn cannot(action: &str, kind: &str) -> Fault {
    Fault::new(format!("Cannot {action} type {kind}"))
}

fn push(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let mut list = items(args, 0, "push on")?;
    list.push(arg(args, 1).clone());
    Ok(Value::list(list))
}

fn prepend(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let mut list = items(args, 0, "prepend on")?;
    list.insert(0, arg(args, 1).clone());
    Ok(Value::list(list))
}

fn rest(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let list = items(args, 0, "find rest on")?;
    Ok(Value::list(list.into_iter().skip(1).collect()))
}

fn initial(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let mut list = items(args, 0, "find initial on")?;
    list.pop();
    Ok(Value::list(list))
}

fn reverse(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let mut list = items(args, 0, "find reverse on")?;
    list.reverse();
    Ok(Value::list(list))
}

fn uniq(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let mut out: Vec<Value> = Vec::new();
    for item in items(args, 0, "find uniq on")? {
        if !out.iter().any(|known| known.deep_equal(&item)) {
            out.push(item);
        }
    }
    Ok(Value::list(out))
}

fn compact(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let list = items(args, 0, "compact on")?;
    Ok(Value::list(
        list.into_iter().filter(Value::is_true).collect(),
    ))
}

fn without(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let unwanted = args.get(1..).unwrap_or_default();
    let list = items(args, 0, "find without on")?;
    let kept = list
        .into_iter()
        .filter(|item| !unwanted.iter().any(|other| item.deep_equal(other)));
    Ok(Value::list(kept.collect()))
}

fn has(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    if arg(args, 1).is_nil() {
        return Ok(Value::Bool(false));
    }
    let list = items(args, 1, "find has on")?;
    let needle = arg(args, 0);
    Ok(Value::Bool(list.iter().any(|item| item.deep_equal(needle))))
}

fn slice(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let list = match arg(args, 0) {
        Value::List(list) => list.clone(),
        Value::Nil => return items(args, 0, "").map(Value::list),
        other => {
            return Err(Fault::new(format!(
                "list should be type of slice or array but {}",
                other.kind_name()
            )));
        }
    };
    let length = list.items().len() as i64;
    if length == 0 {
        return Ok(Value::Nil);
    }
    let start = args.get(1).map_or(0, cast::to_int64);
    let end = args.get(2).map_or(length, cast::to_int64);
    builtin::part(&list, start, end)
        .ok_or_else(|| Fault::new("reflect.Value.Slice: slice index out of bounds"))
}

fn concat(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let mut out = Vec::new();
    for index in 0..args.len() {
        let Value::List(list) = arg(args, index) else {
            let other = arg(args, index);
            if other.is_nil() {
                return items(args, index, "").map(Value::list);
            }
            return Err(Fault::new(format!(
                "Cannot concat type {} as list",
                other.kind_name()
            )));
        };
        out.extend_from_slice(list.items());
    }
    Ok(Value::list(out))
}

fn chunk(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let list = items(args, 1, "chunk")?;
    let size = usize::try_from(int(args, 0)).unwrap_or(0);
    if size == 0 {
        return Err(Fault::new("runtime error: makeslice: len out of range"));
    }
    let chunks = list.chunks(size).map(|part| Value::list(part.to_vec()));
    Ok(Value::list(chunks.collect()))
}

fn sort_alpha(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let mut parts: Vec<Str> = match arg(args, 0) {
        list @ (Value::List(_) | Value::Bytes(_)) => {
            string::strslice(list).into_iter().map(Str::from).collect()
        }
        other => vec![string::strval(other).into()],
    };
    parts.sort();
    let items = parts.into_iter().map(Value::Str).collect();
    Ok(Value::List(List::of(ListKind::Str, items)))
}
