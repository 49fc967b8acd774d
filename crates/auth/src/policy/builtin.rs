//! The built-in roles `role:readonly` and `role:admin` (argocd-contract §7.4).

use std::sync::LazyLock;

use super::{MatchMode, Policy};

/// Resources whose objects are always named `<project>/…`.
const IN_PROJECTS: &[&str] = &["applications", "applicationsets", "logs", "exec"];

const READONLY: &[&str] = &[
    "applications",
    "applicationsets",
    "certificates",
    "clusters",
    "repositories",
    "write-repositories",
    "projects",
    "accounts",
    "gpgkeys",
    "logs",
];

const ADMIN: &[(&str, &[&str])] = &[
    (
        "applications",
        &[
            "create", "update", "update/*", "delete", "delete/*", "sync", "rollback", "override",
            "action/*",
        ],
    ),
    ("applicationsets", &["get", "create", "update", "delete"]),
    ("certificates", &["create", "update", "delete"]),
    ("clusters", &["create", "update", "delete"]),
    ("repositories", &["create", "update", "delete"]),
    ("write-repositories", &["create", "update", "delete"]),
    ("projects", &["create", "update", "delete"]),
    ("accounts", &["update"]),
    ("gpgkeys", &["create", "delete"]),
    ("exec", &["create"]),
];

fn text(mode: MatchMode) -> String {
    let any = match mode {
        MatchMode::Glob => "*",
        MatchMode::Regex => ".*",
    };
    let mut lines: Vec<String> = Vec::new();
    let mut rule = |role: &str, resource: &str, action: &str| {
        let object = if IN_PROJECTS.contains(&resource) {
            "*/*"
        } else {
            "*"
        };
        let (action, object) = (action.replace('*', any), object.replace('*', any));
        lines.push(format!(
            "p, role:{role}, {resource}, {action}, {object}, allow"
        ));
    };
    for resource in READONLY {
        rule("readonly", resource, "get");
    }
    for (resource, actions) in ADMIN {
        for action in *actions {
            rule("admin", resource, action);
        }
    }
    lines.push("g, role:admin, role:readonly".to_owned());
    lines.push("g, admin, role:admin".to_owned());
    lines.join("\n")
}

/// Returns the built-in policy for a way of matching.
pub fn builtin(mode: MatchMode) -> &'static Policy {
    static GLOB: LazyLock<Policy> = LazyLock::new(|| parse(MatchMode::Glob));
    static REGEX: LazyLock<Policy> = LazyLock::new(|| parse(MatchMode::Regex));
    match mode {
        MatchMode::Glob => &GLOB,
        MatchMode::Regex => &REGEX,
    }
}

fn parse(mode: MatchMode) -> Policy {
    Policy::from_csv(&text(mode), mode)
        .expect("invariant: the built-in policy parses, see the tests")
}
