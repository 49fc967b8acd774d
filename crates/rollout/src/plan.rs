//! The steps of a rollout, and what they ask for at any place.
//!
//! Canary and blue-green are both lists of steps here: blue-green scales a preview, judges it, waits, and moves all
//! weight at once. What traffic and pods a place in the list asks for is a function of the list, so that nothing about
//! it has to be remembered.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::judge::Analysis;

/// How a new version takes traffic.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    /// Steps, in order. After the last one the new version has all traffic and becomes the stable one.
    pub steps: Vec<Step>,
    /// Analysis beside the steps, with the first step at which it runs; without one, from the first weight on.
    pub background: Option<(Analysis, Option<usize>)>,
    /// What follows a failure.
    pub on_failure: OnFailure,
    /// Time without progress after which a step has failed.
    pub progress_deadline: SignedDuration,
    /// Whether versions that failed are kept out.
    pub quarantine: bool,
    /// Whether old pods may stop before new ones start, when nothing else fits.
    pub allow_in_place: bool,
    /// How long the old version stays after all traffic has moved.
    pub scale_down_delay: SignedDuration,
    /// How long the new version stays after an abort.
    pub abort_scale_down_delay: SignedDuration,
    /// Stops before the next step.
    pub paused: bool,
    /// Decisions kept in the state.
    pub decisions_kept: usize,
}

/// What follows a failure.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum OnFailure {
    /// Traffic goes back and the new version is removed.
    #[default]
    Rollback,
    /// Everything stays until a person decides.
    Hold,
}

/// One step.
#[derive(Clone, PartialEq, Debug)]
pub enum Step {
    /// Moves traffic.
    SetWeight(u32),
    /// Waits for a time, or for a person.
    Pause(Option<SignedDuration>),
    /// Judges.
    Analysis(Analysis),
    /// Sets the number of pods apart from the weight.
    SetScale(Scale),
    /// Sends requests before traffic.
    Warmup(Warmup),
    /// Sends requests with certain headers to the new version, or ends that.
    SetHeaderRoute(HeaderRoute),
    /// Sends copies of requests to the new version, or ends that.
    SetMirrorRoute(MirrorRoute),
}

/// Number of pods of the new version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scale {
    /// A number.
    Replicas(u32),
    /// A share of the full number.
    Weight(u32),
    /// As many as the weight of traffic needs.
    MatchTraffic,
}

/// Requests before traffic.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Warmup {
    /// How many.
    pub requests: u32,
    /// Share that must succeed.
    pub success_rate: f64,
    /// Time after which the step has failed.
    pub timeout: SignedDuration,
}

/// A route by headers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct HeaderRoute {
    /// Its place among the routes of a rollout: the first one that matches takes a request.
    #[serde(default)]
    pub rank: u32,
    /// Name.
    pub name: String,
    /// Header, operator (`exact`, `prefix`, `regex`) and value; empty ends the route.
    pub matches: Vec<(String, String, String)>,
}

/// A copy of requests.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct MirrorRoute {
    /// Its place among the routes of a rollout.
    #[serde(default)]
    pub rank: u32,
    /// Name.
    pub name: String,
    /// Share of requests, 0 ends the route.
    pub percentage: u32,
    /// Requests that are copied: one of these holds; all requests when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<RouteMatch>,
}

/// What a request looks like: all that is said must hold.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default, Debug, Serialize, Deserialize)]
pub struct RouteMatch {
    /// Operator (`exact`, `prefix`, `regex`) and value of the method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<(String, String)>,
    /// Operator and value of the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<(String, String)>,
    /// Header, operator and value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String, String)>,
}

/// How traffic is split.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Traffic {
    /// Share of the new version, 0 to 100; the stable version has the rest.
    pub canary: u32,
    /// Routes by headers, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderRoute>,
    /// Copies, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<MirrorRoute>,
    /// The route is being changed: what takes it there has not done all of it, so that no target is reached yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moving: bool,
}

impl Traffic {
    /// Says whether the new version gets any request.
    pub fn uses_canary(&self) -> bool {
        self.canary > 0 || !self.headers.is_empty() || !self.mirrors.is_empty()
    }

    /// Returns the split in words: `10 %`, `0 %, route beta by header, mirror shadow`.
    pub fn words(&self) -> String {
        let mut words = format!("{} %", self.canary);
        for route in &self.headers {
            words.push_str(", route ");
            words.push_str(&route.name);
            words.push_str(" by header");
        }
        for route in &self.mirrors {
            words.push_str(", mirror ");
            words.push_str(&route.name);
        }
        words
    }
}

/// What blue-green needs to know.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct BlueGreen {
    /// Pods of the preview; all when absent.
    pub preview_replicas: Option<u32>,
    /// Analysis before the switch.
    pub pre: Option<Analysis>,
    /// How the switch happens: by itself, after a time, or when a person approves.
    pub approval: Approval,
    /// Analysis after the switch.
    pub post: Option<Analysis>,
}

/// How a switch happens.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Approval {
    /// By itself.
    #[default]
    Automatic,
    /// After a time.
    After(SignedDuration),
    /// When a person approves.
    Person,
}

impl Plan {
    /// Makes a plan with the usual settings.
    pub fn new(steps: Vec<Step>) -> Self {
        Self {
            steps,
            background: None,
            on_failure: OnFailure::default(),
            progress_deadline: SignedDuration::from_secs(3600),
            quarantine: true,
            allow_in_place: false,
            scale_down_delay: SignedDuration::from_secs(30),
            abort_scale_down_delay: SignedDuration::ZERO,
            paused: false,
            decisions_kept: 20,
        }
    }

    /// Returns the steps of blue-green.
    pub fn blue_green(spec: BlueGreen) -> Vec<Step> {
        let mut steps = vec![Step::SetScale(match spec.preview_replicas {
            Some(number) => Scale::Replicas(number),
            None => Scale::Weight(100),
        })];
        steps.extend(spec.pre.map(Step::Analysis));
        match spec.approval {
            Approval::Automatic => {}
            Approval::After(length) => steps.push(Step::Pause(Some(length))),
            Approval::Person => steps.push(Step::Pause(None)),
        }
        // All pods are there before all traffic is.
        steps.push(Step::SetScale(Scale::Weight(100)));
        steps.push(Step::SetWeight(100));
        steps.extend(spec.post.map(Step::Analysis));
        steps
    }

    /// Returns the traffic that a place asks for; past the last step the new version has all of it.
    pub fn traffic_at(&self, index: usize) -> Traffic {
        if index >= self.steps.len() {
            return Traffic {
                canary: 100,
                ..Traffic::default()
            };
        }
        let mut traffic = Traffic::default();
        for step in self.steps.iter().take(index + 1) {
            match step {
                Step::SetWeight(weight) => traffic.canary = (*weight).min(100),
                Step::SetHeaderRoute(route) => {
                    traffic.headers.retain(|known| known.name != route.name);
                    if !route.matches.is_empty() {
                        traffic.headers.push(route.clone());
                    }
                }
                Step::SetMirrorRoute(route) => {
                    traffic.mirrors.retain(|known| known.name != route.name);
                    if route.percentage > 0 {
                        traffic.mirrors.push(route.clone());
                    }
                }
                _ => {}
            }
        }
        traffic.headers.sort();
        traffic.mirrors.sort();
        traffic
    }

    /// Returns the number of pods that a place asks for, of `full` that the stable version has. A version that takes
    /// traffic has at least one.
    pub fn replicas_at(&self, index: usize, full: u32) -> u32 {
        let traffic = self.traffic_at(index);
        let share =
            |percent: u32| (u64::from(full) * u64::from(percent.min(100))).div_ceil(100) as u32;
        let mut scale = Scale::MatchTraffic;
        if index < self.steps.len() {
            for step in self.steps.iter().take(index + 1) {
                if let Step::SetScale(wanted) = step {
                    scale = *wanted;
                }
            }
        }
        match scale {
            Scale::Replicas(number) => number.max(u32::from(traffic.uses_canary())),
            Scale::Weight(percent) => share(percent).max(u32::from(traffic.uses_canary())),
            Scale::MatchTraffic => share(traffic.canary).max(1),
        }
    }

    /// Returns the most pods the new version has beside all pods of the stable one.
    pub fn most_replicas(&self, full: u32) -> u32 {
        (0..=self.steps.len())
            .map(|index| self.replicas_at(index, full))
            .max()
            .unwrap_or(full)
    }

    /// Says whether the analysis in the background runs at a place.
    pub fn background_at(&self, index: usize) -> Option<&Analysis> {
        let (analysis, start) = self.background.as_ref()?;
        let runs = match start {
            Some(start) => index >= *start,
            None => self.traffic_at(index).canary > 0,
        };
        runs.then_some(analysis)
    }

    /// Returns a number that changes when the steps do.
    pub fn fingerprint(&self) -> u64 {
        // FNV-1a over the debug form: stable within a version of the program, and a change between versions only starts
        // the steps again.
        let text = format!("{:?}", self.steps);
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        // The API server stores larger numbers as floats, which would come back as others.
        hash >> 1
    }
}
