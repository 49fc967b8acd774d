//! A simulated target: what tests drive the machine with, and what replays recorded metrics.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::fit::Verdict;
use crate::machine::{
    self, Action, Answer, Command, Decision, Input, Observed, State, Track, Verb, Warmed, Which,
};
use crate::plan::{Plan, Traffic};
use crate::value::Value;

/// Pods and a route that do what they are told.
#[derive(Clone, PartialEq, Debug)]
pub struct World {
    /// What is seen.
    pub observed: Observed,
    /// Time from a pod's start to its readiness.
    pub ready_after: SignedDuration,
    /// Share of warm-up requests that succeed.
    pub warm_success: f64,
    /// Whether pods of the new version never become ready.
    pub canary_broken: bool,
    starting: Vec<(Timestamp, bool)>,
}

impl World {
    /// Makes a world where a version serves with so many pods.
    pub fn new(version: &str, replicas: u32) -> Self {
        Self {
            observed: Observed {
                blocked: None,
                wanted: Some(version.to_owned()),
                replicas,
                stable: Some(Track {
                    version: version.to_owned(),
                    replicas,
                    ready: replicas,
                }),
                canary: None,
                traffic: Ok(Traffic::default()),
                fit: Some(Verdict::Surge),
                warmed: None,
            },
            ready_after: SignedDuration::ZERO,
            warm_success: 1.0,
            canary_broken: false,
            starting: Vec::new(),
        }
    }

    /// Does what an action says.
    pub fn apply(&mut self, action: &Action, now: Timestamp) {
        match action {
            Action::ScaleCanary { version, replicas } => {
                let canary = self.observed.canary.get_or_insert_with(|| Track {
                    version: version.clone(),
                    replicas: 0,
                    ready: 0,
                });
                canary.replicas = *replicas;
                canary.ready = canary.ready.min(*replicas);
                self.start(true, now);
            }
            Action::ScaleStable { replicas } => {
                if let Some(stable) = &mut self.observed.stable {
                    stable.replicas = *replicas;
                    stable.ready = stable.ready.min(*replicas);
                }
                self.start(false, now);
            }
            Action::SetTraffic(traffic) => self.observed.traffic = Ok(traffic.clone()),
            Action::Warm { version, requests } => {
                let warmed = self.observed.warmed.get_or_insert_with(|| Warmed {
                    version: version.clone(),
                    sent: 0,
                    succeeded: 0,
                });
                if warmed.version != *version {
                    *warmed = Warmed {
                        version: version.clone(),
                        sent: 0,
                        succeeded: 0,
                    };
                }
                warmed.sent += requests;
                warmed.succeeded += (f64::from(*requests) * self.warm_success) as u32;
            }
            Action::Promote { version } => {
                let replicas = self.observed.replicas;
                let canary = self
                    .observed
                    .canary
                    .take()
                    .filter(|canary| canary.version == *version);
                self.observed.stable = Some(canary.unwrap_or_else(|| Track {
                    version: version.clone(),
                    replicas,
                    ready: replicas,
                }));
                self.observed.traffic = Ok(Traffic::default());
            }
            Action::RemoveCanary => self.observed.canary = None,
            Action::Measure { .. } => {}
        }
    }

    fn start(&mut self, canary: bool, now: Timestamp) {
        let at = now
            .saturating_add(self.ready_after)
            .unwrap_or(Timestamp::MAX);
        self.starting.push((at, canary));
        self.settle(now);
    }

    /// Makes pods ready whose time has come.
    pub fn settle(&mut self, now: Timestamp) {
        let due = |(at, _): &(Timestamp, bool)| *at <= now;
        for (_, canary) in self.starting.iter().filter(|entry| due(entry)) {
            let track = if *canary {
                &mut self.observed.canary
            } else {
                &mut self.observed.stable
            };
            if let Some(track) = track
                && !(*canary && self.canary_broken)
            {
                track.ready = track.replicas;
            }
        }
        self.starting.retain(|entry| !due(entry));
    }

    fn next(&self) -> Option<Timestamp> {
        self.starting.iter().map(|(at, _)| *at).min()
    }
}

/// Something that happens.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// Git asks for a version.
    Version(String),
    /// A person asks for something.
    Command(Command),
    /// Pods of the new version (true) or the stable one are ready, as many as asked for, or none.
    Ready {
        /// The new version's.
        canary: bool,
        /// Whether they are ready.
        ready: bool,
    },
    /// A hand on the route.
    Weight(u32),
    /// Whether new pods fit.
    Fit(Verdict),
}

/// What is replayed.
#[derive(Clone, PartialEq, Debug)]
pub struct Scenario {
    /// When it begins.
    pub start: Timestamp,
    /// When it ends.
    pub end: Timestamp,
    /// The target.
    pub world: World,
    /// Events, by time.
    pub events: Vec<(Timestamp, Event)>,
    /// Samples of each metric, by time.
    pub samples: BTreeMap<String, Vec<(Timestamp, Value)>>,
    /// Age from which a sample is no data.
    pub stale_after: SignedDuration,
}

impl Scenario {
    /// Makes a scenario of a day in which nothing happens.
    pub fn new(start: Timestamp, world: World) -> Self {
        Self {
            start,
            end: start
                .saturating_add(SignedDuration::from_hours(24))
                .unwrap_or(Timestamp::MAX),
            world,
            events: Vec::new(),
            samples: BTreeMap::new(),
            stale_after: SignedDuration::from_mins(5),
        }
    }

    fn measure(&self, metric: &str, since: Timestamp, now: Timestamp) -> Result<Value, String> {
        let Some(samples) = self.samples.get(metric) else {
            return Err(format!("the file has no samples of {metric}"));
        };
        let end = samples.partition_point(|(at, _)| *at <= now);
        let Some((at, value)) = end.checked_sub(1).and_then(|last| samples.get(last)) else {
            return Ok(Value::Null);
        };
        if now.duration_since(*at) > self.stale_after {
            return Ok(Value::Null);
        }
        if value.field("canary").is_none() {
            return Ok(value.clone());
        }
        // Counts add up over all samples since the measurement before.
        let begin = samples.partition_point(|(at, _)| *at <= since);
        let block = samples.get(begin..end).unwrap_or_default();
        Ok(sum(block.iter().map(|(_, value)| value)))
    }
}

fn sum<'a>(values: impl Iterator<Item = &'a Value>) -> Value {
    let mut total: BTreeMap<String, Value> = BTreeMap::new();
    for value in values {
        for side in ["canary", "stable"] {
            let Some(counts) = value.field(side) else {
                continue;
            };
            let entry = total
                .entry(side.to_owned())
                .or_insert_with(|| Value::Map(BTreeMap::new()));
            for name in ["bad", "total"] {
                // A count that is not one spoils the block: it must not pass for a smaller one.
                let number = counts
                    .field(name)
                    .and_then(Value::as_f64)
                    .unwrap_or(f64::NAN);
                if let Value::Map(map) = entry {
                    let known = map.get(name).and_then(Value::as_f64).unwrap_or(0.0);
                    map.insert(name.to_owned(), Value::Float(known + number));
                }
            }
        }
    }
    if total.is_empty() {
        Value::Null
    } else {
        Value::Map(total)
    }
}

/// What came of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    /// All decisions.
    pub decisions: Vec<Decision>,
    /// The state at the end.
    pub state: State,
    /// The target at the end.
    pub world: World,
    /// Times the machine was asked.
    pub calls: u64,
    /// When it ended.
    pub end: Timestamp,
}

impl Report {
    /// Returns a number that is equal when all decisions are.
    pub fn digest(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for decision in &self.decisions {
            for byte in format!("{decision:?}").bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        hash
    }
}

/// Calls at one point in time at most.
const MOST_ROUNDS: u32 = 256;

/// Replays a scenario.
pub fn run(plan: &Plan, scenario: &Scenario) -> Report {
    run_from(plan, scenario, State::default())
}

/// Replays a scenario from a state.
pub fn run_from(plan: &Plan, scenario: &Scenario, state: State) -> Report {
    let mut world = scenario.world.clone();
    let mut events: VecDeque<&(Timestamp, Event)> = scenario.events.iter().collect();
    let mut report = Report {
        decisions: Vec::new(),
        state,
        world: world.clone(),
        calls: 0,
        end: scenario.start,
    };
    let mut measured: BTreeMap<(Which, String), Timestamp> = BTreeMap::new();
    let mut now = scenario.start;
    loop {
        let mut commands = Vec::new();
        while let Some((_, event)) = events.pop_front_if(|(at, _)| *at <= now) {
            happen(&mut world, event, &mut commands);
        }
        world.settle(now);
        let mut answers = Vec::new();
        let mut wake = None;
        for _ in 0..MOST_ROUNDS {
            let input = Input {
                observed: &world.observed,
                commands: &commands,
                answers: &answers,
                now,
            };
            let outcome = machine::advance(plan, report.state, input);
            report.calls += 1;
            report.decisions.extend(outcome.decisions);
            report.state = outcome.state;
            wake = outcome.wake;
            commands.clear();
            answers.clear();
            for action in &outcome.actions {
                world.apply(action, now);
                let (Action::Measure { of, metric }, Some(transition)) =
                    (action, report.state.transition())
                else {
                    continue;
                };
                let since = measured
                    .insert((*of, metric.clone()), now)
                    .unwrap_or(transition.since);
                answers.push(Answer {
                    of: *of,
                    version: transition.version.clone(),
                    metric: metric.clone(),
                    at: now,
                    value: scenario.measure(metric, since, now),
                });
            }
            if outcome.actions.is_empty() && wake.is_none_or(|at| at > now) {
                break;
            }
        }
        report.end = now;
        let coming = events.front().map(|(at, _)| *at);
        let Some(next) = [wake, coming, world.next()].into_iter().flatten().min() else {
            break;
        };
        let soonest = now
            .saturating_add(SignedDuration::from_secs(1))
            .unwrap_or(Timestamp::MAX);
        now = next.max(soonest);
        if now > scenario.end {
            break;
        }
    }
    report.world = world;
    report
}

fn happen(world: &mut World, event: &Event, commands: &mut Vec<Command>) {
    match event {
        Event::Version(version) => world.observed.wanted = Some(version.clone()),
        Event::Command(command) => commands.push(command.clone()),
        Event::Weight(weight) => {
            if let Ok(traffic) = &mut world.observed.traffic {
                traffic.canary = (*weight).min(100);
            }
        }
        Event::Fit(verdict) => world.observed.fit = Some(verdict.clone()),
        Event::Ready { canary, ready } => {
            let track = if *canary {
                &mut world.observed.canary
            } else {
                &mut world.observed.stable
            };
            if let Some(track) = track {
                track.ready = if *ready { track.replicas } else { 0 };
            }
        }
    }
}

/// Reads the word for a request of a person.
pub fn verb(word: &str) -> Option<Verb> {
    Some(match word {
        "pause" => Verb::Pause,
        "promote" | "approve" | "resume" => Verb::Promote,
        "promote-full" => Verb::PromoteFull,
        "abort" => Verb::Abort,
        "retry" => Verb::Retry,
        _ => return None,
    })
}
