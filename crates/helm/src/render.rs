//! A chart and what the user wants → manifests.

use std::cell::RefCell;
use std::rc::Rc;

use driftless_gotemplate::{Budget, Exec, Map, Outside, Registry, Seed, Str, TemplateSet, Value};

use crate::capabilities::{Asked, Capabilities};
use crate::chart::Chart;
use crate::dependency;
use crate::engine::Engine;
use crate::error::Error;
use crate::manifest::{self, Hook, Manifest};
use crate::schema;
use crate::values::{Nulls, coalesce_values};

/// The release that templates see.
#[derive(Clone, Debug)]
pub struct Release {
    /// `.Release.Name`
    pub name: String,
    /// `.Release.Namespace`
    pub namespace: String,
    /// `.Release.Revision`
    pub revision: i64,
    /// `.Release.IsUpgrade`; an installation otherwise.
    pub is_upgrade: bool,
}

/// How to render.
#[derive(Clone, Debug)]
pub struct Options {
    /// The release.
    pub release: Release,
    /// What the cluster can do.
    pub capabilities: Capabilities,
    /// Whether values are checked against the charts' schemas.
    pub check_schema: bool,
    /// Budget of the templates.
    pub budget: Budget,
    /// Seed of the random functions; without one they draw from the system, as Helm's do.
    pub seed: Option<Seed>,
    /// Limits of the documents that templates write.
    pub yaml: driftless_yaml::Limits,
}

/// What a render gave.
#[derive(Clone, Debug, Default)]
pub struct Rendered {
    /// CRDs of the charts: path and text.
    pub crds: Vec<(String, String)>,
    /// Documents of the release, in the order of their installation.
    pub manifests: Vec<Manifest>,
    /// Hooks, in the order of their kinds.
    pub hooks: Vec<Hook>,
    /// What the templates asked of the cluster's API versions.
    pub asked: Asked,
}

/// Which parts the text of a render shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Show {
    /// CRDs before everything else.
    pub crds: bool,
    /// No hooks.
    pub no_hooks: bool,
    /// No hooks that are tests.
    pub no_tests: bool,
}

impl Rendered {
    /// Returns the text that `helm template` prints.
    pub fn to_text(&self, show: Show) -> String {
        let mut out = String::new();
        let add = |out: &mut String, path: &str, content: &str| {
            out.push_str("---\n# Source: ");
            out.push_str(path);
            out.push('\n');
            out.push_str(content);
            out.push('\n');
        };
        if show.crds {
            for (path, content) in &self.crds {
                add(&mut out, path, content);
            }
        }
        for manifest in &self.manifests {
            add(&mut out, &manifest.path, &manifest.content);
        }
        let mut out = format!("{}\n", out.trim());
        if !show.no_hooks {
            for hook in &self.hooks {
                if !(show.no_tests && hook.is_test()) {
                    add(&mut out, &hook.path, &hook.content);
                }
            }
        }
        out
    }
}

fn check_release_name(name: &str) -> Result<(), Error> {
    let part = |part: &str| {
        let ends =
            |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        ends(part.chars().next())
            && ends(part.chars().next_back())
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if name.is_empty() {
        return Err(Error::Release("no name provided".to_owned()));
    }
    if name.len() > 53 || !name.split('.').all(part) {
        return Err(Error::Release(format!(
            "release name check failed: release name {name:?}: invalid release name, must match regex ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than 53"
        )));
    }
    Ok(())
}

/// Runs the template of a release's name (`--name-template`).
///
/// # Errors
/// The template is wrong; the text says how.
pub fn release_name(template: &str) -> Result<String, String> {
    let registry = Registry::with_sprig();
    let mut set = TemplateSet::default();
    set.parse("name-template", &Str::from(template), &registry)
        .map_err(|error| format!("template: {error}"))?;
    let host = ();
    Exec::new(&registry, &set, &host, Budget::default(), None)
        .run("name-template", &Value::Nil)
        .map_err(|error| error.to_string())
}

fn check_chart(chart: &Chart) -> Result<(), Error> {
    if chart.is_library() {
        return Err(Error::Release(format!(
            "{} charts are not installable",
            chart.metadata.kind
        )));
    }
    let missing: Vec<&str> = chart
        .metadata
        .dependencies
        .iter()
        .flatten()
        .map(|dependency| dependency.name.as_str())
        .filter(|name| {
            !chart
                .dependencies
                .iter()
                .any(|subchart| subchart.name() == *name)
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Release(format!(
        "an error occurred while checking for chart dependencies. You may need to run 'helm dependency build' to fetch missing dependencies: found in Chart.yaml, but missing in charts/ directory: {}",
        missing.join(", ")
    )))
}

/// Renders a chart.
///
/// # Errors
/// [`Error::Chart`], [`Error::Values`] and [`Error::Schema`] are about the inputs; [`Error::Render`] comes
/// from a template or from what it wrote; [`Error::Limit`] ends a render that uses too much.
pub fn render(
    engine: &Engine,
    chart: Chart,
    values: &Map,
    options: &Options,
) -> Result<Rendered, Error> {
    render_within(engine, chart, values, options, None)
}

/// Renders a chart that may look up objects, and has to end when it is told.
///
/// # Errors
/// As [`render`]; what cannot be looked up is an [`Error::Render`], being told to end an [`Error::Limit`].
pub fn render_within(
    engine: &Engine,
    mut chart: Chart,
    values: &Map,
    options: &Options,
    outside: Option<&dyn Outside>,
) -> Result<Rendered, Error> {
    check_chart(&chart)?;
    check_release_name(&options.release.name)?;
    dependency::process(&mut chart, values).map_err(Error::Values)?;
    let merged = coalesce_values(&chart, values, Nulls::Remove).map_err(Error::Values)?;
    if options.check_schema {
        schema::validate(&chart, &merged).map_err(Error::Schema)?;
    }
    let wanted = &chart.metadata.kube_version;
    let kube_version = &options.capabilities.kube_version;
    if !wanted.is_empty() && !dependency::version_fits(wanted, kube_version.normalized()) {
        return Err(Error::Render(format!(
            "chart requires kubeVersion: {wanted} which is incompatible with Kubernetes {}",
            kube_version.as_str()
        )));
    }
    let release = &options.release;
    let asked = Rc::new(RefCell::new(Asked::default()));
    let top: [(&str, Value); 3] = [
        (
            "Release",
            Value::map([
                ("Name", Value::str(&release.name)),
                ("Namespace", Value::str(&release.namespace)),
                ("IsUpgrade", Value::Bool(release.is_upgrade)),
                ("IsInstall", Value::Bool(!release.is_upgrade)),
                ("Revision", Value::Int(release.revision)),
                ("Service", Value::str("Helm")),
            ]),
        ),
        ("Capabilities", options.capabilities.to_value(&asked)),
        ("Values", Value::Map(merged)),
    ];
    let top = Map::new(
        top.into_iter()
            .map(|(key, value)| (Str::from(key), value))
            .collect(),
    );
    let mut files = engine.render(&chart, &top, options.budget, options.seed, outside)?;
    files.retain(|path, _| !path.ends_with("NOTES.txt"));
    let (hooks, manifests) = manifest::sort(&files, &options.yaml).map_err(Error::Render)?;
    let crds = chart
        .crds()
        .into_iter()
        .map(|(path, file)| {
            let text = driftless_gotemplate::bytes::to_text(&file.data);
            (path, text.into_owned())
        })
        .collect();
    Ok(Rendered {
        crds,
        manifests,
        hooks,
        asked: asked.take(),
    })
}
