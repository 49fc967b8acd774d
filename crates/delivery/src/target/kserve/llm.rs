//! LLMInferenceService of KServe (v0.20 or newer). Members of a routing group (`spec.router.route.group`) share the traffic by
//! their weights: the new version is a second member, `NAME-canary`, and the weights of both are percentages.
//!
//! - **Pods bear the member's name**, so that a promotion cannot keep those of the canary: the target is replaced while the canary
//!   has all traffic, then takes everything back, and the canary goes.
//! - **A weight is what the target's own HTTPRoute gives both members**: of the routes of a group the oldest one counts. Paths
//!   below `/NAMESPACE/NAME` are the member's own and take no part.
//! - KServe takes a member into the routes when its router and its pods are ready, not before.
//! - The target's weight from before is noted in an annotation of the canary, which goes with it.

use async_trait::async_trait;
use driftless_api::rollout::Problem;
use driftless_core::GroupVersionKind;
use driftless_kube::write::Propagation;
use driftless_rollout::machine::Track;
use driftless_rollout::plan::Traffic;
use driftless_rollout::route::{Names, Router};
use serde_json::{Value, json};

use super::edit;
use crate::target::cx::VERSION;
use crate::target::json::{
    annotation, digest, give_resources, is_complete, is_going, is_observed, labels, number,
    selector, text,
};
use crate::target::kinds::{deployments, http_routes};
use crate::target::{
    Ctx, Error, PodShape, Pods, Promoted, Result, Seen, Stable, Target, weights_only,
    without_canary,
};

/// Annotation of the canary: the target's weight before it came.
const WEIGHT: &str = "driftless.dev/weight-before";
const WEIGHT_FIELD: &str = "/spec/router/route/weight";
const GROUP_FIELD: &str = "/spec/router/route/group";

/// The LLMInferenceService.
#[derive(Clone, Copy, Debug)]
pub(in crate::target) struct LlmInferenceService;

fn canary_name(cx: &Ctx) -> String {
    format!("{}-canary", cx.name)
}

/// Returns the name of the HTTPRoute that KServe makes for a member.
fn route_name(member: &str) -> String {
    format!("{member}-kserve-route")
}

fn workload_name(member: &str) -> String {
    format!("{member}-kserve")
}

fn service_name(member: &str) -> String {
    format!("{member}-kserve-workload-svc")
}

/// Returns a spec without what a rollout may change about it.
fn bare(object: &Value) -> Value {
    let mut spec = object.pointer("/spec").cloned().unwrap_or_default();
    if let Some(route) = spec
        .pointer_mut("/router/route")
        .and_then(Value::as_object_mut)
    {
        route.remove("weight");
    }
    if let Value::Object(map) = &mut spec {
        map.remove("replicas");
    }
    spec
}

/// Returns the pods that can serve, of those that a request needs the fewest.
fn ready(member: &Value) -> u32 {
    let pods = |part: &str| {
        let part = member.pointer(&format!("/status/workloads/{part}"))?;
        (!part.is_null()).then(|| number(part, "/readyReplicas").unwrap_or(0))
    };
    let Some(primary) = pods("primary") else {
        return 0;
    };
    let others = [pods("prefill"), pods("scheduler")];
    if others.contains(&Some(0)) {
        0
    } else {
        primary
    }
}

/// Returns the backend that stands for a member in the routes of its group.
fn backend(member: &Value, name: &str) -> String {
    text(member, "/spec/router/scheduler/pool/ref/name")
        .or_else(|| text(member, "/status/router/scheduler/inferencePool/name"))
        .map_or_else(|| service_name(name), str::to_owned)
}

/// Says whether a rule is for one member alone, whatever the weights.
fn is_own(rule: &Value, prefix: &str) -> bool {
    let matches = rule.get("matches").and_then(Value::as_array);
    matches.into_iter().flatten().any(|one| {
        text(one, "/path/value").is_some_and(|path| {
            path.strip_prefix(prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    })
}

/// Returns the share of the new version in a route.
fn share(route: &Value, prefix: &str, names: &Names) -> Result<u32, String> {
    let mut route = route.clone();
    if let Some(rules) = route
        .pointer_mut("/spec/rules")
        .and_then(Value::as_array_mut)
    {
        rules.retain(|rule| !is_own(rule, prefix));
    }
    Router::HttpRoute
        .weight(&route, names)
        .map_err(|error| error.to_string())
}

/// Both members.
struct Look {
    live: Value,
    canary: Option<Value>,
    route: Option<Value>,
}

impl Look {
    fn version(&self) -> Option<&str> {
        annotation(self.canary.as_ref()?, VERSION)
    }

    /// Says whether the target was made what the canary is, so that only the traffic is left to go over.
    fn is_replaced(&self, cx: &Ctx, applied: Option<&Value>) -> bool {
        let is_mine = cx
            .wanted
            .as_ref()
            .is_some_and(|wanted| self.version() == Some(&wanted.version));
        is_mine && applied.is_some_and(|applied| bare(applied) == bare(&self.live))
    }

    fn traffic(&self, cx: &Ctx) -> Result<Traffic, String> {
        let name = route_name(&cx.name);
        let Some(route) = &self.route else {
            return Err(format!(
                "HTTPRoute {name} is not there: KServe makes it for spec.router.route.http"
            ));
        };
        let canary = canary_name(cx);
        let names = Names {
            stable: backend(&self.live, &cx.name),
            canary: match &self.canary {
                Some(member) => backend(member, &canary),
                None => service_name(&canary),
            },
        };
        let prefix = format!("/{}/{}", cx.owner.namespace, cx.name);
        let share =
            share(route, &prefix, &names).map_err(|error| format!("HTTPRoute {name}: {error}"))?;
        Ok(Traffic {
            canary: share,
            ..Traffic::default()
        })
    }
}

fn weight_patch(weight: u32) -> Value {
    json!({"spec": {"router": {"route": {"weight": weight}}}})
}

/// Returns the member that runs a version beside the target.
fn member(cx: &Ctx, wanted: &Value, version: &str, replicas: u32, before: u32) -> Value {
    let name = canary_name(cx);
    let mut metadata = cx.made(&name, version);
    metadata["annotations"][WEIGHT] = before.to_string().into();
    for (key, value) in labels(wanted) {
        if metadata["labels"].get(&key).is_none() {
            metadata["labels"][key] = value.into();
        }
    }
    // KServe's own annotations say how a member is run.
    let given = wanted
        .pointer("/metadata/annotations")
        .and_then(Value::as_object);
    for (key, value) in given.into_iter().flatten() {
        if key.contains("serving.kserve.io/") {
            metadata["annotations"][key] = value.clone();
        }
    }
    let mut spec = wanted.pointer("/spec").cloned().unwrap_or_default();
    spec["replicas"] = replicas.into();
    spec["router"]["route"]["weight"] = 0.into();
    if text(&spec, "/model/name").is_none() {
        // Members of a group serve one model; without a name it is the member's own.
        spec["model"]["name"] = cx.name.as_str().into();
    }
    if let Value::Object(map) = &mut spec {
        map.remove("scaling");
    }
    json!({
        "apiVersion": wanted.get("apiVersion"),
        "kind": wanted.get("kind"),
        "metadata": metadata,
        "spec": spec,
    })
}

impl LlmInferenceService {
    async fn look(cx: &Ctx) -> Result<Option<Look>> {
        let live = cx.read_target().await?;
        let Some(live) = live else { return Ok(None) };
        let canary = cx.read(&cx.gvk, &canary_name(cx)).await?;
        if let Some(other) = canary.as_ref().filter(|other| !cx.is_mine(other)) {
            return Err(Error::Refused(format!(
                "LLMInferenceService {} is not the rollout's: its name is needed",
                text(other, "/metadata/name").unwrap_or_default()
            )));
        }
        Ok(Some(Look {
            live,
            canary,
            route: cx.read(&http_routes(), &route_name(&cx.name)).await?,
        }))
    }

    async fn look_needed(cx: &Ctx) -> Result<Look> {
        let gone = || Error::Refused(format!("LLMInferenceService {} is not there", cx.name));
        Self::look(cx).await?.ok_or_else(gone)
    }

    async fn set_weight(cx: &Ctx, name: &str, weight: u32) -> Result<bool> {
        let live = cx.read_needed(&cx.gvk, name, "a rollout needs it").await?;
        if number(&live, WEIGHT_FIELD) == Some(weight) {
            return Ok(false);
        }
        edit(cx, &cx.gvk, name, |live| {
            Ok((number(live, WEIGHT_FIELD) != Some(weight)).then(|| weight_patch(weight)))
        })
        .await?;
        Ok(true)
    }

    /// Writes both weights. The one that grows is written first: a group whose weights are all 0 serves nobody.
    async fn set_weights(cx: &Ctx, stable: u32, canary: u32) -> Result<bool> {
        let other = canary_name(cx);
        let order = if stable > 0 && canary == 0 {
            [(cx.name.as_str(), stable), (other.as_str(), canary)]
        } else {
            [(other.as_str(), canary), (cx.name.as_str(), stable)]
        };
        let mut is_new = false;
        for (name, weight) in order {
            is_new |= Self::set_weight(cx, name, weight).await?;
        }
        Ok(is_new)
    }

    /// Says whether KServe has done what a member asks for.
    async fn is_done(cx: &Ctx, member: &Value) -> Result<bool> {
        if !is_observed(member) {
            return Ok(false);
        }
        for part in ["primary", "prefill"] {
            let Some(name) = text(member, &format!("/status/workloads/{part}/name")) else {
                if part == "primary" {
                    return Ok(false);
                }
                continue;
            };
            let workload = cx.read(&deployments(), name).await?;
            if !workload.is_some_and(|workload| is_complete(&workload)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[async_trait]
impl Target for LlmInferenceService {
    async fn observe(&self, cx: &Ctx) -> Result<Seen> {
        let wanted = cx.wanted.as_ref();
        let asked = wanted.and_then(|wanted| number(&wanted.object, "/spec/replicas"));
        let Some(look) = Self::look(cx).await? else {
            return Ok(Seen::nothing(asked.unwrap_or(1).max(1)));
        };
        let applied = match wanted {
            Some(wanted) => Some(cx.dry_apply(&wanted.object).await?),
            None => None,
        };
        let is_same = applied
            .as_ref()
            .is_some_and(|applied| bare(applied) == bare(&look.live));
        let replicas = number(&look.live, "/spec/replicas").unwrap_or(1);
        let full = asked.unwrap_or(replicas).max(1);
        let workload = cx.read(&deployments(), &workload_name(&cx.name)).await?;
        let finishing = look
            .is_replaced(cx, applied.as_ref())
            .then(|| wanted.map(|wanted| wanted.version.clone()))
            .flatten();
        Ok(Seen {
            replicas: full,
            stable: Some(Stable {
                replicas,
                ready: ready(&look.live),
                digest: digest(&bare(&look.live)),
                is_wanted: look.canary.is_none() && is_same,
            }),
            canary: look.canary.as_ref().map(|member| Track {
                version: annotation(member, VERSION).unwrap_or_default().to_owned(),
                replicas: if is_going(member) {
                    0
                } else {
                    number(member, "/spec/replicas").unwrap_or(1)
                },
                ready: ready(member),
            }),
            traffic: look.traffic(cx),
            labels: labels(&look.live),
            pods: pods(cx, workload.as_ref()),
            finishing,
        })
    }

    async fn scale_canary(&self, cx: &Ctx, replicas: u32) -> Result<()> {
        let wanted = cx.wanted()?;
        let look = Self::look_needed(cx).await?;
        let Some(canary) = &look.canary else {
            let before = number(&look.live, WEIGHT_FIELD).filter(|weight| *weight > 0);
            let before = before.ok_or_else(|| {
                Error::Refused(format!(
                    "{}: spec.router.route needs a group and a weight above 0",
                    cx.name
                ))
            })?;
            let made = member(cx, &wanted.object, &wanted.version, replicas, before);
            return cx.apply(&made).await;
        };
        if annotation(canary, VERSION) != Some(&wanted.version) {
            return Err(Error::Refused(format!(
                "{} is an earlier version, which goes first",
                canary_name(cx)
            )));
        }
        edit(cx, &cx.gvk, &canary_name(cx), |member| {
            Ok((number(member, "/spec/replicas") != Some(replicas))
                .then(|| json!({"spec": {"replicas": replicas}})))
        })
        .await
    }

    async fn scale_stable(&self, cx: &Ctx, replicas: u32) -> Result<()> {
        edit(cx, &cx.gvk, &cx.name, |live| {
            if live
                .pointer("/spec/scaling")
                .is_some_and(|scaling| !scaling.is_null())
            {
                return Err(Error::Refused(format!(
                    "{} is scaled by spec.scaling: how many pods it has is not the rollout's",
                    cx.name
                )));
            }
            Ok((number(live, "/spec/replicas") != Some(replicas))
                .then(|| json!({"spec": {"replicas": replicas}})))
        })
        .await
    }

    async fn set_traffic(&self, cx: &Ctx, traffic: &Traffic) -> Result<()> {
        weights_only(traffic)?;
        let look = Self::look_needed(cx).await?;
        let canary = look.canary.as_ref().filter(|member| !is_going(member));
        let Some(canary) = canary else {
            return without_canary(traffic);
        };
        if traffic.canary > 0 && ready(canary) == 0 {
            return Err(Error::Refused(format!(
                "{} has no ready pods: it gets no traffic",
                canary_name(cx)
            )));
        }
        let share = traffic.canary.min(100);
        if Self::set_weights(cx, 100 - share, share).await? {
            return Ok(());
        }
        Err(Error::Refused(format!(
            "KServe has not put the weights into HTTPRoute {} yet: it takes a member in when its router is ready",
            route_name(&cx.name)
        )))
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
        if annotation(canary, VERSION) != Some(&wanted.version) {
            return Err(Error::Refused(format!(
                "{} is not {}",
                canary_name(cx),
                wanted.version
            )));
        }
        let waits = |text: &str| Ok(Promoted::NotYet(text.to_owned()));
        let applied = cx.dry_apply(&wanted.object).await?;
        if !look.is_replaced(cx, Some(&applied)) {
            let mut object = wanted.object.as_ref().clone();
            // The canary keeps all traffic until the target's pods are the new ones.
            object["spec"]["router"]["route"]["weight"] = 0.into();
            cx.apply(&object).await?;
            return waits("the stable version's pods are replaced");
        }
        if is_going(canary) {
            return waits("the canary's pods go");
        }
        if !Self::is_done(cx, &look.live).await? || ready(&look.live) == 0 {
            return waits("the stable version's pods are replaced");
        }
        let weight = number(&wanted.object, WEIGHT_FIELD).unwrap_or(100);
        Self::set_weights(cx, weight, 0).await?;
        let traffic = look.traffic(cx).map_err(Error::Refused)?;
        if traffic.canary > 0 {
            return waits("traffic goes over to the target");
        }
        cx.apply(&wanted.object).await?;
        cx.delete(
            &cx.gvk,
            &canary_name(cx),
            Some(canary),
            Propagation::Background,
        )
        .await?;
        waits("the canary's pods go")
    }

    async fn remove_canary(&self, cx: &Ctx) -> Result<()> {
        let canary = cx.read(&cx.gvk, &canary_name(cx)).await?;
        let Some(canary) = canary.filter(|canary| cx.is_mine(canary)) else {
            return Ok(());
        };
        if let Some(look) = Self::look(cx).await? {
            let traffic = look.traffic(cx);
            if traffic.is_ok_and(|traffic| traffic.canary > 0) {
                return Err(Error::Refused(format!(
                    "HTTPRoute {} still sends traffic to {}",
                    route_name(&cx.name),
                    canary_name(cx)
                )));
            }
            if let Some(before) = annotation(&canary, WEIGHT).and_then(|text| text.parse().ok()) {
                Self::set_weight(cx, &cx.name, before).await?;
            }
        }
        if is_going(&canary) {
            // KServe keeps it until no route names it.
            return Ok(());
        }
        cx.delete(
            &cx.gvk,
            &canary_name(cx),
            Some(&canary),
            Propagation::Background,
        )
        .await
    }

    async fn endpoint(&self, cx: &Ctx) -> Result<(String, u16)> {
        let service = service_name(&canary_name(cx));
        cx.has_endpoints(&service).await?;
        let services = GroupVersionKind::new("", "v1", "Service");
        let object = cx
            .read_needed(&services, &service, "KServe makes it for each member")
            .await?;
        let ports = object.pointer("/spec/ports").and_then(Value::as_array);
        let is_secure = ports
            .into_iter()
            .flatten()
            .any(|port| text(port, "/appProtocol") == Some("https"));
        // That is how the API server is told the scheme.
        let scheme = if is_secure { "https:" } else { "" };
        Ok((format!("{scheme}{service}"), 8000))
    }

    fn related(&self, cx: &Ctx) -> Vec<(GroupVersionKind, String)> {
        vec![
            (cx.gvk.clone(), cx.name.clone()),
            (cx.gvk.clone(), canary_name(cx)),
            (http_routes(), route_name(&cx.name)),
            (deployments(), workload_name(&cx.name)),
            (deployments(), workload_name(&canary_name(cx))),
        ]
    }

    fn problems(&self, cx: &Ctx) -> Vec<Problem> {
        let mut problems = super::step_problems(cx, "LLMInferenceService");
        let Some(wanted) = &cx.wanted else {
            return problems;
        };
        let mut add = |at: &str, message: &str| {
            problems.push(Problem {
                at: format!("the target's spec.{at}"),
                message: message.to_owned(),
            });
        };
        let object = &wanted.object;
        if text(object, GROUP_FIELD).is_none() || number(object, WEIGHT_FIELD).unwrap_or(0) == 0 {
            add(
                "router.route",
                "a rollout needs a group of its own, and a weight above 0: group: NAME, weight: 100",
            );
        }
        for part in ["worker", "prefill/worker"] {
            let value = object.pointer(&format!("/spec/{part}"));
            if value.is_some_and(|value| !value.is_null()) {
                add(
                    &part.replace('/', "."),
                    "rollouts of models over several nodes are not carried out",
                );
            }
        }
        problems
    }
}

/// Returns the pods as KServe made them for the stable version, with the resources of the wanted template.
fn pods(cx: &Ctx, workload: Option<&Value>) -> Pods {
    let Some(workload) = workload else {
        return Pods::default();
    };
    let template = workload.pointer("/spec/template/spec");
    let mut spec = template.cloned().unwrap_or_default();
    let wanted = cx.wanted.as_ref();
    let asked = wanted.and_then(|wanted| {
        wanted
            .object
            .pointer("/spec/template/containers")?
            .as_array()
    });
    let asked = asked.map(Vec::as_slice).unwrap_or_default();
    give_resources(&mut spec, |name| {
        let named = asked.iter().find(|one| text(one, "/name") == Some(name));
        named?.get("resources")
    });
    Pods {
        gang: vec![PodShape { spec, count: 1 }],
        together: None,
        old: workload.pointer("/spec/selector").and_then(selector),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_one_member_take_no_part_in_the_weights() {
        let rule = |path: &str, backends: Value| json!({"matches": [{"path": {"type": "PathPrefix", "value": path}}], "backendRefs": backends});
        let both =
            json!([{"name": "chat-svc", "weight": 80}, {"name": "chat-canary-svc", "weight": 20}]);
        let own = json!([{"name": "chat-svc", "weight": 1}]);
        let names = Names {
            stable: "chat-svc".into(),
            canary: "chat-canary-svc".into(),
        };
        let route = json!({"spec": {"rules": [
            rule("/models/chat/v1/completions", own.clone()),
            rule("/publishers/models/models/m/v1/completions", both.clone()),
            rule("/models/chat", own.clone()),
        ]}});
        assert_eq!(share(&route, "/models/chat", &names), Ok(20));
        // A path that only begins alike is another one.
        let route = json!({"spec": {"rules": [rule("/models/chatty", own), rule("/p", both)]}});
        assert!(share(&route, "/models/chat", &names).is_err());
    }

    #[test]
    fn a_member_is_ready_with_all_that_a_request_passes() {
        let member = |workloads: Value| json!({"status": {"workloads": workloads}});
        assert_eq!(ready(&member(json!({"primary": {"readyReplicas": 2}}))), 2);
        assert_eq!(ready(&member(json!({"primary": {}}))), 0);
        assert_eq!(ready(&json!({})), 0);
        let without = json!({"primary": {"readyReplicas": 2}, "prefill": {"name": "p"}});
        assert_eq!(ready(&member(without)), 0);
    }

    #[test]
    fn weights_and_numbers_of_pods_are_no_difference() {
        let one = json!({"spec": {"replicas": 2, "model": {"uri": "a"}, "router": {"route": {"group": "g", "weight": 100}}}});
        let other = json!({"spec": {"replicas": 1, "model": {"uri": "a"}, "router": {"route": {"group": "g", "weight": 0}}}});
        assert_eq!(bare(&one), bare(&other));
    }
}
