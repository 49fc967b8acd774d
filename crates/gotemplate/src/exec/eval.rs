//! Pipelines, commands, fields and arguments.

use smallvec::SmallVec;

use super::{Exec, Frame, Run, at};
use crate::error::{Cause, ExecError, Fault};
use crate::parse::ast::{Command, Expr, ExprKind, Number, Pipe, UNDEFINED};
use crate::registry::{Func, FuncId, Ty};
use crate::value::{MapKind, Str, Value};

type Args = SmallVec<[Value; 6]>;

impl Exec<'_> {
    pub(super) fn pipe(&mut self, frame: &mut Frame<'_>, dot: &Value, pipe: &Pipe) -> Run<Value> {
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(frame, dot, command, value)?);
        }
        let value = value.unwrap_or_default();
        for (slot, name) in &pipe.decl {
            if *slot == UNDEFINED {
                let message = format!("undefined variable: {name}");
                return Err(at(frame.template, pipe.pos, pipe.to_string(), message));
            }
            frame.set(*slot, value.clone());
        }
        Ok(value)
    }

    fn command(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        command: &Command,
        last: Option<Value>,
    ) -> Run<Value> {
        let Some((first, rest)) = command.args.split_first() else {
            return Ok(Value::Nil);
        };
        match &first.kind {
            ExprKind::Function(id, name) => {
                let place = Place::Command(command, first.pos);
                self.function(frame, dot, *id, name, place, rest, last)
            }
            ExprKind::Field(names) => self.fields(frame, dot, dot, names, first, rest, last, false),
            ExprKind::Variable(slot, _, names) => {
                let value = variable(frame, *slot, first)?;
                if names.is_empty() {
                    not_a_function(frame, first, rest, last.as_ref())?;
                    return Ok(value);
                }
                self.fields(frame, dot, &value, names, first, rest, last, false)
            }
            ExprKind::Chain(inner, names) => {
                let receiver = self.operand(frame, dot, inner)?;
                let place = last_node(inner);
                self.fields(frame, dot, &receiver, names, place, rest, last, false)
            }
            ExprKind::Pipe(pipe) => {
                not_a_function(frame, first, rest, last.as_ref())?;
                self.pipe(frame, dot, pipe)
            }
            ExprKind::Nil => Err(at(
                frame.template,
                first.pos,
                first.to_string(),
                "nil is not a command".to_owned(),
            )),
            _ => {
                not_a_function(frame, first, rest, last.as_ref())?;
                self.operand(frame, dot, first)
            }
        }
    }

    /// Evaluates an operand that is no command: constants get the type Go gives them by default.
    fn operand(&mut self, frame: &mut Frame<'_>, dot: &Value, expr: &Expr) -> Run<Value> {
        match &expr.kind {
            ExprKind::Dot => Ok(dot.clone()),
            ExprKind::Nil => Ok(Value::Nil),
            ExprKind::Field(names) => self.fields(frame, dot, dot, names, expr, &[], None, false),
            ExprKind::Variable(slot, _, names) => {
                let value = variable(frame, *slot, expr)?;
                if names.is_empty() {
                    return Ok(value);
                }
                self.fields(frame, dot, &value, names, expr, &[], None, false)
            }
            ExprKind::Chain(inner, names) => {
                let receiver = self.operand(frame, dot, inner)?;
                let place = last_node(inner);
                self.fields(frame, dot, &receiver, names, place, &[], None, false)
            }
            ExprKind::Function(id, name) => {
                self.function(frame, dot, *id, name, Place::Expr(expr), &[], None)
            }
            ExprKind::Bool(value) => Ok(Value::Bool(*value)),
            ExprKind::Number(number, text) => match ideal(number) {
                Some(value) => Ok(value),
                None => Err(at(
                    frame.template,
                    expr.pos,
                    expr.to_string(),
                    format!("{text} overflows int"),
                )),
            },
            ExprKind::Str(text, _) => Ok(Value::Str(text.clone())),
            ExprKind::Pipe(pipe) => self.pipe(frame, dot, pipe),
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "what one step of a chain depends on"
    )]
    fn fields(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        receiver: &Value,
        names: &[Str],
        expr: &Expr,
        args: &[Expr],
        last: Option<Value>,
        inner: bool,
    ) -> Run<Value> {
        let Some((final_name, path)) = names.split_last() else {
            return Ok(receiver.clone());
        };
        let mut inside = inner;
        let mut current: Option<Value> = None;
        for name in path {
            let from = current.as_ref().unwrap_or(receiver);
            let next = field(frame, from, name, expr, inside, &[])?;
            // A field of nothing at all is nothing again; a field of a missing entry is an error.
            inside = inside || !from.is_nil();
            current = Some(next);
        }
        let from = current.as_ref().unwrap_or(receiver);
        let mut values = Args::new();
        for arg in args {
            values.push(self.operand(frame, dot, arg)?);
        }
        values.extend(last);
        field(frame, from, final_name, expr, inside, &values)
    }

    #[expect(clippy::too_many_arguments, reason = "what a call depends on")]
    fn function(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        id: FuncId,
        name: &Str,
        place: Place<'_>,
        args: &[Expr],
        last: Option<Value>,
    ) -> Run<Value> {
        self.step(frame, place.pos())?;
        let Some(func) = self.registry.func(id).copied() else {
            return Err(place.error(frame, name, format!("{name:?} is not a defined function")));
        };
        check_count(
            frame,
            &func,
            place,
            args.len() + usize::from(last.is_some()),
        )?;
        if matches!(func.name, "and" | "or") {
            let stop = func.name == "or";
            let mut value = Value::Nil;
            for arg in args {
                value = self.argument(frame, dot, arg, Ty::Reflect)?;
                if value.is_true() == stop {
                    return Ok(value);
                }
            }
            return Ok(last.unwrap_or(value));
        }
        let mut values = Args::new();
        for (index, arg) in args.iter().enumerate() {
            let ty = param(&func, index);
            values.push(self.argument(frame, dot, arg, ty)?);
        }
        if let Some(last) = last {
            let ty = param(&func, values.len());
            let value = validate(last, ty, Nil::Invalid)
                .map_err(|message| place.error(frame, name, message))?;
            values.push(value);
        }
        self.call(id, &func, &values)
            .map_err(|fault| place.fault(frame, name, fault))
    }

    /// Calls a function within the budget for values.
    fn call(&mut self, id: FuncId, func: &Func, args: &[Value]) -> Result<Value, Fault> {
        if self.registry.is_deep(id) {
            for arg in args {
                self.check_value(arg)?;
            }
        }
        let value = (func.call)(self, args)?;
        self.count_made(&value)?;
        Ok(value)
    }

    fn argument(&mut self, frame: &mut Frame<'_>, dot: &Value, expr: &Expr, ty: Ty) -> Run<Value> {
        let fail = |frame: &Frame<'_>, message: String| {
            at(frame.template, expr.pos, expr.to_string(), message)
        };
        let nil = match &expr.kind {
            ExprKind::Nil => {
                if ty.can_be_nil() {
                    return Ok(Value::Nil);
                }
                return Err(fail(frame, format!("cannot assign nil to {}", ty.name())));
            }
            ExprKind::Bool(value) => {
                return match ty {
                    Ty::Any | Ty::Reflect | Ty::Bool => Ok(Value::Bool(*value)),
                    _ => Err(fail(frame, expected(ty, expr))),
                };
            }
            ExprKind::Str(text, _) => {
                return match ty {
                    Ty::Any | Ty::Reflect | Ty::Str => Ok(Value::Str(text.clone())),
                    _ => Err(fail(frame, expected(ty, expr))),
                };
            }
            ExprKind::Number(number, _) => {
                let value = match ty {
                    Ty::Int => number.int.map(Value::Int),
                    Ty::Float => number.float.map(Value::Float),
                    Ty::Any | Ty::Reflect => return self.operand(frame, dot, expr),
                    _ => None,
                };
                return value.ok_or_else(|| fail(frame, expected(ty, expr)));
            }
            ExprKind::Field(_) | ExprKind::Chain(..) => Nil::Interface,
            ExprKind::Variable(_, _, names) if !names.is_empty() => Nil::Interface,
            _ => Nil::Invalid,
        };
        let value = self.operand(frame, dot, expr)?;
        validate(value, ty, nil).map_err(|message| {
            let last = last_node(expr);
            at(frame.template, last.pos, last.to_string(), message)
        })
    }
}

/// Returns what Go looked at last when it evaluated an expression: that is where it says a value has a wrong type.
fn last_node(expr: &Expr) -> &Expr {
    match &expr.kind {
        ExprKind::Pipe(pipe) => last_of_pipe(pipe).unwrap_or(expr),
        _ => expr,
    }
}

pub(super) fn last_of_pipe(pipe: &Pipe) -> Option<&Expr> {
    pipe.commands.last()?.args.last().map(last_node)
}

/// How a nil came about; Go tells an empty interface from no value at all.
#[derive(Clone, Copy)]
enum Nil {
    Invalid,
    Interface,
}

/// Where a function stands, for messages.
#[derive(Clone, Copy)]
enum Place<'a> {
    Command(&'a Command, u32),
    Expr(&'a Expr),
}

impl Place<'_> {
    fn pos(self) -> u32 {
        match self {
            Self::Command(_, pos) => pos,
            Self::Expr(expr) => expr.pos,
        }
    }

    /// An error at the function's name.
    fn error(self, frame: &Frame<'_>, name: &str, message: String) -> Box<ExecError> {
        at(frame.template, self.pos(), name.to_owned(), message)
    }

    /// An error of the call.
    fn fault(self, frame: &Frame<'_>, name: &str, fault: Fault) -> Box<ExecError> {
        let context = match self {
            Self::Command(command, _) => command.to_string(),
            Self::Expr(expr) => expr.to_string(),
        };
        let message = format!("error calling {name}: {}", fault.message);
        let mut error = at(frame.template, self.pos(), context, message);
        error.cause = fault
            .source
            .as_ref()
            .map_or(Cause::Template, |source| source.cause);
        error.from_function = fault.source.is_none() || !fault.message.is_empty();
        error.source = fault.source;
        error
    }
}

fn param(func: &Func, index: usize) -> Ty {
    func.params
        .get(index)
        .copied()
        .or(func.variadic)
        .unwrap_or(Ty::Any)
}

fn check_count(frame: &Frame<'_>, func: &Func, place: Place<'_>, count: usize) -> Run<()> {
    let want = func.params.len();
    let message = match func.variadic {
        Some(_) if count < want => format!(
            "wrong number of args for {}: want at least {want} got {count}",
            func.name
        ),
        None if count != want => format!(
            "wrong number of args for {}: want {want} got {count}",
            func.name
        ),
        _ => return Ok(()),
    };
    Err(place.error(frame, func.name, message))
}

fn expected(ty: Ty, expr: &Expr) -> String {
    let wanted = match ty {
        Ty::Bool => "bool",
        Ty::Str => "string",
        Ty::Int => "integer",
        Ty::Float => "float",
        other => return format!("can't handle {expr} for arg of type {}", other.name()),
    };
    format!("expected {wanted}; found {expr}")
}

fn validate(value: Value, ty: Ty, nil: Nil) -> Result<Value, String> {
    if let (Ty::Map, Value::Map(map)) = (ty, &value)
        && map.kind() == MapKind::Values
    {
        return Ok(Value::Map(map.seen_as(MapKind::Any)));
    }
    let fits = match (ty, &value) {
        (Ty::Any | Ty::Reflect, _)
        | (Ty::Str, Value::Str(_))
        | (Ty::Int, Value::Int(_))
        | (Ty::Float, Value::Float(_))
        | (Ty::Bool, Value::Bool(_)) => true,
        (Ty::Map, Value::Map(map)) => map.kind() != MapKind::Str,
        (Ty::List, Value::List(list)) => list.kind() == crate::value::ListKind::Any,
        (Ty::Named(name), Value::Object(object)) => object.type_name() == name,
        (_, Value::Nil) => match nil {
            Nil::Invalid if ty.can_be_nil() => true,
            Nil::Invalid => return Err(format!("invalid value; expected {}", ty.name())),
            Nil::Interface => {
                return Err(format!(
                    "wrong type for value; expected {}; got interface {{}}",
                    ty.name()
                ));
            }
        },
        _ => false,
    };
    if fits {
        return Ok(value);
    }
    Err(format!(
        "wrong type for value; expected {}; got {}",
        ty.name(),
        value.type_name()
    ))
}

/// A constant passed where any type will do.
fn ideal(number: &Number) -> Option<Value> {
    if number.is_char {
        return number.int.map(Value::Int);
    }
    if number.looks_float {
        return number.float.map(Value::Float);
    }
    number.int.map(Value::Int)
}

fn variable(frame: &Frame<'_>, slot: usize, expr: &Expr) -> Run<Value> {
    if let Some(value) = frame.vars.get(slot) {
        return Ok(value.clone());
    }
    let ExprKind::Variable(_, name, _) = &expr.kind else {
        return Ok(Value::Nil);
    };
    let message = format!("undefined variable: {name}");
    Err(at(frame.template, expr.pos, expr.to_string(), message))
}

fn not_a_function(frame: &Frame<'_>, first: &Expr, rest: &[Expr], last: Option<&Value>) -> Run<()> {
    if rest.is_empty() && last.is_none() {
        return Ok(());
    }
    Err(at(
        frame.template,
        first.pos,
        first.to_string(),
        format!("can't give argument to non-function {first}"),
    ))
}

/// One field of a receiver. `inside` says that the receiver is itself an element of something, which
/// is how Go words its messages.
fn field(
    frame: &Frame<'_>,
    receiver: &Value,
    name: &Str,
    expr: &Expr,
    inside: bool,
    args: &[Value],
) -> Run<Value> {
    let fail = |message: String| at(frame.template, expr.pos, expr.to_string(), message);
    match receiver {
        Value::Map(map) => {
            if map.kind() == MapKind::Values
                && let Some(result) = crate::funcs::values_method(map, name)
            {
                return result
                    .map_err(|fault| fail(format!("error calling {name}: {}", fault.message)));
            }
            if !args.is_empty() {
                return Err(fail(format!("{name} is not a method but has arguments")));
            }
            Ok(map.get(name).unwrap_or_else(|| match map.kind() {
                MapKind::Str => Value::str(""),
                _ => Value::Nil,
            }))
        }
        Value::Object(object) => match object.call(name, args) {
            Some(Ok(value)) => Ok(value),
            Some(Err(fault)) => Err(fail(format!("error calling {name}: {}", fault.message))),
            None => match object.field(name) {
                Some(_) if !args.is_empty() => Err(fail(format!(
                    "{name} has arguments but cannot be invoked as function"
                ))),
                Some(value) => Ok(value),
                None => Err(fail(format!(
                    "can't evaluate field {name} in type {}",
                    object.type_name()
                ))),
            },
        },
        Value::Nil if inside => Err(fail(format!(
            "nil pointer evaluating interface {{}}.{name}"
        ))),
        Value::Nil => Ok(Value::Nil),
        other => {
            let ty = if inside {
                "interface {}"
            } else {
                other.type_name()
            };
            Err(fail(format!("can't evaluate field {name} in type {ty}")))
        }
    }
}
