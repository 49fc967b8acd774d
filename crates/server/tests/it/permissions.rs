//! Who may do what: one table for every route.

use http::StatusCode;
use serde_json::{Value, json};

use crate::world::{Api, app};

/// One route, and whether `admin`, `reader`, `team` (own project) and `nobody` may call it.
type Row = (&'static str, &'static str, Option<fn() -> Value>, [bool; 4]);

const USERS: [&str; 4] = ["admin", "reader", "team", "nobody"];

fn nothing() -> Value {
    json!({})
}

fn table() -> Vec<Row> {
    let get = [true, true, true, false];
    let change = [true, false, true, false];
    vec![
        ("GET", "/api/v1/applications/x", None, get),
        ("GET", "/api/v1/applications/x?project=team", None, get),
        ("GET", "/api/v1/applications/x/resource-tree", None, get),
        ("GET", "/api/v1/applications/x/managed-resources", None, get),
        (
            "GET",
            "/api/v1/applications/x/resource?kind=ConfigMap&resourceName=c&namespace=n",
            None,
            get,
        ),
        ("GET", "/api/v1/applications/x/events", None, get),
        (
            "GET",
            "/api/v1/applications/x/logs?podName=p&namespace=n",
            None,
            get,
        ),
        (
            "GET",
            "/api/v1/applications/x/pods/p/logs?namespace=n",
            None,
            get,
        ),
        ("GET", "/api/v1/applications/x/syncwindows", None, get),
        (
            "GET",
            "/api/v1/applications/x/revisions/abc/metadata",
            None,
            get,
        ),
        (
            "GET",
            "/api/v1/stream/applications/x/resource-tree",
            None,
            get,
        ),
        ("GET", "/api/v1/stream/applications/x/events", None, get),
        (
            "POST",
            "/api/v1/applications",
            Some(|| app("new", "team")),
            change,
        ),
        (
            "PUT",
            "/api/v1/applications/x",
            Some(|| app("x", "team")),
            change,
        ),
        (
            "PUT",
            "/api/v1/applications/x/spec",
            Some(|| app("x", "team")["spec"].clone()),
            change,
        ),
        (
            "PATCH",
            "/api/v1/applications/x",
            Some(|| json!({"patchType": "merge", "patch": "{}"})),
            change,
        ),
        ("POST", "/api/v1/applications/x/sync", Some(nothing), change),
        (
            "POST",
            "/api/v1/applications/x/sync",
            Some(|| json!({"manifests": ["{}"]})),
            change,
        ),
        (
            "POST",
            "/api/v1/applications/x/rollback",
            Some(|| json!({"id": 1})),
            change,
        ),
        ("DELETE", "/api/v1/applications/x/operation", None, change),
        (
            "POST",
            "/api/v1/applications/x/resource?kind=ConfigMap&resourceName=c&namespace=n",
            Some(|| json!("{}")),
            change,
        ),
        (
            "DELETE",
            "/api/v1/applications/x/resource?kind=ConfigMap&resourceName=c&namespace=n",
            None,
            change,
        ),
        (
            "GET",
            "/api/v1/applications/x/resource/actions?group=batch&kind=CronJob&resourceName=j&namespace=n",
            None,
            get,
        ),
        (
            "POST",
            "/api/v1/applications/x/resource/actions?group=batch&kind=CronJob&resourceName=j&namespace=n",
            Some(|| json!("suspend")),
            change,
        ),
        (
            "POST",
            "/api/v1/applications/x/resource/actions/v2",
            Some(
                || json!({"group": "batch", "kind": "CronJob", "resourceName": "j", "namespace": "n", "action": "suspend"}),
            ),
            change,
        ),
        ("DELETE", "/api/v1/applications/x", None, change),
        (
            "GET",
            "/api/v1/projects/team",
            None,
            [true, true, false, false],
        ),
        (
            "PUT",
            "/api/v1/account/password",
            Some(
                || json!({"name": "nobody", "currentPassword": "password", "newPassword": "long enough"}),
            ),
            [true, false, false, true],
        ),
    ]
}

async fn api() -> Api {
    let api = Api::new().await;
    let mut wanted = app("x", "team");
    wanted["operation"] = Value::Null;
    wanted["status"] = json!({"history": [{"id": 1, "revision": "a", "source": {"repoURL": "https://git.example/x.git", "path": "x"}}]});
    api.world.put(wanted);
    api.server.index().fill();
    api.world.set_tree(
        "x",
        &json!([
            {"version": "v1", "kind": "ConfigMap", "namespace": "n", "name": "c", "uid": "u1"},
            {"version": "v1", "kind": "Pod", "namespace": "n", "name": "p", "uid": "u2"},
            {"group": "batch", "version": "v1", "kind": "CronJob", "namespace": "n", "name": "j", "uid": "u3"},
            {"group": "driftless.dev", "version": "v1alpha1", "kind": "ModelRollout", "namespace": "n", "name": "r", "uid": "u4"},
        ]),
    );
    api
}

#[tokio::test]
async fn every_route_asks_for_its_permission() {
    for (method, path, body, allowed) in table() {
        for (user, may) in USERS.into_iter().zip(allowed) {
            let api = api().await;
            if path.ends_with("/operation") {
                api.world
                    .edit("x", |app| app["operation"] = json!({"sync": {}}));
            }
            let body = body.map(|body| body());
            let request = api.request(user, method, path, body.as_ref()).await;
            // Streams last: the status is what counts.
            let status = api.send(request).await.status();
            let want = if may {
                StatusCode::OK
            } else {
                StatusCode::FORBIDDEN
            };
            assert_eq!(status, want, "{user}: {method} {path}");
        }
    }
}

#[tokio::test]
async fn the_forbidden_and_the_unknown_look_alike() {
    let api = api().await;
    for user in ["team", "nobody"] {
        for project in ["", "?project=default", "?project=ghost"] {
            api.world.put(app("hidden", "default"));
            let hidden = api
                .get(user, &format!("/api/v1/applications/hidden{project}"))
                .await;
            let unknown = api
                .get(user, &format!("/api/v1/applications/unknown{project}"))
                .await;
            assert_eq!(
                (hidden.status, &hidden.text),
                (unknown.status, &unknown.text),
                "{user} {project}"
            );
            hidden.refused(403, 7, "permission denied");
        }
    }
    // Who may read there is told.
    let unknown = api
        .get("admin", "/api/v1/applications/unknown?project=team")
        .await;
    unknown.refused(404, 5, "applications.argoproj.io \"unknown\" not found");
    let elsewhere = api
        .get("admin", "/api/v1/applications/x?project=default")
        .await;
    elsewhere.refused(404, 5, "not found");
    api.get("admin", "/api/v1/applications/unknown")
        .await
        .refused(403, 7, "permission denied");
}

#[tokio::test]
async fn moving_an_application_takes_rights_in_both_projects() {
    let api = api().await;
    let moved = app("x", "default");
    api.call("team", "PUT", "/api/v1/applications/x", Some(&moved))
        .await
        .refused(403, 7, "applications, create, default/x");
    let patch = json!({"patchType": "merge", "patch": "{\"spec\":{\"project\":\"default\"}}"});
    api.call("team", "PATCH", "/api/v1/applications/x", Some(&patch))
        .await
        .refused(403, 7, "applications, create, default/x");
    let spec = moved["spec"].clone();
    api.call("team", "PUT", "/api/v1/applications/x/spec", Some(&spec))
        .await
        .refused(403, 7, "applications, create, default/x");
    api.call("admin", "PUT", "/api/v1/applications/x", Some(&moved))
        .await
        .ok();
}

#[tokio::test]
async fn the_right_to_create_is_not_the_right_to_replace_or_to_bring_manifests() {
    let api = api().await;
    let policy = "p, team, applications, create, team/*, allow\np, team, applications, get, team/*, allow\n\
        p, team, applications, sync, team/*, allow";
    let enforcer = &api.server.deps().enforcer;
    enforcer
        .reload(policy, driftless_auth::policy::MatchMode::Glob, "")
        .expect("policy");
    let mut other = app("x", "team");
    other["spec"]["source"]["path"] = json!("elsewhere");
    api.post("team", "/api/v1/applications?upsert=true", &other)
        .await
        .refused(403, 7, "applications, update, team/x");
    let local = json!({"manifests": ["{}"]});
    api.post("team", "/api/v1/applications/x/sync", &local)
        .await
        .refused(403, 7, "applications, override, team/x");
    api.post("team", "/api/v1/applications/x/sync", &json!({}))
        .await
        .ok();
}

#[tokio::test]
async fn single_objects_have_rights_of_their_own() {
    let api = api().await;
    let policy = "p, team, applications, get, team/*, allow\np, team, applications, delete, team/*, allow\n\
        p, reader, applications, get, team/*, allow\np, reader, applications, delete/*/Pod/*, team/*, allow";
    let enforcer = &api.server.deps().enforcer;
    enforcer
        .reload(policy, driftless_auth::policy::MatchMode::Glob, "")
        .expect("policy");
    let path = |kind: &str, name: &str| {
        format!("/api/v1/applications/x/resource?kind={kind}&resourceName={name}&namespace=n")
    };
    let deletes = async |user: &str, kind: &str, name: &str| {
        api.call(user, "DELETE", &path(kind, name), None)
            .await
            .status
            == StatusCode::OK
    };
    assert!(
        !deletes("team", "Pod", "p").await,
        "the right on the application is not inherited"
    );
    assert!(deletes("reader", "Pod", "p").await);
    assert!(!deletes("reader", "ConfigMap", "c").await);
    api.world.settings.lock().fine_grained_inheritance = true;
    assert!(
        deletes("team", "Pod", "p").await,
        "unless the setting says so"
    );
}

#[tokio::test]
async fn rollback_has_a_right_of_its_own_where_enforced() {
    let api = api().await;
    api.world.settings.lock().rollback_enforced = true;
    let policy = "p, team, applications, get, team/*, allow\np, team, applications, sync, team/*, allow\n\
        p, reader, applications, get, team/*, allow\np, reader, applications, rollback, team/*, allow";
    let enforcer = &api.server.deps().enforcer;
    enforcer
        .reload(policy, driftless_auth::policy::MatchMode::Glob, "")
        .expect("policy");
    let rollback = json!({"id": 1});
    api.post("team", "/api/v1/applications/x/rollback", &rollback)
        .await
        .refused(403, 7, "applications, rollback, team/x");
    api.post("reader", "/api/v1/applications/x/rollback", &rollback)
        .await
        .ok();
}

/// Actions of a ModelRollout as a user sees them: name and whether they may be run.
async fn offered(api: &Api, user: &str) -> Vec<(String, bool)> {
    let path = "/api/v1/applications/x/resource/actions?group=driftless.dev&version=v1alpha1&kind=ModelRollout&resourceName=r&namespace=n";
    let answer = api.get(user, path).await.ok();
    let actions = answer["actions"].as_array().expect("actions").iter();
    let offered = actions.map(|action| {
        let is_denied = action["denied"] == true;
        // Who does not know the field sees it as one that cannot be run.
        assert!(!is_denied || action["disabled"] == true, "{action}");
        (
            action["name"].as_str().expect("name").to_owned(),
            !is_denied,
        )
    });
    offered.collect()
}

#[tokio::test]
async fn an_action_needs_its_own_right_and_is_offered_only_with_it() {
    let api = api().await;
    let may = |names: [bool; 5]| {
        let all = ["abort", "pause", "promote", "promote-full", "retry"];
        all.map(str::to_owned)
            .into_iter()
            .zip(names)
            .collect::<Vec<_>>()
    };
    assert_eq!(offered(&api, "team").await, may([true; 5]));
    assert_eq!(offered(&api, "reader").await, may([false; 5]));
    let policy = "g, reader, role:readonly\np, team, applications, get, team/*, allow\n\
        p, team, applications, action/driftless.dev/ModelRollout/*, team/*, allow\n\
        p, team, applications, action/driftless.dev/ModelRollout/promote-full, team/*, deny\n\
        p, nobody, applications, get, team/*, allow\n\
        p, nobody, applications, action/driftless.dev/ModelRollout/*, other/*, allow";
    let enforcer = &api.server.deps().enforcer;
    enforcer
        .reload(policy, driftless_auth::policy::MatchMode::Glob, "")
        .expect("policy");
    assert_eq!(
        offered(&api, "team").await,
        may([true, true, true, false, true])
    );
    // A right for another project is none for this one.
    assert_eq!(offered(&api, "nobody").await, may([false; 5]));
    let run = async |user: &str, action: &str| {
        let body = json!({"group": "driftless.dev", "version": "v1alpha1", "kind": "ModelRollout",
            "resourceName": "r", "namespace": "n", "action": action});
        api.post(user, "/api/v1/applications/x/resource/actions/v2", &body)
            .await
    };
    run("team", "abort").await.ok();
    for (user, action) in [
        ("team", "promote-full"),
        ("nobody", "abort"),
        ("reader", "abort"),
    ] {
        let words = format!("applications, action/driftless.dev/ModelRollout/{action}, team/x");
        run(user, action).await.refused(403, 7, &words);
    }
    let body = json!({"group": "driftless.dev", "version": "v1alpha1", "kind": "ModelRollout", "resourceName": "r",
        "namespace": "n", "action": "abort", "resourceActionParameters": [{"name": "target", "value": "other"}]});
    api.post("team", "/api/v1/applications/x/resource/actions/v2", &body)
        .await
        .refused(400, 3, "the rollout has no target other");
}

#[tokio::test]
async fn lists_of_other_things_are_filtered() {
    let api = api().await;
    let count = async |user: &str, path: &str| {
        api.get(user, path).await.ok()["items"]
            .as_array()
            .map_or(0, Vec::len)
    };
    for (user, projects, clusters, repositories) in
        [("admin", 2, 1, 2), ("reader", 2, 1, 2), ("team", 0, 0, 0)]
    {
        assert_eq!(count(user, "/api/v1/projects").await, projects, "{user}");
        assert_eq!(count(user, "/api/v1/clusters").await, clusters, "{user}");
        assert_eq!(
            count(user, "/api/v1/repositories").await,
            repositories,
            "{user}"
        );
    }
    let can = async |user: &str, what: &str| {
        api.get(user, &format!("/api/v1/account/can-i/{what}"))
            .await
            .ok()["value"]
            .clone()
    };
    assert_eq!(can("team", "applications/sync/team/x").await, "yes");
    assert_eq!(can("team", "applications/sync/default/x").await, "no");
    api.get("team", "/api/v1/account/can-i/shoes/get/x")
        .await
        .refused(400, 3, "unknown resource or action");
}

#[tokio::test]
async fn project_roles_work_as_soon_as_the_project_says_so() {
    let api = api().await;
    let token = {
        let claims = driftless_auth::token::Subject::ProjectRole {
            project: "team".to_owned(),
            role: "ci".to_owned(),
        };
        api.server
            .deps()
            .sessions
            .issue_api_token(&claims, "t1", None)
            .expect("token")
    };
    let ask = async |path: &str| {
        let request = http::Request::get(path).header("authorization", format!("Bearer {token}"));
        api.answer(request.body(axum::body::Body::empty()).expect("request"))
            .await
    };
    ask("/api/v1/applications/x")
        .await
        .refused(401, 16, "project role team:ci does not exist");
    api.world.project(json!({"metadata": {"name": "team", "namespace": "argocd"}, "spec": {"roles": [{
        "name": "ci", "policies": ["p, proj:team:ci, applications, get, team/*, allow"], "jwtTokens": [{"iat": 1, "id": "t1"}],
    }]}}));
    // The roles are taken over in the background.
    loop {
        let answer = ask("/api/v1/applications/x").await;
        if answer.status == StatusCode::OK {
            break;
        }
        answer.refused(403, 7, "permission denied");
        tokio::task::yield_now().await;
    }
    api.world.put(app("other", "default"));
    ask("/api/v1/applications/other")
        .await
        .refused(403, 7, "permission denied");
    api.world.project(json!({"metadata": {"name": "team", "namespace": "argocd"}, "spec": {"roles": [{"name": "ci"}]}}));
    ask("/api/v1/applications/x")
        .await
        .refused(401, 16, "revoked");
}
