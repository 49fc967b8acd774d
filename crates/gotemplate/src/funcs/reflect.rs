//! Types, defaults and JSON.

use super::{Answer, arg, func, int, text, variadic};
use crate::data::{self, Html};
use crate::error::Fault;
use crate::exec::Exec;
use crate::registry::{Func, Ty};
use crate::value::Value;

pub(super) const FUNCS: &[Func] = &[
    func("typeOf", &[Ty::Any], |_, args| {
        Ok(Value::str(arg(args, 0).type_name()))
    }),
    func("typeIs", &[Ty::Str, Ty::Any], |_, args| {
        Ok(Value::Bool(text(args, 0) == arg(args, 1).type_name()))
    }),
    func("typeIsLike", &[Ty::Str, Ty::Any], |_, args| {
        let (want, have) = (text(args, 0), arg(args, 1).type_name());
        Ok(Value::Bool(
            want == have || have.strip_prefix('*') == Some(want),
        ))
    }),
    func("kindOf", &[Ty::Any], |_, args| {
        Ok(Value::str(arg(args, 0).kind_name()))
    }),
    func("kindIs", &[Ty::Str, Ty::Any], |_, args| {
        Ok(Value::Bool(text(args, 0) == arg(args, 1).kind_name()))
    }),
    func("deepEqual", &[Ty::Any, Ty::Any], |_, args| {
        Ok(Value::Bool(arg(args, 0).deep_equal(arg(args, 1))))
    }),
    variadic("default", &[Ty::Any], Ty::Any, |_, args| {
        Ok(match args.get(1) {
            Some(given) if !is_empty(given) => given.clone(),
            _ => arg(args, 0).clone(),
        })
    }),
    func("empty", &[Ty::Any], |_, args| {
        Ok(Value::Bool(is_empty(arg(args, 0))))
    }),
    variadic("coalesce", &[], Ty::Any, |_, args| {
        Ok(args
            .iter()
            .find(|value| !is_empty(value))
            .cloned()
            .unwrap_or_default())
    }),
    variadic("all", &[], Ty::Any, |_, args| {
        Ok(Value::Bool(!args.iter().any(is_empty)))
    }),
    variadic("any", &[], Ty::Any, |_, args| {
        Ok(Value::Bool(args.iter().any(|value| !is_empty(value))))
    }),
    func("ternary", &[Ty::Any, Ty::Any, Ty::Bool], |_, args| {
        let chosen = usize::from(!arg(args, 2).is_true());
        Ok(arg(args, chosen).clone())
    }),
    func("deepCopy", &[Ty::Any], |_, args| {
        Ok(arg(args, 0).deep_copy())
    }),
    func("mustDeepCopy", &[Ty::Any], |_, args| {
        Ok(arg(args, 0).deep_copy())
    }),
    func("fromJson", &[Ty::Str], |_, args| {
        Ok(data::from_json(text(args, 0)).unwrap_or_default())
    }),
    func("mustFromJson", &[Ty::Str], |_, args| {
        data::from_json(text(args, 0)).map_err(Fault::new)
    }),
    func("toJson", &[Ty::Any], |_, args| {
        Ok(json(args, Html::Escaped, "").unwrap_or_default().into())
    }),
    func("mustToJson", &[Ty::Any], |_, args| {
        Ok(json(args, Html::Escaped, "")?.into())
    }),
    func("toPrettyJson", &[Ty::Any], |_, args| {
        Ok(json(args, Html::Escaped, "  ").unwrap_or_default().into())
    }),
    func("mustToPrettyJson", &[Ty::Any], |_, args| {
        Ok(json(args, Html::Escaped, "  ")?.into())
    }),
    func("toRawJson", &[Ty::Any], |_, args| {
        Ok(json(args, Html::Raw, "")?.into())
    }),
    func("mustToRawJson", &[Ty::Any], |_, args| {
        Ok(json(args, Html::Raw, "")?.into())
    }),
    func("fail", &[Ty::Str], |_, args| Err(Fault::new(text(args, 0)))),
    func("hello", &[], |_, _| Ok(Value::str("Hello!"))),
    func("getHostByName", &[Ty::Str], |_, _| Ok(Value::str(""))),
    func("untilStep", &[Ty::Int, Ty::Int, Ty::Int], |exec, args| {
        until_step(exec, int(args, 0), int(args, 1), int(args, 2))
    }),
    func("until", &[Ty::Int], |exec, args| {
        let stop = int(args, 0);
        until_step(exec, 0, stop, if stop < 0 { -1 } else { 1 })
    }),
];

/// How many numbers `until` gives at most.
const MAX_NUMBERS: i64 = 4_000_000;

pub(super) fn numbers(start: i64, stop: i64, step: i64) -> Result<Vec<i64>, Fault> {
    let mut out = Vec::new();
    let down = stop < start;
    if (down && step >= 0) || (!down && step <= 0) {
        return Ok(out);
    }
    let mut at = start;
    while if down { at > stop } else { at < stop } {
        out.push(at);
        if out.len() as i64 > MAX_NUMBERS {
            return Err(Fault::new(format!("more than {MAX_NUMBERS} numbers")));
        }
        match at.checked_add(step) {
            Some(next) => at = next,
            None => break,
        }
    }
    Ok(out)
}

fn until_step(_: &mut Exec<'_>, start: i64, stop: i64, step: i64) -> Answer {
    let items = numbers(start, stop, step)?
        .into_iter()
        .map(Value::Int)
        .collect();
    Ok(Value::List(crate::value::List::of(
        crate::value::ListKind::Int,
        items,
    )))
}

fn json(args: &[Value], html: Html, indent: &str) -> Result<String, Fault> {
    data::to_json(arg(args, 0), html, indent).map_err(Fault::new)
}

/// Sprig's `empty`: the zero value of its type; a struct never is.
pub(super) fn is_empty(value: &Value) -> bool {
    !value.is_true()
}
