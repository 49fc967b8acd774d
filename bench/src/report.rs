//! The figures of one run, as a table and as JSON.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;

#[derive(Serialize)]
struct Figure {
    name: String,
    value: f64,
    unit: String,
}

/// The figures of one run.
#[derive(Serialize)]
pub(crate) struct Report {
    at: String,
    cores: usize,
    figures: Vec<Figure>,
}

impl Report {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        Self {
            at: jiff::Timestamp::now().to_string(),
            cores,
            figures: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, name: &str, value: f64, unit: &str) {
        self.figures.push(Figure {
            name: name.to_owned(),
            value,
            unit: unit.to_owned(),
        });
    }

    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        self.figures
            .iter()
            .find(|figure| figure.name == name)
            .map(|figure| figure.value)
    }

    pub(crate) fn to_table(&self) -> String {
        let mut table = String::from("| figure | value | |\n|---|---:|---|\n");
        for Figure { name, value, unit } in &self.figures {
            let _ = writeln!(table, "| {name} | {value:.3} | {unit} |");
        }
        table
    }

    pub(crate) fn write(&self, folder: &Path) -> Result<PathBuf> {
        std::fs::create_dir_all(folder)?;
        let stamp: String = self
            .at
            .chars()
            .take(19)
            .filter(char::is_ascii_alphanumeric)
            .collect();
        let path = folder.join(format!("{stamp}.json"));
        std::fs::write(&path, serde_json::to_vec_pretty(self)?).context("writing the results")?;
        Ok(path)
    }
}

/// Returns the median; zero for no values.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
