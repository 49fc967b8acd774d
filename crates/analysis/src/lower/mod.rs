//! A ModelRollout and its templates to a plan and to the sources of its metrics.

mod argument;
mod metric;
mod need;
#[cfg(test)]
mod tests;

pub use argument::{SecretName, SecretPlace, Values};
pub use need::{Needs, TemplateName, needs};

use std::collections::{BTreeMap, BTreeSet};

use driftless_api::analysis::{
    AnalysisTemplate, Argument, MeasurementRetention, Metric as ApiMetric, TemplateRef,
};
use driftless_api::duration;
use driftless_api::rollout::strategy::{
    Analysis as ApiAnalysis, BlueGreen as ApiBlueGreen, Canary, HeaderMatch,
    RouteMatch as ApiRouteMatch, StringMatch,
};
use driftless_api::rollout::{
    ModelRolloutSpec, OnFailure as ApiOnFailure, Problem, Step as ApiStep, validation,
};
use driftless_rollout::judge::Analysis;
use driftless_rollout::machine::Which;
use driftless_rollout::plan::{
    Approval, BlueGreen, HeaderRoute, MirrorRoute, OnFailure, Plan, RouteMatch, Scale, Step, Warmup,
};
use jiff::SignedDuration;

use crate::source::MetricSource;

/// Templates inside templates, at most.
const DEEPEST: usize = 8;

fn problem(at: &str, message: impl Into<String>) -> Problem {
    Problem {
        at: at.to_owned(),
        message: message.into(),
    }
}

/// A plan, and where its metrics come from.
#[derive(Clone, PartialEq, Debug)]
pub struct Lowered {
    /// The plan.
    pub plan: Plan,
    /// The source of each metric, by analysis and name.
    pub metrics: BTreeMap<(Which, String), MetricSource>,
}

/// Makes a plan of a spec that has no problems. Templates are those of the rollout's namespace and those of the cluster.
pub fn plan(
    spec: &ModelRolloutSpec,
    templates: &[AnalysisTemplate],
    values: &Values,
) -> Result<Lowered, Problem> {
    let mut cx = Ctx {
        templates,
        values,
        metrics: BTreeMap::new(),
    };
    let mut plan = Plan::new(Vec::new());
    let seconds = |seconds: i64| SignedDuration::from_secs(seconds.max(0));
    if let Some(canary) = &spec.strategy.canary {
        let at = "spec.strategy.canary";
        plan.steps = cx.steps(at, canary)?;
        if let Some(background) = &canary.analysis {
            let (analysis, sources) = cx.analysis(
                &format!("{at}.analysis"),
                &background.to_analysis(),
                Place::Background,
            )?;
            cx.keep(Which::Background, sources);
            let start = background
                .starting_step
                .and_then(|step| usize::try_from(step).ok());
            plan.background = Some((analysis, start));
        }
        plan.scale_down_delay = canary
            .scale_down_delay_seconds
            .map_or(plan.scale_down_delay, seconds);
        plan.abort_scale_down_delay = canary
            .abort_scale_down_delay_seconds
            .map_or(plan.abort_scale_down_delay, seconds);
    }
    if let Some(blue_green) = &spec.strategy.blue_green {
        plan.steps = cx.blue_green("spec.strategy.blueGreen", blue_green)?;
        plan.scale_down_delay = blue_green
            .scale_down_delay_seconds
            .map_or(plan.scale_down_delay, seconds);
        plan.abort_scale_down_delay = blue_green
            .abort_scale_down_delay_seconds
            .map_or(plan.abort_scale_down_delay, seconds);
    }
    plan.on_failure = match spec.on_failure {
        ApiOnFailure::Hold => OnFailure::Hold,
        _ => OnFailure::Rollback,
    };
    plan.progress_deadline = spec
        .progress_deadline_seconds
        .map_or(plan.progress_deadline, seconds);
    plan.quarantine = spec.quarantines();
    plan.allow_in_place = spec
        .capacity
        .as_ref()
        .is_some_and(|capacity| capacity.allow_in_place);
    plan.paused = spec.paused;
    let kept = spec
        .decision_history_limit
        .and_then(|limit| usize::try_from(limit).ok());
    plan.decisions_kept = kept.unwrap_or(plan.decisions_kept);
    Ok(Lowered {
        plan,
        metrics: cx.metrics,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Background,
    Step,
}

struct Ctx<'a> {
    templates: &'a [AnalysisTemplate],
    values: &'a Values,
    metrics: BTreeMap<(Which, String), MetricSource>,
}

impl<'a> Ctx<'a> {
    fn keep(&mut self, of: Which, sources: Vec<MetricSource>) {
        let sources = sources.into_iter();
        self.metrics
            .extend(sources.map(|source| ((of, source.metric.clone()), source)));
    }

    fn steps(&mut self, at: &str, canary: &Canary) -> Result<Vec<Step>, Problem> {
        let steps = canary.steps.iter().enumerate();
        let steps =
            steps.map(|(index, step)| self.step(&format!("{at}.steps[{index}]"), index, step));
        let mut steps = steps.collect::<Result<Vec<Step>, Problem>>()?;
        rank(&mut steps, canary);
        Ok(steps)
    }

    fn step(&mut self, at: &str, index: usize, step: &ApiStep) -> Result<Step, Problem> {
        if let Some(weight) = step.set_weight {
            return Ok(Step::SetWeight(percent(weight)));
        }
        if let Some(pause) = &step.pause {
            let length = match &pause.duration {
                None => None,
                Some(duration) => Some(length(
                    &format!("{at}.pause.duration"),
                    &duration.to_string(),
                )?),
            };
            return Ok(Step::Pause(length));
        }
        if let Some(analysis) = &step.analysis {
            let at = format!("{at}.analysis");
            let (analysis, sources) = self.analysis(&at, analysis, Place::Step)?;
            self.keep(Which::Step(index), sources);
            return Ok(Step::Analysis(analysis));
        }
        if let Some(scale) = &step.set_canary_scale {
            return Ok(Step::SetScale(match (scale.replicas, scale.weight) {
                (Some(number), _) => Scale::Replicas(u32::try_from(number).unwrap_or(0)),
                (None, Some(weight)) => Scale::Weight(percent(weight)),
                (None, None) => Scale::MatchTraffic,
            }));
        }
        if let Some(warmup) = &step.warmup {
            let timeout = if warmup.timeout.is_empty() {
                "5m"
            } else {
                &warmup.timeout
            };
            return Ok(Step::Warmup(Warmup {
                requests: warmup
                    .requests
                    .and_then(|number| u32::try_from(number).ok())
                    .unwrap_or(1),
                success_rate: warmup.success_rate.unwrap_or(1.0),
                timeout: length(&format!("{at}.warmup.timeout"), timeout)?,
            }));
        }
        if let Some(route) = &step.set_header_route {
            return Ok(Step::SetHeaderRoute(HeaderRoute {
                rank: 0,
                name: route.name.clone(),
                matches: route.r#match.iter().map(header).collect(),
            }));
        }
        if let Some(route) = &step.set_mirror_route {
            return Ok(Step::SetMirrorRoute(MirrorRoute {
                rank: 0,
                name: route.name.clone(),
                percentage: percent(route.share()),
                matches: route.r#match.iter().map(route_match).collect(),
            }));
        }
        Err(problem(at, "the step says nothing"))
    }

    fn blue_green(&mut self, at: &str, spec: &ApiBlueGreen) -> Result<Vec<Step>, Problem> {
        let mut sources = Vec::new();
        let mut analysis = |name: &str, analysis: &Option<Box<ApiAnalysis>>| match analysis {
            Some(analysis) => {
                let at = format!("{at}.{name}");
                let (analysis, found) = self.analysis(&at, analysis, Place::Step)?;
                sources.push(found);
                Ok(Some(analysis))
            }
            None => Ok(None),
        };
        let approval = match (spec.auto_promotion_enabled, spec.auto_promotion_seconds) {
            (_, Some(seconds)) if seconds > 0 => {
                Approval::After(SignedDuration::from_secs(seconds))
            }
            (Some(false), _) => Approval::Person,
            _ => Approval::Automatic,
        };
        let steps = Plan::blue_green(BlueGreen {
            preview_replicas: spec
                .preview_replica_count
                .and_then(|number| u32::try_from(number).ok()),
            pre: analysis("prePromotionAnalysis", &spec.pre_promotion_analysis)?,
            approval,
            post: analysis("postPromotionAnalysis", &spec.post_promotion_analysis)?,
        });
        // Both lists are in the order of the steps.
        let places = steps.iter().enumerate();
        let places = places.filter(|(_, step)| matches!(step, Step::Analysis(_)));
        for ((index, _), sources) in places.zip(sources) {
            self.keep(Which::Step(index), sources);
        }
        Ok(steps)
    }

    fn analysis(
        &self,
        at: &str,
        analysis: &ApiAnalysis,
        place: Place,
    ) -> Result<(Analysis, Vec<MetricSource>), Problem> {
        let mut gathered = Gathered::default();
        gathered
            .dry
            .extend(analysis.dry_run.iter().map(|dry| dry.metric_name.clone()));
        gathered
            .retention
            .extend(analysis.measurement_retention.iter().cloned());
        gathered.metrics.extend(analysis.metrics.iter().cloned());
        self.gather(at, &analysis.templates, &mut gathered, 0)?;
        let arguments = argument::arguments(at, &gathered.args, &analysis.args, self.values)?;
        let rules = metric::Rules::new(at, &gathered.dry, &gathered.retention)?;
        let mut names = BTreeSet::new();
        let mut metrics = Vec::new();
        let mut sources = Vec::new();
        for metric in &gathered.metrics {
            let at = format!("{at}, metric {}", metric.name);
            if !names.insert(metric.name.clone()) {
                return Err(problem(&at, "two templates have a metric of this name"));
            }
            let (filled, provider, hidden) = metric::filled(&at, metric, &arguments)?;
            if place == Place::Step && validation::is_endless(&filled) {
                let message = "with an interval and no count it never ends, so that no later step can be reached: set count";
                return Err(problem(&at, message));
            }
            let (metric, source) = metric::lower(&at, &filled, provider, &rules, self.values)?;
            metrics.push(metric);
            sources.push(MetricSource { hidden, ..source });
        }
        rules.all_match(at, &names)?;
        Ok((Analysis::new(metrics), sources))
    }

    /// Collects metrics and arguments of templates and of those inside them.
    fn gather(
        &self,
        at: &str,
        names: &[TemplateRef],
        into: &mut Gathered<'a>,
        depth: usize,
    ) -> Result<(), Problem> {
        if depth > DEEPEST {
            return Err(problem(at, "templates name each other in a circle"));
        }
        for wanted in names {
            let kind = need::kind(wanted);
            let name = &wanted.template_name;
            let found = self
                .templates
                .iter()
                .find(|template| template.kind == kind && template.metadata.name == *name);
            let Some(template) = found else {
                let place = match (self.values.is_replay, wanted.cluster_scope) {
                    (true, _) => "in the files",
                    (false, true) => "in the cluster",
                    (false, false) => "in the rollout's namespace",
                };
                return Err(problem(at, format!("{kind} {name} is not {place}")));
            };
            into.metrics.extend(template.spec.metrics.iter().cloned());
            into.dry.extend(
                template
                    .spec
                    .dry_run
                    .iter()
                    .map(|dry| dry.metric_name.clone()),
            );
            into.retention
                .extend(template.spec.measurement_retention.iter().cloned());
            into.args.extend(&template.spec.args);
            self.gather(at, &template.spec.templates, into, depth + 1)?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Gathered<'a> {
    metrics: Vec<ApiMetric>,
    dry: Vec<String>,
    retention: Vec<MeasurementRetention>,
    args: Vec<&'a Argument>,
}

/// Puts routes in the order of `managedRoutes`, or else of the steps that begin them.
fn rank(steps: &mut [Step], canary: &Canary) {
    let routing = canary.traffic_routing.as_deref();
    let managed = routing.map_or(&[][..], |routing| &routing.managed_routes);
    let mut order: Vec<String> = managed.iter().map(|route| route.name.clone()).collect();
    for step in steps {
        let (name, rank) = match step {
            Step::SetHeaderRoute(route) => (&route.name, &mut route.rank),
            Step::SetMirrorRoute(route) => (&route.name, &mut route.rank),
            _ => continue,
        };
        let place = order.iter().position(|known| known == name);
        *rank = place.unwrap_or_else(|| {
            order.push(name.clone());
            order.len() - 1
        }) as u32;
    }
}

fn header(header: &HeaderMatch) -> (String, String, String) {
    let (operator, text) = compared(&header.header_value);
    (header.header_name.clone(), operator, text)
}

fn route_match(route: &ApiRouteMatch) -> RouteMatch {
    let header = |(name, value): (&String, &StringMatch)| {
        let (operator, text) = compared(value);
        (name.clone(), operator, text)
    };
    RouteMatch {
        method: route.method.as_ref().map(compared),
        path: route.path.as_ref().map(compared),
        headers: route.headers.iter().map(header).collect(),
    }
}

/// Returns operator and text of a comparison.
fn compared(value: &StringMatch) -> (String, String) {
    let texts = [
        ("exact", &value.exact),
        ("prefix", &value.prefix),
        ("regex", &value.regex),
    ];
    let set = texts.into_iter().find(|(_, text)| !text.is_empty());
    let (operator, text) = set.map_or(("exact", ""), |(name, text)| (name, text.as_str()));
    (operator.to_owned(), text.to_owned())
}

fn percent(number: i64) -> u32 {
    number.clamp(0, 100) as u32
}

fn length(at: &str, text: &str) -> Result<SignedDuration, Problem> {
    duration::parse_or_seconds(text).map_err(|error| problem(at, error.to_string()))
}
