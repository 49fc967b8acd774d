//! Access policies: the `policy.csv` language (argocd-contract §7.4).
//!
//! `p, subject, resource, action, object, allow|deny` and `g, subject, role`. A request is allowed when
//! some rule of the subject, or of a role it holds, allows it and none denies it.

mod builtin;
mod parse;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use driftless_core::glob::{self, Glob};
use regex::Regex;

pub use self::builtin::builtin;

/// Deepest chain of roles that is followed.
const MAX_DEPTH: usize = 10;

/// How resource, action and object of a rule are compared (`policy.matchMode`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MatchMode {
    /// Wildcards, without a separator.
    #[default]
    Glob,
    /// Regular expressions, anywhere in the text.
    Regex,
}

impl MatchMode {
    /// Reads `policy.matchMode`; anything but `regex` is the default.
    pub fn from_name(name: &str) -> Self {
        if name == "regex" {
            Self::Regex
        } else {
            Self::Glob
        }
    }
}

/// Why a policy could not be read. The whole policy is refused: to skip a line might skip a `deny`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A line has another form.
    #[error("policy line {line}: {problem}: {text:?}")]
    Line {
        /// Line number, from 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
        /// The line.
        text: String,
    },
    /// A pattern cannot be read.
    #[error("policy line {line}: read a pattern")]
    Glob {
        /// Line number, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: glob::Error,
    },
    /// A regular expression cannot be read.
    #[error("policy line {line}: read a regular expression")]
    Regex {
        /// Line number, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: Box<regex::Error>,
    },
}

/// Whether a matching rule gives or takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Gives.
    Allow,
    /// Takes, whatever others give.
    Deny,
}

#[derive(Clone, Debug)]
enum Pattern {
    Glob { glob: Glob, text: Arc<str> },
    Regex(Regex),
}

impl Pattern {
    fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Glob { glob, .. } => glob.matches(text),
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

/// One `p` line.
#[derive(Debug)]
pub struct Rule {
    subject: Arc<str>,
    resource: Pattern,
    action: Pattern,
    object: Pattern,
    effect: Effect,
}

impl Rule {
    /// Says whether the rule speaks about this action on this kind of thing.
    pub fn concerns(&self, resource: &str, action: &str) -> bool {
        self.resource.is_match(resource) && self.action.is_match(action)
    }

    /// Says whether the rule speaks about this thing.
    pub fn covers(&self, object: &str) -> bool {
        self.object.is_match(object)
    }

    /// Says whether the rule covers every object of a project (`<project>/…`).
    pub fn covers_all_in_projects(&self) -> bool {
        match &self.object {
            Pattern::Glob { text, .. } => matches!(&**text, "*" | "**" | "*/*" | "**/**"),
            Pattern::Regex(regex) => {
                matches!(regex.as_str(), ".*" | "^.*$" | ".*/.*" | "^.*/.*$" | "")
            }
        }
    }

    /// Returns what the rule does when it matches.
    pub fn effect(&self) -> Effect {
        self.effect
    }
}

/// Parsed rules and role bindings.
#[derive(Debug, Default)]
pub struct Policy {
    rules: HashMap<Arc<str>, Vec<Arc<Rule>>>,
    roles: HashMap<Arc<str>, Vec<Arc<str>>>,
    has_deny: bool,
}

impl Policy {
    /// Adds the lines of `text`.
    pub fn extend_from_csv(&mut self, text: &str, mode: MatchMode) -> Result<(), Error> {
        for (number, line) in text.lines().enumerate() {
            if let Some(entry) = parse::line(line, number + 1, mode)? {
                self.push(entry);
            }
        }
        Ok(())
    }

    /// Parses the lines of `text`.
    pub fn from_csv(text: &str, mode: MatchMode) -> Result<Self, Error> {
        let mut policy = Self::default();
        policy.extend_from_csv(text, mode)?;
        Ok(policy)
    }

    fn push(&mut self, entry: parse::Entry) {
        match entry {
            parse::Entry::Rule(rule) => {
                self.has_deny |= rule.effect == Effect::Deny;
                self.rules
                    .entry(Arc::clone(&rule.subject))
                    .or_default()
                    .push(Arc::new(rule));
            }
            parse::Entry::Role { subject, role } => {
                self.roles.entry(subject).or_default().push(role);
            }
        }
    }

    /// Says whether any rule denies.
    pub fn has_deny(&self) -> bool {
        self.has_deny
    }

    /// Returns the rules of one subject, without its roles'.
    pub fn rules_of(&self, subject: &str) -> &[Arc<Rule>] {
        self.rules.get(subject).map_or(&[], Vec::as_slice)
    }
}

/// Returns `subject` and every role it holds through any of `policies`.
pub fn reachable(subject: &str, policies: &[&Policy]) -> BTreeSet<Arc<str>> {
    let mut seen: BTreeSet<Arc<str>> = BTreeSet::from([Arc::from(subject)]);
    let mut edge: Vec<Arc<str>> = vec![Arc::from(subject)];
    for _ in 0..MAX_DEPTH {
        let mut next = Vec::new();
        for holder in &edge {
            let roles = policies
                .iter()
                .filter_map(|policy| policy.roles.get(holder))
                .flatten();
            next.extend(roles.filter(|role| seen.insert(Arc::clone(role))).cloned());
        }
        if next.is_empty() {
            break;
        }
        edge = next;
    }
    seen
}
