//! The small language in which rules ask about an object: total, without loops of its own, and bounded by
//! the object's size.
//!
//! A missing field is null. Null and false are false, anything else is true. Comparing values that cannot
//! be ordered is false.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

/// What an expression is evaluated against.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    /// The object.
    pub(super) object: &'a Map<String, Value>,
    /// The element at hand (`it`).
    pub(super) item: Option<&'a Value>,
    /// The element around it (`outer`).
    pub(super) outer: Option<&'a Value>,
}

impl<'a> Scope<'a> {
    pub(super) fn of(object: &'a Map<String, Value>) -> Self {
        Self {
            object,
            item: None,
            outer: None,
        }
    }

    /// Steps into an element of a list.
    pub(super) fn inside(self, item: &'a Value) -> Self {
        Self {
            item: Some(item),
            outer: self.item,
            ..self
        }
    }
}

/// How two values are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Comparison {
    Equal,
    Different,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
}

/// What can be called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Function {
    /// `cond(type)`: the first condition of a type.
    Condition,
    /// `is(type, status)`: whether any condition of a type has a status.
    Is,
    /// `any(list, test)`.
    Any,
    /// `all(list, test)`; true for an empty list.
    All,
    /// `count(list, test)`.
    Count,
    /// `first(list, test)`: the first element for which the test holds.
    First,
    /// `sum(list, number)`.
    Sum,
    /// `join(list, text)`: the texts, with commas.
    Join,
    /// `size(value)`: elements of a list or map, characters of a text.
    Size,
    /// `has(value)`: neither null nor empty.
    Has,
    /// `starts(text, prefix)`.
    Starts,
    /// `ends(text, suffix)`.
    Ends,
    /// `contains(text, part)`.
    Contains,
    /// `number(value)`: a number, or a text that holds one.
    Number,
    /// `part(text, separator, index)`.
    Part,
    /// `stale(value)`: it names the generation it observed, and it is not the object's.
    Stale,
}

impl Function {
    pub(super) fn parse(name: &str) -> Option<(Self, usize)> {
        Some(match name {
            "cond" => (Self::Condition, 1),
            "is" => (Self::Is, 2),
            "any" => (Self::Any, 2),
            "all" => (Self::All, 2),
            "count" => (Self::Count, 2),
            "first" => (Self::First, 2),
            "sum" => (Self::Sum, 2),
            "join" => (Self::Join, 2),
            "size" => (Self::Size, 1),
            "has" => (Self::Has, 1),
            "starts" => (Self::Starts, 2),
            "ends" => (Self::Ends, 2),
            "contains" => (Self::Contains, 2),
            "number" => (Self::Number, 1),
            "part" => (Self::Part, 3),
            "stale" => (Self::Stale, 1),
            _ => return None,
        })
    }
}

/// An expression.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Expression {
    Literal(Value),
    Field(String),
    Item,
    Outer,
    At(Box<Expression>, String),
    Element(Box<Expression>, i64),
    Not(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Else(Box<Expression>, Box<Expression>),
    Compare(Comparison, Box<Expression>, Box<Expression>),
    In(Box<Expression>, Vec<Expression>),
    Add(Box<Expression>, Box<Expression>),
    Subtract(Box<Expression>, Box<Expression>),
    Call(Function, Vec<Expression>),
}

const NULL: Value = Value::Null;

impl Expression {
    /// Says whether the expression holds.
    pub(super) fn holds<'a>(&'a self, scope: Scope<'a>) -> bool {
        !matches!(*self.value(scope), Value::Null | Value::Bool(false))
    }

    /// Returns what the expression stands for.
    pub(super) fn value<'a>(&'a self, scope: Scope<'a>) -> Cow<'a, Value> {
        let truth = |held: bool| Cow::Owned(Value::Bool(held));
        match self {
            Self::Literal(value) => Cow::Borrowed(value),
            Self::Field(name) => Cow::Borrowed(scope.object.get(name).unwrap_or(&NULL)),
            Self::Item => Cow::Borrowed(scope.item.unwrap_or(&NULL)),
            Self::Outer => Cow::Borrowed(scope.outer.unwrap_or(&NULL)),
            Self::At(of, name) => field(of.value(scope), name),
            Self::Element(of, index) => element(of.value(scope), *index),
            Self::Not(of) => truth(!of.holds(scope)),
            Self::And(a, b) => truth(a.holds(scope) && b.holds(scope)),
            Self::Or(a, b) => truth(a.holds(scope) || b.holds(scope)),
            Self::Else(a, b) => {
                let value = a.value(scope);
                if value.is_null() {
                    b.value(scope)
                } else {
                    value
                }
            }
            Self::Compare(how, a, b) => truth(compare(*how, &a.value(scope), &b.value(scope))),
            Self::In(a, list) => {
                let value = a.value(scope);
                truth(
                    list.iter()
                        .any(|one| compare(Comparison::Equal, &value, &one.value(scope))),
                )
            }
            Self::Add(a, b) => sum(&a.value(scope), &b.value(scope), 1.0),
            Self::Subtract(a, b) => sum(&a.value(scope), &b.value(scope), -1.0),
            Self::Call(function, arguments) => call(*function, arguments, scope),
        }
    }

    /// Returns the elements of a list or the values of a map.
    pub(super) fn items<'a>(&'a self, scope: Scope<'a>) -> Vec<&'a Value> {
        match self.value(scope) {
            Cow::Borrowed(Value::Array(list)) => list.iter().collect(),
            Cow::Borrowed(Value::Object(map)) => map.values().collect(),
            // No expression builds a list.
            _ => Vec::new(),
        }
    }

    /// Returns the text an expression stands for; null is empty.
    pub(super) fn text(&self, scope: Scope<'_>) -> String {
        text(&self.value(Scope { ..scope }))
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn field<'a>(value: Cow<'a, Value>, name: &str) -> Cow<'a, Value> {
    match value {
        Cow::Borrowed(value) => Cow::Borrowed(value.get(name).unwrap_or(&NULL)),
        Cow::Owned(value) => Cow::Owned(value.get(name).cloned().unwrap_or_default()),
    }
}

/// Returns an element; negative indices count from the end.
fn element(value: Cow<'_, Value>, index: i64) -> Cow<'_, Value> {
    let place = |length: usize| {
        let place = if index < 0 {
            i64::try_from(length).ok()?.checked_add(index)?
        } else {
            index
        };
        usize::try_from(place).ok()
    };
    let Cow::Borrowed(Value::Array(list)) = value else {
        return Cow::Owned(Value::Null);
    };
    Cow::Borrowed(
        place(list.len())
            .and_then(|place| list.get(place))
            .unwrap_or(&NULL),
    )
}

fn compare(how: Comparison, a: &Value, b: &Value) -> bool {
    let order = match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    };
    let equal = order.map_or_else(|| a == b, std::cmp::Ordering::is_eq);
    match how {
        Comparison::Equal => equal,
        Comparison::Different => !equal,
        Comparison::Less => order.is_some_and(std::cmp::Ordering::is_lt),
        Comparison::LessOrEqual => order.is_some_and(std::cmp::Ordering::is_le),
        Comparison::More => order.is_some_and(std::cmp::Ordering::is_gt),
        Comparison::MoreOrEqual => order.is_some_and(std::cmp::Ordering::is_ge),
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn to_value(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 9e15 {
        return Value::from(number as i64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

fn sum<'a>(a: &Value, b: &Value, sign: f64) -> Cow<'a, Value> {
    let result = number(a).zip(number(b)).map(|(a, b)| a + sign * b);
    Cow::Owned(result.map_or(Value::Null, to_value))
}

fn conditions(object: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let list = object
        .get("status")
        .and_then(|status| status.get("conditions"));
    list.and_then(Value::as_array).into_iter().flatten()
}

fn is_at(value: &Value, name: &str, want: &Value) -> bool {
    value.get(name).unwrap_or(&NULL) == want
}

fn call<'a>(function: Function, arguments: &'a [Expression], scope: Scope<'a>) -> Cow<'a, Value> {
    let none = || Cow::Owned(Value::Null);
    let truth = |held: bool| Cow::Owned(Value::Bool(held));
    let value = |index: usize| {
        let argument = arguments.get(index);
        argument.map_or_else(none, |argument| argument.value(scope))
    };
    let (Some(first), second) = (arguments.first(), arguments.get(1)) else {
        return none();
    };
    let holds = |item: &&'a Value| second.is_some_and(|test| test.holds(scope.inside(item)));
    let both = |test: fn(&str, &str) -> bool| {
        let (a, b) = (value(0), value(1));
        truth(a.as_str().zip(b.as_str()).is_some_and(|(a, b)| test(a, b)))
    };
    match function {
        Function::Condition => {
            let kind = value(0);
            let found = conditions(scope.object).find(|one| is_at(one, "type", &kind));
            Cow::Borrowed(found.unwrap_or(&NULL))
        }
        Function::Is => {
            let (kind, status) = (value(0), value(1));
            truth(
                conditions(scope.object)
                    .any(|one| is_at(one, "type", &kind) && is_at(one, "status", &status)),
            )
        }
        Function::Any => truth(first.items(scope).iter().any(holds)),
        Function::All => truth(first.items(scope).iter().all(holds)),
        Function::Count => Cow::Owned(
            first
                .items(scope)
                .iter()
                .filter(|one| holds(one))
                .count()
                .into(),
        ),
        Function::First => {
            Cow::Borrowed(first.items(scope).into_iter().find(holds).unwrap_or(&NULL))
        }
        Function::Sum => {
            let numbers = first
                .items(scope)
                .into_iter()
                .filter_map(|item| number(&second?.value(scope.inside(item))));
            Cow::Owned(to_value(numbers.sum()))
        }
        Function::Join => {
            let texts: Vec<String> = (first.items(scope).into_iter())
                .filter_map(|item| Some(second?.text(scope.inside(item))))
                .filter(|text| !text.is_empty())
                .collect();
            Cow::Owned(texts.join(", ").into())
        }
        Function::Size => Cow::Owned(size(&value(0)).into()),
        Function::Has => truth(match &*value(0) {
            Value::Null => false,
            Value::String(_) | Value::Array(_) | Value::Object(_) => size(&value(0)) > 0,
            _ => true,
        }),
        Function::Starts => both(|text, prefix| text.starts_with(prefix)),
        Function::Ends => both(|text, suffix| text.ends_with(suffix)),
        Function::Contains => both(|text, part| text.contains(part)),
        Function::Number => Cow::Owned(number(&value(0)).map_or(Value::Null, to_value)),
        Function::Part => {
            let (text, separator, index) = (value(0), value(1), value(2));
            let part = text
                .as_str()
                .zip(separator.as_str())
                .and_then(|(text, separator)| {
                    text.split(separator)
                        .nth(usize::try_from(index.as_u64()?).ok()?)
                });
            Cow::Owned(part.map_or(Value::Null, Value::from))
        }
        Function::Stale => truth(is_stale(&value(0), scope.object)),
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Array(list) => list.len(),
        Value::Object(map) => map.len(),
        Value::String(text) => text.len(),
        _ => 0,
    }
}

fn is_stale(value: &Value, object: &Map<String, Value>) -> bool {
    let metadata = object.get("metadata");
    let generation = metadata.and_then(|metadata| metadata.get("generation"));
    let observed = value.get("observedGeneration");
    generation
        .zip(observed)
        .is_some_and(|(generation, observed)| {
            !observed.is_null() && compare(Comparison::Different, generation, observed)
        })
}
