//! The vocabulary every crate shares: names, resource keys, revisions, secrets, error classes,
//! time, and the read-only file tree that renders read from.
//!
//! Layer 0: no input or output, no clock of its own, no environment. What a caller needs from the
//! outside world is handed in, as a [`Tree`], a [`Clock`] or a value.
//!
//! Reading order: [`name`], [`resource`], [`class`], [`secret`], [`safe_url`], [`clock`], [`tree`], [`trace`].

#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod class;
pub mod clock;
pub mod glob;
pub mod name;
pub mod resource;
pub mod safe_url;
pub mod secret;
pub mod trace;
pub mod tree;

pub use class::{Class, Classify};
pub use clock::Clock;
pub use glob::Glob;
pub use name::{AppKey, AppName, ClusterUrl, Namespace, ProjectName, RepoUrl, Revision};
pub use resource::{GroupKind, GroupVersionKind, ResourceKey};
pub use safe_url::SafeUrl;
pub use secret::Secret;
pub use trace::{Trace, TracedTree};
pub use tree::{MemoryTree, Tree, TreePath};
