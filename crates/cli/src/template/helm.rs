//! `driftless template helm`: charts on disk, rendered as `helm template` renders them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use driftless_core::class::render_chain;
use driftless_core::tree::TreePath;
use driftless_gotemplate::{Budget, Seed, bytes};
use driftless_helm::values::Overrides;
use driftless_helm::{Capabilities, Chart, Engine, KubeVersion, Options, Release, Show, load};

use super::Printed;
use super::flags::{self, Flag, Kind, Parsed, flag};
use super::local::LocalTree;

/// Arguments of `helm template`: `[NAME] CHART [flags]`.
#[derive(clap::Args, Debug, Clone, Default)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// Name of the release, folder or archive of the chart, and flags of `helm template`
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "[NAME] CHART [FLAGS]"
    )]
    pub words: Vec<String>,
}

#[rustfmt::skip]
const FLAGS: &[Flag] = &[
    flag("namespace", Some('n'), Kind::Text, "namespace of the release"),
    flag("values", Some('f'), Kind::List, "values in a YAML file (can be given again)"),
    flag("set", None, Kind::Texts, "values as key1=val1,key2=val2"),
    flag("set-string", None, Kind::Texts, "values that are text, whatever they look like"),
    flag("set-json", None, Kind::Texts, "values as key=JSON, or one JSON object"),
    flag("set-file", None, Kind::Texts, "values that are the content of files: key=path"),
    flag("set-literal", None, Kind::Texts, "one value that is text up to its end"),
    flag("kube-version", None, Kind::Text, "Kubernetes version of .Capabilities"),
    flag("api-versions", Some('a'), Kind::List, "further API versions of .Capabilities"),
    flag("include-crds", None, Kind::Switch, "print the CRDs of the chart too"),
    flag("no-hooks", None, Kind::Switch, "leave hooks out"),
    flag("skip-tests", None, Kind::Switch, "leave hooks that are tests out"),
    flag("skip-crds", None, Kind::Switch, "accepted; CRDs are printed with --include-crds only"),
    flag("skip-schema-validation", None, Kind::Switch, "do not check values against values.schema.json"),
    flag("is-upgrade", None, Kind::Switch, "set .Release.IsUpgrade instead of .Release.IsInstall"),
    flag("show-only", Some('s'), Kind::Texts, "print what these templates wrote only"),
    flag("output-dir", None, Kind::Text, "write files into this folder instead of printing"),
    flag("release-name", None, Kind::Switch, "with --output-dir, in a folder named for the release"),
    flag("name-template", None, Kind::Text, "template of the release's name"),
    flag("generate-name", Some('g'), Kind::Switch, "name the release for the chart and the time"),
    flag("debug", None, Kind::Switch, "print what was rendered even when it is not valid"),
    flag("seed", None, Kind::Text, "make random functions repeatable (not a flag of helm)"),
    flag("help", Some('h'), Kind::Switch, "print this text"),
    // These change nothing in what is printed.
    flag("create-namespace", None, Kind::Switch, "accepted, no effect"),
    flag("force", None, Kind::Switch, "accepted, no effect"),
    flag("force-replace", None, Kind::Switch, "accepted, no effect"),
    flag("force-conflicts", None, Kind::Switch, "accepted, no effect"),
    flag("server-side", None, Kind::Switch, "accepted, no effect"),
    flag("replace", None, Kind::Switch, "accepted, no effect"),
    flag("timeout", None, Kind::Text, "accepted, no effect"),
    flag("wait", None, Kind::Optional, "accepted, no effect"),
    flag("wait-for-jobs", None, Kind::Switch, "accepted, no effect"),
    flag("description", None, Kind::Text, "accepted, no effect"),
    flag("devel", None, Kind::Switch, "accepted, no effect"),
    flag("disable-openapi-validation", None, Kind::Switch, "accepted, no effect"),
    flag("rollback-on-failure", None, Kind::Switch, "accepted, no effect"),
    flag("atomic", None, Kind::Switch, "accepted, no effect"),
    flag("render-subchart-notes", None, Kind::Switch, "accepted, no effect"),
    flag("labels", Some('l'), Kind::Texts, "accepted, no effect"),
    flag("enable-dns", None, Kind::Switch, "accepted, no effect: nothing is looked up"),
    flag("hide-notes", None, Kind::Switch, "accepted, no effect"),
    flag("take-ownership", None, Kind::Switch, "accepted, no effect"),
    flag("version", None, Kind::Text, "accepted, no effect on charts on disk"),
    flag("keyring", None, Kind::Text, "accepted, no effect"),
    flag("username", None, Kind::Text, "accepted, no effect"),
    flag("password", None, Kind::Text, "accepted, no effect"),
    flag("cert-file", None, Kind::Text, "accepted, no effect"),
    flag("key-file", None, Kind::Text, "accepted, no effect"),
    flag("ca-file", None, Kind::Text, "accepted, no effect"),
    flag("insecure-skip-tls-verify", None, Kind::Switch, "accepted, no effect"),
    flag("plain-http", None, Kind::Switch, "accepted, no effect"),
    flag("pass-credentials", None, Kind::Switch, "accepted, no effect"),
    flag("kubeconfig", None, Kind::Text, "accepted, no effect"),
    flag("kube-apiserver", None, Kind::Text, "accepted, no effect"),
    flag("kube-as-group", None, Kind::Texts, "accepted, no effect"),
    flag("kube-as-user", None, Kind::Text, "accepted, no effect"),
    flag("kube-ca-file", None, Kind::Text, "accepted, no effect"),
    flag("kube-insecure-skip-tls-verify", None, Kind::Switch, "accepted, no effect"),
    flag("kube-tls-server-name", None, Kind::Text, "accepted, no effect"),
    flag("kube-token", None, Kind::Text, "accepted, no effect"),
    flag("burst-limit", None, Kind::Text, "accepted, no effect"),
    flag("qps", None, Kind::Text, "accepted, no effect"),
    flag("kube-context", None, Kind::Text, "accepted, no effect"),
    flag("color", None, Kind::Text, "accepted, no effect"),
    flag("colour", None, Kind::Text, "accepted, no effect"),
    flag("registry-config", None, Kind::Text, "accepted, no effect"),
    flag("repository-config", None, Kind::Text, "accepted, no effect"),
    flag("repository-cache", None, Kind::Text, "accepted, no effect"),
    flag("content-cache", None, Kind::Text, "accepted, no effect"),
    // These need a network, a cluster or a program.
    flag("dry-run", None, Kind::Optional, "only 'client' is supported"),
    flag("repo", None, Kind::Text, "not supported: the chart has to be on disk"),
    flag("verify", None, Kind::Switch, "not supported"),
    flag("validate", None, Kind::Switch, "not supported"),
    flag("dependency-update", None, Kind::Switch, "not supported when dependencies are missing"),
    flag("post-renderer", None, Kind::Text, "not supported"),
    flag("post-renderer-args", None, Kind::Texts, "not supported"),
];

/// What helm adds when a release was put together and could not be rendered.
const HINT: &str = "\n\nUse --debug flag to render out invalid YAML";

/// Renders charts. It keeps parsed charts and templates, so one is to be used for many renders.
#[derive(Default)]
pub struct Renderer {
    engine: Arc<Engine>,
    charts: BTreeMap<PathBuf, Kept>,
    keeps_charts: bool,
}

struct Kept {
    fingerprint: Fingerprint,
    chart: Chart,
    /// Whether its files were looked at since [`Renderer::look_again`].
    is_current: bool,
}

/// Tells a folder or archive that has changed: path, size and time of each file.
type Fingerprint = Vec<(PathBuf, u64, Option<SystemTime>)>;

impl Renderer {
    /// Makes a renderer that keeps the charts it has read, as long as their files do not change.
    pub fn keeping_charts(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            keeps_charts: true,
            ..Self::default()
        }
    }

    /// Looks at the files of each chart again before it is rendered the next time.
    pub fn look_again(&mut self) {
        for kept in self.charts.values_mut() {
            kept.is_current = false;
        }
    }

    /// Runs `helm template` with these arguments in this folder.
    pub fn run(&mut self, dir: &Path, words: &[String]) -> Printed {
        let mut warnings = String::new();
        match self.try_run(dir, words, &mut warnings) {
            Ok(stdout) => Printed {
                stdout,
                stderr: warnings,
                ok: true,
            },
            Err(message) => Printed::failed(format!("{warnings}Error: {message}\n")),
        }
    }

    fn try_run(
        &mut self,
        dir: &Path,
        words: &[String],
        warnings: &mut String,
    ) -> Result<Vec<u8>, String> {
        let parsed = flags::parse(words, FLAGS)?;
        if parsed.is_on("help") {
            let usage = "Renders a chart as `helm template` does.\n\nUsage: driftless template helm [NAME] CHART [flags]\n\nFlags:\n";
            return Ok(format!("{usage}{}", flags::describe(FLAGS)).into_bytes());
        }
        if parsed.positional.is_empty() {
            return Err(
                "\"helm template\" requires at least 1 argument\n\nUsage:  helm template [NAME] [CHART] [flags]"
                    .to_owned(),
            );
        }
        refuse_unsupported(&parsed)?;
        let mut capabilities = Capabilities::default();
        if let Some(version) = parsed.text("kube-version").filter(|text| !text.is_empty()) {
            capabilities.kube_version = KubeVersion::parse(version)?;
        }
        capabilities
            .api_versions
            .extend(parsed.texts("api-versions").iter().cloned());
        let (name, chart) = name_and_chart(&parsed)?;
        let path = dir.join(&chart);
        if !path.exists() {
            return Err(not_there(&chart));
        }
        let limits = load::Limits::default();
        let values = overrides(dir, &parsed)?
            .to_map(&limits.yaml)
            .map_err(|error| error.to_string())?;
        let chart = self.chart(&path, &limits)?;
        if chart.metadata.deprecated {
            warnings.push_str("level=WARN msg=\"this chart is deprecated\"\n");
        }
        let options = Options {
            release: Release {
                name: name.clone(),
                namespace: match parsed.text("namespace") {
                    None | Some("") => "default".to_owned(),
                    Some(namespace) => namespace.to_owned(),
                },
                revision: 1,
                is_upgrade: parsed.is_on("is-upgrade"),
            },
            capabilities,
            check_schema: !parsed.is_on("skip-schema-validation"),
            budget: Budget::default(),
            seed: seed(&parsed)?,
            yaml: limits.yaml,
        };
        let rendered =
            driftless_helm::render(&self.engine, chart, &values, &options).map_err(|error| {
                let hint = if error.is_render() && !parsed.is_on("debug") {
                    HINT
                } else {
                    ""
                };
                format!("{}{hint}", render_chain(&error))
            })?;
        let show = Show {
            crds: parsed.is_on("include-crds"),
            no_hooks: parsed.is_on("no-hooks"),
            no_tests: parsed.is_on("skip-tests"),
        };
        if let Some(folder) = parsed.text("output-dir").filter(|text| !text.is_empty()) {
            let mut folder = dir.join(folder);
            let crds = folder.clone();
            if parsed.is_on("release-name") {
                folder = folder.join(&name);
            }
            return write_files(&crds, &folder, &rendered, show);
        }
        let text = rendered.to_text(show);
        let patterns = parsed.texts("show-only");
        let text = if patterns.is_empty() {
            text
        } else {
            driftless_helm::show_only(&text, patterns)?
        };
        Ok(bytes::of_text(&text).into_owned())
    }

    fn chart(&mut self, path: &Path, limits: &load::Limits) -> Result<Chart, String> {
        if !self.keeps_charts {
            return read_chart(path, limits);
        }
        if let Some(kept) = self.charts.get(path).filter(|kept| kept.is_current) {
            return Ok(kept.chart.clone());
        }
        let mut now = Fingerprint::new();
        fingerprint(path, &mut now).map_err(|error| format!("{}: {error}", path.display()))?;
        if let Some(kept) = self.charts.get_mut(path)
            && kept.fingerprint == now
        {
            kept.is_current = true;
            return Ok(kept.chart.clone());
        }
        let chart = read_chart(path, limits)?;
        let kept = Kept {
            fingerprint: now,
            chart: chart.clone(),
            is_current: true,
        };
        self.charts.insert(path.to_owned(), kept);
        Ok(chart)
    }
}

fn fingerprint(path: &Path, out: &mut Fingerprint) -> std::io::Result<()> {
    let found = std::fs::metadata(path)?;
    if found.is_dir() {
        for entry in std::fs::read_dir(path)? {
            fingerprint(&entry?.path(), out)?;
        }
    } else {
        out.push((path.to_owned(), found.len(), found.modified().ok()));
    }
    Ok(())
}

fn read_chart(path: &Path, limits: &load::Limits) -> Result<Chart, String> {
    let loaded = if path.is_dir() {
        let file = path.join("Chart.yaml");
        if let Err(error) = std::fs::metadata(&file) {
            let shown = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            return Err(format!(
                "unable to detect chart at {}: open {}: {}",
                shown.display(),
                shown.join("Chart.yaml").display(),
                go_words(&error)
            ));
        }
        load::from_tree(&LocalTree::new(path), &TreePath::root(), limits)
    } else {
        let archive = std::fs::read(path)
            .map_err(|error| format!("open {}: {}", path.display(), go_words(&error)))?;
        if !archive.starts_with(&[0x1F, 0x8B]) {
            return Err(format!(
                "file '{}' does not appear to be a gzipped archive; got '{}'",
                std::path::absolute(path)
                    .unwrap_or_else(|_| path.to_owned())
                    .display(),
                "application/octet-stream"
            ));
        }
        load::from_archive(&archive, limits)
    };
    loaded.map_err(|error| render_chain(&error))
}

/// The words that Go has for an error of the system.
fn go_words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        _ => error.to_string(),
    }
}

/// Says what helm says about a chart that is not on disk: a name that is no path is looked for in repositories.
fn not_there(chart: &str) -> String {
    if chart.starts_with(['.', '/']) {
        return format!("path {chart:?} not found");
    }
    match chart.split_once('/') {
        Some((repository, _)) => format!("repo {repository} not found"),
        None => {
            format!("non-absolute URLs should be in form of repo_name/path_to_chart, got: {chart}")
        }
    }
}

fn refuse_unsupported(parsed: &Parsed) -> Result<(), String> {
    for name in ["repo", "post-renderer"] {
        if parsed.text(name).is_some_and(|text| !text.is_empty()) {
            return Err(format!(
                "--{name} is not supported: charts are rendered in process, from disk"
            ));
        }
    }
    for name in ["verify", "validate"] {
        if parsed.is_on(name) {
            return Err(format!(
                "--{name} is not supported: charts are rendered in process, from disk"
            ));
        }
    }
    match parsed.text("dry-run") {
        None | Some("client" | "unset" | "" | "true") => Ok(()),
        Some(other) => Err(format!(
            "--dry-run={other} is not supported: charts are rendered without a cluster"
        )),
    }
}

fn seed(parsed: &Parsed) -> Result<Option<Seed>, String> {
    parsed
        .text("seed")
        .map(|text| {
            text.parse::<u64>().map(Seed::from).map_err(|_| {
                format!("invalid argument {text:?} for \"--seed\" flag: not a whole number")
            })
        })
        .transpose()
}

fn name_and_chart(parsed: &Parsed) -> Result<(String, String), String> {
    let template = parsed.text("name-template").filter(|text| !text.is_empty());
    match parsed.positional.as_slice() {
        [name, chart] => {
            if parsed.is_on("generate-name") {
                return Err("cannot set --generate-name and also specify a name".to_owned());
            }
            if template.is_some() {
                return Err("cannot set --name-template and also specify a name".to_owned());
            }
            Ok((name.clone(), chart.clone()))
        }
        [chart] => match template {
            Some(template) => Ok((driftless_helm::release_name(template)?, chart.clone())),
            None => Ok(("release-name".to_owned(), chart.clone())),
        },
        more => Err(format!(
            "expected at most two arguments, unexpected arguments: {}",
            more.get(2..).unwrap_or_default().join(", ")
        )),
    }
}

fn read_file(dir: &Path, name: &str) -> Result<Vec<u8>, String> {
    if name.trim() == "-" {
        let mut content = Vec::new();
        return match std::io::stdin().lock().read_to_end(&mut content) {
            Ok(_) => Ok(content),
            Err(error) => Err(format!("reading standard input: {error}")),
        };
    }
    std::fs::read(dir.join(name)).map_err(|error| format!("open {name}: {}", go_words(&error)))
}

fn overrides(dir: &Path, parsed: &Parsed) -> Result<Overrides, String> {
    let mut files = Vec::new();
    for name in parsed.texts("values") {
        files.push((name.clone(), read_file(dir, name)?));
    }
    let set_files = parsed.texts("set-file").to_vec();
    let mut file_contents = Vec::new();
    for path in driftless_helm::strvals::named_files(&set_files) {
        // One that is not there is told with the flag that named it.
        if let Ok(content) = read_file(dir, &path) {
            file_contents.push((path, content));
        }
    }
    Ok(Overrides {
        files,
        json: parsed.texts("set-json").to_vec(),
        set: parsed.texts("set").to_vec(),
        strings: parsed.texts("set-string").to_vec(),
        set_files,
        file_contents,
        literals: parsed.texts("set-literal").to_vec(),
    })
}

/// Writes one file for each template below a folder, and says so.
fn write_files(
    crd_folder: &Path,
    folder: &Path,
    rendered: &driftless_helm::Rendered,
    show: Show,
) -> Result<Vec<u8>, String> {
    let mut told = String::new();
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    let mut add = |folder: &Path, path: &str, content: &str| {
        let file = folder.join(path);
        let text = format!("---\n# Source: {path}\n{content}\n");
        let _ = writeln!(told, "wrote {}", file.display());
        match files.iter_mut().find(|(known, _)| *known == file) {
            Some((_, known)) => known.push_str(&text),
            None => files.push((file, text)),
        }
    };
    if show.crds {
        for (path, content) in &rendered.crds {
            add(crd_folder, path, content);
        }
    }
    for manifest in &rendered.manifests {
        add(folder, &manifest.path, &manifest.content);
    }
    for hook in rendered.hooks.iter().filter(|_| !show.no_hooks) {
        if !(show.no_tests && hook.is_test()) {
            add(folder, &hook.path, &hook.content);
        }
    }
    for (file, text) in &files {
        let write = || {
            if let Some(folder) = file.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(file, bytes::of_text(text))
        };
        write().map_err(|error| format!("open {}: {}", file.display(), go_words(&error)))?;
    }
    told.push('\n');
    Ok(told.into_bytes())
}
