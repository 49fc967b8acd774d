//! Revisions that were rolled back and that automation does not try again.
//!
//! The record lives in an annotation of the Application, so that it survives restarts and works with the incumbent's CRD,
//! which drops unknown status fields. Automation stays on: the next commit that is not quarantined goes through.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The annotation that holds the record: a JSON list, newest entry first.
pub const ANNOTATION: &str = "driftless.dev/quarantine";

/// How many entries are kept; the oldest is forgotten first.
const MAX_ENTRIES: usize = 10;

/// One revision that must not be deployed by automation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The resolved revision of each source, in source order.
    pub revisions: Vec<String>,
    /// The revisions that run instead.
    pub held_revisions: Vec<String>,
    /// History id that was rolled back to.
    #[serde(default)]
    pub history_id: i64,
    /// When.
    pub at: Timestamp,
    /// Who asked.
    #[serde(default)]
    pub by: String,
    /// Why, in a sentence.
    #[serde(default)]
    pub reason: String,
}

/// The annotation holds something else than a record.
#[derive(Debug, thiserror::Error)]
#[error("reading annotation {ANNOTATION}; remove it to lift the quarantine")]
pub struct Error(#[source] serde_json::Error);

/// All quarantined revisions of one application.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Quarantine {
    entries: Vec<Entry>,
    unreadable: bool,
}

impl Quarantine {
    /// Reads the annotation; absent means nothing is quarantined.
    pub fn from_annotation(text: Option<&str>) -> Result<Self, Error> {
        text.map_or_else(
            || Ok(Self::default()),
            |text| {
                serde_json::from_str(text)
                    .map(|entries| Self {
                        entries,
                        unreadable: false,
                    })
                    .map_err(Error)
            },
        )
    }

    /// Stands for a record that cannot be read: nobody knows what is quarantined.
    pub fn unreadable() -> Self {
        Self {
            entries: Vec::new(),
            unreadable: true,
        }
    }

    /// Says whether the record could not be read.
    pub fn is_unreadable(&self) -> bool {
        self.unreadable
    }

    /// Returns the entry that forbids these revisions, if there is one.
    pub fn blocks(&self, revisions: &[String]) -> Option<&Entry> {
        self.entries
            .iter()
            .find(|entry| entry.revisions == revisions)
    }

    /// Says whether this very thing is recorded, of whatever revision.
    pub fn has(&self, by: &str, at: Timestamp, reason: &str) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| entry.by == by && entry.at == at && entry.reason == reason)
    }

    /// Adds an entry, replacing an older one for the same revisions.
    #[must_use]
    pub fn with(mut self, entry: Entry) -> Self {
        self.entries
            .retain(|known| known.revisions != entry.revisions);
        self.entries.insert(0, entry);
        self.entries.truncate(MAX_ENTRIES);
        self
    }

    /// Lifts the quarantine of these revisions: somebody deployed them on purpose.
    #[must_use]
    pub fn without(mut self, revisions: &[String]) -> Self {
        self.entries.retain(|known| known.revisions != revisions);
        self
    }

    /// Writes the annotation; `None` when nothing is quarantined.
    pub fn to_annotation(&self) -> Option<String> {
        if self.entries.is_empty() {
            return None;
        }
        serde_json::to_string(&self.entries).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(revision: &str) -> Entry {
        Entry {
            revisions: vec![revision.to_owned()],
            held_revisions: vec!["good".to_owned()],
            history_id: 3,
            at: Timestamp::UNIX_EPOCH,
            by: "admin".to_owned(),
            reason: "rollback to 3".to_owned(),
        }
    }

    #[test]
    fn the_record_survives_a_round_trip() {
        let record = Quarantine::default()
            .with(entry("bad"))
            .with(entry("worse"));
        let text = record.to_annotation().unwrap();
        let read = Quarantine::from_annotation(Some(&text)).unwrap();
        assert_eq!(read, record);
        assert!(read.blocks(&["bad".to_owned()]).is_some());
        assert!(read.blocks(&["next".to_owned()]).is_none());
        assert_eq!(
            read.without(&["bad".to_owned()])
                .blocks(&["bad".to_owned()]),
            None
        );
    }

    #[test]
    fn it_stays_bounded_and_keeps_the_newest() {
        let record = (0..30).fold(Quarantine::default(), |record, n| {
            record.with(entry(&n.to_string()))
        });
        assert_eq!(record.entries.len(), MAX_ENTRIES);
        assert!(record.blocks(&["29".to_owned()]).is_some());
    }

    #[test]
    fn garbage_is_an_error_not_an_empty_record() {
        assert!(Quarantine::from_annotation(Some("{oops")).is_err());
        assert_eq!(
            Quarantine::from_annotation(None).unwrap(),
            Quarantine::default()
        );
    }
}
