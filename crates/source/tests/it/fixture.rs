//! Repositories made by the `git` program, and a service to read them with.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use driftless_core::{Clock, Tree, TreePath};
use driftless_source::git::{Commit, Freshness, Git, Options};
use driftless_source::{Metrics, Repository, Target};

/// The system's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> jiff::Timestamp {
        SystemTime::now().try_into().unwrap()
    }
}

/// Runs `git` in `dir`, without the user's configuration.
pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "init.defaultBranch=main",
            "-c",
            "gc.auto=0",
            "-c",
            "tag.gpgSign=false",
        ])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_AUTHOR_NAME", "Ada")
        .env("GIT_AUTHOR_EMAIL", "ada@example.com")
        .env("GIT_COMMITTER_NAME", "Ada")
        .env("GIT_COMMITTER_EMAIL", "ada@example.com")
        .output()
        .expect("the git program is needed for these tests");
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A repository with a work tree.
pub(crate) struct Origin {
    dir: tempfile::TempDir,
}

impl Origin {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), &["init", "-q", "."]);
        Self { dir }
    }

    /// A repository with one commit of these files.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let origin = Self::new();
        origin.commit(files);
        origin
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    pub(crate) fn repository(&self) -> Repository {
        Repository::new(self.url())
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        git(self.path(), args)
    }

    /// Writes files and commits everything; returns the commit.
    pub(crate) fn commit(&self, files: &[(&str, &str)]) -> String {
        for (path, content) in files {
            self.write(path, content);
        }
        self.git(&["add", "-A"]);
        self.git(&[
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "A change\n\nWith a body.",
        ]);
        self.git(&["rev-parse", "HEAD"])
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path: PathBuf = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

/// A service with a folder of its own.
pub(crate) struct Service {
    pub(crate) git: Git,
    pub(crate) dir: Arc<tempfile::TempDir>,
}

impl Service {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// No polling unless the test asks for it.
    pub(crate) fn with(change: impl FnOnce(&mut Options)) -> Self {
        Self::reopen(Arc::new(tempfile::tempdir().unwrap()), change)
    }

    pub(crate) fn reopen(dir: Arc<tempfile::TempDir>, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::new(dir.path().join("git"));
        options.poll_interval = Duration::ZERO;
        options.poll_jitter = Duration::ZERO;
        change(&mut options);
        let git = Git::open(options, Metrics::default(), Arc::new(SystemClock)).unwrap();
        Self { git, dir }
    }

    pub(crate) async fn resolve(
        &self,
        repository: &Repository,
        revision: &str,
    ) -> Result<Commit, driftless_source::git::Error> {
        self.git
            .resolve(repository, &target(revision), Freshness::Now)
            .await
    }

    /// Resolves, and opens the tree.
    pub(crate) async fn tree(&self, repository: &Repository, revision: &str) -> Arc<dyn Tree> {
        let commit = self.resolve(repository, revision).await.unwrap();
        self.git.tree(repository, commit).await.unwrap()
    }
}

pub(crate) fn target(revision: &str) -> Target {
    Target::parse(revision, "").unwrap()
}

pub(crate) fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

/// Reads a file as text.
pub(crate) fn read(tree: &dyn Tree, file: &str) -> String {
    let bytes = driftless_core::tree::read_file(tree, &path(file), 1 << 20).unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}
