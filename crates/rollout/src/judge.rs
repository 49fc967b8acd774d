//! Judgement of metrics: one measurement, a metric over time, an analysis of several.
//!
//! Counting and limits follow Argo Rollouts. Differences, on purpose: missing data make a measurement inconclusive and
//! never good; a metric whose source does not answer ends `Error`, which pauses a rollout instead of rolling it back.
//
// Upstream: argo-rollouts analysis/analysis.go, utils/analysis/factory.go (v1.8), differs: see above.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::expression::{Expression, Verdict};
use crate::statistics::{Count, OneSample, TwoSample};
use crate::value::Value;

/// How a measurement, a metric or an analysis stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Phase {
    /// At work.
    Running,
    /// Good.
    Successful,
    /// Neither good nor bad.
    Inconclusive,
    /// It could not be measured.
    Error,
    /// Bad.
    Failed,
}

/// What missing data mean.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum NoData {
    /// Nothing: the measurement is inconclusive.
    #[default]
    Inconclusive,
    /// The measurement is bad.
    Fail,
}

/// How a value is judged.
#[derive(Clone, PartialEq, Debug)]
pub enum Criterion {
    /// By conditions.
    Conditions {
        /// Holds when it is good.
        success: Option<Expression>,
        /// Holds when it is bad.
        failure: Option<Expression>,
    },
    /// By a sequential test.
    Compare(Compare),
}

/// A sequential test.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Compare {
    /// Probability of failing a version that is not worse.
    pub alpha: f64,
    /// Factor to catch.
    pub detect: f64,
    /// Events of the new version before it can pass; from the theory when absent.
    pub min_samples: Option<f64>,
    /// Tests against this share instead of against the stable version.
    pub limit: Option<f64>,
}

/// A metric.
#[derive(Clone, PartialEq, Debug)]
pub struct Metric {
    /// Name.
    pub name: String,
    /// Time between measurements.
    pub interval: Option<SignedDuration>,
    /// Time before the first one.
    pub initial_delay: SignedDuration,
    /// Number of measurements; `None` until the analysis ends.
    pub count: Option<u32>,
    /// Bad measurements tolerated; `None` for any number.
    pub failure_limit: Option<u32>,
    /// Inconclusive measurements tolerated.
    pub inconclusive_limit: u32,
    /// Failed attempts in a row tolerated.
    pub consecutive_error_limit: u32,
    /// Good measurements in a row that end the metric early.
    pub consecutive_success_limit: Option<u32>,
    /// How a value is judged.
    pub criterion: Criterion,
    /// What missing data mean.
    pub no_data: NoData,
    /// Time after which an attempt that nobody answered counts as failed.
    pub answer_within: SignedDuration,
    /// Measured, and does not count.
    pub dry_run: bool,
}

/// Failed attempts in a row tolerated when a metric does not say.
pub const CONSECUTIVE_ERROR_LIMIT: u32 = 4;
/// Time until a failed attempt is repeated.
pub const ERROR_RETRY: SignedDuration = SignedDuration::from_secs(10);
/// Time after which an attempt that nobody answered counts as failed, unless a metric says otherwise.
pub const ANSWER_WITHIN: SignedDuration = SignedDuration::from_secs(120);

impl Metric {
    /// Makes a metric with the defaults of Argo Rollouts: one measurement, no tolerance.
    pub fn new(name: impl Into<String>, criterion: Criterion) -> Self {
        Self {
            name: name.into(),
            interval: None,
            initial_delay: SignedDuration::ZERO,
            count: Some(1),
            failure_limit: Some(0),
            inconclusive_limit: 0,
            consecutive_error_limit: CONSECUTIVE_ERROR_LIMIT,
            consecutive_success_limit: None,
            criterion,
            no_data: NoData::default(),
            answer_within: ANSWER_WITHIN,
            dry_run: false,
        }
    }

    /// Judges one value by the conditions.
    fn judge(
        &self,
        value: &Value,
        success: Option<&Expression>,
        failure: Option<&Expression>,
    ) -> (Phase, String) {
        let good = success.map(|condition| (condition, condition.judge(value)));
        let bad = failure.map(|condition| (condition, condition.judge(value)));
        let says =
            |condition: &Expression, what: &str| format!("{value}: {} {what}", condition.text());
        let open = |why: &str| (self.without_data(), format!("{value}: {why}"));
        match (good, bad) {
            (_, Some((condition, Verdict::True))) => (Phase::Failed, says(condition, "holds")),
            (Some((_, Verdict::Unknown(why))), _) | (_, Some((_, Verdict::Unknown(why)))) => {
                open(&why)
            }
            (Some((condition, Verdict::True)), _) => (Phase::Successful, says(condition, "holds")),
            (Some((condition, Verdict::False)), None) => {
                (Phase::Failed, says(condition, "does not hold"))
            }
            (Some((condition, Verdict::False)), Some(_)) => (
                Phase::Inconclusive,
                says(condition, "does not hold, nor does the failure condition"),
            ),
            (None, Some((condition, Verdict::False))) => {
                (Phase::Successful, says(condition, "does not hold"))
            }
            (None, None) if value.is_no_data() => open("no data"),
            (None, None) => (Phase::Successful, format!("{value}: no condition is set")),
        }
    }

    fn without_data(&self) -> Phase {
        match self.no_data {
            NoData::Inconclusive => Phase::Inconclusive,
            NoData::Fail => Phase::Failed,
        }
    }
}

/// One measurement, for people.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Measurement {
    /// When.
    pub at: Timestamp,
    /// How it was judged.
    pub phase: Phase,
    /// Value and reason.
    pub message: String,
}

/// Measurements kept for each metric.
pub const KEPT: usize = 10;

/// A metric over time.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// How it stands.
    pub phase: Phase,
    /// Why.
    pub message: String,
    /// Measurements that are judged.
    pub count: u32,
    /// Good ones.
    pub successful: u32,
    /// Bad ones.
    pub failed: u32,
    /// Those that are neither.
    pub inconclusive: u32,
    /// Failed attempts.
    pub errors: u32,
    consecutive_errors: u32,
    consecutive_successes: u32,
    /// When the next measurement is due.
    pub due: Timestamp,
    /// Since when an attempt is waited for.
    asked: Option<Timestamp>,
    /// How long an attempt is waited for.
    answer_within: SignedDuration,
    /// The last measurements.
    pub last: Vec<Measurement>,
    two: Option<Box<TwoSample>>,
    one: Option<Box<OneSample>>,
}

impl Progress {
    fn new(metric: &Metric, now: Timestamp) -> Self {
        let first = match (&metric.criterion, metric.interval) {
            // Counts are about the time since the measurement before: at the beginning there is none.
            (Criterion::Compare(_), Some(interval)) => metric.initial_delay.max(interval),
            _ => metric.initial_delay,
        };
        Self {
            phase: Phase::Running,
            message: String::new(),
            count: 0,
            successful: 0,
            failed: 0,
            inconclusive: 0,
            errors: 0,
            consecutive_errors: 0,
            consecutive_successes: 0,
            due: later(now, first),
            asked: None,
            answer_within: metric.answer_within,
            last: Vec::new(),
            two: None,
            one: None,
        }
    }

    fn record(&mut self, metric: &Metric, at: Timestamp, answer: &Result<Value, String>) {
        self.asked = None;
        let (phase, message) = match (answer, &metric.criterion) {
            (Err(why), _) => (Phase::Error, why.clone()),
            (Ok(value), Criterion::Conditions { success, failure }) => {
                metric.judge(value, success.as_ref(), failure.as_ref())
            }
            (Ok(value), Criterion::Compare(compare)) => self.compare(metric, compare, value),
        };
        self.last.push(Measurement {
            at,
            phase,
            message: message.clone(),
        });
        if self.last.len() > KEPT {
            self.last.remove(0);
        }
        if phase == Phase::Error {
            self.errors += 1;
            self.consecutive_errors += 1;
            self.due = later(at, ERROR_RETRY);
        } else {
            self.count += 1;
            self.consecutive_errors = 0;
            self.due = later(at, metric.interval.unwrap_or(SignedDuration::ZERO));
        }
        match phase {
            Phase::Successful => {
                self.successful += 1;
                self.consecutive_successes += 1;
            }
            Phase::Failed => self.failed += 1,
            Phase::Inconclusive => self.inconclusive += 1,
            Phase::Running | Phase::Error => {}
        }
        if matches!(phase, Phase::Failed | Phase::Inconclusive) {
            self.consecutive_successes = 0;
        }
        self.message = message;
        self.phase = self.assess(metric, phase);
    }

    /// Says how the metric stands after a measurement.
    fn assess(&self, metric: &Metric, last: Phase) -> Phase {
        if metric
            .failure_limit
            .is_some_and(|limit| self.failed > limit)
        {
            return Phase::Failed;
        }
        if self.inconclusive > metric.inconclusive_limit {
            return Phase::Inconclusive;
        }
        if self.consecutive_errors > metric.consecutive_error_limit {
            return match metric.no_data {
                NoData::Inconclusive => Phase::Error,
                NoData::Fail => Phase::Failed,
            };
        }
        if metric
            .consecutive_success_limit
            .is_some_and(|limit| limit > 0 && self.consecutive_successes >= limit)
        {
            return Phase::Successful;
        }
        if let Criterion::Compare(_) = metric.criterion {
            // A test passes when it has seen enough, and is open when it ends before.
            return match last {
                Phase::Successful => Phase::Successful,
                _ if metric.count.is_some_and(|count| self.count >= count) => Phase::Inconclusive,
                _ => Phase::Running,
            };
        }
        match metric.count {
            // Tolerated gaps are no evidence: without one good measurement nothing has been shown.
            Some(count) if self.count >= count && self.inconclusive > 0 && self.successful == 0 => {
                Phase::Inconclusive
            }
            Some(count) if self.count >= count => Phase::Successful,
            _ => Phase::Running,
        }
    }

    fn compare(&mut self, metric: &Metric, compare: &Compare, value: &Value) -> (Phase, String) {
        let side = |name: &str| {
            let side = value.field(name)?;
            let number = |name: &str| side.field(name).and_then(Value::as_f64);
            Count::new(number("bad")?, number("total")?)
        };
        let missing = || {
            let message = format!("{value}: no counts {{canary, stable: {{bad, total}}}}");
            (metric.without_data(), message)
        };
        let Some(canary) = side("canary") else {
            return missing();
        };
        let (p_value, seen, planned, against) = match compare.limit {
            Some(limit) => {
                let test = self.one.get_or_insert_default();
                test.add(canary, limit, compare.detect);
                let planned = OneSample::planned(limit, compare.detect, compare.alpha);
                (
                    test.p_value(),
                    test.canary(),
                    planned,
                    format!("the limit {limit}"),
                )
            }
            None => {
                let Some(stable) = side("stable") else {
                    return missing();
                };
                let test = self.two.get_or_insert_default();
                test.add(canary, stable, compare.detect);
                let stable = test.stable();
                let against = format!("{} of {} of the stable version", stable.bad, stable.total);
                let planned = test.planned(compare.detect, compare.alpha);
                (test.p_value(), test.canary(), planned, against)
            }
        };
        let needed = compare.min_samples.unwrap_or(planned);
        let text = format!(
            "{} of {} bad against {against}: {}, alpha {}, {} events planned",
            seen.bad,
            seen.total,
            significance(p_value),
            compare.alpha,
            needed.ceil()
        );
        if p_value <= compare.alpha {
            (Phase::Failed, text)
        } else if seen.total >= needed {
            (Phase::Successful, text)
        } else {
            (Phase::Running, text)
        }
    }
}

/// Writes a p-value as people read it: two digits that count, and a bound where it is tiny.
fn significance(p_value: f64) -> String {
    if p_value < 1e-4 {
        return "p < 0.0001".to_owned();
    }
    let decimals = (1.0 - p_value.log10().floor()).clamp(2.0, 5.0) as usize;
    format!("p = {p_value:.decimals$}")
}

fn later(at: Timestamp, length: SignedDuration) -> Timestamp {
    at.saturating_add(length).unwrap_or(Timestamp::MAX)
}

/// Several metrics that are judged together.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Analysis {
    /// The metrics, each name once.
    pub metrics: Vec<Metric>,
}

impl Analysis {
    /// Makes an analysis. The tests among the metrics share the largest alpha (Bonferroni), so that the chance of a false
    /// failure by any of them stays below it.
    pub fn new(mut metrics: Vec<Metric>) -> Self {
        let tests = metrics
            .iter()
            .filter(|metric| matches!(metric.criterion, Criterion::Compare(_)) && !metric.dry_run)
            .count();
        for metric in &mut metrics {
            if let Criterion::Compare(compare) = &mut metric.criterion
                && tests > 1
            {
                compare.alpha /= tests as f64;
            }
        }
        Self { metrics }
    }
}

/// An analysis over time. It can be stored and gone on with.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Run {
    /// When it began.
    pub since: Timestamp,
    /// Its metrics.
    pub metrics: BTreeMap<String, Progress>,
}

impl Run {
    /// Begins an analysis.
    pub fn new(analysis: &Analysis, now: Timestamp) -> Self {
        let metrics = analysis.metrics.iter();
        Self {
            since: now,
            metrics: metrics
                .map(|metric| (metric.name.clone(), Progress::new(metric, now)))
                .collect(),
        }
    }

    /// Takes in the answer to an attempt; an unknown or finished metric is passed over.
    pub fn record(
        &mut self,
        analysis: &Analysis,
        name: &str,
        at: Timestamp,
        answer: &Result<Value, String>,
    ) {
        let metric = analysis.metrics.iter().find(|metric| metric.name == name);
        if let (Some(metric), Some(progress)) = (metric, self.metrics.get_mut(name))
            && progress.phase == Phase::Running
        {
            progress.record(metric, at, answer);
        }
    }

    /// Returns the metrics to measure now and marks them as asked for. An attempt that nobody answers in time has failed.
    pub fn ask(&mut self, analysis: &Analysis, now: Timestamp) -> Vec<String> {
        let mut due = Vec::new();
        for metric in &analysis.metrics {
            let Some(progress) = self.metrics.get_mut(&metric.name) else {
                // The metric came with a change of the analysis.
                self.metrics
                    .insert(metric.name.clone(), Progress::new(metric, now));
                continue;
            };
            if let Some(asked) = progress.asked
                && now.duration_since(asked) >= metric.answer_within
            {
                let why = format!("no answer within {} s", metric.answer_within.as_secs());
                progress.record(metric, now, &Err(why));
            }
            if progress.phase == Phase::Running && progress.due <= now {
                progress.asked.get_or_insert(now);
                due.push(metric.name.clone());
            }
        }
        due
    }

    /// Returns when something is due next.
    pub fn next(&self) -> Option<Timestamp> {
        let running = self
            .metrics
            .values()
            .filter(|progress| progress.phase == Phase::Running);
        running
            .map(|progress| match progress.asked {
                Some(asked) => later(asked, progress.answer_within),
                None => progress.due,
            })
            .min()
    }

    /// Returns how the analysis stands and the metric that decided it: the worst of those that count; done when all are.
    pub fn phase<'a>(&self, analysis: &'a Analysis) -> (Phase, Option<&'a str>) {
        let mut worst: (Phase, Option<&str>) = (Phase::Successful, None);
        let mut running = false;
        for metric in analysis.metrics.iter().filter(|metric| !metric.dry_run) {
            match self.metrics.get(&metric.name) {
                None => running = true,
                Some(progress) if progress.phase == Phase::Running => running = true,
                Some(progress) if progress.phase > worst.0 => {
                    worst = (progress.phase, Some(&metric.name));
                }
                Some(_) => {}
            }
        }
        if worst.0 == Phase::Successful && running {
            return (Phase::Running, None);
        }
        worst
    }

    /// Returns what the metric that decided said last.
    pub fn message(&self, name: &str) -> &str {
        self.metrics
            .get(name)
            .map_or("", |progress| &progress.message)
    }
}

#[cfg(test)]
mod tests {
    use super::significance;

    #[test]
    fn p_values_as_people_read_them() {
        let cases = [
            (1.0, "p = 1.00"),
            (0.25, "p = 0.25"),
            (0.003_14, "p = 0.0031"),
            (0.000_123, "p = 0.00012"),
            (0.000_099, "p < 0.0001"),
            (0.0, "p < 0.0001"),
        ];
        for (value, text) in cases {
            assert_eq!(significance(value), text);
        }
    }
}
