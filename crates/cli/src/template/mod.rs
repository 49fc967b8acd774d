//! `driftless template`: renders a source where it lies, without a cluster and without a server.
//!
//! Each kind of source has a module of its own that turns arguments into [`Printed`]; [`batch`] runs many of them in
//! one process.

pub mod batch;
mod flags;
pub mod helm;
pub mod kustomize;
mod local;

use std::io::{self, Write};
use std::path::Path;

/// Renders charts as `helm template` does, kustomizations as `kubectl kustomize` does, or many sources in one process.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug, Clone)]
enum Command {
    /// Render a Helm chart: same flags, output and exit code as `helm template`
    Helm(helm::Args),
    /// Build a kustomization: same flags, output and exit code as `kubectl kustomize`
    Kustomize(kustomize::Args),
    /// Render many sources in one process, one JSON object a line, and print one result a line
    Batch(batch::Args),
}

/// What a command prints, and whether it did what it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Printed {
    /// The manifests.
    pub stdout: Vec<u8>,
    /// Warnings, or why there are no manifests.
    pub stderr: String,
    /// Whether the exit code is 0; it is 1 otherwise.
    pub ok: bool,
}

impl Printed {
    /// Says that it failed, in the words of the command that this one stands for.
    fn failed(stderr: impl Into<String>) -> Self {
        Self {
            stdout: Vec::new(),
            stderr: stderr.into(),
            ok: false,
        }
    }
}

/// The output could not be written.
#[derive(Debug, thiserror::Error)]
#[error("writing the manifests")]
pub struct Error(#[source] io::Error);

/// Runs the command; `false` when the exit code is 1.
pub fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> Result<bool, Error> {
    let printed = match &args.command {
        Command::Helm(args) => helm::Renderer::default().run(Path::new("."), &args.words),
        Command::Kustomize(args) => kustomize::Renderer::default().run(Path::new("."), &args.words),
        Command::Batch(args) => return batch::run(args, out, err),
    };
    err.write_all(printed.stderr.as_bytes()).map_err(Error)?;
    out.write_all(&printed.stdout).map_err(Error)?;
    out.flush().map_err(Error)?;
    Ok(printed.ok)
}
