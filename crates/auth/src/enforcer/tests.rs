//! Policies as users write them.

use super::*;

fn local(name: &str) -> Identity {
    Identity::Local {
        name: name.to_owned(),
    }
}

fn sso(subject: &str, groups: &[&str]) -> Identity {
    Identity::External {
        subject: subject.to_owned(),
        name: format!("{subject}@example.com"),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        issuer: "https://idp.example".to_owned(),
    }
}

fn enforcer(csv: &str) -> Enforcer {
    let enforcer = Enforcer::new();
    enforcer.reload(csv, MatchMode::Glob, "").expect("policy");
    enforcer
}

#[track_caller]
fn check(enforcer: &Enforcer, identity: &Identity, table: &[(&str, &str, &str, bool)]) {
    for (resource, action, object, want) in table {
        let got = enforcer
            .enforce(identity, resource, action, object)
            .is_allowed();
        assert_eq!(got, *want, "{identity} {action} {resource} {object}");
    }
}

#[test]
fn built_in_roles() {
    let enforcer = enforcer("g, bob, role:readonly");
    check(
        &enforcer,
        &local("admin"),
        &[
            ("applications", "get", "default/x", true),
            ("applications", "delete", "default/ns/x", true),
            (
                "applications",
                "delete/apps/Deployment/ns/x",
                "default/x",
                true,
            ),
            (
                "applications",
                "action/apps/Deployment/restart",
                "default/x",
                true,
            ),
            ("exec", "create", "default/x", true),
            ("clusters", "get", "https://c.example", true),
            ("accounts", "update", "bob", true),
            ("extensions", "invoke", "x", false),
            ("applications", "get", "*", false),
        ],
    );
    check(
        &enforcer,
        &local("bob"),
        &[
            ("applications", "get", "default/x", true),
            ("logs", "get", "default/x", true),
            ("applications", "sync", "default/x", false),
            ("exec", "create", "default/x", false),
        ],
    );
    check(
        &enforcer,
        &local("eve"),
        &[("applications", "get", "default/x", false)],
    );
    check(
        &enforcer,
        &Identity::Anonymous,
        &[("applications", "get", "default/x", false)],
    );
    check(
        &enforcer,
        &Identity::Unrestricted,
        &[("extensions", "invoke", "x", true)],
    );
}

#[test]
fn a_denial_beats_every_permission() {
    let enforcer = enforcer(
        "p, role:dev, applications, *, team/*, allow\n\
         p, role:dev, applications, delete, team/prod-*, deny\n\
         # a comment\n\n\
         g, alice, role:dev\ng, role:lead, role:dev\ng, carol, role:lead",
    );
    for name in ["alice", "carol"] {
        check(
            &enforcer,
            &local(name),
            &[
                ("applications", "sync", "team/prod-x", true),
                ("applications", "delete", "team/prod-x", false),
                ("applications", "delete", "team/dev-x", true),
                ("applications", "get", "other/x", false),
            ],
        );
    }
}

#[test]
fn groups_are_judged_one_by_one() {
    let enforcer = enforcer(
        "p, blocked, applications, get, */*, deny\n\
         p, readers, applications, get, */*, allow\n\
         p, admin, applications, delete, team/x, allow",
    );
    let question = [("applications", "get", "team/x", true)];
    check(&enforcer, &sso("u1", &["blocked", "readers"]), &question);
    check(
        &enforcer,
        &sso("u1", &["blocked"]),
        &[("applications", "get", "team/x", false)],
    );
    check(
        &enforcer,
        &sso("u1", &["role:admin"]),
        &[("applications", "delete", "team/x", true)],
    );
    check(
        &enforcer,
        &sso("u1", &[""]),
        &[("applications", "get", "team/x", false)],
    );
}

#[test]
fn the_default_role_is_for_everybody_and_cannot_be_denied() {
    let enforcer = Enforcer::new();
    let csv = "p, bob, applications, get, */*, deny";
    enforcer
        .reload(csv, MatchMode::Glob, "role:readonly")
        .expect("policy");
    for identity in [local("bob"), Identity::Anonymous, sso("u", &[])] {
        check(
            &enforcer,
            &identity,
            &[
                ("applications", "get", "a/b", true),
                ("applications", "sync", "a/b", false),
            ],
        );
    }
}

#[test]
fn project_roles_end_at_their_project() {
    let enforcer =
        enforcer("p, role:all, applications, *, */*, allow\ng, proj:team:root, role:all");
    let role = |name: &str, policies: &[&str], groups: &[&str]| ProjectRole {
        name: name.to_owned(),
        policies: policies.iter().map(|line| (*line).to_owned()).collect(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    };
    let ci = role(
        "ci",
        &["p, proj:team:ci, applications, sync, team/*, allow"],
        &["my, group", "devs"],
    );
    enforcer
        .reload_project("team", &[ci, role("root", &[], &[])])
        .expect("project");
    let token = |role: &str| Identity::ProjectRole {
        project: "team".to_owned(),
        role: role.to_owned(),
    };
    let table = [
        ("applications", "sync", "team/x", true),
        ("applications", "sync", "team/ns/x", true),
        ("applications", "get", "team/x", false),
        ("applications", "sync", "other/x", false),
        ("projects", "get", "team", true),
        ("projects", "get", "other", false),
    ];
    check(&enforcer, &token("ci"), &table);
    check(&enforcer, &sso("u", &["my, group"]), &table);
    check(&enforcer, &sso("u", &["devs"]), &table);
    check(
        &enforcer,
        &token("root"),
        &[
            ("applications", "get", "team/x", true),
            ("applications", "get", "other/x", false),
        ],
    );
    // A user of an identity provider cannot become a project's role by calling itself so.
    enforcer.reload_project("team", &[]).expect("removed");
    check(
        &enforcer,
        &token("ci"),
        &table.map(|(resource, action, object, _)| (resource, action, object, false)),
    );
}

#[test]
fn a_projects_denial_reaches_holders_of_wider_permissions() {
    let enforcer = enforcer("p, devs, applications, get, */*, allow");
    let role = ProjectRole {
        name: "shut".to_owned(),
        policies: vec!["p, proj:team:shut, applications, get, team/secret, deny".to_owned()],
        groups: vec!["devs".to_owned()],
    };
    assert_eq!(
        enforcer
            .bind(&sso("u", &["devs"]))
            .scope("applications", "get"),
        Scope::All
    );
    enforcer.reload_project("team", &[role]).expect("project");
    check(
        &enforcer,
        &sso("u", &["devs"]),
        &[
            ("applications", "get", "team/secret", false),
            ("applications", "get", "team/x", true),
            ("applications", "get", "other/secret", true),
        ],
    );
    assert_eq!(
        enforcer
            .bind(&sso("u", &["devs"]))
            .scope("applications", "get"),
        Scope::Some
    );
}

#[test]
fn scopes_agree_with_single_answers() {
    let enforcer = enforcer(
        "p, all, applications, get, *, allow\n\
         p, team, applications, get, team/*, allow\n\
         p, cut, applications, get, */*, allow\np, cut, applications, get, x/*, deny",
    );
    let scope = |name: &str| enforcer.bind(&local(name)).scope("applications", "get");
    assert_eq!(scope("admin"), Scope::All);
    assert_eq!(scope("all"), Scope::All);
    assert_eq!(scope("team"), Scope::Some);
    assert_eq!(scope("cut"), Scope::Some);
    assert_eq!(scope("nobody"), Scope::Nothing);
    assert_eq!(
        enforcer
            .bind(&Identity::Unrestricted)
            .scope("applications", "get"),
        Scope::All
    );
}

#[test]
fn regular_expressions_match_anywhere() {
    let enforcer = Enforcer::new();
    let csv = "p, bob, applications, ^(get|sync)$, ^team-[0-9]+/, allow";
    enforcer.reload(csv, MatchMode::Regex, "").expect("policy");
    check(
        &enforcer,
        &local("bob"),
        &[
            ("applications", "get", "team-7/x", true),
            ("applications", "get", "team-x/x", false),
            ("applications", "getx", "team-7/x", false),
        ],
    );
    check(
        &enforcer,
        &local("admin"),
        &[("applications", "delete", "a/b", true)],
    );
}

#[test]
fn a_broken_policy_is_refused_whole_and_the_old_one_stays() {
    let enforcer = enforcer("p, bob, applications, get, */*, allow");
    for broken in [
        "p, bob, applications, get, */*",
        "p, bob, applications, get, */*, maybe",
        "x, bob, applications, get, */*, allow",
        "g, bob",
        "p, bob, applications, get, [, allow",
        "p, \"bob, applications, get, *, allow",
        "p, , applications, get, *, allow",
    ] {
        let text = format!("p, eve, applications, get, */*, allow\n{broken}");
        let error = enforcer
            .reload(&text, MatchMode::Glob, "")
            .expect_err(broken);
        assert!(error.to_string().contains("line 2"), "{error}");
    }
    check(
        &enforcer,
        &local("bob"),
        &[("applications", "get", "a/b", true)],
    );
    check(
        &enforcer,
        &local("eve"),
        &[("applications", "get", "a/b", false)],
    );
}

#[test]
fn circular_roles_end() {
    let enforcer = enforcer("g, a, b\ng, b, a\np, b, applications, get, */*, allow");
    check(
        &enforcer,
        &local("a"),
        &[("applications", "get", "x/y", true)],
    );
}
