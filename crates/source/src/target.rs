//! What a user may write as `targetRevision` (argocd-contract §6.2).

use std::fmt;
use std::sync::Arc;

use driftless_core::{Class, Classify};
use gix_hash::ObjectId;

use crate::semver::{Constraint, Version};

/// Shortest accepted abbreviation of a commit.
const MIN_SHORT: usize = 7;

/// Why a revision cannot be asked for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// Text that no ref can have.
    #[error("revision {revision:?} is not valid: {problem}")]
    Invalid {
        /// The revision as given.
        revision: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A tag prefix needs a version constraint.
    #[error("tagPrefix is set, but revision {revision:?} is not a semver constraint")]
    PrefixWithoutConstraint {
        /// The revision as given.
        revision: String,
    },
}

impl Classify for Error {
    fn class(&self) -> Class {
        Class::User
    }

    fn reason(&self) -> &'static str {
        "InvalidRevision"
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Kind {
    Head,
    Commit(ObjectId),
    Constraint {
        constraint: Arc<Constraint>,
        prefix: Arc<str>,
    },
    Name,
}

/// A revision as a user wrote it, understood but not resolved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    text: Arc<str>,
    kind: Kind,
}

impl Target {
    /// Reads `targetRevision` and `tagPrefix` (empty for none).
    pub fn parse(revision: &str, tag_prefix: &str) -> Result<Self, Error> {
        let revision = revision.trim();
        let invalid = |problem| Error::Invalid {
            revision: revision.to_owned(),
            problem,
        };
        if revision.len() > 1024 || tag_prefix.len() > 1024 {
            return Err(invalid("it is too long"));
        }
        if revision.starts_with('-') {
            return Err(invalid("it starts with '-'"));
        }
        if revision.chars().any(char::is_control) {
            return Err(invalid("it holds control characters"));
        }
        let text = Arc::from(revision);
        let constraint = || match Version::parse(revision) {
            Some(_) => None,
            None => Constraint::parse(revision),
        };
        if !tag_prefix.is_empty() {
            let constraint = constraint().ok_or_else(|| Error::PrefixWithoutConstraint {
                revision: revision.to_owned(),
            })?;
            let kind = Kind::Constraint {
                constraint: constraint.into(),
                prefix: tag_prefix.into(),
            };
            return Ok(Self { text, kind });
        }
        let kind = if revision.is_empty() || revision == "HEAD" {
            Kind::Head
        } else if let Some(commit) = full_commit(revision) {
            Kind::Commit(commit)
        } else if let Some(constraint) = constraint() {
            Kind::Constraint {
                constraint: constraint.into(),
                prefix: "".into(),
            }
        } else {
            Kind::Name
        };
        Ok(Self { text, kind })
    }

    /// Returns the default branch.
    pub fn head() -> Self {
        Self {
            text: "HEAD".into(),
            kind: Kind::Head,
        }
    }

    /// Returns the text; `HEAD` for an empty one.
    pub fn as_str(&self) -> &str {
        if self.text.is_empty() {
            "HEAD"
        } else {
            &self.text
        }
    }

    /// Says whether the target can never move: a full commit.
    pub fn is_fixed(&self) -> bool {
        matches!(self.kind, Kind::Commit(_))
    }

    /// Returns the commit of a fixed target.
    pub(crate) fn commit(&self) -> Option<ObjectId> {
        match self.kind {
            Kind::Commit(commit) => Some(commit),
            _ => None,
        }
    }

    /// Returns the text when it may be an abbreviated commit.
    pub(crate) fn short_commit(&self) -> Option<&str> {
        let is_hex = (MIN_SHORT..40).contains(&self.text.len())
            && self.text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then_some(&*self.text)
    }

    /// Returns the constraint and tag prefix.
    pub(crate) fn constraint(&self) -> Option<(&Constraint, &str)> {
        match &self.kind {
            Kind::Constraint { constraint, prefix } => Some((constraint, prefix)),
            _ => None,
        }
    }

    /// Returns the full ref names to try, in order, when the target is a name.
    pub(crate) fn ref_names(&self) -> Vec<String> {
        match &self.kind {
            Kind::Head => vec!["HEAD".to_owned()],
            Kind::Commit(_) => Vec::new(),
            Kind::Constraint { prefix, .. } if !prefix.is_empty() => Vec::new(),
            Kind::Constraint { .. } | Kind::Name => {
                let name = &*self.text;
                let mut names = Vec::with_capacity(4);
                if name.starts_with("refs/") {
                    names.push(name.to_owned());
                }
                names.push(format!("refs/heads/{name}"));
                names.push(format!("refs/tags/{name}"));
                names
            }
        }
    }

    /// Returns a key that is equal exactly for equal targets.
    pub(crate) fn key(&self) -> String {
        match self.constraint() {
            Some((_, prefix)) => format!("{prefix}\0{}", self.as_str()),
            None => format!("\0{}", self.as_str()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads a full commit id.
pub(crate) fn full_commit(text: &str) -> Option<ObjectId> {
    if text.len() == 40 {
        ObjectId::from_hex(text.as_bytes()).ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn target(revision: &str) -> Target {
        Target::parse(revision, "").unwrap()
    }

    #[test]
    fn each_spelling_is_understood() {
        assert_eq!(target("").as_str(), "HEAD");
        assert_eq!(target("").ref_names(), ["HEAD"]);
        assert!(target(&"a".repeat(40)).is_fixed());
        assert_eq!(
            target("main").ref_names(),
            ["refs/heads/main", "refs/tags/main"]
        );
        assert_eq!(
            target("refs/pull/7/head").ref_names()[0],
            "refs/pull/7/head"
        );
        assert!(target("1.x").constraint().is_some());
        assert!(
            target("v1.2.3").constraint().is_none(),
            "an exact version is a tag"
        );
        assert!(target("1.2").constraint().is_none());
        assert_eq!(target("abcdef1").short_commit(), Some("abcdef1"));
        assert_eq!(target("abcdef").short_commit(), None);
    }

    #[test]
    fn hostile_and_senseless_revisions_are_refused() {
        assert!(Target::parse("--upload-pack=x", "").is_err());
        assert!(Target::parse("a\nb", "").is_err());
        assert!(matches!(
            Target::parse("main", "model-"),
            Err(Error::PrefixWithoutConstraint { .. })
        ));
        assert!(
            Target::parse("1.x", "model-")
                .unwrap()
                .constraint()
                .is_some()
        );
    }

    proptest! {
        #[test]
        fn reading_never_panics(revision in "\\PC{0,60}", prefix in "[a-z/-]{0,8}") {
            if let Ok(target) = Target::parse(&revision, &prefix) {
                let _ = (target.ref_names(), target.short_commit(), target.key());
            }
        }
    }
}
