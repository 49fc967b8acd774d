//! `argocd-cm`: the general settings (argocd-contract §7.1).

pub mod account;
pub mod resource;

use std::collections::BTreeMap;
use std::time::Duration;

use driftless_core::Secret;
use serde::Deserialize;

pub use account::{AccountRule, AccountRules};
pub use resource::{
    FilterRule, IgnoreDifferences, IgnoreStatus, KnownTypeField, Override, ResourceFilter,
};

use crate::diagnostic::Diagnostic;
use crate::reader::{LastGood, Reader};

/// Name of the ConfigMap.
pub const NAME: &str = "argocd-cm";

/// How objects are marked as belonging to an Application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrackingMethod {
    /// By annotation.
    #[default]
    Annotation,
    /// By label.
    Label,
    /// By annotation; the label is for other tools.
    AnnotationAndLabel,
}

impl TrackingMethod {
    /// Returns the text the API uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Annotation => "annotation",
            Self::Label => "label",
            Self::AnnotationAndLabel => "annotation+label",
        }
    }
}

/// How often things are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Time between two looks at a repository's refs; zero means never by itself.
    pub reconciliation: Duration,
    /// Random time that is added to it.
    pub jitter: Duration,
    /// Time between two refreshes that render again; zero means never.
    pub hard_reconciliation: Duration,
    /// Random time before a refresh that a webhook causes.
    pub webhook_jitter: Duration,
    /// Number of Applications from which on `webhook_jitter` is used.
    pub webhook_jitter_threshold: u64,
    /// Largest accepted webhook payload, in bytes.
    pub webhook_max_payload: u64,
}

/// Time between two looks at a repository when `timeout.reconciliation` is not set. Refs are asked
/// for once per repository, so this can be shorter than the incumbent's 120 s per Application.
pub const DEFAULT_RECONCILIATION: Duration = Duration::from_secs(30);

/// What the UI shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ui {
    /// Style sheet.
    pub css_url: String,
    /// Banner.
    pub banner_content: String,
    /// Where the banner leads.
    pub banner_url: String,
    /// Whether the banner cannot be closed.
    pub banner_permanent: bool,
    /// `top`, `bottom` or `both`.
    pub banner_position: String,
    /// Text of the login button.
    pub login_button_text: String,
    /// Whether the list of all resources is offered.
    pub view_resources_disabled: bool,
    /// Where to chat.
    pub help_chat_url: String,
    /// Text for it.
    pub help_chat_text: String,
    /// Downloads by platform.
    pub help_downloads: BTreeMap<String, String>,
    /// Whether badges are served.
    pub status_badge: bool,
    /// Address for badges.
    pub status_badge_url: String,
}

/// What the API server offers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Server {
    /// Whether the cluster it runs in can be a destination.
    pub in_cluster: bool,
    /// Most pods whose logs are shown at once.
    pub max_pod_logs: u64,
    /// Whether a terminal is offered.
    pub exec: bool,
    /// Shells to try.
    pub exec_shells: Vec<String>,
    /// Whether rolling back needs the right `rollback`.
    pub rollback_enforced: bool,
    /// Whether `update` and `delete` on an Application give no right to its objects.
    pub fine_grained_inheritance_disabled: bool,
    /// Whether syncing to another revision needs the right `override`.
    pub revision_sync_needs_override: bool,
    /// Whether those who are not logged in may look.
    pub anonymous: bool,
    /// How long a session lasts.
    pub session_duration: Duration,
    /// Rule for passwords, a regular expression.
    pub password_pattern: String,
}

/// Which renderers are on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tools {
    /// Helm.
    pub helm: bool,
    /// Kustomize.
    pub kustomize: bool,
    /// Jsonnet.
    pub jsonnet: bool,
    /// Options of every Kustomize build.
    pub kustomize_build_options: String,
    /// Schemes from which Helm values files may be read.
    pub helm_value_schemes: Vec<String>,
    /// Charts.
    pub charts: Charts,
}

/// How charts are rendered; none of it is known to the incumbent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charts {
    /// Longest time of a render.
    pub timeout: Duration,
    /// Most steps of a render; zero for the usual number.
    pub max_steps: u64,
    /// Most templates inside each other; zero for the usual number.
    pub max_depth: u64,
    /// Most bytes that a render writes, and its functions make; zero for the usual numbers.
    pub max_bytes: u64,
    /// `.Release.Revision` and `.Release.IsUpgrade` follow the Application's history.
    pub release_from_history: bool,
    /// Random functions give an Application the same values in each render.
    pub seeded: bool,
    /// Values files may be fetched from this machine and its link.
    pub local_urls: bool,
}

/// How comparisons and syncs work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Compare {
    /// Rules of aggregated ClusterRoles are ignored.
    pub ignore_aggregated_roles: bool,
    /// Which `status` is ignored.
    pub ignore_status: IgnoreStatus,
    /// Ignored differences cause no refresh either.
    pub ignore_differences_on_updates: bool,
    /// Whether `ignoreResourceUpdates` is used.
    pub ignore_resource_updates: bool,
    /// Service accounts of projects are acted as.
    pub impersonation: bool,
    /// A destination without a service account is an error.
    pub impersonation_enforced: bool,
}

/// A project whose rules other projects inherit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GlobalProject {
    /// The project.
    pub project_name: String,
    /// Which projects inherit.
    pub label_selector: LabelSelector,
}

/// A selection of objects by label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    /// Labels and their values.
    pub match_labels: BTreeMap<String, String>,
    /// Conditions.
    pub match_expressions: Vec<LabelExpression>,
}

/// One condition of a selection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LabelExpression {
    /// Label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// Values.
    pub values: Vec<String>,
}

/// The general settings.
#[derive(Clone, Debug, PartialEq)]
pub struct General {
    /// Address of the UI.
    pub url: String,
    /// Other addresses of the UI.
    pub additional_urls: Vec<String>,
    /// Identity of this installation, when several share a cluster.
    pub installation_id: String,
    /// Label that names the Application of an object.
    pub instance_label_key: String,
    /// How objects are marked.
    pub tracking: TrackingMethod,
    /// How often things are looked at.
    pub timing: Timing,
    /// Local accounts.
    pub accounts: AccountRules,
    /// What the UI shows.
    pub ui: Ui,
    /// What the API server offers.
    pub server: Server,
    /// Which renderers are on.
    pub tools: Tools,
    /// How comparisons and syncs work.
    pub compare: Compare,
    /// Which objects are looked at.
    pub filter: ResourceFilter,
    /// What is special about some kinds, the most general first.
    pub overrides: Vec<Override>,
    /// Annotations whose values are hidden.
    pub sensitive_annotations: Vec<String>,
    /// Labels shown in the resource tree.
    pub custom_labels: Vec<String>,
    /// Labels copied to Events, globs.
    pub event_labels_included: Vec<String>,
    /// Labels not copied to Events, globs.
    pub event_labels_excluded: Vec<String>,
    /// Only kinds that may be listed are watched: empty, `normal` or `strict`.
    pub respect_rbac: String,
    /// Projects whose rules others inherit.
    pub global_projects: Vec<GlobalProject>,
    /// `oidc.config`, its references not resolved.
    pub oidc: Option<Secret<String>>,
    /// `dex.config`, its references not resolved.
    pub dex: Option<Secret<String>>,
    /// Keys that nothing here reads.
    pub unknown_keys: Vec<String>,
    last_good: LastGood,
}

impl Default for General {
    fn default() -> Self {
        Self::read(&BTreeMap::new(), None).0
    }
}

impl General {
    /// Reads the ConfigMap; a key that cannot be read keeps its value of `previous`.
    pub fn read(
        data: &BTreeMap<String, String>,
        previous: Option<&Self>,
    ) -> (Self, Vec<Diagnostic>) {
        let none = LastGood::new();
        let last_good = previous.map_or(&none, |previous| &previous.last_good);
        let mut reader = Reader::new(NAME, data, last_good);
        let mut general = Self::sections(&mut reader);
        general.unknown_keys = reader.unknown();
        general.unknown_keys.retain(|key| !is_read_elsewhere(key));
        let (good, diagnostics) = reader.finish();
        general.last_good = good;
        (general, diagnostics)
    }

    fn sections(reader: &mut Reader<'_>) -> Self {
        let list_hint = "write a YAML list of texts";
        Self {
            url: reader.text("url").unwrap_or_default(),
            additional_urls: reader.yaml("additionalUrls", list_hint).unwrap_or_default(),
            installation_id: reader.text("installationID").unwrap_or_default(),
            instance_label_key: reader
                .text("application.instanceLabelKey")
                .unwrap_or_else(|| driftless_api::annotation::LABEL_INSTANCE.to_owned()),
            tracking: reader
                .parse(
                    "application.resourceTrackingMethod",
                    "write annotation, label or annotation+label",
                    tracking,
                )
                .unwrap_or_default(),
            timing: timing(reader),
            accounts: account::read(reader),
            ui: ui(reader),
            server: server(reader),
            tools: tools(reader),
            compare: compare(reader),
            filter: resource::filter(reader),
            overrides: resource::overrides(reader),
            sensitive_annotations: reader
                .list("resource.sensitive.mask.annotations")
                .unwrap_or_default(),
            custom_labels: reader.list("resource.customLabels").unwrap_or_default(),
            event_labels_included: reader
                .list("resource.includeEventLabelKeys")
                .unwrap_or_default(),
            event_labels_excluded: reader
                .list("resource.excludeEventLabelKeys")
                .unwrap_or_default(),
            respect_rbac: reader
                .parse(
                    "resource.respectRBAC",
                    "write normal or strict",
                    one_of(&["normal", "strict"]),
                )
                .unwrap_or_default(),
            global_projects: reader
                .yaml(
                    "globalProjects",
                    "write a YAML list of {projectName, labelSelector}",
                )
                .unwrap_or_default(),
            oidc: reader.text("oidc.config").map(Secret::new),
            dex: reader.text("dex.config").map(Secret::new),
            unknown_keys: Vec::new(),
            last_good: LastGood::new(),
        }
    }

    /// Returns what is special about a kind, the most general first.
    pub fn overrides_of<'a>(
        &'a self,
        group: &'a str,
        kind: &'a str,
    ) -> impl Iterator<Item = &'a Override> {
        self.overrides
            .iter()
            .filter(move |item| item.matches(group, kind))
    }

    /// Says whether the account `admin` may be used.
    pub fn is_admin_enabled(&self) -> bool {
        self.accounts.get("admin").is_some_and(|rule| rule.enabled)
    }
}

/// Keys for parts that read the ConfigMap themselves, or that have no meaning here.
fn is_read_elsewhere(key: &str) -> bool {
    const NAMES: [&str; 7] = [
        "project.links",
        "application.links",
        "resource.links",
        "extension.config",
        "application.allowedNodeLabels",
        "ga.trackingid",
        "ga.anonymizeusers",
    ];
    const PREFIXES: [&str; 6] = [
        "commit.author.",
        "sourceHydrator.",
        "kustomize.path.",
        "kustomize.buildOptions.",
        "dex.",
        "oidc.",
    ];
    NAMES.contains(&key)
        || PREFIXES.iter().any(|prefix| key.starts_with(prefix))
        || key.starts_with("extension.config.")
}

fn tracking(text: &str) -> Result<TrackingMethod, String> {
    match text {
        "annotation" => Ok(TrackingMethod::Annotation),
        "label" => Ok(TrackingMethod::Label),
        "annotation+label" => Ok(TrackingMethod::AnnotationAndLabel),
        _ => Err(format!("{text:?} is not a tracking method")),
    }
}

fn one_of(allowed: &'static [&'static str]) -> impl Fn(&str) -> Result<String, String> {
    move |text| {
        if allowed.contains(&text) {
            Ok(text.to_owned())
        } else {
            Err(format!("{text:?} is not one of {}", allowed.join(", ")))
        }
    }
}

fn timing(reader: &mut Reader<'_>) -> Timing {
    let reconciliation = reader
        .duration("timeout.reconciliation")
        .unwrap_or(DEFAULT_RECONCILIATION);
    // A minute of jitter would be most of a short interval: a fifth spreads the load as well.
    let jitter = reader
        .duration("timeout.reconciliation.jitter")
        .unwrap_or_else(|| (reconciliation / 5).min(Duration::from_secs(60)));
    Timing {
        reconciliation,
        jitter,
        hard_reconciliation: reader
            .duration("timeout.hard.reconciliation")
            .unwrap_or_default(),
        webhook_jitter: reader
            .duration("webhook.refresh.jitter")
            .unwrap_or_default(),
        webhook_jitter_threshold: reader
            .integer("webhook.refresh.jitter.threshold")
            .or_else(|| reader.integer("webhook.refresh.threshold"))
            .unwrap_or(10),
        webhook_max_payload: reader
            .integer("webhook.maxPayloadSizeMB")
            .unwrap_or(50)
            .saturating_mul(1 << 20),
    }
}

fn ui(reader: &mut Reader<'_>) -> Ui {
    let mut help_downloads = BTreeMap::new();
    for platform in reader.keys_under("help.download.") {
        if let Some(url) = reader.text(&format!("help.download.{platform}")) {
            help_downloads.insert(platform, url);
        }
    }
    let mut text = |key: &str| reader.text(key).unwrap_or_default();
    Ui {
        css_url: text("ui.cssurl"),
        banner_content: text("ui.bannercontent"),
        banner_url: text("ui.bannerurl"),
        login_button_text: text("ui.loginButtonText"),
        help_chat_url: text("help.chatUrl"),
        help_chat_text: text("help.chatText"),
        status_badge_url: text("statusbadge.url"),
        banner_permanent: reader.boolean("ui.bannerpermanent", false),
        banner_position: reader
            .parse(
                "ui.bannerposition",
                "write top, bottom or both",
                one_of(&["top", "bottom", "both"]),
            )
            .unwrap_or_else(|| "top".to_owned()),
        view_resources_disabled: reader.boolean("ui.view.resources.disabled", false),
        status_badge: reader.boolean("statusbadge.enabled", false),
        help_downloads,
    }
}

fn server(reader: &mut Reader<'_>) -> Server {
    let shells = ["bash", "sh", "powershell", "cmd"];
    Server {
        in_cluster: reader.boolean("cluster.inClusterEnabled", true),
        max_pod_logs: reader.integer("server.maxPodLogsToRender").unwrap_or(10),
        exec: reader.boolean("exec.enabled", false),
        exec_shells: reader
            .list("exec.shells")
            .unwrap_or_else(|| shells.map(str::to_owned).to_vec()),
        rollback_enforced: reader.boolean("server.rbac.rollback.enforce.enable", false),
        fine_grained_inheritance_disabled: reader.boolean(
            "server.rbac.disableApplicationFineGrainedRBACInheritance",
            true,
        ),
        revision_sync_needs_override: reader.boolean(
            "application.sync.requireOverridePrivilegeForRevisionSync",
            false,
        ),
        anonymous: reader.boolean("users.anonymous.enabled", false),
        session_duration: reader
            .duration("users.session.duration")
            .unwrap_or(Duration::from_secs(24 * 3600)),
        password_pattern: reader
            .parse("passwordPattern", "write a regular expression", |text| {
                regex::Regex::new(text)
                    .map(|_| text.to_owned())
                    .map_err(|error| format!("not a regular expression: {error}"))
            })
            .unwrap_or_else(|| "^.{8,32}$".to_owned()),
    }
}

fn tools(reader: &mut Reader<'_>) -> Tools {
    Tools {
        helm: reader.boolean("helm.enable", true),
        kustomize: reader.boolean("kustomize.enable", true),
        jsonnet: reader.boolean("jsonnet.enable", true),
        kustomize_build_options: reader.text("kustomize.buildOptions").unwrap_or_default(),
        helm_value_schemes: reader
            .list("helm.valuesFileSchemes")
            .unwrap_or_else(|| vec!["https".to_owned(), "http".to_owned()]),
        charts: charts(reader),
    }
}

fn charts(reader: &mut Reader<'_>) -> Charts {
    let mut chosen = |key: &str, usual: &'static str, other: &'static str| {
        let parse = |text: &str| match text {
            text if text == usual => Ok(false),
            text if text == other => Ok(true),
            text => Err(format!("{text:?} is neither {usual} nor {other}")),
        };
        let hint = format!("write {usual} or {other}");
        reader.parse(key, &hint, parse).unwrap_or(false)
    };
    let release_from_history = chosen("driftless.helm.release", "install", "history");
    let seeded = chosen("driftless.helm.random", "random", "seeded");
    Charts {
        timeout: reader
            .duration("driftless.helm.timeout")
            .unwrap_or(Duration::from_secs(90)),
        max_steps: reader.integer("driftless.helm.maxSteps").unwrap_or(0),
        max_depth: reader.integer("driftless.helm.maxDepth").unwrap_or(0),
        max_bytes: reader.integer("driftless.helm.maxBytes").unwrap_or(0),
        release_from_history,
        seeded,
        local_urls: reader.boolean("driftless.helm.localUrls", false),
    }
}

fn compare(reader: &mut Reader<'_>) -> Compare {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Options {
        ignore_aggregated_roles: bool,
        ignore_resource_status_field: String,
        ignore_differences_on_resource_updates: bool,
    }
    impl Default for Options {
        fn default() -> Self {
            Self {
                ignore_aggregated_roles: false,
                ignore_resource_status_field: "all".to_owned(),
                ignore_differences_on_resource_updates: true,
            }
        }
    }
    let options: Options = reader
        .yaml(
            "resource.compareoptions",
            "write ignoreAggregatedRoles, ignoreResourceStatusField (all, crd or none) and \
             ignoreDifferencesOnResourceUpdates as YAML",
        )
        .unwrap_or_default();
    Compare {
        ignore_aggregated_roles: options.ignore_aggregated_roles,
        ignore_status: match options.ignore_resource_status_field.as_str() {
            "crd" => IgnoreStatus::Crd,
            "none" | "off" | "false" => IgnoreStatus::None,
            _ => IgnoreStatus::All,
        },
        ignore_differences_on_updates: options.ignore_differences_on_resource_updates,
        ignore_resource_updates: reader.boolean("resource.ignoreResourceUpdatesEnabled", true),
        impersonation: reader.boolean("application.sync.impersonation.enabled", false),
        impersonation_enforced: reader.boolean("application.sync.impersonation.enforced", true),
    }
}
