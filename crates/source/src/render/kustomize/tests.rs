//! Every setting of a kustomization source, over trees in memory.

use driftless_core::{AppKey, Classify as _, MemoryTree};
use serde_json::{Value, json};

use super::super::{CacheUse, Enabled, Options as RenderOptions, Renderer, Source};
use super::*;
use crate::render::Request;

const APP: &str = "//- /app/kustomization.yaml\nresources: [deployment.yaml]\nimages: [{name: web, newTag: '1'}]\ncommonAnnotations: {old: annotation}\n\
    //- /app/deployment.yaml\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers: [{name: web, image: web}, {name: side, image: side}]\n\
    //- /app/parts/kustomization.yaml\napiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnameSuffix: -part\n";

fn request(listing: &str, kustomize: Value) -> Request {
    Request {
        repository: crate::Repository::new("https://git.example/x").id(),
        revision: "1111111111111111111111111111111111111111".into(),
        tree: Arc::new(MemoryTree::from_listing(listing).unwrap()),
        source: Source {
            path: "app".to_owned(),
            explicit: (!kustomize.is_null()).then_some(SourceType::Kustomize),
            parameters: kustomize,
            ..Source::default()
        },
        app: AppKey::new("argocd", "demo"),
        instance: "demo".to_owned(),
        project: "default".into(),
        destination_namespace: "prod".into(),
        kube_version: "v1.33.4".into(),
        api_versions: vec!["demo.example/v1".to_owned()].into(),
        enabled: Enabled::default(),
        kustomize_options: "".into(),
        remotes: None,
        cache: CacheUse::Use,
    }
}

async fn render(request: Request) -> Result<Vec<Value>, Error> {
    let dir = tempfile::tempdir().unwrap();
    let renderer =
        Renderer::open(RenderOptions::new(dir.path()), crate::Metrics::default()).unwrap();
    let rendered = renderer.render(request).await?;
    assert_eq!(rendered.source_type, SourceType::Kustomize);
    let objects = rendered.objects().unwrap();
    Ok(objects.iter().map(Object::to_value).collect())
}

async fn only(kustomize: Value) -> Value {
    let mut all = render(request(APP, kustomize)).await.unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

async fn failure(listing: &str, kustomize: Value) -> String {
    let error = render(request(listing, kustomize)).await.unwrap_err();
    assert_eq!(error.class(), driftless_core::Class::User);
    driftless_core::class::render_chain(&error)
}

fn at<'a>(object: &'a Value, pointer: &str) -> &'a Value {
    object.pointer(pointer).unwrap_or(&Value::Null)
}

#[tokio::test]
async fn a_folder_with_a_kustomization_is_found_and_built() {
    let object = only(Value::Null).await;
    assert_eq!(at(&object, "/metadata/name"), "web");
    assert_eq!(
        at(&object, "/spec/template/spec/containers/0/image"),
        "web:1"
    );
    for name in ["kustomization.yml", "Kustomization"] {
        let listing = APP.replacen("kustomization.yaml", name, 1);
        assert_eq!(
            render(request(&listing, Value::Null)).await.unwrap().len(),
            1
        );
    }
}

#[tokio::test]
async fn names_images_replicas_and_namespace_are_changed() {
    let object = only(json!({
        "namePrefix": "a-", "nameSuffix": "-b", "namespace": "here",
        "images": ["web=registry:5000/web", "side:2"],
        "replicas": [{"name": "web", "count": "3"}],
        "patches": [{"target": {"kind": "Deployment"}, "patch": "- {op: add, path: /spec/paused, value: true}"}],
    }))
    .await;
    assert_eq!(at(&object, "/metadata/name"), "a-web-b");
    assert_eq!(at(&object, "/metadata/namespace"), "here");
    let containers = at(&object, "/spec/template/spec/containers");
    assert_eq!(at(containers, "/0/image"), "registry:5000/web");
    assert_eq!(at(containers, "/1/image"), "side:2");
    assert_eq!(at(&object, "/spec/replicas"), 3);
    assert_eq!(at(&object, "/spec/paused"), true);
}

#[tokio::test]
async fn labels_go_to_selectors_unless_told_otherwise() {
    let labels = json!({"team": "a"});
    let object = only(json!({ "commonLabels": labels })).await;
    for pointer in ["/metadata/labels", "/spec/selector/matchLabels"] {
        assert_eq!(at(&object, pointer), &labels, "{pointer}");
    }
    let object = only(json!({
        "commonLabels": labels, "labelWithoutSelector": true, "labelIncludeTemplates": true,
    }))
    .await;
    assert_eq!(at(&object, "/metadata/labels"), &labels);
    assert_eq!(at(&object, "/spec/template/metadata/labels"), &labels);
    assert_eq!(at(&object, "/spec/selector"), &Value::Null);
}

#[tokio::test]
async fn what_the_file_has_is_replaced_only_by_force() {
    let mut kustomize = json!({"commonAnnotations": {"old": "new"}});
    let error = failure(APP, kustomize.clone()).await;
    assert!(
        error.ends_with("annotation old already in kustomization file. Use --force to override."),
        "{error}"
    );
    kustomize["forceCommonAnnotations"] = true.into();
    let object = only(kustomize).await;
    assert_eq!(at(&object, "/metadata/annotations/old"), "new");
}

#[tokio::test]
async fn components_are_added_and_missing_ones_ignored_when_asked() {
    let object = only(json!({
        "components": ["parts", "nowhere"], "ignoreMissingComponents": true,
    }))
    .await;
    assert_eq!(at(&object, "/metadata/name"), "web-part");
    let error = failure(APP, json!({"components": ["nowhere"]})).await;
    assert!(error.contains("/app/nowhere"), "{error}");
}

#[tokio::test]
async fn failures_name_the_file_and_the_field() {
    let error = failure(APP, json!({"images": ["plain"]})).await;
    assert!(error.contains("images[0]: \"plain\""), "{error}");
    let error = failure(APP, json!({"replicas": [{"name": "web", "count": "x"}]})).await;
    assert!(error.contains("replicas[web].count"), "{error}");
    let wrong = APP.replace("resources: [deployment.yaml]", "resources: [missing.yaml]");
    let error = failure(&wrong, Value::Null).await;
    assert!(error.contains("/app/missing.yaml"), "{error}");
    let unknown = APP.replace("resources:", "nope: 1\nresources:");
    let error = failure(&unknown, Value::Null).await;
    assert!(error.contains("unknown field \"nope\""), "{error}");
}

#[tokio::test]
async fn build_options_are_obeyed_or_refused() {
    let outside = "//- /app/kustomization.yaml\nresources: [../shared.yaml]\n//- /shared.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared}\n";
    assert!(render(request(outside, Value::Null)).await.is_err());
    let mut open = request(outside, Value::Null);
    open.kustomize_options = "--load-restrictor LoadRestrictionsNone".into();
    assert_eq!(render(open).await.unwrap().len(), 1);
    let mut exec = request(APP, Value::Null);
    exec.kustomize_options = "--enable-alpha-plugins --enable-exec".into();
    let error = render(exec).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("--enable-alpha-plugins is not supported"),
        "{error}"
    );
}

#[tokio::test]
async fn charts_are_rendered_when_allowed() {
    let listing = "//- /app/kustomization.yaml\nhelmCharts: [{name: web, releaseName: one, namespace: here, valuesInline: {x: 2}}]\n\
        //- /app/charts/web/Chart.yaml\napiVersion: v2\nname: web\nversion: 1.0.0\n\
        //- /app/charts/web/values.yaml\nx: 1\n\
        //- /app/charts/web/templates/cm.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}'}\ndata: {x: '{{ .Values.x }}', kube: '{{ .Capabilities.KubeVersion.Version }}'}\n";
    let error = failure(listing, Value::Null).await;
    assert!(error.contains("must specify --enable-helm"), "{error}");
    let mut allowed = request(listing, Value::Null);
    allowed.kustomize_options = "--enable-helm".into();
    let all = render(allowed).await.unwrap();
    assert_eq!(at(&all[0], "/metadata/name"), "one");
    assert_eq!(at(&all[0], "/data"), &json!({"x": "2", "kube": "v1.33.4"}));
}

#[tokio::test]
async fn overrides_beside_the_source_count() {
    let listing =
        format!("{APP}//- /app/.argocd-source-demo.yaml\nkustomize: {{images: ['web:9']}}\n");
    let all = render(request(&listing, json!({"namePrefix": "a-"})))
        .await
        .unwrap();
    assert_eq!(at(&all[0], "/metadata/name"), "a-web");
    assert_eq!(
        at(&all[0], "/spec/template/spec/containers/0/image"),
        "web:9"
    );
}

#[tokio::test]
async fn remote_bases_are_refused() {
    let listing =
        "//- /app/kustomization.yaml\nresources: ['https://github.com/org/repo//base?ref=v1']\n";
    let error = render(request(listing, Value::Null)).await.unwrap_err();
    assert_eq!(error.reason(), "RemoteResourceRefused");
}
