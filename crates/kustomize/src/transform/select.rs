//! Which objects a patch or a replacement is for: patterns for names and kinds, label selectors.

use std::collections::BTreeMap;

use regex::Regex;

use crate::error::{Error, Result};
use crate::id::{Gvk, ResId};
use crate::kustomization::Selector;
use crate::pattern;
use crate::resource::Resource;
use crate::set::Set;

/// A selector with its patterns compiled.
pub(crate) struct Patterns {
    group: Option<Regex>,
    version: Option<Regex>,
    kind: Option<Regex>,
    name: Option<Regex>,
    namespace: Option<Regex>,
    /// Whether no pattern was given.
    pub(crate) is_empty: bool,
}

fn compile(pattern: &str) -> Result<Option<Regex>> {
    if pattern.is_empty() {
        return Ok(None);
    }
    pattern::compile(&format!("^(?:{pattern})$")).map(Some)
}

fn fits(pattern: Option<&Regex>, text: &str) -> bool {
    pattern.is_none_or(|pattern| pattern.is_match(text))
}

impl Patterns {
    pub(crate) fn new(id: &ResId) -> Result<Self> {
        Ok(Self {
            group: compile(&id.gvk.group)?,
            version: compile(&id.gvk.version)?,
            kind: compile(&id.gvk.kind)?,
            name: compile(&id.name)?,
            namespace: compile(&id.namespace)?,
            is_empty: *id == ResId::default(),
        })
    }

    pub(crate) fn fits_gvk(&self, gvk: &Gvk) -> bool {
        fits(self.group.as_ref(), &gvk.group)
            && fits(self.version.as_ref(), &gvk.version)
            && fits(self.kind.as_ref(), &gvk.kind)
    }

    pub(crate) fn fits_name(&self, name: &str) -> bool {
        fits(self.name.as_ref(), name)
    }

    pub(crate) fn fits_namespace(&self, namespace: &str) -> bool {
        fits(self.namespace.as_ref(), namespace)
    }

    /// Says whether an identity fits, with its namespace as it is written.
    pub(crate) fn fits_id(&self, id: &ResId) -> bool {
        self.fits_gvk(&id.gvk) && self.fits_name(&id.name) && self.fits_namespace(&id.namespace)
    }
}

/// Returns the places of the objects a selector means.
pub(crate) fn select(set: &Set, selector: &Selector) -> Result<Vec<usize>> {
    let patterns = Patterns::new(&selector.id)?;
    let labels = Requirements::parse(&selector.labels)?;
    let annotations = Requirements::parse(&selector.annotations)?;
    let mut found = Vec::new();
    for (at, resource) in set.list.iter().enumerate() {
        let id = resource.id();
        let original = resource.original_id();
        let fits = (patterns.fits_namespace(original.effective_namespace())
            || patterns.fits_namespace(id.effective_namespace()))
            && (patterns.fits_name(&original.name) || patterns.fits_name(&id.name))
            && patterns.fits_gvk(&id.gvk)
            && labels.fit_labels(resource)
            && annotations.fit_annotations(resource);
        if fits {
            found.push(at);
        }
    }
    Ok(found)
}

/// A label selector.
#[derive(Debug, Default)]
pub(crate) struct Requirements(Vec<Requirement>);

#[derive(Debug)]
struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    Greater,
    Less,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Token {
    End,
    Close,
    Comma,
    Not,
    Equals,
    NotEquals,
    Greater,
    Less,
    Open,
    In,
    NotIn,
    Word,
    Unknown,
}

impl Requirements {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut parser = Parser {
            tokens: scan(text),
            at: 0,
        };
        parser.all()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn fit_labels(&self, resource: &Resource) -> bool {
        self.is_empty() || self.fit(&resource.labels())
    }

    pub(crate) fn fit_annotations(&self, resource: &Resource) -> bool {
        self.is_empty() || self.fit(&resource.annotations())
    }

    fn fit(&self, entries: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|one| {
            let value = entries.get(&one.key);
            let number = |text: &String| text.parse::<i64>().ok();
            let limit = one.values.first().and_then(number);
            match (one.operator, value) {
                (Operator::In, value) => value.is_some_and(|value| one.values.contains(value)),
                (Operator::NotIn, value) => value.is_none_or(|value| !one.values.contains(value)),
                (Operator::Exists, value) => value.is_some(),
                (Operator::DoesNotExist, value) => value.is_none(),
                (Operator::Greater, value) => value.and_then(number) > limit,
                (Operator::Less, value) => value
                    .and_then(number)
                    .is_some_and(|value| Some(value) < limit),
            }
        })
    }
}

fn is_special(character: char) -> bool {
    matches!(character, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

fn scan(text: &str) -> Vec<(Token, String)> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start_matches([' ', '\t', '\r', '\n']);
    while let Some(first) = rest.chars().next() {
        let length = if is_special(first) {
            let two = rest.get(..2).unwrap_or_default();
            if matches!(two, "==" | "!=") { 2 } else { 1 }
        } else {
            rest.find(|c: char| is_special(c) || c.is_ascii_whitespace())
                .unwrap_or(rest.len())
        };
        let (word, tail) = rest.split_at_checked(length).unwrap_or((rest, ""));
        let token = match word {
            ")" => Token::Close,
            "," => Token::Comma,
            "!" => Token::Not,
            "==" | "=" => Token::Equals,
            ">" => Token::Greater,
            "<" => Token::Less,
            "!=" => Token::NotEquals,
            "(" => Token::Open,
            "in" => Token::In,
            "notin" => Token::NotIn,
            word if word.starts_with(is_special) => Token::Unknown,
            _ => Token::Word,
        };
        tokens.push((token, word.to_owned()));
        rest = tail.trim_start_matches([' ', '\t', '\r', '\n']);
    }
    tokens.push((Token::End, String::new()));
    tokens
}

struct Parser {
    tokens: Vec<(Token, String)>,
    at: usize,
}

impl Parser {
    /// Returns the next token; where values are expected, `in` and `notin` are words.
    fn peek(&self) -> (Token, String) {
        match self.tokens.get(self.at) {
            Some((Token::In | Token::NotIn, text)) => (Token::Word, text.clone()),
            Some(token) => token.clone(),
            None => (Token::End, String::new()),
        }
    }

    fn next(&mut self) -> (Token, String) {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn operator(&mut self) -> (Token, String) {
        self.at += 1;
        self.tokens
            .get(self.at - 1)
            .cloned()
            .unwrap_or((Token::End, String::new()))
    }

    fn all(&mut self) -> Result<Requirements> {
        let mut all = Vec::new();
        loop {
            match self.peek() {
                (Token::Word | Token::Not, _) => {
                    let one = self
                        .one()
                        .map_err(|error| error.context("unable to parse requirement"))?;
                    all.push(one);
                    match self.next() {
                        (Token::End, _) => break,
                        (Token::Comma, _) => {
                            let (token, text) = self.peek();
                            if !matches!(token, Token::Word | Token::Not) {
                                return Err(Error::new(format!(
                                    "found '{text}', expected: identifier after ','"
                                )));
                            }
                        }
                        (_, text) => {
                            return Err(Error::new(format!(
                                "found '{text}', expected: ',' or 'end of string'"
                            )));
                        }
                    }
                }
                (Token::End, _) => break,
                (_, text) => {
                    return Err(Error::new(format!(
                        "found '{text}', expected: !, identifier, or 'end of string'"
                    )));
                }
            }
        }
        Ok(Requirements(all))
    }

    fn one(&mut self) -> Result<Requirement> {
        let mut negated = false;
        let (mut token, mut key) = self.next();
        if token == Token::Not {
            negated = true;
            (token, key) = self.next();
        }
        if token != Token::Word {
            return Err(Error::new(format!("found '{key}', expected: identifier")));
        }
        let requirement = |operator, values| Requirement {
            key: key.clone(),
            operator,
            values,
        };
        if negated {
            return Ok(requirement(Operator::DoesNotExist, Vec::new()));
        }
        if matches!(self.peek().0, Token::End | Token::Comma) {
            return Ok(requirement(Operator::Exists, Vec::new()));
        }
        let (token, text) = self.operator();
        let operator = match token {
            Token::In | Token::Equals => Operator::In,
            Token::NotIn | Token::NotEquals => Operator::NotIn,
            Token::Greater => Operator::Greater,
            Token::Less => Operator::Less,
            _ => {
                return Err(Error::new(format!(
                    "found '{text}', expected: '=', '!=', '==', 'in', notin'"
                )));
            }
        };
        let values = if matches!(token, Token::In | Token::NotIn) {
            self.values()?
        } else {
            vec![self.exact()?]
        };
        if matches!(operator, Operator::Greater | Operator::Less)
            && values.iter().any(|value| value.parse::<i64>().is_err())
        {
            return Err(Error::new(
                "for 'Gt', 'Lt' operators, the value must be an integer",
            ));
        }
        Ok(requirement(operator, values))
    }

    fn exact(&mut self) -> Result<String> {
        if matches!(self.peek().0, Token::End | Token::Comma) {
            return Ok(String::new());
        }
        match self.next() {
            (Token::Word, text) => Ok(text),
            (_, text) => Err(Error::new(format!("found '{text}', expected: identifier"))),
        }
    }

    fn values(&mut self) -> Result<Vec<String>> {
        let (token, text) = self.next();
        if token != Token::Open {
            return Err(Error::new(format!("found '{text}' expected: '('")));
        }
        let mut values = Vec::new();
        let mut expects = true;
        loop {
            match self.next() {
                (Token::Word, text) => {
                    values.push(text);
                    expects = false;
                    let (token, text) = self.peek();
                    if !matches!(token, Token::Comma | Token::Close) {
                        return Err(Error::new(format!("found '{text}', expected: ',' or ')'")));
                    }
                }
                (Token::Comma, _) => {
                    if expects {
                        values.push(String::new());
                    }
                    expects = true;
                }
                (Token::Close, _) => {
                    if expects {
                        values.push(String::new());
                    }
                    return Ok(values);
                }
                (_, text) => {
                    return Err(Error::new(format!(
                        "found '{text}', expected: ',', or identifier"
                    )));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Requirements;

    #[test]
    fn label_selectors() {
        let labels: BTreeMap<String, String> = [("app", "web"), ("tier", "3")]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        for (text, want) in [
            ("", true),
            ("app=web", true),
            ("app==web,tier", true),
            ("app!=web", false),
            ("app in (api, web)", true),
            ("app notin (web)", false),
            ("!app", false),
            ("!other", true),
            ("tier>2", true),
            ("tier<3", false),
            ("other!=x", true),
        ] {
            assert_eq!(
                Requirements::parse(text).unwrap().fit(&labels),
                want,
                "{text}"
            );
        }
        for bad in ["=", "app=web,,", "app in web", "app=(", "a b"] {
            assert!(Requirements::parse(bad).is_err(), "{bad}");
        }
    }
}
