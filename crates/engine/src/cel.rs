//! Readiness expressions: the part of CEL (Common Expression Language) in which one asks whether an object is ready.
//!
//! Literals, `object` and its fields, indexes, lists, `! && || == != < <= > >= in + - ?:`, `has(a.b)`, `size(x)`,
//! `x.startsWith(s)`, `x.endsWith(s)`, `x.contains(s)`, `x.size()`, and the macros `x.all(v, test)` and
//! `x.exists(v, test)`. As in CEL a missing field is an error, and an error on one side of `&&` and `||` does not count
//! when the other side decides. Anything else is refused when the expression is read. Steps are counted, so that an
//! expression costs a bounded amount whatever the object is.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

/// Longest expression, in bytes.
const MAX_LENGTH: usize = 1024;
/// Deepest nesting.
const MAX_DEPTH: usize = 32;
/// Most steps of one evaluation.
const MAX_STEPS: u32 = 100_000;

/// An expression that cannot be read or evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

fn error<T>(text: impl Into<String>) -> Result<T, Error> {
    Err(Error(text.into()))
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression(Node);

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Literal(Value),
    Variable(String),
    Field(Box<Node>, String),
    Index(Box<Node>, Box<Node>),
    List(Vec<Node>),
    Not(Box<Node>),
    Negate(Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    If(Box<Node>, Box<Node>, Box<Node>),
    Has(Box<Node>),
    Size(Box<Node>),
    Text(TextTest, Box<Node>, Box<Node>),
    Each {
        all: bool,
        list: Box<Node>,
        variable: String,
        test: Box<Node>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    Add,
    Subtract,
}

impl Operator {
    fn parse(token: &Token) -> Option<(Self, u8)> {
        let Token::Symbol(symbol) = token else {
            return (*token == Token::Name("in".to_owned())).then_some((Self::In, 3));
        };
        Some(match *symbol {
            "||" => (Self::Or, 1),
            "&&" => (Self::And, 2),
            "==" => (Self::Equal, 3),
            "!=" => (Self::NotEqual, 3),
            "<" => (Self::Less, 3),
            "<=" => (Self::LessEqual, 3),
            ">" => (Self::Greater, 3),
            ">=" => (Self::GreaterEqual, 3),
            "+" => (Self::Add, 4),
            "-" => (Self::Subtract, 4),
            _ => return None,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TextTest {
    Starts,
    Ends,
    Contains,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Literal(Value),
    Symbol(&'static str),
}

impl Expression {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_LENGTH {
            return error(format!("it is longer than {MAX_LENGTH} bytes"));
        }
        let mut tokens = tokens(text)?;
        tokens.reverse();
        let mut parser = Parser { tokens, depth: 0 };
        let node = parser.expression()?;
        match parser.tokens.last() {
            None => Ok(Self(node)),
            Some(token) => error(format!("unexpected {}", show(token))),
        }
    }

    /// Says whether the expression holds for an object.
    pub fn holds(&self, object: &Value) -> Result<bool, Error> {
        let mut run = Run {
            scope: vec![("object", object)],
            steps: 0,
        };
        match &*run.value(&self.0)? {
            Value::Bool(holds) => Ok(*holds),
            _ => error("the expression is neither true nor false"),
        }
    }
}

fn show(token: &Token) -> String {
    match token {
        Token::Name(name) => format!("'{name}'"),
        Token::Literal(value) => value.to_string(),
        Token::Symbol(symbol) => format!("'{symbol}'"),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, Error> {
    const SYMBOLS: [&str; 20] = [
        "||", "&&", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "(", ")", "[", "]", ".", ",",
        "?", ":", "%",
    ];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let used = if first == '"' || first == '\'' {
            let (text, used) = quoted(rest, first)?;
            tokens.push(Token::Literal(Value::String(text)));
            used
        } else if first.is_ascii_digit() {
            let end = |c: char| !c.is_ascii_digit() && c != '.';
            let used = rest.find(end).unwrap_or(rest.len());
            let number = rest.get(..used).unwrap_or_default();
            match serde_json::from_str(number) {
                Ok(value) => tokens.push(Token::Literal(value)),
                Err(_) => return error(format!("{number} is no number")),
            }
            used
        } else if first.is_ascii_alphabetic() || first == '_' {
            let end = |c: char| !c.is_ascii_alphanumeric() && c != '_';
            let used = rest.find(end).unwrap_or(rest.len());
            let name = rest.get(..used).unwrap_or_default();
            tokens.push(match name {
                "true" => Token::Literal(Value::Bool(true)),
                "false" => Token::Literal(Value::Bool(false)),
                "null" => Token::Literal(Value::Null),
                name => Token::Name(name.to_owned()),
            });
            used
        } else if let Some(symbol) = SYMBOLS.iter().find(|one| rest.starts_with(**one)) {
            tokens.push(Token::Symbol(symbol));
            symbol.len()
        } else {
            return error(format!("unexpected '{first}'"));
        };
        rest = rest.get(used..).unwrap_or_default().trim_start();
    }
    Ok(tokens)
}

/// Reads a quoted text; returns it with its length in the source.
fn quoted(rest: &str, quote: char) -> Result<(String, usize), Error> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            _ if c == quote => return Ok((text, at + 1)),
            '\\' => match chars.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 't')) => text.push('\t'),
                Some((_, c @ ('\\' | '"' | '\''))) => text.push(c),
                _ => return error("unknown escape in a text"),
            },
            c => text.push(c),
        }
    }
    error("a text is not closed")
}

struct Parser {
    /// What is left, the next one last.
    tokens: Vec<Token>,
    depth: usize,
}

impl Parser {
    fn take(&mut self, symbol: &'static str) -> bool {
        let found = self.tokens.last() == Some(&Token::Symbol(symbol));
        if found {
            self.tokens.pop();
        }
        found
    }

    fn expect(&mut self, symbol: &'static str) -> Result<(), Error> {
        if self.take(symbol) {
            return Ok(());
        }
        let found = self.tokens.last().map_or("its end".to_owned(), show);
        error(format!("expected '{symbol}', found {found}"))
    }

    fn expression(&mut self) -> Result<Node, Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return error(format!("it is nested deeper than {MAX_DEPTH}"));
        }
        let test = self.binary(1)?;
        let node = if self.take("?") {
            let then = self.expression()?;
            self.expect(":")?;
            let otherwise = self.expression()?;
            Node::If(Box::new(test), Box::new(then), Box::new(otherwise))
        } else {
            test
        };
        self.depth -= 1;
        Ok(node)
    }

    fn binary(&mut self, least: u8) -> Result<Node, Error> {
        let mut left = self.unary()?;
        while let Some((operator, strength)) = self
            .tokens
            .last()
            .and_then(Operator::parse)
            .filter(|(_, strength)| *strength >= least)
        {
            self.tokens.pop();
            let right = self.binary(strength + 1)?;
            left = Node::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Node, Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return error(format!("it is nested deeper than {MAX_DEPTH}"));
        }
        let node = if self.take("!") {
            Node::Not(Box::new(self.unary()?))
        } else if self.take("-") {
            Node::Negate(Box::new(self.unary()?))
        } else {
            self.postfix()?
        };
        self.depth -= 1;
        Ok(node)
    }

    fn postfix(&mut self) -> Result<Node, Error> {
        let mut node = self.primary()?;
        loop {
            if self.take("[") {
                let index = self.expression()?;
                self.expect("]")?;
                node = Node::Index(Box::new(node), Box::new(index));
            } else if self.take(".") {
                let Some(Token::Name(name)) = self.tokens.pop() else {
                    return error("expected the name of a field after '.'");
                };
                node = if self.take("(") {
                    self.method(node, &name)?
                } else {
                    Node::Field(Box::new(node), name)
                };
            } else {
                return Ok(node);
            }
        }
    }

    fn method(&mut self, on: Node, name: &str) -> Result<Node, Error> {
        let on = Box::new(on);
        let test = match name {
            "size" => {
                self.expect(")")?;
                return Ok(Node::Size(on));
            }
            "all" | "exists" => {
                let Some(Token::Name(variable)) = self.tokens.pop() else {
                    return error(format!("expected a variable in {name}()"));
                };
                self.expect(",")?;
                let test = Box::new(self.expression()?);
                self.expect(")")?;
                return Ok(Node::Each {
                    all: name == "all",
                    list: on,
                    variable,
                    test,
                });
            }
            "startsWith" => TextTest::Starts,
            "endsWith" => TextTest::Ends,
            "contains" => TextTest::Contains,
            _ => return error(format!("function {name}() is not known")),
        };
        let part = Box::new(self.expression()?);
        self.expect(")")?;
        Ok(Node::Text(test, on, part))
    }

    fn primary(&mut self) -> Result<Node, Error> {
        match self.tokens.pop() {
            Some(Token::Literal(value)) => Ok(Node::Literal(value)),
            Some(Token::Symbol("(")) => {
                let node = self.expression()?;
                self.expect(")")?;
                Ok(node)
            }
            Some(Token::Symbol("[")) => {
                let mut items = Vec::new();
                while !self.take("]") {
                    items.push(self.expression()?);
                    if !self.take(",") {
                        self.expect("]")?;
                        break;
                    }
                }
                Ok(Node::List(items))
            }
            Some(Token::Name(name)) if self.take("(") => {
                let inner = Box::new(self.expression()?);
                self.expect(")")?;
                match (name.as_str(), &*inner) {
                    ("has", Node::Field(..)) => Ok(Node::Has(inner)),
                    ("has", _) => error("has() takes a field"),
                    ("size", _) => Ok(Node::Size(inner)),
                    _ => error(format!("function {name}() is not known")),
                }
            }
            Some(Token::Name(name)) => Ok(Node::Variable(name)),
            Some(token) => error(format!("unexpected {}", show(&token))),
            None => error("the expression is not complete"),
        }
    }
}

struct Run<'a> {
    scope: Vec<(&'a str, &'a Value)>,
    steps: u32,
}

type Found<'a> = Result<Cow<'a, Value>, Error>;

impl<'a> Run<'a> {
    fn value(&mut self, node: &'a Node) -> Found<'a> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return error(format!("the expression takes more than {MAX_STEPS} steps"));
        }
        let owned = |value: Value| Ok(Cow::Owned(value));
        match node {
            Node::Literal(value) => Ok(Cow::Borrowed(value)),
            Node::Variable(name) => {
                let known = self.scope.iter().rev().find(|(known, _)| known == name);
                match known {
                    Some((_, value)) => Ok(Cow::Borrowed(*value)),
                    None => error(format!(
                        "'{name}' is not known; the object is called 'object'"
                    )),
                }
            }
            Node::Field(on, name) => {
                let on = self.value(on)?;
                pick(on, |value| value.as_object()?.get(name))
                    .map_or_else(|| error(format!("no such key: {name}")), Ok)
            }
            Node::Index(on, index) => self.index(on, index),
            Node::List(items) => {
                let items: Result<Vec<Value>, Error> = items
                    .iter()
                    .map(|item| self.value(item).map(Cow::into_owned))
                    .collect();
                owned(Value::Array(items?))
            }
            Node::Not(inner) => owned(Value::Bool(!self.truth(inner)?)),
            Node::Negate(inner) => match self.value(inner)?.as_f64() {
                Some(number) => owned(number_of(-number)),
                None => error("'-' takes a number"),
            },
            Node::Binary(operator, left, right) => {
                self.binary(*operator, left, right).and_then(owned)
            }
            Node::If(test, then, otherwise) => {
                let chosen = if self.truth(test)? { then } else { otherwise };
                self.value(chosen)
            }
            Node::Has(field) => owned(Value::Bool(self.has(field)?)),
            Node::Size(inner) => {
                let size = match &*self.value(inner)? {
                    Value::Array(items) => items.len(),
                    Value::Object(map) => map.len(),
                    Value::String(text) => text.chars().count(),
                    _ => return error("size() takes a list, a map or a text"),
                };
                owned(Value::from(size))
            }
            Node::Text(test, on, part) => {
                let (on, part) = (self.value(on)?, self.value(part)?);
                let (Some(on), Some(part)) = (on.as_str(), part.as_str()) else {
                    return error("startsWith(), endsWith() and contains() take texts");
                };
                owned(Value::Bool(match test {
                    TextTest::Starts => on.starts_with(part),
                    TextTest::Ends => on.ends_with(part),
                    TextTest::Contains => on.contains(part),
                }))
            }
            Node::Each {
                all,
                list,
                variable,
                test,
            } => self
                .each(*all, list, variable, test)
                .and_then(|one| owned(Value::Bool(one))),
        }
    }

    fn index(&mut self, on: &'a Node, index: &'a Node) -> Found<'a> {
        let on = self.value(on)?;
        let index = self.value(index)?;
        let found = match &*index {
            Value::String(name) => pick(on, |value| value.as_object()?.get(name)),
            Value::Number(at) => {
                let at = at.as_u64().and_then(|at| usize::try_from(at).ok());
                pick(on, |value| value.as_array()?.get(at?))
            }
            _ => None,
        };
        found.map_or_else(|| error(format!("no such key: {}", &*index)), Ok)
    }

    fn truth(&mut self, node: &'a Node) -> Result<bool, Error> {
        match &*self.value(node)? {
            Value::Bool(truth) => Ok(*truth),
            other => error(format!("{other} is neither true nor false")),
        }
    }

    /// Says whether a field is there; what it is a field of may be missing, too.
    fn has(&mut self, node: &'a Node) -> Result<bool, Error> {
        let Node::Field(on, name) = node else {
            return Ok(true);
        };
        if matches!(**on, Node::Field(..)) && !self.has(on)? {
            return Ok(false);
        }
        Ok(self
            .value(on)?
            .get(name)
            .is_some_and(|value| !value.is_null()))
    }

    fn each(
        &mut self,
        all: bool,
        list: &'a Node,
        variable: &'a str,
        test: &'a Node,
    ) -> Result<bool, Error> {
        let Cow::Borrowed(Value::Array(items)) = self.value(list)? else {
            return error("all() and exists() take a list of the object");
        };
        let mut failed = None;
        for item in items {
            self.scope.push((variable, item));
            let outcome = self.truth(test);
            self.scope.pop();
            match outcome {
                Ok(holds) if holds != all => return Ok(!all),
                Ok(_) => {}
                Err(why) if self.steps > MAX_STEPS => return Err(why),
                Err(why) => failed = Some(why),
            }
        }
        failed.map_or(Ok(all), Err)
    }

    fn binary(
        &mut self,
        operator: Operator,
        left: &'a Node,
        right: &'a Node,
    ) -> Result<Value, Error> {
        if let Operator::And | Operator::Or = operator {
            let decisive = operator == Operator::Or;
            let outcome = match (self.truth(left), decisive) {
                (Ok(truth), decisive) if truth == decisive => Ok(truth),
                (Ok(_), _) => self.truth(right),
                // An error does not count when the other side decides.
                (Err(why), decisive) => match self.truth(right) {
                    Ok(truth) if truth == decisive => Ok(truth),
                    _ => Err(why),
                },
            };
            return outcome.map(Value::Bool);
        }
        let (left, right) = (self.value(left)?, self.value(right)?);
        let ordered = |wanted: &[Ordering]| match order(&left, &right) {
            Some(found) => Ok(Value::Bool(wanted.contains(&found))),
            None => error(format!("{} and {} cannot be ordered", &*left, &*right)),
        };
        match operator {
            Operator::Equal => Ok(Value::Bool(equal(&left, &right))),
            Operator::NotEqual => Ok(Value::Bool(!equal(&left, &right))),
            Operator::Less => ordered(&[Ordering::Less]),
            Operator::LessEqual => ordered(&[Ordering::Less, Ordering::Equal]),
            Operator::Greater => ordered(&[Ordering::Greater]),
            Operator::GreaterEqual => ordered(&[Ordering::Greater, Ordering::Equal]),
            Operator::In => match &*right {
                Value::Array(items) => Ok(Value::Bool(items.iter().any(|one| equal(one, &left)))),
                Value::Object(map) => Ok(Value::Bool(
                    left.as_str().is_some_and(|name| map.contains_key(name)),
                )),
                _ => error("'in' takes a list or a map"),
            },
            Operator::Add | Operator::Subtract => match (left.as_f64(), right.as_f64()) {
                (Some(left), Some(right)) if operator == Operator::Add => {
                    Ok(number_of(left + right))
                }
                (Some(left), Some(right)) => Ok(number_of(left - right)),
                _ => error("'+' and '-' take numbers"),
            },
            Operator::And | Operator::Or => error("not evaluated here"),
        }
    }
}

/// Picks a part of a value, borrowed where the value is.
fn pick(value: Cow<'_, Value>, part: impl Fn(&Value) -> Option<&Value>) -> Option<Cow<'_, Value>> {
    match value {
        Cow::Borrowed(value) => part(value).map(Cow::Borrowed),
        Cow::Owned(value) => part(&value).cloned().map(Cow::Owned),
    }
}

fn number_of(number: f64) -> Value {
    let whole = number as i64;
    if (whole as f64).total_cmp(&number) == Ordering::Equal {
        Value::from(whole)
    } else {
        Value::from(number)
    }
}

/// Numbers are equal by value, whatever their form.
fn equal(left: &Value, right: &Value) -> bool {
    match (left.as_f64(), right.as_f64()) {
        (Some(_), Some(_)) => order(left, right) == Some(Ordering::Equal),
        _ => left == right,
    }
}

fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
        },
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn holds(text: &str) -> Result<bool, String> {
        let object = json!({
            "metadata": {"name": "web", "labels": {"tier": "front"}},
            "spec": {"replicas": 3},
            "status": {"readyReplicas": 2, "phase": "Running", "ratio": 0.5, "conditions": [
                {"type": "Ready", "status": "True"}, {"type": "Synced", "status": "False", "reason": "x"},
            ]},
        });
        let expression = Expression::parse(text).map_err(|error| format!("read: {error}"))?;
        expression.holds(&object).map_err(|error| error.to_string())
    }

    #[test]
    fn true_and_false() {
        let yes = [
            "object.status.readyReplicas >= 2",
            "object.status.readyReplicas + 1 == object.spec.replicas",
            "object.status.phase in ['Running', \"Done\"]",
            "object.status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')",
            "!object.status.conditions.all(c, c.status == 'True')",
            "has(object.status.phase) && !has(object.status.other.deeper)",
            "object.metadata.labels['tier'].startsWith('fr')",
            "size(object.status.conditions) == 2 && object.status.phase.size() == 7",
            "object.status.conditions[0].type == 'Ready'",
            "'tier' in object.metadata.labels",
            "object.status.ratio < 1 && -1 < 0",
            "object.spec.replicas > 2 ? true : false",
            "1 == 1.0",
            "object.status.nothing == 1 || true",
            "1 - 1 - 1 == -1",
        ];
        for text in yes {
            assert_eq!(holds(text), Ok(true), "{text}");
        }
        let no = [
            "object.status.phase == 'Failed'",
            "false && object.status.nothing == 1",
            "object.status.nothing == 1 && false",
        ];
        for text in no {
            assert_eq!(holds(text), Ok(false), "{text}");
        }
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        let told = |text: &str| holds(text).unwrap_err();
        assert_eq!(told("object.status.nothing > 1"), "no such key: nothing");
        assert!(told("status.phase == 'x'").contains("'status' is not known"));
        assert!(told("object.spec.replicas").contains("neither true nor false"));
        assert!(told("object.status.phase > 3").contains("cannot be ordered"));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for text in [
            "",
            "object.",
            "a b",
            "object.x(",
            "f(1)",
            "object.map(x, x)",
            "'open",
            "1 = 1",
            "has(1)",
            "(1",
        ] {
            assert!(
                holds(text).is_err_and(|why| why.starts_with("read: ")),
                "{text}"
            );
        }
        assert!(holds(&"(".repeat(500)).is_err());
        assert!(holds(&"!".repeat(1000)).is_err());
    }

    #[test]
    fn loops_cost_a_bounded_amount() {
        let list: Vec<u32> = (0..1000).collect();
        let object = json!({"l": list});
        let text = "object.l.all(a, object.l.all(b, object.l.all(c, true)))";
        let outcome = Expression::parse(text).unwrap().holds(&object);
        assert!(outcome.unwrap_err().to_string().contains("steps"));
    }
}
