//! The harness itself: each part is tried with the plain programs, without Driftless.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests report by panicking, too"
)]

mod admission;
mod cluster;
mod git;
