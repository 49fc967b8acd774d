//! One line of `policy.csv`.

use std::sync::Arc;

use driftless_core::glob::Glob;
use regex::RegexBuilder;

use super::{Effect, Error, MatchMode, Pattern, Rule};

/// Largest compiled regular expression, so that a policy cannot use up memory.
const REGEX_SIZE: usize = 1 << 20;

/// What a line says.
pub(super) enum Entry {
    /// A `p` line.
    Rule(Rule),
    /// A `g` line.
    Role {
        /// Who gets the role.
        subject: Arc<str>,
        /// The role.
        role: Arc<str>,
    },
}

/// Reads one line; `None` for blank lines and comments.
pub(super) fn line(text: &str, number: usize, mode: MatchMode) -> Result<Option<Entry>, Error> {
    let trimmed = text.trim();
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return Ok(None);
    }
    let fail = |problem| Error::Line {
        line: number,
        problem,
        text: trimmed.to_owned(),
    };
    let fields = fields(trimmed).ok_or_else(|| fail("quotes do not match"))?;
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    match fields.as_slice() {
        ["p", subject, resource, action, object, effect] => {
            let effect = match *effect {
                "allow" => Effect::Allow,
                "deny" => Effect::Deny,
                _ => return Err(fail("the effect must be allow or deny")),
            };
            if subject.is_empty() {
                return Err(fail("the subject is empty"));
            }
            Ok(Some(Entry::Rule(Rule {
                subject: Arc::from(*subject),
                resource: pattern(resource, number, mode)?,
                action: pattern(action, number, mode)?,
                object: pattern(object, number, mode)?,
                effect,
            })))
        }
        ["g", subject, role] if !subject.is_empty() && !role.is_empty() => Ok(Some(Entry::Role {
            subject: Arc::from(*subject),
            role: Arc::from(*role),
        })),
        ["p", ..] => Err(fail(
            "a p line is: p, subject, resource, action, object, allow|deny",
        )),
        ["g", ..] => Err(fail("a g line is: g, subject, role")),
        _ => Err(fail("a line starts with p or g")),
    }
}

fn pattern(text: &str, line: usize, mode: MatchMode) -> Result<Pattern, Error> {
    match mode {
        MatchMode::Glob => Glob::new(text, None)
            .map(|glob| Pattern::Glob {
                glob,
                text: Arc::from(text),
            })
            .map_err(|source| Error::Glob { line, source }),
        MatchMode::Regex => RegexBuilder::new(text)
            .size_limit(REGEX_SIZE)
            .build()
            .map(Pattern::Regex)
            .map_err(|source| Error::Regex {
                line,
                source: Box::new(source),
            }),
    }
}

/// Splits at commas outside quotes; `""` inside quotes is a quote. Blanks around fields are dropped.
fn fields(text: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let (field, after) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted_field(quoted)?
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let (field, after) = rest.split_at(end);
            (field.trim().to_owned(), after)
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None => return after.is_empty().then_some(fields),
        }
    }
}

fn quoted_field(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"')?;
        field.push_str(rest.get(..end)?);
        rest = rest.get(end + 1..)?;
        match rest.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Some((field, rest.trim_start())),
        }
    }
}
