//! Kustomize sources: built, changed by the Application, and told when they are wrong.

use std::fmt::Write as _;
use std::sync::Arc;

use driftless_testkit::expect::{condition, exists, live_field, succeeded, synced, value};
use driftless_testkit::git::write;
use driftless_testkit::manifest::{config_map, crd};
use driftless_testkit::{GitRepo, HttpGit, Kind, unique};
use serde_json::json;

use crate::git::repository_secret;
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

#[tokio::test]
async fn a_remote_base_is_read_and_a_new_commit_of_it_is_noticed() {
    let base = Arc::new(GitRepo::create());
    base.commit(&[
        write("base/kustomization.yaml", "resources: [a.yaml]\n"),
        write("base/a.yaml", config_map("a", "1")),
    ]);
    let server = HttpGit::serve(&base);
    let world = given("kustomize-remote")
        .file(
            "kustomization.yaml",
            format!("resources: ['{}//base']\nnamePrefix: x-\n", server.url()),
        )
        .without_app()
        .await;
    // It is on this machine: without its Secret it would be refused.
    repository_secret(&world, &server.url(), json!({})).await;
    world.create_app().await;
    let newer = base.clone();
    world
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(value("x-a", "1"))
        .when()
        .act(move |_| async move {
            newer.commit(&[write("base/a.yaml", config_map("a", "2"))]);
        })
        .refresh()
        .sync()
        .then()
        .expect(synced())
        .expect(value("x-a", "2"))
        .await;
}

#[tokio::test]
async fn a_remote_base_on_this_machine_is_refused() {
    given("kustomize-refused")
        .file(
            "kustomization.yaml",
            "resources: ['http://127.0.0.1:1/team/repo//base']\n",
        )
        .then()
        .expect(condition("ComparisonError", "it is this machine"))
        .await;
}

const PARTS: usize = 50;

/// A platform of many parts: each a base of its own with workload, account, permissions, a generated map and a custom
/// object; components and patches above.
fn platform(group: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut parts = String::new();
    for number in 0..PARTS {
        let name = format!("part-{number}");
        // Writing to a String cannot fail.
        let _ = writeln!(parts, "- parts/{name}");
        let folder = format!("parts/{name}");
        files.push((
            format!("{folder}/kustomization.yaml"),
            "resources: [objects.yaml]\nconfigMapGenerator: [{name: settings, literals: [mode=plain]}]\n"
                .to_owned()
                + &format!("namePrefix: {name}-\nlabels: [{{pairs: {{part: {name}}}, includeSelectors: true}}]\n"),
        ));
        let metadata = "metadata: {name: main}";
        let objects = [
            format!(
                "apiVersion: apps/v1\nkind: Deployment\n{metadata}\nspec:\n  replicas: 0\n  selector: {{matchLabels: {{app: main}}}}\n  template:\n    metadata: {{labels: {{app: main}}}}\n    spec:\n      serviceAccountName: main\n      containers: [{{name: main, image: 'example/part:1', envFrom: [{{configMapRef: {{name: settings}}}}]}}]\n"
            ),
            format!(
                "apiVersion: v1\nkind: Service\n{metadata}\nspec: {{selector: {{app: main}}, ports: [{{port: 80}}]}}\n"
            ),
            format!("apiVersion: v1\nkind: ServiceAccount\n{metadata}\n"),
            format!(
                "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n{metadata}\nrules: [{{apiGroups: [''], resources: [configmaps], verbs: [get]}}]\n"
            ),
            format!(
                "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n{metadata}\nroleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: main}}\nsubjects: [{{kind: ServiceAccount, name: main}}]\n"
            ),
            format!(
                "apiVersion: {group}/v1\nkind: Tune{}\n{metadata}\nspec: {{level: 1}}\n",
                number % 5
            ),
            format!(
                "apiVersion: policy/v1\nkind: PodDisruptionBudget\n{metadata}\nspec: {{minAvailable: 1, selector: {{matchLabels: {{app: main}}}}}}\n"
            ),
            format!("apiVersion: v1\nkind: Secret\n{metadata}\nstringData: {{key: value}}\n"),
            format!("apiVersion: v1\nkind: ConfigMap\n{metadata}\ndata: {{value: '1'}}\n"),
        ];
        files.push((format!("{folder}/objects.yaml"), objects.join("---\n")));
    }
    let mut crds = String::new();
    for number in 0..5 {
        let definition = crd(group, &format!("Tune{number}"), &format!("tune{number}s"));
        files.push((format!("crds/{number}.yaml"), definition));
        let _ = writeln!(crds, "- {number}.yaml");
    }
    files.push((
        "crds/kustomization.yaml".to_owned(),
        format!("resources:\n{crds}"),
    ));
    files.push((
        "component/kustomization.yaml".to_owned(),
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nimages: [{name: example/part, newTag: '2'}]\npatches:\n- target: {kind: Deployment}\n  patch: '[{\"op\": \"add\", \"path\": \"/spec/template/spec/terminationGracePeriodSeconds\", \"value\": 5}]'\n"
            .to_owned(),
    ));
    files.push((
        "kustomization.yaml".to_owned(),
        format!("resources:\n- crds\n{parts}components: [component]\nnameSuffix: -x\n"),
    ));
    files
}

#[tokio::test]
async fn a_platform_of_five_hundred_objects_is_installed_and_changed() {
    let group = format!("{}.example", unique("tune"));
    let mut story = given("kustomize-platform");
    for (path, content) in platform(&group) {
        story = story.file(&path, content);
    }
    story
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(synced())
        .expect(value("part-49-main-x", "1"))
        .expect(live_field(
            Kind::DEPLOYMENT,
            "part-7-main-x",
            "/spec/template/spec/containers/0/image",
            json!("example/part:2"),
        ))
        .expect(live_field(
            Kind::DEPLOYMENT,
            "part-7-main-x",
            "/spec/template/spec/serviceAccountName",
            json!("part-7-main-x"),
        ))
        .when()
        .commit_file(
            "component/kustomization.yaml",
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nimages: [{name: example/part, newTag: '3'}]\n",
        )
        .refresh()
        .sync()
        .then()
        .expect(synced())
        .expect(live_field(
            Kind::DEPLOYMENT,
            "part-49-main-x",
            "/spec/template/spec/containers/0/image",
            json!("example/part:3"),
        ))
        .await;
}
