//! What a scalar means, as a value and as a key.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{CORE, Content, Meaning, Node, Parser};
use crate::build::Build;
use crate::error::{Error, GoPlace};
use crate::resolve::{self, Scalar};
use crate::scan::{Mark, at};

impl<'a, B: Build> Parser<'a, B> {
    pub(super) fn key(node: Node<'a, B::Value>) -> Result<Cow<'a, str>, Error> {
        let mark = node.mark;
        let Content::Scalar(text, meaning) = node.content else {
            return Err(at(mark, "a mapping or sequence cannot be a key".to_owned()));
        };
        if B::RAW {
            return Ok(text);
        }
        let scalar = match resolve_scalar(&text, &meaning, mark)? {
            Resolved::Text(text) => return Ok(Cow::Owned(text)),
            Resolved::Scalar(scalar) => scalar,
        };
        Ok(match scalar {
            Scalar::Str | Scalar::Merge => text,
            Scalar::Bool(value) => Cow::Borrowed(if value { "true" } else { "false" }),
            Scalar::Int(value) => Cow::Owned(value.to_string()),
            Scalar::Float(value) => Cow::Owned(float_key(value)),
            Scalar::Uint(_) => return Err(json_error(mark, "unsupported map key of type: uint64")),
            Scalar::Null => return Err(json_error(mark, "unsupported map key of type: null")),
        })
    }

    pub(super) fn value(&mut self, node: Node<'a, B::Value>) -> Result<B::Value, Error> {
        let mark = node.mark;
        let (text, meaning) = match node.content {
            Content::Mapping(value) | Content::Sequence(value) => return Ok(value),
            Content::Scalar(text, meaning) => (text, meaning),
        };
        if B::RAW {
            return Ok(self.build.raw(text, meaning.form()));
        }
        let scalar = match resolve_scalar(&text, &meaning, mark)? {
            Resolved::Text(text) => return Ok(self.build.string(Cow::Owned(text))),
            Resolved::Scalar(scalar) => scalar,
        };
        Ok(match scalar {
            Scalar::Null => self.build.null(),
            Scalar::Bool(value) => self.build.boolean(value),
            Scalar::Int(value) => self.build.integer(value),
            Scalar::Uint(value) => self.build.unsigned(value),
            Scalar::Float(value) if value.is_finite() => self.build.float(value),
            Scalar::Float(value) => {
                let name = if value.is_nan() {
                    "NaN"
                } else if value > 0.0 {
                    "+Inf"
                } else {
                    "-Inf"
                };
                return Err(json_error(
                    mark,
                    &format!("json: unsupported value: {name}"),
                ));
            }
            Scalar::Merge | Scalar::Str => self.build.string(text),
        })
    }
}

enum Resolved {
    /// A string other than the text itself.
    Text(String),
    /// What the text means; [`Scalar::Str`] is the text itself.
    Scalar(Scalar),
}

fn resolve_scalar(text: &str, meaning: &Meaning, mark: Mark) -> Result<Resolved, Error> {
    let tag = match meaning {
        Meaning::Plain => return Ok(Resolved::Scalar(resolve::plain(text))),
        Meaning::Str(_) => return Ok(Resolved::Scalar(Scalar::Str)),
        Meaning::Tagged(tag) => tag,
    };
    let Some(kind) = tag.strip_prefix(CORE) else {
        return Ok(Resolved::Scalar(Scalar::Str));
    };
    let found = resolve::plain(text);
    let fits = match (kind, found) {
        ("bool", Scalar::Bool(_))
        | ("int", Scalar::Int(_) | Scalar::Uint(_))
        | ("float", Scalar::Float(_))
        | ("null", Scalar::Null) => found,
        ("float", Scalar::Int(value)) => Scalar::Float(value as f64),
        ("float", Scalar::Uint(value)) => Scalar::Float(value as f64),
        ("bool" | "int" | "float" | "null", _) => {
            let message = format!("cannot decode {} `{text}` as a !!{kind}", short_name(found));
            return Err(at(mark, message));
        }
        ("binary", _) => {
            let joined: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
            let bytes = STANDARD.decode(joined).map_err(|_| {
                at(
                    mark,
                    "!!binary value contains invalid base64 data".to_owned(),
                )
            })?;
            return Ok(Resolved::Text(String::from_utf8_lossy(&bytes).into_owned()));
        }
        _ => Scalar::Str,
    };
    Ok(Resolved::Scalar(fits))
}

fn short_name(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Null => "!!null",
        Scalar::Bool(_) => "!!bool",
        Scalar::Int(_) | Scalar::Uint(_) => "!!int",
        Scalar::Float(_) => "!!float",
        Scalar::Merge => "!!merge",
        Scalar::Str => "!!str",
    }
}

fn json_error(mark: Mark, message: &str) -> Error {
    Error {
        go: GoPlace::Json,
        ..at(mark, message.to_owned())
    }
}

/// Go's `strconv.FormatFloat(value, 'g', -1, 32)`, which the conversion to JSON uses for keys.
fn float_key(value: f64) -> String {
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    crate::float::shortest_g(f64::from(value as f32), &format!("{:e}", value as f32))
}
