//! One metric: how it is judged, and where it comes from.

use std::collections::{BTreeMap, BTreeSet};

use driftless_api::analysis::{
    Compare as ApiCompare, MeasurementRetention, Metric as ApiMetric, Provider,
};
use driftless_api::read;
use driftless_api::rollout::Problem;
use driftless_api::value::IntOrString;
use driftless_core::Secret;
use driftless_rollout::expression::Expression;
use driftless_rollout::judge::{
    ANSWER_WITHIN, CONSECUTIVE_ERROR_LIMIT, Compare, Criterion, Metric, NoData,
};
use jiff::SignedDuration;
use regex::Regex;
use serde_json::Value as Json;

use super::argument::{self, Filled, Values};
use super::{length, need, problem};
use crate::provider;
use crate::source::{Counts, MetricSource};

/// Measurements kept of a metric, at most.
const MOST_KEPT: usize = 60;

/// Rules for metrics by name: what is only looked at, and how many measurements are kept.
pub(super) struct Rules {
    dry: Vec<(String, Option<Regex>)>,
    retention: Vec<(String, Option<Regex>, usize)>,
}

impl Rules {
    pub(super) fn new(
        at: &str,
        dry: &[String],
        retention: &[MeasurementRetention],
    ) -> Result<Self, Problem> {
        let name = |name: &String| match name.as_str() {
            "*" => Ok((name.clone(), None)),
            text => match Regex::new(text) {
                Ok(regex) => Ok((name.clone(), Some(regex))),
                Err(_) => Err(problem(
                    at,
                    format!("metricName {text:?} is no regular expression"),
                )),
            },
        };
        let dry = dry.iter().map(name).collect::<Result<_, _>>()?;
        let retention = retention.iter().map(|rule| {
            let (text, regex) = name(&rule.metric_name)?;
            let kept = usize::try_from(rule.limit).unwrap_or(0);
            Ok((text, regex, kept.min(MOST_KEPT)))
        });
        Ok(Self {
            dry,
            retention: retention.collect::<Result<_, Problem>>()?,
        })
    }

    fn is_dry(&self, name: &str) -> bool {
        let mut rules = self.dry.iter();
        rules.any(|(_, regex)| matches(regex.as_ref(), name))
    }

    fn retention(&self, name: &str) -> Option<usize> {
        let mut rules = self.retention.iter();
        let rule = rules.find(|(_, regex, _)| matches(regex.as_ref(), name));
        rule.map(|(.., kept)| *kept)
    }

    /// Checks that each rule is about a metric: a misspelt one would make a metric count that must not.
    pub(super) fn all_match(&self, at: &str, names: &BTreeSet<String>) -> Result<(), Problem> {
        for (text, regex) in &self.dry {
            if !names.iter().any(|name| matches(regex.as_ref(), name)) {
                let message = format!("dryRun: no metric is called {text:?}");
                return Err(problem(at, message));
            }
        }
        Ok(())
    }
}

fn matches(regex: Option<&Regex>, name: &str) -> bool {
    regex.is_none_or(|regex| regex.is_match(name))
}

/// A metric without its provider, the provider, and what of it no message may show.
pub(super) type Parts = (ApiMetric, Secret<Provider>, Vec<Secret<String>>);

/// Puts arguments into every text of a metric. The provider comes apart: it alone may hold values of Secrets.
pub(super) fn filled(
    at: &str,
    metric: &ApiMetric,
    values: &BTreeMap<String, Filled>,
) -> Result<Parts, Problem> {
    let wrong = |message: String| problem(at, message);
    let mut value = serde_json::to_value(metric).map_err(|error| wrong(error.to_string()))?;
    let mut provider = value
        .as_object_mut()
        .and_then(|map| map.remove("provider"))
        .unwrap_or_else(|| Json::Object(serde_json::Map::new()));
    argument::fill(&mut value, values, &mut None).map_err(wrong)?;
    let mut hidden = BTreeSet::new();
    argument::fill(&mut provider, values, &mut Some(&mut hidden)).map_err(wrong)?;
    let metric = read::from_value(value).map_err(|error| wrong(error.to_string()))?;
    // The reader's message may quote what it read.
    let provider = read::from_value(provider).map_err(|error| {
        wrong(if hidden.is_empty() {
            error.to_string()
        } else {
            "the provider cannot be read with its arguments filled in".into()
        })
    })?;
    let hidden = hidden.into_iter().map(Secret::new).collect();
    Ok((metric, Secret::new(provider), hidden))
}

/// Returns a metric as it is judged, and its source.
pub(super) fn lower(
    at: &str,
    metric: &ApiMetric,
    provider: Secret<Provider>,
    rules: &Rules,
    values: &Values,
) -> Result<(Metric, MetricSource), Problem> {
    let criterion = criterion(at, metric, provider.expose())?;
    let kind = match provider.expose().named().as_slice() {
        [kind] => (*kind).to_owned(),
        [] => return Err(problem(at, "no provider is set")),
        several => {
            let message = format!("set one provider, not {}", several.join(" and "));
            return Err(problem(at, message));
        }
    };
    let counts = metric.compare.as_ref().map(|compare| match compare.limit {
        Some(_) => Counts::Canary,
        None => Counts::Both,
    });
    let dry_run = rules.is_dry(&metric.name);
    let (success, failure, threshold) = shown(&criterion);
    let keys = match need::of_provider(provider.expose()) {
        Some(_) if values.is_replay => BTreeMap::new(),
        Some(name) => {
            let keys = values
                .secret(&name)
                .map_err(|message| problem(at, message))?;
            keys.clone()
        }
        None => BTreeMap::new(),
    };
    let answer_within = patience(provider.expose());
    let source = MetricSource {
        metric: metric.name.clone(),
        provider: kind,
        spec: provider,
        keys,
        hidden: Vec::new(),
        counts,
        success,
        failure,
        threshold,
        answer_within,
        dry_run,
        retention: rules.retention(&metric.name),
    };
    provider::check(&source).map_err(|message| problem(at, source.masked(&message)))?;
    let metric = Metric {
        dry_run,
        answer_within,
        ..limits(at, metric, criterion)?
    };
    Ok((metric, source))
}

fn criterion(at: &str, metric: &ApiMetric, provider: &Provider) -> Result<Criterion, Problem> {
    let condition = |text: &str| match text {
        "" => Ok(None),
        text => Expression::parse(text)
            .map(Some)
            .map_err(|error| problem(at, error.to_string())),
    };
    if let Some(compare) = &metric.compare {
        return Ok(Criterion::Compare(compared(compare)));
    }
    // A Job says by itself how it ended.
    let success = match metric.success_condition.as_str() {
        "" if provider.job.is_some() && metric.failure_condition.is_empty() => "result",
        text => text,
    };
    Ok(Criterion::Conditions {
        success: condition(success)?,
        failure: condition(&metric.failure_condition)?,
    })
}

fn compared(compare: &ApiCompare) -> Compare {
    Compare {
        alpha: compare.alpha.unwrap_or(0.05),
        detect: compare.detect.unwrap_or(2.0),
        min_samples: compare.min_samples.map(|samples| samples as f64),
        limit: compare.limit,
    }
}

/// Returns conditions as people read them, and the number they compare with.
fn shown(criterion: &Criterion) -> (String, String, Option<f64>) {
    match criterion {
        Criterion::Conditions { success, failure } => {
            let text = |condition: &Option<Expression>| {
                condition
                    .as_ref()
                    .map_or_else(String::new, |condition| condition.text().to_owned())
            };
            let mut conditions = success.iter().chain(failure);
            let threshold = conditions.find_map(Expression::threshold);
            (text(success), text(failure), threshold)
        }
        Criterion::Compare(compare) => {
            let against = match compare.limit {
                Some(limit) => limit.to_string(),
                None => "those of the stable version".to_owned(),
            };
            let success = format!(
                "bad events are no more frequent than {against} (alpha {}; {} times as many are caught)",
                compare.alpha, compare.detect
            );
            (success, String::new(), compare.limit)
        }
    }
}

/// Returns the time after which an attempt counts as failed: longer than the provider's own limit.
fn patience(provider: &Provider) -> SignedDuration {
    const SLACK: i64 = 30;
    let seconds = if let Some(job) = &provider.job {
        let deadline = job.spec.0.pointer("/activeDeadlineSeconds");
        // A Job without a deadline ends with its rollout.
        deadline.and_then(Json::as_i64).unwrap_or(24 * 3600)
    } else if let Some(prometheus) = &provider.prometheus {
        prometheus.timeout.unwrap_or(0)
    } else if let Some(web) = &provider.web {
        web.timeout_seconds.unwrap_or(0)
    } else {
        0
    };
    let seconds = seconds.clamp(0, 7 * 24 * 3600);
    ANSWER_WITHIN.max(SignedDuration::from_secs(seconds + SLACK))
}

fn limits(at: &str, metric: &ApiMetric, criterion: Criterion) -> Result<Metric, Problem> {
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
        ..Metric::new(&metric.name, criterion)
    })
}
