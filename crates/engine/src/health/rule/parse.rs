//! From text to [`Expression`] and [`Template`].

use serde_json::Value;

use super::expression::{Comparison, Expression, Function, Scope};

/// Why a rule could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expression {text:?}: {problem}")]
pub struct Error {
    text: String,
    problem: String,
}

#[derive(Clone, PartialEq, Debug)]
enum Token {
    Name(String),
    Literal(Value),
    Sign(&'static str),
}

const SIGNS: [&str; 21] = [
    "&&", "||", "==", "!=", "<=", ">=", "??", "!", "<", ">", "(", ")", "[", "]", ",", ".", "+",
    "-", "{", "}", ":",
];

/// Reads an expression.
pub(super) fn expression(text: &str) -> Result<Expression, Error> {
    let fail = |problem: String| Error {
        text: text.to_owned(),
        problem,
    };
    let mut parser = Parser {
        tokens: tokens(text).map_err(&fail)?,
        place: 0,
    };
    let parsed = parser.any_of().map_err(&fail)?;
    match parser.peek() {
        None => Ok(parsed),
        Some(token) => Err(fail(format!("{token:?} does not belong here"))),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '\'' => {
                let body = rest.get(1..).unwrap_or_default();
                let end = body.find('\'').ok_or("a text without its end")?;
                tokens.push(Token::Literal(body.get(..end).unwrap_or_default().into()));
                end + 2
            }
            '0'..='9' => {
                let end = rest
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(rest.len());
                let digits = rest.get(..end).unwrap_or_default();
                let number: i64 = digits.parse().map_err(|_| "a number that is too large")?;
                tokens.push(Token::Literal(number.into()));
                end
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let end = rest
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(rest.len());
                tokens.push(match rest.get(..end).unwrap_or_default() {
                    "true" => Token::Literal(true.into()),
                    "false" => Token::Literal(false.into()),
                    "null" => Token::Literal(Value::Null),
                    name => Token::Name(name.to_owned()),
                });
                end
            }
            other => {
                let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
                let sign = sign.ok_or_else(|| format!("{other:?} means nothing"))?;
                tokens.push(Token::Sign(sign));
                sign.len()
            }
        };
        rest = rest.get(taken..).unwrap_or_default().trim_start();
    }
    Ok(tokens)
}

struct Parser {
    tokens: Vec<Token>,
    place: usize,
}

type Parsed = Result<Expression, String>;

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.place)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.place).cloned();
        self.place += 1;
        token
    }

    fn accept(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(known)) if *known == sign);
        self.place += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.accept(sign) {
            return Ok(());
        }
        Err(format!("{sign:?} is missing before {:?}", self.peek()))
    }

    fn any_of(&mut self) -> Parsed {
        let mut left = self.all_of()?;
        while self.accept("||") {
            left = Expression::Or(left.into(), self.all_of()?.into());
        }
        Ok(left)
    }

    fn all_of(&mut self) -> Parsed {
        let mut left = self.comparison()?;
        while self.accept("&&") {
            left = Expression::And(left.into(), self.comparison()?.into());
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Parsed {
        const WAYS: [(&str, Comparison); 6] = [
            ("==", Comparison::Equal),
            ("!=", Comparison::Different),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::MoreOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::More),
        ];
        let left = self.sum()?;
        if self.peek() == Some(&Token::Name("in".into())) {
            self.place += 1;
            self.expect("[")?;
            return Ok(Expression::In(left.into(), self.list("]")?));
        }
        for (sign, how) in WAYS {
            if self.accept(sign) {
                return Ok(Expression::Compare(how, left.into(), self.sum()?.into()));
            }
        }
        Ok(left)
    }

    fn sum(&mut self) -> Parsed {
        let mut left = self.otherwise()?;
        loop {
            if self.accept("+") {
                left = Expression::Add(left.into(), self.otherwise()?.into());
            } else if self.accept("-") {
                left = Expression::Subtract(left.into(), self.otherwise()?.into());
            } else {
                return Ok(left);
            }
        }
    }

    fn otherwise(&mut self) -> Parsed {
        let left = self.unary()?;
        if self.accept("??") {
            return Ok(Expression::Else(left.into(), self.otherwise()?.into()));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed {
        if self.accept("!") {
            return Ok(Expression::Not(self.unary()?.into()));
        }
        let mut of = self.primary()?;
        loop {
            if self.accept(".") {
                match self.next() {
                    Some(Token::Name(name)) => of = Expression::At(of.into(), name),
                    other => return Err(format!("{other:?} is not a field")),
                }
            } else if self.accept("[") {
                let negative = self.accept("-");
                of = match self.next() {
                    Some(Token::Literal(Value::String(name))) => Expression::At(of.into(), name),
                    Some(Token::Literal(Value::Number(number))) => {
                        let index = number.as_i64().unwrap_or_default();
                        Expression::Element(of.into(), if negative { -index } else { index })
                    }
                    other => return Err(format!("{other:?} is not an index")),
                };
                self.expect("]")?;
            } else {
                return Ok(of);
            }
        }
    }

    fn primary(&mut self) -> Parsed {
        match self.next() {
            Some(Token::Literal(value)) => Ok(Expression::Literal(value)),
            Some(Token::Sign("(")) => {
                let inner = self.any_of()?;
                self.expect(")")?;
                Ok(inner)
            }
            Some(Token::Name(name)) if self.accept("(") => {
                let arguments = self.list(")")?;
                match Function::parse(&name) {
                    Some((function, count)) if count == arguments.len() => {
                        Ok(Expression::Call(function, arguments))
                    }
                    Some((_, count)) => Err(format!("{name} takes {count} arguments")),
                    None => Err(format!("there is no function {name}")),
                }
            }
            Some(Token::Name(name)) => Ok(match name.as_str() {
                "it" => Expression::Item,
                "outer" => Expression::Outer,
                _ => Expression::Field(name),
            }),
            other => Err(format!("{other:?} is not a value")),
        }
    }

    /// Reads what is between separators up to and with the closing sign.
    fn list(&mut self, end: &str) -> Result<Vec<Expression>, String> {
        let mut list = Vec::new();
        loop {
            if self.accept(end) {
                return Ok(list);
            }
            list.push(self.any_of()?);
            if !self.accept(",") {
                self.expect(end)?;
                return Ok(list);
            }
        }
    }
}

/// A text with expressions in braces.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, PartialEq, Debug)]
enum Part {
    Text(String),
    Value(Expression),
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (inner, after) = after.split_once('}').ok_or_else(|| Error {
                text: text.to_owned(),
                problem: "a brace without its end".into(),
            })?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Value(expression(inner)?));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }

    pub(super) fn render(&self, scope: Scope<'_>) -> String {
        self.0
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.clone(),
                Part::Value(expression) => expression.text(scope),
            })
            .collect()
    }
}
