//! `argocd-rbac-cm`: policies as they are written (argocd-contract §7.4). They are compiled elsewhere.

use std::collections::BTreeMap;

use crate::diagnostic::Diagnostic;
use crate::reader::{LastGood, Reader};

/// Name of the ConfigMap.
pub const NAME: &str = "argocd-rbac-cm";

/// How objects in policies are matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MatchMode {
    /// Globs.
    #[default]
    Glob,
    /// Regular expressions.
    Regex,
}

impl MatchMode {
    /// Returns the text the API uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Glob => "glob",
            Self::Regex => "regex",
        }
    }
}

/// Policies as they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rbac {
    /// `policy.csv`, then each `policy.*.csv` by name: name of the key and text.
    pub policies: Vec<(String, String)>,
    /// Role of everybody who is logged in; empty for none.
    pub default_role: String,
    /// Claims that name groups.
    pub scopes: Vec<String>,
    /// How objects are matched.
    pub match_mode: MatchMode,
    last_good: LastGood,
}

impl Default for Rbac {
    fn default() -> Self {
        Self::read(&BTreeMap::new(), None).0
    }
}

impl Rbac {
    /// Reads the ConfigMap; a key that cannot be read keeps its value of `previous`.
    pub fn read(
        data: &BTreeMap<String, String>,
        previous: Option<&Self>,
    ) -> (Self, Vec<Diagnostic>) {
        let none = LastGood::new();
        let last_good = previous.map_or(&none, |previous| &previous.last_good);
        let mut reader = Reader::new(NAME, data, last_good);
        let mut policies: Vec<(String, String)> = Vec::new();
        if let Some(text) = reader.text("policy.csv") {
            policies.push(("policy.csv".to_owned(), text));
        }
        for rest in reader.keys_under("policy.") {
            let key = format!("policy.{rest}");
            if rest.strip_suffix(".csv").is_some()
                && let Some(text) = reader.text(&key)
            {
                policies.push((key, text));
            }
        }
        let mut rbac = Self {
            policies,
            default_role: reader.text("policy.default").unwrap_or_default(),
            scopes: reader
                .yaml("scopes", "write a YAML list such as [groups, email]")
                .unwrap_or_else(|| vec!["groups".to_owned()]),
            match_mode: reader
                .parse(
                    "policy.matchMode",
                    "write glob or regex",
                    |text| match text {
                        "glob" => Ok(MatchMode::Glob),
                        "regex" => Ok(MatchMode::Regex),
                        _ => Err(format!("{text:?} is not a match mode")),
                    },
                )
                .unwrap_or_default(),
            last_good: LastGood::new(),
        };
        let (good, diagnostics) = reader.finish();
        rbac.last_good = good;
        (rbac, diagnostics)
    }

    /// Returns all policies as one text.
    pub fn to_csv(&self) -> String {
        let mut text = String::new();
        for (_, policy) in &self.policies {
            text.push_str(policy);
            text.push('\n');
        }
        text
    }
}
