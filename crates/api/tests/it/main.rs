//! Objects as users write them, and the CRDs made from the types.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod crd;
mod guard;
mod memory;
mod rollout;
mod round_trip;
