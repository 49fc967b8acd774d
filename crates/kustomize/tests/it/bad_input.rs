//! Input that is wrong, hostile or too large ends with a clear message.

use std::fmt::Write as _;

use driftless_core::MemoryTree;
use driftless_kustomize::{Limits, Options, Services, build};

use super::{built, outcome, refuses};

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

#[test]
fn cycles_are_told() {
    refuses(
        "//- /a/kustomization.yaml\nresources: [../b]\n//- /b/kustomization.yaml\nresources: [../a]\n",
        "a",
        "cycle detected: candidate root '/a' contains visited root '/a'",
    );
    refuses(
        "//- /a/kustomization.yaml\nresources: [.]\n",
        "a",
        "cycle detected",
    );
}

#[test]
fn nothing_outside_the_tree_is_read() {
    refuses(
        "//- /kustomization.yaml\nresources: [../../etc/passwd]\n",
        "",
        "leads out of the repository",
    );
    refuses(
        &format!("//- /a/kustomization.yaml\nresources: [../b.yaml]\n//- /b.yaml\n{MAP}"),
        "a",
        "security; file '/b.yaml' is not in or below '/a'",
    );
    let mut tree =
        MemoryTree::from_listing("//- /kustomization.yaml\nresources: [l.yaml]\n").unwrap();
    tree.insert_link("l.yaml", "/etc/passwd").unwrap();
    let result = build(&tree, "", &Options::default(), Services::default()).result;
    let error = result.err().unwrap().to_string();
    assert!(error.contains("leads out of the repository"), "{error}");
}

#[test]
fn links_inside_the_tree_are_followed() {
    let mut tree = MemoryTree::from_listing(&format!(
        "//- /kustomization.yaml\nresources: [l.yaml]\n//- /real.yaml\n{MAP}"
    ))
    .unwrap();
    tree.insert_link("l.yaml", "real.yaml").unwrap();
    let result = build(&tree, "", &Options::default(), Services::default()).result;
    assert_eq!(result.map(|objects| objects.len()).ok(), Some(1));
}

#[test]
fn aliases_cannot_blow_up() {
    let mut bomb = String::from(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n",
    );
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        let items = vec![below; 10].join(", ");
        writeln!(bomb, "a{level}: &a{level} [{items}]").unwrap();
    }
    refuses(
        &format!("//- /kustomization.yaml\nresources: [a.yaml]\n//- /a.yaml\n{bomb}"),
        "",
        "excessive aliasing",
    );
}

#[test]
fn budgets_hold() {
    let listing = format!("//- /kustomization.yaml\nresources: [a.yaml]\n//- /a.yaml\n{MAP}");
    let limited = |limits: Limits| {
        let options = Options {
            limits,
            ..Options::default()
        };
        outcome(&listing, "", &options)
            .result
            .err()
            .map(|error| error.to_string())
    };
    let default = Limits::default();
    assert_eq!(limited(default), None);
    for (limits, part) in [
        (
            Limits {
                files: 1,
                ..default
            },
            "more than 1 files",
        ),
        (
            Limits {
                file_bytes: 50,
                ..default
            },
            "more than the limit of 50",
        ),
        (
            Limits {
                bytes: 60,
                ..default
            },
            "more than 60 bytes",
        ),
        (
            Limits {
                objects: 0,
                ..default
            },
            "more than 0 objects",
        ),
    ] {
        let error = limited(limits).unwrap();
        assert!(error.contains(part), "{error}");
    }
    let mut deep = String::new();
    for level in 0..9 {
        writeln!(
            deep,
            "//- /d{level}/kustomization.yaml\nresources: [../d{}]",
            level + 1
        )
        .unwrap();
    }
    let options = Options {
        limits: Limits {
            depth: 5,
            ..default
        },
        ..Options::default()
    };
    let error = outcome(&deep, "d0", &options)
        .result
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.ends_with("bases are nested more than 5 deep"),
        "{error}"
    );
}

#[test]
fn many_files_are_no_problem() {
    let mut listing = String::from("//- /kustomization.yaml\nnamePrefix: x-\nresources:\n");
    for number in 0..2000 {
        writeln!(listing, "- f{number}.yaml").unwrap();
    }
    for number in 0..2000 {
        writeln!(
            listing,
            "//- /f{number}.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m{number}}}"
        )
        .unwrap();
    }
    let result = outcome(&listing, "", &Options::default()).result;
    assert_eq!(result.map(|objects| objects.len()).ok(), Some(2000));
}

#[test]
fn patches_and_replacements_without_a_place_are_told() {
    let with = |rest: &str| {
        format!("//- /kustomization.yaml\nresources: [a.yaml]\n{rest}\n//- /a.yaml\n{MAP}")
    };
    for (rest, part) in [
        (
            "patches: [{patch: '{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}'}]",
            "no resource matches strategic merge patch \"ConfigMap.v1.[noGrp]/b.[noNs]\"",
        ),
        (
            "patches: [{target: {kind: ConfigMap}, patch: '[{\"op\": \"remove\", \"path\": \"/no/where\"}]'}]",
            "remove operation does not apply: doc is missing path: \"/no/where\"",
        ),
        (
            "patches: [{target: {kind: '('}, patch: '[{\"op\": \"remove\", \"path\": \"/x\"}]'}]",
            "error parsing regexp",
        ),
        (
            "replacements: [{source: {kind: Nope}, targets: [{select: {kind: ConfigMap}}]}]",
            "nothing selected by Nope.[noVer].[noGrp]/[noName].[noNs]",
        ),
        (
            "replacements: [{sourceValue: x, targets: [{select: {kind: ConfigMap}, fieldPaths: [spec.no.where]}]}]",
            "unable to find field \"spec.no.where\" in replacement target",
        ),
        (
            "namePrefix: x\nresources: [a.yaml, a.yaml]",
            "already registered id",
        ),
        ("images: [{name: '['}]", "error parsing regexp"),
        (
            "replicas: [{name: nope, count: 1}]",
            "resource with name nope does not match",
        ),
    ] {
        let listing = if rest.contains("resources") {
            format!("//- /kustomization.yaml\n{rest}\n//- /a.yaml\n{MAP}")
        } else {
            with(rest)
        };
        refuses(&listing, "", part);
    }
}

#[test]
fn programs_and_remote_resources_are_refused() {
    refuses(
        "//- /kustomization.yaml\ntransformers: [t.yaml]\n//- /t.yaml\napiVersion: x/v1\nkind: Exec\nmetadata: {name: t}\n",
        "",
        "external plugins disabled; unable to load external plugin 'Exec'",
    );
    for remote in [
        "https://example.com/a.yaml",
        "github.com/org/repo//base?ref=v1",
    ] {
        refuses(
            &format!("//- /kustomization.yaml\nresources: ['{remote}']\n"),
            "",
            "is refused: remote resources are not allowed here",
        );
    }
}

#[test]
fn texts_that_are_no_yaml_are_told_with_their_file() {
    refuses(
        "//- /kustomization.yaml\nresources: [a.yaml]\n//- /a.yaml\na: [b\n",
        "",
        "MalformedYAMLError: yaml: line",
    );
    let error = built(
        "//- /kustomization.yaml\nresources: [a.yaml]\n//- /a.yaml\na: [b\n",
        "",
    );
    assert!(error.unwrap_err().ends_with("in File: a.yaml"));
}
