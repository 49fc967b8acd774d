//! What can be said about a spec without asking anybody (argocd-contract §1.1: validation).
//!
//! Messages are the ones users match on. Whether project, cluster and repository exist and permit
//! the Application is for the callers that know them.

use std::sync::LazyLock;

use serde_json::Value;

use crate::application::hydrator::SourceHydrator;
use crate::application::{
    Application, Condition, ConditionType, Destination, Operation, Source, Spec,
};
use crate::crd;

/// A destination names no single cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// Both name and address are set.
    #[error("application destination can't have both name and server defined: {name} {server}")]
    Both {
        /// Name.
        name: String,
        /// Address.
        server: String,
    },
    /// Neither is set.
    #[error("destination server missing from app spec")]
    Neither,
    /// No cluster has the name.
    #[error("there are no clusters with this name: {0}")]
    UnknownName(String),
    /// Several clusters have the name.
    #[error("there are {} clusters with the same name: [{}]", .0.len(), .0.join(" "))]
    Ambiguous(Vec<String>),
    /// No cluster has the address.
    #[error("error getting cluster by server {0:?}: cluster {0:?} not found")]
    UnknownServer(String),
}

/// How a destination names its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// By address, without a trailing slash.
    Server(&'a str),
    /// By name.
    Name(&'a str),
}

impl Destination {
    /// Returns how the cluster is named: by exactly one of address and name.
    pub fn target(&self) -> Result<Target<'_>, DestinationError> {
        match (self.server.is_empty(), self.name.is_empty()) {
            (false, true) => Ok(Target::Server(self.server.trim_end_matches('/'))),
            (true, false) => Ok(Target::Name(&self.name)),
            (true, true) => Err(DestinationError::Neither),
            (false, false) => Err(DestinationError::Both {
                name: self.name.clone(),
                server: self.server.clone(),
            }),
        }
    }
}

/// Returns what is wrong with a spec, as `InvalidSpecError` conditions.
pub fn validate(spec: &Spec) -> Vec<Condition> {
    let mut problems = Vec::new();
    if let Some(hydrator) = &spec.source_hydrator {
        hydrator_problems(hydrator, &mut problems);
    } else if spec.is_multi_source() {
        sources_problems(&spec.sources, &mut problems);
    } else {
        match &spec.source {
            Some(source) => source_problems(source, "spec.source", &mut problems),
            None => problems.push(REQUIRED.to_owned()),
        }
    }
    if let Err(error) = spec.destination.target() {
        problems.push(error.to_string());
    }
    if let Some(retry) = spec
        .sync_policy
        .as_ref()
        .and_then(|policy| policy.retry.as_ref())
        && let Err(error) = retry.delay(0)
    {
        problems.push(format!("spec.syncPolicy.retry.backoff: {error}"));
    }
    for (index, ignore) in spec.ignore_differences.iter().enumerate() {
        for pointer in &ignore.json_pointers {
            if !pointer.starts_with('/') {
                problems.push(format!(
                    "spec.ignoreDifferences[{index}].jsonPointers: {pointer:?} does not start with /"
                ));
            }
        }
    }
    problems
        .into_iter()
        .map(|message| Condition::new(ConditionType::InvalidSpecError, message))
        .collect()
}

const REQUIRED: &str =
    "spec.source.repoURL and either spec.source.path or spec.source.chart are required";

fn source_problems(source: &Source, at: &str, problems: &mut Vec<String>) {
    // An OCI artifact is its own root, as is a Git repository with path `.`.
    let whole_artifact = source.repo_url.starts_with("oci://");
    if source.repo_url.is_empty()
        || (source.path.is_empty() && source.chart.is_empty() && !whole_artifact)
    {
        problems.push(REQUIRED.replace("spec.source", at));
        return;
    }
    common_problems(source, at, problems);
}

fn common_problems(source: &Source, at: &str, problems: &mut Vec<String>) {
    if !source.chart.is_empty() && source.target_revision.is_empty() {
        problems.push(format!(
            "{at}.targetRevision is required if the manifest source is a helm chart"
        ));
    }
    let tools = [
        ("Helm", source.helm.is_some()),
        ("Kustomize", source.kustomize.is_some()),
        ("Directory", source.directory.is_some()),
        ("Plugin", source.plugin.is_some()),
    ];
    let named: Vec<&str> = tools
        .iter()
        .filter(|(_, set)| *set)
        .map(|(name, _)| *name)
        .collect();
    if named.len() > 1 {
        problems.push(format!(
            "multiple application sources defined: {}",
            named.join(",")
        ));
    }
    if source.path.split('/').any(|part| part == "..") {
        problems.push(format!("{at}.path {:?} leaves the repository", source.path));
    }
}

fn sources_problems(sources: &[Source], problems: &mut Vec<String>) {
    let mut references: Vec<&str> = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let at = format!("spec.sources[{index}]");
        if source.repo_url.is_empty()
            || (source.path.is_empty()
                && source.chart.is_empty()
                && !source.is_ref()
                && !source.repo_url.starts_with("oci://"))
        {
            problems.push(format!(
                "spec.source.repoURL and either source.path, source.chart, or source.ref are required for source {}",
                index + 1
            ));
            continue;
        }
        common_problems(source, &at, problems);
        if !source.is_ref() {
            continue;
        }
        let reference = source.reference.as_str();
        if !reference
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        {
            problems.push(format!(
                "sources.ref {reference} cannot contain any special characters except '_' and '-'"
            ));
        }
        if references.contains(&reference) {
            problems.push("invalid sources: found multiple sources with the same ref".to_owned());
        }
        references.push(reference);
    }
}

fn hydrator_problems(hydrator: &SourceHydrator, problems: &mut Vec<String>) {
    let required = [
        ("drySource.repoURL", &hydrator.dry_source.repo_url),
        (
            "drySource.targetRevision",
            &hydrator.dry_source.target_revision,
        ),
        ("drySource.path", &hydrator.dry_source.path),
        (
            "syncSource.targetBranch",
            &hydrator.sync_source.target_branch,
        ),
        ("syncSource.path", &hydrator.sync_source.path),
    ];
    for (field, value) in required {
        if value.is_empty() {
            problems.push(format!("spec.sourceHydrator.{field} is required"));
        }
    }
    let path = hydrator.sync_source.path.trim_matches('/');
    if !hydrator.sync_source.path.is_empty() && matches!(path, "" | ".") {
        problems.push(
            "spec.sourceHydrator.syncSource.path must not be the root of the repository".to_owned(),
        );
    }
    if let Some(target) = &hydrator.hydrate_to
        && target.target_branch.is_empty()
    {
        problems.push(
            "spec.sourceHydrator.hydrateTo.targetBranch is required when hydrateTo is set"
                .to_owned(),
        );
    }
}

static SPEC_SCHEMA: LazyLock<Value> = LazyLock::new(crd::schema_of::<Spec>);
static OPERATION_SCHEMA: LazyLock<Value> = LazyLock::new(crd::schema_of::<Operation>);

/// Returns the paths of fields under `spec` and `operation` that these types do not know, which
/// are often misspelt.
pub fn unknown_fields(app: &Application) -> Vec<String> {
    let mut found = Vec::new();
    if let Ok(value) = serde_json::to_value(&app.spec) {
        walk(&value, &SPEC_SCHEMA, "spec", &mut found);
    }
    if let Some(operation) = &app.operation
        && let Ok(value) = serde_json::to_value(operation)
    {
        walk(&value, &OPERATION_SCHEMA, "operation", &mut found);
    }
    found.sort();
    found
}

fn walk(value: &Value, schema: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            let Some(properties) = schema.get("properties").and_then(|p| p.as_object()) else {
                return;
            };
            for (key, inner) in map {
                let path = format!("{at}.{key}");
                match properties.get(key) {
                    Some(schema) => walk(inner, schema, &path, found),
                    None => found.push(path),
                }
            }
        }
        Value::Array(items) => {
            let Some(schema) = schema.get("items") else {
                return;
            };
            for (index, inner) in items.iter().enumerate() {
                walk(inner, schema, &format!("{at}[{index}]"), found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::read::from_value;

    fn messages(spec: Value) -> Vec<String> {
        validate(&from_value::<Spec>(spec).unwrap())
            .into_iter()
            .map(|condition| condition.message)
            .collect()
    }

    fn with_source(source: &Value) -> Vec<String> {
        messages(json!({"source": source, "destination": {"name": "in-cluster"}}))
    }

    #[test]
    fn a_whole_spec_has_no_problems() {
        assert!(with_source(&json!({"repoURL": "https://x/y", "path": "."})).is_empty());
        assert!(with_source(&json!({"repoURL": "oci://x/y"})).is_empty());
    }

    #[test]
    fn sources() {
        assert_eq!(with_source(&json!({"repoURL": "https://x/y"})), [REQUIRED]);
        assert_eq!(
            with_source(&json!({"repoURL": "https://x/y", "chart": "c"})),
            ["spec.source.targetRevision is required if the manifest source is a helm chart"]
        );
        assert_eq!(
            with_source(&json!({"repoURL": "u", "path": "p", "helm": {}, "kustomize": {}})),
            ["multiple application sources defined: Helm,Kustomize"]
        );
        assert_eq!(
            with_source(&json!({"repoURL": "u", "path": "a/../../b"})),
            ["spec.source.path \"a/../../b\" leaves the repository"]
        );
        assert_eq!(
            messages(json!({
                "destination": {"name": "in-cluster"},
                "sources": [
                    {"repoURL": "u", "ref": "values"},
                    {"repoURL": "u", "ref": "values"},
                    {"repoURL": "u"}
                ]
            })),
            [
                "invalid sources: found multiple sources with the same ref",
                "spec.source.repoURL and either source.path, source.chart, or source.ref are \
                 required for source 3"
            ]
        );
    }

    #[test]
    fn destinations() {
        let of = |destination: Value| {
            messages(json!({"source": {"repoURL": "u", "path": "p"}, "destination": destination}))
        };
        assert_eq!(of(json!({})), ["destination server missing from app spec"]);
        assert_eq!(
            of(json!({"name": "a", "server": "https://b"})),
            ["application destination can't have both name and server defined: a https://b"]
        );
        let destination: Destination = from_value(json!({"server": "https://b/"})).unwrap();
        assert_eq!(destination.target(), Ok(Target::Server("https://b")));
        assert_eq!(
            DestinationError::Ambiguous(vec!["https://a".into(), "https://b".into()]).to_string(),
            "there are 2 clusters with the same name: [https://a https://b]"
        );
    }

    #[test]
    fn misspelt_fields_are_found_but_values_are_free() {
        let app: Application = from_value(json!({
            "spec": {
                "syncPolicy": {"automatic": {}},
                "sources": [{"repoURL": "u", "helm": {"valuesObject": {"any": {"thing": 1}}}}],
                "destination": {"servers": "x"}
            },
            "operation": {"sync": {"prunes": true}}
        }))
        .unwrap();
        assert_eq!(
            unknown_fields(&app),
            [
                "operation.sync.prunes",
                "spec.destination.servers",
                "spec.syncPolicy.automatic"
            ]
        );
    }
}
