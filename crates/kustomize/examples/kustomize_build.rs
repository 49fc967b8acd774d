//! Builds kustomizations of a folder on disk, for measurements: `kustomize_build DIR…` prints each result,
//! `kustomize_build --batch LIST OUT` builds every folder that LIST names (`name<TAB>folder<TAB>restrictor`) in one
//! process and writes `OUT/name.yaml` or `OUT/name.err`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use driftless_core::Tree;
use driftless_core::tree::{ContentId, Entry, EntryKind, Error, FolderEntry, TreePath};
use driftless_kustomize::{LoadRestrictor, Options, Services, build};

/// The file system from its root.
struct Disk;

fn on_disk(path: &TreePath) -> PathBuf {
    Path::new("/").join(path.as_str())
}

impl Tree for Disk {
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, Error> {
        let Ok(metadata) = std::fs::symlink_metadata(on_disk(path)) else {
            return Ok(None);
        };
        let kind = if metadata.is_dir() {
            EntryKind::Folder
        } else if metadata.is_symlink() {
            EntryKind::Link
        } else {
            EntryKind::File
        };
        Ok(Some(Entry {
            kind,
            id: ContentId::from_hash(&[]),
        }))
    }

    fn list(&self, _path: &TreePath) -> Result<Arc<[FolderEntry]>, Error> {
        Ok(Arc::new([]))
    }

    fn read(&self, path: &TreePath, _limit: u64) -> Result<Bytes, Error> {
        let file = on_disk(path);
        let unreadable = |source: std::io::Error| Error::Unreadable {
            path: path.to_string(),
            source: Box::new(source),
        };
        if file.is_symlink() {
            let target = std::fs::read_link(&file).map_err(unreadable)?;
            return Ok(target.to_string_lossy().into_owned().into());
        }
        std::fs::read(file).map(Bytes::from).map_err(unreadable)
    }
}

fn run(folder: &str, restrictor: LoadRestrictor) -> (Vec<String>, Result<String, String>) {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.into());
    let options = Options {
        load_restrictor: restrictor,
        ..Options::default()
    };
    let outcome = build(
        &Disk,
        &absolute.to_string_lossy(),
        &options,
        Services::default(),
    );
    let text = outcome
        .result
        .and_then(|objects| objects.to_yaml())
        .map_err(|error| error.to_string());
    (outcome.warnings, text)
}

fn batch(list: &str, out: &str) -> std::io::Result<()> {
    let started = std::time::Instant::now();
    let mut count = 0;
    for line in std::fs::read_to_string(list)?.lines() {
        let mut parts = line.split('\t');
        let (Some(name), Some(folder)) = (parts.next(), parts.next()) else {
            continue;
        };
        let restrictor = match parts.next() {
            Some("none") => LoadRestrictor::None,
            _ => LoadRestrictor::RootOnly,
        };
        let (warnings, result) = run(folder, restrictor);
        count += 1;
        if out == "-" {
            continue;
        }
        let base = Path::new(out).join(name);
        if let Some(parent) = base.parent() {
            std::fs::create_dir_all(parent)?;
        }
        match result {
            Ok(text) => std::fs::write(format!("{}.yaml", base.display()), text)?,
            Err(error) => {
                let mut text = String::new();
                for warning in warnings {
                    text.push_str(&warning);
                    text.push('\n');
                }
                std::fs::write(
                    format!("{}.err", base.display()),
                    format!("{text}error: {error}\n"),
                )?;
            }
        }
    }
    let elapsed = started.elapsed();
    writeln!(std::io::stderr(), "{count} builds in {elapsed:?}")
}

fn main() -> std::process::ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, list, out] = args.as_slice()
        && flag == "--batch"
    {
        return match batch(list, out) {
            Ok(()) => std::process::ExitCode::SUCCESS,
            Err(_) => std::process::ExitCode::FAILURE,
        };
    }
    for folder in &args {
        let (warnings, result) = run(folder, LoadRestrictor::RootOnly);
        for warning in warnings {
            let _ = writeln!(std::io::stderr(), "{warning}");
        }
        match result {
            Ok(text) => drop(std::io::stdout().write_all(text.as_bytes())),
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "error: {error}");
                return std::process::ExitCode::FAILURE;
            }
        }
    }
    std::process::ExitCode::SUCCESS
}
