//! Charts in Git: installed, changed by a commit, hooks in their places, what cannot be rendered.

use driftless_testkit::Kind;
use driftless_testkit::expect::{
    absent, condition, equals, exists, still_exists, succeeded, synced, value,
};
use driftless_testkit::git::write;
use serde_json::json;

use crate::given;

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Values.name }}\ndata:\n  value: {{ .Values.value | quote }}\n";
const HOOK: &str = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: migrate\n  annotations:\n    helm.sh/hook: pre-install,pre-upgrade\nspec:\n  template:\n    spec:\n      restartPolicy: Never\n      containers: [{name: c, image: busybox}]\n";

#[tokio::test]
async fn a_chart_is_installed_and_changed_by_a_commit() {
    given("helm-chart")
        .file("Chart.yaml", CHART)
        .file("values.yaml", "name: a\nvalue: one\n")
        .file("templates/map.yaml", MAP)
        .file("templates/hook.yaml", HOOK)
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(synced())
        .expect(exists(Kind::JOB, "migrate"))
        .expect(value("a", "one"))
        .when()
        .commit_file("values.yaml", "name: a\nvalue: two\n")
        .refresh()
        .sync()
        .then()
        .expect(synced())
        .expect(value("a", "two"))
        .await;
}

#[tokio::test]
async fn values_of_the_application_win_over_those_of_the_chart() {
    let source = json!({"source": {"helm": {
        "valueFiles": ["prod.yaml"],
        "parameters": [{"name": "value", "value": "7", "forceString": true}],
    }}});
    given("helm-values")
        .file("Chart.yaml", CHART)
        .file("values.yaml", "name: a\nvalue: one\n")
        .file("prod.yaml", "name: prod\nvalue: two\n")
        .file("templates/map.yaml", MAP)
        .spec(source)
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(value("prod", "7"))
        .expect(absent(Kind::CONFIG_MAP, "a"))
        .await;
}

#[tokio::test]
async fn a_chart_that_cannot_be_rendered_deletes_nothing() {
    given("helm-broken")
        .file("Chart.yaml", CHART)
        .file("values.yaml", "name: a\nvalue: one\n")
        .file("templates/map.yaml", MAP)
        .automated(json!({"prune": true, "selfHeal": true}))
        .then()
        .expect(synced())
        .when()
        .commit(vec![write(
            "app/templates/map.yaml",
            "{{ fail \"not like this\" }}\n",
        )])
        .refresh()
        .then()
        .expect(condition("ComparisonError", "not like this"))
        .expect(still_exists(Kind::CONFIG_MAP, "a"))
        .await;
}

#[tokio::test]
async fn files_of_other_sources_overrides_and_file_parameters_reach_the_chart() {
    let override_file = "helm:\n  parameters:\n  - {name: third, value: from-override}\n";
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Values.name }}\ndata:\n  value: \"{{ .Values.value }} {{ .Values.file | trim }} {{ .Values.third }}\"\n";
    let story = given("helm-refs")
        .file("Chart.yaml", CHART)
        .file("values.yaml", "name: a\nvalue: one\n")
        .file("templates/map.yaml", map)
        .file("content.txt", "from-file\n")
        .file(".argocd-source.yaml", override_file)
        .changes([write("env/prod.yaml", "value: from-ref\n")]);
    let mut world = story.without_app().await;
    let source = world.manifest["spec"]["source"].clone();
    let url = source["repoURL"].clone();
    let mut chart = source;
    chart["helm"] = json!({
        "valueFiles": ["$conf/env/prod.yaml"],
        "fileParameters": [{"name": "file", "path": "content.txt"}],
    });
    let sources = json!([chart, {"repoURL": url, "targetRevision": "HEAD", "ref": "conf"}]);
    let spec = world.manifest["spec"].as_object_mut().unwrap();
    spec.remove("source");
    spec.insert("sources".to_owned(), sources);
    world.create_app().await;
    world
        .when()
        .sync()
        .then()
        .expect(equals("sync status", "/status/sync/status", "Synced"))
        .expect(value("a", "from-ref from-file from-override"))
        .await;
}

#[tokio::test]
async fn a_bomb_stops_at_its_own_application() {
    let bomb = "{{ range until 1000000 }}{{ range until 1000000 }}x{{ end }}{{ end }}\n";
    let world = given("helm-bomb")
        .file("Chart.yaml", CHART)
        .file("templates/bomb.yaml", bomb)
        .await;
    let told = world
        .then()
        .expect(condition("ComparisonError", "templates/bomb.yaml"));
    let beside = given("helm-beside")
        .file("Chart.yaml", CHART)
        .file("values.yaml", "name: a\nvalue: one\n")
        .file("templates/map.yaml", MAP)
        .automated(json!({}))
        .then()
        .expect(synced())
        .expect(value("a", "one"));
    told.await;
    beside.await;
}

const LOOKING: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: seen\ndata:\n  value: {{ (lookup \"v1\" \"ConfigMap\" .Release.Namespace \"source\").data | toJson | quote }}\n";

fn looked_up(value: &str) -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "source"}, "data": {"k": value},
    })
}

#[tokio::test]
async fn charts_look_up_objects_where_their_project_allows_it() {
    let mut world = given("helm-lookup")
        .file("Chart.yaml", CHART)
        .file("templates/map.yaml", LOOKING)
        .without_app()
        .await;
    let project = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
        "metadata": {
            "name": world.name, "namespace": world.control(),
            "annotations": {"driftless.dev/helm-lookup": "true"},
        },
        "spec": {
            "sourceRepos": ["*"],
            "destinations": [{"server": "*", "namespace": world.namespace}],
        },
    });
    Kind::APP_PROJECT
        .create(&world.client, world.control(), project)
        .await;
    world.manifest["spec"]["project"] = json!(world.name);
    world.create_app().await;
    world
        .when()
        .create_live(Kind::CONFIG_MAP, looked_up("one"))
        .refresh()
        .sync()
        .then()
        .expect(synced())
        .expect(value("seen", r#"{"k":"one"}"#))
        .when()
        .change_live(Kind::CONFIG_MAP, "source", json!({"data": {"k": "two"}}))
        .refresh()
        .sync()
        .then()
        .expect(value("seen", r#"{"k":"two"}"#))
        .when()
        .commit_file(
            "templates/map.yaml",
            LOOKING.replace(".Release.Namespace", "\"kube-system\""),
        )
        .refresh()
        .then()
        .expect(condition("ComparisonError", "is not permitted in project"))
        .expect(still_exists(Kind::CONFIG_MAP, "seen"))
        .await;
}

#[tokio::test]
async fn charts_look_up_nothing_by_default() {
    given("helm-no-lookup")
        .file("Chart.yaml", CHART)
        .file("templates/map.yaml", LOOKING)
        .when()
        .create_live(Kind::CONFIG_MAP, looked_up("one"))
        .sync()
        .then()
        .expect(synced())
        .expect(value("seen", "null"))
        .await;
}
