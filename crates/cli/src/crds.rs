//! `driftless crds`: prints the CustomResourceDefinitions.

use std::io::{self, Write};

/// Prints the CustomResourceDefinitions as YAML, to be piped into `kubectl apply --server-side -f -`.
#[derive(clap::Args, Debug, Clone, Default)]
pub struct Args {}

/// The text could not be written.
#[derive(Debug, thiserror::Error)]
#[error("writing the CRDs")]
pub struct Error(#[source] io::Error);

/// Writes all CRDs as one YAML stream.
pub fn run(_args: &Args, out: &mut dyn Write) -> Result<(), Error> {
    for (index, (_, text)) in files().into_iter().enumerate() {
        if index > 0 {
            out.write_all(b"---\n").map_err(Error)?;
        }
        out.write_all(text.as_bytes()).map_err(Error)?;
    }
    out.flush().map_err(Error)
}

/// Returns file name and YAML of each CRD, as committed under `deploy/crds`.
pub fn files() -> Vec<(String, String)> {
    let crds = driftless_api::crds();
    crds.iter()
        .map(|crd| {
            let plural = crd
                .pointer("/spec/names/plural")
                .and_then(|name| name.as_str())
                .unwrap_or_default();
            (format!("{plural}.yaml"), driftless_yaml::to_string(crd))
        })
        .collect()
}
