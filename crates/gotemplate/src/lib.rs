//! Go's `text/template` with Go's and Sprig's functions: parse once, run over values, same bytes as Go.
//!
//! A run is a pure function of templates, data, functions and (for the random functions) a seed; it
//! ends within its [`Budget`]. Helm's own functions (`include`, `tpl`, `lookup`) live in the crate
//! `helm`, which adds them to a [`Registry`].
//!
//! Reading order: [`value`], [`parse`], [`exec`], [`registry`], `funcs` (a module per family).

#![warn(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(
    clippy::unnecessary_wraps,
    reason = "functions of templates share one signature, whether they can fail or not"
)]
#![allow(
    clippy::unnecessary_box_returns,
    reason = "errors are large and rare, and passed on boxed"
)]
#![allow(
    clippy::format_push_string,
    reason = "plainer than writing with a result that cannot fail"
)]
#![allow(clippy::float_cmp, reason = "Go compares floats exactly")]

pub mod bytes;
pub mod data;
pub mod error;
pub mod exec;
pub mod fmt;
pub mod funcs;
pub mod object;
pub mod outside;
pub mod parse;
pub mod quote;
pub mod registry;
pub mod value;

pub use error::{Cause, ExecError, Fault};
pub use exec::{Budget, Exec, TemplateSet};
pub use funcs::Time;
pub use object::Object;
pub use outside::{Outside, Seed, Wanted};
pub use parse::{ParseError, Template};
pub use registry::{Func, Registry, Ty};
pub use value::{List, ListKind, Map, MapKind, Str, Value};
