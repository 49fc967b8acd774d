//! What can be said about a ModelRollout without asking anybody.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::strategy::{Analysis, BlueGreen, Canary, Step};
use super::{ModelRollout, ModelRolloutSpec, TargetRef, TargetSelector};
use crate::analysis::{AnalysisTemplateSpec, Argument, Compare, Metric};
use crate::duration;
use crate::extra::Extra;
use crate::value::IntOrString;

/// One thing that is wrong, and where.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Problem {
    /// Path of the field, such as `spec.strategy.canary.steps[2]`.
    pub at: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.message)
    }
}

/// Kinds whose traffic can move in steps, as group and kind.
pub const TARGET_KINDS: [(&str, &str); 7] = [
    ("serving.kserve.io", "InferenceService"),
    ("serving.kserve.io", "LLMInferenceService"),
    ("machinelearning.seldon.io", "SeldonDeployment"),
    ("mlops.seldon.io", "Model"),
    ("mlops.seldon.io", "Experiment"),
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
];

/// Returns what is wrong with a spec, in the order of the fields; empty when nothing is.
pub fn validate(spec: &ModelRolloutSpec) -> Vec<Problem> {
    let mut check = Check::default();
    check.target(spec);
    check.unknown("spec", &spec.extra);
    match (&spec.strategy.canary, &spec.strategy.blue_green) {
        (Some(canary), None) => check.canary("spec.strategy.canary", canary),
        (None, Some(blue_green)) => check.blue_green("spec.strategy.blueGreen", blue_green),
        (None, None) => check.add("spec.strategy", "set canary or blueGreen"),
        (Some(_), Some(_)) => check.add("spec.strategy", "set canary or blueGreen, not both"),
    }
    check.unknown("spec.strategy", &spec.strategy.extra);
    if let super::OnFailure::Other(text) = &spec.on_failure
        && !text.is_empty()
    {
        let message = format!("{text:?} is not known: rollback or hold");
        check.add("spec.onFailure", message);
    }
    check.at_least(
        "spec.progressDeadlineSeconds",
        spec.progress_deadline_seconds,
        1,
    );
    check.between(
        "spec.decisionHistoryLimit",
        spec.decision_history_limit,
        1,
        100,
    );
    check.problems
}

/// Returns what is wrong with a template.
pub fn validate_templates(at: &str, template: &AnalysisTemplateSpec) -> Vec<Problem> {
    let mut check = Check::default();
    check.metrics(&format!("{at}.metrics"), &template.metrics);
    check.args(&format!("{at}.args"), &template.args);
    check.problems
}

/// Returns pairs of rollouts that have the same target by name: the older one, and the one that must wait. Targets by
/// selector are compared by the caller, who knows the labels.
pub fn same_target<'a>(rollouts: &[&'a ModelRollout]) -> Vec<(&'a ModelRollout, &'a ModelRollout)> {
    let age = |rollout: &ModelRollout| {
        let created = rollout
            .metadata
            .creation_timestamp
            .map(crate::Time::timestamp);
        (created.is_none(), created, rollout.metadata.name.clone())
    };
    let mut first: BTreeMap<(&str, &str, &str, &str), &'a ModelRollout> = BTreeMap::new();
    let mut sorted = rollouts.to_vec();
    sorted.sort_by_key(|rollout| age(rollout));
    let mut pairs = Vec::new();
    for rollout in sorted {
        let Some(target) = &rollout.spec.target_ref else {
            continue;
        };
        let group = target
            .api_version
            .split_once('/')
            .map_or("", |(group, _)| group);
        let namespace = rollout.metadata.namespace.as_str();
        let key = (namespace, group, target.kind.as_str(), target.name.as_str());
        match first.get(&key) {
            Some(older) => pairs.push((*older, rollout)),
            None => {
                first.insert(key, rollout);
            }
        }
    }
    pairs
}

#[derive(Default)]
struct Check {
    problems: Vec<Problem>,
}

impl Check {
    fn add(&mut self, at: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem {
            at: at.into(),
            message: message.into(),
        });
    }

    fn unknown(&mut self, at: &str, extra: &Extra) {
        for (name, _) in extra.iter() {
            self.add(
                format!("{at}.{name}"),
                "this field is not known: is it misspelt?",
            );
        }
    }

    fn at_least(&mut self, at: &str, value: Option<i64>, least: i64) {
        if let Some(value) = value.filter(|value| *value < least) {
            self.add(at, format!("{value} is less than {least}"));
        }
    }

    fn between(&mut self, at: &str, value: Option<i64>, least: i64, most: i64) {
        if let Some(value) = value.filter(|value| !(least..=most).contains(value)) {
            self.add(at, format!("{value} is not between {least} and {most}"));
        }
    }

    fn duration(&mut self, at: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        match duration::parse(text) {
            Ok(length) if length.is_negative() => self.add(at, format!("{text} is negative")),
            Ok(_) => {}
            Err(error) => self.add(at, format!("{error}: write it as 30s, 5m or 1h")),
        }
    }

    fn target(&mut self, spec: &ModelRolloutSpec) {
        match (&spec.target_ref, &spec.selector) {
            (Some(target), None) => self.target_ref("spec.targetRef", target),
            (None, Some(selector)) => self.selector("spec.selector", selector),
            (None, None) => self.add("spec.targetRef", "set targetRef or selector"),
            (Some(_), Some(_)) => self.add("spec.selector", "set targetRef or selector, not both"),
        }
    }

    fn kind(&mut self, at: &str, api_version: &str, kind: &str) {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        if api_version.is_empty() || kind.is_empty() {
            self.add(at, "apiVersion and kind are required");
        } else if !TARGET_KINDS.contains(&(group, kind)) {
            let known: Vec<&str> = TARGET_KINDS.iter().map(|(_, kind)| *kind).collect();
            let message = format!(
                "{api_version} {kind} cannot take traffic in steps; known kinds: {}",
                known.join(", ")
            );
            self.add(at, message);
        }
    }

    fn target_ref(&mut self, at: &str, target: &TargetRef) {
        self.kind(at, &target.api_version, &target.kind);
        if target.name.is_empty() {
            self.add(format!("{at}.name"), "required");
        }
        self.unknown(at, &target.extra);
    }

    fn selector(&mut self, at: &str, selector: &TargetSelector) {
        self.kind(at, &selector.api_version, &selector.kind);
        if selector.match_labels.is_empty() && selector.match_expressions.is_empty() {
            self.add(at, "matchLabels or matchExpressions is required: an empty selector would take every object");
        }
        for (index, expression) in selector.match_expressions.iter().enumerate() {
            let needs_values = match expression.operator.as_str() {
                "In" | "NotIn" => true,
                "Exists" | "DoesNotExist" => false,
                other => {
                    let message = format!("{other:?} is not In, NotIn, Exists or DoesNotExist");
                    self.add(format!("{at}.matchExpressions[{index}].operator"), message);
                    continue;
                }
            };
            if needs_values == expression.values.is_empty() {
                let message = if needs_values {
                    "values are required"
                } else {
                    "no values belong here"
                };
                self.add(format!("{at}.matchExpressions[{index}].values"), message);
            }
        }
        self.unknown(at, &selector.extra);
    }

    fn canary(&mut self, at: &str, canary: &Canary) {
        self.unknown(at, &canary.extra);
        if canary.steps.is_empty() {
            let message =
                "at least one step is required: without any, all traffic would move at once";
            self.add(format!("{at}.steps"), message);
        }
        if let Some(analysis) = &canary.analysis {
            let inner = format!("{at}.analysis");
            self.unknown(&inner, &analysis.extra);
            self.analysis(&inner, &analysis.to_analysis(), Place::Background);
            let last = canary.steps.len().saturating_sub(1) as i64;
            let name = format!("{inner}.startingStep");
            self.between(&name, analysis.starting_step, 0, last);
        }
        self.at_least(
            &format!("{at}.scaleDownDelaySeconds"),
            canary.scale_down_delay_seconds,
            0,
        );
        let name = format!("{at}.abortScaleDownDelaySeconds");
        self.at_least(&name, canary.abort_scale_down_delay_seconds, 0);
        self.routing(at, canary.traffic_routing.as_deref());
        self.steps(&format!("{at}.steps"), &canary.steps);
        self.managed_routes(at, canary);
    }

    fn routing(&mut self, at: &str, routing: Option<&super::strategy::TrafficRouting>) {
        let Some(routing) = routing else { return };
        let at = format!("{at}.trafficRouting");
        let set = [
            routing.http_route.is_some(),
            routing.virtual_service.is_some(),
            routing.nginx.is_some(),
            routing.replicas.is_some(),
        ];
        if set.iter().filter(|set| **set).count() > 1 {
            self.add(&at, "set one router, not several");
        }
        self.unknown(&at, &routing.extra);
    }

    /// Routes that are listed at all are listed in full: the order among the others would be a guess.
    fn managed_routes(&mut self, at: &str, canary: &Canary) {
        let routing = canary.traffic_routing.as_deref();
        let managed = routing.map_or(&[][..], |routing| &routing.managed_routes);
        let mut listed = BTreeSet::new();
        for (index, route) in managed.iter().enumerate() {
            let at = format!("{at}.trafficRouting.managedRoutes[{index}]");
            if route.name.is_empty() {
                self.add(format!("{at}.name"), "required");
            } else if !listed.insert(route.name.as_str()) {
                self.add(at, format!("{} is there twice", route.name));
            }
        }
        if managed.is_empty() {
            return;
        }
        for (index, step) in canary.steps.iter().enumerate() {
            let header = step.set_header_route.as_ref().map(|route| &route.name);
            let mirror = step.set_mirror_route.as_ref().map(|route| &route.name);
            for name in header.into_iter().chain(mirror) {
                if !name.is_empty() && !listed.contains(name.as_str()) {
                    let message =
                        format!("{name:?} is not in trafficRouting.managedRoutes: list it there");
                    self.add(format!("{at}.steps[{index}]"), message);
                }
            }
        }
    }

    fn steps(&mut self, at: &str, steps: &[Step]) {
        let mut weight = 0;
        let mut replicas = None;
        let mut routes: BTreeSet<&str> = BTreeSet::new();
        for (index, step) in steps.iter().enumerate() {
            let at = format!("{at}[{index}]");
            self.unknown(&at, &step.extra);
            match step.named().as_slice() {
                [_] => {}
                [] => self.add(&at, "a step says what to do: setWeight, pause, analysis, setCanaryScale, warmup, setHeaderRoute or setMirrorRoute"),
                several => self.add(&at, format!("a step does one thing, not {}", several.join(" and "))),
            }
            if let Some(wanted) = step.set_weight {
                self.between(&format!("{at}.setWeight"), Some(wanted), 0, 100);
                if index > 0 && wanted == weight {
                    let message =
                        format!("the weight is {wanted} already: this step changes nothing");
                    self.add(format!("{at}.setWeight"), message);
                }
                weight = wanted;
                if weight > 0 && replicas == Some(0) {
                    let message = "the new version has no pods here (setCanaryScale before it says 0): the weight cannot be reached";
                    self.add(format!("{at}.setWeight"), message);
                }
            }
            if let Some(pause) = &step.pause {
                self.pause(&at, pause.duration.as_ref());
            }
            if let Some(analysis) = &step.analysis {
                let inner = format!("{at}.analysis");
                self.unknown(&inner, &analysis.extra);
                self.analysis(&inner, analysis, Place::Step);
            }
            if let Some(scale) = &step.set_canary_scale {
                self.scale(&at, scale, weight);
                replicas = scale.replicas;
            }
            if let Some(warmup) = &step.warmup {
                self.warmup(&format!("{at}.warmup"), warmup, replicas == Some(0));
            }
            if let Some(route) = &step.set_header_route {
                let at = format!("{at}.setHeaderRoute");
                if route.r#match.is_empty() {
                    self.ends_route(&at, &route.name, &mut routes);
                } else {
                    self.header_route(&at, route);
                    routes.insert(&route.name);
                }
            }
            if let Some(route) = &step.set_mirror_route {
                let at = format!("{at}.setMirrorRoute");
                self.between(&format!("{at}.percentage"), route.percentage, 0, 100);
                if route.share() == 0 {
                    self.ends_route(&at, &route.name, &mut routes);
                } else {
                    self.mirror_route(&at, route);
                    routes.insert(&route.name);
                }
            }
        }
    }

    fn ends_route(&mut self, at: &str, name: &str, routes: &mut BTreeSet<&str>) {
        if name.is_empty() {
            self.add(format!("{at}.name"), "required");
        } else if !routes.remove(name) {
            self.add(
                at,
                format!("no step before this one begins the route {name:?} that it ends"),
            );
        }
    }

    fn header_route(&mut self, at: &str, route: &super::strategy::SetHeaderRoute) {
        if route.name.is_empty() {
            self.add(format!("{at}.name"), "required");
        }
        for (index, header) in route.r#match.iter().enumerate() {
            let at = format!("{at}.match[{index}]");
            if header.header_name.is_empty() {
                self.add(format!("{at}.headerName"), "required");
            }
            self.string_match(&format!("{at}.headerValue"), &header.header_value);
        }
    }

    fn string_match(&mut self, at: &str, value: &super::strategy::StringMatch) {
        let set = [&value.exact, &value.prefix, &value.regex];
        if set.iter().filter(|text| !text.is_empty()).count() != 1 {
            self.add(at, "set one of exact, prefix and regex");
        }
        self.unknown(at, &value.extra);
    }

    fn mirror_route(&mut self, at: &str, route: &super::strategy::SetMirrorRoute) {
        if route.name.is_empty() {
            self.add(format!("{at}.name"), "required");
        }
        self.unknown(at, &route.extra);
        for (index, wanted) in route.r#match.iter().enumerate() {
            let at = format!("{at}.match[{index}]");
            self.unknown(&at, &wanted.extra);
            if wanted.method.is_none() && wanted.path.is_none() && wanted.headers.is_empty() {
                self.add(&at, "set method, path or headers");
            }
            for (name, value) in [("method", &wanted.method), ("path", &wanted.path)] {
                if let Some(value) = value {
                    self.string_match(&format!("{at}.{name}"), value);
                }
            }
            for (name, value) in &wanted.headers {
                self.string_match(&format!("{at}.headers.{name}"), value);
            }
        }
    }

    fn pause(&mut self, at: &str, duration: Option<&IntOrString>) {
        let at = format!("{at}.pause.duration");
        match duration {
            Some(IntOrString::Int(seconds)) => self.at_least(&at, Some(*seconds), 0),
            Some(IntOrString::Text(text)) if text.parse::<u32>().is_err() => {
                self.duration(&at, text);
            }
            _ => {}
        }
    }

    fn scale(&mut self, at: &str, scale: &super::strategy::SetScale, weight: i64) {
        let at = format!("{at}.setCanaryScale");
        let set = [
            scale.replicas.is_some(),
            scale.weight.is_some(),
            scale.match_traffic_weight,
        ];
        if set.iter().filter(|set| **set).count() != 1 {
            self.add(&at, "set one of replicas, weight and matchTrafficWeight");
        }
        self.at_least(&format!("{at}.replicas"), scale.replicas, 0);
        self.between(&format!("{at}.weight"), scale.weight, 0, 100);
        if weight > 0 && (scale.replicas == Some(0) || scale.weight == Some(0)) {
            self.add(
                &at,
                format!("the new version has {weight} % of the traffic here: it needs pods"),
            );
        }
    }

    fn warmup(&mut self, at: &str, warmup: &super::strategy::Warmup, no_pods: bool) {
        self.between(&format!("{at}.requests"), warmup.requests, 1, 1_000_000);
        if warmup
            .success_rate
            .is_some_and(|rate| !(0.0..=1.0).contains(&rate))
        {
            self.add(format!("{at}.successRate"), "it is a share between 0 and 1");
        }
        self.duration(&format!("{at}.timeout"), &warmup.timeout);
        if no_pods {
            self.add(at, "the new version has no pods here: nothing answers");
        }
        self.unknown(at, &warmup.extra);
    }

    fn blue_green(&mut self, at: &str, blue_green: &BlueGreen) {
        self.unknown(at, &blue_green.extra);
        self.at_least(
            &format!("{at}.previewReplicaCount"),
            blue_green.preview_replica_count,
            1,
        );
        self.at_least(
            &format!("{at}.autoPromotionSeconds"),
            blue_green.auto_promotion_seconds,
            0,
        );
        self.at_least(
            &format!("{at}.scaleDownDelaySeconds"),
            blue_green.scale_down_delay_seconds,
            0,
        );
        let name = format!("{at}.abortScaleDownDelaySeconds");
        self.at_least(&name, blue_green.abort_scale_down_delay_seconds, 0);
        if !blue_green.active_service.is_empty()
            && blue_green.active_service == blue_green.preview_service
        {
            self.add(
                format!("{at}.previewService"),
                "it is the active service: nothing would be previewed",
            );
        }
        for (name, analysis) in [
            ("prePromotionAnalysis", &blue_green.pre_promotion_analysis),
            ("postPromotionAnalysis", &blue_green.post_promotion_analysis),
        ] {
            if let Some(analysis) = analysis {
                self.analysis(&format!("{at}.{name}"), analysis, Place::Step);
            }
        }
        self.routing(at, blue_green.traffic_routing.as_deref());
    }

    fn analysis(&mut self, at: &str, analysis: &Analysis, place: Place) {
        if analysis.templates.is_empty() && analysis.metrics.is_empty() {
            self.add(
                at,
                "name a template or write metrics: an analysis without any would judge nothing",
            );
        }
        for (index, template) in analysis.templates.iter().enumerate() {
            if template.template_name.is_empty() {
                self.add(format!("{at}.templates[{index}].templateName"), "required");
            }
        }
        self.args(&format!("{at}.args"), &analysis.args);
        self.metrics(&format!("{at}.metrics"), &analysis.metrics);
        if place == Place::Step {
            for (index, metric) in analysis.metrics.iter().enumerate() {
                if is_endless(metric) {
                    let message = "with an interval and no count it never ends, so that no later step can be reached: set count";
                    self.add(format!("{at}.metrics[{index}]"), message);
                }
            }
        }
    }

    fn args(&mut self, at: &str, args: &[Argument]) {
        let mut seen = BTreeSet::new();
        for (index, arg) in args.iter().enumerate() {
            if arg.name.is_empty() {
                self.add(format!("{at}[{index}].name"), "required");
            } else if !seen.insert(&arg.name) {
                self.add(
                    format!("{at}[{index}]"),
                    format!("{} is there twice", arg.name),
                );
            }
            if arg.value.is_some() && arg.value_from.is_some() {
                self.add(format!("{at}[{index}]"), "set value or valueFrom, not both");
            }
        }
    }

    fn metrics(&mut self, at: &str, metrics: &[Metric]) {
        let mut seen = BTreeSet::new();
        for (index, metric) in metrics.iter().enumerate() {
            let at = format!("{at}[{index}]");
            if metric.name.is_empty() {
                self.add(format!("{at}.name"), "required");
            } else if !seen.insert(&metric.name) {
                self.add(&at, format!("{} is there twice", metric.name));
            }
            self.metric(&at, metric);
        }
    }

    fn metric(&mut self, at: &str, metric: &Metric) {
        self.duration(&format!("{at}.interval"), &metric.interval);
        self.duration(&format!("{at}.initialDelay"), &metric.initial_delay);
        for (name, value, least) in [
            ("count", &metric.count, 0),
            ("failureLimit", &metric.failure_limit, -1),
            ("inconclusiveLimit", &metric.inconclusive_limit, 0),
            ("consecutiveErrorLimit", &metric.consecutive_error_limit, 0),
            (
                "consecutiveSuccessLimit",
                &metric.consecutive_success_limit,
                0,
            ),
        ] {
            match value {
                // An argument decides later.
                Some(IntOrString::Text(text)) if text.contains("{{") => {}
                Some(value) => match value.as_int() {
                    Some(number) => self.at_least(&format!("{at}.{name}"), Some(number), least),
                    None => self.add(
                        format!("{at}.{name}"),
                        format!("{value} is not a whole number"),
                    ),
                },
                None => {}
            }
        }
        let count = metric
            .count
            .as_ref()
            .and_then(IntOrString::as_int)
            .unwrap_or(0);
        if count > 1 && metric.interval.is_empty() {
            self.add(
                format!("{at}.interval"),
                "more than one measurement needs an interval",
            );
        }
        match metric.provider.named().as_slice() {
            [_] => {}
            [] => self.add(format!("{at}.provider"), "no provider is set"),
            several => self.add(
                format!("{at}.provider"),
                format!("set one provider, not {}", several.join(" and ")),
            ),
        }
        if !matches!(metric.no_data.as_str(), "" | "inconclusive" | "fail") {
            let message = format!("{:?} is not known: inconclusive or fail", metric.no_data);
            self.add(format!("{at}.noData"), message);
        }
        if let Some(compare) = &metric.compare {
            self.compare(&format!("{at}.compare"), compare);
            if !metric.success_condition.is_empty() || !metric.failure_condition.is_empty() {
                self.add(at, "compare judges by itself: no conditions beside it");
            }
            if let Some(prometheus) = &metric.provider.prometheus {
                let wanted = ["canary.bad", "canary.total", "stable.bad", "stable.total"];
                // Against a limit the stable version is not asked for.
                let wanted = wanted
                    .iter()
                    .take(if compare.limit.is_some() { 2 } else { 4 });
                for name in wanted.filter(|name| !prometheus.queries.contains_key(**name)) {
                    self.add(
                        format!("{at}.provider.prometheus.queries"),
                        format!("{name} is missing: compare needs counts of bad events and of all"),
                    );
                }
            }
        }
    }

    fn compare(&mut self, at: &str, compare: &Compare) {
        if compare
            .alpha
            .is_some_and(|alpha| !(alpha > 0.0 && alpha < 1.0))
        {
            self.add(
                format!("{at}.alpha"),
                "it is a probability above 0 and below 1",
            );
        }
        if compare
            .detect
            .is_some_and(|detect| !(detect > 1.0 && detect <= 1000.0))
        {
            self.add(format!("{at}.detect"), "it is a factor above 1");
        }
        if compare
            .limit
            .is_some_and(|limit| !(limit > 0.0 && limit < 1.0))
        {
            self.add(format!("{at}.limit"), "it is a share above 0 and below 1");
        }
        self.at_least(&format!("{at}.minSamples"), compare.min_samples, 1);
        self.unknown(at, &compare.extra);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Background,
    Step,
}

/// Says whether a metric is measured until its analysis is ended from outside.
pub fn is_endless(metric: &Metric) -> bool {
    let count = metric.count.as_ref().and_then(IntOrString::as_int);
    !metric.interval.is_empty()
        && matches!(count, None | Some(0))
        && metric.consecutive_success_limit.is_none()
        && metric.compare.is_none()
        && !matches!(&metric.count, Some(IntOrString::Text(text)) if text.contains("{{"))
}
