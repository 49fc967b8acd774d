//! A rollout as people read it.

use std::fmt::Write as _;

use driftless_api::ModelRollout;
use driftless_api::rollout::status::{
    DecisionRecord, MetricStatus, ModelRolloutStatus, Pods, TargetStatus,
};
use jiff::{SignedDuration, Timestamp};

/// How much is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// What matters now.
    Usual,
    /// Conditions, every decision that is kept, and what they rest on.
    Wide,
}

/// Decisions shown when not all are.
const DECISIONS: usize = 5;

/// Returns the length since a time: `45s`, `3m`, `2h`, `5d`.
pub(super) fn age(since: Timestamp, now: Timestamp) -> String {
    length(now.duration_since(since))
}

fn length(length: SignedDuration) -> String {
    let seconds = length.as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Writes columns, as wide as their widest value.
fn columns(indent: usize, rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    for row in rows {
        let mut line = " ".repeat(indent);
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn status_of(rollout: &ModelRollout) -> ModelRolloutStatus {
    rollout.status.as_deref().cloned().unwrap_or_default()
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

/// Returns a table of rollouts.
pub(super) fn table(rollouts: &[ModelRollout], everywhere: bool, now: Timestamp) -> String {
    let mut head = vec![
        "NAME", "PHASE", "TARGETS", "STEP", "WEIGHT", "AGE", "MESSAGE",
    ];
    if everywhere {
        head.insert(0, "NAMESPACE");
    }
    let mut rows = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    for rollout in rollouts {
        let status = status_of(rollout);
        let busy = status
            .targets
            .iter()
            .find(|target| target.current_step_index.is_some());
        let step = busy.map_or_else(String::new, step_of);
        let weight = busy.and_then(|target| target.weight);
        let created = rollout.metadata.creation_timestamp;
        let mut row = vec![
            rollout.metadata.name.clone(),
            or(&status.phase, "-").to_owned(),
            status.targets.len().to_string(),
            or(&step, "-").to_owned(),
            weight.map_or_else(|| "-".to_owned(), |weight| format!("{weight} %")),
            created.map_or_else(|| "-".to_owned(), |at| age(at.timestamp(), now)),
            status.message,
        ];
        if everywhere {
            row.insert(0, rollout.metadata.namespace.clone());
        }
        rows.push(row);
    }
    columns(0, &rows)
}

fn step_of(target: &TargetStatus) -> String {
    match target.current_step_index {
        Some(index) if index < target.steps => format!("{}/{}", index + 1, target.steps),
        Some(_) => format!("{0}/{0}", target.steps),
        None => String::new(),
    }
}

/// Returns everything about one rollout.
pub(super) fn full(
    rollout: &ModelRollout,
    only: Option<&str>,
    detail: Detail,
    now: Timestamp,
) -> String {
    let status = status_of(rollout);
    let mut out = String::new();
    let _ = writeln!(out, "Name:       {}", rollout.metadata.name);
    let _ = writeln!(out, "Namespace:  {}", rollout.metadata.namespace);
    if status.phase.is_empty() {
        let _ = writeln!(
            out,
            "Phase:      unknown: nobody has looked at this rollout yet"
        );
    } else {
        let _ = writeln!(out, "Phase:      {}", status.phase);
    }
    if !status.message.is_empty() {
        let _ = writeln!(out, "Message:    {}", status.message);
    }
    if detail == Detail::Wide {
        for condition in &status.conditions {
            let _ = writeln!(
                out,
                "Condition:  {}={} {} {}",
                condition.r#type, condition.status, condition.reason, condition.message
            );
        }
    }
    let targets = status.targets.iter();
    for target in targets.filter(|target| only.is_none_or(|only| target.name == only)) {
        out.push('\n');
        out.push_str(&one_target(target, detail, now));
    }
    out
}

fn one_target(target: &TargetStatus, detail: Detail, now: Timestamp) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "Target {}: {}",
        target.name,
        or(&target.phase, "unknown")
    );
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "  {:<9} {value}", format!("{name}:"));
    };
    if !target.message.is_empty() {
        line("Message", target.message.clone());
    }
    if !target.waiting_for.is_empty() {
        line("Waits", target.waiting_for.clone());
    }
    if !target.paused_by.is_empty() {
        line("Paused", format!("by {}", target.paused_by));
    }
    if !target.stable_version.is_empty() {
        let weight = target.weight.map(|weight| 100 - weight);
        line(
            "Stable",
            version(&target.stable_version, weight, target.stable_pods.as_ref()),
        );
    }
    if !target.canary_version.is_empty() {
        line(
            "Canary",
            version(
                &target.canary_version,
                target.weight,
                target.canary_pods.as_ref(),
            ),
        );
    }
    if !target.fit.is_empty() {
        line("Fit", target.fit.clone());
    }
    out.push_str(&steps(target, now));
    out.push_str(&metrics(&target.metrics, detail));
    if !target.quarantined.is_empty() {
        out.push_str("  Kept out:\n");
        for entry in &target.quarantined {
            let since = entry.at.map_or_else(String::new, |at| {
                format!(" ({} ago)", age(at.timestamp(), now))
            });
            let _ = writeln!(
                out,
                "    {}: {}{since}",
                entry.version,
                or(&entry.reason, "no reason is kept")
            );
        }
    }
    let shown = match detail {
        Detail::Usual => DECISIONS,
        Detail::Wide => usize::MAX,
    };
    let skipped = target.decisions.len().saturating_sub(shown);
    if !target.decisions.is_empty() {
        out.push_str("  Decisions:\n");
    }
    for decision in target.decisions.iter().skip(skipped) {
        let _ = writeln!(out, "    {}", self::decision(decision));
        if detail == Detail::Wide {
            for (name, value) in &decision.inputs {
                let _ = writeln!(out, "        {name}: {value}");
            }
        }
    }
    out
}

fn version(version: &str, weight: Option<i64>, pods: Option<&Pods>) -> String {
    let mut parts = vec![version.to_owned()];
    parts.extend(weight.map(|weight| format!("{weight} % of the traffic")));
    parts.extend(pods.map(|pods| format!("{} of {} pods ready", pods.ready, pods.desired)));
    parts.join(", ")
}

fn steps(target: &TargetStatus, now: Timestamp) -> String {
    let mut out = String::new();
    if target.step_titles.is_empty() {
        if target.current_step_index.is_some() {
            let _ = writeln!(out, "  Step:     {}", step_of(target));
        }
        return out;
    }
    out.push_str("  Steps:\n");
    let at = target
        .current_step_index
        .and_then(|index| usize::try_from(index).ok());
    for (index, title) in target.step_titles.iter().enumerate() {
        let mark = match at {
            Some(at) if index < at => "✔",
            Some(at) if index == at => "▶",
            _ => " ",
        };
        let since = match target.step_since {
            Some(since) if at == Some(index) => format!("  ({})", age(since.timestamp(), now)),
            _ => String::new(),
        };
        let _ = writeln!(out, "    {mark} {} {title}{since}", index + 1);
    }
    out
}

fn metrics(metrics: &[MetricStatus], detail: Detail) -> String {
    if metrics.is_empty() {
        return String::new();
    }
    let mut head = vec!["METRIC", "ANALYSIS", "PHASE", "LAST", "STABLE", "THRESHOLD"];
    if detail == Detail::Wide {
        head.extend(["SUCCESS", "FAILURE", "MESSAGE"]);
    }
    let mut rows = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    let number =
        |number: Option<f64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    for metric in metrics {
        let last = metric.measurements.last();
        let value = match last {
            Some(last) if last.value.is_none() && !last.text.is_empty() => last.text.clone(),
            last => number(last.and_then(|last| last.value)),
        };
        let phase = if metric.dry_run {
            format!("{} (dry run)", metric.phase)
        } else {
            metric.phase.clone()
        };
        let mut row = vec![
            metric.name.clone(),
            metric.analysis.clone(),
            phase,
            value,
            number(last.and_then(|last| last.stable)),
            number(metric.threshold),
        ];
        if detail == Detail::Wide {
            row.extend([
                metric.success.clone(),
                metric.failure.clone(),
                metric.message.clone(),
            ]);
        }
        rows.push(row);
    }
    format!("  Metrics:\n{}", columns(4, &rows))
}

/// Returns one decision in one line.
pub(super) fn decision(decision: &DecisionRecord) -> String {
    let at = decision.at.map_or_else(String::new, |at| at.to_string());
    format!("{at}  {:<26} {}", decision.reason, decision.message)
}
