//! Requests to hosts that somebody else named: a values file, a remote base, a metric source.
//!
//! Whoever may write a manifest must not be able to read what only this machine can: services on its loopback
//! interface, and those that hand out the machine's own credentials. That is decided here, once: [`check`] looks at
//! what is written, [`lookup`] and [`Resolver`] at where names lead, and a connection goes only to addresses that were
//! looked at. [`read`] bounds an answer.
//!
//! Never here: what is asked for, redirects (each caller decides whether to follow one, and checks its address anew),
//! credentials.

mod address;
mod client;

pub use address::{Reach, Refusal, check, lookup};
pub use client::{ReadError, Resolver, builder, read, use_ring};
