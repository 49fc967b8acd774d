//! Commands, from arguments to output.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crds;
mod rollout;
