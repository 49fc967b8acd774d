//! Go's `strconv.Quote` and `Unquote`.

use std::fmt::Write as _;

/// Returns the text as a Go string literal in double quotes.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        push_escaped(&mut out, character, '"');
    }
    out.push('"');
    out
}

/// Returns the text as a Go string literal of ASCII alone.
pub fn quote_to_ascii(text: &str) -> String {
    to_ascii(quote(text))
}

/// Returns the character as a Go literal of ASCII alone.
pub fn quote_char_to_ascii(character: char) -> String {
    to_ascii(quote_char(character))
}

fn to_ascii(literal: String) -> String {
    if literal.is_ascii() {
        return literal;
    }
    let mut out = String::with_capacity(literal.len() * 2);
    for character in literal.chars() {
        let code = u32::from(character);
        let _ = match code {
            0..=0x7F => {
                out.push(character);
                Ok(())
            }
            0x80..=0xFFFF => write!(out, "\\u{code:04x}"),
            _ => write!(out, "\\U{code:08x}"),
        };
    }
    out
}

/// Says whether a text can stand between back quotes as it is.
pub fn can_backquote(text: &str) -> bool {
    text.chars()
        .all(|c| !(c == '`' || c == '\u{FEFF}' || c == '\u{7F}' || (c < ' ' && c != '\t')))
}

/// Returns the character as a Go literal in single quotes.
pub fn quote_char(character: char) -> String {
    let mut out = String::from("'");
    push_escaped(&mut out, character, '\'');
    out.push('\'');
    out
}

fn push_escaped(out: &mut String, character: char, delimiter: char) {
    let short = match character {
        '\u{07}' => "\\a",
        '\u{08}' => "\\b",
        '\u{0C}' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\u{0B}' => "\\v",
        '\\' => "\\\\",
        _ if character == delimiter => {
            out.push('\\');
            out.push(character);
            return;
        }
        _ if is_print(character) => {
            out.push(character);
            return;
        }
        _ => {
            let code = u32::from(character);
            let _ = match code {
                0..=0x1F | 0x7F => write!(out, "\\x{code:02x}"),
                0..=0xFFFF => write!(out, "\\u{code:04x}"),
                _ => write!(out, "\\U{code:08x}"),
            };
            return;
        }
    };
    out.push_str(short);
}

/// Go's `unicode.IsPrint`, as far as the standard library can tell: letters, marks, numbers,
/// punctuation, symbols and the ASCII space.
pub(crate) fn is_print(character: char) -> bool {
    if character.is_ascii() {
        return (' '..='~').contains(&character);
    }
    let other_space = character.is_whitespace();
    let format = matches!(character, '\u{AD}' | '\u{600}'..='\u{605}' | '\u{61C}' | '\u{6DD}' | '\u{70F}'
        | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{E000}'..='\u{F8FF}' | '\u{FEFF}' | '\u{FFF0}'..='\u{FFFB}' | '\u{FFFE}' | '\u{FFFF}'
        | '\u{E0000}'..='\u{E0FFF}' | '\u{F0000}'..='\u{10FFFF}');
    !(character.is_control() || other_space || format)
}

/// Reads a Go string literal: `"…"` or `` `…` ``. `None` when it is none.
pub fn unquote(literal: &str) -> Option<String> {
    let mut characters = literal.chars();
    match (characters.next()?, characters.next_back()?) {
        ('`', '`') => {
            let body = characters.as_str();
            (!body.contains('`')).then(|| body.replace('\r', ""))
        }
        ('"', '"') => {
            let mut out = Vec::with_capacity(literal.len());
            let mut body = characters.as_str();
            while !body.is_empty() {
                body = unquote_one(body, b'"', &mut out)?;
            }
            Some(match String::from_utf8(out) {
                Ok(text) => text,
                Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
            })
        }
        _ => None,
    }
}

/// Reads a Go character literal.
pub fn unquote_char(literal: &str) -> Option<char> {
    let body = literal.strip_prefix('\'')?.strip_suffix('\'')?;
    let mut out = Vec::new();
    let rest = unquote_one(body, b'\'', &mut out)?;
    let text = std::str::from_utf8(&out).ok()?;
    let mut characters = text.chars();
    let character = characters.next()?;
    (rest.is_empty() && characters.next().is_none()).then_some(character)
}

fn unquote_one<'a>(text: &'a str, delimiter: u8, out: &mut Vec<u8>) -> Option<&'a str> {
    let mut characters = text.chars();
    let first = characters.next()?;
    if first == '\n' || first == char::from(delimiter) {
        return None;
    }
    let mut buffer = [0; 4];
    if first != '\\' {
        out.extend_from_slice(first.encode_utf8(&mut buffer).as_bytes());
        return Some(characters.as_str());
    }
    let rest = text.get(1..)?;
    let escape = *rest.as_bytes().first()?;
    let (digits, radix, skip) = match escape {
        b'a' => return push(out, 0x07, rest),
        b'b' => return push(out, 0x08, rest),
        b'f' => return push(out, 0x0C, rest),
        b'n' => return push(out, b'\n', rest),
        b'r' => return push(out, b'\r', rest),
        b't' => return push(out, b'\t', rest),
        b'v' => return push(out, 0x0B, rest),
        b'\\' => return push(out, b'\\', rest),
        b'\'' | b'"' if escape == delimiter => return push(out, escape, rest),
        b'x' => (2, 16, 1),
        b'u' => (4, 16, 1),
        b'U' => (8, 16, 1),
        b'0'..=b'7' => (3, 8, 0),
        _ => return None,
    };
    let number = rest.get(skip..skip + digits)?;
    if !number.bytes().all(|byte| char::from(byte).is_digit(radix)) {
        return None;
    }
    let code = u32::from_str_radix(number, radix).ok()?;
    if matches!(escape, b'u' | b'U') {
        let character = char::from_u32(code)?;
        out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
    } else {
        out.push(u8::try_from(code).ok()?);
    }
    rest.get(skip + digits..)
}

fn push<'a>(out: &mut Vec<u8>, byte: u8, rest: &'a str) -> Option<&'a str> {
    out.push(byte);
    rest.get(1..)
}
