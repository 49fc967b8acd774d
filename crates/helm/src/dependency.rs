//! Which subcharts take part, under which name, and which of their values their parents import.

use driftless_gotemplate::funcs::{Constraint, Version};
use driftless_gotemplate::{Map, Value};

use crate::chart::Chart;
use crate::metadata::Dependency;
use crate::values::{Nulls, coalesce_tables, coalesce_values, path_value, table};

/// Says whether a version fits a constraint; what cannot be read does not.
pub fn version_fits(constraint: &str, version: &str) -> bool {
    match (Constraint::parse(constraint), Version::parse(version)) {
        (Ok(constraint), Ok(version)) => constraint.check(&version),
        _ => false,
    }
}

/// Removes subcharts that conditions or tags turn off, gives the rest their aliases, and imports values.
pub(crate) fn process(chart: &mut Chart, values: &Map) -> Result<(), String> {
    process_enabled(chart, values, "")?;
    process_imports(chart)
}

fn process_enabled(chart: &mut Chart, values: &Map, path: &str) -> Result<(), String> {
    let Some(mut wanted) = chart.metadata.dependencies.take() else {
        return Ok(());
    };
    let existing = std::mem::take(&mut chart.dependencies);
    let fits = |dependency: &Dependency, chart: &Chart| {
        chart.name() == dependency.name
            && version_fits(&dependency.version, &chart.metadata.version)
    };
    for subchart in &existing {
        if !wanted.iter().any(|dependency| fits(dependency, subchart)) {
            chart.dependencies.push(subchart.clone());
        }
    }
    for dependency in &mut wanted {
        if let Some(subchart) = existing.iter().find(|subchart| fits(dependency, subchart)) {
            let mut subchart = subchart.clone();
            if !dependency.alias.is_empty() {
                subchart.metadata.name.clone_from(&dependency.alias);
            }
            chart.dependencies.push(subchart);
        }
        if !dependency.alias.is_empty() {
            dependency.name.clone_from(&dependency.alias);
        }
        dependency.enabled = true;
    }
    let merged = coalesce_values(chart, values, Nulls::Remove)?;
    apply_tags(&mut wanted, &merged);
    apply_conditions(&mut wanted, &merged, path);
    let removed: Vec<String> = wanted
        .iter()
        .filter(|dependency| !dependency.enabled)
        .map(|dependency| dependency.name.clone())
        .collect();
    chart
        .dependencies
        .retain(|subchart| !removed.iter().any(|name| name == subchart.name()));
    wanted.retain(|dependency| !removed.contains(&dependency.name));
    for subchart in &mut chart.dependencies {
        let path = format!("{path}{}.", subchart.name());
        process_enabled(subchart, &merged, &path)?;
    }
    chart.metadata.dependencies = (!wanted.is_empty()).then_some(wanted);
    Ok(())
}

fn apply_tags(dependencies: &mut [Dependency], values: &Map) {
    let Some(tags) = table(values, "tags") else {
        return;
    };
    for dependency in dependencies {
        let set: Vec<bool> = dependency
            .tags
            .iter()
            .filter_map(|tag| match tags.get(tag) {
                Some(Value::Bool(value)) => Some(value),
                _ => None,
            })
            .collect();
        dependency.enabled = set.contains(&true) || !set.contains(&false);
    }
}

fn apply_conditions(dependencies: &mut [Dependency], values: &Map, path: &str) {
    for dependency in dependencies {
        let decided = dependency
            .condition
            .trim()
            .split(',')
            .filter(|condition| !condition.is_empty())
            .find_map(
                |condition| match path_value(values, &format!("{path}{condition}")) {
                    Some(Value::Bool(value)) => Some(value),
                    _ => None,
                },
            );
        if let Some(decided) = decided {
            dependency.enabled = decided;
        }
    }
}

fn process_imports(chart: &mut Chart) -> Result<(), String> {
    for subchart in &mut chart.dependencies {
        process_imports(subchart)?;
    }
    let Some(dependencies) = chart.metadata.dependencies.take() else {
        return Ok(());
    };
    let values = coalesce_values(chart, &Map::default(), Nulls::Keep)?;
    let imported = Map::default();
    for dependency in &dependencies {
        for import in &dependency.import_values {
            let (child, parent) = match import {
                serde_json::Value::String(name) => (format!("exports.{name}"), ".".to_owned()),
                serde_json::Value::Object(pair) => {
                    let part = |key: &str| match pair.get(key) {
                        Some(serde_json::Value::String(text)) => text.clone(),
                        Some(other) => other.to_string(),
                        None => "<nil>".to_owned(),
                    };
                    (part("child"), part("parent"))
                }
                _ => continue,
            };
            let Some(found) = table(&values, &format!("{}.{child}", dependency.name)) else {
                continue;
            };
            coalesce_tables(&imported, &at_path(&parent, found), Nulls::Keep);
        }
    }
    if let Value::Map(values) = Value::Map(values).deep_copy() {
        coalesce_tables(&values, &imported, Nulls::Keep);
        chart.values = values;
    }
    chart.metadata.dependencies = Some(dependencies);
    Ok(())
}

/// Puts a table at a path; `.` is the top.
fn at_path(path: &str, table: Map) -> Map {
    if path == "." {
        return table;
    }
    path.split('.').rev().fold(table, |inner, key| {
        let outer = Map::default();
        outer.insert(key, Value::Map(inner));
        outer
    })
}
