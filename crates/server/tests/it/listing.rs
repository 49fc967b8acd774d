//! Lists: pages, filters, counts, order, projections.

use serde_json::{Value, json};

use crate::world::{Api, app};

fn names(list: &Value) -> Vec<&str> {
    list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| item["metadata"]["name"].as_str())
        .collect()
}

async fn api() -> Api {
    let api = Api::new().await;
    for (name, project, health, sync, stage) in [
        ("alpha", "default", "Healthy", "Synced", "dev"),
        ("beta", "team", "Degraded", "OutOfSync", "dev"),
        ("gamma", "team", "Progressing", "Synced", "prod"),
        ("delta", "default", "Healthy", "OutOfSync", "prod"),
    ] {
        let mut app = app(name, project);
        app["metadata"]["labels"] = json!({"stage": stage});
        app["status"] = json!({"health": {"status": health}, "sync": {"status": sync}});
        if name == "gamma" {
            app["spec"]["destination"] = json!({"name": "gpu", "namespace": "serving"});
            app["spec"]["source"]["repoURL"] = json!("https://git.example/gpu.git");
        }
        api.world.put(app);
    }
    api.server.index().fill();
    api
}

async fn listed(api: &Api, user: &str, query: &str) -> Value {
    api.get(user, &format!("/api/v1/applications?{query}"))
        .await
        .ok()
}

#[tokio::test]
async fn filters_narrow_and_orders_order() {
    let api = api().await;
    for (query, want) in [
        ("", vec!["alpha", "beta", "delta", "gamma"]),
        ("sort=-name", vec!["gamma", "delta", "beta", "alpha"]),
        ("sort=health", vec!["beta", "gamma", "alpha", "delta"]),
        ("sort=-health", vec!["delta", "alpha", "gamma", "beta"]),
        ("sort=sync", vec!["beta", "delta", "alpha", "gamma"]),
        ("sort=project", vec!["alpha", "delta", "beta", "gamma"]),
        ("health=Healthy", vec!["alpha", "delta"]),
        (
            "health=Healthy&health=Degraded&sync=OutOfSync",
            vec!["beta", "delta"],
        ),
        ("project=team", vec!["beta", "gamma"]),
        ("projects=team", vec!["beta", "gamma"]),
        ("cluster=gpu", vec!["gamma"]),
        ("cluster=in-cluster&namespace=beta", vec!["beta"]),
        ("repo=https://git.example/gpu.git", vec!["gamma"]),
        ("health=Nonsense", vec![]),
        ("search=GIT.example+Team", vec!["beta", "gamma"]),
        ("search=stage%3Dprod", vec!["delta", "gamma"]),
        ("selector=stage%3Dprod", vec!["delta", "gamma"]),
        ("selector=stage+notin+(prod)", vec!["alpha", "beta"]),
        ("name=beta", vec!["beta"]),
        ("appNamespace=elsewhere", vec![]),
        ("limit=2", vec!["alpha", "beta"]),
        ("limit=2&offset=2", vec!["delta", "gamma"]),
        ("limit=2&offset=9", vec![]),
    ] {
        let list = listed(&api, "admin", query).await;
        assert_eq!(names(&list), want, "{query}");
    }
    api.get("admin", "/api/v1/applications?sort=shoe-size")
        .await
        .refused(400, 3, "unknown key");
    api.get("admin", "/api/v1/applications?limit=-1")
        .await
        .refused(400, 3, "parameter limit");
    api.get("admin", "/api/v1/applications?selector=a+b")
        .await
        .refused(400, 3, "unable to parse selector");
}

#[tokio::test]
async fn pages_say_how_many_there_are() {
    let api = api().await;
    let list = listed(&api, "admin", "health=Healthy&limit=1").await;
    assert_eq!(names(&list), ["alpha"]);
    assert_eq!(list["metadata"]["total"], 2);
    // Each dimension is counted as if it alone were not filtered.
    let facets = &list["metadata"]["facets"];
    assert_eq!(
        facets["health"],
        json!({"Healthy": 2, "Degraded": 1, "Progressing": 1})
    );
    assert_eq!(facets["sync"], json!({"Synced": 1, "OutOfSync": 1}));
    assert_eq!(facets["project"], json!({"default": 2}));
    let plain = listed(&api, "admin", "").await;
    assert!(
        plain["metadata"].get("total").is_none(),
        "only pages are counted"
    );
    assert_eq!(plain["metadata"]["resourceVersion"], "4");
}

#[tokio::test]
async fn lists_hold_what_the_caller_may_see() {
    let api = api().await;
    assert_eq!(
        names(&listed(&api, "reader", "").await),
        ["alpha", "beta", "delta", "gamma"]
    );
    let team = listed(&api, "team", "limit=10").await;
    assert_eq!(names(&team), ["beta", "gamma"]);
    assert_eq!(team["metadata"]["total"], 2);
    assert_eq!(team["metadata"]["facets"]["project"], json!({"team": 2}));
    assert_eq!(names(&listed(&api, "nobody", "").await), Vec::<&str>::new());
}

#[tokio::test]
async fn projections_send_what_was_asked_for() {
    let api = api().await;
    let list = listed(
        &api,
        "admin",
        "limit=1&fields=items.metadata.name,items.status.sync.status",
    )
    .await;
    assert_eq!(
        list,
        json!({"metadata": {}, "items": [{"metadata": {"name": "alpha"}, "status": {"sync": {"status": "Synced"}}}]})
    );
    let list = listed(
        &api,
        "admin",
        "limit=1&fields=metadata.total,items.metadata.name",
    )
    .await;
    assert_eq!(
        list,
        json!({"metadata": {"total": 4}, "items": [{"metadata": {"name": "alpha"}}]})
    );
    let one = api
        .get("admin", "/api/v1/applications/alpha?fields=metadata.name")
        .await
        .ok();
    assert_eq!(one, json!({"metadata": {"name": "alpha"}}));
    let without = listed(&api, "admin", "limit=1&fields=-items.spec,items.status").await;
    assert!(
        without["items"][0].get("spec").is_none()
            && without["items"][0]["metadata"]["name"] == "alpha"
    );
}

#[tokio::test]
async fn a_list_too_long_to_hold_is_whole_all_the_same() {
    let api = Api::new().await;
    for number in 0..1234 {
        api.world.put(app(&format!("app-{number:04}"), "default"));
    }
    api.server.index().fill();
    let list = listed(&api, "admin", "fields=items.metadata.name").await;
    assert_eq!(names(&list).len(), 1234);
    assert_eq!(names(&list)[1233], "app-1233");
}

#[tokio::test]
async fn what_is_not_read_yet_is_not_an_empty_list() {
    let api = Api::new().await;
    let fresh = driftless_server::index::Index::new(api.world.clone(), "argocd".into());
    assert!(fresh.ready().is_err());
    fresh.fill();
    assert!(fresh.ready().is_ok());
}
