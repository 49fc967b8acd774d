//! Remote bases on the command line: fetched by the same code as for Applications, into a folder that goes afterwards.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use bytes::Bytes;
use driftless_core::Clock;
use driftless_core::class::render_chain;
use driftless_kustomize::{Error, RemoteBase, RepoSpec};
use driftless_source::git::{Git, Options};
use driftless_source::remote::{Admitted, Age, Fetcher, Files, Hosts, Reach, Remotes};
use driftless_source::{Metrics, Repository};
use tokio::runtime::Runtime;

/// Whoever runs the command may reach whatever the machine reaches.
struct Anyone;

impl Hosts for Anyone {
    fn admit(&self, url: &str) -> Result<Admitted, String> {
        let mut repository = Repository::new(url);
        // The SSH client asks the user's own list of hosts.
        repository.ssh.known_hosts = known_hosts().map(Into::into);
        Ok(Admitted {
            repository,
            reach: Reach::ThisMachine,
        })
    }
}

fn known_hosts() -> Option<String> {
    let home = std::env::home_dir()?;
    std::fs::read_to_string(home.join(".ssh/known_hosts")).ok()
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> jiff::Timestamp {
        // The system's time is within what a timestamp holds.
        jiff::Timestamp::try_from(SystemTime::now()).unwrap_or_default()
    }
}

/// What fetching needs.
struct Opened {
    remotes: Remotes,
    files: Files,
    runtime: Runtime,
    /// Last, so that it goes when nobody uses it any more.
    _folder: tempfile::TempDir,
}

impl Opened {
    fn new() -> Result<Self, String> {
        let told = |error: std::io::Error| format!("preparing to fetch: {error}");
        let folder = tempfile::tempdir().map_err(told)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(told)?;
        let options = Options::new(folder.path());
        let git = Git::open(options, Metrics::default(), Arc::new(SystemClock))
            .map_err(|error| render_chain(&error))?;
        Ok(Self {
            remotes: Remotes {
                git,
                hosts: Arc::new(Anyone),
                age: Age::Recent,
            },
            files: Files::default(),
            runtime,
            _folder: folder,
        })
    }
}

/// Fetches; nothing is prepared before something remote is named.
#[derive(Default)]
pub(super) struct OnDemand {
    opened: OnceLock<Result<Opened, String>>,
}

impl OnDemand {
    fn fetcher(&self) -> Result<Fetcher<'_>, Error> {
        let opened = self.opened.get_or_init(Opened::new);
        let opened = opened.as_ref().map_err(Error::remote)?;
        let handle = opened.runtime.handle().clone();
        Ok(Fetcher::new(&opened.remotes, &opened.files, handle))
    }
}

impl driftless_kustomize::Remotes for OnDemand {
    fn file(&self, url: &str) -> Result<Bytes, Error> {
        self.fetcher()?.file(url)
    }

    fn repository(&self, spec: &RepoSpec) -> Result<RemoteBase, Error> {
        self.fetcher()?.repository(spec)
    }
}
