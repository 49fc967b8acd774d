//! Names and contents of files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

/// Names that say nothing about what is in a module.
const VAGUE: [&str; 8] = [
    "util", "utils", "common", "helper", "helpers", "misc", "manager", "types",
];

/// Paths that exist on one machine only.
const MACHINE: [&str; 4] = [
    concat!("/", "work/"),
    concat!("/", "root/"),
    concat!("/", "Users/"),
    concat!("/", "home/runner"),
];

/// Checks every file of the repository.
pub(super) fn check(root: &Path, files: &[PathBuf]) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for path in files {
        let shown = path.to_string_lossy();
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        if is_rust && shown.starts_with("crates/") {
            problems.extend(vague_name(path));
        }
        // Input of tests is other people's text, and generated lists are long.
        if shown.contains("/tests/corpus/") || shown.ends_with(".lock") || shown.ends_with(".sum") {
            continue;
        }
        let Ok(text) = String::from_utf8(fs::read(root.join(path))?) else {
            continue;
        };
        if is_rust && !text.starts_with("//!") {
            problems.push(format!(
                "{shown}:1: no `//!` line that says what the file is"
            ));
        }
        problems.extend(machine_paths(&shown, &text));
        if shown.ends_with("/src/lib.rs") && is_pure(&shown) && !text.contains(PURE_LINT) {
            problems.push(format!(
                "{shown}: a crate of layer 0 needs `{PURE_LINT}, …)]`"
            ));
        }
    }
    Ok(problems)
}

const PURE_LINT: &str = "#![warn(clippy::disallowed_methods";

fn is_pure(path: &str) -> bool {
    [
        "core",
        "yaml",
        "manifest",
        "gotemplate",
        "helm",
        "kustomize",
        "engine",
        "rollout",
    ]
    .iter()
    .any(|name| path == format!("crates/{name}/src/lib.rs"))
}

fn vague_name(path: &Path) -> Option<String> {
    let in_api = path.starts_with("crates/api");
    let names = path.components().filter_map(|part| {
        let name = part.as_os_str().to_str()?;
        Some(name.strip_suffix(".rs").unwrap_or(name))
    });
    names
        .into_iter()
        .find(|name| VAGUE.contains(name) && !(in_api && *name == "types"))
        .map(|name| {
            format!(
                "{}: a module called {name} says nothing about what is in it",
                path.display()
            )
        })
}

fn machine_paths(shown: &str, text: &str) -> Vec<String> {
    text.lines()
        .enumerate()
        .filter_map(|(index, line)| {
            let found = MACHINE.iter().find(|path| mentions(line, path))?;
            Some(format!(
                "{shown}:{}: {found} is a path of one machine",
                index + 1
            ))
        })
        .collect()
}

/// Says whether a line has the path as a whole, not inside a longer one such as `a/root/`.
fn mentions(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        line.get(..at)
            .and_then(|before| before.chars().next_back())
            .is_none_or(|c| !(c.is_alphanumeric() || "/._-}~)".contains(c)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(vague_name(Path::new("crates/kube/src/utils.rs")).is_some());
        assert!(vague_name(Path::new("crates/kube/src/helpers/mod.rs")).is_some());
        assert!(vague_name(Path::new("crates/api/src/types.rs")).is_none());
        assert!(vague_name(Path::new("crates/kube/src/live/mod.rs")).is_none());
    }

    #[test]
    fn machine_paths_are_found_and_others_are_not() {
        let path = concat!("/", "work/");
        let found = |line: String| machine_paths("f", &line).len();
        assert_eq!(found(format!("see {path}main")), 1);
        assert_eq!(found(format!("x = \"{path}main\"")), 1);
        assert_eq!(found(format!("https://host{path}main")), 0);
        assert_eq!(found(format!("$dir{}{path}", '}')), 0);
    }
}
