//! Why a build failed. The text is what users of kustomize know, since scripts match on it.

use std::fmt::Display;

use driftless_core::{Class, Classify};

/// What fails gives this.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a build failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    message: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The kustomization or a file it names is wrong.
    Invalid,
    /// A text is not YAML.
    Malformed,
    /// A file or a folder is not there.
    Missing,
    /// A path leaves what may be read.
    Denied,
    /// A limit was reached.
    Limit,
    /// Something remote was asked for and is not allowed.
    Refused,
    /// What was asked of another machine did not arrive.
    Remote,
    /// The store of the files failed.
    Unreadable,
}

impl Error {
    /// Returns an error about the kustomization or a file it names.
    pub fn new(message: impl Into<String>) -> Self {
        Self::of(Kind::Invalid, message)
    }

    fn of(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            kind,
        }
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::of(Kind::Malformed, message)
    }

    pub(crate) fn missing(message: impl Into<String>) -> Self {
        Self::of(Kind::Missing, message)
    }

    pub(crate) fn denied(message: impl Into<String>) -> Self {
        Self::of(Kind::Denied, message)
    }

    /// Returns an error about something remote that is not allowed.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::of(Kind::Refused, message)
    }

    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self::of(Kind::Limit, message)
    }

    /// Returns an error about something remote that could not be had.
    pub fn remote(message: impl Into<String>) -> Self {
        Self::of(Kind::Remote, message)
    }

    pub(crate) fn unreadable(message: impl Into<String>) -> Self {
        Self::of(Kind::Unreadable, message)
    }

    pub(crate) fn is_malformed(&self) -> bool {
        self.kind == Kind::Malformed
    }

    /// Says whether trying something else instead would hide the cause.
    pub(crate) fn is_final(&self) -> bool {
        matches!(
            self.kind,
            Kind::Limit | Kind::Unreadable | Kind::Refused | Kind::Remote
        )
    }

    /// Puts what we were doing before the message.
    pub(crate) fn context(mut self, what: impl Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// Puts details after the message.
    pub(crate) fn followed_by(mut self, details: &str) -> Self {
        self.message.push_str(details);
        self
    }
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self.kind {
            Kind::Invalid | Kind::Malformed | Kind::Missing | Kind::Limit => Class::User,
            Kind::Denied | Kind::Refused => Class::Denied,
            Kind::Remote | Kind::Unreadable => Class::Transient,
        }
    }

    fn reason(&self) -> &'static str {
        match self.kind {
            Kind::Invalid => "InvalidKustomization",
            Kind::Malformed => "InvalidYaml",
            Kind::Missing => "KustomizationFileMissing",
            Kind::Denied => "PathEscapes",
            Kind::Limit => "KustomizationTooLarge",
            Kind::Refused => "RemoteResourceRefused",
            Kind::Remote => "RemoteResourceUnavailable",
            Kind::Unreadable => "TreeUnreadable",
        }
    }
}

/// Adds context to results.
pub(crate) trait Context<T> {
    /// Puts what we were doing before the message.
    fn context<D: Display>(self, what: impl FnOnce() -> D) -> Result<T>;
}

impl<T> Context<T> for Result<T> {
    fn context<D: Display>(self, what: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|error| error.context(what()))
    }
}

/// Quotes a text as Go's `%q` does.
pub(crate) fn quote(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{07}' => out.push_str("\\a"),
            '\u{08}' => out.push_str("\\b"),
            '\u{0B}' => out.push_str("\\v"),
            '\u{0C}' => out.push_str("\\f"),
            control if u32::from(control) < 0x20 || control == '\u{7F}' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{:02x}", u32::from(control));
            }
            '\u{FEFF}' | '\u{A0}' | '\u{200B}'..='\u{200F}' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
