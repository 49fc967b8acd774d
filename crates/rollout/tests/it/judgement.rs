//! Metrics over time: counts, limits, dry runs, tests.

use driftless_rollout::Value;
use driftless_rollout::expression::Expression;
use driftless_rollout::judge::{Analysis, Compare, Criterion, Metric, NoData, Phase, Run};
use serde_json::json;

use crate::machine::{metric, s, t};

fn numbers(metric: Metric, values: &[f64]) -> (Phase, u32) {
    let values: Vec<Result<Value, String>> = values
        .iter()
        .map(|value| Ok(Value::Float(*value)))
        .collect();
    answers(metric, &values)
}

/// Measures until the metric ends; returns how it stands and how often it was measured.
fn answers(metric: Metric, values: &[Result<Value, String>]) -> (Phase, u32) {
    let name = metric.name.clone();
    let analysis = Analysis::new(vec![metric]);
    let mut run = Run::new(&analysis, t(0));
    let mut now = 0;
    for value in values {
        while run.ask(&analysis, t(now)).is_empty() {
            if run.phase(&analysis).0 != Phase::Running {
                let progress = &run.metrics[&name];
                return (run.phase(&analysis).0, progress.count);
            }
            now += 1;
        }
        run.record(&analysis, &name, t(now), value);
    }
    (run.phase(&analysis).0, run.metrics[&name].count)
}

fn below(count: Option<u32>) -> Metric {
    metric("m", "result < 5", 10, count)
}

#[test]
fn counts_and_limits() {
    assert_eq!(
        numbers(below(Some(3)), &[1.0, 1.0, 1.0]),
        (Phase::Successful, 3)
    );
    assert_eq!(
        numbers(below(Some(3)), &[1.0, 9.0, 1.0]),
        (Phase::Failed, 2)
    );
    let tolerant = Metric {
        failure_limit: Some(1),
        ..below(Some(3))
    };
    assert_eq!(
        numbers(tolerant.clone(), &[9.0, 1.0, 1.0]),
        (Phase::Successful, 3)
    );
    assert_eq!(numbers(tolerant, &[9.0, 9.0, 1.0]), (Phase::Failed, 2));
    assert_eq!(numbers(below(None), &[1.0; 50]), (Phase::Running, 50));
    let streak = Metric {
        consecutive_success_limit: Some(3),
        failure_limit: None,
        ..below(None)
    };
    assert_eq!(
        numbers(streak, &[1.0, 9.0, 1.0, 1.0, 1.0, 1.0]),
        (Phase::Successful, 5)
    );
    assert_eq!(
        numbers(below(Some(3)), &[f64::NAN]),
        (Phase::Inconclusive, 1)
    );
    let patient = Metric {
        inconclusive_limit: 2,
        ..below(Some(3))
    };
    assert_eq!(
        numbers(patient, &[f64::NAN, f64::NAN, 1.0]),
        (Phase::Successful, 3)
    );
    let gaps = Metric {
        inconclusive_limit: 5,
        ..below(Some(3))
    };
    assert_eq!(numbers(gaps, &[f64::NAN; 3]), (Phase::Inconclusive, 3));
    let strict = Metric {
        no_data: NoData::Fail,
        ..below(Some(3))
    };
    assert_eq!(numbers(strict, &[f64::NAN]), (Phase::Failed, 1));
}

#[test]
fn sources_that_do_not_answer() {
    let down = || Err("connection refused".to_owned());
    let up = || Ok(Value::Int(1));
    assert_eq!(
        answers(
            below(Some(2)),
            &[down(), down(), down(), down(), up(), up()]
        ),
        (Phase::Successful, 2)
    );
    assert_eq!(
        answers(below(Some(2)), &[down(), down(), down(), down(), down()]),
        (Phase::Error, 0)
    );
    // Nobody answers at all.
    let analysis = Analysis::new(vec![below(Some(1))]);
    let mut run = Run::new(&analysis, t(0));
    for minute in 0..30 {
        run.ask(&analysis, t(minute * 60));
    }
    assert_eq!(run.phase(&analysis), (Phase::Error, Some("m")));
}

#[test]
fn both_conditions_leave_a_middle() {
    let expression = |text: &str| Some(Expression::parse(text).unwrap());
    let criterion = Criterion::Conditions {
        success: expression("result < 5"),
        failure: expression("result > 10"),
    };
    let both = || Metric::new("m", criterion.clone());
    assert_eq!(numbers(both(), &[1.0]).0, Phase::Successful);
    assert_eq!(numbers(both(), &[20.0]).0, Phase::Failed);
    assert_eq!(numbers(both(), &[7.0]).0, Phase::Inconclusive);
    let none = Metric::new(
        "m",
        Criterion::Conditions {
            success: None,
            failure: None,
        },
    );
    assert_eq!(
        answers(none.clone(), &[Ok(Value::Null)]).0,
        Phase::Inconclusive
    );
    assert_eq!(answers(none, &[Ok(Value::Int(3))]).0, Phase::Successful);
}

#[test]
fn a_dry_run_does_not_count() {
    let dry = Metric {
        dry_run: true,
        ..metric("dry", "result < 5", 10, Some(1))
    };
    let analysis = Analysis::new(vec![dry, metric("real", "result < 5", 10, Some(1))]);
    let mut run = Run::new(&analysis, t(0));
    run.ask(&analysis, t(0));
    run.record(&analysis, "dry", t(0), &Ok(Value::Int(9)));
    assert_eq!(run.phase(&analysis).0, Phase::Running);
    run.record(&analysis, "real", t(0), &Ok(Value::Int(1)));
    assert_eq!(run.phase(&analysis), (Phase::Successful, None));
    assert_eq!(run.metrics["dry"].phase, Phase::Failed);
}

fn test(limit: Option<f64>) -> Metric {
    let compare = Compare {
        alpha: 0.05,
        detect: 2.0,
        min_samples: Some(500.0),
        limit,
    };
    Metric {
        interval: Some(s(30)),
        count: None,
        ..Metric::new("m", Criterion::Compare(compare))
    }
}

fn blocks(bad: i64, count: usize) -> Vec<Result<Value, String>> {
    let block = json!({"canary": {"bad": bad, "total": 50}, "stable": {"bad": 5, "total": 450}});
    vec![Ok(Value::from(block)); count]
}

#[test]
fn a_test_passes_with_enough_events_and_fails_at_any_time() {
    assert_eq!(answers(test(None), &blocks(0, 5)).0, Phase::Running);
    assert_eq!(answers(test(None), &blocks(0, 10)), (Phase::Successful, 10));
    let (phase, count) = answers(test(None), &blocks(15, 10));
    assert!(
        phase == Phase::Failed && count < 5,
        "{phase:?} after {count}"
    );
    assert_eq!(
        answers(test(Some(0.05)), &blocks(1, 10)).0,
        Phase::Successful
    );
    assert_eq!(answers(test(Some(0.05)), &blocks(20, 10)).0, Phase::Failed);
    // One that ends before it has seen enough says nothing.
    let short = Metric {
        count: Some(2),
        ..test(None)
    };
    assert_eq!(answers(short, &blocks(0, 2)).0, Phase::Inconclusive);
    for odd in [
        json!(3),
        json!({"canary": {"bad": 9, "total": 3}}),
        json!({"canary": {"bad": "x"}}),
        json!(null),
    ] {
        assert_eq!(
            answers(test(None), &[Ok(Value::from(odd))]).0,
            Phase::Inconclusive
        );
    }
}

#[test]
fn several_tests_share_alpha() {
    let other = Metric {
        name: "n".into(),
        ..test(None)
    };
    let analysis = Analysis::new(vec![test(None), other, below(Some(1))]);
    let Criterion::Compare(compare) = analysis.metrics[0].criterion else {
        panic!()
    };
    assert!((compare.alpha - 0.025).abs() < 1e-12);
}
