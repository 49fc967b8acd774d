//! Pushes announced by Git hosts (argocd-contract §6.10).
//!
//! The body comes from anyone: it is bounded before it is read, verified before it is parsed, and nothing in it
//! can make a parser panic. Each provider is a module; [`parse`] chooses by the headers.

mod github;

use driftless_core::{Class, Classify, Secret};
use http::HeaderMap;

/// Largest accepted body, `webhook.maxPayloadSizeMB`.
pub const DEFAULT_MAX_BODY: usize = 50 << 20;

/// What authenticates each provider; `None` accepts unsigned payloads, as Argo CD does.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// `webhook.github.secret`.
    pub github: Option<Secret<String>>,
}

/// One ref of one repository was pushed to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pushed {
    /// Addresses under which the repository may be configured; compare with
    /// [`crate::repository::same_repository`].
    pub urls: Vec<String>,
    /// Full ref name, such as `refs/heads/main`.
    pub reference: String,
    /// Commit before; empty when the ref is new.
    pub before: String,
    /// Commit after; empty when the ref was deleted.
    pub after: String,
    /// Whether the ref is the repository's default branch.
    pub is_default_branch: bool,
    /// Files that changed; `None` when the payload does not say (all of it).
    pub changed_files: Option<Vec<String>>,
}

/// Why a payload is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// No provider is known to send these headers.
    #[error("unknown webhook event")]
    UnknownProvider,
    /// The body is too large.
    #[error("webhook payload has more than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The signature is missing or wrong.
    #[error("{provider} webhook: signature verification failed")]
    Signature {
        /// The provider.
        provider: &'static str,
    },
    /// The body is not what the provider sends.
    #[error("{provider} webhook: {problem}")]
    Malformed {
        /// The provider.
        provider: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Signature { .. } => Class::Denied,
            _ => Class::User,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::UnknownProvider => "UnknownWebhook",
            Self::TooLarge { .. } => "WebhookTooLarge",
            Self::Signature { .. } => "WebhookSignature",
            Self::Malformed { .. } => "WebhookMalformed",
        }
    }
}

/// Verifies and reads a payload of at most `max_body` bytes. An event that announces no push (a ping) is an empty
/// list.
pub fn parse(
    headers: &HeaderMap,
    body: &[u8],
    secrets: &Secrets,
    max_body: usize,
) -> Result<Vec<Pushed>, Error> {
    if body.len() > max_body {
        return Err(Error::TooLarge { limit: max_body });
    }
    if headers.contains_key("x-github-event") {
        return github::parse(headers, body, secrets.github.as_ref());
    }
    Err(Error::UnknownProvider)
}

#[cfg(test)]
mod tests;
