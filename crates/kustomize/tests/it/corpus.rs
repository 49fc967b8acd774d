//! Real kustomizations and behaviour cases beside the reference's output, where they are on this machine
//! (`../shared`). Charts are not rendered here: those cases are left out.

use std::path::{Path, PathBuf};

use driftless_core::MemoryTree;
use driftless_kustomize::{LoadRestrictor, Options, Services, build};

fn shared(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = root
        .ancestors()
        .map(|folder| folder.join("shared").join(name))
        .find(|folder| folder.is_dir());
    if found.is_none() {
        eprintln!("skipped: no folder shared/{name} beside the repository");
    }
    found
}

fn load(tree: &mut MemoryTree, folder: &Path, below: &str) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{below}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            load(tree, &entry.path(), &path);
        } else {
            tree.insert(&path, std::fs::read(entry.path()).unwrap())
                .unwrap();
        }
    }
}

fn text(folder: &Path, path: &str, restrictor: LoadRestrictor) -> Result<String, String> {
    let mut tree = MemoryTree::new();
    load(&mut tree, folder, "");
    let options = Options {
        load_restrictor: restrictor,
        ..Options::default()
    };
    build(&tree, path, &options, Services::default())
        .result
        .and_then(|objects| objects.to_yaml())
        .map_err(|error| error.to_string())
}

fn folders(root: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    folders
}

#[test]
fn real_kustomizations_are_equal_byte_for_byte() {
    let Some(root) = shared("corpus/kustomize") else {
        return;
    };
    let (mut equal, mut wrong) = (0, Vec::new());
    for case in folders(&root) {
        let args = std::fs::read_to_string(case.join("args")).unwrap();
        if args.contains("--enable-helm") {
            continue;
        }
        let restrictor = if args.contains("LoadRestrictionsNone") {
            LoadRestrictor::None
        } else {
            LoadRestrictor::RootOnly
        };
        let path = args.lines().find(|line| line.starts_with("root")).unwrap();
        let path = path.trim_start_matches("root").trim_start_matches('/');
        let got = text(&case.join("root"), path, restrictor);
        match std::fs::read_to_string(case.join("expected.yaml")) {
            Ok(want) if got.as_ref() == Ok(&want) => equal += 1,
            Err(_) if got.is_err() => equal += 1,
            _ => wrong.push(case.display().to_string()),
        }
    }
    assert!(equal * 100 >= (equal + wrong.len()) * 99, "{wrong:#?}");
}

#[test]
fn behaviour_cases_are_equal() {
    let Some(root) = shared("kustomize-cases") else {
        return;
    };
    let (mut equal, mut wrong) = (0, Vec::new());
    for case in folders(&root) {
        let path = std::fs::read_to_string(case.join("root")).unwrap();
        let got = text(&case.join("in"), path.trim(), LoadRestrictor::RootOnly);
        match std::fs::read_to_string(case.join("want.yaml")) {
            Ok(want) if got.as_ref() == Ok(&want) => equal += 1,
            Err(_) if got.is_err() => equal += 1,
            _ => wrong.push(case.display().to_string()),
        }
    }
    assert!(equal * 100 >= (equal + wrong.len()) * 97, "{wrong:#?}");
}
