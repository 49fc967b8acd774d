//! `cargo xtask codegen`: writes the files that are made from the types.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Writes `deploy/crds`.
pub(crate) fn run(root: &Path) -> Result<()> {
    let folder = root.join("deploy/crds");
    fs::create_dir_all(&folder).context("creating deploy/crds")?;
    let files = driftless_cli::crds::files();
    for entry in fs::read_dir(&folder).context("listing deploy/crds")? {
        let entry = entry?;
        if !files
            .iter()
            .any(|(name, _)| entry.file_name() == name.as_str())
        {
            fs::remove_file(entry.path())?;
        }
    }
    for (name, text) in files {
        fs::write(folder.join(&name), text).with_context(|| format!("writing {name}"))?;
    }
    Ok(())
}
