//! Kustomize sources: built, changed by the Application, and told when they are wrong.

use driftless_testkit::Kind;
use driftless_testkit::expect::{condition, exists, live_field, succeeded, synced};
use driftless_testkit::manifest::config_map;
use serde_json::json;

use crate::given;

const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 0\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec: {containers: [{name: web, image: \"example/web:1\"}]}\n";

#[tokio::test]
async fn a_kustomization_is_built_with_the_images_of_the_application() {
    given("kustomize-images")
        .file("kustomization.yaml", "resources: [deployment.yaml]\n")
        .file("deployment.yaml", DEPLOYMENT)
        .spec(json!({"source": {"kustomize": {"namePrefix": "a-", "images": ["example/web:2"]}}}))
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(synced())
        .expect(live_field(
            Kind::DEPLOYMENT,
            "a-web",
            "/spec/template/spec/containers/0/image",
            json!("example/web:2"),
        ))
        .await;
}

#[tokio::test]
async fn a_generated_map_gets_the_name_of_its_content() {
    given("kustomize-generator")
        .file(
            "kustomization.yaml",
            "configMapGenerator: [{name: a, literals: [x=1, 'y=<&>']}]\n",
        )
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(exists(Kind::CONFIG_MAP, "a-c9hgdm4882"))
        .await;
}

#[tokio::test]
async fn a_wrong_kustomization_says_what_is_wrong() {
    given("kustomize-wrong")
        .file("kustomization.yaml", "resources: [a.yaml]\nnope: 1\n")
        .file("a.yaml", config_map("a", "1"))
        .then()
        .expect(condition("ComparisonError", "unknown field \"nope\""))
        .await;
}
