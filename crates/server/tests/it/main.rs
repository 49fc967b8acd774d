//! Routes over small in-memory services: what is asked, what is answered, and who may ask.

#![allow(clippy::panic, reason = "helpers of tests fail the test")]
#![allow(
    clippy::too_many_lines,
    clippy::items_after_statements,
    clippy::assigning_clones,
    reason = "tables and scenes read from top to bottom"
)]

mod applications;
mod canary;
mod listing;
mod permissions;
mod sessions;
mod streams;
mod transport;
mod world;
