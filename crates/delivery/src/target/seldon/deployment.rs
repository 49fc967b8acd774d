//! SeldonDeployment of Seldon Core 1. The new version is a second predictor named `v` and the version; `traffic` of both
//! is percentages, which Seldon puts into an Istio VirtualService: from there they are read back.
//!
//! - **Pods bear the predictor's name**: a promotion replaces the stable predictor while the canary has all traffic, then gives everything
//!   back. Seldon notes no generation in its status; the stable Deployments are the new ones when their containers are those of the
//!   canary's.
//! - The list of predictors is one value to the API server: it is written whole, with the resource version it was read at.

use std::collections::BTreeSet;

use async_trait::async_trait;
use driftless_api::rollout::Problem;
use driftless_core::GroupVersionKind;
use driftless_rollout::machine::Track;
use driftless_rollout::plan::Traffic;
use driftless_rollout::route::{Names, Router};
use serde_json::{Value, json};

use crate::target::json::{digest, give_resources, is_complete, labels, number, selector, text};
use crate::target::kinds::{deployments, virtual_services};
use crate::target::kserve::{edit, step_problems};
use crate::target::{
    Ctx, Error, PodShape, Pods, Promoted, Result, Seen, Stable, Target, weights_only,
    without_canary,
};

/// Annotation of a predictor with a name for its Service.
const SERVICE_NAME: &str = "seldon.io/svc-name";
/// Seldon's own container in each predictor.
const ENGINE: &str = "seldon-container-engine";

/// The SeldonDeployment.
#[derive(Clone, Copy, Debug)]
pub(in crate::target) struct SeldonDeployment;

fn virtual_service_name(cx: &Ctx) -> String {
    format!("{}-http", cx.name)
}

fn inner_name(version: &str) -> String {
    format!("v{version}")
}

fn predictors(object: &Value) -> &[Value] {
    object
        .pointer("/spec/predictors")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

fn name_of(predictor: &Value) -> &str {
    text(predictor, "/name").unwrap_or_default()
}

/// Returns the version that a rollout's own predictor is.
fn version_of(predictor: &Value) -> Option<&str> {
    let version = name_of(predictor).strip_prefix('v')?;
    let is_digest = version.len() == 10 && version.bytes().all(|b| b.is_ascii_hexdigit());
    is_digest.then_some(version)
}

/// Returns a predictor without what a rollout may change about it.
fn bare(predictor: &Value) -> Value {
    let mut predictor = predictor.clone();
    if let Value::Object(map) = &mut predictor {
        map.remove("traffic");
        map.remove("replicas");
    }
    predictor
}

/// Returns a spec without what a rollout may change about it.
fn bare_spec(object: &Value) -> Value {
    let mut spec = object.pointer("/spec").cloned().unwrap_or_default();
    spec["predictors"] = predictors(object).iter().map(bare).collect();
    spec
}

/// Returns the Service of a predictor.
fn service_name(owner: &str, predictor: &Value) -> String {
    let named = predictor.pointer("/annotations").and_then(|annotations| {
        let name = annotations.get(SERVICE_NAME)?;
        name.as_str()
    });
    named.map_or_else(|| format!("{owner}-{}", name_of(predictor)), str::to_owned)
}

/// Says whether a Deployment runs pods of a predictor: its name begins with it, unless it was too long, and its containers
/// are told the predictor.
fn is_of(deployment: &Value, owner: &str, predictor: &str) -> bool {
    let name = text(deployment, "/metadata/name").unwrap_or_default();
    let prefix = format!("{owner}-{predictor}-");
    if name.starts_with(&format!("{prefix}explainer")) {
        return false;
    }
    let told = |container: &Value| {
        let variables = container.get("env").and_then(Value::as_array);
        variables.into_iter().flatten().any(|one| {
            text(one, "/name") == Some("PREDICTOR_ID") && text(one, "/value") == Some(predictor)
        })
    };
    name.starts_with(&prefix) || containers(deployment, "containers").any(told)
}

fn containers<'a>(deployment: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    deployment
        .pointer(&format!("/spec/template/spec/{list}"))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// Returns what the containers of Deployments run, apart from Seldon's own, which is told its predictor.
fn contents(deployments: &[&Value]) -> BTreeSet<String> {
    let mut contents = BTreeSet::new();
    for deployment in deployments {
        for list in ["initContainers", "containers"] {
            for container in containers(deployment, list) {
                if text(container, "/name") == Some(ENGINE) {
                    continue;
                }
                let part = |field: &str| container.get(field).cloned().unwrap_or_default();
                let parts = ["name", "image", "command", "args", "resources"].map(part);
                contents.insert(json!(parts).to_string());
            }
        }
    }
    contents
}

/// What is there.
struct Look {
    live: Value,
    stable: Value,
    canary: Option<Value>,
    deployments: Vec<Value>,
    route: Option<Value>,
}

impl Look {
    fn of<'a>(&'a self, cx: &Ctx, predictor: &Value) -> Vec<&'a Value> {
        self.deployments
            .iter()
            .filter(|one| is_of(one, &cx.name, name_of(predictor)))
            .collect()
    }

    /// Returns the pods of a predictor that are ready: the fewest of its Deployments.
    fn ready(&self, cx: &Ctx, predictor: &Value) -> u32 {
        let ready = |one: &&Value| number(one, "/status/readyReplicas").unwrap_or(0);
        self.of(cx, predictor).iter().map(ready).min().unwrap_or(0)
    }

    fn version(&self) -> Option<&str> {
        version_of(self.canary.as_ref()?)
    }

    fn names(&self) -> Names {
        Names {
            stable: name_of(&self.stable).to_owned(),
            canary: self
                .canary
                .as_ref()
                .map(|predictor| name_of(predictor).to_owned())
                .unwrap_or_default(),
        }
    }

    fn traffic(&self, cx: &Ctx) -> Result<Traffic, String> {
        let name = virtual_service_name(cx);
        let Some(route) = &self.route else {
            return Err(format!(
                "VirtualService {name} is not there: weights of a SeldonDeployment are read back from Istio"
            ));
        };
        let names = Names {
            stable: service_name(&cx.name, &self.stable),
            canary: self
                .canary
                .as_ref()
                .map(|predictor| service_name(&cx.name, predictor))
                .unwrap_or_default(),
        };
        let share = Router::VirtualService
            .weight(route, &names)
            .map_err(|error| format!("VirtualService {name}: {error}"))?;
        Ok(Traffic {
            canary: share,
            ..Traffic::default()
        })
    }

    /// Says whether the stable predictor was made what the canary is.
    fn is_replaced(&self, cx: &Ctx, applied: Option<&Value>) -> bool {
        let wanted = cx.wanted.as_ref().map(|wanted| wanted.version.as_str());
        let is_mine = self.version().is_some() && self.version() == wanted;
        let asked = applied.and_then(|applied| predictors(applied).first());
        is_mine && asked.is_some_and(|asked| bare(asked) == bare(&self.stable))
    }
}

/// Returns the predictor that runs a version beside the stable one.
fn beside(wanted: &Value, version: &str, replicas: u32) -> Value {
    let mut predictor = wanted.clone();
    predictor["name"] = inner_name(version).into();
    predictor["traffic"] = 0.into();
    predictor["replicas"] = replicas.into();
    if let Value::Object(map) = &mut predictor {
        map.remove("explainer");
        if let Some(annotations) = map.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(SERVICE_NAME);
        }
    }
    predictor
}

fn full(cx: &Ctx, live: Option<&Value>) -> u32 {
    let of = |object: &Value| {
        let predictor = predictors(object)
            .iter()
            .find(|one| version_of(one).is_none());
        predictor
            .and_then(|one| number(one, "/replicas"))
            .or_else(|| number(object, "/spec/replicas"))
    };
    let wanted = cx
        .wanted
        .as_ref()
        .map(|wanted| of(&wanted.object).unwrap_or(1));
    wanted.or_else(|| live.and_then(of)).unwrap_or(1).max(1)
}

impl SeldonDeployment {
    async fn look(cx: &Ctx) -> Result<Option<Look>> {
        let live = cx.read_target().await?;
        let Some(live) = live else { return Ok(None) };
        let (mine, others): (Vec<&Value>, Vec<&Value>) = predictors(&live)
            .iter()
            .partition(|one| version_of(one).is_some());
        let ([stable], true) = (others.as_slice(), mine.len() <= 1) else {
            return Err(Error::Refused(format!(
                "SeldonDeployment {} has {} predictors: a rollout needs one, and adds its own",
                cx.name,
                others.len() + mine.len()
            )));
        };
        let of_deployment = format!("seldon-deployment-id={}", cx.name);
        let name = virtual_service_name(cx);
        let namespace = &cx.owner.namespace;
        let route = Ctx::read_of(&cx.cluster, &virtual_services(), namespace, &name).await?;
        Ok(Some(Look {
            stable: (*stable).clone(),
            canary: mine.first().map(|one| (*one).clone()),
            deployments: cx.list(&deployments(), &of_deployment).await?,
            route,
            live,
        }))
    }

    async fn look_needed(cx: &Ctx) -> Result<Look> {
        let gone = || Error::Refused(format!("SeldonDeployment {} is not there", cx.name));
        Self::look(cx).await?.ok_or_else(gone)
    }

    /// Changes the list of predictors as `change` says.
    async fn edit(
        cx: &Ctx,
        change: impl Fn(&mut Vec<Value>) -> Result<()> + Send + Sync,
    ) -> Result<()> {
        edit(cx, &cx.gvk, &cx.name, |live| {
            let mut list = predictors(live).to_vec();
            change(&mut list)?;
            Ok((list != predictors(live)).then(|| json!({"spec": {"predictors": list}})))
        })
        .await
    }

    async fn set_shares(cx: &Ctx, names: &Names, share: u32) -> Result<()> {
        Self::edit(cx, |list| {
            for predictor in list.iter_mut() {
                let name = name_of(predictor).to_owned();
                if name == names.stable {
                    predictor["traffic"] = (100 - share).into();
                } else if name == names.canary {
                    predictor["traffic"] = share.into();
                }
            }
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl Target for SeldonDeployment {
    async fn observe(&self, cx: &Ctx) -> Result<Seen> {
        let Some(look) = Self::look(cx).await? else {
            return Ok(Seen::nothing(full(cx, None)));
        };
        let applied = match &cx.wanted {
            Some(wanted) => Some(cx.dry_apply(&wanted.object).await?),
            None => None,
        };
        let full = full(cx, Some(&look.live));
        let is_same = applied
            .as_ref()
            .is_some_and(|applied| bare_spec(applied) == bare_spec(&look.live));
        let finishing = look
            .is_replaced(cx, applied.as_ref())
            .then(|| look.version().map(str::to_owned))
            .flatten();
        Ok(Seen {
            replicas: full,
            stable: Some(Stable {
                replicas: number(&look.stable, "/replicas").unwrap_or(full),
                ready: look.ready(cx, &look.stable),
                digest: digest(&bare(&look.stable)),
                is_wanted: look.canary.is_none() && is_same,
            }),
            canary: look.canary.as_ref().map(|predictor| Track {
                version: version_of(predictor).unwrap_or_default().to_owned(),
                replicas: number(predictor, "/replicas").unwrap_or(1),
                ready: look.ready(cx, predictor),
            }),
            traffic: look.traffic(cx),
            labels: labels(&look.live),
            pods: pods(cx, &look),
            finishing,
        })
    }

    async fn scale_canary(&self, cx: &Ctx, replicas: u32) -> Result<()> {
        let wanted = cx.wanted()?;
        let look = Self::look_needed(cx).await?;
        if look
            .version()
            .is_some_and(|version| version != wanted.version)
        {
            return Err(Error::Refused(format!(
                "{} has a predictor of an earlier version, which goes first",
                cx.name
            )));
        }
        let name = inner_name(&wanted.version);
        let asked = predictors(&wanted.object).first().cloned();
        let asked =
            asked.ok_or_else(|| Error::Refused("the wanted object has no predictor".to_owned()))?;
        Self::edit(cx, |list| {
            match list.iter_mut().find(|one| name_of(one) == name) {
                Some(mine) => mine["replicas"] = replicas.into(),
                None => {
                    // Shares of several predictors add up to 100.
                    for predictor in list.iter_mut() {
                        predictor["traffic"] = 100.into();
                    }
                    list.push(beside(&asked, &wanted.version, replicas));
                }
            }
            Ok(())
        })
        .await
    }

    async fn scale_stable(&self, cx: &Ctx, replicas: u32) -> Result<()> {
        Self::edit(cx, |list| {
            for predictor in list.iter_mut().filter(|one| version_of(one).is_none()) {
                predictor["replicas"] = replicas.into();
            }
            Ok(())
        })
        .await
    }

    async fn set_traffic(&self, cx: &Ctx, traffic: &Traffic) -> Result<()> {
        weights_only(traffic)?;
        let look = Self::look_needed(cx).await?;
        let Some(canary) = &look.canary else {
            return without_canary(traffic);
        };
        let share = traffic.canary.min(100);
        if share > 0 {
            cx.has_endpoints(&service_name(&cx.name, canary)).await?;
        }
        if number(canary, "/traffic").unwrap_or(0) == share
            && number(&look.stable, "/traffic") == Some(100 - share)
        {
            return Err(Error::Refused(format!(
                "Seldon has not put the weights into VirtualService {} yet",
                virtual_service_name(cx)
            )));
        }
        Self::set_shares(cx, &look.names(), share).await
    }

    async fn promote(&self, cx: &Ctx) -> Result<Promoted> {
        let wanted = cx.wanted()?;
        let Some(look) = Self::look(cx).await? else {
            cx.apply(&wanted.object).await?;
            return Ok(Promoted::Done);
        };
        let Some(canary) = &look.canary else {
            cx.apply(&wanted.object).await?;
            return Ok(Promoted::Done);
        };
        if look.version() != Some(&wanted.version) {
            return Err(Error::Refused(format!(
                "predictor {} is not {}",
                name_of(canary),
                wanted.version
            )));
        }
        let waits = |text: &str| Ok(Promoted::NotYet(text.to_owned()));
        let applied = cx.dry_apply(&wanted.object).await?;
        if !look.is_replaced(cx, Some(&applied)) {
            let mut asked = predictors(&wanted.object)
                .first()
                .cloned()
                .unwrap_or_default();
            // The canary keeps all traffic until the stable predictor's pods are the new ones.
            asked["traffic"] = 0.into();
            Self::edit(cx, |list| {
                for predictor in list.iter_mut().filter(|one| version_of(one).is_none()) {
                    predictor.clone_from(&asked);
                }
                Ok(())
            })
            .await?;
            return waits("the stable version's pods are replaced");
        }
        let stable = look.of(cx, &look.stable);
        let is_new = contents(&stable) == contents(&look.of(cx, canary));
        if stable.is_empty() || !is_new || !stable.iter().all(|one| is_complete(one)) {
            return waits("the stable version's pods are replaced");
        }
        cx.has_endpoints(&service_name(&cx.name, &look.stable))
            .await?;
        Self::set_shares(cx, &look.names(), 0).await?;
        let traffic = look.traffic(cx).map_err(Error::Refused)?;
        if traffic.canary > 0 {
            return waits("traffic goes over to the stable predictor");
        }
        cx.apply(&wanted.object).await?;
        waits("the canary's pods go")
    }

    async fn remove_canary(&self, cx: &Ctx) -> Result<()> {
        let Some(look) = Self::look(cx).await? else {
            return Ok(());
        };
        let Some(canary) = &look.canary else {
            return Ok(());
        };
        let traffic = look.traffic(cx);
        if traffic.is_ok_and(|traffic| traffic.canary > 0)
            || number(canary, "/traffic").unwrap_or(0) > 0
        {
            return Err(Error::Refused(format!(
                "VirtualService {} still sends traffic to {}",
                virtual_service_name(cx),
                name_of(canary)
            )));
        }
        let asked = cx.wanted.as_ref().and_then(|wanted| {
            let predictor = predictors(&wanted.object).first()?;
            predictor.get("traffic").cloned()
        });
        let name = name_of(canary);
        Self::edit(cx, |list| {
            list.retain(|one| name_of(one) != name);
            for predictor in list.iter_mut().filter_map(Value::as_object_mut) {
                match &asked {
                    Some(share) => predictor.insert("traffic".to_owned(), share.clone()),
                    None => predictor.remove("traffic"),
                };
            }
            Ok(())
        })
        .await
    }

    async fn endpoint(&self, cx: &Ctx) -> Result<(String, u16)> {
        let look = Self::look_needed(cx).await?;
        let canary = look
            .canary
            .ok_or_else(|| Error::Refused("the new version is not there yet".to_owned()))?;
        let service = service_name(&cx.name, &canary);
        cx.has_endpoints(&service).await?;
        Ok((service, 8000))
    }

    fn related(&self, cx: &Ctx) -> Vec<(GroupVersionKind, String)> {
        vec![
            (cx.gvk.clone(), cx.name.clone()),
            (virtual_services(), virtual_service_name(cx)),
        ]
    }

    fn problems(&self, cx: &Ctx) -> Vec<Problem> {
        let mut problems = step_problems(cx, "SeldonDeployment");
        let Some(wanted) = &cx.wanted else {
            return problems;
        };
        let list = predictors(&wanted.object);
        if list.len() != 1 || list.iter().any(|one| version_of(one).is_some()) {
            problems.push(Problem {
                at: "the target's spec.predictors".to_owned(),
                message: "a rollout needs one predictor, not named as its own (v and ten digits), and adds a second one"
                    .to_owned(),
            });
        }
        problems
    }
}

/// Returns the pods as Seldon made them for the stable version, with the resources of the wanted containers.
fn pods(cx: &Ctx, look: &Look) -> Pods {
    let mut resources = std::collections::BTreeMap::new();
    let wanted = cx.wanted.as_ref();
    let asked = wanted.and_then(|wanted| predictors(&wanted.object).first());
    let specs = asked.and_then(|asked| asked.get("componentSpecs")?.as_array());
    for spec in specs.into_iter().flatten() {
        let list = spec.pointer("/spec/containers").and_then(Value::as_array);
        for container in list.into_iter().flatten() {
            if let Some(part) = container.get("resources") {
                resources.insert(
                    text(container, "/name").unwrap_or_default().to_owned(),
                    part.clone(),
                );
            }
        }
    }
    let stable = look.of(cx, &look.stable);
    let shape = |deployment: &&Value| {
        let template = deployment.pointer("/spec/template/spec");
        let mut spec = template.cloned().unwrap_or_default();
        give_resources(&mut spec, |name| resources.get(name));
        PodShape { spec, count: 1 }
    };
    Pods {
        gang: stable.iter().map(shape).collect(),
        together: None,
        old: match stable.as_slice() {
            [one] => one.pointer("/spec/selector").and_then(selector),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(name: &str, predictor: Option<&str>, image: &str) -> Value {
        let env = predictor.map(|name| json!([{"name": "PREDICTOR_ID", "value": name}]));
        json!({"metadata": {"name": name}, "spec": {"template": {"spec": {"containers": [
            {"name": "model", "image": image, "env": env},
            {"name": ENGINE, "args": [name]},
        ]}}}})
    }

    #[test]
    fn deployments_are_told_apart_by_name_or_by_what_they_are_told() {
        assert!(is_of(
            &deployment("fraud-default-0-model", None, "a"),
            "fraud",
            "default"
        ));
        assert!(is_of(
            &deployment("seldon-0123", Some("default"), "a"),
            "fraud",
            "default"
        ));
        assert!(!is_of(
            &deployment("fraud-v1111111111-0-model", Some("v1111111111"), "a"),
            "fraud",
            "default"
        ));
        assert!(!is_of(
            &deployment("fraud-default-explainer", None, "a"),
            "fraud",
            "default"
        ));
    }

    #[test]
    fn pods_are_the_new_ones_when_their_containers_are() {
        let (old, new) = (deployment("a", None, "one"), deployment("b", None, "two"));
        let replaced = deployment("a", None, "two");
        assert_ne!(contents(&[&old]), contents(&[&new]));
        assert_eq!(contents(&[&replaced]), contents(&[&new]));
    }

    #[test]
    fn a_second_predictor_takes_no_name_and_no_traffic_of_the_first() {
        let wanted = json!({"name": "default", "traffic": 100, "replicas": 3, "explainer": {"type": "a"},
            "annotations": {SERVICE_NAME: "fraud", "other": "x"}, "graph": {"name": "model"}});
        assert_eq!(
            beside(&wanted, "1111111111", 1),
            json!({"name": "v1111111111", "traffic": 0, "replicas": 1,
                "annotations": {"other": "x"}, "graph": {"name": "model"}})
        );
        assert_eq!(
            version_of(&beside(&wanted, "1111111111", 1)),
            Some("1111111111")
        );
        assert_eq!(service_name("fraud", &wanted), "fraud");
    }
}
