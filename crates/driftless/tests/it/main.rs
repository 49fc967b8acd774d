//! The whole binary on a real cluster with real Git: one theme per file, one behaviour per test.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests report by panicking, too"
)]

mod argo_rollouts;
mod automation;
mod bad_input;
mod calamity;
mod calls;
mod crash;
mod deletion;
mod diff;
mod directory;
mod faults;
mod git;
mod health;
mod helm;
mod hooks;
mod kinds;
mod kustomize;
mod lifecycle;
mod noise;
mod options;
mod project;
mod refresh;
mod rollback;
mod rollout;
mod rollout_commands;
mod status;
mod sync;

use driftless_testkit::{Devcluster, Given};

/// The binary under test.
const BINARY: &str = env!("CARGO_BIN_EXE_driftless");

/// Begins a story about the binary under test.
fn given(name: &str) -> Given {
    driftless_testkit::given(BINARY, name)
}

/// A cluster that tests may break, apart from the one that the others share. Its users take turns.
async fn breakable_cluster() -> (&'static Devcluster, tokio::sync::MutexGuard<'static, ()>) {
    static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    static CLUSTER: std::sync::OnceLock<Devcluster> = std::sync::OnceLock::new();
    let turn = TURN.lock().await;
    (
        CLUSTER.get_or_init(|| Devcluster::start("breakable", &[])),
        turn,
    )
}
