//! The engine's corpus: text in, text out. `BLESS=1` rewrites what is wanted; review the difference.

#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests read their corpus and fail by panicking"
)]

mod corpus;
mod deletion;
mod diff;
mod sync;
mod sync_property;
mod world;
