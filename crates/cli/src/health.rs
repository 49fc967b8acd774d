//! `driftless health`: says how objects are doing, from their own status.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use driftless_engine::health::{Health, NoRules, assess};
use driftless_manifest::Object;
use serde::Serialize;
use serde_json::{Map, Value};

/// Says how the objects in files are doing: one JSON line `{"status","message"}` per object.
///
/// A file holds one or more YAML or JSON documents; a List is its items. A kind that has no health has the
/// status null.
#[derive(clap::Args, Debug, Clone, Default)]
pub struct Args {
    /// Files with objects as they are in a cluster; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// Why it could not be said.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("reading {file}")]
    Read {
        /// The file.
        file: String,
        /// What is wrong.
        source: io::Error,
    },
    /// A file is not YAML.
    #[error("reading {file}")]
    Yaml {
        /// The file.
        file: String,
        /// What is wrong.
        source: driftless_yaml::Error,
    },
    /// A document is not an object.
    #[error("document {number} of {file}")]
    Object {
        /// The file.
        file: String,
        /// Which document, counted from 1.
        number: usize,
        /// What is wrong.
        source: driftless_manifest::object::Error,
    },
    /// The answer could not be written.
    #[error("writing the answer")]
    Write(#[source] io::Error),
}

#[derive(Serialize)]
struct Line {
    status: Option<&'static str>,
    message: String,
}

/// Writes one line per object.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<(), Error> {
    for file in &args.files {
        for object in objects(file)? {
            let line = line(assess(&object, &NoRules));
            serde_json::to_writer(&mut *out, &line).map_err(|error| Error::Write(error.into()))?;
            writeln!(out).map_err(Error::Write)?;
        }
    }
    out.flush().map_err(Error::Write)
}

fn line(health: Option<Health>) -> Line {
    match health {
        Some(health) => Line {
            status: Some(health.status.as_str()),
            message: health.message,
        },
        None => Line {
            status: None,
            message: String::new(),
        },
    }
}

/// Reads the objects of a file; `-` is standard input.
pub(crate) fn objects(file: &Path) -> Result<Vec<Object>, Error> {
    let name = || file.display().to_string();
    let bytes = if file == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(file)
    };
    let bytes = bytes.map_err(|source| Error::Read {
        file: name(),
        source,
    })?;
    let limits = driftless_yaml::Limits::default();
    let documents =
        driftless_yaml::parse_documents(&bytes, &limits).map_err(|source| Error::Yaml {
            file: name(),
            source,
        })?;
    let mut objects = Vec::new();
    for (index, mut document) in documents.into_iter().enumerate() {
        name_it(&mut document);
        let found = driftless_manifest::flatten(document).map_err(|source| Error::Object {
            file: name(),
            number: index + 1,
            source,
        })?;
        objects.extend(found);
    }
    Ok(objects)
}

/// Gives a name to an object that has none: excerpts of objects are judged, too.
fn name_it(document: &mut Value) {
    let Value::Object(map) = document else { return };
    if map.contains_key("items") {
        return;
    }
    let metadata = map
        .entry("metadata")
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(metadata) = metadata
        && !metadata.contains_key("name")
        && !metadata.contains_key("generateName")
    {
        metadata.insert("name".into(), "unnamed".into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("objects.yaml");
        std::fs::write(&file, text).unwrap();
        let mut out = Vec::new();
        run(&Args { files: vec![file] }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_object_gets_a_line() {
        let text = "
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
status: {phase: Bound}
---
# nothing
---
apiVersion: v1
kind: List
items:
- {apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: c}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: m}}
---
{\"apiVersion\": \"keda.sh/v1alpha1\", \"kind\": \"ScaledJob\", \"status\":
 {\"conditions\": [{\"type\": \"Ready\", \"status\": \"False\", \"message\": \"no trigger\"}]}}
";
        assert_eq!(
            judge(text),
            "{\"status\":\"Healthy\",\"message\":\"\"}\n\
             {\"status\":\"Progressing\",\"message\":\"Waiting for certificate\"}\n\
             {\"status\":null,\"message\":\"\"}\n\
             {\"status\":\"Degraded\",\"message\":\"no trigger\"}\n"
        );
    }

    #[test]
    fn what_is_no_object_is_told_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("objects.yaml");
        std::fs::write(&file, "{apiVersion: v1, kind: Pod}\n---\nplain text\n").unwrap();
        let args = Args {
            files: vec![file.clone()],
        };
        let error = run(&args, &mut Vec::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("document 2 of {}", file.display())
        );
    }
}
