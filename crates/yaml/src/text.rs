//! From bytes to checked text: encodings, and the characters YAML does not allow.

use std::borrow::Cow;

use crate::error::{Error, GoPlace};

/// Returns the input as text without a byte order mark; UTF-16 is decoded.
pub(crate) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Error> {
    let text = match bytes {
        [0xFF, 0xFE, rest @ ..] => Cow::Owned(utf16(rest, u16::from_le_bytes)?),
        [0xFE, 0xFF, rest @ ..] => Cow::Owned(utf16(rest, u16::from_be_bytes)?),
        [0xEF, 0xBB, 0xBF, rest @ ..] => Cow::Borrowed(utf8(rest)?),
        _ => Cow::Borrowed(utf8(bytes)?),
    };
    match first_forbidden(&text) {
        None => Ok(text),
        Some(at) => Err(at_offset(
            &text,
            at,
            "control characters are not allowed".to_owned(),
        )),
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let prefix = std::str::from_utf8(valid).unwrap_or_default();
        let next = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        let message = match error.error_len() {
            None => "incomplete UTF-8 octet sequence",
            Some(_) if next & 0xC0 == 0x80 || next >= 0xF8 => "invalid leading UTF-8 octet",
            Some(_) => "invalid trailing UTF-8 octet",
        };
        at_offset(prefix, prefix.len(), message.to_owned())
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Error> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let decoded: Result<String, _> =
        char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).collect();
    match decoded {
        Ok(text) if rest.is_empty() => Ok(text),
        Ok(text) => Err(at_offset(
            &text,
            text.len(),
            "incomplete UTF-16 character".to_owned(),
        )),
        Err(_) => Err(at_offset("", 0, "unexpected low surrogate area".to_owned())),
    }
}

/// Finds the first character YAML 1.1 does not allow in a stream.
fn first_forbidden(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().find_map(|(at, byte)| {
        let next = |offset: usize| bytes.get(at + offset).copied().unwrap_or_default();
        let bad = match *byte {
            b'\t' | b'\n' | b'\r' | 0x20..=0x7E => false,
            0x00..=0x1F | 0x7F => true,
            0xC2 => (0x80..=0x9F).contains(&next(1)) && next(1) != 0x85,
            0xEF => next(1) == 0xBF && next(2) >= 0xBE,
            _ => false,
        };
        bad.then_some(at)
    })
}

fn at_offset(text: &str, offset: usize, message: String) -> Error {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let last = before.rsplit('\n').next().unwrap_or_default();
    Error {
        line,
        column: last.chars().count() + 1,
        message,
        go: GoPlace::Line(0),
    }
}
