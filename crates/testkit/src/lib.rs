//! The system-test harness: a real cluster, real Git servers and the real binary, behind sentences that read
//! `given().file(…).when().sync().then().expect(synced())`.
//!
//! Nothing here imitates anything. A part that is missing (devcluster, `git`, `sshd`) fails the test with one
//! line that says how to get it; no test is ever skipped for it. Nothing sleeps for a fixed time: an expectation
//! says *yes*, *not yet* or *never*, and is asked again until it answers or its deadline passes.
#![allow(clippy::panic, reason = "a test harness reports by panicking")]

pub mod admission;
pub mod cluster;
pub mod controller;
pub mod expect;
pub mod git;
pub mod kind;
pub mod kserve;
pub mod manifest;
pub mod process;
pub mod prometheus;
pub mod proxy;
pub mod scenario;

mod spawn;

pub use admission::{DefaultingWebhook, DenyingWebhook};
pub use cluster::Devcluster;
pub use controller::Controller;
pub use expect::{Expectation, Verdict};
pub use git::{GitRepo, HttpGit, SshGit};
pub use kind::Kind;
pub use kserve::{Knative, Kserve};
pub use process::{Driftless, Serve};
pub use prometheus::{MetricSource, Prometheus};
pub use proxy::ApiProxy;
pub use scenario::{Given, World, given};

use std::time::Duration;

/// How long an expectation may stay "not yet". Long, because test machines are busy: a wrong answer
/// is nearly always a *never*, which does not wait.
pub const DEADLINE: Duration = Duration::from_secs(180);

/// How often an expectation is asked again.
pub const POLL: Duration = Duration::from_millis(50);

/// Returns a short random suffix for names that live side by side.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{:06x}", rand::random::<u32>() & 0x00ff_ffff)
}
