//! Directory sources: which files are read and how.

use driftless_testkit::Kind;
use driftless_testkit::expect::{absent, exists, succeeded, synced};
use driftless_testkit::manifest::{config_map, documents};
use serde_json::json;

use crate::given;

#[tokio::test]
async fn several_documents_of_one_file_are_all_applied() {
    let parts = [
        config_map("a", "1"),
        "# only a comment\n".into(),
        config_map("b", "1"),
    ];
    given("dir-multi")
        .file("all.yaml", documents(&parts))
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(exists(Kind::CONFIG_MAP, "a"))
        .expect(exists(Kind::CONFIG_MAP, "b"))
        .await;
}

#[tokio::test]
async fn json_files_are_read() {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    given("dir-json")
        .file("a.json", object.to_string())
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(exists(Kind::CONFIG_MAP, "a"))
        .await;
}

#[tokio::test]
async fn the_items_of_a_list_are_applied() {
    let item =
        |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [item("a"), item("b")]});
    given("dir-list")
        .file("list.yaml", list.to_string())
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(exists(Kind::CONFIG_MAP, "a"))
        .expect(exists(Kind::CONFIG_MAP, "b"))
        .await;
}

#[tokio::test]
async fn folders_below_are_read_only_on_request() {
    given("dir-flat")
        .file("a.yaml", config_map("a", "1"))
        .file("deep/b.yaml", config_map("b", "1"))
        .when()
        .sync()
        .then()
        .expect(succeeded())
        .expect(exists(Kind::CONFIG_MAP, "a"))
        .expect(absent(Kind::CONFIG_MAP, "b"))
        .when()
        .patch_app(json!({"spec": {"source": {"directory": {"recurse": true}}}}))
        .sync()
        .then()
        .expect(succeeded())
        .expect(exists(Kind::CONFIG_MAP, "b"))
        .await;
}

#[tokio::test]
async fn include_names_the_files_to_read() {
    given("dir-include")
        .file("a.yaml", config_map("a", "1"))
        .file("b.yaml", config_map("b", "1"))
        .spec(json!({"source": {"directory": {"include": "a*.yaml"}}}))
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(exists(Kind::CONFIG_MAP, "a"))
        .expect(absent(Kind::CONFIG_MAP, "b"))
        .await;
}

#[tokio::test]
async fn exclude_wins_over_include() {
    given("dir-exclude")
        .file("a.yaml", config_map("a", "1"))
        .file("b.yaml", config_map("b", "1"))
        .spec(json!({"source": {"directory": {"include": "*.yaml", "exclude": "{b,c}.yaml"}}}))
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(exists(Kind::CONFIG_MAP, "a"))
        .expect(absent(Kind::CONFIG_MAP, "b"))
        .await;
}

#[tokio::test]
async fn files_of_other_kinds_are_left_alone() {
    given("dir-other")
        .file("a.yaml", config_map("a", "1"))
        .file("README.md", "# not: [a manifest")
        .file("run.sh", "exit 1")
        .when()
        .sync()
        .then()
        .expect(synced())
        .expect(exists(Kind::CONFIG_MAP, "a"))
        .await;
}
