//! Glob patterns as AppProjects, RBAC policies and settings use them (the dialect of `gobwas/glob`).
//!
//! `*` any run of characters but separators, `**` any run, `?` one character but a separator, `[abc]`, `[a-z]`,
//! `[!abc]` classes, `{a,b}` alternatives (nestable), `\` escapes. Matching takes time proportional to the product
//! of pattern and text at the worst: a hostile pattern cannot stall a caller.

use std::sync::Arc;

/// A pattern that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// A bracket or brace is not closed, or an escape ends the pattern.
    #[error("glob {pattern:?} is not complete: a '[', '{{' or '\\' is left open")]
    Incomplete {
        /// The pattern as given.
        pattern: String,
    },
    /// More alternatives than any sane pattern has.
    #[error("glob {pattern:?} expands to more than {limit} alternatives")]
    TooManyAlternatives {
        /// The pattern as given.
        pattern: String,
        /// The largest accepted number.
        limit: usize,
    },
}

const MAX_ALTERNATIVES: usize = 1024;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Glob {
    alternatives: Arc<[Vec<Token>]>,
    separator: Option<char>,
}

#[derive(Clone, PartialEq, Debug)]
enum Token {
    Literal(char),
    One,
    Run,
    RunWithSeparators,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Glob {
    /// Compiles a pattern in which `*` and `?` do not match `separator`; with `None` they match anything.
    pub fn new(pattern: &str, separator: Option<char>) -> Result<Self, Error> {
        let characters: Vec<char> = pattern.chars().collect();
        let mut parser = Parser {
            characters: &characters,
            at: 0,
            pattern,
        };
        let alternatives = parser.sequence(false)?;
        Ok(Self {
            alternatives: alternatives.into(),
            separator,
        })
    }

    /// Says whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        self.alternatives
            .iter()
            .any(|tokens| matches_tokens(tokens, &text, self.separator))
    }
}

struct Parser<'a> {
    characters: &'a [char],
    at: usize,
    pattern: &'a str,
}

impl Parser<'_> {
    fn incomplete(&self) -> Error {
        Error::Incomplete {
            pattern: self.pattern.to_owned(),
        }
    }

    fn take(&mut self) -> Option<char> {
        let character = self.characters.get(self.at).copied();
        self.at += usize::from(character.is_some());
        character
    }

    /// Reads up to the end, or to the `,` or `}` that ends an alternative (which is left to the caller).
    fn sequence(&mut self, in_braces: bool) -> Result<Vec<Vec<Token>>, Error> {
        let mut done: Vec<Vec<Token>> = vec![Vec::new()];
        while let Some(&character) = self.characters.get(self.at) {
            if in_braces && matches!(character, ',' | '}') {
                return Ok(done);
            }
            self.at += 1;
            let token = match character {
                '\\' => Token::Literal(self.take().ok_or_else(|| self.incomplete())?),
                '?' => Token::One,
                '[' => self.class()?,
                '*' if self.characters.get(self.at) == Some(&'*') => {
                    self.at += 1;
                    Token::RunWithSeparators
                }
                '*' => Token::Run,
                '{' => {
                    done = self.braces(&done)?;
                    continue;
                }
                other => Token::Literal(other),
            };
            for tokens in &mut done {
                tokens.push(token.clone());
            }
        }
        if in_braces {
            Err(self.incomplete())
        } else {
            Ok(done)
        }
    }

    fn braces(&mut self, before: &[Vec<Token>]) -> Result<Vec<Vec<Token>>, Error> {
        let mut options = Vec::new();
        loop {
            options.extend(self.sequence(true)?);
            match self.take() {
                Some(',') => {}
                Some('}') => break,
                _ => return Err(self.incomplete()),
            }
        }
        if before.len().saturating_mul(options.len()) > MAX_ALTERNATIVES {
            return Err(Error::TooManyAlternatives {
                pattern: self.pattern.to_owned(),
                limit: MAX_ALTERNATIVES,
            });
        }
        Ok(before
            .iter()
            .flat_map(|head| {
                options
                    .iter()
                    .map(move |tail| [head.as_slice(), tail].concat())
            })
            .collect())
    }

    fn class(&mut self) -> Result<Token, Error> {
        let negated = matches!(self.characters.get(self.at), Some('!' | '^'));
        self.at += usize::from(negated);
        let mut ranges = Vec::new();
        loop {
            let mut from = self.take().ok_or_else(|| self.incomplete())?;
            if from == ']' && !ranges.is_empty() {
                return Ok(Token::Class { negated, ranges });
            }
            if from == '\\' {
                from = self.take().ok_or_else(|| self.incomplete())?;
            }
            let is_range = self.characters.get(self.at) == Some(&'-')
                && self
                    .characters
                    .get(self.at + 1)
                    .is_some_and(|next| *next != ']');
            if is_range {
                self.at += 1;
                let to = self.take().ok_or_else(|| self.incomplete())?;
                ranges.push((from, to));
            } else {
                ranges.push((from, from));
            }
        }
    }
}

/// Runs the pattern as a set of positions, so that stars never backtrack exponentially.
fn matches_tokens(tokens: &[Token], text: &[char], separator: Option<char>) -> bool {
    let mut reachable = vec![false; tokens.len() + 1];
    reachable[0] = true;
    skip_runs(tokens, &mut reachable);
    for &character in text {
        let mut next = vec![false; tokens.len() + 1];
        for (index, token) in tokens
            .iter()
            .enumerate()
            .filter(|(index, _)| reachable[*index])
        {
            match token {
                Token::Literal(literal) if *literal == character => next[index + 1] = true,
                Token::One if Some(character) != separator => next[index + 1] = true,
                Token::Run if Some(character) != separator => next[index] = true,
                Token::RunWithSeparators => next[index] = true,
                Token::Class { negated, ranges } => {
                    let inside = ranges
                        .iter()
                        .any(|(from, to)| (*from..=*to).contains(&character));
                    if inside != *negated {
                        next[index + 1] = true;
                    }
                }
                _ => {}
            }
        }
        skip_runs(tokens, &mut next);
        if !next.contains(&true) {
            return false;
        }
        reachable = next;
    }
    reachable[tokens.len()]
}

/// A star may match nothing: being before it is being behind it too.
fn skip_runs(tokens: &[Token], reachable: &mut [bool]) {
    for (index, token) in tokens.iter().enumerate() {
        if reachable[index] && matches!(token, Token::Run | Token::RunWithSeparators) {
            reachable[index + 1] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Glob};

    fn matches(pattern: &str, text: &str) -> bool {
        Glob::new(pattern, Some('/')).unwrap().matches(text)
    }

    #[test]
    fn stars_respect_separators_and_double_stars_do_not() {
        assert!(matches(
            "https://git.example/team/*",
            "https://git.example/team/app"
        ));
        assert!(!matches(
            "https://git.example/team/*",
            "https://git.example/team/app/deep"
        ));
        assert!(matches(
            "https://git.example/**",
            "https://git.example/team/app/deep"
        ));
        assert!(matches("*", ""));
        assert!(Glob::new("*", None).unwrap().matches("a/b"));
    }

    #[test]
    fn classes_alternatives_and_escapes() {
        assert!(matches("team-[a-c]?", "team-b1"));
        assert!(!matches("team-[!a-c]", "team-b"));
        assert!(matches("{dev,test-{a,b}}-x", "test-b-x"));
        assert!(!matches("{dev,test}", "prod"));
        assert!(matches(r"a\*b", "a*b"));
        assert!(!matches(r"a\*b", "axb"));
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for pattern in ["[abc", "{a,b", "a\\"] {
            assert!(
                matches!(Glob::new(pattern, None), Err(Error::Incomplete { .. })),
                "{pattern}"
            );
        }
        let bomb = "{a,b}".repeat(20);
        assert!(matches!(
            Glob::new(&bomb, None),
            Err(Error::TooManyAlternatives { .. })
        ));
    }

    #[test]
    fn hostile_stars_stay_linear() {
        let glob = Glob::new(&"*a".repeat(200), None).unwrap();
        assert!(!glob.matches(&"a".repeat(150)));
    }
}
