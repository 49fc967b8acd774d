//! Git over SSH: OpenSSH's own server on a loopback port.

use std::fs::Permissions;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{GitRepo, run};
use crate::spawn::{spawn_bound, tail};

/// A running SSH server that lets one key in; it stops with the value.
#[derive(Debug)]
pub struct SshGit {
    files: TempDir,
    port: u16,
    child: Child,
    repository: PathBuf,
}

impl SshGit {
    /// Serves a repository.
    pub fn serve(repo: &GitRepo) -> Self {
        let server = sshd();
        let files = TempDir::with_prefix("driftless-ssh-").expect("create a temporary directory");
        for key in ["host", "client", "stranger"] {
            run(Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", key, "-f"])
                .arg(files.path().join(key)));
        }
        let port = free_port();
        let at = |name: &str| files.path().join(name).display().to_string();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\n\
             PermitRootLogin prohibit-password\nMaxStartups 100\nLogLevel VERBOSE\n",
            at("host"),
            at("client.pub"),
        );
        let path = files.path().join("sshd_config");
        std::fs::write(&path, config).expect("write sshd_config");
        // The server gives up its rights to a directory that must exist when it runs as root.
        let _ = std::fs::create_dir_all("/run/sshd");
        let child = spawn_bound(&server, |command| {
            command
                .arg("-D")
                .arg("-f")
                .arg(&path)
                .arg("-E")
                .arg(files.path().join("log"));
            command.stdin(Stdio::null());
        });
        let git = Self {
            files,
            port,
            child,
            repository: repo.path(),
        };
        git.wait_until_up();
        git
    }

    /// Returns the URL of the repository.
    pub fn url(&self) -> String {
        let output = Command::new("id").arg("-un").output().expect("run id");
        let user = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        format!(
            "ssh://{user}@127.0.0.1:{}{}",
            self.port,
            self.repository.display()
        )
    }

    /// Returns the private key that the server accepts.
    pub fn private_key(&self) -> String {
        self.read("client")
    }

    /// Returns a private key that the server refuses.
    pub fn wrong_private_key(&self) -> String {
        self.read("stranger")
    }

    /// Returns the server's line for a `known_hosts` file.
    pub fn known_hosts(&self) -> String {
        format!("[127.0.0.1]:{} {}", self.port, self.read("host.pub"))
    }

    fn read(&self, name: &str) -> String {
        let path = self.files.path().join(name);
        let _ = std::fs::set_permissions(&path, Permissions::from_mode(0o600));
        std::fs::read_to_string(&path).expect("read a generated key")
    }

    fn wait_until_up(&self) {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "sshd does not listen: {}",
                tail(&self.files.path().join("log"), 10)
            );
            std::thread::sleep(crate::POLL);
        }
    }
}

impl Drop for SshGit {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sshd() -> PathBuf {
    ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"]
        .iter()
        .map(Path::new)
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("sshd is missing: `apt-get install openssh-server`"))
        .to_owned()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("bind to loopback")
        .port()
}
