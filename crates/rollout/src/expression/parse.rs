//! Tokens to a tree.

use super::function::Function;
use super::lex::{Kind, Token};
use super::pattern::Pattern;
use crate::value::Value;

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Node {
    Value(Value),
    /// `result`.
    Result,
    /// `#`: the item a closure looks at.
    Item,
    Not(Box<Node>),
    Minus(Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    Index(Box<Node>, Box<Node>),
    Slice(Box<Node>, Option<Box<Node>>, Option<Box<Node>>),
    Field(Box<Node>, String),
    Choice(Box<Node>, Box<Node>, Box<Node>),
    List(Vec<Node>),
    Call(Function, Vec<Node>),
    /// `matches` with a pattern that is known.
    Matches(Box<Node>, Pattern),
    /// `let`: a value, and the expression that may use it.
    Let(Box<Node>, Box<Node>),
    /// A value of `let`, counted from the outermost one.
    Variable(usize),
}

impl Node {
    /// Returns the value of a number with its sign.
    fn number(&self) -> Option<f64> {
        match self {
            Self::Value(value) => value.as_f64(),
            Self::Minus(inner) => inner.number().map(|number| -number),
            _ => None,
        }
    }

    /// Collects the numbers that orders (`<`, `>=`, …) compare something measured with. A number of items is not that.
    pub(super) fn compared(&self, into: &mut Vec<f64>) {
        use Operator as O;
        let is_length =
            |node: &Self| matches!(node, Self::Call(Function::Len | Function::Count, _));
        match self {
            Self::Binary(O::Less | O::LessEqual | O::Greater | O::GreaterEqual, left, right) => {
                match (left.number(), right.number()) {
                    (None, Some(number)) if !is_length(left) => into.push(number),
                    (Some(number), None) if !is_length(right) => into.push(number),
                    _ => {}
                }
            }
            Self::Not(inner) => inner.compared(into),
            Self::Binary(_, left, right) | Self::Let(left, right) => {
                left.compared(into);
                right.compared(into);
            }
            Self::Choice(condition, yes, no) => {
                condition.compared(into);
                yes.compared(into);
                no.compared(into);
            }
            Self::Call(_, arguments) => {
                for argument in arguments {
                    argument.compared(into);
                }
            }
            _ => {}
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operator {
    Or,
    And,
    Default,
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    NotIn,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    Range,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

type Problem = (usize, String);

const DEEPEST: usize = 64;
/// Operators, fields and indices: chains of them are as deep in the tree as they are long.
const MOST_LINKS: usize = 200;

pub(super) fn parse(tokens: &[Token], length: usize) -> Result<Node, Problem> {
    let mut parser = Parser {
        tokens,
        next: 0,
        length,
        depth: 0,
        links: 0,
        variables: Vec::new(),
    };
    let root = parser.expression()?;
    match parser.peek() {
        None => Ok(root),
        Some(token) => Err((
            token.at,
            format!("{} is not expected here", shown(&token.kind)),
        )),
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    next: usize,
    length: usize,
    depth: usize,
    links: usize,
    variables: Vec<&'a str>,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.next)
    }

    fn is_next(&self, symbol: &str) -> bool {
        matches!(self.peek(), Some(Token { kind: Kind::Symbol(found), .. }) if *found == symbol)
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = self.is_next(symbol);
        if found {
            self.next += 1;
        }
        found
    }

    fn take_name(&mut self, name: &str) -> bool {
        let found =
            matches!(self.peek(), Some(Token { kind: Kind::Name(found), .. }) if found == name);
        if found {
            self.next += 1;
        }
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), Problem> {
        if self.take(symbol) {
            return Ok(());
        }
        Err(self.unexpected(&format!("{symbol} is missing")))
    }

    fn unexpected(&self, message: &str) -> Problem {
        match self.peek() {
            Some(token) => (token.at, format!("{message} before {}", shown(&token.kind))),
            None => (self.length, format!("{message} at the end")),
        }
    }

    fn link(&mut self) -> Result<(), Problem> {
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(self.unexpected("too many operators"));
        }
        Ok(())
    }

    fn expression(&mut self) -> Result<Node, Problem> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.unexpected("nested too deeply"));
        }
        if self.take_name("let") {
            let node = self.declaration()?;
            self.depth -= 1;
            return Ok(node);
        }
        let condition = self.binary(0)?;
        let node = if self.take("?") {
            let yes = self.expression()?;
            self.expect(":")?;
            let no = self.expression()?;
            Node::Choice(condition.into(), yes.into(), no.into())
        } else {
            condition
        };
        self.depth -= 1;
        Ok(node)
    }

    /// Reads `name = value; expression`.
    fn declaration(&mut self) -> Result<Node, Problem> {
        let (at, name) = match self.peek() {
            Some(Token {
                at,
                kind: Kind::Name(name),
            }) => (*at, name.as_str()),
            _ => return Err(self.unexpected("a name is missing")),
        };
        let is_taken = matches!(name, "result" | "true" | "false" | "nil" | "null" | "let")
            || Function::named(name).is_some()
            || self.variables.contains(&name);
        if is_taken {
            return Err((at, format!("{name} has a meaning already")));
        }
        self.next += 1;
        self.expect("=")?;
        let value = self.expression()?;
        self.expect(";")?;
        self.variables.push(name);
        let body = self.expression()?;
        self.variables.pop();
        Ok(Node::Let(value.into(), body.into()))
    }

    /// Reads operators that bind at least as strongly as `level`.
    fn binary(&mut self, level: u8) -> Result<Node, Problem> {
        let mut left = self.unary()?;
        while let Some((operator, strength, tokens)) = self.operator() {
            if strength < level {
                break;
            }
            let at = self.peek().map_or(self.length, |token| token.at);
            self.next += tokens;
            self.link()?;
            // `**` binds to the right.
            let right_level = if operator == Operator::Power {
                strength
            } else {
                strength + 1
            };
            self.depth += 1;
            if self.depth > DEEPEST {
                return Err(self.unexpected("nested too deeply"));
            }
            let right = self.binary(right_level)?;
            self.depth -= 1;
            left = match (operator, right) {
                (Operator::Matches, Node::Value(Value::Text(pattern))) => {
                    let pattern = Pattern::new(&pattern).map_err(|message| (at, message))?;
                    Node::Matches(left.into(), pattern)
                }
                (operator, right) => Node::Binary(operator, left.into(), right.into()),
            };
        }
        Ok(left)
    }

    fn operator(&self) -> Option<(Operator, u8, usize)> {
        use Operator as O;
        let token = self.peek()?;
        let (operator, strength) = match &token.kind {
            Kind::Symbol(symbol) => match *symbol {
                "||" => (O::Or, 1),
                "&&" => (O::And, 2),
                "??" => (O::Default, 9),
                "==" => (O::Equal, 3),
                "!=" => (O::Unequal, 3),
                "<" => (O::Less, 4),
                "<=" => (O::LessEqual, 4),
                ">" => (O::Greater, 4),
                ">=" => (O::GreaterEqual, 4),
                ".." => (O::Range, 5),
                "+" => (O::Add, 6),
                "-" => (O::Subtract, 6),
                "*" => (O::Multiply, 7),
                "/" => (O::Divide, 7),
                "%" => (O::Remainder, 7),
                "**" | "^" => (O::Power, 8),
                _ => return None,
            },
            Kind::Name(name) => match name.as_str() {
                "or" => (O::Or, 1),
                "and" => (O::And, 2),
                "in" => (O::In, 4),
                "contains" => (O::Contains, 4),
                "startsWith" => (O::StartsWith, 4),
                "endsWith" => (O::EndsWith, 4),
                "matches" => (O::Matches, 4),
                "not" => {
                    let next = self.tokens.get(self.next + 1)?;
                    let is_in = matches!(&next.kind, Kind::Name(name) if name == "in");
                    return is_in.then_some((O::NotIn, 4, 2));
                }
                _ => return None,
            },
            _ => return None,
        };
        Some((operator, strength, 1))
    }

    fn unary(&mut self) -> Result<Node, Problem> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.unexpected("nested too deeply"));
        }
        let node = if self.take("!") || self.take_name("not") {
            Node::Not(self.unary()?.into())
        } else if self.take("-") {
            // A power binds more strongly than the sign before it.
            Node::Minus(self.binary(8)?.into())
        } else if self.take("+") {
            self.unary()?
        } else {
            let primary = self.primary()?;
            self.postfix(primary)?
        };
        self.depth -= 1;
        Ok(node)
    }

    fn postfix(&mut self, mut node: Node) -> Result<Node, Problem> {
        loop {
            self.link()?;
            if self.take("[") {
                node = self.index(node)?;
            } else if self.take(".") || self.take("?.") {
                node = match self.peek().map(|token| &token.kind) {
                    Some(Kind::Name(name)) => {
                        self.next += 1;
                        Node::Field(node.into(), name.clone())
                    }
                    _ => return Err(self.unexpected("the name of a field is missing")),
                };
            } else {
                self.links -= 1;
                return Ok(node);
            }
        }
    }

    fn index(&mut self, node: Node) -> Result<Node, Problem> {
        let from = if self.is_next(":") {
            None
        } else {
            Some(self.expression()?)
        };
        if self.take(":") {
            let to = if self.is_next("]") {
                None
            } else {
                Some(self.expression()?)
            };
            self.expect("]")?;
            return Ok(Node::Slice(
                node.into(),
                from.map(Box::new),
                to.map(Box::new),
            ));
        }
        self.expect("]")?;
        match from {
            Some(index) => Ok(Node::Index(node.into(), index.into())),
            None => Err(self.unexpected("an index is missing")),
        }
    }

    fn primary(&mut self) -> Result<Node, Problem> {
        let Some(token) = self.peek() else {
            return Err(self.unexpected("a value is missing"));
        };
        self.next += 1;
        match &token.kind {
            Kind::Int(number) => Ok(Node::Value(Value::Int(*number))),
            Kind::Float(number) => Ok(Node::Value(Value::Float(*number))),
            Kind::Text(text) => Ok(Node::Value(Value::Text(text.clone()))),
            Kind::Name(name) => self.name(name, token.at),
            Kind::Symbol("(") => {
                let inner = self.expression()?;
                self.expect(")")?;
                Ok(inner)
            }
            Kind::Symbol("[") => Ok(Node::List(self.items("]")?)),
            Kind::Symbol("#") => Ok(Node::Item),
            // `.field` in a closure is `#.field`.
            Kind::Symbol(".") => {
                self.next -= 1;
                Ok(Node::Item)
            }
            other @ Kind::Symbol(_) => Err((
                token.at,
                format!("a value is missing before {}", shown(other)),
            )),
        }
    }

    fn name(&mut self, name: &str, at: usize) -> Result<Node, Problem> {
        if self.take("(") {
            let Some(function) = Function::named(name) else {
                let known = Function::names().join(", ");
                return Err((
                    at,
                    format!("{name} is not a function here; known are {known}"),
                ));
            };
            let arguments = self.arguments()?;
            let (least, most) = function.arity();
            if !(least..=most).contains(&arguments.len()) {
                return Err((
                    at,
                    format!(
                        "{name} takes {least} to {most} arguments, not {}",
                        arguments.len()
                    ),
                ));
            }
            return Ok(Node::Call(function, arguments));
        }
        match name {
            "result" => Ok(Node::Result),
            "true" => Ok(Node::Value(Value::Bool(true))),
            "false" => Ok(Node::Value(Value::Bool(false))),
            "nil" | "null" => Ok(Node::Value(Value::Null)),
            name if self.variables.contains(&name) => {
                let place = self.variables.iter().position(|known| *known == name);
                Ok(Node::Variable(place.unwrap_or(0)))
            }
            _ => Err((
                at,
                format!("{name} is not known; the measured value is called result"),
            )),
        }
    }

    fn items(&mut self, end: &str) -> Result<Vec<Node>, Problem> {
        let mut items = Vec::new();
        while !self.take(end) {
            if !items.is_empty() {
                self.expect(",")?;
            }
            items.push(self.expression()?);
        }
        Ok(items)
    }

    /// Reads arguments; a closure may stand in braces.
    fn arguments(&mut self) -> Result<Vec<Node>, Problem> {
        let mut items = Vec::new();
        while !self.take(")") {
            if !items.is_empty() {
                self.expect(",")?;
            }
            if self.take("{") {
                items.push(self.expression()?);
                self.expect("}")?;
            } else {
                items.push(self.expression()?);
            }
        }
        Ok(items)
    }
}

fn shown(kind: &Kind) -> String {
    match kind {
        Kind::Int(number) => number.to_string(),
        Kind::Float(number) => number.to_string(),
        Kind::Text(text) => format!("{text:?}"),
        Kind::Name(name) => name.clone(),
        Kind::Symbol(symbol) => (*symbol).to_owned(),
    }
}
