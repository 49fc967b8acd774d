//! Conditions of AnalysisTemplates: the part of the expr language that they use.
//!
//! Argo Rollouts evaluates them with `github.com/expr-lang/expr`. Here a missing value (an index that is not there, a
//! null, NaN) and a value of the wrong type make a comparison *unknown* instead of false or an error, and `&&`, `||` and
//! `!` follow Kleene's logic: a condition that handles missing data itself (`isNaN(result) || result < 0.1`) gets what
//! it asks for, every other one is neither true nor false.
//!
//! Length, depth and work are bounded.

mod evaluate;
mod function;
mod lex;
mod parse;
mod pattern;

use crate::value::Value;

/// A condition cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("condition {text:?}, character {at}: {message}")]
pub struct Error {
    /// The condition.
    pub text: String,
    /// Where, counted from 1.
    pub at: usize,
    /// What is wrong.
    pub message: String,
}

/// What a condition says about a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It cannot be said; the text says why.
    Unknown(String),
}

/// A parsed condition.
#[derive(Clone, PartialEq, Debug)]
pub struct Expression {
    text: String,
    root: parse::Node,
}

/// Longest condition, in bytes.
pub const LONGEST: usize = 4096;

impl Expression {
    /// Parses a condition.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let error = |(at, message): (usize, String)| Error {
            text: text.chars().take(200).collect(),
            at: at + 1,
            message,
        };
        if text.len() > LONGEST {
            return Err(error((0, format!("longer than {LONGEST} characters"))));
        }
        let tokens = lex::tokens(text).map_err(error)?;
        let root = parse::parse(&tokens, text.len()).map_err(error)?;
        Ok(Self {
            text: text.to_owned(),
            root,
        })
    }

    /// Returns the text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the number that the condition compares with, when there is exactly one: a line in a chart.
    pub fn threshold(&self) -> Option<f64> {
        let mut found = Vec::new();
        self.root.compared(&mut found);
        match found.as_slice() {
            [number, rest @ ..] if rest.iter().all(|other| other.total_cmp(number).is_eq()) => {
                Some(*number)
            }
            _ => None,
        }
    }

    /// Says whether the condition holds for a measured value.
    pub fn judge(&self, result: &Value) -> Verdict {
        match evaluate::run(&self.root, result) {
            Ok(Value::Bool(true)) => Verdict::True,
            Ok(Value::Bool(false)) => Verdict::False,
            Ok(other) => Verdict::Unknown(format!(
                "the condition gives {}, not true or false",
                other.kind()
            )),
            Err(why) => Verdict::Unknown(why.0),
        }
    }
}

#[cfg(test)]
mod tests;
