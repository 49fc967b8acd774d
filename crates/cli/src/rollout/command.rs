//! Commands to a rollout: written as an annotation, and waited for in its status.

use std::io::Write;
use std::time::Duration;

use driftless_api::ModelRollout;
use driftless_api::rollout::handover::{COMMAND, Command, CommandVerb};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::connect::{Cluster, Connection};
use super::{Error, length};

/// Gives a rollout a command and waits until it was carried out.
#[derive(clap::Args, Debug, Clone)]
pub struct CommandArgs {
    /// The rollout
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Where it is.
    #[command(flatten)]
    pub cluster: Cluster,
    /// One target; all of them otherwise
    #[arg(long)]
    pub target: Option<String>,
    /// Does not wait until it was carried out
    #[arg(long)]
    pub no_wait: bool,
    /// Longest time to wait
    #[arg(long, default_value = "30s", value_parser = length)]
    pub timeout: SignedDuration,
}

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(300);
/// Looks after which a command that vanished counts as refused.
const GONE: u32 = 10;
/// Attempts to write beside others who write the same object.
const ATTEMPTS: u32 = 5;

/// Gives a command.
pub(super) async fn run(
    verb: CommandVerb,
    args: &CommandArgs,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let connection = args.cluster.connect().await?;
    let command = Command {
        id: fresh_id(),
        verb,
        target: args.target.clone().unwrap_or_default(),
        by: connection.user.clone(),
        at: Some(Timestamp::now().into()),
    };
    write(&connection, args, &command).await?;
    let said = past(verb);
    if args.no_wait {
        return writeln!(out, "rollout {}: {said} is asked for", args.name).map_err(Error::Write);
    }
    let rollout = wait(&connection, args, &command).await?;
    let status = rollout.status.unwrap_or_default();
    writeln!(
        out,
        "rollout {}: {said}; {}: {}",
        args.name, status.phase, status.message
    )
    .map_err(Error::Write)
}

/// Returns an id that no other command has: time and process.
fn fresh_id() -> String {
    let now = Timestamp::now();
    format!("{}-{:x}", now.as_nanosecond(), std::process::id())
}

fn past(verb: CommandVerb) -> &'static str {
    match verb {
        CommandVerb::Pause => "pause",
        CommandVerb::Promote => "promote",
        CommandVerb::PromoteFull => "promote-full",
        CommandVerb::Abort => "abort",
        CommandVerb::Retry => "retry",
    }
}

async fn write(
    connection: &Connection,
    args: &CommandArgs,
    command: &Command,
) -> Result<(), Error> {
    for _ in 0..ATTEMPTS {
        let (_, rollout) = connection.get(&args.name).await?;
        check_target(&rollout, args.target.as_deref())?;
        // An abort is in a hurry; others wait for whom was first.
        if command.verb != CommandVerb::Abort
            && let Some(pending) = rollout.metadata.annotation(COMMAND)
        {
            let words = match serde_json::from_str::<Command>(pending) {
                Ok(first) => format!("{} by {:?}", past(first.verb), first.by),
                Err(_) => "one that cannot be read".to_owned(),
            };
            return Err(Error::Pending(words));
        }
        match connection.command(&rollout, command).await {
            Err(Error::Changed) => tokio::time::sleep(LOOK).await,
            other => return other,
        }
    }
    Err(Error::Changed)
}

/// Refuses a target that the rollout does not have.
pub(super) fn check_target(rollout: &ModelRollout, wanted: Option<&str>) -> Result<(), Error> {
    let Some(wanted) = wanted else {
        return Ok(());
    };
    let status = rollout.status.as_deref();
    let targets = status
        .map(|status| status.targets.as_slice())
        .unwrap_or_default();
    let by_name = rollout
        .spec
        .target_ref
        .as_ref()
        .map(|target| target.name.as_str());
    let known = targets
        .iter()
        .map(|target| target.name.as_str())
        .chain(by_name);
    if known.clone().any(|name| name == wanted) {
        return Ok(());
    }
    let mut known: Vec<&str> = known.collect();
    known.sort_unstable();
    known.dedup();
    Err(Error::NoTarget {
        target: wanted.to_owned(),
        known: known.join(", "),
    })
}

async fn wait(
    connection: &Connection,
    args: &CommandArgs,
    command: &Command,
) -> Result<ModelRollout, Error> {
    let limit = Duration::try_from(args.timeout).unwrap_or(Duration::ZERO);
    let end = Instant::now() + limit;
    let mut gone = 0;
    loop {
        let (_, rollout) = connection.get(&args.name).await?;
        let (done, concerned) = carried_out(&rollout, command);
        if concerned > 0 && done == concerned {
            return Ok(rollout);
        }
        let pending = rollout.metadata.annotation(COMMAND);
        let is_ours = pending.is_some_and(|text| text.contains(&command.id));
        if is_ours {
            gone = 0;
        } else {
            gone += 1;
            if gone >= GONE && done > 0 {
                return Ok(rollout);
            }
            if gone >= GONE {
                let status = rollout.status.as_deref();
                let message = status.map(|status| status.message.clone());
                return Err(Error::Refused(message.unwrap_or_default()));
            }
        }
        if Instant::now() >= end {
            let status = rollout.status.as_deref();
            let phase = status.map_or("", |status| status.phase.as_str());
            return Err(Error::NotYet {
                after: args.timeout,
                hint: if phase.is_empty() {
                    "nobody works on this rollout: is `driftless serve` running?".to_owned()
                } else {
                    format!("the rollout is {phase}")
                },
            });
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Returns how many targets carried a command out, of those it is for.
fn carried_out(rollout: &ModelRollout, command: &Command) -> (usize, usize) {
    let status = rollout.status.as_deref();
    let targets = status
        .map(|status| status.targets.as_slice())
        .unwrap_or_default();
    let concerned = targets
        .iter()
        .filter(|target| command.target.is_empty() || target.name == command.target);
    let done = concerned
        .clone()
        .filter(|target| target.last_command == command.id);
    (done.count(), concerned.count())
}
