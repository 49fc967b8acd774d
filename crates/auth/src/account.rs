//! Local accounts (argocd-contract §7.3).

use std::collections::BTreeMap;

use driftless_core::Secret;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The longest user name that may log in, in bytes.
pub const MAX_NAME: usize = 32;

/// What an account may be used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Capability {
    /// A password session through the UI or the command line.
    Login,
    /// API tokens made for the account.
    ApiKey,
}

impl Capability {
    /// Returns the name used in `accounts.<name>` and in token subjects.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::ApiKey => "apiKey",
        }
    }

    /// Reads a name used in `accounts.<name>`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "login" => Some(Self::Login),
            "apiKey" => Some(Self::ApiKey),
            _ => None,
        }
    }
}

/// One API token of an account or of a project role. The token itself is never stored.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ApiToken {
    /// Identifier, the `jti` claim.
    #[serde(default)]
    pub id: String,
    /// Seconds since 1970 at which it was issued.
    #[serde(rename = "iat")]
    pub issued_at: i64,
    /// Seconds since 1970 at which it ends; zero or absent for never.
    #[serde(rename = "exp", default, skip_serializing_if = "is_zero")]
    pub expires_at: i64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature serde asks for"
)]
fn is_zero(value: &i64) -> bool {
    *value == 0
}

/// A local account.
#[derive(Clone, Debug)]
pub struct Account {
    /// Whether it may be used at all.
    pub enabled: bool,
    /// What it may be used for.
    pub capabilities: Vec<Capability>,
    /// Bcrypt hash of its password; `None` when no password was set.
    pub password_hash: Option<Secret<String>>,
    /// When the password was last set; sessions older than that are over.
    pub password_mtime: Option<Timestamp>,
    /// Its API tokens.
    pub tokens: Vec<ApiToken>,
}

impl Account {
    /// Says whether the account may be used for `capability`.
    pub fn has(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }
}

/// All local accounts, by name.
pub type Accounts = BTreeMap<String, Account>;
