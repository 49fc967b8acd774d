//! Records of metrics and events: JSON lines, and tables.

use std::collections::BTreeMap;

use driftless_api::duration;
use driftless_rollout::Value;
use driftless_rollout::fit::Verdict;
use driftless_rollout::machine::Command;
use driftless_rollout::simulate::{Event, Scenario, World, verb};
use jiff::{SignedDuration, Timestamp};

use super::{Error, SimulateArgs};

/// A point in time, or a time since the beginning.
#[derive(Clone, Copy, Debug)]
enum When {
    At(Timestamp),
    After(SignedDuration),
}

/// All that was recorded.
#[derive(Default, Debug)]
pub(super) struct Record {
    events: Vec<(When, Event)>,
    samples: BTreeMap<String, Vec<(When, Value)>>,
}

type Line<'a> = &'a serde_json::Map<String, serde_json::Value>;

fn word<'a>(line: Line<'a>, name: &str) -> Option<&'a str> {
    line.get(name).and_then(serde_json::Value::as_str)
}

impl Record {
    /// Reads JSON lines.
    pub(super) fn read_lines(&mut self, file: &str, text: &str) -> Result<(), Error> {
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            self.read_line(line).map_err(|message| Error::Line {
                file: file.to_owned(),
                line: index + 1,
                message,
            })?;
        }
        Ok(())
    }

    fn read_line(&mut self, line: &str) -> Result<(), String> {
        let line: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(line).map_err(|error| format!("not a JSON object: {error}"))?;
        let when = match (line.get("at"), line.get("t")) {
            (Some(serde_json::Value::String(at)), None) => moment(at)?,
            (None, Some(serde_json::Value::Number(t))) => seconds(t.as_f64().unwrap_or(f64::NAN))?,
            (None, Some(serde_json::Value::String(t))) => moment(t)?,
            _ => {
                return Err(
                    "set at (RFC 3339) or t (seconds, or a duration since the beginning)".into(),
                );
            }
        };
        match (word(&line, "metric"), word(&line, "event")) {
            (Some(metric), None) => {
                let Some(value) = line.get("value") else {
                    return Err("a sample has a value".into());
                };
                let value = Value::from(value.clone()).with_special_numbers();
                self.samples
                    .entry(metric.to_owned())
                    .or_default()
                    .push((when, value));
            }
            (None, Some(name)) => self.events.push((when, event(name, &line)?)),
            _ => return Err("set metric and value, or event".into()),
        }
        Ok(())
    }

    /// Reads a table: time first, then `metric` and `value`, or a column for each metric.
    pub(super) fn read_table(&mut self, file: &str, text: &str) -> Result<(), Error> {
        let wrong = |line: usize, message: String| Error::Line {
            file: file.to_owned(),
            line: line + 1,
            message,
        };
        let mut lines = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty());
        let Some((_, header)) = lines.next() else {
            return Err(wrong(0, "the table is empty".into()));
        };
        let header: Vec<&str> = header.split(',').map(str::trim).collect();
        let Some((&("t" | "at" | "time"), columns)) = header.split_first() else {
            return Err(wrong(
                0,
                "the first column is t (seconds, or a duration) or at (RFC 3339)".into(),
            ));
        };
        let is_long = columns == ["metric", "value"];
        for (index, line) in lines {
            let cells: Vec<&str> = line.split(',').map(str::trim).collect();
            if cells.len() != header.len() {
                let message = format!("{} cells, the header has {}", cells.len(), header.len());
                return Err(wrong(index, message));
            }
            let Some((time, values)) = cells.split_first() else {
                continue;
            };
            let when = time.parse().map_or_else(|_| moment(time), seconds);
            let when = when.map_err(|message| wrong(index, message))?;
            if let (true, [metric, value]) = (is_long, values) {
                self.sample(metric, when, value);
            } else {
                for (metric, value) in columns.iter().zip(values) {
                    // An empty cell is no sample.
                    if !value.is_empty() {
                        self.sample(metric, when, value);
                    }
                }
            }
        }
        Ok(())
    }

    fn sample(&mut self, metric: &str, when: When, text: &str) {
        let value = match text {
            "" | "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            // A list as Prometheus gives it, `[0.97]`; more than one value belongs into JSON lines.
            _ if text.starts_with('[') => match serde_json::from_str::<serde_json::Value>(text) {
                Ok(value) => Value::from(value),
                Err(_) => Value::Text(text.to_owned()),
            },
            _ => match (text.parse::<i64>(), text.parse::<f64>()) {
                (Ok(number), _) => Value::Int(number),
                (_, Ok(number)) => Value::Float(number),
                _ => Value::Text(text.to_owned()).with_special_numbers(),
            },
        };
        self.samples
            .entry(metric.to_owned())
            .or_default()
            .push((when, value));
    }

    /// Makes a scenario of it.
    pub(super) fn scenario(self, args: &SimulateArgs) -> Scenario {
        let times = self.events.iter().map(|(when, _)| when);
        let times = times.chain(self.samples.values().flatten().map(|(when, _)| when));
        let first = times.filter_map(|when| match when {
            When::At(at) => Some(*at),
            When::After(_) => None,
        });
        let start = first.min().unwrap_or(Timestamp::UNIX_EPOCH);
        let later = |length: SignedDuration| start.saturating_add(length).unwrap_or(Timestamp::MAX);
        let at = |when: When| match when {
            When::At(at) => at,
            When::After(length) => later(length),
        };
        let mut world = World::new(&args.stable, args.replicas);
        world.ready_after = args.ready_after;
        if !self
            .events
            .iter()
            .any(|(_, event)| matches!(event, Event::Version(_)))
        {
            world.observed.wanted = Some(args.wanted.clone());
        }
        let mut scenario = Scenario::new(start, world);
        scenario.end = later(args.span);
        scenario.stale_after = args.stale_after;
        scenario.events = self
            .events
            .into_iter()
            .map(|(when, event)| (at(when), event))
            .collect();
        scenario.events.sort_by_key(|(at, _)| *at);
        for (metric, samples) in self.samples {
            let mut samples: Vec<(Timestamp, Value)> = samples
                .into_iter()
                .map(|(when, value)| (at(when), value))
                .collect();
            samples.sort_by_key(|(at, _)| *at);
            scenario.samples.insert(metric, samples);
        }
        scenario
    }
}

fn seconds(number: f64) -> Result<When, String> {
    if number < 0.0 {
        return Err(format!("{number} is before the beginning"));
    }
    SignedDuration::try_from_secs_f64(number)
        .map(When::After)
        .map_err(|_| format!("{number} is no time"))
}

fn moment(text: &str) -> Result<When, String> {
    if let Ok(at) = text.parse() {
        return Ok(When::At(at));
    }
    match duration::parse(text) {
        Ok(length) if length.is_negative() => Err(format!("{text} is before the beginning")),
        Ok(length) => Ok(When::After(length)),
        Err(_) => Err(format!(
            "{text:?} is neither a time (RFC 3339) nor a duration"
        )),
    }
}

fn event(name: &str, line: Line<'_>) -> Result<Event, String> {
    let need =
        |field: &str| word(line, field).ok_or_else(|| format!("the event {name} needs {field}"));
    if let Some(verb) = verb(name) {
        let by = word(line, "by").unwrap_or("somebody").to_owned();
        return Ok(Event::Command(Command { verb, by }));
    }
    match name {
        "commit" => Ok(Event::Version(need("version")?.to_owned())),
        "pods" => {
            let ready = line.get("ready").and_then(serde_json::Value::as_bool);
            Ok(Event::Ready {
                canary: match need("track")? {
                    "canary" => true,
                    "stable" => false,
                    other => return Err(format!("track {other:?} is not canary or stable")),
                },
                ready: ready.ok_or("the event pods needs ready (true or false)")?,
            })
        }
        "route" => match line.get("weight").and_then(serde_json::Value::as_u64) {
            Some(weight) if weight <= 100 => Ok(Event::Weight(weight as u32)),
            _ => Err("the event route needs weight, 0 to 100".into()),
        },
        "fit" => {
            let reason = word(line, "reason")
                .unwrap_or("the record says so")
                .to_owned();
            let pods = line.get("pods").and_then(serde_json::Value::as_u64);
            Ok(Event::Fit(match (need("verdict")?, pods) {
                ("surge", _) => Verdict::Surge,
                ("partial", Some(pods)) => Verdict::Partial {
                    pods: pods.min(1_000_000) as u32,
                    reason,
                },
                ("inPlace", _) => Verdict::InPlace { reason },
                ("hold", _) => Verdict::Hold { reason },
                _ => return Err("verdict is surge, partial (with pods), inPlace or hold".into()),
            }))
        }
        _ => Err(format!(
            "the event {name:?} is not known: commit, promote, promote-full, abort, retry, pause, pods, route, fit"
        )),
    }
}
