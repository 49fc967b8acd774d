//! The API: REST, streams, webhooks, metrics and the embedded UI, on one router.
//!
//! Each operation is one handler, an async function from a [`Ctx`] and a request to a response or an
//! [`ApiError`]; authorisation is inside it. What binds handlers to HTTP stands beside them in
//! [`routes`], so that other transports can call the same handlers. Lists are paged, sorted and
//! filtered here ([`index`]); streams carry deltas and never queue without end.
//!
//! This crate keeps no state that matters: Applications live in Kubernetes, and what is remembered
//! here is derived from a watch. It never writes to a destination cluster except through the apply
//! choke point behind [`deps::Destination`].
//!
//! Reading order: [`deps`], [`error`], [`ctx`], [`router`], [`routes`], [`index`], [`transport`].

pub mod adapter;
pub mod ctx;
pub mod deps;
pub mod error;
pub mod index;
pub mod json_patch;
pub mod mask;
pub mod metrics;
pub mod projection;
pub mod router;
pub mod routes;
pub mod transport;
mod ui;

pub use ctx::Ctx;
pub use deps::Deps;
pub use error::{ApiError, Code};
pub use router::{Server, app};
