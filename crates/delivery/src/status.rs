//! What the status says: steps in words, metrics, decisions.

use driftless_analysis::{Lowered, MetricSource, numbers};
use driftless_api::Time;
use driftless_api::rollout::status::{
    DecisionRecord, MeasurementStatus, MetricStatus, ModelRolloutStatus, Quarantined,
    RolloutCondition, TargetStatus,
};
use driftless_rollout::judge::{Phase, Run};
use driftless_rollout::machine::{Answer, Reason, State, Which};
use driftless_rollout::plan::{Plan, Scale, Step};
use jiff::Timestamp;

/// Measurements kept of each metric when nothing else is said, and at most.
const KEPT: usize = 20;
const MOST_KEPT: usize = 60;

/// Returns what the steps ask for, one sentence each.
pub(crate) fn titles(plan: &Plan) -> Vec<String> {
    let title = |step: &Step| match step {
        Step::SetWeight(weight) => format!("Set weight to {weight} %"),
        Step::Pause(None) => "Pause until approved".to_owned(),
        Step::Pause(Some(length)) => format!("Pause for {length:#}"),
        Step::Analysis(analysis) => {
            let names: Vec<&str> = analysis
                .metrics
                .iter()
                .map(|metric| metric.name.as_str())
                .collect();
            format!("Analyse {}", names.join(", "))
        }
        Step::SetScale(Scale::Replicas(number)) => format!("Scale to {number} pods"),
        Step::SetScale(Scale::Weight(percent)) => format!("Scale to {percent} % of the pods"),
        Step::SetScale(Scale::MatchTraffic) => "Scale to match traffic".to_owned(),
        Step::Warmup(warmup) => format!("Warm up with {} requests", warmup.requests),
        Step::SetHeaderRoute(route) if route.matches.is_empty() => {
            format!("End the route {}", route.name)
        }
        Step::SetHeaderRoute(route) => format!("Route {} by header", route.name),
        Step::SetMirrorRoute(route) if route.percentage == 0 => {
            format!("End the mirror {}", route.name)
        }
        Step::SetMirrorRoute(route) => format!("Mirror {} % of requests", route.percentage),
    };
    plan.steps.iter().map(title).collect()
}

pub(crate) fn label(of: Which) -> String {
    match of {
        Which::Background => "background".to_owned(),
        Which::Step(index) => format!("step {index}"),
    }
}

fn phase(phase: Phase) -> String {
    format!("{phase:?}")
}

fn entry<'a>(
    status: &'a mut TargetStatus,
    of: Which,
    source: &MetricSource,
) -> &'a mut MetricStatus {
    let label = label(of);
    let known = status
        .metrics
        .iter()
        .position(|metric| metric.analysis == label && metric.name == source.metric);
    let index = known.unwrap_or_else(|| {
        status.metrics.push(MetricStatus {
            name: source.metric.clone(),
            analysis: label,
            phase: "Pending".to_owned(),
            dry_run: source.dry_run,
            success: source.success.clone(),
            failure: source.failure.clone(),
            threshold: source.threshold,
            ..MetricStatus::default()
        });
        status.metrics.len() - 1
    });
    // Just found or pushed.
    &mut status.metrics[index]
}

/// Notes how analyses at work stand, and measurements that came.
pub(crate) fn measured(
    status: &mut TargetStatus,
    lowered: &Lowered,
    runs: &[(Which, Run)],
    answers: &[Answer],
) {
    for (of, run) in runs {
        for (name, progress) in &run.metrics {
            let Some(source) = lowered.metrics.get(&(*of, name.clone())) else {
                continue;
            };
            let entry = entry(status, *of, source);
            entry.phase = if progress.last.is_empty() {
                "Pending".to_owned()
            } else {
                phase(progress.phase)
            };
            entry.message.clone_from(&progress.message);
            let kept = source.retention.unwrap_or(KEPT).clamp(1, MOST_KEPT);
            for answer in answers
                .iter()
                .filter(|answer| answer.of == *of && answer.metric == *name)
            {
                let judged = progress.last.iter().find(|last| last.at == answer.at);
                let (value, stable, text) = match &answer.value {
                    Ok(value) => {
                        let (canary, stable) = numbers(value);
                        (canary, stable, value.to_string())
                    }
                    Err(why) => (None, None, why.clone()),
                };
                entry.measurements.push(MeasurementStatus {
                    at: Some(Time::from(answer.at)),
                    phase: judged.map_or_else(
                        || {
                            phase(if answer.value.is_ok() {
                                Phase::Running
                            } else {
                                Phase::Error
                            })
                        },
                        |judged| phase(judged.phase),
                    ),
                    value,
                    stable,
                    text,
                    ..MeasurementStatus::default()
                });
            }
            let excess = entry.measurements.len().saturating_sub(kept);
            entry.measurements.drain(..excess);
        }
    }
}

/// Notes what the state says.
pub(crate) fn state(status: &mut TargetStatus, state: &State, plan: Option<&Plan>) {
    let phase = match &state.waiting {
        Some((Reason::TargetDeleted | Reason::TargetMissing, _)) => "Waiting",
        _ => state.phase(),
    };
    phase.clone_into(&mut status.phase);
    let (reason, message) = match &state.waiting {
        Some((reason, message)) => (reason.as_str(), message.clone()),
        None => (String::new(), String::new()),
    };
    // What is well is not waited for.
    status.waiting_for = match &state.waiting {
        Some((Reason::Healthy | Reason::FirstVersion, _)) => String::new(),
        _ => reason,
    };
    status.message = message;
    status.paused_by = state.paused.clone().unwrap_or_default();
    let transition = state.transition();
    if let Some(plan) = plan {
        status.steps = plan.steps.len() as i64;
        status.step_titles = titles(plan);
    }
    match transition {
        Some(transition) => {
            if status.canary_version != transition.version {
                status.metrics.clear();
            }
            status.canary_version.clone_from(&transition.version);
            status.current_step_index = Some(transition.index as i64);
            status.step_since = Some(Time::from(transition.since));
        }
        None => {
            status.canary_version.clear();
            status.current_step_index = None;
            status.step_since = None;
        }
    }
    status.quarantined = state
        .quarantined
        .iter()
        .map(|entry| Quarantined {
            version: entry.version.clone(),
            reason: entry.why.clone(),
            at: Some(Time::from(entry.at)),
            ..Quarantined::default()
        })
        .collect();
    status.decisions = state
        .decisions
        .iter()
        .map(|decision| DecisionRecord {
            sequence: decision.sequence as i64,
            at: Some(Time::from(decision.at)),
            reason: decision.reason.as_str(),
            message: decision.message.clone(),
            inputs: decision.inputs.clone(),
            ..DecisionRecord::default()
        })
        .collect();
}

/// Worst first.
const ORDER: [&str; 9] = [
    "Invalid",
    "RollingBack",
    "Held",
    "Degraded",
    "Paused",
    "Progressing",
    "Waiting",
    "",
    "Healthy",
];

/// Sums the targets up.
pub(crate) fn summarise(status: &mut ModelRolloutStatus, generation: i64, now: Timestamp) {
    status.observed_generation = generation;
    let rank = |phase: &str| ORDER.iter().position(|known| *known == phase).unwrap_or(0);
    let worst = status
        .targets
        .iter()
        .min_by_key(|target| rank(&target.phase));
    let (phase, message) = match worst {
        None => ("Waiting".to_owned(), "no target is there".to_owned()),
        Some(target) if status.targets.len() == 1 => (target.phase.clone(), target.message.clone()),
        Some(target) => (
            target.phase.clone(),
            format!("{}: {}", target.name, target.message),
        ),
    };
    conclude(status, &phase, &message, now);
}

/// Sets phase, message and conditions.
pub(crate) fn conclude(
    status: &mut ModelRolloutStatus,
    phase: &str,
    message: &str,
    now: Timestamp,
) {
    phase.clone_into(&mut status.phase);
    message.clone_into(&mut status.message);
    let is = |yes: bool| if yes { "True" } else { "False" };
    let wanted = [
        ("Healthy", is(phase == "Healthy")),
        (
            "Progressing",
            is(matches!(
                phase,
                "Progressing" | "Paused" | "Held" | "RollingBack"
            )),
        ),
        ("Valid", is(phase != "Invalid")),
    ];
    let conditions = wanted.map(|(name, value)| {
        let known = status
            .conditions
            .iter()
            .find(|condition| condition.r#type == name && condition.status == value);
        RolloutCondition {
            r#type: name.to_owned(),
            status: value.to_owned(),
            reason: if phase.is_empty() {
                "Unknown".to_owned()
            } else {
                phase.to_owned()
            },
            message: message.to_owned(),
            last_transition_time: known
                .and_then(|condition| condition.last_transition_time)
                .or_else(|| Some(Time::from(now))),
            ..RolloutCondition::default()
        }
    });
    status.conditions = conditions.to_vec();
}
