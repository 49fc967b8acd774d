//! The tree and a value to an answer, within a budget.

use std::cmp::Ordering;

use super::function::Function;
use super::parse::{Node, Operator};
use super::pattern::Pattern;
use crate::value::Value;

/// Why nothing can be said.
#[derive(Clone)]
pub(super) struct Unknown(pub(super) String);

type Answer = Result<Value, Unknown>;

const BUDGET: usize = 100_000;

pub(super) fn run(node: &Node, result: &Value) -> Answer {
    Evaluation {
        result,
        items: Vec::new(),
        variables: Vec::new(),
        budget: BUDGET,
    }
    .value(node)
}

struct Evaluation<'a> {
    result: &'a Value,
    items: Vec<Value>,
    variables: Vec<Answer>,
    budget: usize,
}

fn unknown<T>(why: impl Into<String>) -> Result<T, Unknown> {
    Err(Unknown(why.into()))
}

impl Evaluation<'_> {
    fn value(&mut self, node: &Node) -> Answer {
        self.budget = match self.budget.checked_sub(1) {
            Some(left) => left,
            None => return unknown("the condition takes too much work"),
        };
        match node {
            Node::Value(value) => Ok(value.clone()),
            Node::Result => {
                self.spend(self.result)?;
                Ok(self.result.clone())
            }
            Node::Item => match self.items.last() {
                Some(item) => Ok(item.clone()),
                None => unknown("# is used outside of a closure"),
            },
            Node::Not(inner) => match self.value(inner)? {
                Value::Bool(value) => Ok(Value::Bool(!value)),
                other => unknown(format!("! before {}", other.kind())),
            },
            Node::Minus(inner) => match self.value(inner)? {
                Value::Int(number) => Ok(Value::Int(number.saturating_neg())),
                Value::Float(number) => Ok(Value::Float(-number)),
                other => unknown(format!("- before {}", other.kind())),
            },
            Node::Binary(operator, left, right) => self.binary(*operator, left, right),
            Node::Index(of, index) => self.index(of, index),
            Node::Slice(of, from, to) => self.slice(of, from.as_deref(), to.as_deref()),
            Node::Field(of, name) => match self.place(of, |value| value.field(name).cloned())? {
                Some(value) => Ok(value),
                None => Ok(Value::Null),
            },
            Node::Choice(condition, yes, no) => match self.value(condition)? {
                Value::Bool(true) => self.value(yes),
                Value::Bool(false) => self.value(no),
                other => unknown(format!("? after {}", other.kind())),
            },
            Node::List(items) => {
                let items: Result<Vec<Value>, Unknown> =
                    items.iter().map(|item| self.value(item)).collect();
                items.map(Value::List)
            }
            Node::Call(function, arguments) => self.call(*function, arguments),
            Node::Matches(text, pattern) => {
                let text = self.value(text)?;
                matched(&text, pattern)
            }
            Node::Let(value, body) => {
                // A value that is not known matters only where it is used.
                let value = self.value(value);
                self.variables.push(value);
                let answer = self.value(body);
                self.variables.pop();
                answer
            }
            Node::Variable(place) => {
                // Names used twice in names used twice grow fast: all of a copy is paid for, before it is made.
                let size = match self.variables.get(*place) {
                    Some(Ok(value)) => weight(value),
                    _ => 1,
                };
                match self.budget.checked_sub(size) {
                    Some(left) => self.budget = left,
                    None => return unknown("the condition takes too much work"),
                }
                let found = self.variables.get(*place).cloned();
                found.unwrap_or_else(|| unknown("the variable has no value"))
            }
        }
    }

    /// Pays for a copy.
    fn spend(&mut self, value: &Value) -> Result<(), Unknown> {
        let size = match value {
            Value::List(items) => items.len(),
            Value::Map(map) => map.len(),
            _ => 0,
        };
        match self.budget.checked_sub(size) {
            Some(left) => {
                self.budget = left;
                Ok(())
            }
            None => unknown("the measured value is too large"),
        }
    }

    /// Reads a part of a value, without a copy of `result` as a whole.
    fn place<T>(&mut self, of: &Node, read: impl FnOnce(&Value) -> T) -> Result<T, Unknown> {
        match of {
            Node::Result => Ok(read(self.result)),
            other => Ok(read(&self.value(other)?)),
        }
    }

    fn index(&mut self, of: &Node, index: &Node) -> Answer {
        let index = self.value(index)?;
        let found = self.place(of, |value| match (value, &index) {
            (Value::List(items), Value::Int(number)) => {
                let place = if *number < 0 {
                    items.len().checked_sub(number.unsigned_abs() as usize)
                } else {
                    usize::try_from(*number).ok()
                };
                match place.and_then(|place| items.get(place)) {
                    Some(item) => Ok(item.clone()),
                    None => Err(format!(
                        "no data: the list has {} values, none at [{number}]",
                        items.len()
                    )),
                }
            }
            (Value::Map(map), Value::Text(key)) => Ok(map.get(key).cloned().unwrap_or(Value::Null)),
            (Value::Null, _) => Err("no data: there is nothing to take an index of".into()),
            (other, _) => Err(format!("{} has no index", other.kind())),
        })?;
        found.map_err(Unknown)
    }

    fn slice(&mut self, of: &Node, from: Option<&Node>, to: Option<&Node>) -> Answer {
        let Value::List(items) = self.value(of)? else {
            return unknown("only a list has parts");
        };
        let mut bound = |node: Option<&Node>, otherwise: usize| match node {
            None => Ok(otherwise),
            Some(node) => match self.value(node)? {
                Value::Int(number) if number < 0 => {
                    Ok(items.len().saturating_sub(number.unsigned_abs() as usize))
                }
                Value::Int(number) => Ok((number as usize).min(items.len())),
                other => unknown(format!("{} is no place in a list", other.kind())),
            },
        };
        let (from, to) = (bound(from, 0)?, bound(to, items.len())?);
        Ok(Value::List(
            items.get(from..to).unwrap_or_default().to_vec(),
        ))
    }

    fn binary(&mut self, operator: Operator, left: &Node, right: &Node) -> Answer {
        match operator {
            Operator::And => return self.logic(left, right, false),
            Operator::Or => return self.logic(left, right, true),
            Operator::Default => {
                return match self.value(left) {
                    Ok(Value::Null) | Err(_) => self.value(right),
                    found => found,
                };
            }
            _ => {}
        }
        let (left, right) = (self.value(left)?, self.value(right)?);
        match operator {
            Operator::Equal => Ok(Value::Bool(equal(&left, &right)?)),
            Operator::Unequal => Ok(Value::Bool(!equal(&left, &right)?)),
            Operator::Less => ordered(&left, &right, Ordering::is_lt),
            Operator::LessEqual => ordered(&left, &right, Ordering::is_le),
            Operator::Greater => ordered(&left, &right, Ordering::is_gt),
            Operator::GreaterEqual => ordered(&left, &right, Ordering::is_ge),
            Operator::In => Ok(Value::Bool(is_in(&left, &right)?)),
            Operator::NotIn => Ok(Value::Bool(!is_in(&left, &right)?)),
            Operator::Contains => texts(&left, &right, |a, b| a.contains(b)),
            Operator::StartsWith => texts(&left, &right, |a, b| a.starts_with(b)),
            Operator::EndsWith => texts(&left, &right, |a, b| a.ends_with(b)),
            Operator::Matches => match &right {
                Value::Text(pattern) => match Pattern::new(pattern) {
                    Ok(pattern) => matched(&left, &pattern),
                    Err(why) => unknown(why),
                },
                other => unknown(format!("{} is no pattern", other.kind())),
            },
            Operator::Range => self.range(&left, &right),
            _ => arithmetic(operator, &left, &right),
        }
    }

    /// Kleene's logic: one side may decide alone, whatever the other one is.
    fn logic(&mut self, left: &Node, right: &Node, decisive: bool) -> Answer {
        let first = self.truth(left);
        if matches!(first, Ok(value) if value == decisive) {
            return Ok(Value::Bool(decisive));
        }
        match (first, self.truth(right)) {
            (_, Ok(value)) if value == decisive => Ok(Value::Bool(decisive)),
            (Ok(_), Ok(_)) => Ok(Value::Bool(!decisive)),
            (Err(why), _) | (_, Err(why)) => Err(why),
        }
    }

    fn truth(&mut self, node: &Node) -> Result<bool, Unknown> {
        match self.value(node)? {
            Value::Bool(value) => Ok(value),
            Value::Null => unknown("no data"),
            other => unknown(format!("{} is neither true nor false", other.kind())),
        }
    }

    fn range(&mut self, left: &Value, right: &Value) -> Answer {
        let (Value::Int(from), Value::Int(to)) = (left, right) else {
            return unknown("a range needs whole numbers");
        };
        let length = to.saturating_sub(*from).max(0) as usize;
        match self.budget.checked_sub(length) {
            Some(budget) => self.budget = budget,
            None => return unknown("the range is too long"),
        }
        Ok(Value::List((*from..=*to).map(Value::Int).collect()))
    }

    fn call(&mut self, function: Function, arguments: &[Node]) -> Answer {
        use Function as F;
        let [first, rest @ ..] = arguments else {
            return unknown("an argument is missing");
        };
        match function {
            F::Default => {
                return match self.value(first) {
                    Ok(value) if !value.is_no_data() => Ok(value),
                    _ => match rest.first() {
                        Some(otherwise) => self.value(otherwise),
                        None => unknown("default without a default"),
                    },
                };
            }
            F::IsNil => {
                return Ok(Value::Bool(matches!(
                    self.value(first),
                    Ok(Value::Null) | Err(_)
                )));
            }
            F::All | F::Any | F::None | F::One | F::Filter | F::Map | F::Count | F::Sum => {
                return self.closure(function, first, rest.first());
            }
            _ => {}
        }
        let value = self.value(first)?;
        match function {
            F::Min | F::Max => {
                let mut numbers = numbers(&value)?;
                for node in rest {
                    numbers.extend(self::numbers(&self.value(node)?)?);
                }
                extreme(&numbers, function == F::Max)
            }
            _ => simple(function, &value),
        }
    }

    fn closure(&mut self, function: Function, list: &Node, test: Option<&Node>) -> Answer {
        use Function as F;
        let Value::List(items) = self.value(list)? else {
            return unknown("only a list has items");
        };
        let Some(test) = test else {
            return match function {
                F::Sum => Ok(Value::Float(numbers(&Value::List(items))?.iter().sum())),
                _ => {
                    let held = items.iter().filter(|item| **item == Value::Bool(true));
                    Ok(Value::Int(held.count() as i64))
                }
            };
        };
        let mut results = Vec::with_capacity(items.len());
        for item in &items {
            self.items.push(item.clone());
            let result = self.value(test);
            self.items.pop();
            results.push(result);
        }
        if matches!(function, F::Map | F::Sum) {
            let values: Result<Vec<Value>, Unknown> = results.into_iter().collect();
            let list = Value::List(values?);
            return match function {
                F::Sum => Ok(Value::Float(numbers(&list)?.iter().sum())),
                _ => Ok(list),
            };
        }
        quantified(function, &items, results)
    }
}

/// Returns the number of values in a value.
fn weight(value: &Value) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(weight).sum::<usize>(),
        Value::Map(map) => 1 + map.values().map(weight).sum::<usize>(),
        _ => 1,
    }
}

fn matched(text: &Value, pattern: &Pattern) -> Answer {
    match text {
        Value::Text(text) => Ok(Value::Bool(pattern.is_match(text))),
        Value::Null => unknown("no data"),
        other => unknown(format!("{} is not a text", other.kind())),
    }
}

/// Answers over the items of a list. An item nothing is known about leaves the answer open, unless others decide it.
fn quantified(function: Function, items: &[Value], results: Vec<Answer>) -> Answer {
    use Function as F;
    let mut held = 0;
    let mut failed = 0;
    let mut open = None;
    let mut kept = Vec::new();
    for (item, result) in items.iter().zip(results) {
        match result {
            Ok(Value::Bool(true)) => {
                held += 1;
                kept.push(item.clone());
            }
            Ok(Value::Bool(false)) => failed += 1,
            Ok(other) => {
                open = Some(Unknown(format!(
                    "{} is neither true nor false",
                    other.kind()
                )));
            }
            Err(why) => open = Some(why),
        }
    }
    match (function, open) {
        (F::All, _) if failed > 0 => Ok(Value::Bool(false)),
        (F::Any, _) if held > 0 => Ok(Value::Bool(true)),
        (F::None, _) if held > 0 => Ok(Value::Bool(false)),
        (F::One, _) if held > 1 => Ok(Value::Bool(false)),
        (_, Some(why)) => Err(why),
        // Every item of nothing is good: that is no measurement.
        (F::All | F::None | F::Any, None) if items.is_empty() => {
            unknown("no data: the list is empty")
        }
        (F::All | F::None, None) => Ok(Value::Bool(true)),
        (F::Any, None) => Ok(Value::Bool(false)),
        (F::One, None) => Ok(Value::Bool(held == 1)),
        (F::Filter, None) => Ok(Value::List(kept)),
        _ => Ok(Value::Int(held)),
    }
}

fn simple(function: Function, value: &Value) -> Answer {
    use Function as F;
    match function {
        F::Len => match value {
            Value::List(items) => Ok(Value::Int(items.len() as i64)),
            Value::Map(map) => Ok(Value::Int(map.len() as i64)),
            Value::Text(text) => Ok(Value::Int(text.chars().count() as i64)),
            other => unknown(format!("{} has no length", other.kind())),
        },
        F::First | F::Last => match value {
            Value::List(items) => {
                let item = if function == F::First {
                    items.first()
                } else {
                    items.last()
                };
                Ok(item.cloned().unwrap_or(Value::Null))
            }
            other => unknown(format!("{} has no items", other.kind())),
        },
        F::IsNan | F::IsInf => match value.as_f64() {
            Some(number) if function == F::IsNan => Ok(Value::Bool(number.is_nan())),
            Some(number) => Ok(Value::Bool(number.is_infinite())),
            None => unknown(format!("{} is not a number", value.kind())),
        },
        F::Text => Ok(Value::Text(value.to_string())),
        F::Int => match value {
            Value::Int(number) => Ok(Value::Int(*number)),
            Value::Float(number) if number.is_finite() => Ok(Value::Int(*number as i64)),
            Value::Text(text) => match text.trim().parse() {
                Ok(number) => Ok(Value::Int(number)),
                Err(_) => unknown(format!("{text:?} is not a whole number")),
            },
            other => unknown(format!("{} is not a whole number", other.kind())),
        },
        F::Float => match value {
            Value::Text(text) => match text.trim().parse() {
                Ok(number) => Ok(Value::Float(number)),
                Err(_) => unknown(format!("{text:?} is not a number")),
            },
            other => match other.as_f64() {
                Some(number) => Ok(Value::Float(number)),
                None => unknown(format!("{} is not a number", other.kind())),
            },
        },
        F::Mean | F::Median => {
            let mut numbers = numbers(value)?;
            numbers.sort_by(f64::total_cmp);
            let middle = numbers.len() / 2;
            match (function, numbers.get(middle)) {
                (_, None) => unknown("no data: the list is empty"),
                (F::Mean, _) => Ok(Value::Float(
                    numbers.iter().sum::<f64>() / numbers.len() as f64,
                )),
                (_, Some(upper)) if numbers.len() % 2 == 1 => Ok(Value::Float(*upper)),
                (_, Some(upper)) => {
                    let lower = numbers.get(middle.saturating_sub(1)).unwrap_or(upper);
                    Ok(Value::Float(f64::midpoint(*lower, *upper)))
                }
            }
        }
        F::Abs | F::Ceil | F::Floor | F::Round => match (value, value.as_f64()) {
            (Value::Int(number), _) => Ok(Value::Int(match function {
                F::Abs => number.saturating_abs(),
                _ => *number,
            })),
            (_, Some(number)) => Ok(Value::Float(match function {
                F::Abs => number.abs(),
                F::Ceil => number.ceil(),
                F::Floor => number.floor(),
                _ => number.round(),
            })),
            (other, None) => unknown(format!("{} is not a number", other.kind())),
        },
        _ => unknown("this function needs a list and a closure"),
    }
}

/// Returns the numbers of a value or a list; one that is none, or NaN, leaves everything open.
fn numbers(value: &Value) -> Result<Vec<f64>, Unknown> {
    let number = |value: &Value| match value.as_f64() {
        Some(number) if number.is_nan() => unknown("no data: NaN"),
        Some(number) => Ok(number),
        None => unknown(format!("{} is not a number", value.kind())),
    };
    match value {
        Value::List(items) => items.iter().map(number).collect(),
        other => Ok(vec![number(other)?]),
    }
}

fn extreme(numbers: &[f64], largest: bool) -> Answer {
    let picked = numbers
        .iter()
        .copied()
        .reduce(|a, b| if largest { a.max(b) } else { a.min(b) });
    match picked {
        Some(number) => Ok(Value::Float(number)),
        None => unknown("no data: the list is empty"),
    }
}

fn compare(left: &Value, right: &Value) -> Result<Ordering, Unknown> {
    if let (Value::Int(a), Value::Int(b)) = (left, right) {
        return Ok(a.cmp(b));
    }
    if let (Some(a), Some(b)) = (left.as_f64(), right.as_f64()) {
        return match a.partial_cmp(&b) {
            Some(order) => Ok(order),
            None => unknown("no data: NaN"),
        };
    }
    match (left, right) {
        (Value::Text(a), Value::Text(b)) => Ok(a.cmp(b)),
        (Value::Null, _) | (_, Value::Null) => unknown("no data"),
        _ => unknown(format!(
            "{} cannot be compared with {}",
            left.kind(),
            right.kind()
        )),
    }
}

fn ordered(left: &Value, right: &Value, holds: impl FnOnce(Ordering) -> bool) -> Answer {
    Ok(Value::Bool(holds(compare(left, right)?)))
}

fn equal(left: &Value, right: &Value) -> Result<bool, Unknown> {
    match (left, right) {
        // The question whether there is nothing has an answer.
        (Value::Null, other) | (other, Value::Null) => Ok(*other == Value::Null),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::List(_), Value::List(_)) | (Value::Map(_), Value::Map(_)) => Ok(left == right),
        _ => compare(left, right).map(Ordering::is_eq),
    }
}

fn is_in(left: &Value, right: &Value) -> Result<bool, Unknown> {
    match right {
        Value::List(items) => {
            for item in items {
                if equal(left, item)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Value::Map(map) => match left {
            Value::Text(key) => Ok(map.contains_key(key)),
            other => unknown(format!("{} is no key", other.kind())),
        },
        other => unknown(format!("nothing is in {}", other.kind())),
    }
}

fn texts(left: &Value, right: &Value, holds: impl FnOnce(&str, &str) -> bool) -> Answer {
    match (left, right) {
        (Value::Text(a), Value::Text(b)) => Ok(Value::Bool(holds(a, b))),
        _ => unknown(format!(
            "{} is compared with {}, texts are needed",
            left.kind(),
            right.kind()
        )),
    }
}

fn arithmetic(operator: Operator, left: &Value, right: &Value) -> Answer {
    if let (Operator::Add, Value::Text(a), Value::Text(b)) = (operator, left, right) {
        return Ok(Value::Text(format!("{a}{b}")));
    }
    if let (Value::Int(a), Value::Int(b)) = (left, right) {
        let whole = match operator {
            Operator::Add => a.checked_add(*b),
            Operator::Subtract => a.checked_sub(*b),
            Operator::Multiply => a.checked_mul(*b),
            Operator::Remainder => a.checked_rem(*b),
            _ => None,
        };
        if let Some(number) = whole {
            return Ok(Value::Int(number));
        }
    }
    let (Some(a), Some(b)) = (left.as_f64(), right.as_f64()) else {
        return unknown(format!(
            "{} and {} are no numbers",
            left.kind(),
            right.kind()
        ));
    };
    let number = match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
        Operator::Remainder => a % b,
        _ => a.powf(b),
    };
    // 0 requests, 0 errors: no share of anything.
    Ok(Value::Float(number))
}
