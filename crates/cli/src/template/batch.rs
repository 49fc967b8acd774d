//! `driftless template batch`: many renders in one process, one line for each.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Instant;

use driftless_helm::Engine;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use super::{Error, Printed, helm, kustomize};

/// Renders the sources that a file lists: a JSON object a line with id, kind, dir and args.
#[derive(clap::Args, Debug, Clone)]
pub struct Args {
    /// File with one JSON object a line: id, kind (such as helm), dir and args
    pub file: PathBuf,
    /// Render everything this many times and print the last results: measures a warm process
    #[arg(long, default_value_t = 1)]
    pub rounds: u32,
    /// Threads to render on; 0 for one on each processor
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
    /// Keep what was rendered: ID.yaml, or ID.error, below this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

#[derive(serde::Deserialize)]
struct Job {
    id: String,
    kind: String,
    #[serde(default)]
    dir: PathBuf,
    #[serde(default)]
    args: Vec<String>,
}

#[derive(serde::Serialize)]
struct Line<'a> {
    id: &'a str,
    ok: bool,
    micros: u128,
    sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// One renderer of each kind, kept for all lines that one thread works on.
struct Renderers {
    helm: helm::Renderer,
    kustomize: kustomize::Renderer,
}

impl Renderers {
    fn new(engine: &Arc<Engine>) -> Self {
        Self {
            helm: helm::Renderer::keeping_charts(engine.clone()),
            kustomize: kustomize::Renderer::default(),
        }
    }

    fn render(&mut self, job: &Job) -> Printed {
        match job.kind.as_str() {
            "helm" => {
                // The command's own name may come first, as it does on the command line of helm.
                let words = match job.args.as_slice() {
                    [first, rest @ ..] if first == "template" => rest,
                    words => words,
                };
                self.helm.run(&job.dir, words)
            }
            "kustomize" => {
                let words = match job.args.as_slice() {
                    [first, rest @ ..] if first == "kustomize" || first == "build" => rest,
                    words => words,
                };
                self.kustomize.run(&job.dir, words)
            }
            other => Printed::failed(format!(
                "Error: sources of kind {other:?} are not rendered\n"
            )),
        }
    }
}

/// Runs the command; `false` when the list could not be read or a source failed.
pub(super) fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> Result<bool, Error> {
    let jobs = match read_jobs(&args.file) {
        Ok(jobs) => jobs,
        Err(message) => {
            writeln!(err, "Error: {message}").map_err(Error)?;
            return Ok(false);
        }
    };
    let batch = Batch::new(args, &jobs);
    let threads = match args.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        set => set,
    };
    let threads = threads.clamp(1, batch.groups.len().max(1));
    std::thread::scope(|scope| {
        let mut waiting = Vec::new();
        for thread in 1..threads {
            // They wait until it is known how many they are.
            let (started, start) = mpsc::channel::<Arc<Barrier>>();
            let batch = &batch;
            let spawned = std::thread::Builder::new()
                .name("batch".to_owned())
                .stack_size(STACK)
                .spawn_scoped(scope, move || {
                    let Ok(barrier) = start.recv() else { return };
                    let mut renderers = Renderers::new(&batch.engine);
                    for round in 1..=batch.rounds {
                        batch.work(thread, round, &mut renderers);
                        barrier.wait();
                    }
                });
            if spawned.is_ok() {
                waiting.push(started);
            }
        }
        let barrier = Arc::new(Barrier::new(waiting.len() + 1));
        for started in waiting {
            let _ = started.send(barrier.clone());
        }
        let mut renderers = Renderers::new(&batch.engine);
        for round in 1..=batch.rounds {
            let started = Instant::now();
            batch.work(0, round, &mut renderers);
            barrier.wait();
            let elapsed = started.elapsed().as_secs_f64() * 1e3;
            // What was said goes to a pipe that may be full: nobody waits for it.
            let _ = writeln!(
                err,
                "round {round}: {} renders in {elapsed:.3} ms",
                jobs.len()
            );
        }
    });
    for line in batch.lines.into_inner().into_iter().flatten() {
        writeln!(out, "{line}").map_err(Error)?;
    }
    out.flush().map_err(Error)?;
    if let Some(error) = batch.failure.into_inner() {
        return Err(Error(error));
    }
    Ok(true)
}

/// As much as the main thread has.
const STACK: usize = 8 << 20;

/// What all threads share.
struct Batch<'a> {
    jobs: &'a [Job],
    rounds: u32,
    out: Option<&'a Path>,
    engine: Arc<Engine>,
    /// Lines that have their kind and folder in common: one thread keeps what it has read of them.
    groups: Vec<Group>,
    /// Results of the last round, in the order of the list.
    lines: Mutex<Vec<Option<String>>>,
    failure: Mutex<Option<std::io::Error>>,
}

struct Group {
    jobs: Vec<usize>,
    /// The last round in which somebody took it.
    round: AtomicU32,
    /// Who took it first.
    owner: AtomicUsize,
}

/// No thread.
const NOBODY: usize = usize::MAX;

impl<'a> Batch<'a> {
    fn new(args: &'a Args, jobs: &'a [Job]) -> Self {
        let mut places: HashMap<(&str, &Path), usize> = HashMap::new();
        let mut groups: Vec<Group> = Vec::new();
        for (index, job) in jobs.iter().enumerate() {
            let place = *places
                .entry((job.kind.as_str(), job.dir.as_path()))
                .or_insert_with(|| {
                    groups.push(Group {
                        jobs: Vec::new(),
                        round: AtomicU32::new(0),
                        owner: AtomicUsize::new(NOBODY),
                    });
                    groups.len() - 1
                });
            if let Some(group) = groups.get_mut(place) {
                group.jobs.push(index);
            }
        }
        Self {
            jobs,
            rounds: args.rounds.max(1),
            out: args.out.as_deref(),
            engine: Arc::default(),
            groups,
            lines: Mutex::new(jobs.iter().map(|_| None).collect()),
            failure: Mutex::new(None),
        }
    }

    /// Works on what is left of a round: first on what this thread knows already, then on what nobody knows, then on
    /// what others have not come to.
    fn work(&self, thread: usize, round: u32, renderers: &mut Renderers) {
        renderers.helm.look_again();
        for choice in [Some(thread), Some(NOBODY), None] {
            for group in &self.groups {
                let owner = group.owner.load(Ordering::Relaxed);
                let fits = choice.is_none_or(|choice| choice == owner);
                if !fits || group.round.fetch_max(round, Ordering::Relaxed) >= round {
                    continue;
                }
                if owner == NOBODY {
                    group.owner.store(thread, Ordering::Relaxed);
                }
                for index in &group.jobs {
                    if let Some(job) = self.jobs.get(*index) {
                        self.one(*index, job, round, renderers);
                    }
                }
            }
        }
    }

    fn one(&self, index: usize, job: &Job, round: u32, renderers: &mut Renderers) {
        let start = Instant::now();
        let render = std::panic::AssertUnwindSafe(|| renderers.render(job));
        let printed = std::panic::catch_unwind(render)
            .unwrap_or_else(|_| Printed::failed("Error: the render panicked; please report it\n"));
        let micros = start.elapsed().as_micros();
        if round < self.rounds {
            return;
        }
        if let Some(folder) = self.out
            && let Err(error) = keep(folder, job, &printed)
        {
            self.failure.lock().get_or_insert(error);
        }
        let line = Line {
            id: &job.id,
            ok: printed.ok,
            micros,
            sha256: hex(&Sha256::digest(&printed.stdout)),
            error: (!printed.ok).then_some(printed.stderr.as_str()),
        };
        if let Ok(line) = serde_json::to_string(&line)
            && let Some(place) = self.lines.lock().get_mut(index)
        {
            *place = Some(line);
        }
    }
}

fn read_jobs(file: &Path) -> Result<Vec<Job>, String> {
    let at = |error: std::io::Error| format!("reading {}: {error}", file.display());
    let list = std::io::BufReader::new(std::fs::File::open(file).map_err(at)?);
    let mut jobs = Vec::new();
    for (index, line) in list.lines().enumerate() {
        let line = line.map_err(at)?;
        if line.trim().is_empty() {
            continue;
        }
        let job = serde_json::from_str(&line)
            .map_err(|error| format!("{}:{}: {error}", file.display(), index + 1))?;
        jobs.push(job);
    }
    Ok(jobs)
}

fn keep(folder: &Path, job: &Job, printed: &Printed) -> std::io::Result<()> {
    let (extension, content) = if printed.ok {
        ("yaml", printed.stdout.as_slice())
    } else {
        ("error", printed.stderr.as_bytes())
    };
    let file = folder.join(format!("{}.{extension}", job.id));
    if let Some(parent) = file.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(file, content)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
