//! Text.

use super::{Answer, arg, func, int, random, shared, text, variadic, words};
use crate::bytes;
use crate::error::Fault;
use crate::exec::Exec;
use crate::fmt;
use crate::quote;
use crate::registry::{Func, Ty};
use crate::value::{Entries, Map, MapKind, Str, Value};

/// The longest text that a function multiplies.
const MAX_TEXT: usize = 64 << 20;

pub(super) const FUNCS: &[Func] = &[
    func("toString", &[Ty::Any], |_, args| {
        Ok(match arg(args, 0) {
            Value::Str(text) => Value::Str(text.clone()),
            other => strval(other).into(),
        })
    }),
    func("trim", &[Ty::Str], |_, args| {
        Ok(same(args, 0, text(args, 0).trim()))
    }),
    func("trimAll", &[Ty::Str, Ty::Str], trim_all),
    func("trimall", &[Ty::Str, Ty::Str], trim_all),
    func("trimSuffix", &[Ty::Str, Ty::Str], |_, args| {
        let all = text(args, 1);
        Ok(same(
            args,
            1,
            all.strip_suffix(text(args, 0)).unwrap_or(all),
        ))
    }),
    func("trimPrefix", &[Ty::Str, Ty::Str], |_, args| {
        let all = text(args, 1);
        Ok(same(
            args,
            1,
            all.strip_prefix(text(args, 0)).unwrap_or(all),
        ))
    }),
    func("upper", &[Ty::Str], |_, args| {
        Ok(words::map_case(text(args, 0), words::Case::Upper).into())
    }),
    func("lower", &[Ty::Str], |_, args| {
        Ok(words::map_case(text(args, 0), words::Case::Lower).into())
    }),
    func("title", &[Ty::Str], |_, args| {
        Ok(words::title(text(args, 0)).into())
    }),
    func("untitle", &[Ty::Str], |_, args| {
        Ok(words::untitle(text(args, 0)).into())
    }),
    func("swapcase", &[Ty::Str], |_, args| {
        Ok(words::swap_case(text(args, 0)).into())
    }),
    func("snakecase", &[Ty::Str], |_, args| {
        Ok(words::to_lower_case(text(args, 0), '_').into())
    }),
    func("kebabcase", &[Ty::Str], |_, args| {
        Ok(words::to_lower_case(text(args, 0), '-').into())
    }),
    func("camelcase", &[Ty::Str], |_, args| {
        Ok(words::to_pascal_case(text(args, 0)).into())
    }),
    func("initials", &[Ty::Str], |_, args| {
        Ok(words::initials(text(args, 0)).into())
    }),
    func("wrap", &[Ty::Int, Ty::Str], |_, args| {
        Ok(words::wrap(text(args, 1), int(args, 0), "\n", false).into())
    }),
    func("wrapWith", &[Ty::Int, Ty::Str, Ty::Str], |_, args| {
        Ok(words::wrap(text(args, 2), int(args, 0), text(args, 1), true).into())
    }),
    func("nospace", &[Ty::Str], |_, args| {
        let kept: String = text(args, 0)
            .chars()
            .filter(|c| !c.is_whitespace())
            .collect();
        Ok(kept.into())
    }),
    func("repeat", &[Ty::Int, Ty::Str], repeat),
    func("substr", &[Ty::Int, Ty::Int, Ty::Str], substr),
    func("trunc", &[Ty::Int, Ty::Str], trunc),
    func("abbrev", &[Ty::Int, Ty::Str], |_, args| {
        Ok(words::abbreviate(text(args, 1), 0, int(args, 0)).into())
    }),
    func("abbrevboth", &[Ty::Int, Ty::Int, Ty::Str], |_, args| {
        let (left, right) = (int(args, 0), int(args, 1));
        if right < 4 || (left > 0 && right < 7) {
            return Ok(arg(args, 2).clone());
        }
        Ok(words::abbreviate(text(args, 2), left, right).into())
    }),
    func("contains", &[Ty::Str, Ty::Str], |_, args| {
        Ok(Value::Bool(text(args, 1).contains(text(args, 0))))
    }),
    func("hasPrefix", &[Ty::Str, Ty::Str], |_, args| {
        Ok(Value::Bool(text(args, 1).starts_with(text(args, 0))))
    }),
    func("hasSuffix", &[Ty::Str, Ty::Str], |_, args| {
        Ok(Value::Bool(text(args, 1).ends_with(text(args, 0))))
    }),
    variadic("quote", &[], Ty::Any, |_, args| {
        Ok(joined(args, |value| quote::quote(&strval(value))).into())
    }),
    variadic("squote", &[], Ty::Any, |_, args| {
        Ok(joined(args, |value| format!("'{}'", fmt::to_text(value))).into())
    }),
    variadic("cat", &[], Ty::Any, |_, args| {
        Ok(joined(args, fmt::to_text).into())
    }),
    func("indent", &[Ty::Int, Ty::Str], |_, args| {
        Ok(indent(int(args, 0), text(args, 1), "")?.into())
    }),
    func("nindent", &[Ty::Int, Ty::Str], |_, args| {
        Ok(indent(int(args, 0), text(args, 1), "\n")?.into())
    }),
    func("replace", &[Ty::Str, Ty::Str, Ty::Str], replace),
    func("plural", &[Ty::Str, Ty::Str, Ty::Int], |_, args| {
        Ok(arg(args, usize::from(int(args, 2) != 1)).clone())
    }),
    func("shuffle", &[Ty::Str], random::shuffle),
    func("split", &[Ty::Str, Ty::Str], |_, args| {
        Ok(numbered(&split_n(text(args, 1), text(args, 0), -1)))
    }),
    func("splitn", &[Ty::Str, Ty::Int, Ty::Str], |_, args| {
        Ok(numbered(&split_n(
            text(args, 2),
            text(args, 0),
            int(args, 1),
        )))
    }),
    func("splitList", &[Ty::Str, Ty::Str], |_, args| {
        Ok(Value::strings(split_n(text(args, 1), text(args, 0), -1)))
    }),
];

/// Returns the text of anything, as Sprig's `toString` does.
pub fn strval(value: &Value) -> String {
    match value {
        Value::Str(text) => text.to_string(),
        Value::Bytes(bytes) => bytes::to_text(bytes).into_owned(),
        other => fmt::to_text(other),
    }
}

pub(super) fn strslice(value: &Value) -> Vec<String> {
    match value {
        Value::Nil => Vec::new(),
        Value::List(list) => list
            .items()
            .iter()
            .filter(|item| !item.is_nil())
            .map(strval)
            .collect(),
        Value::Bytes(bytes) => bytes.iter().map(ToString::to_string).collect(),
        Value::Object(object) => match object.to_plain() {
            list @ Value::List(_) => strslice(&list),
            _ => vec![object.display()],
        },
        other => vec![strval(other)],
    }
}

/// Returns the argument itself when nothing was cut off it.
fn same(args: &[Value], index: usize, part: &str) -> Value {
    match arg(args, index) {
        Value::Str(all) if all.len() == part.len() => Value::Str(all.clone()),
        _ => Value::str(part),
    }
}

fn joined(args: &[Value], show: impl Fn(&Value) -> String) -> String {
    let parts: Vec<String> = args
        .iter()
        .filter(|value| !value.is_nil())
        .map(show)
        .collect();
    parts.join(" ")
}

fn trim_all(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let cut = text(args, 0);
    Ok(same(
        args,
        1,
        text(args, 1).trim_matches(|c| cut.contains(c)),
    ))
}

/// Refuses a text that would be longer than functions make.
pub(super) fn check_length(length: usize) -> Result<(), Fault> {
    if length > MAX_TEXT {
        return Err(too_long());
    }
    Ok(())
}

fn too_long() -> Fault {
    Fault::new(format!("the text would be longer than {MAX_TEXT} bytes"))
}

fn repeat(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let all = text(args, 1);
    let Ok(count) = usize::try_from(int(args, 0)) else {
        return Err(Fault::new("strings: negative Repeat count"));
    };
    if all.len().saturating_mul(count) > MAX_TEXT {
        return Err(too_long());
    }
    Ok(all.repeat(count).into())
}

/// Indents every line.
fn indent(spaces: i64, text: &str, before: &str) -> Result<String, Fault> {
    let Ok(spaces) = usize::try_from(spaces) else {
        return Err(Fault::new("strings: negative Repeat count"));
    };
    let lines = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let length = text.len().saturating_add(lines.saturating_mul(spaces));
    if length > MAX_TEXT {
        return Err(too_long());
    }
    let pad = " ".repeat(spaces);
    let mut out = String::with_capacity(length + before.len());
    out.push_str(before);
    out.push_str(&pad);
    let mut parts = text.split('\n');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        out.push('\n');
        out.push_str(&pad);
        out.push_str(part);
    }
    Ok(out)
}

fn replace(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let (old, new, all) = (text(args, 0), text(args, 1), text(args, 2));
    if !old.is_empty() && !all.contains(old) {
        return Ok(Value::Str(shared(args, 2)));
    }
    let matches = if old.is_empty() {
        all.chars().count() + 1
    } else {
        all.len() / old.len()
    };
    if all.len().saturating_add(matches.saturating_mul(new.len())) > MAX_TEXT {
        return Err(too_long());
    }
    Ok(all.replace(old, new).into())
}

/// A part of the bytes of a text, as Go slices strings.
fn slice(text: &str, from: usize, to: usize) -> Option<Value> {
    if let Some(part) = text.get(from..to)
        && text.is_ascii()
    {
        return Some(Value::str(part));
    }
    let all = bytes::of_text(text);
    let part = all.get(from..to)?;
    Some(Value::Str(Str::from(bytes::to_text(part).as_ref())))
}

fn substr(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let (start, end, all) = (int(args, 0), int(args, 1), text(args, 2));
    let length = bytes::of_text(all).len() as i64;
    let (from, to) = if start < 0 {
        (0, end)
    } else if end < 0 || end > length {
        (start, length)
    } else {
        (start, end)
    };
    let part = usize::try_from(from)
        .ok()
        .zip(usize::try_from(to).ok())
        .and_then(|(from, to)| slice(all, from, to));
    part.ok_or_else(|| {
        Fault::new(if to > length || to < 0 {
            format!("runtime error: slice bounds out of range [:{to}] with length {length}")
        } else {
            format!("runtime error: slice bounds out of range [{from}:{to}]")
        })
    })
}

fn trunc(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let (count, all) = (int(args, 0), text(args, 1));
    let length = if all.is_ascii() {
        all.len()
    } else {
        bytes::of_text(all).len()
    };
    let size = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let part = if count < 0 && size < length {
        slice(all, length - size, length)
    } else if count >= 0 && size < length {
        slice(all, 0, size)
    } else {
        None
    };
    Ok(part.unwrap_or_else(|| Value::Str(shared(args, 1))))
}

/// Go's `strings.SplitN`.
pub(super) fn split_n<'a>(text: &'a str, separator: &str, count: i64) -> Vec<&'a str> {
    match usize::try_from(count) {
        Ok(0) => Vec::new(),
        Ok(count) if separator.is_empty() => {
            let mut parts: Vec<&str> = explode(text).collect();
            if parts.len() > count {
                let rest: usize = parts.iter().take(count - 1).map(|part| part.len()).sum();
                parts.truncate(count - 1);
                parts.push(text.get(rest..).unwrap_or_default());
            }
            parts
        }
        Ok(count) => text.splitn(count, separator).collect(),
        Err(_) if separator.is_empty() => explode(text).collect(),
        Err(_) => text.split(separator).collect(),
    }
}

fn explode(text: &str) -> impl Iterator<Item = &str> {
    text.char_indices()
        .map(|(at, c)| text.get(at..at + c.len_utf8()).unwrap_or_default())
}

fn numbered(parts: &[&str]) -> Value {
    let entries: Entries = parts
        .iter()
        .enumerate()
        .map(|(index, part)| (Str::from(format!("_{index}")), Value::str(part)))
        .collect();
    Value::Map(Map::of(MapKind::Str, entries))
}
