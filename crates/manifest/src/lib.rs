//! A Kubernetes object as a value, and what can be done with such values without a cluster.
//!
//! - [`object`]: a validated object over a JSON mapping, its identity and its metadata.
//! - [`pointer`]: JSON pointers (RFC 6901), and the removal of what they point at.
//! - [`merge_patch`]: JSON merge patches (RFC 7386), made and applied.
//! - [`quantity`] and [`duration`]: the canonical forms the API server stores.
//! - [`fields`]: field ownership as `metadata.managedFields` records it (FieldsV1).
//! - [`schema`]: the shape of built-in kinds: field types, list merge keys, atomic parts.
//! - [`merge`]: the structural three-way merge that client-side apply performs.
//!
//! Layer 0: nothing here reads a file, a clock or the network. Values are `serde_json` values; how text
//! becomes such a value is the `yaml` crate's matter.

#![warn(clippy::disallowed_methods, clippy::disallowed_types)]
#![cfg_attr(
    test,
    allow(
        clippy::needless_pass_by_value,
        reason = "`json!` arguments read better"
    )
)]

pub mod duration;
pub mod fields;
pub mod merge;
pub mod merge_patch;
pub mod object;
pub mod pointer;
pub mod quantity;
pub mod schema;

pub use object::{Object, OwnerReference, flatten};
