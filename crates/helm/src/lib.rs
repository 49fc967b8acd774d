//! Helm charts rendered in process: chart and values in, manifests out, byte for byte as Helm v4 does.
//!
//! A render is a pure function: files come from a [`driftless_core::Tree`] or an archive's bytes, nothing
//! is read from disk, network or environment. It ends within its limits, whatever the chart holds.
//!
//! Reading order: [`load`] (files → [`Chart`]), [`strvals`] and [`values`] (what the user set),
//! `dependency` (which subcharts take part), `engine` (templates), `manifest` (documents, hooks, order),
//! [`render`] (all of it).

#![warn(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(
    clippy::format_push_string,
    reason = "plainer than writing with a result that cannot fail"
)]
#![allow(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "Helm compares names of files as they are"
)]

mod capabilities;
mod chart;
mod dependency;
mod engine;
mod error;
mod files;
mod funcs;
mod ignore;
pub mod load;
mod manifest;
mod metadata;
mod render;
mod schema;
mod show;
pub mod strvals;
mod toml;
pub mod values;

pub use capabilities::{Asked, Capabilities, KubeVersion};
pub use chart::{Chart, File};
pub use dependency::version_fits;
pub use engine::Engine;
pub use error::Error;
pub use manifest::{Hook, Manifest, documents};
pub use metadata::{Dependency, Metadata};
pub use render::{Options, Release, Rendered, Show, release_name, render, render_within};
pub use schema::Schema;
pub use show::show_only;
