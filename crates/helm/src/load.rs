//! Files → chart: from a folder of a tree, or from an archive.

use std::collections::BTreeMap;
use std::io::Read;

use bytes::Bytes;
use driftless_core::tree::{self, EntryKind, Tree, TreePath};
use driftless_gotemplate::funcs::clean;
use driftless_gotemplate::{Map, Value, data};
use driftless_yaml::{Duplicates, Reader};

use crate::chart::{Chart, File};
use crate::error::Error;
use crate::ignore::{Rules, What};
use crate::metadata::Metadata;
use crate::schema::Schema;

/// What a chart may measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest file in bytes.
    pub file: u64,
    /// All files together, unpacked.
    pub total: u64,
    /// How many files.
    pub files: usize,
    /// How deep charts nest.
    pub depth: usize,
    /// Limits of each YAML file.
    pub yaml: driftless_yaml::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file: 16 << 20,
            total: 128 << 20,
            files: 20_000,
            depth: 16,
            yaml: driftless_yaml::Limits::default(),
        }
    }
}

/// Loads the chart in a folder of a tree, less what `.helmignore` names.
pub fn from_tree(tree: &dyn Tree, folder: &TreePath, limits: &Limits) -> Result<Chart, Error> {
    let ignore = folder.join(".helmignore").map_err(Error::Tree)?;
    let rules = if tree::is_file(tree, &ignore).map_err(Error::Tree)? {
        let text = tree::read_file(tree, &ignore, limits.file).map_err(Error::Tree)?;
        Rules::read(&String::from_utf8_lossy(&text))
    } else {
        Rules::read("")
    };
    let mut walk = Walk {
        tree,
        rules: rules.map_err(Error::Chart)?,
        limits,
        total: 0,
        files: Vec::new(),
    };
    walk.folder(folder, "", 0)?;
    assemble(walk.files, limits, 0)
}

struct Walk<'a> {
    tree: &'a dyn Tree,
    rules: Rules,
    limits: &'a Limits,
    total: u64,
    files: Vec<File>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &TreePath, prefix: &str, depth: usize) -> Result<(), Error> {
        if depth > 64 {
            return Err(Error::Chart(format!("folders nest too deep at {folder}")));
        }
        for entry in tree::list_folder(self.tree, folder)
            .map_err(Error::Tree)?
            .iter()
        {
            let path = folder.join(&entry.name).map_err(Error::Tree)?;
            let name = format!("{prefix}{}", entry.name);
            let kind = if entry.entry.kind == EntryKind::Link {
                match tree::resolve(self.tree, &path).map_err(Error::Tree)? {
                    Some((_, target)) => target.kind,
                    None => return Err(Error::Chart(format!("link {name} leads nowhere"))),
                }
            } else {
                entry.entry.kind
            };
            match kind {
                EntryKind::Folder => {
                    if !self.rules.ignores(&name, What::Folder) {
                        self.folder(&path, &format!("{name}/"), depth + 1)?;
                    }
                }
                EntryKind::File => {
                    if !self.rules.ignores(&name, What::File) {
                        let data = tree::read_file(self.tree, &path, self.limits.file)
                            .map_err(Error::Tree)?;
                        self.total += data.len() as u64;
                        self.check()?;
                        self.files.push(File::new(name, without_mark(data)));
                    }
                }
                _ => {
                    return Err(Error::Chart(format!(
                        "cannot load irregular file {name} as it has file mode type bits set"
                    )));
                }
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Error> {
        if self.total > self.limits.total || self.files.len() >= self.limits.files {
            return Err(Error::Chart(format!(
                "the chart is larger than {} bytes or {} files",
                self.limits.total, self.limits.files
            )));
        }
        Ok(())
    }
}

fn without_mark(data: Bytes) -> Bytes {
    if data.starts_with(b"\xEF\xBB\xBF") {
        data.slice(3..)
    } else {
        data
    }
}

/// Loads a chart archive (`.tgz`).
pub fn from_archive(archive: &[u8], limits: &Limits) -> Result<Chart, Error> {
    assemble(unpack(archive, limits).map_err(Error::Chart)?, limits, 0)
}

fn unpack(archive: &[u8], limits: &Limits) -> Result<Vec<File>, String> {
    let mut unpacked = flate2::read::MultiGzDecoder::new(archive).take(limits.total + 1);
    let mut tar = tar::Archive::new(&mut unpacked);
    let mut files = Vec::new();
    let mut total = 0u64;
    let broken = |error: std::io::Error| format!("cannot read the chart archive: {error}");
    for entry in tar.entries().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let kind = entry.header().entry_type();
        if kind.is_dir() || kind.is_pax_global_extensions() {
            continue;
        }
        if kind.is_symlink() || kind.is_hard_link() {
            return Err("chart archives may not hold links".to_owned());
        }
        let path = entry.path_bytes();
        let path = std::str::from_utf8(&path)
            .map_err(|_| "chart contains illegally named files".to_owned())?
            .replace('\\', "/");
        let (top, name) = path.split_once('/').unwrap_or((path.as_str(), ""));
        if top == "Chart.yaml" {
            return Err("chart yaml not in base directory".to_owned());
        }
        let name = clean(name);
        if path.starts_with('/') || name.starts_with('/') || top == ".." {
            return Err("chart illegally contains absolute paths".to_owned());
        }
        if name == "." {
            return Err(format!(
                "chart illegally contains content outside the base directory: {path:?}"
            ));
        }
        if name == ".." || name.starts_with("../") || name.contains('\0') {
            return Err("chart illegally references parent directory".to_owned());
        }
        if name.as_bytes().get(1) == Some(&b':') {
            return Err("chart contains illegally named files".to_owned());
        }
        let size = entry.size();
        total = total.saturating_add(size);
        if size > limits.file || total > limits.total || files.len() >= limits.files {
            return Err(format!(
                "decompressed chart is larger than the maximum size {} ({} per file)",
                limits.total, limits.file
            ));
        }
        let mut data = Vec::new();
        entry
            .take(limits.file + 1)
            .read_to_end(&mut data)
            .map_err(broken)?;
        files.push(File::new(name, without_mark(Bytes::from(data))));
    }
    if files.is_empty() {
        return Err("no files in chart archive".to_owned());
    }
    Ok(files)
}

fn assemble(files: Vec<File>, limits: &Limits, depth: usize) -> Result<Chart, Error> {
    if depth > limits.depth {
        return Err(Error::Chart(format!(
            "charts nest deeper than {}",
            limits.depth
        )));
    }
    let mut metadata = None;
    for file in files.iter().filter(|file| &*file.name == "Chart.yaml") {
        let read: &mut Metadata = metadata.get_or_insert_default();
        read.read(&file.data, &limits.yaml)
            .map_err(|error| Error::Chart(format!("cannot load Chart.yaml: {error}")))?;
        if read.api_version.is_empty() {
            "v1".clone_into(&mut read.api_version);
        }
    }
    let mut values = Map::default();
    let mut schema = None;
    let (mut templates, mut plain) = (Vec::new(), Vec::new());
    let mut nested: BTreeMap<String, Vec<File>> = BTreeMap::new();
    for file in files {
        let name = file.name.clone();
        match &*name {
            "Chart.yaml" | "Chart.lock" => {}
            "values.yaml" => {
                values = read_values(&file.data, &limits.yaml)
                    .map_err(|error| Error::Chart(format!("cannot load values.yaml: {error}")))?;
            }
            "values.schema.json" => schema = Some(Schema::new(file.data)),
            "requirements.yaml" => {
                let read: &mut Metadata = metadata.get_or_insert_default();
                read.read(&file.data, &limits.yaml).map_err(|error| {
                    Error::Chart(format!("cannot load requirements.yaml: {error}"))
                })?;
                if read.api_version == "v1" {
                    plain.push(file);
                }
            }
            "requirements.lock" => {
                let v1 = metadata
                    .as_ref()
                    .is_some_and(|read| read.api_version == "v1");
                if v1 {
                    plain.push(file);
                }
            }
            name if name.starts_with("templates/") => templates.push(file),
            name => match name.strip_prefix("charts/") {
                Some(inner) if !name.ends_with(".prov") => {
                    let top = inner.split('/').next().unwrap_or_default().to_owned();
                    let inner = File::new(inner, file.data);
                    nested.entry(top).or_default().push(inner);
                }
                _ => plain.push(file),
            },
        }
    }
    let Some(metadata) = metadata else {
        return Err(Error::Chart("Chart.yaml file is missing".to_owned()));
    };
    check_version(&metadata, nested.len(), depth)?;
    metadata.validate().map_err(Error::Chart)?;
    let mut chart = Chart {
        metadata,
        values,
        schema,
        templates,
        files: plain,
        dependencies: Vec::new(),
    };
    load_nested(&mut chart, nested, limits, depth)?;
    Ok(chart)
}

/// Charts of the version that is being worked on load in helm, and are refused before they are rendered.
fn check_version(metadata: &Metadata, subcharts: usize, depth: usize) -> Result<(), Error> {
    match metadata.api_version.as_str() {
        "v3" if depth == 0 => {
            let wanted = metadata.dependencies.as_ref().map_or(0, Vec::len);
            Err(Error::Chart(if subcharts > wanted {
                "an error occurred while checking for chart dependencies. You may need to run 'helm dependency build' to fetch missing dependencies: unsupported chart dependency type".to_owned()
            } else {
                "invalid chart apiVersion".to_owned()
            }))
        }
        "" | "v1" | "v2" => Ok(()),
        _ if depth == 0 => Err(Error::Chart("unsupported chart version".to_owned())),
        _ => Ok(()),
    }
}

fn load_nested(
    chart: &mut Chart,
    nested: BTreeMap<String, Vec<File>>,
    limits: &Limits,
    depth: usize,
) -> Result<(), Error> {
    for (top, files) in nested {
        if top.starts_with(['_', '.']) {
            continue;
        }
        let subchart = subchart(&top, files, limits, depth + 1).map_err(|error| match error {
            Error::Chart(message) => Error::Chart(format!(
                "error unpacking subchart {top} in {}: {message}",
                chart.name()
            )),
            other => other,
        })?;
        chart.dependencies.push(subchart);
    }
    Ok(())
}

fn subchart(top: &str, files: Vec<File>, limits: &Limits, depth: usize) -> Result<Chart, Error> {
    if top.ends_with(".tgz") {
        let Some(archive) = files.first().filter(|file| &*file.name == top) else {
            return Err(Error::Chart(format!("expected {top}")));
        };
        return assemble(
            unpack(&archive.data, limits).map_err(Error::Chart)?,
            limits,
            depth,
        );
    }
    let inner = files
        .into_iter()
        .filter_map(|file| {
            let (_, name) = file.name.split_once('/')?;
            Some(File::new(name, file.data.clone()))
        })
        .collect();
    assemble(inner, limits, depth)
}

/// Reads a values file: every document is a mapping, later ones are merged over earlier ones.
pub fn read_values(text: &[u8], limits: &driftless_yaml::Limits) -> Result<Map, String> {
    let wrap = |error: String| format!("cannot unmarshal yaml document: {error}");
    let go = |error: driftless_yaml::Error| {
        wrap(format!("error converting YAML to JSON: {}", error.as_go()))
    };
    let decoded = driftless_yaml::decode(text, limits).map_err(go)?;
    let mut reader = Reader::new(&decoded, data::ValueBuild, *limits, Duplicates::Last);
    let mut values: Option<Map> = None;
    while let Some(document) = reader.next_document().map_err(go)? {
        let map = match document {
            Value::Map(map) => map,
            Value::Nil => continue,
            other => {
                let message = data::wrong_type(&other, "map[string]interface {}");
                return Err(wrap(format!(
                    "error unmarshaling JSON: while decoding JSON: {message}"
                )));
            }
        };
        values = Some(match values {
            None => map,
            Some(values) => crate::values::merge_maps(&values, &map),
        });
    }
    let values = values.unwrap_or_default();
    // An alias is one map in two places here, and two maps in Go.
    if decoded.contains('*')
        && let Value::Map(copy) = Value::Map(values.clone()).deep_copy()
    {
        return Ok(copy);
    }
    Ok(values)
}
