//! Who is calling, and what they may do.
//!
//! Sessions and API tokens are the incumbent's (HS256, issuer `argocd`), so that existing tokens keep
//! working; access policies are its `policy.csv` language. This crate keeps no state in a cluster and
//! reads none: accounts, keys and policies are handed in as snapshots, and revoked tokens are handed
//! out to whoever persists them. It never decides *which* permission a call needs; that is the
//! handler's word.
//!
//! Reading order: [`account`], [`identity`], [`token`], [`session`], [`limit`], [`revocation`],
//! [`cookie`], [`password`], then [`policy`] and [`enforcer`].

pub mod account;
pub mod cookie;
pub mod enforcer;
pub mod identity;
pub mod limit;
pub mod password;
pub mod policy;
pub mod revocation;
pub mod session;
pub mod token;

pub use account::{Account, ApiToken, Capability};
pub use enforcer::{Bound, Decision, Enforcer, Scope};
pub use identity::Identity;
pub use session::{Config, Sessions, Verified};
