//! Kustomizations with bases of other repositories and files of web servers.

use std::sync::Arc;

use driftless_core::{AppKey, Classify as _, MemoryTree, SafeUrl};
use driftless_source::remote::{Admitted, Age, Hosts, Reach, Remotes};
use driftless_source::render::{CacheUse, Enabled, Options, Request, Source};
use driftless_source::{Credentials, Metrics, Rendered, Renderer, Repository};

use crate::fixture::{Origin, Service};
use crate::host::Host;

const BASE: &str = "resources: [map.yaml]\nnamePrefix: base-\n";

fn map(value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{key: {value}}}\n")
}

/// Lets everything pass but what is named.
struct Policy {
    reach: Reach,
    refused: String,
    credentials: (String, Credentials),
}

impl Hosts for Policy {
    fn admit(&self, url: &str) -> Result<Admitted, String> {
        if !self.refused.is_empty() && url.contains(&self.refused) {
            return Err("the project does not allow it".to_owned());
        }
        let mut repository = Repository::new(url);
        let (host, credentials) = &self.credentials;
        if !host.is_empty() && url.starts_with(host.as_str()) {
            repository.credentials = credentials.clone();
        }
        Ok(Admitted {
            repository,
            reach: self.reach,
        })
    }
}

struct World {
    service: Service,
    renderer: Renderer,
    policy: Arc<Policy>,
    _place: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self::with(Policy {
            reach: Reach::ThisMachine,
            refused: String::new(),
            credentials: (String::new(), Credentials::None),
        })
    }

    fn with(policy: Policy) -> Self {
        let place = tempfile::tempdir().unwrap();
        Self {
            service: Service::new(),
            renderer: Renderer::open(Options::new(place.path()), Metrics::default()).unwrap(),
            policy: Arc::new(policy),
            _place: place,
        }
    }

    fn request(&self, kustomization: &str) -> Request {
        let listing = format!("//- /app/kustomization.yaml\n{kustomization}");
        Request {
            repository: Repository::new("https://git.example/x").id(),
            revision: "1111111111111111111111111111111111111111".into(),
            tree: Arc::new(MemoryTree::from_listing(&listing).unwrap()),
            source: Source {
                path: "app".to_owned(),
                ..Source::default()
            },
            app: AppKey::new("argocd", "demo"),
            instance: "demo".to_owned(),
            project: "default".into(),
            destination_namespace: "prod".into(),
            kube_version: "v1.37.2".into(),
            api_versions: Arc::new([]),
            enabled: Enabled::default(),
            kustomize_options: "".into(),
            remotes: Some(Remotes {
                git: self.service.git.clone(),
                hosts: self.policy.clone(),
                age: Age::Recent,
            }),
            cache: CacheUse::Use,
        }
    }

    /// Asks everybody anew; earlier results may be used.
    fn anew(&self, kustomization: &str) -> Request {
        let mut request = self.request(kustomization);
        if let Some(remotes) = &mut request.remotes {
            remotes.age = Age::Now;
        }
        request
    }

    async fn render(&self, kustomization: &str) -> Rendered {
        self.renderer
            .render(self.request(kustomization))
            .await
            .unwrap()
    }

    async fn failure(&self, kustomization: &str) -> driftless_source::render::Error {
        self.renderer
            .render(self.request(kustomization))
            .await
            .unwrap_err()
    }
}

fn value(rendered: &Rendered) -> String {
    let objects = rendered.objects().unwrap();
    assert_eq!(objects.len(), 1);
    objects[0].str_at(&["data", "key"]).unwrap().to_owned()
}

fn text(error: &driftless_source::render::Error) -> String {
    driftless_core::class::render_chain(error)
}

#[tokio::test]
async fn a_base_on_a_branch_is_pinned_and_a_new_commit_renders_again() {
    let origin = Origin::with(&[("b/kustomization.yaml", BASE), ("b/map.yaml", &map("one"))]);
    let first = origin.git(&["rev-parse", "HEAD"]);
    let world = World::new();
    let branch = format!(
        "resources: ['{}//b?ref=main']\nnameSuffix: -x\n",
        origin.url()
    );
    let rendered = world.render(&branch).await;
    assert_eq!(rendered.objects().unwrap()[0].name(), "base-a-x");
    let [pin] = &*rendered.pins else {
        panic!("{:?}", rendered.pins)
    };
    assert_eq!(
        (pin.found.as_str(), pin.reference.as_deref()),
        (&*first, Some("main"))
    );
    assert!(pin.target().is_some());
    assert!(world.render(&branch).await.cached, "nothing moved");

    origin.commit(&[("b/map.yaml", &map("two"))]);
    let rendered = world.renderer.render(world.anew(&branch)).await.unwrap();
    assert_eq!(value(&rendered), "two");
    let again = world.render(&branch).await;
    assert!(again.cached, "the same pins");
    assert_eq!(again.pins, rendered.pins);

    // A poll that brings news is enough, too.
    origin.commit(&[("b/map.yaml", &map("three"))]);
    world
        .service
        .resolve(&origin.repository(), "main")
        .await
        .unwrap();
    let rendered = world.render(&branch).await;
    assert!(!rendered.cached);
    assert_eq!(value(&rendered), "three");

    let fixed = format!("resources: ['{}//b?ref={first}']\n", origin.url());
    let rendered = world.render(&fixed).await;
    assert_eq!(value(&rendered), "one");
    assert!(rendered.pins[0].target().is_none());
    origin.commit(&[("b/map.yaml", &map("four"))]);
    assert!(world.render(&fixed).await.cached);
}

#[tokio::test]
async fn bases_of_remote_bases_stay_in_their_repository() {
    let origin = Origin::with(&[
        ("top/kustomization.yaml", "resources: [../b]\n"),
        ("b/kustomization.yaml", BASE),
        ("b/map.yaml", &map("one")),
        ("bad/kustomization.yaml", "resources: [../../../etc]\n"),
    ]);
    let world = World::new();
    let url = origin.url();
    let good = format!("resources: ['{url}//top']\n");
    assert_eq!(value(&world.render(&good).await), "one");
    let error = world.failure(&format!("resources: ['{url}//bad']\n")).await;
    assert!(
        text(&error).contains("leads out of the repository"),
        "{}",
        text(&error)
    );
    let error = world
        .failure(&format!("resources: ['{url}//none']\n"))
        .await;
    assert!(
        text(&error).contains("no such file or directory"),
        "{}",
        text(&error)
    );
    let error = world
        .failure(&format!("resources: ['{url}//b?ref=none']\n"))
        .await;
    assert!(
        text(&error).contains("unable to resolve 'none'"),
        "{}",
        text(&error)
    );
}

#[tokio::test]
async fn this_machine_and_refused_addresses_are_not_asked() {
    let origin = Origin::with(&[("b/kustomization.yaml", BASE), ("b/map.yaml", &map("one"))]);
    let host = Host::start(origin.path()).await;
    let world = World::with(Policy {
        reach: Reach::Network,
        refused: "git.evil.example".to_owned(),
        credentials: (String::new(), Credentials::None),
    });
    for (address, reason) in [
        (
            format!("{}//b", origin.url()),
            "it is a folder of this machine",
        ),
        (
            format!("{}/.git//b?ref=main", host.url),
            "it is this machine",
        ),
        (format!("{}/map.yaml", host.url), "it is this machine"),
        (
            "http://169.254.169.254/latest/meta-data".to_owned(),
            "link-local",
        ),
        (
            "http://metadata.google.internal/x".to_owned(),
            "serves credentials",
        ),
        (
            "https://git.evil.example/o/r//b".to_owned(),
            "does not allow it",
        ),
    ] {
        let error = world.failure(&format!("resources: ['{address}']\n")).await;
        let text = text(&error);
        assert!(text.contains(reason), "{address}: {text}");
        assert!(text.contains("is refused"), "{address}: {text}");
        assert_eq!(error.class(), driftless_core::Class::Denied, "{address}");
    }
    assert_eq!(host.count(), 0);
    let mut without = world.request(&format!("resources: ['{}//b']\n", origin.url()));
    without.remotes = None;
    let error = world.renderer.render(without).await.unwrap_err();
    assert!(text(&error).contains("remote resources are not allowed here"));
}

#[tokio::test]
async fn repositories_and_files_come_over_http() {
    let origin = Origin::with(&[("b/kustomization.yaml", BASE), ("b/map.yaml", &map("one"))]);
    let host = Host::start(origin.path()).await;
    let world = World::with(Policy {
        reach: Reach::ThisMachine,
        refused: String::new(),
        credentials: (
            "https://only.here.example".to_owned(),
            Credentials::Bearer(driftless_core::Secret::new("secret".to_owned())),
        ),
    });
    let base = format!("resources: ['{}/.git//b?ref=main']\n", host.url);
    assert_eq!(value(&world.render(&base).await), "one");

    host.behaviour.lock().file = Some(map("from the web"));
    let file = format!("resources: ['{}/folder/map.yaml']\n", host.url);
    let rendered = world.render(&file).await;
    assert_eq!(value(&rendered), "from the web");
    assert_eq!(rendered.pins[0].reference, None);
    assert!(
        SafeUrl::new(&rendered.pins[0].url)
            .to_string()
            .ends_with("/folder/map.yaml")
    );
    let asked = host.count();
    assert!(world.render(&file).await.cached);
    assert_eq!(host.count(), asked, "looked at a moment ago");
    host.behaviour.lock().file = Some(map("changed"));
    let changed = world.renderer.render(world.anew(&file)).await.unwrap();
    assert_eq!(value(&changed), "changed");

    host.behaviour.lock().file = None;
    host.behaviour.lock().refuse = Some((404, "X-None: x".to_owned()));
    let error = world
        .failure(&format!("resources: ['{}/folder/none.yaml']\n", host.url))
        .await;
    let text = text(&error);
    assert!(
        text.contains("HTTP Error: status code 404 (Not Found)"),
        "{text}"
    );
    assert!(
        host.requests
            .lock()
            .iter()
            .all(|request| !request.contains("secret"))
    );
}
