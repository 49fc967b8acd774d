//! Text to tokens.

/// A token and where it begins.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Kind {
    Int(i64),
    Float(f64),
    Text(String),
    Name(String),
    Symbol(&'static str),
}

const SYMBOLS: [&str; 33] = [
    "==", "!=", "<=", ">=", "&&", "||", "??", "?.", "..", "**", "<", ">", "!", "+", "-", "*", "/",
    "%", "^", "(", ")", "[", "]", "{", "}", ",", ".", "?", ":", "#", "|", "=", ";",
];

type Problem = (usize, String);

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Problem> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        let rest = text.get(at..).unwrap_or_default();
        if byte.is_ascii_whitespace() {
            at += 1;
        } else if byte.is_ascii_digit()
            || (byte == b'.' && bytes.get(at + 1).is_some_and(u8::is_ascii_digit))
        {
            let (kind, length) = number(rest, at)?;
            out.push(Token { at, kind });
            at += length;
        } else if byte == b'"' || byte == b'\'' || byte == b'`' {
            let (value, length) = quoted(rest, byte, at)?;
            out.push(Token {
                at,
                kind: Kind::Text(value),
            });
            at += length;
        } else if byte.is_ascii_alphabetic() || byte == b'_' || byte == b'$' {
            let length = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '$')
                .unwrap_or(rest.len());
            out.push(Token {
                at,
                kind: Kind::Name(rest.get(..length).unwrap_or_default().to_owned()),
            });
            at += length;
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            out.push(Token {
                at,
                kind: Kind::Symbol(symbol),
            });
            at += symbol.len();
        } else {
            let found = rest.chars().next().unwrap_or(' ');
            return Err((at, format!("{found:?} is not understood")));
        }
    }
    Ok(out)
}

fn number(rest: &str, at: usize) -> Result<(Kind, usize), Problem> {
    let bytes = rest.as_bytes();
    let mut length = 0;
    let mut is_float = false;
    while let Some(byte) = bytes.get(length).copied() {
        let next = bytes.get(length + 1).copied();
        match byte {
            b'0'..=b'9' | b'_' => {}
            // `1..3` is a range, `1.5` a number.
            b'.' if !is_float && next != Some(b'.') => is_float = true,
            b'e' | b'E' => {
                is_float = true;
                if matches!(next, Some(b'+' | b'-')) {
                    length += 1;
                }
            }
            _ => break,
        }
        length += 1;
    }
    let digits: String = rest.chars().take(length).filter(|c| *c != '_').collect();
    let wrong = || (at, format!("{digits} is not a number"));
    let kind = if is_float {
        Kind::Float(digits.parse().map_err(|_| wrong())?)
    } else {
        Kind::Int(digits.parse().map_err(|_| wrong())?)
    };
    Ok((kind, length))
}

fn quoted(rest: &str, quote: u8, at: usize) -> Result<(String, usize), Problem> {
    let mut out = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((index, c)) = chars.next() {
        if c == char::from(quote) {
            return Ok((out, index + 1));
        }
        if c == '\\' && quote != b'`' {
            match chars.next().map(|(_, c)| c) {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => break,
            }
        } else {
            out.push(c);
        }
    }
    Err((at, "the text has no end".into()))
}
