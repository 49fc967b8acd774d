//! `make bench`: commit-to-applied and commit-to-Synced latency, the first sync of many applications from one
//! repository, one commit among them, idle cost and memory, beside the raw floor: the same objects applied by a bare
//! loop in the same run. Prints a table and writes JSON; judges nothing.

#![expect(clippy::print_stdout, reason = "the table is this program's output")]

mod large;
mod latency;
mod plan;
mod process;
mod report;
mod repository;
mod rollouts;
mod scale;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Parser;

use crate::process::{Cluster, Driftless};
use crate::report::Report;

/// Measures Driftless on a throw-away cluster.
#[derive(Parser, Debug)]
struct Args {
    /// The driftless binary.
    #[arg(long, default_value = "target/release/driftless")]
    driftless: PathBuf,
    /// The devcluster binary.
    #[arg(long, default_value = "target/tools/devcluster")]
    devcluster: PathBuf,
    /// Commits measured for the latency figures.
    #[arg(long, default_value_t = 20)]
    commits: usize,
    /// Applications of the scale figures.
    #[arg(long, default_value_t = 501)]
    apps: usize,
    /// Objects of each application.
    #[arg(long, default_value_t = 10)]
    objects: usize,
    /// Objects of the one application whose plan is measured.
    #[arg(long, default_value_t = 10_000)]
    plan_objects: usize,
    /// Measure that one application alone, on a cluster.
    #[arg(long)]
    only_large: bool,
    /// Rollouts that are on their way at once.
    #[arg(long, default_value_t = 2_000)]
    rollouts: usize,
    /// Seconds for which they are watched.
    #[arg(long, default_value_t = 300)]
    rollout_seconds: u64,
    /// Measure rollouts alone.
    #[arg(long)]
    only_rollouts: bool,
    /// Measure the pure parts alone, without a cluster.
    #[arg(long)]
    only_plan: bool,
    /// Seconds of the idle measurement.
    #[arg(long, default_value_t = 60)]
    idle_seconds: u64,
    /// Where the JSON goes.
    #[arg(long, default_value = "bench/results")]
    results: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let folder = tempfile::tempdir().context("making a temporary folder")?;
    let mut report = Report::new();
    if args.only_rollouts {
        many_rollouts(&args, folder.path(), &mut report).await?;
        print!("{}", report.to_table());
        return Ok(());
    }
    plan::measure(args.plan_objects, &mut report)?;
    if args.only_plan {
        print!("{}", report.to_table());
        return Ok(());
    }
    {
        let cluster = Cluster::start(&args.devcluster, &folder.path().join("large")).await?;
        let driftless = Driftless::start(&args.driftless, &cluster, folder.path()).await?;
        let objects = args.plan_objects;
        large::measure(&cluster, &driftless, folder.path(), objects, &mut report).await?;
    }
    if args.only_large {
        print!("{}", report.to_table());
        return Ok(());
    }
    {
        let cluster = Cluster::start(&args.devcluster, &folder.path().join("latency")).await?;
        let driftless = Driftless::start(&args.driftless, &cluster, folder.path()).await?;
        report.add("serve_ready_seconds", driftless.ready.as_secs_f64(), "s");
        latency::measure(&cluster, folder.path(), args.commits, &mut report).await?;
    }
    {
        let cluster = Cluster::start(&args.devcluster, &folder.path().join("scale")).await?;
        let size = scale::Size {
            apps: args.apps,
            objects: args.objects,
        };
        scale::raw_floor(&cluster, size, &mut report).await?;
        let driftless = Driftless::start(&args.driftless, &cluster, folder.path()).await?;
        scale::measure(&cluster, &driftless, folder.path(), size, &mut report).await?;
        scale::idle(&driftless, args.idle_seconds, &mut report).await?;
    }
    many_rollouts(&args, folder.path(), &mut report).await?;
    print!("{}", report.to_table());
    let path = report.write(&args.results)?;
    println!("written to {}", path.display());
    Ok(())
}

async fn many_rollouts(args: &Args, folder: &Path, report: &mut Report) -> Result<()> {
    // A node takes 5,000 pods; both versions have one each.
    let nodes = args.rollouts / 2_000 + 1;
    let cluster = Cluster::start_with(&args.devcluster, &folder.join("rollouts"), nodes).await?;
    let driftless = Driftless::start(&args.driftless, &cluster, folder).await?;
    let size = (args.rollouts, args.rollout_seconds);
    rollouts::measure(&cluster, &driftless, size, report).await
}
