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
    // Whether pods fit is of interest while a version is on its way.
    let is_moving = !target.canary_version.is_empty() || target.waiting_for.starts_with("Capacity");
    if is_moving && !target.fit.is_empty() {
        line("Fit", target.fit.clone());
    }
    out.push_str(&tree(target, now));
    out.push_str(&steps(target, now));
    if detail == Detail::Wide {
        out.push_str(&metrics(&target.metrics));
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

/// Returns the versions of a target with their traffic, pods and metrics.
fn tree(target: &TargetStatus, now: Timestamp) -> String {
    let mut branches: Vec<(Vec<String>, Vec<Vec<String>>)> = Vec::new();
    let version = |name: &str, sign: &str, status: String, info: String| {
        vec![format!("{sign} {name}"), "Version".to_owned(), status, info]
    };
    if !target.canary_version.is_empty() {
        let info = traffic("new", target.weight);
        let status = ready(target.canary_pods.as_ref());
        branches.push((
            version(&target.canary_version, "◇", status, info),
            target.metrics.iter().map(measured).collect(),
        ));
    }
    if !target.stable_version.is_empty() {
        let weight = target.weight.map(|weight| 100 - weight);
        let info = if target.canary_version.is_empty() {
            traffic("stable", Some(100))
        } else {
            traffic("stable", weight)
        };
        let status = ready(target.stable_pods.as_ref());
        branches.push((
            version(&target.stable_version, "◆", status, info),
            Vec::new(),
        ));
    }
    for entry in &target.quarantined {
        let since = entry.at.map_or_else(String::new, |at| {
            format!(" ({} ago)", age(at.timestamp(), now))
        });
        // What a version that failed was judged by belongs to it, as long as it is the last one.
        let is_last = target.canary_version.is_empty() && entry.version == target.wanted_version;
        let metrics = target.metrics.iter().filter(|_| is_last);
        let why = format!(
            "{}{since}",
            short_numbers(or(&entry.reason, "no reason is kept"))
        );
        branches.push((
            version(&entry.version, "✖", "kept out".to_owned(), why),
            metrics.map(measured).collect(),
        ));
    }
    if branches.is_empty() {
        return String::new();
    }
    let head = ["NAME", "KIND", "STATUS", "INFO"]
        .map(str::to_owned)
        .to_vec();
    let mut rows = vec![head];
    let count = branches.len();
    for (index, (mut row, mut leaves)) in branches.into_iter().enumerate() {
        let is_last = index + 1 == count;
        graft(&mut row, if is_last { "└─ " } else { "├─ " });
        rows.push(row);
        let stem = if is_last { "   " } else { "│  " };
        let leaf_count = leaves.len();
        for (index, leaf) in leaves.iter_mut().enumerate() {
            let twig = if index + 1 == leaf_count {
                "└─ "
            } else {
                "├─ "
            };
            graft(leaf, &format!("{stem}{twig}"));
        }
        rows.append(&mut leaves);
    }
    columns(2, &rows)
}

/// Puts a branch of the tree before the first cell.
fn graft(row: &mut [String], branch: &str) {
    if let Some(first) = row.first_mut() {
        first.insert_str(0, branch);
    }
}

fn traffic(role: &str, weight: Option<i64>) -> String {
    match weight {
        Some(weight) => format!("{role}, {weight} % of the traffic"),
        None => format!("{role}, share of the traffic not known"),
    }
}

fn ready(pods: Option<&Pods>) -> String {
    pods.map_or_else(
        || "pods not known".to_owned(),
        |pods| format!("{}/{} pods ready", pods.ready, pods.desired),
    )
}

/// Returns a metric as a row of the tree.
fn measured(metric: &MetricStatus) -> Vec<String> {
    let last = metric.measurements.last();
    let mut info = match last {
        Some(last) if last.value.is_none() && !last.text.is_empty() => vec![last.text.clone()],
        Some(last) => vec![number(last.value)],
        None => vec!["not measured yet".to_owned()],
    };
    if let Some(stable) = last.and_then(|last| last.stable) {
        info.push(format!("stable {}", number(Some(stable))));
    }
    if let Some(threshold) = metric.threshold {
        info.push(format!("threshold {}", number(Some(threshold))));
    }
    let name = match metric.analysis.strip_prefix("step ").map(str::parse::<u32>) {
        Some(Ok(step)) => format!("{} (step {})", metric.name, step + 1),
        _ => format!("{} ({})", metric.name, or(&metric.analysis, "analysis")),
    };
    vec![name, "Metric".to_owned(), phase_of(metric), info.join(", ")]
}

fn phase_of(metric: &MetricStatus) -> String {
    if metric.dry_run {
        format!("{} (dry run)", metric.phase)
    } else {
        metric.phase.clone()
    }
}

/// Writes a number with the digits that people look at.
fn number(number: Option<f64>) -> String {
    let Some(number) = number else {
        return "-".to_owned();
    };
    format!("{number:.3e}")
        .parse::<f64>()
        .map_or_else(|_| number.to_string(), |short| short.to_string())
}

/// Shortens numbers in a sentence that are long by accident, such as `0.008000000000000009`.
fn short_numbers(sentence: &str) -> String {
    let is_digit = |c: char| c.is_ascii_digit() || c == '.';
    let mut out = String::new();
    let mut rest = sentence;
    while let Some(first) = rest.chars().next() {
        let end = if is_digit(first) {
            rest.find(|c| !is_digit(c))
        } else {
            rest.find(is_digit)
        };
        let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
        let digits = part.split_once('.').map_or(0, |(_, digits)| digits.len());
        match part.parse::<f64>() {
            Ok(value) if digits >= 6 => out.push_str(&number(Some(value))),
            _ => out.push_str(part),
        }
        rest = after;
    }
    out
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

fn metrics(metrics: &[MetricStatus]) -> String {
    if metrics.is_empty() {
        return String::new();
    }
    let head = [
        "METRIC", "ANALYSIS", "PHASE", "SUCCESS", "FAILURE", "MESSAGE",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for metric in metrics {
        rows.push(vec![
            metric.name.clone(),
            metric.analysis.clone(),
            phase_of(metric),
            or(&metric.success, "-").to_owned(),
            or(&metric.failure, "-").to_owned(),
            short_numbers(&metric.message),
        ]);
    }
    format!("  Metrics:\n{}", columns(4, &rows))
}

/// Returns one decision in one line.
pub(super) fn decision(decision: &DecisionRecord) -> String {
    let at = decision.at.map_or_else(String::new, |at| at.to_string());
    let message = short_numbers(&decision.message);
    format!("{at}  {:<26} {message}", decision.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_short_as_people_want_them() {
        assert_eq!(number(Some(0.009_999_999_999_997)), "0.01");
        assert_eq!(number(Some(41.5)), "41.5");
        assert_eq!(number(Some(1500.0)), "1500");
        assert_eq!(
            short_numbers("[0.008000000000000009]: result[0] < 0.05 holds, v1.2.3 of 40.136120648"),
            "[0.008]: result[0] < 0.05 holds, v1.2.3 of 40.14"
        );
    }
}
