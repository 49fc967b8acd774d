//! Why a text could not be read.

use driftless_core::{Class, Classify};

/// Why a text could not be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct Error {
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// What is wrong, without the place.
    pub message: String,
    pub(crate) go: GoPlace,
}

/// How Go's library words the place of the same failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GoPlace {
    /// `yaml: line N: …`, where N is sometimes off by one; zero leaves the line out.
    Line(usize),
    /// As `Line`; version 3 of the library names the line where the surrounding construct starts.
    Lines {
        /// For version 2.
        v2: usize,
        /// For version 3.
        v3: usize,
    },
    /// `yaml: unmarshal errors:` and a list with one entry.
    List(usize),
    /// The failure comes from the conversion to JSON; it has no place.
    Json,
}

impl Error {
    pub(crate) fn without_place(message: String) -> Self {
        Self {
            line: 1,
            column: 1,
            message,
            go: GoPlace::Line(0),
        }
    }

    /// Returns the text Go's `yaml` library gives for the same failure.
    pub fn as_go(&self) -> String {
        match self.go {
            GoPlace::Line(line) | GoPlace::Lines { v2: line, .. } => self.at_line(line),
            GoPlace::List(line) => {
                format!("yaml: unmarshal errors:\n  line {line}: {}", self.message)
            }
            GoPlace::Json => self.message.clone(),
        }
    }
}

impl Error {
    /// Returns the text that version 3 of Go's library gives for the same failure.
    pub fn as_go_v3(&self) -> String {
        match self.go {
            GoPlace::Lines { v3, .. } => self.at_line(v3),
            _ => self.as_go(),
        }
    }

    fn at_line(&self, line: usize) -> String {
        if line == 0 {
            return format!("yaml: {}", self.message);
        }
        format!("yaml: line {line}: {}", self.message)
    }
}

impl Classify for Error {
    fn class(&self) -> Class {
        Class::User
    }

    fn reason(&self) -> &'static str {
        "InvalidYaml"
    }
}
