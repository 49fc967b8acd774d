//! `cargo xtask tidy`: checks what the compiler does not: layers, names, file headers, stray paths.

mod layer;
mod text;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Runs every check and prints what is wrong.
pub(crate) fn run(root: &Path) -> Result<()> {
    let files = files(root)?;
    let mut problems = layer::check(root)?;
    problems.extend(text::check(root, &files)?);
    if problems.is_empty() {
        return Ok(());
    }
    problems.sort();
    bail!("{}\n{} problems", problems.join("\n"), problems.len())
}

/// Lists the files that are, or would be, in the repository.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("running git ls-files")?;
    if !output.status.success() {
        bail!("git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(PathBuf::from)
        // Deleted and not yet committed.
        .filter(|path| root.join(path).is_file())
        .collect())
}
