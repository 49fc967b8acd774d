//! Commands, from arguments to output.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod crds;
mod rollout;
mod rollout_cluster;
