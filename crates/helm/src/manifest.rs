//! What templates wrote → documents: manifests and hooks, in the order they are installed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use driftless_yaml::{Build, Duplicates, Limits, Reader};

/// The order in which kinds are installed; others follow, by name.
const INSTALL_ORDER: [&str; 38] = [
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// Moments at which hooks run.
const EVENTS: [&str; 10] = [
    "pre-install",
    "post-install",
    "pre-delete",
    "post-delete",
    "pre-upgrade",
    "post-upgrade",
    "pre-rollback",
    "post-rollback",
    "test",
    "test-success",
];

/// One document that is part of the release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Path of the template that wrote it.
    pub path: String,
    /// Its kind.
    pub kind: String,
    /// Its text.
    pub content: String,
}

/// One document that runs at a moment of the release's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Path of the template that wrote it.
    pub path: String,
    /// Its kind.
    pub kind: String,
    /// Its text.
    pub content: String,
    /// When it runs, in Helm's words.
    pub events: Vec<String>,
}

impl Hook {
    /// Says whether it runs in `helm test`.
    pub fn is_test(&self) -> bool {
        self.events
            .iter()
            .any(|event| matches!(event.as_str(), "test" | "test-success"))
    }
}

/// What a document says at its top.
#[derive(Clone, Debug, Default)]
enum Head {
    #[default]
    Null,
    Text(String),
    Map(BTreeMap<String, Head>),
    List,
}

impl Head {
    fn get(&self, key: &str) -> Option<&Head> {
        match self {
            Self::Map(entries) => entries.get(key),
            _ => None,
        }
    }

    fn text(&self, key: &str) -> Result<&str, String> {
        match self.get(key) {
            None | Some(Self::Null) => Ok(""),
            Some(Self::Text(text)) => Ok(text),
            Some(Self::Map(_)) => Err(wrong("object", key, "string")),
            Some(Self::List) => Err(wrong("array", key, "string")),
        }
    }
}

fn wrong(found: &str, field: &str, target: &str) -> String {
    format!(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go struct field SimpleHead.{field} of type {target}"
    )
}

/// Builds only what the head needs; everything else is checked and dropped.
struct HeadBuild;

impl Build for HeadBuild {
    type Value = Head;
    type Map = BTreeMap<String, Head>;

    fn null(&mut self) -> Head {
        Head::Null
    }

    fn boolean(&mut self, value: bool) -> Head {
        Head::Text(value.to_string())
    }

    fn integer(&mut self, value: i64) -> Head {
        Head::Text(value.to_string())
    }

    fn unsigned(&mut self, value: u64) -> Head {
        Head::Text(value.to_string())
    }

    fn float(&mut self, value: f64) -> Head {
        Head::Text(driftless_yaml::format_g(value))
    }

    fn string(&mut self, value: Cow<'_, str>) -> Head {
        Head::Text(value.into_owned())
    }

    fn sequence(&mut self, _: Vec<Head>) -> Head {
        Head::List
    }

    fn map(&mut self) -> Self::Map {
        BTreeMap::new()
    }

    fn insert(&mut self, map: &mut Self::Map, key: Cow<'_, str>, value: Head) -> bool {
        let kept = matches!(
            key.as_ref(),
            "apiVersion" | "kind" | "metadata" | "name" | "annotations"
        ) || key.starts_with("helm.sh/");
        kept && map.insert(key.into_owned(), value).is_some()
    }

    fn merge(&mut self, map: &mut Self::Map, from: &Head) -> bool {
        match from {
            Head::Map(entries) => {
                map.extend(entries.clone());
                true
            }
            Head::List => true,
            _ => false,
        }
    }

    fn finish(&mut self, map: Self::Map) -> Head {
        Head::Map(map)
    }
}

/// Splits a file into documents as Helm does: at every line that starts with `---`.
pub fn documents(text: &str) -> Vec<&str> {
    let mut documents = Vec::new();
    let text = text.trim_start();
    let mut from = 0;
    let mut at = 0;
    while at <= text.len() {
        let line_end = text
            .get(at..)
            .and_then(|rest| rest.find('\n'))
            .map(|length| at + length);
        let line = text
            .get(at..line_end.unwrap_or(text.len()))
            .unwrap_or_default();
        if let Some(rest) = line.strip_prefix("---") {
            documents.push(text.get(from..at).unwrap_or_default());
            from = at + 3 + (rest.len() - rest.trim_start_matches([' ', '\t']).len());
        }
        match line_end {
            Some(end) => at = end + 1,
            None => break,
        }
    }
    documents.push(text.get(from..).unwrap_or_default());
    documents
        .into_iter()
        .filter(|document| !document.trim().is_empty())
        .map(str::trim_start)
        .collect()
}

/// Sorts what templates wrote into hooks and manifests.
pub(crate) fn sort(
    files: &BTreeMap<String, String>,
    limits: &Limits,
) -> Result<(Vec<Hook>, Vec<Manifest>), String> {
    let (mut hooks, mut manifests) = (Vec::new(), Vec::new());
    for (path, content) in files {
        let partial = path
            .rsplit('/')
            .next()
            .is_some_and(|base| base.starts_with('_'));
        if partial || content.trim().is_empty() {
            continue;
        }
        for document in documents(content) {
            let head = read_head(document, limits)
                .map_err(|error| format!("YAML parse error on {path}: {error}"))?;
            let (kind, hook) =
                classify(&head).map_err(|error| format!("YAML parse error on {path}: {error}"))?;
            match hook {
                None => manifests.push(Manifest {
                    path: path.clone(),
                    kind,
                    content: document.to_owned(),
                }),
                Some(events) => {
                    let events: Vec<String> = events
                        .split(',')
                        .map(|event| event.trim().to_lowercase())
                        .collect();
                    if events.iter().all(|event| EVENTS.contains(&event.as_str())) {
                        hooks.push(Hook {
                            path: path.clone(),
                            kind,
                            content: document.to_owned(),
                            events,
                        });
                    }
                }
            }
        }
    }
    hooks.sort_by(|a, b| order(&a.kind).cmp(&order(&b.kind)));
    manifests.sort_by(|a, b| order(&a.kind).cmp(&order(&b.kind)));
    Ok((hooks, manifests))
}

/// Known kinds by their place, the rest after them by name.
fn order(kind: &str) -> (usize, &str) {
    match INSTALL_ORDER.iter().position(|known| *known == kind) {
        Some(place) => (place, ""),
        None => (INSTALL_ORDER.len(), kind),
    }
}

fn read_head(document: &str, limits: &Limits) -> Result<Head, String> {
    let go =
        |error: driftless_yaml::Error| format!("error converting YAML to JSON: {}", error.as_go());
    let lossy = driftless_gotemplate::bytes::of_text(document);
    let text = driftless_yaml::decode(&lossy, limits).map_err(go)?;
    let mut reader = Reader::new(&text, HeadBuild, *limits, Duplicates::Last);
    let head = reader.next_document().map_err(go)?.unwrap_or_default();
    let found = match &head {
        Head::Null | Head::Map(_) => return Ok(head),
        Head::Text(_) => "string",
        Head::List => "array",
    };
    Err(format!(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go value of type util.SimpleHead"
    ))
}

/// Returns the kind, and the hook annotation when there is one.
fn classify(head: &Head) -> Result<(String, Option<String>), String> {
    head.text("apiVersion")?;
    let kind = head.text("kind")?.to_owned();
    let metadata = match head.get("metadata") {
        None | Some(Head::Null) => return Ok((kind, None)),
        Some(metadata @ Head::Map(_)) => metadata,
        Some(Head::Text(_)) => return Err(wrong("string", "metadata", "struct")),
        Some(Head::List) => return Err(wrong("array", "metadata", "struct")),
    };
    metadata.text("name")?;
    let annotations = match metadata.get("annotations") {
        None | Some(Head::Null) => return Ok((kind, None)),
        Some(annotations @ Head::Map(_)) => annotations,
        Some(Head::Text(_)) => {
            return Err(wrong("string", "metadata.annotations", "map[string]string"));
        }
        Some(Head::List) => {
            return Err(wrong("array", "metadata.annotations", "map[string]string"));
        }
    };
    let hook = match annotations.get("helm.sh/hook") {
        None => None,
        Some(_) => Some(annotations.text("helm.sh/hook")?.to_owned()),
    };
    Ok((kind, hook))
}

#[cfg(test)]
mod tests {
    use super::documents;

    #[test]
    fn documents_start_at_lines_with_dashes() {
        assert_eq!(
            documents("\n\n---\na: 1\n---\n\n---  \nb: 2\n"),
            ["a: 1\n", "b: 2\n"]
        );
        assert_eq!(documents("--- # note\na: 1"), ["# note\na: 1"]);
        assert_eq!(documents("a: |\n  ---\nb: 1"), ["a: |\n  ---\nb: 1"]);
        assert_eq!(documents("---a: 1"), ["a: 1"]);
        assert!(documents(" \n").is_empty());
    }
}
