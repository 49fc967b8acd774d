//! `driftless rollout get`, `list` and `watch`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

use driftless_api::ModelRollout;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;
use tokio::time::Instant;

use super::command::check_target;
use super::connect::Cluster;
use super::show::{self, Detail};
use super::{Error, length};

/// Shows a rollout: phase, steps, weight, pods, metrics, versions kept out, and the last decisions.
#[derive(clap::Args, Debug, Clone)]
pub struct GetArgs {
    /// The rollout
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Where it is.
    #[command(flatten)]
    pub cluster: Cluster,
    /// One target; all of them otherwise
    #[arg(long)]
    pub target: Option<String>,
    /// Form of the answer; wide has conditions, texts of metrics and all decisions
    #[arg(short, long)]
    pub output: Option<Form>,
    /// Goes on with decisions as they are taken, as `watch` does
    #[arg(short, long, conflicts_with = "output")]
    pub watch: bool,
}

/// Lists rollouts.
#[derive(clap::Args, Debug, Clone)]
pub struct ListArgs {
    /// Where it is.
    #[command(flatten)]
    pub cluster: Cluster,
    /// Those of all namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Form of the answer
    #[arg(short, long)]
    pub output: Option<Form>,
}

/// Shows a rollout and then its decisions as they are taken, until it is interrupted or there is nothing to wait for.
///
/// Exit codes: 0 when the phase of --until was reached, 1 when the rollout ended elsewhere, 2 after --timeout.
#[derive(clap::Args, Debug, Clone)]
pub struct WatchArgs {
    /// The rollout
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Where it is.
    #[command(flatten)]
    pub cluster: Cluster,
    /// One target; all of them otherwise
    #[arg(long)]
    pub target: Option<String>,
    /// Ends when the rollout is there
    #[arg(long)]
    pub until: Option<Until>,
    /// Longest time to watch
    #[arg(long, value_parser = length)]
    pub timeout: Option<SignedDuration>,
}

/// Form of an answer.
#[derive(clap::ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The object as JSON.
    Json,
    /// The object as YAML.
    Yaml,
    /// For people, with more.
    Wide,
}

/// What is waited for.
#[derive(clap::ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// What Git asks for serves.
    Healthy,
    /// A person is waited for.
    Paused,
}

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);

fn object(raw: &Json, form: Form, out: &mut dyn Write) -> Result<(), Error> {
    let text = match form {
        Form::Yaml => driftless_yaml::to_string(raw),
        _ => serde_json::to_string_pretty(raw).unwrap_or_default() + "\n",
    };
    out.write_all(text.as_bytes()).map_err(Error::Write)
}

fn print(text: &str, out: &mut dyn Write) -> Result<(), Error> {
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(Error::Write)
}

/// Shows one rollout.
pub(super) async fn get(args: &GetArgs, out: &mut dyn Write) -> Result<(), Error> {
    if args.watch {
        let args = WatchArgs {
            name: args.name.clone(),
            cluster: args.cluster.clone(),
            target: args.target.clone(),
            until: None,
            timeout: None,
        };
        return watch(&args, out).await;
    }
    let connection = args.cluster.connect().await?;
    let (raw, rollout) = connection.get(&args.name).await?;
    check_target(&rollout, args.target.as_deref())?;
    let detail = match args.output {
        Some(form @ (Form::Json | Form::Yaml)) => return object(&raw, form, out),
        Some(Form::Wide) => Detail::Wide,
        None => Detail::Usual,
    };
    let text = show::full(&rollout, args.target.as_deref(), detail, Timestamp::now());
    print(&text, out)
}

/// Lists rollouts.
pub(super) async fn list(args: &ListArgs, out: &mut dyn Write) -> Result<(), Error> {
    let connection = args.cluster.connect().await?;
    let (raw, rollouts) = connection.list(args.all_namespaces).await?;
    if let Some(form @ (Form::Json | Form::Yaml)) = args.output {
        return object(&raw, form, out);
    }
    if rollouts.is_empty() {
        let place = if args.all_namespaces {
            "in the cluster".to_owned()
        } else {
            format!("in namespace {}", connection.namespace)
        };
        return print(&format!("no rollouts {place}\n"), out);
    }
    print(
        &show::table(&rollouts, args.all_namespaces, Timestamp::now()),
        out,
    )
}

/// Follows a rollout.
pub(super) async fn watch(args: &WatchArgs, out: &mut dyn Write) -> Result<(), Error> {
    let connection = args.cluster.connect().await?;
    let limit = args
        .timeout
        .map(|limit| Duration::try_from(limit).unwrap_or(Duration::ZERO));
    let end = limit.map(|limit| Instant::now() + limit);
    let mut seen = Seen::default();
    loop {
        let (_, rollout) = connection.get(&args.name).await?;
        if rollout.status.is_some() {
            check_target(&rollout, args.target.as_deref())?;
        }
        print(
            &seen.news(&rollout, args.target.as_deref(), Timestamp::now()),
            out,
        )?;
        if let Some(until) = args.until {
            match reached(&rollout, until, args.target.as_deref()) {
                Some(true) => return Ok(()),
                Some(false) => {
                    let (phase, message) = standing(&rollout, args.target.as_deref());
                    return Err(Error::Elsewhere { phase, message });
                }
                None => {}
            }
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            return Err(Error::TimedOut(args.timeout.unwrap_or_default()));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Returns phase and message of a rollout, or of one of its targets.
fn standing(rollout: &ModelRollout, only: Option<&str>) -> (String, String) {
    let Some(status) = rollout.status.as_deref() else {
        return Default::default();
    };
    let target = status
        .targets
        .iter()
        .find(|target| only == Some(&*target.name));
    match target {
        // A rollout that is not valid has targets that were fine before.
        Some(target) if status.phase != "Invalid" => (target.phase.clone(), target.message.clone()),
        _ => (status.phase.clone(), status.message.clone()),
    }
}

/// Says whether the rollout is where it is waited for; false when it will not get there by itself.
fn reached(rollout: &ModelRollout, until: Until, only: Option<&str>) -> Option<bool> {
    let status = rollout.status.as_deref()?;
    let targets = status.targets.iter();
    let mut targets = targets.filter(|target| only.is_none_or(|only| target.name == only));
    // A version that was handed over a moment ago is not reported as serving yet.
    let serves = targets.all(|target| {
        target.wanted_version.is_empty() || target.wanted_version == target.stable_version
    });
    let (phase, _) = standing(rollout, only);
    match (phase.as_str(), until) {
        ("Healthy", Until::Healthy) if serves => Some(true),
        ("Paused", Until::Paused) => Some(true),
        ("Degraded" | "Invalid" | "Held", _) => Some(false),
        _ => None,
    }
}

/// What was printed.
#[derive(Default)]
struct Seen {
    version: Option<String>,
    phase: String,
    message: String,
    decisions: BTreeMap<String, i64>,
}

impl Seen {
    /// Returns what is new: everything at first, then decisions and changes of the phase.
    fn news(&mut self, rollout: &ModelRollout, only: Option<&str>, now: Timestamp) -> String {
        let version = rollout.metadata.resource_version.clone();
        if self.version.as_ref() == Some(&version) {
            return String::new();
        }
        let status = rollout.status.as_deref().cloned().unwrap_or_default();
        let is_first = self.version.is_none();
        let mut out = if is_first {
            show::full(rollout, only, Detail::Usual, now) + "\n"
        } else {
            String::new()
        };
        self.version = Some(version);
        let targets = status.targets.iter();
        let targets: Vec<_> = targets
            .filter(|target| only.is_none_or(|only| target.name == only))
            .collect();
        for target in &targets {
            let last = self.decisions.entry(target.name.clone()).or_insert(-1);
            for decision in &target.decisions {
                if decision.sequence <= *last {
                    continue;
                }
                *last = decision.sequence;
                if !is_first {
                    let name = if targets.len() > 1 {
                        format!("{}  ", target.name)
                    } else {
                        String::new()
                    };
                    let _ = writeln!(out, "{name}{}", show::decision(decision));
                }
            }
        }
        if !is_first && (self.phase != status.phase || self.message != status.message) {
            let _ = writeln!(out, "{}: {}", status.phase, status.message);
        }
        self.phase = status.phase;
        self.message = status.message;
        out
    }
}

#[cfg(test)]
mod tests {
    use driftless_api::read;
    use serde_json::json;

    use super::*;

    fn rollout(version: &str, phase: &str, wanted: &str, decisions: &[i64]) -> ModelRollout {
        let decisions: Vec<Json> = decisions
            .iter()
            .map(|number| json!({"sequence": number, "reason": "StepCompleted", "message": format!("step {number}")}))
            .collect();
        read::from_value(json!({
            "metadata": {"name": "fraud", "namespace": "models", "resourceVersion": version},
            "spec": {},
            "status": {"phase": phase, "message": "m", "targets": [
                {"name": "fraud", "stableVersion": "v1", "wantedVersion": wanted, "decisions": decisions},
            ]},
        }))
        .unwrap()
    }

    #[test]
    fn where_a_rollout_ends() {
        let reached =
            |phase, wanted, until| reached(&rollout("1", phase, wanted, &[]), until, None);
        assert_eq!(reached("Healthy", "v1", Until::Healthy), Some(true));
        assert_eq!(reached("Healthy", "v2", Until::Healthy), None);
        assert_eq!(reached("Progressing", "v2", Until::Healthy), None);
        assert_eq!(reached("Degraded", "v2", Until::Healthy), Some(false));
        assert_eq!(reached("Paused", "v2", Until::Paused), Some(true));
        assert_eq!(reached("Held", "v2", Until::Paused), Some(false));
    }

    #[test]
    fn decisions_are_told_once() {
        let now = Timestamp::UNIX_EPOCH;
        let mut seen = Seen::default();
        let first = seen.news(&rollout("1", "Progressing", "v2", &[1]), None, now);
        assert!(
            first.starts_with("Name:") && first.contains("step 1"),
            "{first}"
        );
        assert_eq!(
            seen.news(&rollout("1", "Progressing", "v2", &[1]), None, now),
            ""
        );
        let next = seen.news(&rollout("2", "Paused", "v2", &[1, 2]), None, now);
        assert!(
            next.contains("step 2") && !next.contains("step 1"),
            "{next}"
        );
        assert!(next.ends_with("Paused: m\n"), "{next}");
    }
}
