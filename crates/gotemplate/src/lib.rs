//! Go's `text/template` with Go's and Sprig's functions: parse once, run over values, same bytes as Go.
//!
//! A run is a pure function of templates, data, functions and (for the random functions) a seed; it
//! ends within its [`Budget`]. Helm's own functions (`include`, `tpl`, `lookup`) live in the crate
//! `helm`, which adds them to a [`Registry`].
//!
//! Reading order: [`value`], [`parse`], [`exec`], [`registry`], `funcs` (a module per family).

#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod bytes;
pub mod data;
pub mod error;
pub mod exec;
pub mod fmt;
pub mod funcs;
pub mod object;
pub mod parse;
pub mod quote;
pub mod registry;
pub mod value;

pub use error::{Cause, ExecError, Fault};
pub use exec::{Budget, Exec, TemplateSet};
pub use object::Object;
pub use parse::{ParseError, Template};
pub use registry::{Func, Registry, Ty};
pub use value::{List, ListKind, Map, MapKind, Str, Value};
