//! From the files of the table to rules.

use driftless_core::Glob;
use serde_json::{Map, Value};

use super::parse::{self, Template};
use super::{Rule, Status, Step, Table};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        /// Name and text of each file.
        pub(super) const FILES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../rules/", $name, ".yaml")))),*];
    };
}

files!(
    "argo",
    "autoscaling",
    "batch",
    "certificates",
    "cloud",
    "cluster",
    "crossplane",
    "databases",
    "driftless",
    "flux",
    "gateways",
    "gloo",
    "identity",
    "kruise",
    "kubernetes",
    "learning",
    "messaging",
    "numaproj",
    "observability",
    "openshift",
    "promoter",
    "secrets",
    "storage",
    "threescale",
    "virtual",
);

/// Why the table could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is not YAML.
    #[error("health rules {file}")]
    Yaml {
        /// The file.
        file: String,
        /// What is wrong with it.
        source: driftless_yaml::Error,
    },
    /// An expression is not one.
    #[error("health rules {file}, {kinds}")]
    Expression {
        /// The file.
        file: String,
        /// The kinds of the entry.
        kinds: String,
        /// What is wrong with it.
        source: parse::Error,
    },
    /// An entry has not the form of one.
    #[error("health rules {file}, {kinds}: {problem}")]
    Form {
        /// The file.
        file: String,
        /// The kinds of the entry.
        kinds: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Where in the files something is, for errors.
struct Place<'a> {
    file: &'a str,
    kinds: String,
}

impl Place<'_> {
    fn form(&self, problem: impl Into<String>) -> Error {
        Error::Form {
            file: self.file.to_owned(),
            kinds: self.kinds.clone(),
            problem: problem.into(),
        }
    }

    fn read<T>(&self, read: Result<T, parse::Error>) -> Result<T, Error> {
        read.map_err(|source| Error::Expression {
            file: self.file.to_owned(),
            kinds: self.kinds.clone(),
            source,
        })
    }
}

pub(super) fn table(files: &[(&str, &str)]) -> Result<Table, Error> {
    let mut table = Table::default();
    for (file, text) in files {
        let limits = driftless_yaml::Limits::default();
        let documents = driftless_yaml::parse_documents(text.as_bytes(), &limits);
        let documents = documents.map_err(|source| Error::Yaml {
            file: (*file).to_owned(),
            source,
        })?;
        for entry in documents.iter().filter_map(|one| one.as_array()).flatten() {
            add(&mut table, file, entry)?;
        }
    }
    Ok(table)
}

fn add(table: &mut Table, file: &str, entry: &Value) -> Result<(), Error> {
    let kinds: Vec<&str> = texts(entry.get("kinds"));
    let place = Place {
        file,
        kinds: kinds.join(", "),
    };
    let map = entry
        .as_object()
        .ok_or_else(|| place.form("an entry is a mapping"))?;
    if let Some(key) = map
        .keys()
        .find(|key| !matches!(key.as_str(), "kinds" | "rules" | "else" | "say"))
    {
        return Err(place.form(format!("{key:?} means nothing")));
    }
    let index = table.rules.len();
    let rule = Rule {
        steps: steps(&place, map.get("rules"))?,
        otherwise: status(map.get("else").and_then(Value::as_str).unwrap_or_default())
            .ok_or_else(|| place.form("\"else\" must be a status"))?,
        say: say(&place, map)?.unwrap_or_default(),
    };
    table.rules.push(rule);
    if kinds.is_empty() {
        return Err(place.form("\"kinds\" is missing"));
    }
    for kind in kinds {
        let (group, kind) = kind
            .split_once('/')
            .ok_or_else(|| place.form(format!("{kind:?} is not group/Kind")))?;
        if group.contains('*') || kind.contains('*') {
            let glob = |text: &str| {
                Glob::new(text, None).map_err(|error| place.form(format!("{text:?}: {error}")))
            };
            table.globs.push((glob(group)?, glob(kind)?, index));
            continue;
        }
        let key = (group.to_owned(), kind.to_owned());
        if table.exact.insert(key, index).is_some() {
            return Err(place.form(format!("{group}/{kind} has a rule already")));
        }
    }
    Ok(())
}

fn texts(list: Option<&Value>) -> Vec<&str> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).collect()
}

fn status(word: &str) -> Option<Status> {
    Status::parse(word)
}

fn say(place: &Place<'_>, map: &Map<String, Value>) -> Result<Option<Template>, Error> {
    match map.get("say") {
        None => Ok(None),
        Some(Value::String(text)) => place.read(Template::parse(text)).map(Some),
        Some(_) => Err(place.form("\"say\" must be a text")),
    }
}

fn steps(place: &Place<'_>, list: Option<&Value>) -> Result<Vec<Step>, Error> {
    let list = list
        .and_then(Value::as_array)
        .ok_or_else(|| place.form("\"rules\" must be a list"))?;
    list.iter()
        .map(|step| match step.as_object() {
            Some(map) => read_step(place, map),
            None => Err(place.form("a rule is a mapping")),
        })
        .collect()
}

fn read_step(place: &Place<'_>, map: &Map<String, Value>) -> Result<Step, Error> {
    let expression = |value: &Value| match value.as_str() {
        Some(text) => place.read(parse::expression(text)),
        None => Err(place.form(format!("{value} is not an expression"))),
    };
    if let Some(list) = map.get("each") {
        return Ok(Step::Each {
            list: expression(list)?,
            steps: steps(place, map.get("rules"))?,
        });
    }
    let verdicts: Vec<(Status, &Value)> = map
        .iter()
        .filter_map(|(key, value)| Some((status(key)?, value)))
        .collect();
    let known = |key: &str| matches!(key, "of" | "say") || status(key).is_some();
    if let Some(key) = map.keys().find(|key| !known(key)) {
        return Err(place.form(format!("{key:?} means nothing")));
    }
    if let Some(value) = map.get("of") {
        let mut statuses = Vec::new();
        for (status, values) in verdicts {
            let values = values
                .as_array()
                .ok_or_else(|| place.form(format!("{status} must list values")))?;
            statuses.extend(values.iter().map(|value| (value.clone(), status)));
        }
        return Ok(Step::Of {
            value: expression(value)?,
            statuses,
            say: say(place, map)?,
        });
    }
    match verdicts.as_slice() {
        [(status, test)] => Ok(Step::When {
            status: *status,
            test: expression(test)?,
            say: say(place, map)?,
        }),
        _ => Err(place.form("a rule has one status")),
    }
}
