//! Seven simulated days of many rollouts, and what they hold in memory: `cargo run --release -p driftless-rollout
//! --example soak`. Every six hours each target gets a commit, every other one bad; at the end of a day each is on its way.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a tool that prints what it measures"
)]

use driftless_rollout::Value;
use driftless_rollout::expression::Expression;
use driftless_rollout::judge::{Analysis, Criterion, Metric};
use driftless_rollout::machine::State;
use driftless_rollout::plan::{Plan, Step};
use driftless_rollout::simulate::{Event, Scenario, World, run_from};
use jiff::{SignedDuration, Timestamp};

const ROLLOUTS: usize = 2000;
const DAYS: i64 = 7;
/// When the first commit of a day comes.
const FIRST: i64 = 3 * 3600;
const DAY: i64 = 86_400;

fn plan() -> Plan {
    let success = Some(Expression::parse("result < 0.05").unwrap());
    let criterion = Criterion::Conditions {
        success,
        failure: None,
    };
    let errors = Metric {
        interval: Some(SignedDuration::from_mins(10)),
        count: None,
        ..Metric::new("errors", criterion)
    };
    Plan {
        background: Some((Analysis::new(vec![errors]), None)),
        ..Plan::new(vec![
            Step::SetWeight(10),
            Step::Pause(Some(SignedDuration::from_hours(2))),
            Step::SetWeight(50),
            Step::Pause(Some(SignedDuration::from_hours(3))),
        ])
    }
}

/// A day of one target: four commits, a metric that turns bad for every other one.
fn day(world: World, number: i64) -> Scenario {
    let start = Timestamp::from_second(1_800_000_000 + number * DAY).unwrap();
    let at = |seconds: i64| {
        start
            .saturating_add(SignedDuration::from_secs(seconds))
            .unwrap()
    };
    let mut scenario = Scenario::new(start, world);
    for commit in 0..4 {
        let version = format!("v{}", number * 4 + commit + 2);
        scenario
            .events
            .push((at(commit * DAY / 4 + FIRST), Event::Version(version)));
    }
    // Bad for the first and the third commit.
    let is_bad = |seconds: i64| (seconds - FIRST).div_euclid(DAY / 4).rem_euclid(2) == 0;
    let value = |seconds: i64| Value::Float(if is_bad(seconds) { 0.2 } else { 0.01 });
    let samples = (0..DAY)
        .step_by(300)
        .map(|seconds| (at(seconds), value(seconds)));
    scenario.samples.insert("errors".into(), samples.collect());
    scenario
}

/// Resident memory in MiB.
fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or(0.0);
    pages * 4096.0 / 1_048_576.0
}

/// One day with a measurement every ten seconds.
fn dense() {
    let mut plan = plan();
    if let Some((analysis, _)) = &mut plan.background {
        for metric in &mut analysis.metrics {
            metric.interval = Some(SignedDuration::from_secs(10));
        }
    }
    plan.steps
        .insert(1, Step::Pause(Some(SignedDuration::from_hours(20))));
    let mut scenario = day(World::new("v1", 4), 0);
    scenario.events.truncate(1);
    let start = scenario.start;
    let at = |seconds: i64| {
        start
            .saturating_add(SignedDuration::from_secs(seconds))
            .unwrap()
    };
    let samples = (0..DAY)
        .step_by(10)
        .map(|seconds| (at(seconds), Value::Float(0.01)));
    scenario.samples.insert("errors".into(), samples.collect());
    let begin = std::time::Instant::now();
    let report = run_from(&plan, &scenario, State::default());
    println!(
        "24 h with a measurement every 10 s: {} calls in {:?}",
        report.calls,
        begin.elapsed()
    );
}

fn main() {
    let plan = plan();
    let mut all: Vec<(World, State)> = (0..ROLLOUTS)
        .map(|_| (World::new("v1", 4), State::default()))
        .collect();
    dense();
    println!("before: {:.1} MiB", resident());
    let mut calls = 0;
    for number in 0..DAYS {
        let begin = std::time::Instant::now();
        let mut decisions = 0;
        for slot in &mut all {
            let (world, state) = slot.clone();
            let report = run_from(&plan, &day(world, number), state);
            calls += report.calls;
            decisions += report.decisions.len();
            *slot = (report.world, report.state);
        }
        let stored: usize = all
            .iter()
            .map(|(_, state)| serde_json::to_string(state).unwrap().len())
            .sum();
        let moving = all
            .iter()
            .filter(|(_, state)| state.transition().is_some())
            .count();
        println!(
            "day {}: {moving} on their way, {:.1} MiB resident, {:.1} KiB stored per rollout, {decisions} decisions, {calls} calls so far, {:.1} s",
            number + 1,
            resident(),
            stored as f64 / ROLLOUTS as f64 / 1024.0,
            begin.elapsed().as_secs_f64(),
        );
    }
}
