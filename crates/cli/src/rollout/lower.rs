//! A ModelRollout and its templates to a plan.

use std::collections::{BTreeMap, BTreeSet};

use driftless_api::analysis::{AnalysisTemplate, Argument, Metric as ApiMetric, TemplateRef};
use driftless_api::rollout::strategy::{
    Analysis as ApiAnalysis, BlueGreen as ApiBlueGreen, Canary,
};
use driftless_api::rollout::{
    ModelRolloutSpec, OnFailure as ApiOnFailure, Problem, Step as ApiStep, validation,
};
use driftless_api::value::IntOrString;
use driftless_api::{duration, read};
use driftless_rollout::expression::Expression;
use driftless_rollout::judge::{
    Analysis, CONSECUTIVE_ERROR_LIMIT, Compare, Criterion, Metric, NoData,
};
use driftless_rollout::plan::{
    Approval, BlueGreen, HeaderRoute, MirrorRoute, OnFailure, Plan, Scale, Step, Warmup,
};
use jiff::SignedDuration;
use serde_json::Value;

/// Templates inside templates, at most.
const DEEPEST: usize = 8;

fn problem(at: &str, message: impl Into<String>) -> Problem {
    Problem {
        at: at.to_owned(),
        message: message.into(),
    }
}

/// Makes a plan of a spec that has no problems.
pub(super) fn plan(
    spec: &ModelRolloutSpec,
    templates: &[AnalysisTemplate],
) -> Result<Plan, Problem> {
    let cx = Ctx { templates };
    let mut plan = Plan::new(Vec::new());
    let seconds = |seconds: i64| SignedDuration::from_secs(seconds.max(0));
    if let Some(canary) = &spec.strategy.canary {
        let at = "spec.strategy.canary";
        plan.steps = cx.steps(at, canary)?;
        if let Some(background) = &canary.analysis {
            let analysis = cx.analysis(
                &format!("{at}.analysis"),
                &background.to_analysis(),
                Place::Background,
            )?;
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
    Ok(plan)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Background,
    Step,
}

struct Ctx<'a> {
    templates: &'a [AnalysisTemplate],
}

impl<'a> Ctx<'a> {
    fn steps(&self, at: &str, canary: &Canary) -> Result<Vec<Step>, Problem> {
        let steps = canary.steps.iter().enumerate();
        steps
            .map(|(index, step)| self.step(&format!("{at}.steps[{index}]"), step))
            .collect()
    }

    fn step(&self, at: &str, step: &ApiStep) -> Result<Step, Problem> {
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
            return Ok(Step::Analysis(self.analysis(&at, analysis, Place::Step)?));
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
            let matches = route.r#match.iter().map(|header| {
                let value = &header.header_value;
                let texts = [
                    ("exact", &value.exact),
                    ("prefix", &value.prefix),
                    ("regex", &value.regex),
                ];
                let set = texts.into_iter().find(|(_, text)| !text.is_empty());
                let (operator, text) =
                    set.map_or(("exact", ""), |(name, text)| (name, text.as_str()));
                (
                    header.header_name.clone(),
                    operator.to_owned(),
                    text.to_owned(),
                )
            });
            return Ok(Step::SetHeaderRoute(HeaderRoute {
                name: route.name.clone(),
                matches: matches.collect(),
            }));
        }
        if let Some(route) = &step.set_mirror_route {
            return Ok(Step::SetMirrorRoute(MirrorRoute {
                name: route.name.clone(),
                percentage: percent(route.percentage.unwrap_or(0)),
            }));
        }
        Err(problem(at, "the step says nothing"))
    }

    fn blue_green(&self, at: &str, spec: &ApiBlueGreen) -> Result<Vec<Step>, Problem> {
        let analysis = |name: &str, analysis: &Option<Box<ApiAnalysis>>| match analysis {
            Some(analysis) => self
                .analysis(&format!("{at}.{name}"), analysis, Place::Step)
                .map(Some),
            None => Ok(None),
        };
        let approval = match (spec.auto_promotion_enabled, spec.auto_promotion_seconds) {
            (_, Some(seconds)) if seconds > 0 => {
                Approval::After(SignedDuration::from_secs(seconds))
            }
            (Some(false), _) => Approval::Person,
            _ => Approval::Automatic,
        };
        Ok(Plan::blue_green(BlueGreen {
            preview_replicas: spec
                .preview_replica_count
                .and_then(|number| u32::try_from(number).ok()),
            pre: analysis("prePromotionAnalysis", &spec.pre_promotion_analysis)?,
            approval,
            post: analysis("postPromotionAnalysis", &spec.post_promotion_analysis)?,
        }))
    }

    fn analysis(
        &self,
        at: &str,
        analysis: &ApiAnalysis,
        place: Place,
    ) -> Result<Analysis, Problem> {
        let mut gathered = Gathered::default();
        gathered
            .dry
            .extend(analysis.dry_run.iter().map(|dry| dry.metric_name.clone()));
        gathered.metrics.extend(analysis.metrics.iter().cloned());
        self.gather(at, &analysis.templates, &mut gathered, 0)?;
        let values = arguments(at, &gathered.args, &analysis.args)?;
        let mut names = BTreeSet::new();
        let mut metrics = Vec::new();
        for metric in &gathered.metrics {
            let at = format!("{at}, metric {}", metric.name);
            if !names.insert(metric.name.clone()) {
                return Err(problem(&at, "two templates have a metric of this name"));
            }
            let metric = filled(&at, metric, &values)?;
            if place == Place::Step && validation::is_endless(&metric) {
                let message = "with an interval and no count it never ends, so that no later step can be reached: set count";
                return Err(problem(&at, message));
            }
            let is_dry = gathered
                .dry
                .iter()
                .any(|name| name == ".*" || name == "*" || *name == metric.name);
            metrics.push(self::metric(&at, &metric, is_dry)?);
        }
        Ok(Analysis::new(metrics))
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
            let kind = if wanted.cluster_scope {
                AnalysisTemplate::CLUSTER_KIND
            } else {
                AnalysisTemplate::KIND
            };
            let name = &wanted.template_name;
            let found = self
                .templates
                .iter()
                .find(|template| template.kind == kind && template.metadata.name == *name);
            let Some(template) = found else {
                return Err(problem(at, format!("{kind} {name} is not in the files")));
            };
            into.metrics.extend(template.spec.metrics.iter().cloned());
            into.dry.extend(
                template
                    .spec
                    .dry_run
                    .iter()
                    .map(|dry| dry.metric_name.clone()),
            );
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
    args: Vec<&'a Argument>,
}

/// Returns the arguments' values: the caller's before the templates' own.
fn arguments(
    at: &str,
    declared: &[&Argument],
    given: &[Argument],
) -> Result<BTreeMap<String, String>, Problem> {
    let mut values = BTreeMap::new();
    for arg in given.iter().chain(declared.iter().copied()) {
        let value = match (&arg.value, &arg.value_from) {
            (Some(value), _) => value.clone(),
            // Known in a cluster only, and of no matter here: metrics come from the record.
            (None, Some(_)) => format!("<{}>", arg.name),
            (None, None) => continue,
        };
        values.entry(arg.name.clone()).or_insert(value);
    }
    match declared.iter().find(|arg| !values.contains_key(&arg.name)) {
        Some(arg) => Err(problem(
            at,
            format!("the argument {} has no value", arg.name),
        )),
        None => Ok(values),
    }
}

/// Puts arguments into every text of a metric.
fn filled(
    at: &str,
    metric: &ApiMetric,
    values: &BTreeMap<String, String>,
) -> Result<ApiMetric, Problem> {
    let mut value = serde_json::to_value(metric).map_err(|error| problem(at, error.to_string()))?;
    fill(&mut value, values).map_err(|message| problem(at, message))?;
    read::from_value(value).map_err(|error| problem(at, error.to_string()))
}

fn fill(value: &mut Value, values: &BTreeMap<String, String>) -> Result<(), String> {
    match value {
        Value::String(text) if text.contains("{{") => *text = substituted(text, values)?,
        Value::Array(items) => items.iter_mut().try_for_each(|item| fill(item, values))?,
        Value::Object(map) => map.values_mut().try_for_each(|item| fill(item, values))?,
        _ => {}
    }
    Ok(())
}

fn substituted(text: &str, values: &BTreeMap<String, String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((inner, after)) = after.split_once("}}") else {
            return Err(format!("{{{{ without }}}} in {text:?}"));
        };
        match inner.trim().strip_prefix("args.") {
            Some(name) => match values.get(name) {
                Some(value) => out.push_str(value),
                None => return Err(format!("the argument {name} is not declared")),
            },
            // A Go template of another system, such as Prometheus' own.
            None => {
                out.push_str("{{");
                out.push_str(inner);
                out.push_str("}}");
            }
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn metric(at: &str, metric: &ApiMetric, dry_run: bool) -> Result<Metric, Problem> {
    let number = |name: &str, value: &Option<IntOrString>| match value {
        None => Ok(None),
        Some(value) => match value.as_int() {
            Some(number) => Ok(Some(number)),
            None => Err(problem(
                &format!("{at}.{name}"),
                format!("{value} is not a whole number"),
            )),
        },
    };
    let small = |number: i64| u32::try_from(number.max(0)).unwrap_or(u32::MAX);
    let condition = |text: &str| match text {
        "" => Ok(None),
        text => Expression::parse(text)
            .map(Some)
            .map_err(|error| problem(at, error.to_string())),
    };
    let criterion = match &metric.compare {
        Some(compare) => Criterion::Compare(Compare {
            alpha: compare.alpha.unwrap_or(0.05),
            detect: compare.detect.unwrap_or(2.0),
            min_samples: compare.min_samples.map(|samples| samples as f64),
            limit: compare.limit,
        }),
        None => Criterion::Conditions {
            success: condition(&metric.success_condition)?,
            failure: condition(&metric.failure_condition)?,
        },
    };
    let is_repeated = !metric.interval.is_empty();
    let count = match number("count", &metric.count)?.unwrap_or(0) {
        0 if is_repeated => None,
        0 => Some(1),
        count => Some(small(count)),
    };
    // -1 tolerates any number of failures.
    let failures = number("failureLimit", &metric.failure_limit)?.unwrap_or(0);
    Ok(Metric {
        interval: if is_repeated {
            Some(length(at, &metric.interval)?)
        } else {
            None
        },
        initial_delay: match metric.initial_delay.as_str() {
            "" => SignedDuration::ZERO,
            delay => length(at, delay)?,
        },
        count,
        failure_limit: (failures >= 0).then(|| small(failures)),
        inconclusive_limit: small(
            number("inconclusiveLimit", &metric.inconclusive_limit)?.unwrap_or(0),
        ),
        consecutive_error_limit: number("consecutiveErrorLimit", &metric.consecutive_error_limit)?
            .map_or(CONSECUTIVE_ERROR_LIMIT, small),
        consecutive_success_limit: number(
            "consecutiveSuccessLimit",
            &metric.consecutive_success_limit,
        )?
        .map(small),
        no_data: match metric.no_data.as_str() {
            "fail" => NoData::Fail,
            _ => NoData::Inconclusive,
        },
        dry_run,
        ..Metric::new(&metric.name, criterion)
    })
}

fn percent(number: i64) -> u32 {
    number.clamp(0, 100) as u32
}

fn length(at: &str, text: &str) -> Result<SignedDuration, Problem> {
    duration::parse_or_seconds(text).map_err(|error| problem(at, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_put_in() {
        let values = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        assert_eq!(
            substituted("x {{args.a}} {{ args.a }} {{ $labels.b }}", &values).unwrap(),
            "x 1 1 {{ $labels.b }}"
        );
        assert!(
            substituted("{{args.b}}", &values)
                .unwrap_err()
                .contains("b is not declared")
        );
    }
}
