//! How an object is doing, and an application as the sum of its objects.
//!
//! An object is judged in this order: deletion under way, the user's own rule ([`Rules`], [`script`]), the table of
//! rules for well-known kinds ([`rule`]), the built-in kinds (argocd-contract §5), the conventions that other
//! controllers follow. Kinds without any of these have no health, which is not a bad one.

mod aggregate;
mod builtin;
mod pod;
pub mod rule;
pub mod script;
mod standard;

use std::fmt;

use driftless_manifest::Object;

use crate::annotation::HOOK_FINALIZER;

pub use aggregate::{Item, ItemHealth, aggregate};

/// How something is doing, from best to worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Status {
    /// As wanted.
    Healthy,
    /// Paused on purpose.
    Suspended,
    /// On its way.
    Progressing,
    /// Not there.
    Missing,
    /// Failed, or unable to get where it should.
    Degraded,
    /// It cannot be told.
    Unknown,
}

impl Status {
    /// Returns the word used in status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Suspended => "Suspended",
            Self::Progressing => "Progressing",
            Self::Missing => "Missing",
            Self::Degraded => "Degraded",
            Self::Unknown => "Unknown",
        }
    }

    /// Reads the word used in status.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "Healthy" => Self::Healthy,
            "Suspended" => Self::Suspended,
            "Progressing" => Self::Progressing,
            "Missing" => Self::Missing,
            "Degraded" => Self::Degraded,
            "Unknown" => Self::Unknown,
            _ => return None,
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How something is doing, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Health {
    /// How.
    pub status: Status,
    /// Why; may be empty.
    pub message: String,
}

impl Health {
    /// Builds a health.
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    pub(crate) fn bare(status: Status) -> Self {
        Self::new(status, "")
    }
}

/// Rules of the user's own, which come before all others.
pub trait Rules {
    /// Judges an object; `None` when no rule speaks of it, `Some(None)` when a rule says it has no health.
    fn assess(&self, object: &Object) -> Option<Option<Health>>;
}

/// No rules of the user's own.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRules;

impl Rules for NoRules {
    fn assess(&self, _object: &Object) -> Option<Option<Health>> {
        None
    }
}

/// Judges a live object; `None` when its kind has no health.
pub fn assess(object: &Object, rules: &dyn Rules) -> Option<Health> {
    let held = || {
        object
            .finalizers()
            .any(|finalizer| finalizer == HOOK_FINALIZER)
    };
    if object.is_deleting() && !held() {
        return Some(Health::new(Status::Progressing, "Pending deletion"));
    }
    match rules.assess(object) {
        Some(answer) => answer,
        None => rule::assess(object)
            .or_else(|| builtin::assess(object))
            .or_else(|| standard::assess(object)),
    }
}

#[cfg(test)]
mod tests;
