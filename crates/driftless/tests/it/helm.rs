//! Charts in Git: installed, changed by a commit, hooks in their places, what cannot be rendered.

use driftless_testkit::Kind;
use driftless_testkit::expect::{
    absent, condition, exists, still_exists, succeeded, synced, value,
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
