//! Helm's own template functions.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use driftless_gotemplate::funcs::{Duration, arg, func, text, to_int64};
use driftless_gotemplate::registry::{Func, Ty};
use driftless_gotemplate::{Exec, Fault, Registry, Str, Value, Wanted, data};
use driftless_yaml::{Dialect, Limits};

/// How often one template may be inside itself.
const MAX_RECURSION: usize = 1000;
pub(crate) const FAIL_START: &str = "HELM_ERR_START";
pub(crate) const FAIL_END: &str = "HELM_ERR_END";

/// What one render keeps for its functions.
#[derive(Default)]
pub(crate) struct Host {
    included: RefCell<HashMap<Str, usize>>,
}

/// Returns Go's, Sprig's and Helm's functions.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::with_sprig();
    registry.add_all(FUNCS);
    registry
}

const FUNCS: &[Func] = &[
    func("include", &[Ty::Str, Ty::Any], include),
    func("tpl", &[Ty::Str, Ty::Any], tpl),
    func("required", &[Ty::Str, Ty::Any], |_, args| {
        let given = arg(args, 1);
        if given.is_nil() || given.as_str() == Some("") {
            return Err(Fault::new(format!(
                "{FAIL_START}{}{FAIL_END}",
                text(args, 0)
            )));
        }
        Ok(given.clone())
    }),
    func("fail", &[Ty::Str], |_, args| {
        Err(Fault::new(format!(
            "{FAIL_START}{}{FAIL_END}",
            text(args, 0)
        )))
    }),
    func(
        "lookup",
        &[Ty::Str, Ty::Str, Ty::Str, Ty::Str],
        |exec, args| {
            let Some(outside) = exec.outside() else {
                return Ok(Value::map::<Str>([]));
            };
            let found = outside.find(Wanted {
                api_version: text(args, 0),
                kind: text(args, 1),
                namespace: text(args, 2),
                name: text(args, 3),
            });
            match found.map_err(Fault::new)? {
                Value::Nil => Ok(Value::map::<Str>([])),
                object => Ok(object),
            }
        },
    ),
    func("toYaml", &[Ty::Any], |_, args| {
        let text = data::to_yaml(arg(args, 0), Dialect::Kubernetes).unwrap_or_default();
        Ok(trimmed(text))
    }),
    func("mustToYaml", &[Ty::Any], |_, args| {
        Ok(trimmed(data::to_yaml(arg(args, 0), Dialect::Kubernetes)?))
    }),
    func("toYamlPretty", &[Ty::Any], |_, args| {
        let text = data::to_yaml(arg(args, 0), Dialect::Version3).unwrap_or_default();
        Ok(trimmed(text))
    }),
    func("fromYaml", &[Ty::Str], |_, args| {
        let read = data::map_from_yaml(text(args, 0).as_bytes(), &Limits::default());
        Ok(read.map_or_else(error_map, Value::Map))
    }),
    func("fromYamlArray", &[Ty::Str], |_, args| {
        let read = data::from_yaml(text(args, 0).as_bytes(), &Limits::default());
        Ok(as_list(
            read,
            "error unmarshaling JSON: while decoding JSON: ",
        ))
    }),
    func("toJson", &[Ty::Any], |_, args| {
        let text = data::to_json(arg(args, 0), data::Html::Escaped, "");
        Ok(text.unwrap_or_default().into())
    }),
    func("mustToJson", &[Ty::Any], |_, args| {
        Ok(data::to_json(arg(args, 0), data::Html::Escaped, "")?.into())
    }),
    func("fromJson", &[Ty::Str], |_, args| {
        Ok(match data::from_json(text(args, 0)) {
            Ok(Value::Nil) => Value::map::<Str>([]),
            Ok(map @ Value::Map(_)) => map,
            Ok(other) => error_map(data::wrong_type(&other, "map[string]interface {}")),
            Err(error) => error_map(error),
        })
    }),
    func("fromJsonArray", &[Ty::Str], |_, args| {
        Ok(as_list(data::from_json(text(args, 0)), ""))
    }),
    func("toToml", &[Ty::Any], |_, args| {
        Ok(crate::toml::write(arg(args, 0))
            .unwrap_or_else(|error| error)
            .into())
    }),
    func("mustToToml", &[Ty::Any], |_, args| {
        Ok(crate::toml::write(arg(args, 0))?.into())
    }),
    func("fromToml", &[Ty::Str], |_, args| {
        Ok(crate::toml::read(text(args, 0)).map_or_else(error_map, Value::Map))
    }),
    func("mustToDuration", &[Ty::Any], |_, args| {
        Ok(Value::Object(Rc::new(duration(arg(args, 0))?)))
    }),
    func("durationSeconds", &[Ty::Any], |_, args| {
        Ok(in_units(args, 1e9))
    }),
    func("durationMinutes", &[Ty::Any], |_, args| {
        Ok(in_units(args, 60e9))
    }),
    func("durationHours", &[Ty::Any], |_, args| {
        Ok(in_units(args, 3600e9))
    }),
    func("durationDays", &[Ty::Any], |_, args| {
        Ok(in_units(args, 86_400e9))
    }),
    func("durationWeeks", &[Ty::Any], |_, args| {
        Ok(in_units(args, 604_800e9))
    }),
    func("durationMilliseconds", &[Ty::Any], |_, args| {
        Ok(in_whole(args, 1_000_000))
    }),
    func("durationMicroseconds", &[Ty::Any], |_, args| {
        Ok(in_whole(args, 1000))
    }),
    func("durationNanoseconds", &[Ty::Any], |_, args| {
        Ok(in_whole(args, 1))
    }),
    func("durationRoundTo", &[Ty::Any, Ty::Any], |_, args| {
        Ok(to_multiple(args, driftless_gotemplate::funcs::round))
    }),
    func("durationTruncateTo", &[Ty::Any, Ty::Any], |_, args| {
        Ok(to_multiple(args, |value, unit| {
            if unit <= 0 {
                value
            } else {
                value - value % unit
            }
        }))
    }),
];

fn trimmed(mut text: String) -> Value {
    if text.ends_with('\n') {
        text.pop();
    }
    text.into()
}

fn error_map(error: String) -> Value {
    Value::map([("Error", Value::from(error))])
}

fn as_list(read: Result<Value, String>, prefix: &str) -> Value {
    match read {
        Ok(list @ Value::List(_)) => list,
        Ok(Value::Nil) => Value::list(Vec::new()),
        Ok(other) => {
            let message = data::wrong_type(&other, "[]interface {}");
            Value::list(vec![Value::from(format!("{prefix}{message}"))])
        }
        Err(error) => Value::list(vec![Value::from(error)]),
    }
}

fn include(exec: &mut Exec<'_>, args: &[Value]) -> Result<Value, Fault> {
    let name: Str = Str::from(text(args, 0));
    let host: Option<&Host> = exec.host();
    if let Some(host) = host {
        let mut included = host.included.borrow_mut();
        let count = included.entry(name.clone()).or_default();
        if *count > MAX_RECURSION {
            return Err(Fault::new(format!(
                "rendering template has a nested reference name: {name}: unable to execute template"
            )));
        }
        *count += 1;
    }
    let result = exec.run(&name, arg(args, 1));
    if let Some(host) = host
        && let Some(count) = host.included.borrow_mut().get_mut(&name)
    {
        *count -= 1;
    }
    match result {
        Ok(text) => Ok(text.into()),
        Err(source) => Err(Fault {
            message: String::new(),
            source: Some(source),
        }),
    }
}

fn tpl(exec: &mut Exec<'_>, args: &[Value]) -> Result<Value, Fault> {
    let Value::Str(template) = arg(args, 0) else {
        return Ok(Value::str(""));
    };
    let out = exec.run_text("gotpl", template, arg(args, 1))?;
    Ok(without_no_value(out).into())
}

/// What Go prints for nil is left out of the output.
pub(crate) fn without_no_value(text: String) -> String {
    if text.contains("<no value>") {
        text.replace("<no value>", "")
    } else {
        text
    }
}

fn duration(value: &Value) -> Result<Duration, Fault> {
    let seconds = |seconds: f64| -> Result<Duration, Fault> {
        let nanos = seconds * 1e9;
        if nanos.is_finite() && nanos.abs() < 9.2e18 {
            Ok(Duration(nanos as i64))
        } else {
            Err(Fault::new(format!("duration seconds overflow: {seconds}")))
        }
    };
    match value {
        Value::Object(object) => match object.as_any().downcast_ref::<Duration>() {
            Some(duration) => Ok(*duration),
            None => Err(Fault::new(format!(
                "unsupported duration type {}",
                value.type_name()
            ))),
        },
        Value::Str(text) => {
            let plain = text.trim();
            if plain.is_empty() {
                return Err(Fault::new("empty duration"));
            }
            if let Some(duration) = Duration::parse(plain) {
                return Ok(duration);
            }
            match plain.parse::<f64>() {
                Ok(number) => seconds(number),
                Err(_) => Err(Fault::new(format!("could not parse duration {text:?}"))),
            }
        }
        Value::Int(_) | Value::Int64(_) => to_int64(value)
            .checked_mul(1_000_000_000)
            .map(Duration)
            .ok_or_else(|| Fault::new("duration seconds overflow")),
        Value::Float(number) => seconds(*number),
        Value::Nil => Err(Fault::new("invalid duration")),
        other => Err(Fault::new(format!(
            "unsupported duration type {}",
            other.type_name()
        ))),
    }
}

fn in_units(args: &[Value], unit: f64) -> Value {
    Value::Float(duration(arg(args, 0)).map_or(0.0, |duration| duration.0 as f64 / unit))
}

fn in_whole(args: &[Value], unit: i64) -> Value {
    Value::Int64(duration(arg(args, 0)).map_or(0, |duration| duration.0 / unit))
}

fn to_multiple(args: &[Value], change: fn(i64, i64) -> i64) -> Value {
    let changed = match (duration(arg(args, 0)), duration(arg(args, 1))) {
        (Err(_), _) => Duration(0),
        (Ok(value), Err(_)) => value,
        (Ok(value), Ok(unit)) => Duration(change(value.0, unit.0)),
    };
    Value::Object(Rc::new(changed))
}
