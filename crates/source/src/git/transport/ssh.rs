//! SSH, through the `ssh` program: arguments only, no shell on our side, no configuration files.

use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use driftless_core::Secret;
use parking_lot::Mutex;
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::http::timed;
use crate::git::error::Cause;
use crate::git::mirror::{IncomingPack, mirror_error};
use crate::git::options::Options;
use crate::git::wire::packet::{FLUSH, Packets};
use crate::git::wire::{FetchRequest, Greeting, RefList, clean, read_greeting, v0, v2};
use crate::repository::{Credentials, Repository};

/// How long a connection may wait for the next question: a fetch usually follows a listing at once.
const IDLE: Duration = Duration::from_secs(5);
/// Most bytes of what `ssh` complains about.
const MAX_STDERR: u64 = 4096;

/// A repository behind SSH.
pub(crate) struct Ssh {
    user: Option<String>,
    host: String,
    port: Option<u16>,
    command: String,
    key: Option<Secret<String>>,
    known_hosts: Option<Arc<str>>,
    check_host_key: bool,
    program: std::path::PathBuf,
    idle: Arc<Mutex<Option<(Session, Instant)>>>,
    any_commit: AtomicBool,
}

/// A connection; ends with the value.
struct Session {
    packets: Packets<ChildStdout>,
    input: ChildStdin,
    stderr: ChildStderr,
    greeting: Greeting,
    _child: Child,
    _files: Vec<NamedTempFile>,
}

impl Ssh {
    pub(super) fn open(
        user: Option<String>,
        host: &str,
        port: Option<u16>,
        path: &str,
        repository: &Repository,
        options: &Options,
    ) -> Self {
        // `/~user/x` means the home folder of that user.
        let path = if path.starts_with("/~") {
            path.trim_start_matches('/')
        } else {
            path
        };
        let key = match &repository.credentials {
            Credentials::SshKey(key) => Some(key.clone()),
            _ => None,
        };
        Self {
            user,
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            // The other side runs a shell: one word for it.
            command: format!("git-upload-pack '{}'", path.replace('\'', r"'\''")),
            key,
            known_hosts: repository.ssh.known_hosts.clone(),
            check_host_key: !repository.ssh.insecure_ignore_host_key,
            program: options.ssh_program.clone(),
            idle: Arc::default(),
            any_commit: AtomicBool::new(true),
        }
    }

    pub(super) async fn ls_refs(
        &self,
        prefixes: &[String],
        options: &Options,
    ) -> Result<RefList, Cause> {
        let listing = async {
            let mut session = self.connect(options).await?;
            let refs = match &session.greeting {
                Greeting::V0(host) => Ok((*host.refs).clone()),
                Greeting::V2(_) => {
                    session.send(&v2::ls_refs_request(prefixes)).await?;
                    v2::read_refs(&mut session.packets, options.max_refs).await
                }
            };
            match refs {
                Ok(refs) => {
                    self.park(session);
                    Ok(refs)
                }
                Err(error) => Err(session.explain(error).await),
            }
        };
        timed(
            "listing refs",
            options.request_timeout.saturating_mul(2),
            listing,
        )
        .await
    }

    pub(super) async fn fetch(
        &self,
        request: &FetchRequest,
        options: &Options,
    ) -> Result<IncomingPack, Cause> {
        let fetching = async {
            let idle = self.idle.lock().take();
            if let Some((session, _)) = idle {
                match session.fetch(request, options).await {
                    // The other side may have grown tired of waiting.
                    Err(Cause::Unreachable { .. }) => {}
                    result => return result,
                }
            }
            self.connect(options).await?.fetch(request, options).await
        };
        timed("fetching", options.fetch_timeout, fetching).await
    }

    /// Keeps a connection for the fetch that usually follows, for a moment.
    fn park(&self, session: Session) {
        let since = Instant::now();
        *self.idle.lock() = Some((session, since));
        let idle = self.idle.clone();
        tokio::spawn(async move {
            tokio::time::sleep(IDLE).await;
            let mut idle = idle.lock();
            if idle.as_ref().is_some_and(|(_, parked)| *parked == since) {
                *idle = None;
            }
        });
    }

    async fn connect(&self, options: &Options) -> Result<Session, Cause> {
        let mut files = Vec::new();
        let mut command = self.base_command(options);
        let known_hosts = private_file(self.known_hosts.as_deref().unwrap_or_default())?;
        option(&mut command, "UserKnownHostsFile=", &known_hosts);
        files.push(known_hosts);
        if let Some(key) = &self.key {
            let mut text = key.expose().trim().replace('\r', "");
            text.push('\n');
            let key = private_file(&text)?;
            option(&mut command, "IdentityFile=", &key);
            files.push(key);
        }
        if let Some(port) = self.port {
            command.arg("-p").arg(port.to_string());
        }
        if let Some(user) = &self.user {
            command.arg("-l").arg(user);
        }
        command.arg("--").arg(&self.host).arg(&self.command);
        let mut child = command.spawn().map_err(|error| Cause::Unreachable {
            doing: "starting ssh",
            detail: error.to_string(),
        })?;
        let (Some(input), Some(output), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(Cause::Lost("the ssh program"));
        };
        let mut packets = Packets::new(output);
        match read_greeting(&mut packets, options.max_refs).await {
            Ok(greeting) => {
                let any = match &greeting {
                    Greeting::V0(host) => host.allows_any_commit(),
                    Greeting::V2(_) => true,
                };
                self.any_commit.store(any, Ordering::Relaxed);
                Ok(Session {
                    packets,
                    input,
                    stderr,
                    greeting,
                    _child: child,
                    _files: files,
                })
            }
            Err(error) => Err(explain(stderr, error).await),
        }
    }

    /// Says whether the host gives commits that no ref points at.
    pub(crate) fn gives_any_commit(&self) -> bool {
        self.any_commit.load(Ordering::Relaxed)
    }

    fn base_command(&self, options: &Options) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LC_ALL", "C")
            .env("GIT_PROTOCOL", "version=2")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .args(["-F", "none", "-T", "-x", "-a"]);
        let seconds = options.request_timeout.as_secs().max(1);
        let check = if self.check_host_key { "yes" } else { "no" };
        for setting in [
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "PasswordAuthentication=no",
            "KbdInteractiveAuthentication=no",
            "GlobalKnownHostsFile=/dev/null",
            "UpdateHostKeys=no",
            "PermitLocalCommand=no",
            "ClearAllForwardings=yes",
            "SendEnv=GIT_PROTOCOL",
            "ServerAliveCountMax=1",
            &format!("ServerAliveInterval={seconds}"),
            &format!("ConnectTimeout={seconds}"),
            &format!("StrictHostKeyChecking={check}"),
        ] {
            command.arg("-o").arg(setting);
        }
        command
    }
}

impl Session {
    async fn send(&mut self, request: &[u8]) -> Result<(), Cause> {
        let sent = self.input.write_all(request).await;
        sent.map_err(|error| Cause::Unreachable {
            doing: "asking over ssh",
            detail: error.to_string(),
        })
    }

    async fn fetch(
        mut self,
        request: &FetchRequest,
        options: &Options,
    ) -> Result<IncomingPack, Cause> {
        let mut pack = IncomingPack::new(options.max_pack_bytes, &options.data_dir);
        let result = match self.greeting.clone() {
            Greeting::V2(host) => {
                self.send(&v2::fetch_request(request, &host)).await?;
                v2::read_fetch(&mut self.packets, &mut pack).await
            }
            Greeting::V0(host) => {
                self.send(&v0::fetch_request(request, &host)).await?;
                v0::read_fetch(&mut self.packets, &mut pack).await
            }
        };
        match result {
            Ok(()) => {
                self.input.write_all(FLUSH).await.ok();
                Ok(pack)
            }
            Err(error) => Err(self.explain(error).await),
        }
    }

    async fn explain(self, error: Cause) -> Cause {
        let Self {
            stderr,
            packets,
            input,
            ..
        } = self;
        drop((packets, input));
        explain(stderr, error).await
    }
}

fn option(command: &mut Command, name: &str, file: &NamedTempFile) {
    command
        .arg("-o")
        .arg(format!("{name}{}", file.path().display()));
}

/// Writes a file that only we can read.
fn private_file(content: &str) -> Result<NamedTempFile, Cause> {
    let mut file = NamedTempFile::new().map_err(mirror_error("preparing ssh for"))?;
    file.write_all(content.as_bytes())
        .and_then(|()| file.flush())
        .map_err(mirror_error("preparing ssh for"))?;
    Ok(file)
}

/// Finds out from what `ssh` printed why the answer is not what it should be.
async fn explain(stderr: ChildStderr, error: Cause) -> Cause {
    if !matches!(error, Cause::Unreachable { .. }) {
        return error;
    }
    let mut said = Vec::new();
    let mut stderr = stderr.take(MAX_STDERR);
    let reading = stderr.read_to_end(&mut said);
    tokio::time::timeout(Duration::from_secs(2), reading)
        .await
        .ok();
    let said = clean(&said);
    if said.is_empty() {
        return error;
    }
    let lower = said.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if has(&[
        "host key verification failed",
        "no matching host key",
        "remote host identification has changed",
    ]) {
        return Cause::Authentication {
            detail:
                "ssh host key verification failed; add the host's key to argocd-ssh-known-hosts-cm"
                    .to_owned(),
        };
    }
    if has(&[
        "permission denied",
        "error in libcrypto",
        "invalid format",
        "too many authentication",
    ]) {
        return Cause::Authentication {
            detail: format!("ssh: {said}"),
        };
    }
    if has(&[
        "repository not found",
        "does not appear to be a git repository",
        "not found",
        "no such file",
    ]) {
        return Cause::RepositoryNotFound;
    }
    Cause::Unreachable {
        doing: "connecting over ssh",
        detail: said,
    }
}
