//! Reading the keys of one ConfigMap: a key that cannot be read keeps its last good value.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use driftless_api::{duration, read};
use driftless_yaml::{Duplicates, Limits};
use serde::de::DeserializeOwned;

use crate::diagnostic::Diagnostic;

/// The texts that were good, by key. Kept so that a typing mistake changes nothing.
pub(crate) type LastGood = BTreeMap<String, String>;

/// Reads keys and collects what is wrong.
pub(crate) struct Reader<'a> {
    object: String,
    data: &'a BTreeMap<String, String>,
    last_good: &'a LastGood,
    good: LastGood,
    known: BTreeSet<String>,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        name: &str,
        data: &'a BTreeMap<String, String>,
        last_good: &'a LastGood,
    ) -> Self {
        Self {
            object: format!("ConfigMap {name}"),
            data,
            last_good,
            good: LastGood::new(),
            known: BTreeSet::new(),
            diagnostics: Vec::new(),
        }
    }

    /// Ends reading: what was good, and what is wrong.
    pub(crate) fn finish(self) -> (LastGood, Vec<Diagnostic>) {
        (self.good, self.diagnostics)
    }

    /// Returns the keys that start with `prefix`, without it.
    pub(crate) fn keys_under(&self, prefix: &str) -> Vec<String> {
        self.data
            .keys()
            .filter_map(|key| key.strip_prefix(prefix))
            .filter(|rest| !rest.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Returns the keys that nobody asked for.
    pub(crate) fn unknown(&self) -> Vec<String> {
        self.data
            .keys()
            .filter(|key| !self.known.contains(*key))
            .cloned()
            .collect()
    }

    /// Returns a text as it is, without white space around it; absent when empty.
    pub(crate) fn text(&mut self, key: &str) -> Option<String> {
        self.known.insert(key.to_owned());
        let text = self.data.get(key)?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Reads a key. `hint` says what a good value looks like.
    pub(crate) fn parse<T>(
        &mut self,
        key: &str,
        hint: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(key)?;
        match parse(&text) {
            Ok(value) => {
                self.good.insert(key.to_owned(), text);
                Some(value)
            }
            Err(message) => {
                let last = self.last_good.get(key);
                let kept = last.and_then(|last| parse(last).ok());
                let stays = if kept.is_some() {
                    "the last good value stays"
                } else {
                    "the default is used"
                };
                self.problem(key, message, format!("{hint}; {stays}"));
                if let (Some(last), true) = (last, kept.is_some()) {
                    self.good.insert(key.to_owned(), last.clone());
                }
                kept
            }
        }
    }

    pub(crate) fn problem(&mut self, key: &str, message: String, hint: String) {
        self.diagnostics.push(Diagnostic {
            object: self.object.clone(),
            key: key.to_owned(),
            message,
            hint,
        });
    }

    pub(crate) fn boolean(&mut self, key: &str, default: bool) -> bool {
        self.parse(key, "write \"true\" or \"false\"", boolean)
            .unwrap_or(default)
    }

    pub(crate) fn duration(&mut self, key: &str) -> Option<Duration> {
        self.parse(key, "write a duration such as 30s, 3m or 24h", go_duration)
    }

    /// Reads a number of seconds.
    pub(crate) fn seconds(&mut self, key: &str) -> Option<Duration> {
        self.integer(key).map(Duration::from_secs)
    }

    pub(crate) fn integer(&mut self, key: &str) -> Option<u64> {
        self.parse(key, "write a whole number", |text| {
            text.parse()
                .map_err(|_| format!("{text:?} is not a whole number"))
        })
    }

    /// Reads a list separated by commas.
    pub(crate) fn list(&mut self, key: &str) -> Option<Vec<String>> {
        self.text(key).map(|text| {
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(str::to_owned)
                .collect()
        })
    }

    /// Reads YAML.
    pub(crate) fn yaml<T: DeserializeOwned>(&mut self, key: &str, hint: &str) -> Option<T> {
        self.parse(key, hint, from_yaml)
    }
}

pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" | "True" | "TRUE" | "t" | "T" | "1" => Ok(true),
        "false" | "False" | "FALSE" | "f" | "F" | "0" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

pub(crate) fn go_duration(text: &str) -> Result<Duration, String> {
    let parsed = duration::parse(text).map_err(|error| error.to_string())?;
    Duration::try_from(parsed).map_err(|_| format!("{text} is negative"))
}

pub(crate) fn from_yaml<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let value =
        driftless_yaml::parse_first(text.as_bytes(), &Limits::default(), Duplicates::Refuse)
            .map_err(|error| error.to_string())?;
    read::from_value(value).map_err(|error| error.to_string())
}
