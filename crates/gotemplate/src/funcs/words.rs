//! Upper and lower case, words, abbreviations.

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Upper,
    Lower,
}

/// One character's other case where that is one character too, as in Go.
fn upper(c: char) -> char {
    let mut all = c.to_uppercase();
    match (all.next(), all.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

fn lower(c: char) -> char {
    let mut all = c.to_lowercase();
    match (all.next(), all.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

pub(super) fn map_case(text: &str, case: Case) -> String {
    match case {
        Case::Upper if text.is_ascii() => text.to_ascii_uppercase(),
        Case::Lower if text.is_ascii() => text.to_ascii_lowercase(),
        Case::Upper => text.chars().map(upper).collect(),
        Case::Lower => text.chars().map(lower).collect(),
    }
}

/// Go's `strings.Title`: every letter after something that separates words.
pub(super) fn title(text: &str) -> String {
    let mut previous = ' ';
    text.chars()
        .map(|c| {
            let separated = if previous.is_ascii() {
                !(previous.is_ascii_alphanumeric() || previous == '_')
            } else {
                !previous.is_alphanumeric() && previous.is_whitespace()
            };
            previous = c;
            if separated { upper(c) } else { c }
        })
        .collect()
}

pub(super) fn untitle(text: &str) -> String {
    let mut next = true;
    text.chars()
        .map(|c| {
            if c.is_whitespace() {
                next = true;
                c
            } else if std::mem::take(&mut next) {
                lower(c)
            } else {
                c
            }
        })
        .collect()
}

pub(super) fn swap_case(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_uppercase() {
                lower(c)
            } else if c.is_lowercase() {
                upper(c)
            } else {
                c
            }
        })
        .collect()
}

pub(super) fn initials(text: &str) -> String {
    let mut gap = true;
    let mut out = String::new();
    for c in text.chars() {
        if c.is_whitespace() {
            gap = true;
        } else if std::mem::take(&mut gap) {
            out.push(c);
        }
    }
    out
}

pub(super) fn abbreviate(text: &str, offset: i64, width: i64) -> String {
    let length = text.len() as i64;
    if width < 4 || length <= width {
        // Sprig hands a width that is too small back as it is; so does a text that fits.
        return text.to_owned();
    }
    let cut = |from: i64, to: i64| {
        let range = usize::try_from(from).unwrap_or(0)..usize::try_from(to).unwrap_or(0);
        let bytes = text.as_bytes().get(range).unwrap_or_default();
        crate::bytes::to_text(bytes).into_owned()
    };
    let mut offset = offset.min(length);
    if length - offset < width - 3 {
        offset = length - (width - 3);
    }
    if offset <= 4 {
        return format!("{}...", cut(0, width - 3));
    }
    if width < 7 {
        return String::new();
    }
    if offset + width - 3 < length {
        let rest = cut(offset, length);
        return format!("...{}", abbreviate(&rest, 0, width - 3));
    }
    format!("...{}", cut(length - (width - 3), length))
}

pub(super) fn wrap(text: &str, width: i64, line_end: &str, long_words: bool) -> String {
    let bytes = text.as_bytes();
    let width = usize::try_from(width).unwrap_or(0).max(1);
    let line_end = if line_end.is_empty() { "\n" } else { line_end };
    let mut out: Vec<u8> = Vec::with_capacity(bytes.len() + 16);
    let mut offset = 0;
    while bytes.len() - offset > width {
        let rest = bytes.get(offset..).unwrap_or_default();
        if rest.first() == Some(&b' ') {
            offset += 1;
            continue;
        }
        let window = rest.get(..=width).unwrap_or(rest);
        let cut = if let Some(space) = window.iter().rposition(|byte| *byte == b' ') {
            (space, space + 1)
        } else if long_words {
            (width, width)
        } else {
            let tail = rest.get(width..).unwrap_or_default();
            match tail.iter().position(|byte| *byte == b' ') {
                Some(space) => (width + space, width + space + 1),
                None => {
                    out.extend_from_slice(rest);
                    offset = bytes.len();
                    continue;
                }
            }
        };
        out.extend_from_slice(rest.get(..cut.0).unwrap_or_default());
        out.extend_from_slice(line_end.as_bytes());
        offset += cut.1;
    }
    out.extend_from_slice(bytes.get(offset..).unwrap_or_default());
    crate::bytes::to_text(&out).into_owned()
}

fn is_connector(c: char) -> bool {
    matches!(c, '-' | '_') || c.is_whitespace()
}

pub(super) fn to_pascal_case(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    let mut current = None;
    let mut first_upper = false;
    for c in rest.by_ref() {
        if is_connector(c) {
            out.push(c);
        } else {
            first_upper = c.is_uppercase();
            current = Some(upper(c));
            break;
        }
    }
    let Some(mut current) = current else {
        // Only connectors: the last one is written once more when it is alone.
        return out;
    };
    for c in rest {
        let previous = current;
        current = c;
        if is_connector(current) && is_connector(previous) {
            out.push(previous);
            continue;
        }
        if is_connector(previous) {
            first_upper = current.is_uppercase();
            current = upper(current);
        } else {
            if first_upper {
                if current.is_uppercase() {
                    current = lower(current);
                } else {
                    first_upper = false;
                }
            }
            out.push(previous);
        }
    }
    out.push(current);
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    None,
    Number,
    Upper,
    Alphabet,
    Connector,
    Punct,
    Other,
}

fn is_punct(c: char) -> bool {
    if c.is_ascii() {
        return matches!(c, '!'..='#' | '%'..='*' | ','..='/' | ':' | ';' | '?' | '@' | '['..=']' | '_' | '{' | '}');
    }
    matches!(c, '¡' | '§' | '«' | '¶' | '·' | '»' | '¿' | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205E}' | '\u{3001}'..='\u{3003}')
}

fn next_word(text: &str) -> (Word, &str, &str) {
    let Some(first) = text.chars().next() else {
        return (Word::None, "", "");
    };
    let run = |fits: fn(char) -> bool| text.find(|c: char| !fits(c)).map_or(text.len(), |at| at);
    let (word, length) = if is_connector(first) {
        (Word::Connector, run(is_connector))
    } else if is_punct(first) {
        (Word::Punct, run(is_punct))
    } else if first.is_uppercase() {
        (Word::Upper, upper_word(text))
    } else if first.is_alphabetic() {
        (
            Word::Alphabet,
            run(|c| c.is_alphabetic() && !c.is_uppercase()),
        )
    } else if first.is_numeric() {
        (Word::Number, run(char::is_numeric))
    } else {
        (
            Word::Other,
            run(|c| !(is_connector(c) || c.is_alphabetic() || c.is_numeric() || is_punct(c))),
        )
    };
    let (head, tail) = text.split_at_checked(length).unwrap_or((text, ""));
    (word, head, tail)
}

/// `HTTPServer` is `HTTP` and `Server`; `Server` is one word.
fn upper_word(text: &str) -> usize {
    let mut characters = text.char_indices();
    let first = characters.next().map_or(0, |(_, c)| c.len_utf8());
    let Some((_, second)) = characters.next() else {
        return first;
    };
    if !second.is_uppercase() {
        if !second.is_alphabetic() {
            return first;
        }
        let tail = text.get(first..).unwrap_or_default();
        return first
            + tail
                .find(|c: char| !c.is_alphabetic() || c.is_uppercase())
                .unwrap_or(tail.len());
    }
    let end = text.find(|c: char| !c.is_uppercase()).unwrap_or(text.len());
    let follows = text.get(end..).and_then(|tail| tail.chars().next());
    if follows.is_some_and(char::is_alphabetic) {
        let last = text.get(..end).and_then(|head| head.chars().next_back());
        return end - last.map_or(0, char::len_utf8);
    }
    end
}

fn push_lower(out: &mut String, word: Word, text: &str, connector: char) {
    if word != Word::Upper && word != Word::Connector {
        out.push_str(text);
        return;
    }
    out.extend(
        text.chars()
            .map(|c| if is_connector(c) { connector } else { lower(c) }),
    );
}

/// `snake_case` and `kebab-case`.
pub(super) fn to_lower_case(text: &str, connector: char) -> String {
    let mut out = String::with_capacity(text.len() + 4);
    let (mut kind, mut word, mut rest) = next_word(text);
    while !rest.is_empty() {
        if kind != Word::Connector {
            push_lower(&mut out, kind, word, connector);
        }
        let (previous, last) = (kind, word);
        (kind, word, rest) = next_word(rest);
        match previous {
            Word::Number => {
                while matches!(kind, Word::Alphabet | Word::Number) {
                    push_lower(&mut out, kind, word, connector);
                    (kind, word, rest) = next_word(rest);
                }
                if !matches!(kind, Word::None | Word::Punct | Word::Connector) {
                    out.push(connector);
                }
            }
            Word::Connector => push_lower(&mut out, previous, last, connector),
            Word::Punct => {}
            _ if kind != Word::Number => {
                if !matches!(kind, Word::Connector | Word::Punct) {
                    out.push(connector);
                }
            }
            _ if rest.is_empty() => {}
            _ => {
                let number = word;
                (kind, word, rest) = next_word(rest);
                if kind == Word::Alphabet {
                    out.push(connector);
                    push_lower(&mut out, Word::Number, number, connector);
                    while matches!(kind, Word::Alphabet | Word::Number) {
                        push_lower(&mut out, kind, word, connector);
                        (kind, word, rest) = next_word(rest);
                    }
                    if !matches!(kind, Word::None | Word::Connector | Word::Punct) {
                        out.push(connector);
                    }
                } else {
                    push_lower(&mut out, Word::Number, number, connector);
                    if !matches!(kind, Word::Connector | Word::Punct) {
                        out.push(connector);
                    }
                }
            }
        }
    }
    push_lower(&mut out, kind, word, connector);
    out
}
