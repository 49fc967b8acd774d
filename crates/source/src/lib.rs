//! Where desired state comes from: Git repositories read without a checkout, rendered with a trace of what was
//! read, cached by that trace, and the pushes that announce changes.
//!
//! A caller goes through three steps: [`Git::resolve`] turns what a user wrote into a commit, [`Git::tree`] opens
//! that commit as a read-only tree, [`Renderer::render`] turns the tree into objects (or finds that nothing it
//! depends on has changed). [`Git::track`] and [`Git::watch`] tell when a followed ref moves.
//!
//! Never here: clusters, Applications, projects. Nothing in a repository is ever executed, no user string reaches a
//! shell, and "could not read" is never an empty answer.
//!
//! Reading order: [`repository`], [`target`], [`git`], [`remote`], [`render`], [`webhook`], [`metrics`].

pub mod fetch;
pub mod git;
pub mod metrics;
pub mod remote;
pub mod render;
pub mod repository;
pub mod semver;
pub mod target;
pub mod webhook;

pub use fetch::Fetcher;
pub use git::{Commit, CommitMetadata, Freshness, Git, LastKnown, RefEvent, RefMove, Tracked};
pub use metrics::Metrics;
pub use render::{Rendered, Renderer};
pub use repository::{Credentials, Repository, RepositoryId};
pub use target::Target;
