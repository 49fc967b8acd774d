//! Creating, changing, syncing and deleting.

use serde_json::{Value, json};

use crate::world::{Api, Options, app};

const APPS: &str = "/api/v1/applications";

#[tokio::test]
async fn the_same_application_again_is_no_error_and_another_needs_upsert() {
    let api = Api::new().await;
    let mut wanted = app("x", "default");
    wanted["operation"] = json!({"sync": {}});
    wanted["status"] = json!({"health": {"status": "Healthy"}});
    let created = api.post("admin", APPS, &wanted).await.ok();
    assert_eq!(created["metadata"]["name"], "x");
    assert!(
        created.get("operation").is_none() && created.get("status").is_none(),
        "{created}"
    );
    api.post("admin", APPS, &wanted).await.ok();

    wanted["spec"]["source"]["targetRevision"] = json!("v2");
    let answer = api.post("admin", APPS, &wanted).await;
    answer.refused(
        400,
        3,
        "existing application spec is different, use upsert flag to force update",
    );
    wanted["metadata"]["labels"] = json!({"team": "a"});
    let upserted = api
        .post("admin", &format!("{APPS}?upsert=true"), &wanted)
        .await
        .ok();
    assert_eq!(upserted["spec"]["source"]["targetRevision"], "v2");
    assert_eq!(
        upserted["metadata"]["labels"],
        json!({"stage": "dev", "team": "a"}),
        "labels are merged"
    );
    assert_eq!(
        api.world.events()[0],
        (
            "ResourceCreated".to_owned(),
            "admin created application".to_owned()
        )
    );
}

#[tokio::test]
async fn what_cannot_work_is_refused_with_a_reason() {
    let api = Api::new().await;
    let refused = async |edit: fn(&mut Value), code: i64, part: &str| {
        let mut wanted = app("x", "default");
        edit(&mut wanted);
        let answer = api.post("admin", APPS, &wanted).await;
        answer.refused(if code == 7 { 403 } else { 400 }, code, part);
    };
    refused(
        |app| app["metadata"]["name"] = json!(""),
        3,
        "metadata.name is required",
    )
    .await;
    refused(|app| app["spec"]["project"] = json!("ghost"), 3, "project").await;
    refused(
        |app| app["spec"]["source"]["repoURL"] = json!(""),
        3,
        "spec.source.repoURL",
    )
    .await;
    refused(
        |app| app["spec"]["destination"] = json!({}),
        3,
        "destination server missing",
    )
    .await;
    refused(
        |app| app["spec"]["destination"]["name"] = json!("y"),
        3,
        "can't have both name and server",
    )
    .await;
    refused(
        |app| app["spec"]["source"]["path"] = json!(7),
        3,
        "spec.source.path",
    )
    .await;
    refused(
        |app| app["metadata"]["namespace"] = json!("elsewhere"),
        7,
        "permission denied",
    )
    .await;
    let broken = http::Request::post(APPS)
        .header(
            "authorization",
            format!("Bearer {}", api.token("admin").await),
        )
        .header("content-type", "application/json")
        .body("{\"metadata\":".into());
    api.answer(broken.expect("request"))
        .await
        .refused(400, 3, "not valid JSON");
    // The check can be switched off, the project's word cannot.
    let mut wanted = app("x", "default");
    wanted["spec"]["destination"] = json!({});
    api.post("admin", &format!("{APPS}?validate=false"), &wanted)
        .await
        .ok();
}

#[tokio::test]
async fn a_project_permits_sources_and_destinations() {
    let api = Api::new().await;
    api.world.project(json!({
        "metadata": {"name": "narrow", "namespace": "argocd"},
        "spec": {
            "sourceRepos": ["https://git.example/x.git"],
            "destinations": [{"server": "https://kubernetes.default.svc", "namespace": "x"}],
        },
    }));
    let source = "application spec for x is invalid: InvalidSpecError: \
                  application repo https://git.example/other.git is not permitted in project 'narrow'";
    let place = "application spec for x is invalid: InvalidSpecError: application destination server \
                 'https://kubernetes.default.svc' and namespace 'y' do not match any of the allowed destinations \
                 in project 'narrow'";
    let allowed = app("x", "narrow");
    let mut elsewhere = allowed.clone();
    elsewhere["spec"]["destination"]["namespace"] = json!("y");
    let mut other = allowed.clone();
    other["spec"]["source"]["repoURL"] = json!("https://git.example/other.git");
    let one = format!("{APPS}/x");
    api.post("admin", APPS, &elsewhere)
        .await
        .refused(400, 3, place);
    api.post("admin", APPS, &other)
        .await
        .refused(400, 3, source);
    assert!(api.world.stored("x").is_null(), "nothing was written");

    api.post("admin", APPS, &allowed).await.ok();
    let put = async |path: &str, body: &Value| api.call("admin", "PUT", path, Some(body)).await;
    put(&one, &elsewhere).await.refused(400, 3, place);
    put(&format!("{one}/spec"), &other["spec"])
        .await
        .refused(400, 3, source);
    let patch = json!({"patchType": "merge", "patch": "{\"spec\": {\"destination\": {\"namespace\": \"y\"}}}"});
    let patched = api.call("admin", "PATCH", &one, Some(&patch)).await;
    patched.refused(400, 3, place);
    assert_eq!(
        api.world.stored("x")["spec"]["destination"]["namespace"],
        "x"
    );

    // Switched off, it is the controller that refuses it.
    put(&format!("{one}?validate=false"), &elsewhere).await.ok();
    let labelled = json!({"patchType": "merge", "patch": "{\"metadata\": {\"annotations\": {\"note\": \"y\"}}}"});
    api.call("admin", "PATCH", &one, Some(&labelled)).await.ok();
    api.post("admin", &format!("{APPS}?validate=false"), &{
        let mut unchecked = other.clone();
        unchecked["metadata"]["name"] = json!("z");
        unchecked
    })
    .await
    .ok();
}

#[tokio::test]
async fn other_namespaces_need_the_servers_and_the_projects_word() {
    let api = Api::new().await;
    api.world.settings.lock().application_namespaces =
        vec!["team-*".to_owned(), "other".to_owned()];
    let mut wanted = app("x", "team");
    wanted["metadata"]["namespace"] = json!("other");
    api.post("admin", APPS, &wanted).await.refused(
        403,
        7,
        "namespace \"other\" is not permitted in project \"team\"",
    );
    wanted["metadata"]["namespace"] = json!("team-a");
    api.post("admin", APPS, &wanted).await.ok();
    api.get("admin", &format!("{APPS}/x?appNamespace=team-a"))
        .await
        .ok();
    api.world.settings.lock().application_namespaces.clear();
    api.get("admin", &format!("{APPS}/x?appNamespace=team-a"))
        .await
        .refused(403, 7, "permission denied");
}

#[tokio::test]
async fn an_update_replaces_what_callers_own_and_nothing_else() {
    let api = Api::new().await;
    api.world.put(app("x", "default"));
    api.world.edit("x", |app| {
        app["status"] = json!({"health": {"status": "Healthy"}});
        app["operation"] = json!({"sync": {"revision": "running"}});
        app["metadata"]["annotations"] =
            json!({"keep": "1", "kubectl.kubernetes.io/last-applied-configuration": "big"});
    });
    let mut wanted = app("x", "default");
    wanted["metadata"]["labels"] = json!({"new": "1"});
    wanted["metadata"]["annotations"] = json!({"keep": "2"});
    wanted["spec"]["source"] = json!({"repoURL": "https://git.example/y.git", "path": "p"});
    wanted["operation"] = json!({"sync": {"revision": "sneaked in"}});
    wanted["status"] = json!({"health": {"status": "Degraded"}});
    let path = format!("{APPS}/x");
    let updated = api.call("admin", "PUT", &path, Some(&wanted)).await.ok();
    assert_eq!(updated["metadata"]["labels"], json!({"new": "1"}));
    let stored = api.world.stored("x");
    assert_eq!(
        stored["spec"]["source"],
        json!({"repoURL": "https://git.example/y.git", "path": "p"})
    );
    assert_eq!(stored["operation"]["sync"]["revision"], "running");
    assert_eq!(stored["status"]["health"]["status"], "Healthy");
    assert_eq!(stored["metadata"]["annotations"]["keep"], "2");

    wanted["metadata"]["resourceVersion"] = json!("1");
    api.call("admin", "PUT", &path, Some(&wanted))
        .await
        .refused(409, 10, "the object has been modified");
    let mismatch = api
        .call("admin", "PUT", &format!("{APPS}/y"), Some(&wanted))
        .await;
    mismatch.refused(400, 3, "the name in the path");

    let spec = json!({"project": "default", "source": {"repoURL": "https://git.example/z.git", "path": "z"},
        "destination": {"name": "in-cluster", "namespace": "z"}});
    let answer = api
        .call("admin", "PUT", &format!("{path}/spec"), Some(&spec))
        .await
        .ok();
    assert_eq!(answer, spec);
}

#[tokio::test]
async fn patches_of_both_kinds() {
    let api = Api::new().await;
    api.world.put(app("x", "default"));
    let path = format!("{APPS}/x");
    let merge = json!({"patchType": "merge", "patch": json!({"spec": {"source": {"targetRevision": "v2"}}, "operation": {"sync": {}}}).to_string()});
    let patched = api.call("admin", "PATCH", &path, Some(&merge)).await.ok();
    assert_eq!(patched["spec"]["source"]["targetRevision"], "v2");
    assert!(
        api.world.stored("x").get("operation").is_none(),
        "a patch starts no operation"
    );
    let steps = json!([{"op": "replace", "path": "/spec/source/path", "value": "q"}, {"op": "add", "path": "/metadata/labels/a~1b", "value": "c"}]);
    let patch = json!({"patchType": "json", "patch": steps.to_string()});
    let patched = api.call("admin", "PATCH", &path, Some(&patch)).await.ok();
    assert_eq!(patched["spec"]["source"]["path"], "q");
    assert_eq!(patched["metadata"]["labels"]["a/b"], "c");
    for (patch_type, patch, part) in [
        (
            "json",
            "[{\"op\":\"remove\",\"path\":\"/nowhere\"}]",
            "does not apply",
        ),
        ("json", "{}", "invalid JSON patch"),
        ("merge", "{", "merge patch"),
        (
            "merge",
            "{\"spec\":{\"source\":{\"path\":7}}}",
            "spec.source.path",
        ),
        ("strategic", "{}", "Patch type 'strategic' is not supported"),
    ] {
        let patch = json!({"patchType": patch_type, "patch": patch});
        api.call("admin", "PATCH", &path, Some(&patch))
            .await
            .refused(400, 3, part);
    }
}

#[tokio::test]
async fn deletion_says_what_happens_to_the_objects() {
    let api = Api::new().await;
    let finalizers = async |present: Value, query: &str| {
        api.world.put(app("x", "default"));
        api.world
            .edit("x", |app| app["metadata"]["finalizers"] = present);
        let mut watch =
            driftless_server::deps::Objects::<driftless_api::Application>::changes(&*api.world);
        api.call("admin", "DELETE", &format!("{APPS}/x?{query}"), None)
            .await
            .ok();
        use futures::StreamExt as _;
        let mut last = Value::Null;
        // The finalizers are set first, then the object goes.
        while let Some(batch) = watch.next().await {
            if batch
                .iter()
                .any(|change| matches!(change, driftless_kube::store::StoreChange::Removed(_)))
            {
                break;
            }
            last = json!(true);
        }
        last
    };
    assert_eq!(
        finalizers(json!([]), "").await,
        json!(true),
        "the default cascades"
    );
    assert_eq!(
        finalizers(json!(["resources-finalizer.argocd.argoproj.io"]), "").await,
        Value::Null,
        "already there"
    );
    assert_eq!(
        finalizers(
            json!(["resources-finalizer.argocd.argoproj.io"]),
            "cascade=false"
        )
        .await,
        json!(true)
    );
    assert_eq!(
        finalizers(
            json!(["resources-finalizer.argocd.argoproj.io"]),
            "propagationPolicy=background"
        )
        .await,
        json!(true)
    );
    api.world.put(app("x", "default"));
    let path = format!("{APPS}/x?cascade=false&propagationPolicy=foreground");
    api.call("admin", "DELETE", &path, None).await.refused(
        400,
        3,
        "cannot set propagation policy when cascading is disabled",
    );
    let path = format!("{APPS}/x?propagationPolicy=sideways");
    api.call("admin", "DELETE", &path, None).await.refused(
        400,
        3,
        "invalid propagation policy: sideways",
    );
}

#[tokio::test]
async fn a_sync_is_an_operation_in_the_callers_name() {
    let api = Api::new().await;
    let mut wanted = app("x", "default");
    wanted["spec"]["syncPolicy"] =
        json!({"syncOptions": ["CreateNamespace=true"], "retry": {"limit": 3}});
    wanted["status"] = json!({"operationState": {"phase": "Succeeded", "operation": {}}});
    api.world.put(wanted);
    let request = json!({"revision": "main", "prune": true, "resources": [{"group": "", "kind": "ConfigMap", "name": "a"}], "manifests": null});
    api.post("admin", &format!("{APPS}/x/sync"), &request)
        .await
        .ok();
    let stored = api.world.stored("x");
    assert_eq!(
        stored["operation"],
        json!({
            "sync": {
                "revision": "main", "prune": true,
                "resources": [{"kind": "ConfigMap", "name": "a"}],
                "source": {"repoURL": "https://git.example/x.git", "path": "x", "targetRevision": "main"},
                "syncOptions": ["CreateNamespace=true"],
            },
            "initiatedBy": {"username": "admin"},
            "retry": {"limit": 3},
        })
    );
    assert!(stored["status"].get("operationState").is_none());
    assert_eq!(
        api.world.events()[0],
        (
            "OperationStarted".to_owned(),
            "admin initiated partial sync to main".to_owned()
        )
    );
    let again = api
        .post("admin", &format!("{APPS}/x/sync"), &json!({}))
        .await;
    again.refused(400, 9, "another operation is already in progress");
}

#[tokio::test]
async fn syncs_that_make_no_sense_are_refused() {
    let api = Api::new().await;
    let mut wanted = app("x", "default");
    wanted["spec"]["syncPolicy"] = json!({"automated": {}});
    api.world.put(wanted);
    let path = format!("{APPS}/x/sync");
    let answer = api.post("admin", &path, &json!({"revision": "v1"})).await;
    answer.refused(400, 9, "Cannot sync to v1: auto-sync currently set to main");
    let local = json!({"manifests": ["{}"]});
    api.post("admin", &path, &local)
        .await
        .refused(400, 9, "cannot use local sync");
    api.world.settings.lock().sync_with_replace_allowed = false;
    let replace = json!({"syncOptions": {"items": ["Replace=true"]}});
    api.post("admin", &path, &replace)
        .await
        .refused(400, 9, "sync with replace was disabled");
    api.world.edit("x", |app| {
        app["metadata"]["deletionTimestamp"] = json!("2027-01-01T00:00:00Z");
    });
    api.post("admin", &path, &json!({}))
        .await
        .refused(400, 9, "application is deleting");
}

#[tokio::test]
async fn a_rollback_works_with_automation_on() {
    let api = Api::new().await;
    let mut wanted = app("x", "default");
    wanted["spec"]["syncPolicy"] = json!({"automated": {"prune": true}});
    let source =
        json!({"repoURL": "https://git.example/x.git", "path": "old", "targetRevision": "main"});
    wanted["status"] = json!({"history": [
        {"id": 3, "revision": "aaa", "source": source, "deployedAt": "2026-01-01T00:00:00Z"},
        {"id": 4, "revision": "bbb", "deployedAt": "2026-01-01T00:00:00Z"},
    ]});
    api.world.put(wanted);
    let path = format!("{APPS}/x/rollback");
    api.post("admin", &path, &json!({"id": 9})).await.refused(
        400,
        3,
        "application x does not have deployment with id 9",
    );
    api.post("admin", &path, &json!({"id": 4}))
        .await
        .refused(400, 9, "empty source");
    api.post("admin", &path, &json!({"id": 3, "prune": true}))
        .await
        .ok();
    let stored = api.world.stored("x");
    assert_eq!(
        stored["metadata"]["annotations"]["driftless.dev/rollback"],
        "3"
    );
    let sync = &stored["operation"]["sync"];
    assert_eq!(sync["revision"], "aaa");
    assert_eq!(sync["source"], source);
    assert_eq!(sync["syncStrategy"], json!({"apply": {}}));
    assert_eq!(
        stored["spec"]["syncPolicy"]["automated"]["prune"], true,
        "automation stays on"
    );

    // The next sync is not a rollback any more.
    api.world.edit("x", |app| app["operation"] = Value::Null);
    api.post("admin", &format!("{APPS}/x/sync"), &json!({}))
        .await
        .ok();
    assert!(
        api.world.stored("x")["metadata"]["annotations"]
            .get("driftless.dev/rollback")
            .is_none()
    );
}

#[tokio::test]
async fn an_operation_can_be_ended() {
    let api = Api::new().await;
    api.world.put(app("x", "default"));
    let path = format!("{APPS}/x/operation");
    let none = api.call("admin", "DELETE", &path, None).await;
    none.refused(
        400,
        3,
        "Unable to terminate operation. No operation is in progress",
    );
    api.world
        .edit("x", |app| app["operation"] = json!({"sync": {}}));
    api.call("admin", "DELETE", &path, None).await.ok();
    assert!(
        api.world.stored("x").get("operation").is_none(),
        "one that nobody began is taken back"
    );
    api.world.edit("x", |app| {
        app["operation"] = json!({"sync": {}});
        app["status"] = json!({"operationState": {"phase": "Running", "operation": {}}});
    });
    api.call("admin", "DELETE", &path, None).await.ok();
    assert_eq!(
        api.world.stored("x")["status"]["operationState"]["phase"],
        "Terminating"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refresh_waits_until_it_is_done() {
    let api = std::sync::Arc::new(Api::new().await);
    api.world.put(app("x", "default"));
    let asking = {
        let api = api.clone();
        tokio::spawn(async move { api.get("admin", &format!("{APPS}/x?refresh=hard")).await })
    };
    while api.world.stored("x")["metadata"]["annotations"]["argocd.argoproj.io/refresh"] != "hard" {
        tokio::task::yield_now().await;
    }
    assert!(!asking.is_finished());
    api.world.edit("x", |app| {
        app["metadata"]["annotations"] = json!({});
        app["status"] = json!({"health": {"status": "Healthy"}});
    });
    let app = asking.await.expect("task").ok();
    assert_eq!(app["status"]["health"]["status"], "Healthy");
    api.get("admin", &format!("{APPS}/x?refresh=sideways"))
        .await
        .refused(400, 3, "neither normal nor hard");
    // Nobody does it: the call ends all the same.
    api.get("admin", &format!("{APPS}/x?refresh=normal"))
        .await
        .refused(504, 4, "not done yet");
}

#[tokio::test]
async fn objects_are_found_only_as_parts_of_the_application() {
    let api = Api::with(Options::default()).await;
    api.world.put(app("x", "default"));
    api.world.set_tree("x", &json!([
        {"version": "v1", "kind": "ConfigMap", "namespace": "n", "name": "c", "uid": "u1"},
        {"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "n", "name": "d", "uid": "u2"},
        {"version": "v1", "kind": "Pod", "namespace": "n", "name": "p", "uid": "u3", "parentRefs": [{"uid": "u2"}]},
    ]));
    let path = format!("{APPS}/x/resource?namespace=n&resourceName=c&version=v1&kind=ConfigMap");
    let manifest = api.get("admin", &path).await.ok();
    let object: Value =
        serde_json::from_str(manifest["manifest"].as_str().expect("text")).expect("JSON");
    assert_eq!(
        object["metadata"],
        json!({"name": "c", "namespace": "n"}),
        "without managed fields"
    );
    for other in [
        "kind=Secret&resourceName=c&namespace=n",
        "kind=ConfigMap&resourceName=c&namespace=kube-system",
        "kind=ConfigMap&resourceName=z&namespace=n",
    ] {
        let path = format!("{APPS}/x/resource?version=v1&{other}");
        for method in ["GET", "DELETE"] {
            api.call("admin", method, &path, None).await.refused(
                400,
                3,
                "not found as part of application x",
            );
        }
    }
    let patched = api
        .post(
            "admin",
            &format!("{path}&patchType=application/merge-patch%2Bjson"),
            &json!("{\"data\":{\"a\":\"1\"}}"),
        )
        .await
        .ok();
    assert!(
        patched["manifest"]
            .as_str()
            .expect("text")
            .contains("\"a\":\"1\"")
    );
    api.call("admin", "DELETE", &path, None).await.ok();
    assert_eq!(api.world.deleted().len(), 1);
    assert_eq!(
        api.get("admin", &format!("{APPS}/x/resource-tree"))
            .await
            .ok()["nodes"][0]["kind"],
        "ConfigMap"
    );

    let logs = api
        .get(
            "admin",
            &format!(
                "{APPS}/x/logs?group=apps&kind=Deployment&resourceName=d&namespace=n&filter=LINE+2"
            ),
        )
        .await;
    let lines: Vec<Value> = logs
        .text
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 2, "{}", logs.text);
    assert_eq!(lines[0]["result"]["content"], "p line 2");
    assert_eq!(lines[1]["result"]["last"], true);
    let none = api
        .get(
            "admin",
            &format!("{APPS}/x/logs?podName=elsewhere&namespace=n"),
        )
        .await;
    none.refused(400, 3, "no pods");
    let events = api
        .get(
            "admin",
            &format!("{APPS}/x/events?resourceNamespace=n&resourceName=c&resourceUID=u1"),
        )
        .await
        .ok();
    assert_eq!(events["items"][0]["reason"], "Started");
    let own = api.get("admin", &format!("{APPS}/x/events")).await.ok();
    assert_eq!(
        own["items"][0],
        json!({"metadata": {"name": "x.1"}, "reason": "ResourceUpdated"})
    );
    let foreign = api
        .get(
            "admin",
            &format!("{APPS}/x/events?resourceNamespace=kube-system&resourceName=s"),
        )
        .await;
    foreign.refused(400, 3, "not found as part of");
    let metadata = api
        .get("admin", &format!("{APPS}/x/revisions/abc/metadata"))
        .await
        .ok();
    assert_eq!(
        metadata,
        json!({"author": "Ada <ada@example.com>", "message": "commit abc"})
    );
}
