//! Go's regular expressions in Rust's dialect.

use regex::Regex;

use crate::error::{Error, Result};

/// Compiles a pattern as Go reads it.
pub(crate) fn compile(pattern: &str) -> Result<Regex> {
    Regex::new(&translate(pattern)).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().to_owned();
        Error::new(format!(
            "error parsing regexp: {}: `{pattern}`",
            reason.trim_start_matches("error: ")
        ))
    })
}

/// A brace that starts no repetition stands for itself; classes are ASCII and know no set operations.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(character) = rest.chars().next() {
        let tail = rest.get(character.len_utf8()..).unwrap_or_default();
        rest = tail;
        match character {
            '\\' => {
                let Some(next) = tail.chars().next() else {
                    out.push('\\');
                    continue;
                };
                rest = tail.get(next.len_utf8()..).unwrap_or_default();
                if next == 'Q' {
                    let (literal, after) = rest.split_once("\\E").unwrap_or((rest, ""));
                    out.push_str(&regex::escape(literal));
                    rest = after;
                    continue;
                }
                out.push_str(&escape(next, in_class));
            }
            '[' if in_class => {
                if tail.starts_with(':') {
                    out.push('[');
                } else {
                    out.push_str("\\[");
                }
            }
            '[' => {
                in_class = true;
                out.push('[');
                // A bracket that comes first is an item.
                if let Some(after) = rest.strip_prefix('^') {
                    out.push('^');
                    rest = after;
                }
                if let Some(after) = rest.strip_prefix(']') {
                    out.push_str("\\]");
                    rest = after;
                }
            }
            ']' if in_class => {
                // The end of a named class inside.
                if !out.ends_with(':') {
                    in_class = false;
                }
                out.push(']');
            }
            '&' | '~' if in_class => {
                out.push('\\');
                out.push(character);
            }
            '{' if !in_class && !is_repetition(tail) => out.push_str("\\{"),
            other => out.push(other),
        }
    }
    out
}

fn escape(character: char, in_class: bool) -> String {
    let (inside, negated) = match character {
        'd' => ("0-9", false),
        'D' => ("0-9", true),
        'w' => ("0-9A-Za-z_", false),
        'W' => ("0-9A-Za-z_", true),
        's' => ("\\t\\n\\f\\r ", false),
        'S' => ("\\t\\n\\f\\r ", true),
        other => return format!("\\{other}"),
    };
    match (in_class, negated) {
        (true, false) => inside.to_owned(),
        (_, true) => format!("[^{inside}]"),
        (false, false) => format!("[{inside}]"),
    }
}

/// Says whether `n}`, `n,}` or `n,m}` comes next.
fn is_repetition(tail: &str) -> bool {
    let Some((inside, _)) = tail.split_once('}') else {
        return false;
    };
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !least.is_empty() && digits(least) && digits(most)
}

#[cfg(test)]
mod tests {
    use super::compile;

    #[test]
    fn braces_stand_for_themselves_where_they_repeat_nothing() {
        for (pattern, text, fits) in [
            (r"^\${CLUSTER_NAME}$", "${CLUSTER_NAME}", true),
            ("a{2}", "aa", true),
            ("a{,2}", "a{,2}", true),
            ("[[a]+", "[a", true),
            (r"^\d+$", "\u{0663}", false),
            ("[[:alpha:]]", "x", true),
            (r"\Qa.b\E", "a.b", true),
            (r"\Qa.b\E", "axb", false),
        ] {
            assert_eq!(compile(pattern).unwrap().is_match(text), fits, "{pattern}");
        }
        assert!(compile("(").is_err());
    }
}
