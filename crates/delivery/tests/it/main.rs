//! Against a real cluster: `DRIFTLESS_DEVCLUSTER` names the program that starts one (default
//! `target/tools/devcluster`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of a test fail by panicking"
)]

mod canary;
mod crash;
mod dev;
mod experiment;
mod faults;
mod figures;
mod kinds;
mod kserve;
mod llm;
mod seldon;
mod serverless;
