//! Bytes in text. Go's strings hold any bytes; ours hold characters, so a byte that is no part of a
//! character is kept as a private one and turned back where bytes matter: encodings, digests, output.

use std::borrow::Cow;

const FIRST: u32 = 0x10_F700;

fn to_private(byte: u8) -> char {
    char::from_u32(FIRST + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn from_private(character: char) -> Option<u8> {
    let offset = u32::from(character).checked_sub(FIRST)?;
    u8::try_from(offset).ok().filter(|byte| *byte >= 0x80)
}

/// The private characters start with these bytes.
fn has_private(text: &str) -> bool {
    text.as_bytes().windows(2).any(|pair| pair == [0xF4, 0x8F])
        && text.chars().any(|c| from_private(c).is_some())
}

/// Keeps any bytes as text.
pub fn to_text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() * 2);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| to_private(*byte)));
    }
    Cow::Owned(text)
}

/// Returns the bytes a text stands for.
pub fn of_text(text: &str) -> Cow<'_, [u8]> {
    if text.is_ascii() || !has_private(text) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut buffer = [0; 4];
    for character in text.chars() {
        match from_private(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

/// Returns the text with each lone byte replaced, as Go's JSON writer does.
pub fn lossy(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || !has_private(text) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.chars()
            .map(|c| from_private(c).map_or(c, |_| char::REPLACEMENT_CHARACTER))
            .collect(),
    )
}
