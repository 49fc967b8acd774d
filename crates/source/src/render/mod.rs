//! From a tree to objects, with a record of what was read.
//!
//! [`SourceKind`] is the seam between kinds of sources: tree in, objects and diagnostics out; what was read is
//! recorded by the tree itself. [`Renderer`] chooses the kind, runs it off the async threads and reuses results
//! whose trace still holds.

mod directory;
mod error;
mod helm;
mod kind;
mod kustomize;
mod lookup;
mod options;
mod overrides;
mod refs;
mod rendered;
mod renderer;
mod request;
mod seen;
mod store;

pub use directory::PlainManifests;
pub use driftless_manifest::Object;
pub use error::Error;
pub use helm::{Facts, HelmCharts};
pub use kind::{Ctx, Output, SourceKind, Unsupported};
pub use kustomize::{Kustomizations, LocalCharts};
pub use lookup::{FETCHED, LOOKUP, LookupTree, ObjectName, Objects, fetched_name};
use lookup::{fetched_path, lookup_path};
pub use options::Options;
pub use refs::{RefTree, ref_name};
pub use rendered::{Diagnostic, Rendered, SetDigest, Severity};
pub use renderer::Renderer;
pub use request::{CacheUse, Directory, Enabled, Request, Source, SourceType};
pub use seen::Seen;

#[cfg(test)]
mod tests;
