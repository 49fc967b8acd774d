//! Every setting of a chart source, over trees in memory.

use driftless_core::{AppKey, Classify as _, MemoryTree};
use serde_json::json;

use super::super::refs::RefTree;
use super::super::{CacheUse, Enabled, Options as RenderOptions, Renderer, Request, Source};
use super::*;

const CHART: &str = "//- /app/Chart.yaml\napiVersion: v2\nname: web\nversion: 1.2.3\n\
    //- /app/values.yaml\nimage: nginx\nreplicas: 1\nlist: [a]\n\
    //- /app/crds/crd.yaml\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: crd-one}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: crd-two}\n\
    //- /app/templates/cm.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n  namespace: {{ .Release.Namespace }}\ndata:\n  values: {{ omit .Values \"global\" | toJson | quote }}\n  kube: {{ .Capabilities.KubeVersion.Version | quote }}\n  apis: {{ .Capabilities.APIVersions.Has \"demo.example/v1\" | quote }}\n  release: \"{{ .Release.Revision }} {{ .Release.IsUpgrade }}\"\n\
    //- /app/templates/hooks.yaml\napiVersion: batch/v1\nkind: Job\nmetadata:\n  name: migrate\n  annotations: {\"helm.sh/hook\": pre-upgrade}\n---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: check\n  annotations: {\"helm.sh/hook\": test}\n";

fn request(listing: &str, helm: serde_json::Value) -> Request {
    Request {
        repository: crate::Repository::new("https://git.example/x").id(),
        revision: "1111111111111111111111111111111111111111".into(),
        tree: Arc::new(MemoryTree::from_listing(listing).unwrap()),
        source: Source {
            path: "app".to_owned(),
            explicit: (!helm.is_null()).then_some(SourceType::Helm),
            parameters: helm,
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

async fn render(request: Request) -> Result<Vec<Object>, Error> {
    let dir = tempfile::tempdir().unwrap();
    let renderer =
        Renderer::open(RenderOptions::new(dir.path()), crate::Metrics::default()).unwrap();
    let rendered = renderer.render(request).await?;
    assert_eq!(rendered.source_type, SourceType::Helm);
    Ok(rendered.objects().unwrap().to_vec())
}

async fn objects(listing: &str, helm: serde_json::Value) -> Vec<Object> {
    render(request(listing, helm)).await.unwrap()
}

/// Returns the values that the chart saw, as JSON.
async fn values(more: &str, helm: serde_json::Value) -> serde_json::Value {
    let all = objects(&format!("{CHART}{more}"), helm).await;
    let map = all.iter().find(|one| one.name() == "demo").unwrap();
    serde_json::from_str(map.str_at(&["data", "values"]).unwrap()).unwrap()
}

async fn failure(more: &str, helm: serde_json::Value) -> String {
    let error = render(request(&format!("{CHART}{more}"), helm))
        .await
        .unwrap_err();
    assert_eq!(error.class(), driftless_core::Class::User);
    driftless_core::class::render_chain(&error)
}

#[tokio::test]
async fn a_folder_with_a_chart_is_rendered_with_hooks_and_crds() {
    let all = objects(CHART, serde_json::Value::Null).await;
    let names: Vec<&str> = all.iter().map(Object::name).collect();
    assert_eq!(names, ["crd-one", "crd-two", "demo", "check", "migrate"]);
    let map = all.iter().find(|one| one.name() == "demo").unwrap();
    assert_eq!(map.namespace(), "prod");
    assert_eq!(map.str_at(&["data", "kube"]), Some("v1.33.4"));
    assert_eq!(map.str_at(&["data", "apis"]), Some("true"));
    assert_eq!(map.str_at(&["data", "release"]), Some("1 false"));
}

#[tokio::test]
async fn switches_and_names_are_obeyed() {
    let helm = json!({
        "skipCrds": true, "skipTests": true, "releaseName": "other", "namespace": "elsewhere",
        "kubeVersion": "1.30", "apiVersions": ["x/v1"], "version": "v3", "passCredentials": true,
    });
    let all = objects(CHART, helm).await;
    let names: Vec<&str> = all.iter().map(Object::name).collect();
    assert_eq!(names, ["other", "migrate"]);
    let map = &all[0];
    assert_eq!(map.namespace(), "elsewhere");
    assert_eq!(map.str_at(&["data", "kube"]), Some("v1.30"));
    assert_eq!(map.str_at(&["data", "apis"]), Some("false"));
}

#[tokio::test]
async fn files_values_and_parameters_win_in_that_order() {
    let more = "//- /app/a.yaml\nimage: a\nextra: a\n//- /shared/b.yaml\nextra: b\nfile: b\n";
    let helm = json!({
        "valueFiles": ["a.yaml", "/shared/b.yaml"],
        "values": "image: block\nreplicas: 2\n",
        "parameters": [
            {"name": "replicas", "value": "3"},
            {"name": "text", "value": "4", "forceString": true},
            {"name": "commas", "value": "x,y=z"},
            {"name": "list", "value": "{p,q}"},
        ],
    });
    assert_eq!(
        values(more, helm).await,
        json!({"image": "block", "replicas": 3, "extra": "b", "file": "b", "text": "4",
               "commas": "x,y=z", "list": ["p", "q"]})
    );
    let helm =
        json!({"values": "image: block\n", "valuesObject": {"image": "object", "list": null}});
    assert_eq!(
        values("", helm).await,
        json!({"image": "object", "replicas": 1})
    );
}

#[tokio::test]
async fn file_parameters_are_contents() {
    let helm = json!({"fileParameters": [{"name": "script", "path": "files/run.sh"}]});
    let seen = values("//- /app/files/run.sh\n#!/bin/sh\n", helm).await;
    assert_eq!(seen["script"], "#!/bin/sh\n");
    let helm = json!({"fileParameters": [{"name": "script", "path": "nope.sh"}]});
    assert!(failure("", helm).await.contains("nope.sh"));
}

#[tokio::test]
async fn globs_give_files_in_order_and_named_ones_keep_their_place() {
    let more =
        "//- /app/env/b.yaml\nx: b\n//- /app/env/a.yaml\nx: a\n//- /app/env/deep/c.yaml\nx: c\n";
    let chosen =
        async |files: &[&str]| values(more, json!({"valueFiles": files})).await["x"].clone();
    assert_eq!(chosen(&["env/*.yaml"]).await, "b");
    assert_eq!(chosen(&["env/**/*.yaml"]).await, "c");
    assert_eq!(chosen(&["/app/env/{a,b}.yaml"]).await, "b");
    assert_eq!(chosen(&["env/b.yaml", "env/*.yaml"]).await, "a");
    let error = failure(more, json!({"valueFiles": ["env/*.json"]})).await;
    assert!(error.contains("matches no files"), "{error}");
}

#[tokio::test]
async fn missing_files_are_errors_unless_they_may_be_missing() {
    let error = failure("", json!({"valueFiles": ["nope.yaml"]})).await;
    assert!(
        error.contains("nope.yaml") && error.contains("no such file"),
        "{error}"
    );
    let helm = json!({"valueFiles": ["nope.yaml", "*.nope"], "ignoreMissingValueFiles": true});
    assert_eq!(values("", helm).await["image"], "nginx");
    for outside in [
        "../../x.yaml",
        "https://host.example/x.yaml",
        "$values/../../x.yaml",
    ] {
        let helm = json!({"valueFiles": [outside], "ignoreMissingValueFiles": true});
        failure("", helm).await;
    }
}

#[tokio::test]
async fn values_files_of_other_sources_are_read() {
    let mut request = request(CHART, json!({"valueFiles": ["$conf/prod/v.yaml"]}));
    let other = MemoryTree::from_listing("//- /prod/v.yaml\nimage: other\n").unwrap();
    request.tree = Arc::new(RefTree::new(
        request.tree,
        vec![("conf".to_owned(), Arc::new(other))],
    ));
    let all = render(request).await.unwrap();
    let map = all.iter().find(|one| one.name() == "demo").unwrap();
    assert!(
        map.str_at(&["data", "values"])
            .unwrap()
            .contains("\"image\":\"other\"")
    );
}

#[tokio::test]
async fn overrides_beside_the_chart_are_merged_in() {
    let more = "//- /app/.argocd-source.yaml\nhelm:\n  parameters:\n  - {name: image, value: patched}\n\
                //- /app/.argocd-source-demo.yaml\nhelm:\n  valuesObject: {replicas: 9}\n";
    let seen = values(more, serde_json::Value::Null).await;
    assert_eq!(
        (&seen["image"], &seen["replicas"]),
        (&json!("patched"), &json!(9))
    );
}

#[tokio::test]
async fn dependencies_in_folders_of_the_repository_are_used() {
    let more = "//- /lib/sub/Chart.yaml\napiVersion: v2\nname: sub\nversion: 0.3.1\n\
        //- /lib/sub/templates/x.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-sub}\n";
    let chart = CHART.replace(
        "version: 1.2.3\n",
        "version: 1.2.3\ndependencies:\n- {name: sub, version: RANGE, repository: 'file://../lib/sub'}\n",
    );
    let all = objects(
        &format!("{}{more}", chart.replace("RANGE", "0.3.x")),
        json!({}),
    )
    .await;
    assert!(all.iter().any(|one| one.name() == "from-sub"));
    let listing = format!("{}{more}", chart.replace("RANGE", "^1.0.0"));
    let error = render(request(&listing, json!({}))).await.unwrap_err();
    assert!(error.to_string().contains("0.3.1"), "{error}");
    let listing = chart
        .replace("RANGE", "0.3.x")
        .replace("file://../lib/sub", "https://charts.example");
    let error = render(request(&listing, json!({}))).await.unwrap_err();
    assert!(
        driftless_core::class::render_chain(&error).contains("missing in charts/ directory: sub")
    );
}

#[tokio::test]
async fn failures_name_chart_template_and_line() {
    let more = "//- /app/templates/bad.yaml\na: 1\nb: {{ .Values.nope.deep }}\n";
    let error = failure(more, json!({})).await;
    assert!(
        error.starts_with("rendering the chart in app: web/templates/bad.yaml:2:"),
        "{error}"
    );
    let error = failure(
        "//- /app/templates/bad.yaml\nkind: ConfigMap\ndata: {a: 1}\n",
        json!({}),
    )
    .await;
    assert!(error.contains("web/templates/bad.yaml"), "{error}");
    let error = failure("", json!({"parameters": "x"})).await;
    assert!(error.contains("settings for Helm"), "{error}");
}

#[tokio::test]
async fn facts_of_the_settings_count_and_those_of_users_do_not() {
    let release = async |facts: serde_json::Value| {
        let mut one = request(CHART, json!({}));
        one.source.parameters["driftless"] = facts;
        let all = render(one).await.unwrap();
        let map = all.iter().find(|one| one.name() == "demo").unwrap();
        map.str_at(&["data", "release"]).unwrap().to_owned()
    };
    assert_eq!(release(json!({"revision": 3})).await, "3 true");
    assert_eq!(release(json!({"revision": 1})).await, "1 false");
    let more = "//- /app/.argocd-source.yaml\nhelm:\n  driftless: {revision: 7}\n";
    let all = objects(&format!("{CHART}{more}"), json!({})).await;
    let map = all.iter().find(|one| one.name() == "demo").unwrap();
    assert_eq!(map.str_at(&["data", "release"]), Some("1 false"));
}

const RANDOM: &str = "//- /app/Chart.yaml\napiVersion: v2\nname: web\nversion: 1.2.3\n\
    //- /app/templates/cm.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: demo}\ndata: {drawn: {{ randAlphaNum 20 }}}\n";

#[tokio::test]
async fn a_seed_makes_renders_repeatable() {
    let drawn = async |seed: Option<&str>| {
        let mut one = request(RANDOM, json!({}));
        one.source.parameters["driftless"] = json!({ "seed": seed });
        let all = render(one).await.unwrap();
        all[0].str_at(&["data", "drawn"]).unwrap().to_owned()
    };
    let (one, other) = ("01".repeat(32), "02".repeat(32));
    assert_eq!(drawn(Some(&one)).await, drawn(Some(&one)).await);
    assert_ne!(drawn(Some(&one)).await, drawn(Some(&other)).await);
    assert_ne!(drawn(None).await, drawn(None).await);
    let mut broken = request(RANDOM, json!({}));
    broken.source.parameters["driftless"] = json!({"seed": "xyz"});
    assert!(render(broken).await.is_err());
}

#[tokio::test]
async fn a_render_ends_when_its_time_is_over_and_says_where() {
    let endless = "//- /app/Chart.yaml\napiVersion: v2\nname: web\nversion: 1.2.3\n\
        //- /app/templates/loop.yaml\na: 1\n{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}\n";
    let mut one = request(endless, json!({}));
    one.source.parameters["driftless"] = json!({"timeoutMs": 1, "maxSteps": 1_000_000_000_000u64});
    let error = render(one).await.unwrap_err();
    let told = driftless_core::class::render_chain(&error);
    assert!(told.contains("took longer than 0.001 s"), "{told}");
    assert!(told.contains("web/templates/loop.yaml:2"), "{told}");
}

const LOOKING: &str = "//- /app/Chart.yaml\napiVersion: v2\nname: web\nversion: 1.2.3\n\
    //- /app/templates/cm.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: demo}\ndata:\n  found: {{ (lookup \"v1\" \"Secret\" \"prod\" \"db\").data | toJson | quote }}\n  none: {{ lookup \"v1\" \"Secret\" \"prod\" \"none\" | toJson | quote }}\n";

/// A cluster with one Secret whose content the test changes.
struct OneSecret(Arc<parking_lot::Mutex<Result<&'static str, &'static str>>>);

impl super::super::Objects for OneSecret {
    fn read(
        &self,
        object: &super::super::ObjectName,
    ) -> Result<Option<::bytes::Bytes>, Box<dyn std::error::Error + Send + Sync>> {
        assert_eq!(
            (object.api_version.as_str(), object.kind.as_str()),
            ("v1", "Secret")
        );
        match (*self.0.lock(), object.name.as_str()) {
            (Ok(data), "db") => Ok(Some(format!("{{\"data\":{{\"p\":\"{data}\"}}}}").into())),
            (Ok(data), "") => Ok(Some(
                format!("{{\"items\":[{{\"data\":{{\"p\":\"{data}\"}}}}]}}").into(),
            )),
            (Ok(_), _) => Ok(None),
            (Err(problem), _) => Err(problem.into()),
        }
    }
}

#[tokio::test]
async fn looked_up_objects_are_part_of_the_trace() {
    let secret = Arc::new(parking_lot::Mutex::new(Ok("one")));
    let dir = tempfile::tempdir().unwrap();
    let renderer =
        Renderer::open(RenderOptions::new(dir.path()), crate::Metrics::default()).unwrap();
    let render = async || {
        let mut one = request(LOOKING, json!({}));
        one.source.parameters["driftless"] = json!({"lookup": true});
        // Each reconciliation has a tree of its own.
        let objects = super::super::LookupTree::new(OneSecret(secret.clone()));
        one.tree = Arc::new(RefTree::new(
            one.tree,
            vec![(super::super::LOOKUP.to_owned(), Arc::new(objects))],
        ));
        renderer.render(one).await
    };
    let found = |rendered: &super::super::Rendered| {
        let all = rendered.objects().unwrap().to_vec();
        assert_eq!(all[0].str_at(&["data", "none"]), Some("{}"));
        all[0].str_at(&["data", "found"]).unwrap().to_owned()
    };
    let first = render().await.unwrap();
    assert_eq!(
        (found(&first).as_str(), first.cached),
        (r#"{"p":"one"}"#, false)
    );
    assert!(render().await.unwrap().cached);
    *secret.lock() = Ok("two");
    let third = render().await.unwrap();
    assert_eq!(
        (found(&third).as_str(), third.cached),
        (r#"{"p":"two"}"#, false)
    );
    // What cannot be read is not missing, and no mistake of the chart.
    *secret.lock() = Err("the cluster is away");
    let error = render().await.unwrap_err();
    assert_eq!(error.class(), driftless_core::Class::Transient);
    assert!(driftless_core::class::render_chain(&error).contains("the cluster is away"));
}

#[tokio::test]
async fn nothing_is_looked_up_unless_it_is_allowed() {
    let all = objects(LOOKING, json!({})).await;
    assert_eq!(all[0].str_at(&["data", "found"]), Some("null"));
}

#[tokio::test]
async fn lists_are_looked_up_without_a_name() {
    let listing = LOOKING.replace("\"db\").data", "\"\").items");
    let mut one = request(&listing, json!({}));
    one.source.parameters["driftless"] = json!({"lookup": true});
    let secret = OneSecret(Arc::new(parking_lot::Mutex::new(Ok("x"))));
    let objects = super::super::LookupTree::new(secret);
    one.tree = Arc::new(RefTree::new(
        one.tree,
        vec![(super::super::LOOKUP.to_owned(), Arc::new(objects))],
    ));
    let all = render(one).await.unwrap();
    assert_eq!(
        all[0].str_at(&["data", "found"]),
        Some(r#"[{"data":{"p":"x"}}]"#)
    );
}

#[tokio::test]
async fn only_the_api_versions_that_a_chart_asks_for_matter() {
    let dir = tempfile::tempdir().unwrap();
    let renderer =
        Renderer::open(RenderOptions::new(dir.path()), crate::Metrics::default()).unwrap();
    let cached = async |chart: &str, versions: &[&str], kube: &str| {
        let mut one = request(chart, json!({}));
        one.api_versions = versions
            .iter()
            .map(|version| (*version).to_owned())
            .collect();
        one.kube_version = kube.into();
        renderer.render(one).await.unwrap().cached
    };
    let demo = "demo.example/v1";
    assert!(!cached(CHART, &[demo], "v1.33.4").await);
    assert!(cached(CHART, &[demo, "other.example/v1"], "v1.33.4").await);
    assert!(!cached(CHART, &["other.example/v1"], "v1.33.4").await);
    assert!(!cached(CHART, &[demo], "v1.34.0").await);
    // A chart that goes through the list depends on all of it.
    let curious = CHART.replace(
        "APIVersions.Has \"demo.example/v1\"",
        "APIVersions | toJson",
    );
    assert_ne!(curious, CHART);
    assert!(!cached(&curious, &[demo], "v1.33.4").await);
    assert!(cached(&curious, &[demo], "v1.33.4").await);
    assert!(!cached(&curious, &[demo, "other.example/v1"], "v1.33.4").await);
}

#[tokio::test]
async fn files_of_urls_are_those_that_were_fetched() {
    let url = "https://values.example/prod.yaml";
    let helm = json!({"valueFiles": [url], "values": "replicas: 9"});
    let mut fetched = MemoryTree::new();
    fetched
        .insert(
            &super::super::fetched_name(url),
            "image: fetched\nreplicas: 2\n",
        )
        .unwrap();
    let mut one = request(CHART, helm);
    one.tree = Arc::new(RefTree::new(
        one.tree,
        vec![(super::super::FETCHED.to_owned(), Arc::new(fetched))],
    ));
    let all = render(one).await.unwrap();
    let map = all.iter().find(|one| one.name() == "demo").unwrap();
    let values: serde_json::Value =
        serde_json::from_str(map.str_at(&["data", "values"]).unwrap()).unwrap();
    assert_eq!(
        (&values["image"], &values["replicas"]),
        (&json!("fetched"), &json!(9))
    );
    let told = failure(
        "",
        json!({"valueFiles": ["$driftless:lookup/v1/Secret/prod/db"]}),
    )
    .await;
    assert!(
        told.contains("no source has a ref with such a name"),
        "{told}"
    );
}
