//! `driftless template batch`: many renders in one process, one line for each.

use std::fmt::Write as _;
use std::io::{BufRead as _, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

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

/// One renderer of each kind, kept for all lines.
struct Renderers {
    helm: helm::Renderer,
    kustomize: kustomize::Renderer,
}

impl Renderers {
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
    let mut renderers = Renderers {
        helm: helm::Renderer::keeping_charts(),
        kustomize: kustomize::Renderer::default(),
    };
    for round in 1..=args.rounds.max(1) {
        let is_last = round == args.rounds.max(1);
        let started = Instant::now();
        for job in &jobs {
            let start = Instant::now();
            let printed = renderers.render(job);
            let micros = start.elapsed().as_micros();
            if !is_last {
                continue;
            }
            if let Some(folder) = &args.out {
                keep(folder, job, &printed).map_err(Error)?;
            }
            let line = Line {
                id: &job.id,
                ok: printed.ok,
                micros,
                sha256: hex(&Sha256::digest(&printed.stdout)),
                error: (!printed.ok).then_some(printed.stderr.as_str()),
            };
            let line = serde_json::to_string(&line).map_err(|error| Error(error.into()))?;
            writeln!(out, "{line}").map_err(Error)?;
        }
        writeln!(
            err,
            "round {round}: {} renders in {:.3} ms",
            jobs.len(),
            started.elapsed().as_secs_f64() * 1e3
        )
        .map_err(Error)?;
    }
    out.flush().map_err(Error)?;
    Ok(true)
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
