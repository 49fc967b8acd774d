//! What a scalar means, with the rules of Go's `yaml.v3`: `yes` and `on` are strings, a date is a time.

use driftless_yaml::resolve::{go_float, go_int, go_uint, is_timestamp};

use super::{Scalar, Style, Tag};

/// What a plain text means.
pub(super) fn plain_tag(text: &str) -> Tag {
    match meaning(text) {
        Meaning::Null => Tag::Null,
        Meaning::Bool(_) => Tag::Bool,
        Meaning::Int(_) | Meaning::Uint(_) => Tag::Int,
        Meaning::Float(_) => Tag::Float,
        Meaning::Timestamp => Tag::Timestamp,
        Meaning::Merge => Tag::Merge,
        Meaning::Str => Tag::Str,
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Meaning {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Timestamp,
    Merge,
    Str,
}

/// Returns what a plain text means.
pub(super) fn meaning(text: &str) -> Meaning {
    let Some(first) = text.as_bytes().first() else {
        return Meaning::Null;
    };
    match first {
        b'~' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' if text.len() <= 5 => word(text),
        b'<' if text == "<<" => Meaning::Merge,
        b'.' => special(text)
            .or_else(|| go_float(text).map(Meaning::Float))
            .unwrap_or(Meaning::Str),
        b'+' | b'-' => special(text).unwrap_or_else(|| number(text)),
        b'0'..=b'9' => {
            if is_timestamp(text) {
                Meaning::Timestamp
            } else {
                number(text)
            }
        }
        _ => Meaning::Str,
    }
}

fn word(text: &str) -> Meaning {
    match text {
        "~" | "null" | "Null" | "NULL" => Meaning::Null,
        "true" | "True" | "TRUE" => Meaning::Bool(true),
        "false" | "False" | "FALSE" => Meaning::Bool(false),
        _ => Meaning::Str,
    }
}

fn special(text: &str) -> Option<Meaning> {
    Some(Meaning::Float(match text {
        ".nan" | ".NaN" | ".NAN" => f64::NAN,
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => f64::INFINITY,
        "-.inf" | "-.Inf" | "-.INF" => f64::NEG_INFINITY,
        _ => return None,
    }))
}

fn number(text: &str) -> Meaning {
    if text
        .bytes()
        .any(|byte| !(byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte)))
    {
        return Meaning::Str;
    }
    let owned;
    let plain = if text.contains('_') {
        owned = text.replace('_', "");
        owned.as_str()
    } else {
        text
    };
    if let Some(value) = go_int(plain) {
        return Meaning::Int(value);
    }
    if let Some(value) = go_uint(plain) {
        return Meaning::Uint(value);
    }
    if is_float_form(plain)
        && let Some(value) = go_float(plain)
    {
        return Meaning::Float(value);
    }
    Meaning::Str
}

/// Digits with at most one point, and an exponent.
fn is_float_form(text: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (rest, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return false;
    }
    exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    })
}

/// Says whether YAML 1.1 would read the unquoted text as something else than a string.
pub(crate) fn is_yaml_1_1_non_string(text: &str) -> bool {
    use driftless_yaml::resolve::{Scalar as Old, plain};
    if text.is_empty() || text.contains('\n') {
        return false;
    }
    !matches!(plain(text), Old::Str | Old::Merge)
}

impl Scalar {
    /// Returns the type as `yaml.v3` keeps it on a node: found out once, when the text was read.
    pub(super) fn kept_tag(&self) -> Tag {
        match self.tag {
            Tag::Read => plain_tag(&self.text),
            ref tag => tag.clone(),
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        match self.tag {
            Tag::Read => matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL"),
            Tag::Null => true,
            _ => false,
        }
    }

    /// Says whether edits take it for a string: tagged so, or without a tag.
    pub(crate) fn is_string(&self) -> bool {
        matches!(self.kept_tag(), Tag::Str | Tag::None)
    }

    /// Returns the type that a reader of the written text finds; `None` for strings by their quotes.
    pub(super) fn written(&self) -> Written<'_> {
        let quoted = self.style != Style::Plain;
        match &self.tag {
            Tag::Str => Written::Text,
            Tag::Read | Tag::None if quoted => Written::Text,
            Tag::None if self.text.contains('\n') => Written::Text,
            Tag::Read | Tag::None => Written::Plain,
            Tag::Other(tag) => Written::Tagged(tag),
            tag => {
                let found = plain_tag(&self.text);
                if found != *tag {
                    // The text no longer fits the type, which is then written before it.
                    return Written::Tagged(tag.name());
                }
                if quoted {
                    Written::Text
                } else {
                    Written::Plain
                }
            }
        }
    }
}

/// How a scalar reads after it was written.
pub(super) enum Written<'a> {
    /// A string.
    Text,
    /// The text decides.
    Plain,
    /// This tag decides.
    Tagged(&'a str),
}

impl Tag {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Read | Self::None => "",
            Self::Null => "!!null",
            Self::Bool => "!!bool",
            Self::Int => "!!int",
            Self::Float => "!!float",
            Self::Str => "!!str",
            Self::Timestamp => "!!timestamp",
            Self::Merge => "!!merge",
            Self::Other(tag) => tag,
        }
    }
}
