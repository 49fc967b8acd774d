//! Settings from objects as users write them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking; json! arguments read better by value"
)]

mod build;
mod cluster;
mod guard;
mod keys;
mod repository;
mod secrecy;
mod system;
