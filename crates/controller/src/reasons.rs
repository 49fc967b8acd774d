//! Why an application needs a pass; merged while it waits.

use std::collections::BTreeSet;

use crate::queue::Merge;

/// How new Git's answer must be for this pass (argocd-contract §3.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Level {
    /// The last answer will do: something in the cluster changed.
    #[default]
    Cached,
    /// Ask Git: somebody requested a refresh.
    Latest,
    /// Ask Git and render anew: somebody requested a hard refresh.
    Hard,
}

/// The reasons of one pass.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reasons {
    /// How new Git's answer must be.
    pub level: Level,
    /// Names of what happened, for the log.
    pub causes: BTreeSet<&'static str>,
}

impl Reasons {
    /// One cause at the lowest level.
    pub fn of(cause: &'static str) -> Self {
        Self {
            level: Level::Cached,
            causes: BTreeSet::from([cause]),
        }
    }
}

impl Merge for Reasons {
    fn merge(&mut self, other: Self) {
        self.level = self.level.max(other.level);
        self.causes.extend(other.causes);
    }
}

impl Reasons {
    /// Says whether nothing but Git can have changed, so that what is known of the cluster still holds.
    pub fn is_only_about_git(&self) -> bool {
        !self.causes.is_empty() && self.causes.iter().all(|cause| cause.starts_with("ref-"))
    }
}
