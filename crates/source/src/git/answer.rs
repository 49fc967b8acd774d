//! What a repository said about targets: choosing a commit from refs, remembering it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use gix_hash::ObjectId;
use jiff::Timestamp;
use tokio::time::Instant;

use super::error::Cause;
use super::mirror::write_whole;
use super::wire::RefList;
use crate::semver::Version;
use crate::target::{Target, full_commit};

/// More exact names than this are asked for as whole folders.
const MAX_PREFIXES: usize = 200;

/// The last answer about one target.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// What was said; `None` when this process has not asked yet.
    pub(crate) said: Option<(Result<ObjectId, Cause>, Instant)>,
    /// The last commit, and when it was confirmed.
    pub(crate) good: Option<(ObjectId, Timestamp)>,
}

/// Returns the prefixes that cover `targets`.
pub(crate) fn prefixes<'a>(targets: impl Iterator<Item = &'a Target>) -> Vec<String> {
    let mut prefixes = vec!["HEAD".to_owned()];
    for target in targets {
        if target.constraint().is_some() {
            prefixes.push("refs/tags/".to_owned());
        }
        prefixes.extend(target.ref_names());
    }
    prefixes.sort_unstable();
    prefixes.dedup();
    if prefixes.len() > MAX_PREFIXES {
        prefixes.retain(|prefix| {
            !prefix.starts_with("refs/heads/") && !prefix.starts_with("refs/tags/")
        });
        prefixes.extend(["refs/heads/".to_owned(), "refs/tags/".to_owned()]);
    }
    prefixes
}

/// Chooses the commit that `target` means.
pub(crate) fn choose(target: &Target, refs: &RefList) -> Result<ObjectId, Cause> {
    if let Some(commit) = target.commit() {
        return Ok(commit);
    }
    if let Some((constraint, prefix)) = target.constraint() {
        let versions = refs.iter().filter_map(|(name, found)| {
            let tag = name.strip_prefix("refs/tags/")?.strip_prefix(prefix)?;
            let version = Version::parse(tag).filter(|version| constraint.matches(version))?;
            Some((version, found.commit()))
        });
        if let Some((_, commit)) = versions.max_by(|(a, _), (b, _)| a.cmp(b)) {
            return Ok(commit);
        }
    }
    let mut named = target
        .ref_names()
        .into_iter()
        .filter_map(|name| refs.get(&name));
    named
        .next()
        .map(super::wire::RemoteRef::commit)
        .ok_or_else(|| Cause::Unresolved {
            revision: target.as_str().to_owned(),
        })
}

/// Reads what a former process knew.
pub(crate) fn load(dir: &Path) -> HashMap<String, Answer> {
    let text = fs::read_to_string(dir.join("answers")).unwrap_or_default();
    let mut answers = HashMap::new();
    for line in text.lines() {
        let mut parts = line.splitn(4, '\t');
        let (Some(commit), Some(at), Some(prefix), Some(revision)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let at = at
            .parse()
            .ok()
            .and_then(|second| Timestamp::from_second(second).ok());
        if let (Some(commit), Some(at)) = (full_commit(commit), at) {
            let answer = Answer {
                said: None,
                good: Some((commit, at)),
            };
            answers.insert(format!("{prefix}\0{revision}"), answer);
        }
    }
    answers
}

/// Writes what is known for the next process. Losing it costs a question.
pub(crate) fn store(dir: &Path, answers: &HashMap<String, Answer>) {
    let mut lines: Vec<String> = answers
        .iter()
        .filter_map(|(key, answer)| {
            let (commit, at) = answer.good?;
            let (prefix, revision) = key.split_once('\0')?;
            Some(format!(
                "{commit}\t{}\t{prefix}\t{revision}\n",
                at.as_second()
            ))
        })
        .collect();
    lines.sort_unstable();
    if let Err(error) = write_whole(&dir.join("answers"), lines.concat().as_bytes()) {
        tracing::warn!(dir = %dir.display(), %error, "Cannot remember refs for the next start");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::wire::RemoteRef;

    fn id(digit: char) -> ObjectId {
        full_commit(&digit.to_string().repeat(40)).unwrap()
    }

    fn refs(list: &[(&str, char)]) -> RefList {
        list.iter()
            .map(|(name, digit)| {
                (
                    (*name).to_owned(),
                    RemoteRef {
                        target: id(*digit),
                        peeled: None,
                    },
                )
            })
            .collect()
    }

    fn chosen(revision: &str, prefix: &str, refs: &RefList) -> Option<ObjectId> {
        choose(&Target::parse(revision, prefix).unwrap(), refs).ok()
    }

    #[test]
    fn the_highest_matching_tag_wins() {
        let refs = refs(&[
            ("HEAD", '1'),
            ("refs/heads/main", '1'),
            ("refs/tags/v1.2.0", '2'),
            ("refs/tags/v1.10.0", '3'),
            ("refs/tags/2.0.0-rc.1", '4'),
            ("refs/tags/model-1.0.0", '5'),
            ("refs/tags/model-1.1.0", '6'),
            ("refs/tags/not-a-version", '7'),
        ]);
        assert_eq!(chosen("1.x", "", &refs), Some(id('3')));
        assert_eq!(
            chosen("*", "", &refs),
            Some(id('3')),
            "pre-releases are not asked for"
        );
        assert_eq!(chosen(">=2.0.0-0", "", &refs), Some(id('4')));
        assert_eq!(chosen("^1.0", "model-", &refs), Some(id('6')));
        assert_eq!(chosen("3.x", "", &refs), None);
        assert_eq!(chosen("v1.2.0", "", &refs), Some(id('2')));
    }

    #[test]
    fn names_are_found_and_branches_come_before_tags() {
        let refs = refs(&[
            ("HEAD", '1'),
            ("refs/heads/main", '2'),
            ("refs/heads/1.x", '5'),
            ("refs/tags/main", '3'),
            ("refs/pull/7/head", '4'),
        ]);
        assert_eq!(chosen("", "", &refs), Some(id('1')));
        assert_eq!(chosen("main", "", &refs), Some(id('2')));
        assert_eq!(chosen("refs/tags/main", "", &refs), Some(id('3')));
        assert_eq!(chosen("refs/pull/7/head", "", &refs), Some(id('4')));
        assert_eq!(
            chosen("1.x", "", &refs),
            Some(id('5')),
            "no tag matches, the branch does"
        );
        assert_eq!(chosen("mai", "", &refs), None);
    }

    #[test]
    fn answers_survive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let key = Target::parse("~1.2", "a\u{e9}-").unwrap().key();
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let known = HashMap::from([(
            key.clone(),
            Answer {
                said: None,
                good: Some((id('a'), at)),
            },
        )]);
        store(dir.path(), &known);
        assert_eq!(load(dir.path())[&key].good, Some((id('a'), at)));
    }

    #[test]
    fn many_names_become_folders() {
        let targets: Vec<Target> = (0..300)
            .map(|n| Target::parse(&format!("branch-{n}"), "").unwrap())
            .collect();
        let prefixes = prefixes(targets.iter());
        assert_eq!(prefixes, ["HEAD", "refs/heads/", "refs/tags/"]);
    }
}
