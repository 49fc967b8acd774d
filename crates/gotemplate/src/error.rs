//! Why a template could not be run.

use std::fmt;

/// What a function says went wrong; the caller adds where.
#[derive(Debug, Default)]
pub struct Fault {
    /// The message. What an inner template said is in `source`, not here.
    pub message: String,
    /// The failure inside a template that the function ran.
    pub source: Option<Box<ExecError>>,
}

impl Fault {
    /// Makes a fault of a message.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            source: None,
        }
    }

    /// Returns the whole text.
    pub fn text(&self) -> String {
        match &self.source {
            Some(source) => format!("{}{source}", self.message),
            None => self.message.clone(),
        }
    }
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl From<&str> for Fault {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

/// What kind of failure ended a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The template or its data.
    Template,
    /// A budget of steps, depth or output.
    Limit,
}

/// A failed run: where, and what was being evaluated. Prints as Go does.
#[derive(Debug)]
pub struct ExecError {
    /// `name:line:column`; empty when the failure has no place.
    pub location: String,
    /// The template that ran.
    pub template: String,
    /// The expression, as Go writes it.
    pub context: String,
    /// What is wrong.
    pub message: String,
    /// The failure inside a template that was being called.
    pub source: Option<Box<ExecError>>,
    /// Whether a function said so in words of its own, which no position goes with.
    pub from_function: bool,
    /// Template or budget.
    pub cause: Cause,
}

impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("template: ")?;
        if !self.location.is_empty() {
            write!(
                f,
                "{}: executing {:?} at <{}>: ",
                self.location, self.template, self.context
            )?;
        }
        f.write_str(&self.message)?;
        match &self.source {
            Some(source) => write!(f, "{source}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ExecError {}
