//! Regular expressions: Go's syntax, translated to ours where the two differ.

use std::collections::HashMap;
use std::rc::Rc;

use regex::Regex;

use super::{Answer, func, int, shared, text};
use crate::error::Fault;
use crate::exec::Exec;
use crate::quote;
use crate::registry::{Func, Ty};
use crate::value::{Str, Value};

pub(super) const FUNCS: &[Func] = &[
    func("regexMatch", &[Ty::Str, Ty::Str], |exec, args| {
        let found = compile(exec, args).is_ok_and(|regex| regex.is_match(text(args, 1)));
        Ok(Value::Bool(found))
    }),
    func("mustRegexMatch", &[Ty::Str, Ty::Str], |exec, args| {
        plainly(compile(exec, args).map(|regex| Value::Bool(regex.is_match(text(args, 1)))))
    }),
    func("regexFind", &[Ty::Str, Ty::Str], find),
    func("mustRegexFind", &[Ty::Str, Ty::Str], |exec, args| {
        plainly(find(exec, args))
    }),
    func("regexFindAll", &[Ty::Str, Ty::Str, Ty::Int], find_all),
    func("mustRegexFindAll", &[Ty::Str, Ty::Str, Ty::Int], find_all),
    func("regexReplaceAll", &[Ty::Str, Ty::Str, Ty::Str], replace),
    func(
        "mustRegexReplaceAll",
        &[Ty::Str, Ty::Str, Ty::Str],
        |exec, args| plainly(replace(exec, args)),
    ),
    func(
        "regexReplaceAllLiteral",
        &[Ty::Str, Ty::Str, Ty::Str],
        literal,
    ),
    func(
        "mustRegexReplaceAllLiteral",
        &[Ty::Str, Ty::Str, Ty::Str],
        literal,
    ),
    func("regexSplit", &[Ty::Str, Ty::Str, Ty::Int], split),
    func(
        "mustRegexSplit",
        &[Ty::Str, Ty::Str, Ty::Int],
        |exec, args| plainly(split(exec, args)),
    ),
    func("regexQuoteMeta", &[Ty::Str], |_, args| {
        let mut out = String::new();
        for c in text(args, 0).chars() {
            if r"\.+*?()|[]{}^$".contains(c) {
                out.push('\\');
            }
            out.push(c);
        }
        Ok(out.into())
    }),
];

/// Expressions that were compiled in this run.
#[derive(Default)]
pub(crate) struct Regexes(HashMap<Str, Result<Rc<Regex>, String>>);

/// How many patterns a run remembers.
const MAX_KEPT: usize = 256;

impl Regexes {
    fn get(&mut self, pattern: &Str) -> Result<Rc<Regex>, Fault> {
        if let Some(known) = self.0.get(pattern) {
            return known.clone().map_err(Fault::new);
        }
        let made = regex::RegexBuilder::new(&translate(pattern))
            .size_limit(4 << 20)
            .build()
            .map(Rc::new)
            .map_err(|error| {
                let last = error.to_string();
                let reason = last.lines().last().unwrap_or_default().trim();
                let reason = match reason.strip_prefix("error: ").unwrap_or(reason) {
                    "unclosed group" => "missing closing )",
                    "unopened group" => "unexpected )",
                    other => other,
                };
                format!(
                    "error parsing regexp: {reason}: {}",
                    quote::quote(pattern).replace('"', "`")
                )
            });
        if self.0.len() >= MAX_KEPT {
            self.0.clear();
        }
        self.0.insert(pattern.clone(), made.clone());
        made.map_err(Fault::new)
    }
}

fn compile(exec: &mut Exec<'_>, args: &[Value]) -> Result<Rc<Regex>, Fault> {
    let pattern = shared(args, 0);
    exec.regexes().get(&pattern).map_err(|mut fault| {
        if !fault.message.starts_with("regexp:") {
            fault.message = format!(
                "regexp: Compile({}): {}",
                quote_pattern(&pattern),
                fault.message
            );
        }
        fault
    })
}

/// Says what is wrong with a pattern as Go's `Compile` does; the functions without `must` panic with more words.
fn plainly(answer: Answer) -> Answer {
    answer.map_err(|mut fault| {
        if let Some(at) = fault.message.find("error parsing regexp:") {
            fault.message.drain(..at);
        }
        fault
    })
}

fn quote_pattern(pattern: &str) -> String {
    if pattern.contains('`') {
        quote::quote(pattern)
    } else {
        format!("`{pattern}`")
    }
}

fn find(exec: &mut Exec<'_>, args: &[Value]) -> Answer {
    let regex = compile(exec, args)?;
    let found = regex.find(text(args, 1));
    Ok(Value::str(found.map_or("", |found| found.as_str())))
}

fn limit(count: i64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn find_all(exec: &mut Exec<'_>, args: &[Value]) -> Answer {
    let regex = compile(exec, args)?;
    let found = regex
        .find_iter(text(args, 1))
        .take(limit(int(args, 2)))
        .map(|found| Str::from(found.as_str()));
    Ok(Value::strings(found))
}

fn replace(exec: &mut Exec<'_>, args: &[Value]) -> Answer {
    let regex = compile(exec, args)?;
    let replaced = regex.replace_all(text(args, 1), text(args, 2));
    Ok(Value::str(&replaced))
}

fn literal(exec: &mut Exec<'_>, args: &[Value]) -> Answer {
    let regex = compile(exec, args)?;
    let replaced = regex.replace_all(text(args, 1), regex::NoExpand(text(args, 2)));
    Ok(Value::str(&replaced))
}

fn split(exec: &mut Exec<'_>, args: &[Value]) -> Answer {
    let regex = compile(exec, args)?;
    let (all, count) = (text(args, 1), int(args, 2));
    let none: [&str; 0] = [];
    if count == 0 {
        return Ok(Value::strings(none));
    }
    if !text(args, 0).is_empty() && all.is_empty() {
        return Ok(Value::strings([""]));
    }
    let mut parts: Vec<&str> = Vec::new();
    let (mut from, mut end) = (0, 0);
    for found in regex.find_iter(all).take(limit(count)) {
        if count > 0 && parts.len() as i64 == count - 1 {
            break;
        }
        end = found.start();
        if found.end() != 0 {
            parts.push(all.get(from..end).unwrap_or_default());
        }
        from = found.end();
    }
    if end != all.len() {
        parts.push(all.get(from..).unwrap_or_default());
    }
    Ok(Value::strings(parts))
}

/// Go's classes are ASCII, its brackets and braces are literal where they mean nothing else, and it
/// knows `\Q…\E` and octal escapes.
pub(super) fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    let mut class = false;
    let mut class_start = false;
    let mut perl = false;
    while let Some(first) = rest.chars().next() {
        let mut taken = first.len_utf8();
        let starts = std::mem::take(&mut class_start);
        // After `\w` a dash is a dash.
        let after_class = std::mem::take(&mut perl);
        match first {
            '\\' => {
                taken = escape(&mut out, rest, class);
                perl = class
                    && rest
                        .get(1..)
                        .is_some_and(|t| t.starts_with(['d', 'w', 's', 'D', 'W', 'S']));
            }
            '[' if !class => {
                class = true;
                class_start = true;
                out.push('[');
                if rest.get(1..).is_some_and(|tail| tail.starts_with('^')) {
                    out.push('^');
                    taken += 1;
                }
            }
            '[' => match rest.find(":]") {
                Some(end) if rest.starts_with("[:") => {
                    out.push_str(rest.get(..end + 2).unwrap_or_default());
                    taken = end + 2;
                }
                _ => out.push_str("\\["),
            },
            ']' if class && starts => out.push_str("\\]"),
            ']' => {
                class = false;
                out.push(']');
            }
            '&' | '~' if class => {
                out.push('\\');
                out.push(first);
            }
            '-' if class && (after_class || rest.starts_with("--")) => out.push_str("\\-"),
            '{' if !class && !is_repetition(rest) => out.push_str("\\{"),
            other => out.push(other),
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    out
}

/// Translates the escape at the start of `rest`; returns its length.
fn escape(out: &mut String, rest: &str, class: bool) -> usize {
    let Some(second) = rest.chars().nth(1) else {
        out.push('\\');
        return 1;
    };
    let ascii = match second {
        'd' => "0-9",
        'w' => "0-9A-Za-z_",
        's' => "\\t\\n\\f\\r ",
        'D' => "^0-9",
        'W' => "^0-9A-Za-z_",
        'S' => "^\\t\\n\\f\\r ",
        'b' if !class => {
            out.push_str("(?-u:\\b)");
            return 2;
        }
        'Q' => {
            let body = rest.get(2..).unwrap_or_default();
            let (quoted, length) = match body.find("\\E") {
                Some(end) => (body.get(..end).unwrap_or_default(), end + 4),
                None => (body, rest.len()),
            };
            out.push_str(&regex::escape(quoted));
            return length;
        }
        '<' | '>' => {
            out.push_str(if second == '<' { "\\x3C" } else { "\\x3E" });
            return 2;
        }
        '0'..='7' => {
            let digits = rest.get(1..).unwrap_or_default();
            let length = digits
                .bytes()
                .take(3)
                .take_while(|byte| (b'0'..=b'7').contains(byte))
                .count();
            let code = u32::from_str_radix(digits.get(..length).unwrap_or_default(), 8);
            out.push_str(&format!("\\x{{{:X}}}", code.unwrap_or_default()));
            return 1 + length;
        }
        other => {
            out.push('\\');
            out.push(other);
            return 1 + other.len_utf8();
        }
    };
    if class && !ascii.starts_with('^') {
        out.push_str(ascii);
    } else {
        out.push('[');
        out.push_str(ascii);
        out.push(']');
    }
    2
}

/// `{n}`, `{n,}` and `{n,m}`.
fn is_repetition(rest: &str) -> bool {
    let Some((body, _)) = rest.get(1..).and_then(|tail| tail.split_once('}')) else {
        return false;
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match body.split_once(',') {
        Some((from, to)) => !from.is_empty() && digits(from) && digits(to),
        None => !body.is_empty() && digits(body),
    }
}
