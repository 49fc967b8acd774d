//! Suspension: an Application that automation leaves alone for a while, with the reason for people.
//!
//! The annotation `driftless.dev/suspend` is a reason in plain words, or a JSON object
//! `{"reason": …, "by": …, "until": …}`. What is deployed stays; syncs by hand pass. A suspension whose `until` is over
//! has no effect any more.

use jiff::Timestamp;
use serde::Deserialize;

/// A suspension in effect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Suspension {
    /// Why.
    pub reason: String,
    /// Who asked for it.
    pub by: String,
    /// When it ends; never by itself when absent.
    pub until: Option<Timestamp>,
    /// What is wrong with the annotation.
    #[serde(skip)]
    pub problem: Option<String>,
}

impl Suspension {
    /// Reads the annotation; `None` when the Application is not suspended at this time. What cannot be read suspends:
    /// not knowing until when is no reason to go on.
    pub fn of(annotation: Option<&str>, now: Timestamp) -> Option<Self> {
        let text = annotation?.trim();
        if text.is_empty() || text == "false" {
            return None;
        }
        let suspension = if text.starts_with('{') {
            serde_json::from_str(text).unwrap_or_else(|error| Self {
                problem: Some(format!(
                    "{error}; write a reason, or {{\"reason\": …, \"by\": …, \"until\": \"2026-01-31T12:00:00Z\"}}"
                )),
                ..Self::default()
            })
        } else {
            let reason = if text == "true" { "" } else { text };
            Self {
                reason: reason.to_owned(),
                ..Self::default()
            }
        };
        let over = suspension.until.is_some_and(|until| until <= now);
        (!over).then_some(suspension)
    }
}

impl std::fmt::Display for Suspension {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("automated sync is suspended")?;
        if !self.by.is_empty() {
            write!(f, " by {}", self.by)?;
        }
        if let Some(until) = self.until {
            write!(f, " until {}", driftless_api::Time::from(until))?;
        }
        if !self.reason.is_empty() {
            write!(f, ": {}", self.reason)?;
        }
        if let Some(problem) = &self.problem {
            let name = driftless_api::annotation::SUSPEND;
            write!(f, " (annotation {name} cannot be read: {problem})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Option<String> {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        Suspension::of(Some(text), now).map(|one| one.to_string())
    }

    #[test]
    fn a_reason_in_words_suspends() {
        assert_eq!(
            told("waits for the new GPU pool").unwrap(),
            "automated sync is suspended: waits for the new GPU pool"
        );
        assert_eq!(told("true").unwrap(), "automated sync is suspended");
        assert_eq!(told("false"), None);
        assert_eq!(told(" "), None);
    }

    #[test]
    fn reason_who_and_until_are_told() {
        assert_eq!(
            told(r#"{"reason":"audit","by":"kim","until":"2026-01-02T03:00:00Z"}"#).unwrap(),
            "automated sync is suspended by kim until 2026-01-02T03:00:00Z: audit"
        );
        assert_eq!(
            told(r#"{"reason":"audit","until":"2025-12-31T00:00:00Z"}"#),
            None
        );
    }

    #[test]
    fn what_cannot_be_read_suspends() {
        let text = told(r#"{"until": "tomorrow"}"#).unwrap();
        assert!(text.contains("cannot be read"), "{text}");
    }
}
