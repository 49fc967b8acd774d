//! `argocd-cmd-params-cm`: what the incumbent takes from flags (argocd-contract §7.2).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::diagnostic::Diagnostic;
use crate::reader::{LastGood, Reader};

/// Name of the ConfigMap.
pub const NAME: &str = "argocd-cmd-params-cm";

/// Nothing waits for ever: how long hooks and waves may take when nobody says otherwise.
const DAY: Duration = Duration::from_hours(24);

/// How self-heal waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelfHeal {
    /// Fixed wait; without it the backoff is used.
    pub timeout: Option<Duration>,
    /// First wait.
    pub backoff: Duration,
    /// Growth.
    pub factor: u64,
    /// Longest wait.
    pub cap: Duration,
}

/// What the controller does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controller {
    /// Longest time a sync may take; without limit when absent.
    pub sync_timeout: Option<Duration>,
    /// Longest time a hook may run; without limit when absent.
    pub hook_timeout: Option<Duration>,
    /// Longest time a wave may take to become healthy; without limit when absent.
    pub wave_timeout: Option<Duration>,
    /// A newer commit ends an automated sync of an older one.
    pub preempt: bool,
    /// Pause between two waves.
    pub wave_delay: Duration,
    /// How self-heal waits.
    pub self_heal: SelfHeal,
    /// How long errors of a repository do not change the sync status.
    pub repo_error_grace: Duration,
    /// The API server is asked for the difference.
    pub server_side_diff: bool,
    /// Health of each object is written to the Application.
    pub persist_health: bool,
    /// Applications compared at once.
    pub status_processors: u64,
    /// Operations at once.
    pub operation_processors: u64,
    /// Writes to a cluster at once.
    pub apply_parallelism: u64,
    /// Labels of Applications shown as metrics.
    pub metrics_application_labels: Vec<String>,
    /// Conditions of Applications shown as metrics.
    pub metrics_application_conditions: Vec<String>,
}

/// What the API server does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Plain HTTP.
    pub insecure: bool,
    /// Base of the UI's addresses.
    pub base_href: String,
    /// Path under which everything is.
    pub root_path: String,
    /// Nobody needs to log in.
    pub disable_auth: bool,
    /// `X-Frame-Options`.
    pub x_frame_options: String,
    /// `Content-Security-Policy`.
    pub content_security_policy: String,
    /// Content types of requests that are accepted.
    pub content_types: Vec<String>,
    /// Whether a sync may replace.
    pub sync_replace_allowed: bool,
}

/// What reading repositories does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repo {
    /// Longest time for a request to a Git server.
    pub git_timeout: Duration,
    /// Submodules are read.
    pub submodules: bool,
    /// Most bytes of YAML of one directory source.
    pub max_directory_bytes: u64,
    /// Symbolic links may leave the tree; never honoured.
    pub allow_out_of_bounds_symlinks: bool,
    /// Hidden directories are read.
    pub hidden_directories: bool,
}

/// What the incumbent takes from flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// Namespaces, besides the control plane's, whose Applications are managed; globs or `/regex/`.
    pub application_namespaces: Vec<String>,
    /// Rendering into Git is on.
    pub hydrator: bool,
    /// Controller.
    pub controller: Controller,
    /// API server.
    pub server: Server,
    /// Repositories.
    pub repo: Repo,
    last_good: LastGood,
}

impl Default for Params {
    fn default() -> Self {
        Self::read(&BTreeMap::new(), None).0
    }
}

impl Params {
    /// Reads the ConfigMap; a key that cannot be read keeps its value of `previous`.
    pub fn read(
        data: &BTreeMap<String, String>,
        previous: Option<&Self>,
    ) -> (Self, Vec<Diagnostic>) {
        let none = LastGood::new();
        let last_good = previous.map_or(&none, |previous| &previous.last_good);
        let mut reader = Reader::new(NAME, data, last_good);
        let mut params = Self {
            application_namespaces: reader.list("application.namespaces").unwrap_or_default(),
            hydrator: reader.boolean("hydrator.enabled", false),
            controller: controller(&mut reader),
            server: server(&mut reader),
            repo: repo(&mut reader),
            last_good: LastGood::new(),
        };
        let (good, diagnostics) = reader.finish();
        params.last_good = good;
        (params, diagnostics)
    }
}

fn positive(duration: Option<Duration>) -> Option<Duration> {
    duration.filter(|duration| !duration.is_zero())
}

fn controller(reader: &mut Reader<'_>) -> Controller {
    Controller {
        sync_timeout: positive(reader.seconds("controller.sync.timeout.seconds")),
        hook_timeout: positive(Some(
            reader
                .seconds("controller.sync.hook.timeout.seconds")
                .unwrap_or(DAY),
        )),
        wave_timeout: positive(Some(
            reader
                .seconds("controller.sync.wave.timeout.seconds")
                .unwrap_or(DAY),
        )),
        preempt: reader.boolean("controller.sync.preempt", true),
        wave_delay: reader
            .seconds("controller.sync.wave.delay.seconds")
            .unwrap_or(Duration::from_secs(2)),
        self_heal: SelfHeal {
            timeout: positive(reader.seconds("controller.self.heal.timeout.seconds")),
            backoff: reader
                .seconds("controller.self.heal.backoff.timeout.seconds")
                .unwrap_or(Duration::from_secs(2)),
            factor: reader
                .integer("controller.self.heal.backoff.factor")
                .unwrap_or(3),
            cap: reader
                .seconds("controller.self.heal.backoff.cap.seconds")
                .unwrap_or(Duration::from_secs(300)),
        },
        repo_error_grace: reader
            .seconds("controller.repo.error.grace.period.seconds")
            .unwrap_or(Duration::from_secs(180)),
        server_side_diff: reader.boolean("controller.diff.server.side", false),
        persist_health: reader.boolean("controller.resource.health.persist", false),
        status_processors: reader
            .integer("controller.status.processors")
            .unwrap_or(20)
            .max(1),
        operation_processors: reader
            .integer("controller.operation.processors")
            .unwrap_or(10)
            .max(1),
        apply_parallelism: reader
            .integer("controller.kubectl.parallelism.limit")
            .unwrap_or(20)
            .max(1),
        metrics_application_labels: reader
            .list("controller.metrics.application.labels")
            .unwrap_or_default(),
        metrics_application_conditions: reader
            .list("controller.metrics.application.conditions")
            .unwrap_or_default(),
    }
}

fn server(reader: &mut Reader<'_>) -> Server {
    Server {
        insecure: reader.boolean("server.insecure", false),
        base_href: reader.text("server.basehref").unwrap_or_else(|| "/".into()),
        root_path: reader.text("server.rootpath").unwrap_or_default(),
        disable_auth: reader.boolean("server.disable.auth", false),
        x_frame_options: reader
            .text("server.x.frame.options")
            .unwrap_or_else(|| "sameorigin".into()),
        content_security_policy: reader
            .text("server.content-security-policy")
            .unwrap_or_else(|| "frame-ancestors 'self';".into()),
        content_types: reader.text("server.api.content.types").map_or_else(
            || vec!["application/json".to_owned()],
            |text| text.split(';').map(|item| item.trim().to_owned()).collect(),
        ),
        sync_replace_allowed: reader.boolean("server.sync.replace.allowed", true),
    }
}

fn repo(reader: &mut Reader<'_>) -> Repo {
    Repo {
        git_timeout: reader
            .duration("reposerver.git.request.timeout")
            .unwrap_or(Duration::from_secs(15)),
        submodules: reader.boolean("reposerver.enable.git.submodule", true),
        max_directory_bytes: reader
            .parse(
                "reposerver.max.combined.directory.manifests.size",
                "write a size such as 10M",
                bytes,
            )
            .unwrap_or(10 << 20),
        allow_out_of_bounds_symlinks: reader.boolean("reposerver.allow.oob.symlinks", false),
        hidden_directories: reader.boolean("reposerver.include.hidden.directories", false),
    }
}

/// Reads a size: a number, or one with a suffix such as `10M`, `1Gi`.
fn bytes(text: &str) -> Result<u64, String> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let scale: u64 = match suffix {
        "" => 1,
        "k" | "K" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return Err(format!("{text:?} is not a size")),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(scale))
        .ok_or_else(|| format!("{text:?} is not a size"))
}
