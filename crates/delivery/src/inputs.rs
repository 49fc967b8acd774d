//! What a rollout reads beside its target: templates, Secrets, the object of a version.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use driftless_analysis::lower::{self, Needs, TemplateName};
use driftless_analysis::{Lowered, SecretName, SecretPlace, Values};
use driftless_api::ModelRollout;
use driftless_api::analysis::AnalysisTemplate;
use driftless_api::read;
use driftless_api::rollout::Problem;
use driftless_api::rollout::handover::{OBJECT, WantedVersion};
use driftless_core::{GroupVersionKind, Secret};
use serde_json::Value;
use tokio::time::Instant;

use crate::runner::Runner;
use crate::target::{Ctx, Version};

/// Templates and Secrets are read when a step begins, and again after this time: an analysis is judged by what it began with.
const FRESH: Duration = Duration::from_mins(5);
/// Targets whose steps begin together share what was read.
const TOGETHER: Duration = Duration::from_secs(2);
/// Templates in templates are followed so often.
const ROUNDS: usize = 10;

/// Why there is no plan.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Unplanned {
    /// The rollout or a template is wrong.
    Invalid(Problem),
    /// Something could not be read.
    Unread(String),
}

/// Templates and Secrets of one rollout.
#[derive(Default)]
pub(crate) struct Inputs {
    read: Option<Read>,
    /// Where each target was when templates were last read for it: version and step.
    places: BTreeMap<String, (String, usize)>,
    /// Objects that were handed over, by target: the one that is wanted now.
    versions: BTreeMap<String, (WantedVersion, Arc<Value>)>,
}

struct Read {
    at: Instant,
    generation: i64,
    templates: Vec<AnalysisTemplate>,
    secrets: BTreeMap<SecretName, BTreeMap<String, Secret<String>>>,
}

impl Inputs {
    /// Makes a plan for one target.
    pub(crate) async fn plan(
        &mut self,
        runner: &Runner,
        rollout: &ModelRollout,
        (target, index): (&str, usize),
        versions: (&str, &str),
    ) -> Result<Lowered, Unplanned> {
        let generation = rollout.metadata.generation;
        let place = (versions.1.to_owned(), index);
        let has_moved = self.places.get(target) != Some(&place);
        let limit = if has_moved { TOGETHER } else { FRESH };
        let is_fresh = self
            .read
            .as_ref()
            .is_some_and(|read| read.at.elapsed() < limit && read.generation == generation);
        if !is_fresh {
            self.read = Some(gather(runner, rollout).await.map_err(Unplanned::Unread)?);
        }
        self.places.insert(target.to_owned(), place);
        let Some(read) = &self.read else {
            return Err(Unplanned::Unread("templates are not known yet".to_owned()));
        };
        let (stable, canary) = versions;
        let values = Values {
            rollout: serde_json::to_value(rollout).unwrap_or_default(),
            latest: canary.to_owned(),
            stable: stable.to_owned(),
            secrets: read.secrets.clone(),
            ..Values::default()
        };
        let lowered = lower::plan(&rollout.spec, &read.templates, &values);
        lowered.map_err(|problem| {
            // A template that is missing or wrong may be there, or right, the next time.
            self.read = None;
            Unplanned::Invalid(problem)
        })
    }

    /// Returns the object of a version that a sync handed over.
    pub(crate) async fn version(
        &mut self,
        runner: &Runner,
        namespace: &str,
        target: &str,
        wanted: &WantedVersion,
    ) -> Result<Version, String> {
        let name = &wanted.controller_revision;
        if let Some((_, object)) = self.versions.get(target).filter(|known| known.0 == *wanted) {
            return Ok(Version {
                version: wanted.version.clone(),
                object: Arc::clone(object),
            });
        }
        let gvk = GroupVersionKind::new("apps", "v1", "ControllerRevision");
        let found = Ctx::read_of(&runner.cluster, &gvk, namespace, name)
            .await
            .map_err(|error| error.text())?;
        let object = found.and_then(|mut found| {
            let object = found.get_mut("data")?.get_mut(OBJECT)?.take();
            object.is_object().then_some(object)
        });
        let Some(object) = object else {
            return Err(format!(
                "ControllerRevision {name} with the wanted object is not there: a sync writes it again"
            ));
        };
        let object = Arc::new(object);
        let known = (wanted.clone(), Arc::clone(&object));
        self.versions.insert(target.to_owned(), known);
        Ok(Version {
            version: wanted.version.clone(),
            object,
        })
    }
}

async fn gather(runner: &Runner, rollout: &ModelRollout) -> Result<Read, String> {
    let mut templates: BTreeMap<TemplateName, Option<AnalysisTemplate>> = BTreeMap::new();
    let mut needs = Needs::default();
    for _ in 0..ROUNDS {
        let known: Vec<AnalysisTemplate> = templates.values().flatten().cloned().collect();
        needs = lower::needs(&rollout.spec, &known);
        let missing: Vec<TemplateName> = needs
            .templates
            .iter()
            .filter(|name| !templates.contains_key(name))
            .cloned()
            .collect();
        if missing.is_empty() {
            break;
        }
        for name in missing {
            let template = template(runner, &rollout.metadata.namespace, &name).await?;
            templates.insert(name, template);
        }
    }
    let mut secrets = BTreeMap::new();
    for name in &needs.secrets {
        if let Some(data) = secret(runner, &rollout.metadata.namespace, name).await? {
            secrets.insert(name.clone(), data);
        }
    }
    Ok(Read {
        at: Instant::now(),
        generation: rollout.metadata.generation,
        templates: templates.into_values().flatten().collect(),
        secrets,
    })
}

async fn template(
    runner: &Runner,
    namespace: &str,
    name: &TemplateName,
) -> Result<Option<AnalysisTemplate>, String> {
    let gvk = GroupVersionKind::new("argoproj.io", "v1alpha1", name.kind);
    let namespace = if name.kind == AnalysisTemplate::CLUSTER_KIND {
        ""
    } else {
        namespace
    };
    let found = Ctx::read_of(&runner.cluster, &gvk, namespace, &name.name)
        .await
        .map_err(|error| error.text())?;
    let Some(found) = found else { return Ok(None) };
    read::from_value(found)
        .map(Some)
        .map_err(|error| format!("{} {} cannot be read: {error}", name.kind, name.name))
}

async fn secret(
    runner: &Runner,
    namespace: &str,
    name: &SecretName,
) -> Result<Option<BTreeMap<String, Secret<String>>>, String> {
    let services = &runner.delivery.services;
    let (cluster, namespace) = match name.place {
        SecretPlace::Rollout => (&runner.cluster, namespace),
        SecretPlace::Instance => (&services.control, services.namespace.as_str()),
    };
    let gvk = GroupVersionKind::new("", "v1", "Secret");
    let found = Ctx::read_of(cluster, &gvk, namespace, &name.name)
        .await
        .map_err(|error| error.text())?;
    let data = found.as_ref().map(|found| {
        let data = found.get("data").and_then(Value::as_object);
        data.into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), decoded(value.as_str()?)?)))
            .collect()
    });
    Ok(data)
}

fn decoded(text: &str) -> Option<Secret<String>> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .ok()?;
    String::from_utf8(bytes).ok().map(Secret::new)
}
