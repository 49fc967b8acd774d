//! `driftless health`: says how objects are doing, from their own status.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use driftless_appstate::script::scripts;
use driftless_engine::health::script::Scripts;
use driftless_engine::health::{Health, assess};
use driftless_manifest::Object;
use driftless_settings::general::General;
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
    /// The ConfigMap `argocd-cm` as YAML: its Lua scripts (`resource.customizations.health`) come first
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
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
    /// The settings cannot be used.
    #[error("reading the settings in {file}: {problem}")]
    Settings {
        /// The file.
        file: String,
        /// What is wrong, and what to do.
        problem: String,
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
    let rules = match &args.settings {
        Some(file) => settings(file)?,
        None => Scripts::default(),
    };
    for file in &args.files {
        for object in objects(file)? {
            let line = line(assess(&object, &rules));
            serde_json::to_writer(&mut *out, &line).map_err(|error| Error::Write(error.into()))?;
            writeln!(out).map_err(Error::Write)?;
        }
    }
    out.flush().map_err(Error::Write)
}

/// Reads the scripts of an `argocd-cm`.
fn settings(file: &Path) -> Result<Scripts, Error> {
    let refuse = |problem: String| Error::Settings {
        file: file.display().to_string(),
        problem,
    };
    let found = objects(file)?;
    let [map] = found.as_slice() else {
        return Err(refuse("one ConfigMap is needed".to_owned()));
    };
    if map.kind() != "ConfigMap" {
        return Err(refuse(format!(
            "it holds an object of kind {} instead of a ConfigMap",
            map.kind()
        )));
    }
    let data = map.at(&["data"]).cloned().unwrap_or_default();
    let data: BTreeMap<String, String> =
        serde_json::from_value(data).map_err(|error| refuse(error.to_string()))?;
    let (general, problems) = General::read(&data, None);
    if let Some(problem) = problems
        .iter()
        .find(|one| one.key.starts_with("resource.customizations"))
    {
        return Err(refuse(format!(
            "{}: {}; {}",
            problem.key, problem.message, problem.hint
        )));
    }
    Ok(scripts(&general.overrides))
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
        let args = Args {
            files: vec![file],
            settings: None,
        };
        run(&args, &mut out).unwrap();
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
            settings: None,
        };
        let error = run(&args, &mut Vec::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("document 2 of {}", file.display())
        );
    }

    #[test]
    fn scripts_of_the_settings_come_first() {
        let folder = tempfile::tempdir().unwrap();
        let (file, map) = (
            folder.path().join("app.yaml"),
            folder.path().join("cm.yaml"),
        );
        let app = "{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {name: a}, status: {health: {status: Degraded}}}";
        std::fs::write(&file, app).unwrap();
        let judge = |settings: &str| {
            std::fs::write(&map, settings).unwrap();
            let args = Args {
                files: vec![file.clone()],
                settings: Some(map.clone()),
            };
            let mut out = Vec::new();
            run(&args, &mut out).map(|()| String::from_utf8(out).unwrap())
        };
        let settings = "
apiVersion: v1
kind: ConfigMap
metadata: {name: argocd-cm}
data:
  resource.customizations.health.argoproj.io_Application: |
    hs = {}
    hs.status = \"Progressing\"
    hs.message = \"\"
    if obj.status ~= nil then
      if obj.status.health ~= nil then
        hs.status = obj.status.health.status
        if obj.status.health.message ~= nil then
          hs.message = obj.status.health.message
        end
      end
    end
    return hs
";
        assert_eq!(
            judge(settings).unwrap(),
            "{\"status\":\"Degraded\",\"message\":\"\"}\n"
        );
        let loops = "{kind: ConfigMap, apiVersion: v1, data: {resource.customizations.health.argoproj.io_Application: while true do end}}";
        let line = judge(loops).unwrap();
        assert!(
            line.contains("Unknown") && line.contains("health.argoproj.io_Application"),
            "{line}"
        );
        assert!(
            judge("{kind: ConfigMap, apiVersion: v1, data: {resource.customizations: '['}}")
                .is_err()
        );
        assert!(judge("{kind: Secret, apiVersion: v1}").is_err());
    }
}
