//! Repositories behind SSH, served by a real `sshd` on a loopback port where one is installed.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use driftless_core::{Classify as _, Secret};
use driftless_source::{Credentials, Repository};

use crate::fixture::{Origin, Service, read};

struct Sshd {
    child: Child,
    port: u16,
    known_hosts: String,
    key: String,
    stranger: String,
    _dir: tempfile::TempDir,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn keygen(file: &Path) -> Option<()> {
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(file);
    command
        .status()
        .ok()
        .filter(std::process::ExitStatus::success)
        .map(drop)
}

/// Starts `sshd`; `None` where it is not installed.
fn start() -> Option<Sshd> {
    let program = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"]
        .into_iter()
        .find(|path| Path::new(path).exists())?;
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for key in ["host", "user", "stranger"] {
        keygen(&at(key))?;
    }
    std::fs::create_dir_all("/run/sshd").ok();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nAcceptEnv GIT_PROTOCOL\nPidFile none\n",
        at("host").display(),
        at("user.pub").display()
    );
    std::fs::write(at("config"), config).unwrap();
    let child = Command::new(program)
        .args(["-D", "-e", "-f"])
        .arg(at("config"))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let text = |name: &str| std::fs::read_to_string(at(name)).unwrap();
    let sshd = Sshd {
        child,
        port,
        known_hosts: format!("[127.0.0.1]:{port} {}", text("host.pub")),
        key: text("user"),
        stranger: text("stranger"),
        _dir: dir,
    };
    for _ in 0..200 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(sshd);
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_and_hosts_are_checked() {
    let Some(sshd) = start() else {
        println!("skipped: no sshd program");
        return;
    };
    let user = Command::new("id").arg("-un").output().unwrap();
    let user = String::from_utf8_lossy(&user.stdout).trim().to_owned();
    let origin = Origin::with(&[("a", "1"), ("it's/b", "2")]);
    let url = |path: &str| format!("ssh://{user}@127.0.0.1:{}{path}", sshd.port);
    let place = origin.path().display().to_string();
    let mut repository = Repository::new(url(&place));
    repository.credentials = Credentials::SshKey(Secret::new(sshd.key.clone()));
    repository.ssh.known_hosts = Some(sshd.known_hosts.as_str().into());
    let service = Service::new();
    assert_eq!(read(&*service.tree(&repository, "main").await, "a"), "1");
    origin.commit(&[("a", "2")]);
    let started = std::time::Instant::now();
    assert_eq!(read(&*service.tree(&repository, "main").await, "a"), "2");
    println!("ssh: refresh {:?}", started.elapsed());

    let mut unknown_host = repository.clone();
    unknown_host.ssh.known_hosts = None;
    let error = Service::new()
        .resolve(&unknown_host, "main")
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "AuthenticationFailed");
    assert!(
        error.to_string().contains("host key verification failed"),
        "{error}"
    );
    unknown_host.ssh.insecure_ignore_host_key = true;
    Service::new().resolve(&unknown_host, "main").await.unwrap();

    let mut stranger = repository.clone();
    stranger.credentials = Credentials::SshKey(Secret::new(sshd.stranger.clone()));
    let error = Service::new().resolve(&stranger, "main").await.unwrap_err();
    assert_eq!(error.reason(), "AuthenticationFailed", "{error}");
    assert!(!format!("{error:?}").contains("PRIVATE KEY"));

    let mut missing = repository.clone();
    missing.url = driftless_core::SafeUrl::new(url("/nowhere/'; touch /tmp/driftless-was-here; '"));
    let error = Service::new().resolve(&missing, "main").await.unwrap_err();
    assert_eq!(error.reason(), "RepositoryNotFound", "{error}");
    assert!(!Path::new("/tmp/driftless-was-here").exists());
}
