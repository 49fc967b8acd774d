//! Metric sources that are asked for real: Prometheus, HTTP servers on loopback, and a cluster.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of a test fail by panicking"
)]

mod guard;
mod hosted;
mod job;
mod prometheus;
mod setup;
mod templates;
mod web;
