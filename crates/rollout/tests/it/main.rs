//! Rollouts from beginning to end, in a simulated world.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod fit;
mod guard;
mod judgement;
mod machine;
mod property;
mod route;
mod statistics;
mod warmup;
