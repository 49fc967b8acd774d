//! `helm template` for the corpus: `helm_template template NAME CHART [flags]`, or
//! `helm_template batch FILE` with one JSON object a line (`id`, `dir`, `args`).

#![allow(
    clippy::disallowed_methods,
    clippy::too_many_lines,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a development tool that reads folders and prints"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use driftless_core::tree::{MemoryTree, TreePath};
use driftless_helm::values::Overrides;
use driftless_helm::{Capabilities, Engine, KubeVersion, Options, Release, Show, load, render};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let engine = Engine::default();
    if args.first().is_some_and(|first| first == "batch") {
        batch(&engine, &args);
        return;
    }
    match run(&engine, Path::new("."), &args) {
        Ok(text) => std::io::stdout().write_all(&text).unwrap_or_default(),
        Err(error) => {
            eprintln!("Error: {error}");
            std::process::exit(1);
        }
    }
}

fn batch(engine: &Engine, args: &[String]) {
    let text = std::fs::read_to_string(&args[1]).unwrap_or_default();
    let rounds: usize = args.get(2).and_then(|n| n.parse().ok()).unwrap_or(1);
    for round in 0..rounds {
        let started = std::time::Instant::now();
        let mut count = 0;
        for line in text.lines() {
            let job: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
            let args: Vec<String> = job["args"]
                .as_array()
                .map(|args| {
                    args.iter()
                        .map(|a| a.as_str().unwrap_or_default().to_owned())
                        .collect()
                })
                .unwrap_or_default();
            let dir = job["dir"].as_str().unwrap_or(".");
            let start = std::time::Instant::now();
            let result = run(engine, Path::new(dir), &args);
            count += 1;
            if round + 1 == rounds {
                println!(
                    "{} {} {}",
                    job["id"],
                    result.is_ok(),
                    start.elapsed().as_micros()
                );
            }
        }
        let total = started.elapsed();
        eprintln!(
            "{count} renders in {total:?}, {:?} each",
            total / count.max(1)
        );
    }
}

fn read_tree(folder: &Path) -> anyhow::Result<MemoryTree> {
    let mut tree = MemoryTree::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(at) = pending.pop() {
        for entry in std::fs::read_dir(folder.join(&at))? {
            let entry = entry?;
            let path = at.join(entry.file_name());
            if entry.path().is_dir() {
                pending.push(path);
            } else {
                tree.insert(&path.to_string_lossy(), std::fs::read(entry.path())?)?;
            }
        }
    }
    Ok(tree)
}

fn run(engine: &Engine, dir: &Path, args: &[String]) -> anyhow::Result<Vec<u8>> {
    let mut positional = Vec::new();
    let mut overrides = Overrides::default();
    let mut show = Show::default();
    let mut capabilities = Capabilities::default();
    let (mut namespace, mut is_upgrade, mut check_schema) = ("default".to_owned(), false, true);
    let mut rest = args.iter().skip(1);
    while let Some(arg) = rest.next() {
        let (flag, inline) = match arg.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, Some(value.to_owned())),
            _ => (arg.as_str(), None),
        };
        let mut value = || {
            inline
                .clone()
                .or_else(|| rest.next().cloned())
                .context("flag needs an argument")
        };
        match flag {
            "--namespace" | "-n" => namespace = value()?,
            "-f" | "--values" => {
                let name = value()?;
                let content = std::fs::read(dir.join(&name))?;
                overrides.files.push((name, content));
            }
            "--set" => overrides.set.push(value()?),
            "--set-string" => overrides.strings.push(value()?),
            "--set-json" => overrides.json.push(value()?),
            "--set-literal" => overrides.literals.push(value()?),
            "--kube-version" => {
                capabilities.kube_version =
                    KubeVersion::parse(&value()?).map_err(anyhow::Error::msg)?;
            }
            "--api-versions" | "-a" => {
                capabilities
                    .api_versions
                    .extend(value()?.split(',').map(str::to_owned));
            }
            "--include-crds" => show.crds = true,
            "--no-hooks" => show.no_hooks = true,
            "--skip-tests" => show.no_tests = true,
            "--skip-schema-validation" => check_schema = false,
            "--is-upgrade" => is_upgrade = true,
            flag if flag.starts_with('-') => bail!("unknown flag: {flag}"),
            _ => positional.push(arg.clone()),
        }
    }
    let (name, chart) = match positional.as_slice() {
        [chart] => ("release-name".to_owned(), chart),
        [name, chart] => (name.clone(), chart),
        _ => bail!("expected at most two arguments"),
    };
    let limits = load::Limits::default();
    let path = dir.join(chart);
    let chart = if path.is_dir() {
        load::from_tree(&read_tree(&path)?, &TreePath::root(), &limits)?
    } else {
        load::from_archive(&std::fs::read(&path)?, &limits)?
    };
    let values = overrides.to_map(&limits.yaml)?;
    let options = Options {
        release: Release {
            name,
            namespace,
            revision: 1,
            is_upgrade,
        },
        capabilities,
        check_schema,
        budget: driftless_gotemplate::Budget::default(),
        seed: None,
        yaml: driftless_yaml::Limits::default(),
    };
    match render(engine, chart, &values, &options) {
        Ok(rendered) => {
            let text = rendered.to_text(show);
            Ok(driftless_gotemplate::bytes::of_text(&text).into_owned())
        }
        Err(error) if error.is_render() => {
            bail!("{error}\n\nUse --debug flag to render out invalid YAML")
        }
        Err(error) => Err(error.into()),
    }
}
