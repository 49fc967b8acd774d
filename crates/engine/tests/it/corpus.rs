//! Finds cases, reads them, compares or blesses what is wanted.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Returns the cases of a folder in stable order; an empty folder is a mistake.
pub(crate) fn cases(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(folder);
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(!cases.is_empty(), "no cases in {}", folder.display());
    cases
}

/// Runs every case of a folder: `got` is put beside `want` in the case's file.
pub(crate) fn check(folder: &str, got: impl Fn(&Value) -> Value) {
    let bless = std::env::var_os("BLESS").is_some();
    let mut failures = Vec::new();
    for path in cases(folder) {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut case: Value = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let got = got(&case);
        if case["want"] == got {
            continue;
        }
        if bless {
            case["want"] = got;
            let text = serde_json::to_string_pretty(&case).unwrap();
            std::fs::write(&path, text + "\n").unwrap();
        } else {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            failures.push(format!("{name}\n  want {}\n  got  {got}", case["want"]));
        }
    }
    assert!(
        failures.is_empty(),
        "{} cases differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
