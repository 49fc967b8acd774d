//! The driftless binary: parse, wire, run.

mod destinations;
mod instance;
mod logging;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Thousands of small objects live long here: an allocator that gives pages back keeps the process small.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// GitOps continuous delivery for Kubernetes with a model version as the thing released.
#[derive(Parser, Debug)]
#[command(name = "driftless", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run all components: controller, API and UI
    Serve(serve::Args),
    /// Print the CustomResourceDefinitions as YAML
    Crds(driftless_cli::crds::Args),
    /// Say how objects in files are doing, from their status
    Health(driftless_cli::health::Args),
    /// Compare desired objects with live ones, both from files
    Diff(driftless_cli::diff::Args),
    /// Render a source where it lies, without a cluster
    Template(driftless_cli::template::Args),
    /// Look at rollouts, give them commands, and replay recorded metrics
    Rollout(driftless_cli::rollout::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Serve(args) => serve::run(args),
        Command::Crds(args) => {
            driftless_cli::crds::run(&args, &mut std::io::stdout().lock()).map_err(Into::into)
        }
        Command::Health(args) => {
            driftless_cli::health::run(&args, &mut std::io::stdout().lock()).map_err(Into::into)
        }
        Command::Diff(args) => return diff(&args),
        Command::Rollout(args) => return rollout(&args),
        Command::Template(args) => {
            let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr().lock());
            match driftless_cli::template::run(&args, &mut out, &mut err) {
                Ok(true) => Ok(()),
                Ok(false) => return ExitCode::FAILURE,
                Err(error) => Err(error.into()),
            }
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "driftless: {error:#}");
            // The generic code of the incumbent's command line (contract §9).
            ExitCode::from(20)
        }
    }
}

/// Exits with the command's own code where it has one.
fn rollout(args: &driftless_cli::rollout::Args) -> ExitCode {
    match driftless_cli::rollout::run(args, &mut std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write as _;
            let code = error.exit_code().unwrap_or(20);
            let error = anyhow::Error::from(error);
            let _ = writeln!(std::io::stderr(), "driftless: {error:#}");
            ExitCode::from(code)
        }
    }
}

/// Exits as `diff` does: 0 without differences, 1 with, 2 when it could not be told.
fn diff(args: &driftless_cli::diff::Args) -> ExitCode {
    match driftless_cli::diff::run(args, &mut std::io::stdout().lock()) {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::from(1),
        Err(error) => {
            use std::io::Write as _;
            let error = anyhow::Error::from(error);
            let _ = writeln!(std::io::stderr(), "driftless: {error:#}");
            ExitCode::from(2)
        }
    }
}
