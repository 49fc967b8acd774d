//! What Git says an Application is: revisions, rendered objects, and those objects made ready for the cluster.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use driftless_api::Application;
use driftless_api::application::{Condition, ConditionType, Helm, Source};
use driftless_core::class::render_chain;
use driftless_core::{
    AppKey, Class, Classify, GroupKind, ProjectName, ResourceKey, Revision, Tree,
};
use driftless_engine::diff::{fingerprint_desired, normalise_desired};
use driftless_kube::{Cluster, Discovery, Resolved};
use driftless_manifest::Object;
use driftless_source::remote::Age;
use driftless_source::render::{
    CacheUse, Directory, Enabled, FETCHED, Facts, LOOKUP, RefTree, Request, SetDigest, SourceType,
    ref_name,
};
use driftless_source::{Commit, Freshness, Rendered, Repository};

use crate::AppState;
use crate::environment::Environment;
use crate::prepared::Basis;
use crate::target::Target;
use crate::versioned::{Copies, version_inputs};

/// Which revisions to render.
#[derive(Clone, Copy, Debug)]
pub enum Revisions<'a> {
    /// What the sources track, with an answer this new.
    Tracked(Freshness),
    /// These, one for each source (a running operation, a rollback).
    Pinned(&'a [String]),
}

/// What the sources say.
#[derive(Clone, Debug)]
pub struct Desired {
    /// The resolved revision of each source.
    pub revisions: Vec<String>,
    /// The kind of each source, as `status.sourceTypes` carries it.
    pub source_types: Vec<SourceType>,
    /// What each rendered source gave, in order.
    pub rendered: Vec<Rendered>,
    /// Objects that somebody handed over instead of the rendered ones (`argocd app sync --local`).
    pub local: Option<Arc<[Object]>>,
    /// Things to tell that do not stop anything.
    pub warnings: Vec<Condition>,
}

/// The sources could not be read or rendered; nothing is known about what should run.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What to tell.
    pub condition: Condition,
    /// Who can act, and when to try again.
    pub class: Class,
    /// The revisions that were resolved, when that much is known.
    pub revisions: Vec<String>,
}

/// One object that should be in the cluster.
#[derive(Clone, Debug)]
pub struct DesiredObject {
    /// Identity, with the namespace it goes to.
    pub key: ResourceKey,
    /// The object, ready to be applied: namespace set, tracking marks set, in the form the API server gives it.
    pub object: Arc<Object>,
    /// Changes with the object.
    pub fingerprint: u64,
}

/// The objects of all sources, ready to be compared and applied.
#[derive(Clone, Debug, Default)]
pub struct Prepared {
    /// Objects in source order, each key once (the last one wins).
    pub objects: Vec<DesiredObject>,
    /// Repeated and excluded objects.
    pub warnings: Vec<Condition>,
    /// What targets of rollouts use, copied for their versions.
    pub copies: Copies,
}

impl Desired {
    /// Replaces the rendered objects by manifests, each a document (or several) of YAML or JSON.
    ///
    /// # Errors
    /// What is wrong with which manifest, for the user.
    pub fn with_manifests(mut self, manifests: &[String]) -> Result<Self, String> {
        let limits = driftless_yaml::Limits::default();
        let mut objects = Vec::new();
        for (index, text) in manifests.iter().enumerate() {
            let at = |why: String| format!("manifest {} of the local sync: {why}", index + 1);
            let documents = driftless_yaml::parse_documents(text.as_bytes(), &limits)
                .map_err(|error| at(render_chain(&error)))?;
            for document in documents.into_iter().filter(|one| !one.is_null()) {
                let more = driftless_manifest::flatten(document)
                    .map_err(|error| at(render_chain(&error)))?;
                objects.extend(more);
            }
        }
        self.local = Some(objects.into());
        Ok(self)
    }

    /// Returns the objects of all sources, or those that were handed over instead.
    fn objects(&self) -> Result<Vec<Object>, driftless_source::render::Error> {
        if let Some(local) = self.local.as_deref() {
            return Ok(local.to_vec());
        }
        let mut all = Vec::new();
        for rendered in &self.rendered {
            all.extend(rendered.objects()?.iter().cloned());
        }
        Ok(all)
    }

    /// Identifies the rendered objects, whatever the revisions are.
    pub fn digests(&self) -> Vec<SetDigest> {
        self.rendered.iter().map(Rendered::digest).collect()
    }
}

impl AppState {
    /// Returns the repository of a source with the credentials that settings have for it.
    ///
    /// # Errors
    /// The Secret with its credentials cannot be read: asking without them would be a guess.
    pub fn repository(
        &self,
        app: &Application,
        source: &Source,
    ) -> Result<Repository, driftless_settings::repository::Error> {
        let project = ProjectName::new(app.spec.project());
        self.settings
            .current()
            .repositories
            .repository(&source.repo_url, Some(&project))
    }

    /// Resolves and renders all sources.
    pub async fn desired(
        &self,
        app: &Application,
        target: &Target,
        sources: &[Source],
        revisions: Revisions<'_>,
        cache: CacheUse,
    ) -> Result<Desired, Failure> {
        let mut desired = Desired {
            revisions: Vec::new(),
            source_types: Vec::new(),
            rendered: Vec::new(),
            local: None,
            warnings: Vec::new(),
        };
        let failed = |(message, class): (String, Class), desired: &Desired| Failure {
            condition: Condition::new(ConditionType::ComparisonError, message),
            class,
            revisions: desired.revisions.clone(),
        };
        let mut checkouts = Vec::with_capacity(sources.len());
        for (index, source) in sources.iter().enumerate() {
            let checkout = self.checkout(app, source, index, revisions, &mut desired.warnings);
            match checkout.await {
                Ok(checkout) => {
                    desired.revisions.push(checkout.commit.to_string());
                    checkouts.push(checkout);
                }
                Err(problem) => return Err(failed(problem, &desired)),
            }
        }
        // Who asks for the newest commit asks so of remote bases too.
        let asks_anew =
            matches!(revisions, Revisions::Tracked(Freshness::Now)) || cache == CacheUse::Bypass;
        let age = if asks_anew { Age::Now } else { Age::Recent };
        for index in 0..sources.len() {
            let result = self
                .source(
                    app,
                    target,
                    (sources, &checkouts),
                    index,
                    (cache, age),
                    &mut desired,
                )
                .await;
            if let Err(problem) = result {
                return Err(failed(problem, &desired));
            }
        }
        Ok(desired)
    }

    /// Finds the commit of a source.
    async fn checkout(
        &self,
        app: &Application,
        source: &Source,
        index: usize,
        revisions: Revisions<'_>,
        warnings: &mut Vec<Condition>,
    ) -> Result<Checkout, (String, Class)> {
        if source.is_helm_chart() {
            let message = format!(
                "source {} is a chart of a Helm repository, which is not supported yet: commit the chart to Git",
                source.chart
            );
            return Err((message, Class::User));
        }
        let repository = self.repository(app, source).map_err(|error| tell(&error))?;
        let pinned = match revisions {
            Revisions::Tracked(_) => None,
            Revisions::Pinned(list) => list.get(index).map(String::as_str),
        };
        let freshness = match revisions {
            Revisions::Tracked(freshness) => freshness,
            Revisions::Pinned(_) => Freshness::Cached,
        };
        let commit = match pinned {
            Some(revision) => Commit::parse(revision).ok_or_else(|| {
                (
                    format!("revision {revision:?} is not a commit SHA"),
                    Class::User,
                )
            })?,
            None => {
                self.resolve(&repository, source, freshness, warnings)
                    .await?
            }
        };
        Ok(Checkout { repository, commit })
    }

    /// Opens the files of a source, with those of the sources that it refers to beside them.
    async fn files(
        &self,
        target: &Target,
        helm: Option<&Helm>,
        sources: &[Source],
        checkouts: &[Checkout],
        checkout: &Checkout,
    ) -> Result<Arc<dyn Tree>, (String, Class)> {
        let open = async |checkout: &Checkout| {
            self.git
                .tree(&checkout.repository, checkout.commit)
                .await
                .map_err(|error| tell(&error))
        };
        let tree = open(checkout).await?;
        let mut others: Vec<(String, Arc<dyn Tree>)> = Vec::new();
        if target.rules.permits_lookup() {
            others.push((LOOKUP.to_owned(), self.lookups(target)));
        }
        let none = Helm::default();
        let helm = helm.unwrap_or(&none);
        if let Some(fetched) = self.fetched(helm).await? {
            others.push((FETCHED.to_owned(), fetched));
        }
        let files = helm.value_files.iter();
        let parameters = helm.file_parameters.iter().map(|one| &one.path);
        for name in files.chain(parameters).filter_map(|path| ref_name(path)) {
            let place = sources.iter().position(|source| source.reference == name);
            let other = place.and_then(|place| checkouts.get(place));
            if let Some(other) = other
                && others.iter().all(|(known, _)| known != name)
            {
                others.push((name.to_owned(), open(other).await?));
            }
        }
        if others.is_empty() {
            return Ok(tree);
        }
        Ok(Arc::new(RefTree::new(tree, others)))
    }

    async fn source(
        &self,
        app: &Application,
        target: &Target,
        (sources, checkouts): (&[Source], &[Checkout]),
        index: usize,
        (cache, age): (CacheUse, Age),
        desired: &mut Desired,
    ) -> Result<(), (String, Class)> {
        let (Some(source), Some(checkout)) = (sources.get(index), checkouts.get(index)) else {
            return Ok(());
        };
        if source.is_ref() && source.path.is_empty() {
            return Ok(());
        }
        let Checkout { repository, commit } = checkout;
        let instance = self.instance(&app.key());
        let mut lowered = source.clone();
        let environment = Environment::new(app, source, &instance, &commit.to_string());
        if let Some(helm) = &mut lowered.helm {
            environment.substitute_helm(helm);
        }
        if let Some(kustomize) = &mut lowered.kustomize {
            environment.substitute_kustomize(kustomize);
        }
        let source = &lowered;
        let facts = self.chart_facts(app, target, source, &commit.to_string())?;
        let tree = self
            .files(target, source.helm.as_deref(), sources, checkouts, checkout)
            .await?;
        let settings = self.settings.current();
        let tools = &settings.general.tools;
        let request = Request {
            repository: repository.id(),
            revision: Revision::from(commit.to_string()),
            tree,
            source: lower_source(source, facts.as_ref()),
            app: app.key(),
            instance,
            project: ProjectName::new(app.spec.project()),
            destination_namespace: target.namespace.clone(),
            kube_version: target
                .cluster
                .version()
                .map_or_else(|| "".into(), |version| version.git_version.as_str().into()),
            api_versions: self.api_versions(&target.cluster),
            enabled: Enabled {
                helm: tools.helm,
                kustomize: tools.kustomize,
                jsonnet: tools.jsonnet,
            },
            kustomize_options: tools.kustomize_build_options.as_str().into(),
            remotes: Some(self.remotes(app, age)),
            cache,
        };
        let rendered = self
            .renderer
            .render(request)
            .await
            .map_err(|error| tell(&error))?;
        for diagnostic in rendered.diagnostics.iter() {
            let message = format!("{}: {}", diagnostic.file, diagnostic.message);
            desired.warnings.push(Condition::new(
                ConditionType::ExcludedResourceWarning,
                message,
            ));
        }
        desired.source_types.push(rendered.source_type);
        desired.rendered.push(rendered);
        Ok(())
    }

    /// Resolves a revision. When the repository cannot be asked, the last known commit is used and said to be old.
    async fn resolve(
        &self,
        repository: &Repository,
        source: &Source,
        freshness: Freshness,
        warnings: &mut Vec<Condition>,
    ) -> Result<Commit, (String, Class)> {
        let target = driftless_source::Target::parse(&source.target_revision, &source.tag_prefix)
            .map_err(|error| tell(&error))?;
        match self.git.resolve(repository, &target, freshness).await {
            Ok(commit) => Ok(commit),
            Err(error) => {
                let (message, class) = tell(&error);
                match error.last_known {
                    Some(last) if class == Class::Transient => {
                        let message = format!(
                            "{message}; going on with commit {} as of {} s ago",
                            last.commit,
                            last.age.as_secs()
                        );
                        warnings.push(Condition::new(ConditionType::ComparisonError, message));
                        Ok(last.commit)
                    }
                    _ => Err((message, class)),
                }
            }
        }
    }

    /// Returns what a cluster serves, as charts see it. A group version that is registered and cannot be read right now
    /// counts as served: a chart must not drop objects on its account.
    fn api_versions(&self, cluster: &Cluster) -> Arc<[String]> {
        let discovery = cluster.discovery();
        let mut known = self.api_versions.write();
        if let Some((of, versions)) = known.get(cluster.url())
            && Arc::ptr_eq(of, &discovery)
        {
            return Arc::clone(versions);
        }
        let mut versions = discovery.api_versions();
        versions.extend(discovery.unreadable().map(|(version, _)| version));
        let versions: Arc<[String]> = versions.into();
        known.insert(cluster.url().clone(), (discovery, Arc::clone(&versions)));
        versions
    }

    /// Makes rendered objects ready for a cluster: namespaces, tracking marks, each key once, excluded kinds dropped.
    pub fn prepare(
        &self,
        app: &AppKey,
        target: &Target,
        desired: &Desired,
    ) -> Result<Arc<Prepared>, Failure> {
        let basis = Basis {
            digests: desired.digests(),
            config: self.config(),
            discovery: target.cluster.discovery(),
            cluster: target.cluster.url().clone(),
            namespace: target.namespace.clone(),
        };
        // Local manifests have no digest.
        if desired.local.is_some() {
            return self.prepare_anew(app, &basis, desired).map(Arc::new);
        }
        if let Some(known) = self.prepared.of(app, &basis) {
            return Ok(known);
        }
        let prepared = Arc::new(self.prepare_anew(app, &basis, desired)?);
        self.prepared.put(app, basis, &prepared);
        Ok(prepared)
    }

    fn prepare_anew(
        &self,
        app: &AppKey,
        basis: &Basis,
        desired: &Desired,
    ) -> Result<Prepared, Failure> {
        let fail = |message: String| Failure {
            condition: Condition::new(ConditionType::ComparisonError, message),
            class: Class::User,
            revisions: desired.revisions.clone(),
        };
        let all = desired
            .objects()
            .map_err(|error| fail(render_chain(&error)))?;
        let Basis {
            config,
            discovery,
            cluster,
            namespace,
            ..
        } = basis;
        let scopes = crd_scopes(&all);
        let instance = self.instance(app);
        let mut seen: HashMap<ResourceKey, usize> = HashMap::with_capacity(all.len());
        let mut repeated: BTreeMap<ResourceKey, usize> = BTreeMap::new();
        let mut excluded: HashSet<GroupKind> = HashSet::new();
        let mut prepared = Prepared::default();
        for mut object in all {
            let kind = object.gvk().group_kind();
            if config.is_excluded(&kind, cluster) {
                if excluded.insert(kind.clone()) {
                    let message = format!(
                        "Resource {kind} {} is excluded in the settings (resource.exclusions)",
                        object.name()
                    );
                    prepared.warnings.push(Condition::new(
                        ConditionType::ExcludedResourceWarning,
                        message,
                    ));
                }
                continue;
            }
            if !is_namespaced(discovery, &scopes, &object) {
                object.set_namespace("");
            } else if object.namespace().is_empty() {
                object.set_namespace(namespace.as_str());
                if namespace.as_str().is_empty() {
                    prepared.warnings.push(no_namespace(&object));
                }
            }
            if let Cow::Owned(rewritten) = normalise_desired(&object) {
                object = rewritten;
            }
            let key = object.key();
            config
                .tracking
                .mark(&mut object, &instance, namespace.as_str());
            let entry = DesiredObject {
                key: key.clone(),
                fingerprint: fingerprint_desired(&object),
                object: Arc::new(object),
            };
            match seen
                .get(&key)
                .and_then(|index| prepared.objects.get_mut(*index))
            {
                // Hooks with a generated name have none yet: each of them is an object of its own.
                Some(known) if !key.name.is_empty() => {
                    *known = entry;
                    *repeated.entry(key).or_insert(1) += 1;
                }
                _ => {
                    seen.insert(key, prepared.objects.len());
                    prepared.objects.push(entry);
                }
            }
        }
        for (key, times) in repeated {
            let message =
                format!("Resource {key} appeared {times} times among application resources.");
            prepared.warnings.push(Condition::new(
                ConditionType::RepeatedResourceWarning,
                message,
            ));
        }
        version_inputs(&mut prepared);
        Ok(prepared)
    }
}

/// A commit of a repository.
struct Checkout {
    repository: Repository,
    commit: Commit,
}

fn tell<E: Classify>(error: &E) -> (String, Class) {
    (render_chain(error), error.class())
}

fn lower_source(source: &Source, facts: Option<&Facts>) -> driftless_source::render::Source {
    let json = |value: serde_json::Result<serde_json::Value>| value.unwrap_or_default();
    let (explicit, mut parameters) = if let Some(helm) = &source.helm {
        (Some(SourceType::Helm), json(serde_json::to_value(helm)))
    } else if let Some(kustomize) = &source.kustomize {
        (
            Some(SourceType::Kustomize),
            json(serde_json::to_value(kustomize)),
        )
    } else if let Some(plugin) = &source.plugin {
        (Some(SourceType::Plugin), json(serde_json::to_value(plugin)))
    } else if source.directory.is_some() {
        (Some(SourceType::Directory), serde_json::Value::Null)
    } else {
        (None, serde_json::Value::Null)
    };
    if let serde_json::Value::Object(fields) = &mut parameters {
        // Only we may say what is there.
        fields.remove(Facts::KEY);
    }
    if let Some(facts) = facts {
        if parameters.is_null() {
            parameters = serde_json::Value::Object(serde_json::Map::new());
        }
        if let serde_json::Value::Object(fields) = &mut parameters {
            fields.insert(Facts::KEY.to_owned(), json(serde_json::to_value(facts)));
        }
    }
    let directory = source
        .directory
        .as_deref()
        .map_or_else(Directory::default, |directory| Directory {
            recurse: directory.recurse,
            include: directory.include.clone(),
            exclude: directory.exclude.clone(),
            disable_extension_filter: directory.disable_extension_filter,
            jsonnet: directory
                .jsonnet
                .as_ref()
                .map_or(serde_json::Value::Null, |jsonnet| {
                    json(serde_json::to_value(jsonnet))
                }),
        });
    driftless_source::render::Source {
        path: source.path.clone(),
        explicit,
        directory,
        parameters,
    }
}

/// Returns the scopes of kinds whose CRD is among the objects: `true` for namespaced.
fn crd_scopes(objects: &[Object]) -> HashMap<GroupKind, bool> {
    objects
        .iter()
        .filter(|object| object.is("apiextensions.k8s.io", "CustomResourceDefinition"))
        .filter_map(|crd| {
            let group = crd.str_at(&["spec", "group"])?;
            let kind = crd.str_at(&["spec", "names", "kind"])?;
            Some((
                GroupKind::new(group, kind),
                crd.str_at(&["spec", "scope"])? == "Namespaced",
            ))
        })
        .collect()
}

/// Tells that an object needs a namespace and nobody names one.
fn no_namespace(object: &Object) -> Condition {
    let gvk = object.gvk();
    let message = format!(
        "Namespace for {} {}/{}, Kind={} is missing.",
        object.name(),
        gvk.group,
        gvk.version,
        gvk.kind
    );
    Condition::new(ConditionType::InvalidSpecError, message)
}

/// Says whether a kind is namespaced: as the cluster says, else as a CRD in the same set says, else yes.
fn is_namespaced(
    discovery: &Discovery,
    scopes: &HashMap<GroupKind, bool>,
    object: &Object,
) -> bool {
    let gvk = object.gvk();
    match discovery.resolve(&gvk) {
        Resolved::Known(resource) => resource.namespaced,
        Resolved::Unknown | Resolved::Unreadable(_) => match discovery.preferred(&gvk.group_kind())
        {
            Resolved::Known(resource) => resource.namespaced,
            _ => scopes.get(&gvk.group_kind()).copied().unwrap_or(true),
        },
    }
}
