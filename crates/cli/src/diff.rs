//! `driftless diff`: compares desired objects with live ones, both from files, as the controller would.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use driftless_core::ResourceKey;
use driftless_engine::annotation::Annotations;
use driftless_engine::diff::{Comparison, Ctx, compare, mask_secrets, view};
use driftless_manifest::Object;
use serde_json::{Value, json};
use similar::TextDiff;

use crate::health::{self, objects};

/// Compares desired objects with live ones by field ownership.
///
/// Exit code 0: no difference, 1: differences, 2: it could not be told. Hooks and what controllers made of
/// other objects do not count. Values of Secrets are masked.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// Folder (searched to the bottom for .yaml, .yml and .json) or file with the desired objects
    #[arg(long, value_name = "DIR")]
    pub desired: PathBuf,
    /// File with the live objects, as `kubectl get -o yaml --show-managed-fields` prints them; `-` is
    /// standard input
    #[arg(long, value_name = "FILE")]
    pub live: PathBuf,
    /// Form of the answer
    #[arg(long, short, value_enum, default_value_t)]
    pub output: Output,
}

/// Form of the answer.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Output {
    /// Unified text differences, from live to desired
    #[default]
    Unified,
    /// One JSON list with an entry per object that differs
    Json,
}

/// Why it could not be told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read as objects.
    #[error("loading objects")]
    Load(#[source] health::Error),
    /// A folder could not be listed.
    #[error("listing {folder}")]
    List {
        /// The folder.
        folder: String,
        /// What is wrong.
        source: io::Error,
    },
    /// Two files describe the same object.
    #[error("{key} is desired twice")]
    Twice {
        /// The object.
        key: String,
    },
    /// The answer could not be written.
    #[error("writing the answer")]
    Write(#[source] io::Error),
}

/// What is the matter with one object.
struct Entry {
    key: ResourceKey,
    change: &'static str,
    /// `None` when it was not compared, being on one side only.
    comparison: Option<Comparison>,
    live: Value,
    predicted: Value,
}

/// Writes what differs; says whether anything does.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<bool, Error> {
    let mut desired = BTreeMap::new();
    for file in files(&args.desired)? {
        for object in objects(&file).map_err(Error::Load)? {
            let key = object.key();
            if desired.insert(key.clone(), object).is_some() {
                return Err(Error::Twice {
                    key: key.to_string(),
                });
            }
        }
    }
    let live = objects(&args.live).map_err(Error::Load)?;
    let entries = entries(&desired, live);
    match args.output {
        Output::Unified => write_unified(&entries, out),
        Output::Json => write_json(&entries, out),
    }
    .map_err(Error::Write)?;
    Ok(!entries.is_empty())
}

fn files(place: &Path) -> Result<Vec<PathBuf>, Error> {
    if !place.is_dir() {
        return Ok(vec![place.to_owned()]);
    }
    let fail = |source| Error::List {
        folder: place.display().to_string(),
        source,
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(place).map_err(fail)? {
        paths.push(entry.map_err(fail)?.path());
    }
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_dir() && !path.is_symlink() {
            found.extend(files(&path)?);
        } else if matches!(extension, Some("yaml" | "yml" | "json")) && path.is_file() {
            found.push(path);
        }
    }
    Ok(found)
}

fn entries(desired: &BTreeMap<ResourceKey, Object>, live: Vec<Object>) -> Vec<Entry> {
    let mut live: BTreeMap<ResourceKey, Object> = live
        .into_iter()
        .map(|object| (object.key(), object))
        .collect();
    let mut entries = Vec::new();
    for (key, object) in desired {
        let found = live_key(key, &live).and_then(|key| live.remove(&key));
        if !Annotations::of(object).hook.is_hook() {
            entries.extend(entry(key, object, found.as_ref()));
        }
    }
    for (key, object) in live {
        let made_by_another = object.owner_references().next().is_some();
        if !made_by_another && !Annotations::of(&object).hook.is_hook() {
            entries.push(one_sided(key, "extra", &object));
        }
    }
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    entries
}

/// Returns the live object that is meant: manifests often leave the namespace to where they are applied.
fn live_key(key: &ResourceKey, live: &BTreeMap<ResourceKey, Object>) -> Option<ResourceKey> {
    if live.contains_key(key) {
        return Some(key.clone());
    }
    if !key.namespace.is_empty() {
        return None;
    }
    let mut same = live.keys().filter(|known| {
        (&known.group, &known.kind, &known.name) == (&key.group, &key.kind, &key.name)
    });
    same.next().filter(|_| same.next().is_none()).cloned()
}

fn entry(key: &ResourceKey, desired: &Object, live: Option<&Object>) -> Option<Entry> {
    let Some(live) = live else {
        return Some(one_sided(key.clone(), "missing", desired));
    };
    let mut desired = desired.clone();
    if desired.namespace().is_empty() && !live.namespace().is_empty() {
        desired.set_namespace(live.namespace());
    }
    let cx = Ctx::default();
    let comparison = compare(&desired, live, &cx);
    if !comparison.is_modified() {
        return None;
    }
    let shown = view(&desired, live, &cx);
    Some(Entry {
        key: live.key(),
        change: "modified",
        comparison: Some(comparison),
        live: shown.normalized_live,
        predicted: shown.predicted_live,
    })
}

fn one_sided(key: ResourceKey, change: &'static str, object: &Object) -> Entry {
    let mut value = object.to_value();
    if object.is("", "Secret") {
        mask_secrets(&mut [&mut value]);
    }
    if let Some(Value::Object(metadata)) = value.get_mut("metadata") {
        metadata.remove("managedFields");
    }
    let (live, predicted) = match change {
        "missing" => (Value::Null, value),
        _ => (value, Value::Null),
    };
    Entry {
        key,
        change,
        comparison: None,
        live,
        predicted,
    }
}

fn write_unified(entries: &[Entry], out: &mut dyn Write) -> io::Result<()> {
    for entry in entries {
        let text = |value: &Value| match value {
            Value::Null => String::new(),
            value => driftless_yaml::to_string(value),
        };
        let (live, predicted) = (text(&entry.live), text(&entry.predicted));
        let name = |side: &str, there: &str| {
            if there.is_empty() {
                "/dev/null".to_owned()
            } else {
                format!("{side}/{}", entry.key)
            }
        };
        let difference = TextDiff::from_lines(&live, &predicted);
        let header = (name("live", &live), name("desired", &predicted));
        let unified = difference
            .unified_diff()
            .header(&header.0, &header.1)
            .to_string();
        out.write_all(unified.as_bytes())?;
    }
    out.flush()
}

fn write_json(entries: &[Entry], out: &mut dyn Write) -> io::Result<()> {
    let list: Vec<Value> = entries
        .iter()
        .map(|entry| {
            let differences: Vec<String> = entry
                .comparison
                .iter()
                .flat_map(|comparison| &comparison.differences)
                .map(ToString::to_string)
                .collect();
            json!({
                "group": &*entry.key.group,
                "kind": &*entry.key.kind,
                "namespace": &*entry.key.namespace,
                "name": &*entry.key.name,
                "change": entry.change,
                "differences": differences,
                "live": entry.live,
                "predicted": entry.predicted,
            })
        })
        .collect();
    writeln!(out, "{}", serde_json::to_string_pretty(&list)?)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn diff(desired: &str, live: &str, output: Output) -> (bool, String) {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "desired/a/all.yaml", desired);
        write(folder.path(), "desired/notes.txt", "not: [yaml");
        let args = Args {
            desired: folder.path().join("desired"),
            live: write(folder.path(), "live.yaml", live),
            output,
        };
        let mut out = Vec::new();
        let differs = run(&args, &mut out).unwrap();
        (differs, String::from_utf8(out).unwrap())
    }

    const LIVE: &str = "
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: same, namespace: web, uid: u}, data: {a: b}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: other, namespace: web}, data: {a: b}}
- {apiVersion: v1, kind: Secret, metadata: {name: key, namespace: web}, data: {k: aGlkZGVu}}
- apiVersion: v1
  kind: Pod
  metadata: {name: child, namespace: web, ownerReferences: [{apiVersion: v1, kind: X, name: x, uid: u}]}
";

    #[test]
    fn what_is_equal_says_nothing() {
        let desired = "{apiVersion: v1, kind: ConfigMap, metadata: {name: same}, data: {a: b}}";
        let live = "{apiVersion: v1, kind: ConfigMap, metadata: {name: same, namespace: web}, data: {a: b}}";
        assert_eq!(diff(desired, live, Output::Unified), (false, String::new()));
        assert_eq!(diff(desired, live, Output::Json), (false, "[]\n".into()));
    }

    #[test]
    fn changed_missing_and_extra_objects_are_told() {
        let desired = "
{apiVersion: v1, kind: ConfigMap, metadata: {name: same}, data: {a: b}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: other, namespace: web}, data: {a: c}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: new, namespace: web}, data: {a: c}}
";
        let (differs, text) = diff(desired, LIVE, Output::Unified);
        assert!(differs);
        assert!(text.contains("-  a: b\n+  a: c\n"), "{text}");
        assert!(text.contains("--- /dev/null\n"), "{text}");
        assert!(
            !text.contains("aGlkZGVu") && !text.contains("same"),
            "{text}"
        );

        let (_, text) = diff(desired, LIVE, Output::Json);
        let list: Value = serde_json::from_str(&text).unwrap();
        let told: Vec<String> = (list.as_array().unwrap().iter())
            .map(|one| format!("{} {} {}", one["name"], one["change"], one["differences"]))
            .collect();
        assert_eq!(
            told,
            [
                r#""new" "missing" []"#,
                r#""other" "modified" ["data.a: changed"]"#,
                r#""key" "extra" []"#,
            ]
        );
    }

    #[test]
    fn an_object_that_is_desired_twice_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let one = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}";
        let args = Args {
            desired: write(folder.path(), "d.yaml", &format!("{one}\n---\n{one}\n")),
            live: write(folder.path(), "l.yaml", ""),
            output: Output::Json,
        };
        let error = run(&args, &mut Vec::new()).unwrap_err();
        assert!(matches!(error, Error::Twice { .. }), "{error}");
    }
}
