//! Real Git repositories, written with `git fast-import` and served by the real programs.

mod http;
mod ssh;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

pub use http::{Fault, HttpGit};
pub use ssh::SshGit;

/// A change of one file.
#[derive(Clone, Debug)]
pub enum Change {
    /// The file has this content from now on.
    Write(String, Vec<u8>),
    /// The path is a symbolic link to this target.
    Link(String, String),
    /// The file, or the directory, is gone.
    Remove(String),
}

/// Returns the change that gives a file its content.
pub fn write(path: &str, content: impl Into<Vec<u8>>) -> Change {
    Change::Write(path.into(), content.into())
}

/// Returns the change that makes a path a symbolic link.
pub fn link(path: &str, target: &str) -> Change {
    Change::Link(path.into(), target.into())
}

/// Returns the change that removes a file or a directory.
pub fn remove(path: &str) -> Change {
    Change::Remove(path.into())
}

/// A bare repository of a test's own, gone with the value.
#[derive(Debug)]
pub struct GitRepo {
    root: TempDir,
}

impl GitRepo {
    /// Creates an empty repository whose default branch is `main`.
    pub fn create() -> Self {
        let root = TempDir::with_prefix("driftless-git-").expect("create a temporary directory");
        let repo = Self { root };
        run(Command::new("git")
            .args(["init", "--quiet", "--bare", "--initial-branch=main"])
            .arg(repo.path()));
        // Servers may be asked for any commit, as the large hosts allow.
        repo.git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
        repo
    }

    /// Returns the directory that holds the repository, for servers.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Returns the path of the bare repository.
    pub fn path(&self) -> PathBuf {
        self.root.path().join("repo.git")
    }

    /// Returns the URL by which the repository is reached without a server.
    pub fn file_url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    /// Commits on top of `main` and returns the new commit's id.
    pub fn commit(&self, changes: &[Change]) -> String {
        self.commit_to("main", changes)
    }

    /// Commits on top of a branch, which begins at `main` when it is new.
    pub fn commit_to(&self, branch: &str, changes: &[Change]) -> String {
        let parent = self.id(branch).or_else(|| self.id("main"));
        self.import(branch, parent.as_deref(), changes)
    }

    /// Replaces the history of a branch by one commit without a parent, as a force push does.
    pub fn force_push(&self, branch: &str, changes: &[Change]) -> String {
        self.git(&["update-ref", "-d", &format!("refs/heads/{branch}")]);
        self.import(branch, None, changes)
    }

    /// Moves a branch to another commit, forwards or backwards.
    pub fn reset(&self, branch: &str, commit: &str) {
        self.git(&["update-ref", &format!("refs/heads/{branch}"), commit]);
    }

    /// Deletes a branch.
    pub fn delete_branch(&self, branch: &str) {
        self.git(&["update-ref", "-d", &format!("refs/heads/{branch}")]);
    }

    /// Tags the newest commit of `main`: annotated, as release tags are.
    pub fn tag(&self, name: &str) -> String {
        self.git(&[
            "-c",
            "user.name=tester",
            "-c",
            "user.email=tester@example.com",
            "tag",
            "--annotate",
            "--message=release",
            "--force",
            name,
            "main",
        ]);
        self.id("main").expect("a tagged branch has a commit")
    }

    /// Returns the commit that a branch or tag names.
    pub fn id(&self, name: &str) -> Option<String> {
        let output = Command::new("git")
            .arg("--git-dir")
            .arg(self.path())
            .args([
                "rev-parse",
                "--verify",
                "--quiet",
                &format!("{name}^{{commit}}"),
            ])
            .output()
            .expect("run git");
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn import(&self, branch: &str, parent: Option<&str>, changes: &[Change]) -> String {
        let mut child = Command::new("git")
            .arg("--git-dir")
            .arg(self.path())
            .args(["fast-import", "--quiet", "--force"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("run git fast-import");
        let stream = import_stream(branch, parent, changes);
        child
            .stdin
            .take()
            .expect("stdin is piped")
            .write_all(&stream)
            .expect("write to git fast-import");
        let output = child.wait_with_output().expect("wait for git fast-import");
        assert!(
            output.status.success(),
            "git fast-import failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        self.id(branch).expect("an imported branch has a commit")
    }

    fn git(&self, arguments: &[&str]) {
        run(Command::new("git")
            .arg("--git-dir")
            .arg(self.path())
            .args(arguments));
    }
}

fn import_stream(branch: &str, parent: Option<&str>, changes: &[Change]) -> Vec<u8> {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs());
    let message = format!("Change {} files", changes.len());
    let mut stream = format!(
        "commit refs/heads/{branch}\ncommitter Tester <tester@example.com> {now} +0000\ndata {}\n{message}\n",
        message.len()
    )
    .into_bytes();
    if let Some(parent) = parent {
        stream.extend_from_slice(format!("from {parent}\n").as_bytes());
    }
    let mut blob = |mode: &str, path: &str, content: &[u8]| {
        stream.extend_from_slice(
            format!("M {mode} inline {path}\ndata {}\n", content.len()).as_bytes(),
        );
        stream.extend_from_slice(content);
        stream.push(b'\n');
    };
    let mut removed = Vec::new();
    for change in changes {
        match change {
            Change::Write(path, content) => blob("100644", path, content),
            Change::Link(path, target) => blob("120000", path, target.as_bytes()),
            Change::Remove(path) => removed.push(path),
        }
    }
    for path in removed {
        stream.extend_from_slice(format!("D {path}\n").as_bytes());
    }
    stream
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("cannot run git: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
