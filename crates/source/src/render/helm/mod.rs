//! Charts in Git (argocd-contract §6.3), rendered by the engine in this process.
//!
//! Upstream: argo-cd reposerver/repository and util/helm (v3.1), differs: dependencies are taken from `charts/`, or from
//! `file://` folders of the same repository, and are never downloaded; values files of URLs are fetched before the render.

mod world;

use std::sync::Arc;

use driftless_core::tree::{self, EntryKind};
use driftless_core::{TreePath, glob::Glob};
use driftless_gotemplate::{Budget, bytes};
use driftless_helm::values::Overrides;
use driftless_helm::{Asked, Capabilities, Chart, Engine, KubeVersion, Options, Release, load};
use driftless_manifest::Object;
use driftless_yaml::Duplicates;
use serde::Deserialize;

pub use self::world::Facts;
use self::world::World;
use super::refs::ref_name;
use super::{Ctx, Error, Output, Request, Seen, SourceKind, SourceType};

/// Most files that the search for a glob looks at.
const MAX_WALK: usize = 20_000;
/// How deep charts may refer to each other's folders.
const MAX_LOCAL_DEPTH: usize = 8;

/// The kind for charts. It keeps parsed templates, so that a chart that many applications use is read once.
#[derive(Default)]
pub struct HelmCharts {
    engine: Engine,
    budget: Budget,
    limits: load::Limits,
}

impl HelmCharts {
    /// Makes the kind with limits other than the usual ones.
    pub fn with_limits(budget: Budget, limits: load::Limits) -> Self {
        Self {
            engine: Engine::default(),
            budget,
            limits,
        }
    }
}

/// `spec.source.helm`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
struct Section {
    value_files: Vec<String>,
    parameters: Vec<Parameter>,
    file_parameters: Vec<FileParameter>,
    release_name: String,
    values: String,
    values_object: Option<serde_json::Value>,
    ignore_missing_value_files: bool,
    skip_crds: bool,
    skip_tests: bool,
    skip_schema_validation: bool,
    namespace: String,
    kube_version: String,
    api_versions: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Parameter {
    name: String,
    value: String,
    force_string: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct FileParameter {
    name: String,
    path: String,
}

impl SourceKind for HelmCharts {
    fn source_type(&self) -> SourceType {
        SourceType::Helm
    }

    fn render(&self, cx: &Ctx<'_>) -> Result<Output, Error> {
        let section = Section::read(&cx.source.parameters)?;
        let facts = Facts::of(cx.request)?;
        let world = World::new(cx, &facts);
        let values = Values {
            cx,
            section: &section,
            limit: self.limits.file,
        };
        let fail = |error| Error::Chart {
            path: cx.path.to_string(),
            source: Arc::new(error),
        };
        let values = values
            .overrides()?
            .to_map(&self.limits.yaml)
            .map_err(fail)?;
        let chart = self.chart(cx, &cx.path, 0)?;
        let options = self.options(cx, &section, &facts)?;
        let rendered =
            driftless_helm::render_within(&self.engine, chart, &values, &options, Some(&world))
                .map_err(|error| world.failure().unwrap_or_else(|| fail(error)))?;
        let mut output = Output {
            seen: section.seen(cx.request, &rendered.asked),
            ..Output::default()
        };
        if !section.skip_crds {
            for (path, text) in &rendered.crds {
                for document in driftless_helm::documents(text) {
                    self.add(&mut output, path, document)?;
                }
            }
        }
        for manifest in &rendered.manifests {
            self.add(&mut output, &manifest.path, &manifest.content)?;
        }
        for hook in &rendered.hooks {
            if !(section.skip_tests && hook.is_test()) {
                self.add(&mut output, &hook.path, &hook.content)?;
            }
        }
        Ok(output)
    }
}

impl HelmCharts {
    /// Loads the chart in a folder, and those it depends on in other folders of the tree.
    fn chart(&self, cx: &Ctx<'_>, folder: &TreePath, depth: usize) -> Result<Chart, Error> {
        let fail = |error| Error::Chart {
            path: folder.to_string(),
            source: Arc::new(error),
        };
        let mut chart = load::from_tree(cx.tree, folder, &self.limits).map_err(fail)?;
        let wanted = chart.metadata.dependencies.clone().unwrap_or_default();
        for dependency in &wanted {
            let Some(place) = dependency.repository.strip_prefix("file://") else {
                continue;
            };
            if chart
                .dependencies
                .iter()
                .any(|known| known.name() == dependency.name)
            {
                continue;
            }
            let problem = |problem: String| Error::Dependency {
                path: folder.to_string(),
                name: dependency.name.clone(),
                problem,
            };
            if depth >= MAX_LOCAL_DEPTH {
                return Err(problem(
                    "the charts refer to each other too deep".to_owned(),
                ));
            }
            let place = folder
                .join(place)
                .map_err(|error| problem(error.to_string()))?;
            let inner = self.chart(cx, &place, depth + 1)?;
            if !driftless_helm::version_fits(&dependency.version, &inner.metadata.version) {
                return Err(problem(format!(
                    "{place} holds version {}, which is not {:?}",
                    inner.metadata.version, dependency.version
                )));
            }
            chart.dependencies.push(inner);
        }
        Ok(chart)
    }

    fn options(&self, cx: &Ctx<'_>, section: &Section, facts: &Facts) -> Result<Options, Error> {
        let request = cx.request;
        let or = |text: &str, other: &str| if text.is_empty() { other } else { text }.to_owned();
        let mut capabilities = Capabilities::default();
        let version = or(&section.kube_version, &request.kube_version);
        if !version.is_empty() {
            capabilities.kube_version =
                KubeVersion::parse(&version).map_err(|problem| Error::Section {
                    kind: SourceType::Helm,
                    problem,
                })?;
        }
        if section.api_versions.is_empty() {
            capabilities
                .api_versions
                .extend(request.api_versions.iter().cloned());
        } else {
            capabilities
                .api_versions
                .extend(section.api_versions.iter().cloned());
        }
        let revision = facts.revision.max(1);
        Ok(Options {
            release: Release {
                name: or(&section.release_name, request.app.name.as_str()),
                namespace: or(&section.namespace, request.destination_namespace.as_str()),
                revision,
                is_upgrade: revision > 1,
            },
            capabilities,
            check_schema: !section.skip_schema_validation,
            budget: facts.budget(self.budget),
            seed: facts.seed()?,
            yaml: self.limits.yaml,
        })
    }

    fn add(&self, output: &mut Output, path: &str, text: &str) -> Result<(), Error> {
        let raw = bytes::of_text(text);
        let value = driftless_yaml::parse_first(&raw, &self.limits.yaml, Duplicates::Last)
            .map_err(|error| Error::Manifest {
                file: path.to_owned(),
                line: error.line,
                column: error.column,
                message: error.message,
            })?;
        let objects: Vec<Object> =
            driftless_manifest::flatten(value).map_err(|error| Error::NotAnObject {
                file: path.to_owned(),
                document: 1,
                problem: error.to_string(),
            })?;
        output.objects.extend(objects);
        Ok(())
    }
}

impl Section {
    /// Returns what the render saw of the cluster, which is nothing that the section itself says.
    fn seen(&self, request: &Request, asked: &Asked) -> Seen {
        let mut seen = Seen::default();
        if self.kube_version.is_empty() {
            seen = seen.version(request);
        }
        match (self.api_versions.is_empty(), asked.all) {
            (false, _) => seen,
            (true, false) => seen.asked(request, &asked.names),
            (true, true) => seen.all(request),
        }
    }

    fn read(parameters: &serde_json::Value) -> Result<Self, Error> {
        if parameters.is_null() {
            return Ok(Self::default());
        }
        Self::deserialize(parameters).map_err(|error| Error::Section {
            kind: SourceType::Helm,
            problem: error.to_string(),
        })
    }
}

/// What the user set, as far as the tree holds it.
struct Values<'a> {
    cx: &'a Ctx<'a>,
    section: &'a Section,
    limit: u64,
}

impl Values<'_> {
    fn overrides(&self) -> Result<Overrides, Error> {
        let section = self.section;
        let mut overrides = Overrides::default();
        for path in self.value_files()? {
            let content = self.read(&path)?;
            overrides.files.push((path.to_string(), content));
        }
        match &section.values_object {
            Some(object) if !object.is_null() => {
                let text = object.to_string().into_bytes();
                overrides.files.push(("valuesObject".to_owned(), text));
            }
            _ if !section.values.is_empty() => {
                let text = section.values.clone().into_bytes();
                overrides.files.push(("values".to_owned(), text));
            }
            _ => {}
        }
        for parameter in &section.parameters {
            let text = format!("{}={}", parameter.name, escape_commas(&parameter.value));
            if parameter.force_string {
                overrides.strings.push(text);
            } else {
                overrides.set.push(text);
            }
        }
        for (index, parameter) in section.file_parameters.iter().enumerate() {
            let path = self.path(&parameter.path)?;
            if !self.is_file(&path)? {
                return Err(self.missing(&parameter.path));
            }
            let content = self.read(&path)?;
            overrides
                .set_files
                .push(format!("{}={index}", parameter.name));
            overrides.file_contents.push((index.to_string(), content));
        }
        Ok(overrides)
    }

    fn problem(&self, file: &str, problem: impl Into<String>) -> Error {
        Error::Values {
            path: self.cx.path.to_string(),
            file: file.to_owned(),
            problem: problem.into(),
        }
    }

    fn missing(&self, file: &str) -> Error {
        if file.contains("://") {
            return self.problem(file, "URLs are fetched for the Application's own list of files only, not for that of .argocd-source.yaml");
        }
        self.problem(
            file,
            "no such file; set ignoreMissingValueFiles when it may be missing",
        )
    }

    /// Returns the files in their order: each once, at the place where it is named, not where a glob finds it.
    fn value_files(&self) -> Result<Vec<TreePath>, Error> {
        let mut named = Vec::new();
        for file in &self.section.value_files {
            if !is_glob(file) {
                named.push(self.path(file)?);
            }
        }
        let mut files: Vec<TreePath> = Vec::new();
        for file in &self.section.value_files {
            let found = if is_glob(file) {
                let mut found = self.search(file)?;
                if found.is_empty() && !self.section.ignore_missing_value_files {
                    return Err(self.problem(file, "the glob matches no files"));
                }
                found.retain(|path| !named.contains(path));
                found
            } else {
                let path = self.path(file)?;
                if self.is_file(&path)? {
                    vec![path]
                } else if self.section.ignore_missing_value_files && !file.contains("://") {
                    Vec::new()
                } else {
                    return Err(self.missing(file));
                }
            };
            for path in found {
                if !is_glob(file) || !files.contains(&path) {
                    files.push(path);
                }
            }
        }
        Ok(files)
    }

    /// Returns where a file lies: beside the chart, below the root, or in another source.
    fn path(&self, file: &str) -> Result<TreePath, Error> {
        if file.contains("://") {
            return Ok(super::fetched_path(file));
        }
        let outside = |_| self.problem(file, "the path leads out of the repository");
        if let Some(name) = ref_name(file) {
            if name.contains(':') {
                return Err(self.problem(file, "no source has a ref with such a name"));
            }
            let root = TreePath::root()
                .join(&format!("${name}"))
                .map_err(outside)?;
            let rest = file.get(name.len() + 2..).unwrap_or_default();
            let path = root.join(rest).map_err(outside)?;
            if !path.is_under(&root) {
                return Err(self.problem(file, "the path leads out of the repository"));
            }
            return Ok(path);
        }
        match file.strip_prefix('/') {
            Some(rest) => TreePath::root().join(rest).map_err(outside),
            None => self.cx.path.join(file).map_err(outside),
        }
    }

    fn is_file(&self, path: &TreePath) -> Result<bool, Error> {
        tree::is_file(self.cx.tree, path).map_err(Error::from_tree)
    }

    fn read(&self, path: &TreePath) -> Result<Vec<u8>, Error> {
        let content = tree::read_file(self.cx.tree, path, self.limit).map_err(Error::from_tree)?;
        Ok(content.to_vec())
    }

    /// Returns the files that a glob matches, in the order of their names.
    fn search(&self, file: &str) -> Result<Vec<TreePath>, Error> {
        let parts: Vec<&str> = file.split('/').collect();
        let fixed = parts.iter().take_while(|part| !is_glob(part)).count();
        let (before, pattern) = parts.split_at(fixed);
        let before = before.join("/");
        let folder = if before.is_empty() && file.starts_with('/') {
            TreePath::root()
        } else if before.is_empty() {
            self.cx.path.clone()
        } else {
            self.path(&before)?
        };
        // Between slashes, two stars stand for any number of folders, none as well.
        let pattern = pattern.join("/").replace("**/", "{**/,}");
        let glob = Glob::new(&pattern, Some('/')).map_err(|source| Error::Glob {
            field: "helm.valueFiles",
            source,
        })?;
        let mut found = Vec::new();
        let mut pending = vec![folder.clone()];
        let mut looked = 0;
        while let Some(at) = pending.pop() {
            match tree::resolve(self.cx.tree, &at).map_err(Error::from_tree)? {
                Some((_, entry)) if entry.kind == EntryKind::Folder => {}
                _ => continue,
            }
            let entries = tree::list_folder(self.cx.tree, &at).map_err(Error::from_tree)?;
            for entry in entries.iter() {
                looked += 1;
                if looked > MAX_WALK {
                    return Err(self.problem(file, "the glob looks at too many files"));
                }
                let path = at.join(&entry.name).map_err(Error::from_tree)?;
                match entry.entry.kind {
                    EntryKind::Folder => pending.push(path),
                    EntryKind::File | EntryKind::Link => {
                        let relative = path.relative_to(&folder).unwrap_or_default();
                        if glob.matches(relative) && self.is_file(&path)? {
                            found.push(path);
                        }
                    }
                    EntryKind::Other => {}
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

fn is_glob(file: &str) -> bool {
    file.contains(['*', '?', '[', '{'])
}

/// A value of `--set` ends at a comma; one that is a list in braces keeps its commas.
fn escape_commas(value: &str) -> String {
    if value.starts_with('{') && value.ends_with('}') {
        return value.to_owned();
    }
    let mut out = String::with_capacity(value.len());
    let mut before = None;
    for character in value.chars() {
        if character == ',' && before != Some('\\') {
            out.push('\\');
        }
        out.push(character);
        before = Some(character);
    }
    out
}

#[cfg(test)]
mod tests;
