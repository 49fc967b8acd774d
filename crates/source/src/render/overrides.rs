//! `.argocd-source.yaml` and `.argocd-source-<app>.yaml`: changes to a source that live beside it in Git.

use driftless_core::tree::{self, Tree, TreePath};
use serde_json::{Map, Value, json};

use super::request::{Directory, Source};
use super::{Error, SourceType};

/// Largest file of overrides.
const MAX_BYTES: u64 = 1 << 20;

/// Returns the source with the changes merged in; `None` when there are none. Where the source lies is never changed.
pub(super) fn apply(
    tree: &dyn Tree,
    folder: &TreePath,
    source: &Source,
    instance: &str,
) -> Result<Option<Source>, Error> {
    let mut merged: Option<Value> = None;
    for name in [
        ".argocd-source.yaml".to_owned(),
        format!(".argocd-source-{instance}.yaml"),
    ] {
        let path = folder.join(&name).map_err(Error::from_tree)?;
        if !tree::is_file(tree, &path).map_err(Error::from_tree)? {
            continue;
        }
        let text = tree::read_file(tree, &path, MAX_BYTES).map_err(Error::from_tree)?;
        let limits = driftless_yaml::Limits::default();
        let patch = driftless_yaml::parse_first(&text, &limits, driftless_yaml::Duplicates::Last)
            .map_err(|error| Error::Manifest {
            file: path.to_string(),
            line: error.line,
            column: error.column,
            message: error.message,
        })?;
        merge(merged.get_or_insert_with(|| raise(source)), patch);
    }
    merged
        .map(|merged| lower(source, &merged))
        .transpose()
        .map_err(|problem| Error::Overrides {
            path: folder.to_string(),
            problem,
        })
}

/// JSON merge patch (RFC 7386).
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(changes) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(fields) = target.as_object_mut() else {
        return;
    };
    for (key, change) in changes {
        if change.is_null() {
            fields.remove(&key);
        } else {
            merge(fields.entry(key).or_insert(Value::Null), change);
        }
    }
}

fn raise(source: &Source) -> Value {
    let mut fields = Map::new();
    let section = match source.explicit {
        Some(SourceType::Helm) => "helm",
        Some(SourceType::Kustomize) => "kustomize",
        Some(SourceType::Plugin) => "plugin",
        Some(SourceType::Directory) | None => "",
    };
    if !section.is_empty() {
        fields.insert(section.to_owned(), source.parameters.clone());
    }
    if source.explicit == Some(SourceType::Directory) {
        let Directory {
            recurse,
            include,
            exclude,
            disable_extension_filter,
            jsonnet,
        } = &source.directory;
        let directory = json!({
            "recurse": recurse,
            "include": include,
            "exclude": exclude,
            "disableExtensionFilter": disable_extension_filter,
            "jsonnet": jsonnet,
        });
        fields.insert("directory".to_owned(), directory);
    }
    Value::Object(fields)
}

fn lower(source: &Source, merged: &Value) -> Result<Source, String> {
    let Some(fields) = merged.as_object() else {
        return Err("the overrides are no mapping".to_owned());
    };
    let mut lowered = Source {
        path: source.path.clone(),
        ..Source::default()
    };
    for (name, kind) in [
        ("helm", SourceType::Helm),
        ("kustomize", SourceType::Kustomize),
        ("plugin", SourceType::Plugin),
        ("directory", SourceType::Directory),
    ] {
        let Some(section) = fields.get(name).filter(|section| !section.is_null()) else {
            continue;
        };
        if !section.is_object() {
            return Err(format!("{name} is no mapping"));
        }
        if let Some(other) = lowered.explicit {
            return Err(format!(
                "multiple application sources defined: {},{}",
                other.as_str(),
                kind.as_str()
            ));
        }
        lowered.explicit = Some(kind);
        if kind == SourceType::Directory {
            lowered.directory = lower_directory(section);
        } else {
            lowered.parameters = section.clone();
        }
    }
    Ok(lowered)
}

fn lower_directory(section: &Value) -> Directory {
    let text = |name: &str| {
        section
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let switch = |name: &str| section.get(name).and_then(Value::as_bool).unwrap_or(false);
    Directory {
        recurse: switch("recurse"),
        include: text("include"),
        exclude: text("exclude"),
        disable_extension_filter: switch("disableExtensionFilter"),
        jsonnet: section.get("jsonnet").cloned().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use driftless_core::MemoryTree;

    use super::*;

    fn applied(listing: &str, source: &Source) -> Option<Source> {
        let tree = MemoryTree::from_listing(listing).unwrap();
        let folder = TreePath::parse("app").unwrap();
        apply(&tree, &folder, source, "demo").unwrap()
    }

    #[test]
    fn both_files_are_merged_the_one_for_the_app_last() {
        let source = Source {
            explicit: Some(SourceType::Helm),
            parameters: json!({"releaseName": "r", "valueFiles": ["a.yaml"]}),
            ..Source::default()
        };
        let listing = "//- /app/.argocd-source.yaml\nhelm:\n  valueFiles: [b.yaml]\n  values: 'x: 1'\n\
                       //- /app/.argocd-source-demo.yaml\nhelm:\n  values: 'x: 2'\n  releaseName: null\n\
                       repoURL: https://evil.example\n";
        let merged = applied(listing, &source).unwrap();
        assert_eq!(
            merged.parameters,
            json!({"valueFiles": ["b.yaml"], "values": "x: 2"})
        );
        assert_eq!(applied("//- /app/x\n\n", &source), None);
    }

    #[test]
    fn a_section_names_the_kind_and_two_are_refused() {
        let listing = "//- /app/.argocd-source.yaml\nkustomize: {namePrefix: p-}\n";
        let merged = applied(listing, &Source::default()).unwrap();
        assert_eq!(merged.explicit, Some(SourceType::Kustomize));
        let tree = MemoryTree::from_listing(listing).unwrap();
        let source = Source {
            explicit: Some(SourceType::Helm),
            parameters: json!({}),
            ..Source::default()
        };
        let folder = TreePath::parse("app").unwrap();
        let error = apply(&tree, &folder, &source, "demo").unwrap_err();
        assert!(error.to_string().contains("multiple application sources"));
    }
}
