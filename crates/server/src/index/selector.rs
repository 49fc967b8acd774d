//! Label selectors, as Kubernetes writes them.

use std::collections::BTreeMap;

use crate::error::ApiError;

/// A parsed selector: every requirement must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    NotExists(String),
    Greater(String, i64),
    Less(String, i64),
}

impl Selector {
    /// Parses `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        let requirements = pieces(text)
            .filter(|piece| !piece.is_empty())
            .map(|piece| {
                requirement(piece).ok_or_else(|| {
                    ApiError::invalid(format!("unable to parse selector {text:?}: at {piece:?}"))
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self(requirements))
    }

    /// Says whether labels satisfy it.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| requirement.holds(labels))
    }
}

impl Requirement {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let number = |key: &String| labels.get(key).and_then(|value| value.parse::<i64>().ok());
        match self {
            Self::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Self::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
            Self::Exists(key) => labels.contains_key(key),
            Self::NotExists(key) => !labels.contains_key(key),
            Self::Greater(key, bound) => number(key).is_some_and(|value| value > *bound),
            Self::Less(key, bound) => number(key).is_some_and(|value| value < *bound),
        }
    }
}

/// Splits at commas outside parentheses.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    text.split(move |char| {
        match char {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        char == ',' && depth == 0
    })
    .map(str::trim)
}

fn requirement(piece: &str) -> Option<Requirement> {
    if let Some(list) = piece.strip_suffix(')') {
        let (head, values) = list.split_once('(')?;
        let values = values
            .split(',')
            .map(|value| value.trim().to_owned())
            .collect();
        let (key, word) = head.trim().rsplit_once(char::is_whitespace)?;
        let key = name(key.trim())?;
        return match word {
            "in" => Some(Requirement::In(key, values)),
            "notin" => Some(Requirement::NotIn(key, values)),
            _ => None,
        };
    }
    if let Some((key, value)) = piece.split_once("!=") {
        return Some(Requirement::NotIn(
            name(key.trim())?,
            vec![value.trim().to_owned()],
        ));
    }
    if let Some((key, value)) = piece.split_once("==").or_else(|| piece.split_once('=')) {
        return Some(Requirement::In(
            name(key.trim())?,
            vec![value.trim().to_owned()],
        ));
    }
    if let Some((key, value)) = piece.split_once('>') {
        return Some(Requirement::Greater(
            name(key.trim())?,
            value.trim().parse().ok()?,
        ));
    }
    if let Some((key, value)) = piece.split_once('<') {
        return Some(Requirement::Less(
            name(key.trim())?,
            value.trim().parse().ok()?,
        ));
    }
    match piece.strip_prefix('!') {
        Some(key) => Some(Requirement::NotExists(name(key.trim())?)),
        None => Some(Requirement::Exists(name(piece)?)),
    }
}

fn name(text: &str) -> Option<String> {
    let is_name =
        |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.' | '/');
    (!text.is_empty() && text.chars().all(is_name)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let labels: BTreeMap<String, String> = [
            ("team", "risk"),
            ("app.kubernetes.io/tier", "web"),
            ("size", "3"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        for (text, want) in [
            ("", true),
            ("team=risk", true),
            ("team == risk , size=3", true),
            ("team=media", false),
            ("team!=media", true),
            ("absent!=x", true),
            ("team in (media, risk)", true),
            ("team notin (media,risk)", false),
            ("absent notin (x)", true),
            ("app.kubernetes.io/tier", true),
            ("!app.kubernetes.io/tier", false),
            ("!absent,size>2,size<4", true),
            ("size>3", false),
        ] {
            let selector = Selector::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(selector.matches(&labels), want, "{text}");
        }
        for text in [
            "=x",
            "a b",
            "team in risk",
            "team of (a)",
            "size>x",
            "in (a)",
        ] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
    }
}
