//! Regular expressions with the meaning they have in Go (RE2).

use regex::{Regex, RegexBuilder};

/// A regular expression.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    text: String,
    regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// Longest pattern, and the most memory a compiled one may take.
const LONGEST: usize = 1000;
const MOST_BYTES: usize = 1 << 20;

impl Pattern {
    pub(super) fn new(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("the pattern is longer than {LONGEST} characters"));
        }
        let regex = RegexBuilder::new(&translated(text))
            .size_limit(MOST_BYTES)
            .build()
            .map_err(|_| format!("{text:?} is no regular expression"))?;
        Ok(Self {
            text: text.to_owned(),
            regex,
        })
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

/// Rewrites what Go reads in another way: its classes are ASCII, and nothing in brackets nests.
fn translated(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let Some(escaped) = chars.next() else {
                    out.push('\\');
                    break;
                };
                match (escaped, in_class) {
                    ('d', false) => out.push_str("[0-9]"),
                    ('d', true) => out.push_str("0-9"),
                    ('D', _) => out.push_str("[^0-9]"),
                    ('w', false) => out.push_str("[0-9A-Za-z_]"),
                    ('w', true) => out.push_str("0-9A-Za-z_"),
                    ('W', _) => out.push_str("[^0-9A-Za-z_]"),
                    ('s', false) => out.push_str(r"[\t\n\f\r ]"),
                    ('s', true) => out.push_str(r"\t\n\f\r "),
                    ('S', _) => out.push_str(r"[^\t\n\f\r ]"),
                    ('b', false) => out.push_str(r"(?-u:\b)"),
                    ('B', false) => out.push_str(r"(?-u:\B)"),
                    _ => out.extend(['\\', escaped]),
                }
            }
            '[' if !in_class => {
                in_class = true;
                out.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                // A bracket that comes first stands for itself.
                if chars.next_if_eq(&']').is_some() {
                    out.push_str(r"\]");
                }
            }
            '[' if chars.peek() == Some(&':') => {
                // `[:alpha:]`.
                out.push('[');
                for c in chars.by_ref() {
                    out.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            '[' | '&' | '~' if in_class => out.extend(['\\', c]),
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_go() {
        for (pattern, text, wanted) in [
            ("^v\\d+$", "v12", true),
            ("^v\\d+$", "v١٢", false),
            ("[[a]", "[", true),
            ("[a&&b]", "&", true),
            ("^[[:alpha:]_]+$", "ab_c", true),
            ("[^\\s]", " \t", false),
            ("(?i)READY", "is ready", true),
            ("\\bok\\b", "all ok now", true),
            ("[]x]", "]", true),
        ] {
            let compiled = Pattern::new(pattern).unwrap();
            assert_eq!(compiled.is_match(text), wanted, "{pattern} {text}");
        }
        assert!(Pattern::new("(").is_err());
        assert!(Pattern::new("a(?=b)").is_err());
        assert!(Pattern::new("(a{1000}){1000}").is_err());
    }
}
