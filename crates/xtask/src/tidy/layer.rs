//! Which crate may use which (ARCHITECTURE: where things are).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Layers from the bottom; `dev` crates may use everything and only tests may use them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    Pure,
    Wire,
    Service,
    Component,
    Binary,
    Dev,
}

/// A crate's layer and the crates of its own layer that it may use. `Lower` crates may also use
/// every lower layer, `Only` crates nothing but the list.
struct Rule {
    layer: Layer,
    may_use: May,
}

enum May {
    Only(&'static [&'static str]),
    LowerAnd(&'static [&'static str]),
}

const RULES: [(&str, Rule); 23] = [
    ("core", only(Layer::Pure, &[])),
    ("yaml", only(Layer::Pure, &["core"])),
    ("manifest", only(Layer::Pure, &["core", "yaml"])),
    ("gotemplate", only(Layer::Pure, &["core", "yaml"])),
    (
        "helm",
        only(Layer::Pure, &["core", "yaml", "gotemplate", "manifest"]),
    ),
    (
        "kustomize",
        only(Layer::Pure, &["core", "yaml", "manifest"]),
    ),
    ("engine", only(Layer::Pure, &["core", "yaml", "manifest"])),
    ("rollout", only(Layer::Pure, &["core", "yaml", "manifest"])),
    ("api", only(Layer::Wire, &["core"])),
    ("kube", only(Layer::Service, &["core", "manifest"])),
    ("outbound", only(Layer::Service, &["core"])),
    (
        "source",
        only(
            Layer::Service,
            &[
                "core",
                "yaml",
                "manifest",
                "gotemplate",
                "helm",
                "kustomize",
                "outbound",
            ],
        ),
    ),
    ("settings", lower_and(Layer::Service, &["kube", "source"])),
    ("auth", only(Layer::Service, &["core", "api"])),
    (
        "appstate",
        lower_and(Layer::Service, &["kube", "outbound", "source", "settings"]),
    ),
    ("analysis", lower_and(Layer::Service, &["kube", "outbound"])),
    ("controller", lower_and(Layer::Component, &[])),
    ("delivery", lower_and(Layer::Component, &[])),
    ("notify", lower_and(Layer::Component, &[])),
    ("server", lower_and(Layer::Component, &[])),
    ("cli", lower_and(Layer::Component, &[])),
    ("driftless", lower_and(Layer::Binary, &[])),
    ("bench", lower_and(Layer::Dev, &["testkit"])),
];

/// Crates for development: they use what they need.
const DEV: [&str; 3] = ["testkit", "xtask", "bench"];

const fn only(layer: Layer, list: &'static [&'static str]) -> Rule {
    Rule {
        layer,
        may_use: May::Only(list),
    }
}

const fn lower_and(layer: Layer, list: &'static [&'static str]) -> Rule {
    Rule {
        layer,
        may_use: May::LowerAnd(list),
    }
}

fn rule(name: &str) -> Option<&'static Rule> {
    RULES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, rule)| rule)
}

/// Checks every manifest under `crates/`.
pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for entry in fs::read_dir(root.join("crates")).context("listing crates")? {
        let folder = entry?.path();
        let path = folder.join("Cargo.toml");
        if !path.is_file() {
            continue;
        }
        let name = folder
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let text = fs::read_to_string(&path).with_context(|| format!("reading {name}"))?;
        problems.extend(check_manifest(&name, &Manifest::parse(&text)));
    }
    Ok(problems)
}

/// The lines of a manifest by section: as much TOML as our manifests use.
struct Manifest<'a>(BTreeMap<&'a str, Vec<&'a str>>);

impl<'a> Manifest<'a> {
    fn parse(text: &'a str) -> Self {
        let mut sections: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut section = "";
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']');
                sections.entry(section).or_default();
            } else if !line.is_empty() && !line.starts_with('#') {
                sections.entry(section).or_default().push(line);
            }
        }
        Self(sections)
    }

    fn lines(&self, section: &str) -> &[&'a str] {
        self.0.get(section).map_or(&[], Vec::as_slice)
    }

    /// Returns our own crates in a section of dependencies, without the prefix.
    fn own(&self, section: &str) -> impl Iterator<Item = &'a str> {
        self.lines(section).iter().filter_map(|line| {
            let name = line.split(['.', '=', ' ']).next()?;
            name.strip_prefix("driftless-")
        })
    }
}

fn check_manifest(name: &str, manifest: &Manifest<'_>) -> Vec<String> {
    let at = format!("crates/{name}/Cargo.toml");
    let mut problems = Vec::new();
    if !manifest.lines("lints").contains(&"workspace = true") {
        problems.push(format!("{at}: no `[lints] workspace = true`"));
    }
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for line in manifest.lines(section) {
            let is_inherited = line.contains(".workspace = true")
                || line.contains("workspace = true")
                || line.starts_with(['"', ']']);
            if !is_inherited {
                problems.push(format!(
                    "{at}: `{line}`: versions belong in the root's [workspace.dependencies]"
                ));
            }
        }
    }
    if DEV.contains(&name) {
        return problems;
    }
    let Some(own) = rule(name) else {
        problems.push(format!(
            "{at}: crate {name} is not in the layer table (crates/xtask/src/tidy/layer.rs, \
             ARCHITECTURE.md)"
        ));
        return problems;
    };
    for used in manifest
        .own("dependencies")
        .chain(manifest.own("build-dependencies"))
    {
        if !may_use(own, used) {
            problems.push(format!(
                "{at}: {name} may not use {used}: a crate uses only lower layers, and of its own \
                 only what the table names"
            ));
        }
    }
    problems
}

fn may_use(own: &Rule, used: &str) -> bool {
    match &own.may_use {
        May::Only(list) => list.contains(&used),
        May::LowerAnd(list) => {
            list.contains(&used) || rule(used).is_some_and(|other| other.layer < own.layer)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(name: &str, text: &str) -> Vec<String> {
        check_manifest(name, &Manifest::parse(text))
    }

    const LINTS: &str = "[lints]\nworkspace = true\n";

    #[test]
    fn layers() {
        let uses = |name: &str, used: &str| {
            let text = format!("[dependencies]\ndriftless-{used}.workspace = true\n{LINTS}");
            problems(name, &text).is_empty()
        };
        assert!(uses("controller", "engine") && uses("controller", "settings"));
        assert!(
            !uses("controller", "server"),
            "components never call each other"
        );
        assert!(!uses("api", "kube") && !uses("engine", "api") && !uses("core", "yaml"));
        assert!(uses("settings", "kube") && !uses("kube", "settings"));
        assert!(!uses("server", "testkit"), "only tests may use it");
        assert!(!uses("newcomer", "core"), "not in the table");
    }

    #[test]
    fn tests_may_use_more_and_versions_are_central() {
        let text = format!("[dev-dependencies]\ndriftless-testkit.workspace = true\n{LINTS}");
        assert!(problems("server", &text).is_empty());
        let text = format!("[dependencies]\nserde = \"1\"\n{LINTS}");
        assert!(problems("server", &text)[0].contains("serde = \"1\""));
        assert!(problems("core", "[dependencies]\n")[0].contains("lints"));
    }
}
