//! YAML and JSON, read and written byte for byte as the Go libraries of the Kubernetes world do.
//!
//! The reader accepts and refuses what `sigs.k8s.io/yaml` does: YAML 1.1 booleans, octal numbers,
//! anchors with an expansion budget, merge keys, non-string keys turned into strings; timestamps stay
//! strings; JSON is a subset. It never panics and never recurses deeper than [`Limits::depth`].
//!
//! Reading order: [`Limits`], [`parse_documents`], [`Build`] (for callers with a value type of their
//! own), `scan` (text → tokens), `compose` (tokens → values), [`resolve`] (what a plain scalar means),
//! [`Writer`] and [`to_string`] (values → text).

#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

use std::borrow::Cow;

mod build;
mod compose;
mod error;
mod float;
pub mod resolve;
mod scan;
mod text;
mod write;

pub use build::{Build, Form, JsonBuild};
pub use compose::{Duplicates, Reader};
pub use error::Error;
pub use float::format_g;
pub use write::{Dialect, Writer, key_order, to_string};

/// What one call may use up. The defaults fit manifests; nothing legitimate comes near them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest accepted input in bytes.
    pub bytes: usize,
    /// The deepest accepted nesting.
    pub depth: usize,
    /// The most values one input may expand to, aliases included.
    pub nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            depth: 128,
            nodes: 8_000_000,
        }
    }
}

/// Checks the size of a text and that it is UTF-8 (or UTF-16 with a byte order mark) without control
/// characters; returns it without the mark.
pub fn decode<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Cow<'a, str>, Error> {
    if bytes.len() > limits.bytes {
        let message = format!(
            "the text has {} bytes, more than the limit of {}",
            bytes.len(),
            limits.bytes
        );
        return Err(Error::without_place(message));
    }
    text::decode(bytes)
}

/// Reads every document of a YAML or JSON stream; empty and comment-only documents are left out.
/// A key given twice in one mapping is an error.
pub fn parse_documents(text: &[u8], limits: &Limits) -> Result<Vec<serde_json::Value>, Error> {
    let text = decode(text, limits)?;
    let mut reader = Reader::new(&text, JsonBuild, *limits, Duplicates::Refuse);
    let mut documents = Vec::new();
    while let Some(document) = reader.next_document()? {
        if !document.is_null() {
            documents.push(document);
        }
    }
    Ok(documents)
}

/// Reads the first document and ignores what follows it, as Go's `yaml.Unmarshal` does; an empty
/// input is null.
pub fn parse_first(
    text: &[u8],
    limits: &Limits,
    duplicates: Duplicates,
) -> Result<serde_json::Value, Error> {
    let text = decode(text, limits)?;
    let mut reader = Reader::new(&text, JsonBuild, *limits, duplicates);
    Ok(reader.next_document()?.unwrap_or_default())
}

#[cfg(test)]
mod tests;
