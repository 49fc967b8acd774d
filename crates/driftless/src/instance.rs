//! Who this process is, and the promise that nobody else uses its data folder.
//!
//! The identity is the same after a restart on the same data folder, so that a killed process takes its lease back at
//! once; two processes that run at the same time never share one.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// The locked data folder. The lock ends with the process, however it ends.
#[derive(Debug)]
pub(crate) struct Instance {
    folder: PathBuf,
    identity: String,
    _lock: File,
}

impl Instance {
    /// Creates and locks the folder.
    pub(crate) fn lock(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("creating the data folder {}", folder.display()))?;
        let path = folder.join("instance");
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("opening {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => bail!(
                "data folder {} is in use by another driftless process; give each its own with --data-dir",
                folder.display()
            ),
            Err(std::fs::TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("locking {}", path.display()));
            }
        }
        let mut identity = String::new();
        file.read_to_string(&mut identity)
            .context("reading the instance's identity")?;
        if identity.trim().is_empty() {
            identity = format!("{}_{}", host(), uuid::Uuid::new_v4());
            file.write_all(identity.as_bytes())
                .context("writing the instance's identity")?;
        }
        let folder = folder.to_owned();
        Ok(Self {
            folder,
            identity: identity.trim().to_owned(),
            _lock: file,
        })
    }

    /// Returns the identity for leases.
    pub(crate) fn identity(&self) -> &str {
        &self.identity
    }

    /// Returns a folder inside the data folder.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Says at which address the process listens, for scripts and tests: the file `address`.
    pub(crate) fn publish_address(&self, address: &str) -> Result<()> {
        // Written aside and renamed, so that nobody reads half of it.
        let (part, path) = (
            self.folder.join("address.part"),
            self.folder.join("address"),
        );
        std::fs::write(&part, address).context("writing the address file")?;
        std::fs::rename(&part, &path).context("writing the address file")
    }

    /// Removes what a former process said about its address.
    pub(crate) fn retract_address(&self) -> Result<()> {
        match std::fs::remove_file(self.folder.join("address")) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).context("removing the old address file")
            }
            _ => Ok(()),
        }
    }
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name
        .trim()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    if name.is_empty() {
        "driftless".to_owned()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::Instance;

    #[test]
    fn a_restart_keeps_the_identity_and_a_second_process_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let first = Instance::lock(folder.path()).unwrap();
        let refused = Instance::lock(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("in use by another"), "{refused}");
        let identity = first.identity().to_owned();
        drop(first);
        assert_eq!(Instance::lock(folder.path()).unwrap().identity(), identity);
    }

    #[test]
    fn two_folders_are_two_instances() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (one, two) = (
            Instance::lock(one.path()).unwrap(),
            Instance::lock(two.path()).unwrap(),
        );
        assert_ne!(one.identity(), two.identity());
    }
}
