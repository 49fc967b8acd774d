//! The Git repository that is measured, made with the `git` program.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

pub(crate) struct Repository {
    path: PathBuf,
}

impl Repository {
    pub(crate) async fn create(path: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&path)?;
        let repository = Self { path };
        repository
            .git(&["init", "--quiet", "--initial-branch", "main"])
            .await?;
        repository.git(&["config", "user.name", "Bench"]).await?;
        repository
            .git(&["config", "user.email", "bench@example.com"])
            .await?;
        Ok(repository)
    }

    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.path.display())
    }

    /// Writes `count` ConfigMaps into one file of a folder.
    pub(crate) fn write_config_maps(&self, folder: &str, count: usize, value: &str) -> Result<()> {
        let folder = self.path.join(folder);
        std::fs::create_dir_all(&folder)?;
        let name = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let documents: Vec<String> = (0..count)
            .map(|index| config_map(&format!("{name}-{index}"), value))
            .collect();
        std::fs::write(folder.join("config.yaml"), documents.join("---\n"))?;
        Ok(())
    }

    /// Commits everything and returns the commit.
    pub(crate) async fn commit(&self, message: &str) -> Result<String> {
        self.git(&["add", "--all"]).await?;
        self.git(&["commit", "--quiet", "--message", message])
            .await?;
        Ok(self.git(&["rev-parse", "HEAD"]).await?.trim().to_owned())
    }

    async fn git(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new("git")
            .arg("-C")
            .arg::<&Path>(&self.path)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .await
            .context("running git")?;
        ensure!(
            output.status.success(),
            "git: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn config_map(name: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  labels:\n    app: bench\ndata:\n  value: \"{value}\"\n  \
         settings: |\n    batch = 32\n    timeout = 10s\n"
    )
}
