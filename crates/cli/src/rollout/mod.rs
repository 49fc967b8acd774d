//! `driftless rollout`: works with ModelRollouts.

mod command;
mod connect;
mod record;
mod show;
mod watch;

pub use command::CommandArgs;
pub use watch::{GetArgs, ListArgs, WatchArgs};

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use driftless_analysis::lower;
use driftless_api::analysis::AnalysisTemplate;
use driftless_api::rollout::handover::CommandVerb;
use driftless_api::rollout::{Problem, validate, validation};
use driftless_api::{ModelRollout, duration, read};
use driftless_rollout::simulate::{self, Report, Scenario};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::health;

/// Works with ModelRollouts.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug, Clone)]
enum Command {
    /// Show a rollout with its steps, metrics and decisions
    Get(GetArgs),
    /// List rollouts
    List(ListArgs),
    /// Follow a rollout until it is interrupted, or until it is where it is waited for
    Watch(WatchArgs),
    /// Go on from a pause, an open analysis or a held failure
    Promote(CommandArgs),
    /// Skip what is left of the steps
    PromoteFull(CommandArgs),
    /// Go back to the version before
    Abort(CommandArgs),
    /// Try again
    Retry(CommandArgs),
    /// Stop before the next step
    Pause(CommandArgs),
    /// Replay recorded metrics through a rollout, without a cluster
    Simulate(SimulateArgs),
}

/// Replays recorded metrics through the same state machine that decides in a cluster, and prints its decisions.
///
/// FILE is a YAML file with one ModelRollout and the AnalysisTemplates it names, or a record of metrics and events: JSON
/// lines (.jsonl, .ndjson) or a table (.csv). docs/rollouts.md describes them.
#[derive(clap::Args, Debug, Clone)]
pub struct SimulateArgs {
    /// Objects (.yaml, .yml, .json) and records (.jsonl, .ndjson, .csv)
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Version that serves at the beginning
    #[arg(long, default_value = "v1")]
    pub stable: String,
    /// Version that Git asks for at the beginning, unless the record has commits
    #[arg(long, default_value = "v2")]
    pub wanted: String,
    /// Number of pods
    #[arg(long, default_value_t = 4)]
    pub replicas: u32,
    /// Time from the start of a pod to its readiness
    #[arg(long, default_value = "30s", value_parser = length)]
    pub ready_after: SignedDuration,
    /// Time that is simulated
    #[arg(long = "for", default_value = "24h", value_name = "DURATION", value_parser = length)]
    pub span: SignedDuration,
    /// Age from which a sample counts as no data
    #[arg(long, default_value = "5m", value_parser = length)]
    pub stale_after: SignedDuration,
    /// How decisions are printed
    #[arg(short, long, default_value = "text")]
    pub output: Output,
}

/// How decisions are printed.
#[derive(clap::ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

fn length(text: &str) -> Result<SignedDuration, String> {
    match duration::parse(text) {
        Ok(length) if !length.is_negative() => Ok(length),
        Ok(_) => Err(format!("{text} is negative")),
        Err(error) => Err(error.to_string()),
    }
}

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of objects could not be read.
    #[error(transparent)]
    Objects(#[from] health::Error),
    /// A record could not be read.
    #[error("reading {file}")]
    Read {
        /// The file.
        file: String,
        /// What is wrong.
        source: io::Error,
    },
    /// A line of a record makes no sense.
    #[error("{file}, line {line}: {message}")]
    Line {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// An object has a field of the wrong kind.
    #[error("{kind} {name}")]
    Field {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// What is wrong.
        source: read::Error,
    },
    /// The files hold no ModelRollout, or several.
    #[error("{0} ModelRollouts in the files, exactly one is wanted")]
    Rollouts(usize),
    /// The rollout or a template is wrong.
    #[error("the rollout cannot be used:\n{}", .0.iter().map(|problem| format!("  {problem}")).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Problem>),
    /// The kubeconfig cannot be used.
    #[error("the kubeconfig cannot be used: {0}")]
    Kubeconfig(String),
    /// The cluster does not do what it is asked.
    #[error("{doing}: {why}")]
    Cluster {
        /// What was being done.
        doing: String,
        /// The cluster's words.
        why: String,
    },
    /// Something is not there.
    #[error("{0}: it is not there")]
    Missing(String),
    /// The cluster does not know ModelRollouts.
    #[error(
        "the cluster knows no ModelRollouts: install them with `driftless crds | kubectl apply -f -`"
    )]
    NoKind,
    /// There is no such rollout.
    #[error("there is no rollout {name} in namespace {namespace}")]
    NoRollout {
        /// Its name.
        name: String,
        /// The namespace.
        namespace: String,
    },
    /// The rollout has no such target.
    #[error("the rollout has no target {target}; it has: {known}")]
    NoTarget {
        /// The target.
        target: String,
        /// Those it has.
        known: String,
    },
    /// Others change the object all the time.
    #[error("the rollout was changed by somebody else meanwhile: try again")]
    Changed,
    /// Another command is on its way.
    #[error("another command is not carried out yet: {0}")]
    Pending(String),
    /// The command vanished without being carried out.
    #[error(
        "the command was not carried out: it was refused, or replaced by another one; the rollout says: {0}"
    )]
    Refused(String),
    /// The command was not carried out in time.
    #[error("the command is written and was not carried out within {}: {hint}", duration::render(*.after))]
    NotYet {
        /// How long was waited.
        after: SignedDuration,
        /// What can be the matter.
        hint: String,
    },
    /// The rollout is where it will not leave by itself.
    #[error("the rollout is {phase}: {message}")]
    Elsewhere {
        /// Its phase.
        phase: String,
        /// Its words.
        message: String,
    },
    /// The time to watch is over.
    #[error("the rollout is not there after {}", duration::render(*.0))]
    TimedOut(SignedDuration),
    /// The answer could not be written.
    #[error("writing the answer")]
    Write(#[source] io::Error),
}

impl Error {
    /// Returns the exit code: 1 for a rollout that ended elsewhere, 2 for one that was not there in time, and the usual one
    /// of the program for everything else.
    pub fn exit_code(&self) -> Option<u8> {
        match self {
            Self::Elsewhere { .. } => Some(1),
            Self::TimedOut(_) => Some(2),
            _ => None,
        }
    }
}

/// Runs a command.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<(), Error> {
    if let Command::Simulate(args) = &args.command {
        return simulate(args, out);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Cluster {
            doing: "starting".to_owned(),
            why: error.to_string(),
        })?;
    runtime.block_on(in_cluster(&args.command, out))
}

async fn in_cluster(command: &Command, out: &mut dyn Write) -> Result<(), Error> {
    match command {
        Command::Get(args) => watch::get(args, out).await,
        Command::List(args) => watch::list(args, out).await,
        Command::Watch(args) => watch::watch(args, out).await,
        Command::Promote(args) => command::run(CommandVerb::Promote, args, out).await,
        Command::PromoteFull(args) => command::run(CommandVerb::PromoteFull, args, out).await,
        Command::Abort(args) => command::run(CommandVerb::Abort, args, out).await,
        Command::Retry(args) => command::run(CommandVerb::Retry, args, out).await,
        Command::Pause(args) => command::run(CommandVerb::Pause, args, out).await,
        Command::Simulate(args) => simulate(args, out),
    }
}

/// Replays a record.
pub fn simulate(args: &SimulateArgs, out: &mut dyn Write) -> Result<(), Error> {
    let mut rollouts: Vec<ModelRollout> = Vec::new();
    let mut templates: Vec<AnalysisTemplate> = Vec::new();
    let mut record = record::Record::default();
    for file in &args.files {
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("jsonl" | "ndjson") => record.read_lines(&name(file), &text(file)?)?,
            Some("csv") => record.read_table(&name(file), &text(file)?)?,
            _ => objects(file, &mut rollouts, &mut templates)?,
        }
    }
    let [rollout] = rollouts.as_slice() else {
        return Err(Error::Rollouts(rollouts.len()));
    };
    let mut problems = validate(&rollout.spec);
    for template in &templates {
        let at = format!("{} {} spec", template.kind, template.metadata.name);
        problems.extend(validation::validate_templates(&at, &template.spec));
    }
    if !problems.is_empty() {
        return Err(Error::Invalid(problems));
    }
    let lowered = lower::plan(&rollout.spec, &templates, &lower::Values::replay())
        .map_err(|problem| Error::Invalid(vec![problem]))?;
    let scenario = record.scenario(args);
    let asked: BTreeSet<&str> = lowered.metrics.keys().map(|(_, name)| &**name).collect();
    let known: BTreeSet<&str> = scenario.samples.keys().map(String::as_str).collect();
    let gaps = Gaps {
        unused: known.difference(&asked).copied().collect(),
        missing: asked.difference(&known).copied().collect(),
    };
    let report = simulate::run(&lowered.plan, &scenario);
    match args.output {
        Output::Text => print_text(&scenario, &report, &gaps, out),
        Output::Json => print_json(&report, &gaps, out),
    }
    .and_then(|()| out.flush())
    .map_err(Error::Write)
}

/// Where record and analyses do not meet: mostly a name that is misspelt.
struct Gaps<'a> {
    /// Metrics of the record that no analysis asks for.
    unused: Vec<&'a str>,
    /// Metrics of analyses that the record does not have: they are measured as no data.
    missing: Vec<&'a str>,
}

fn name(file: &Path) -> String {
    file.display().to_string()
}

fn text(file: &Path) -> Result<String, Error> {
    std::fs::read_to_string(file).map_err(|source| Error::Read {
        file: name(file),
        source,
    })
}

fn objects(
    file: &Path,
    rollouts: &mut Vec<ModelRollout>,
    templates: &mut Vec<AnalysisTemplate>,
) -> Result<(), Error> {
    for object in health::objects(file)? {
        let (kind, name) = (object.kind().to_owned(), object.name().to_owned());
        let wrong = |source| Error::Field {
            kind: kind.clone(),
            name: name.clone(),
            source,
        };
        match (object.group(), object.kind()) {
            (ModelRollout::GROUP, ModelRollout::KIND) => {
                rollouts.push(read::from_value(object.into_value()).map_err(wrong)?);
            }
            ("argoproj.io", AnalysisTemplate::KIND | AnalysisTemplate::CLUSTER_KIND) => {
                templates.push(read::from_value(object.into_value()).map_err(wrong)?);
            }
            // Targets and whatever else lies beside them.
            _ => {}
        }
    }
    Ok(())
}

/// Writes the time since the beginning, `+01:30:05`.
fn since(start: Timestamp, at: Timestamp) -> String {
    let seconds = at.duration_since(start).as_secs();
    format!(
        "+{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Writes the points in time of a sentence as times since the beginning: nobody was there in 1970.
fn relative(sentence: &str, start: Timestamp) -> String {
    let words = sentence.split(' ').map(|word| {
        let time = word.trim_end_matches([',', ';', '.', ')']);
        match time.parse::<Timestamp>() {
            Ok(at) => word.replacen(time, &since(start, at), 1),
            Err(_) => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn print_text(
    scenario: &Scenario,
    report: &Report,
    gaps: &Gaps<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    for decision in &report.decisions {
        let at = since(scenario.start, decision.at);
        let weight = decision.inputs.get("weight").map_or("", String::as_str);
        writeln!(
            out,
            "{at}  {weight:>3} %  {:<26} {}",
            decision.reason.as_str(),
            relative(&decision.message, scenario.start)
        )?;
    }
    let observed = &report.world.observed;
    let serves = observed
        .stable
        .as_ref()
        .map_or("nothing", |stable| &stable.version);
    writeln!(
        out,
        "{} at {}: {serves} serves",
        report.state.phase(),
        since(scenario.start, report.end)
    )?;
    if let (Ok(traffic), Some(canary)) = (&observed.traffic, &observed.canary) {
        writeln!(
            out,
            "{} has {} % of the traffic",
            canary.version, traffic.canary
        )?;
    }
    for entry in &report.state.quarantined {
        writeln!(out, "{} is kept out: {}", entry.version, entry.why)?;
    }
    if !gaps.missing.is_empty() {
        let names = gaps.missing.join(", ");
        writeln!(out, "the record has no sample of: {names}")?;
    }
    if !gaps.unused.is_empty() {
        let names = gaps.unused.join(", ");
        writeln!(out, "no analysis asks for: {names}")?;
    }
    writeln!(
        out,
        "{} decisions, digest {:016x}",
        report.decisions.len(),
        report.digest()
    )
}

fn print_json(report: &Report, gaps: &Gaps<'_>, out: &mut dyn Write) -> io::Result<()> {
    for decision in &report.decisions {
        serde_json::to_writer(&mut *out, decision).map_err(io::Error::from)?;
        writeln!(out)?;
    }
    let end = json!({
        "phase": report.state.phase(),
        "at": report.end,
        "stable": report.world.observed.stable.as_ref().map(|stable| &stable.version),
        "quarantined": report.state.quarantined.iter().map(|entry| &entry.version).collect::<Vec<_>>(),
        "withoutSamples": gaps.missing,
        "unusedSamples": gaps.unused,
        "decisions": report.decisions.len(),
        "digest": format!("{:016x}", report.digest()),
    });
    writeln!(out, "{end}")
}
