//! Resources of other repositories and of web servers: how their addresses are read, and who fetches them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use driftless_core::Tree;

use crate::error::Error;

/// A repository that was fetched.
pub struct RemoteBase {
    /// Its files at the commit asked for.
    pub tree: Arc<dyn Tree>,
    /// How its root is called in messages.
    pub name: String,
}

/// Fetches what kustomizations name elsewhere. Implementations pin and record what they fetch.
pub trait Remotes {
    /// Returns a file by its URL.
    fn file(&self, url: &str) -> Result<Bytes, Error>;

    /// Returns a repository at a reference.
    fn repository(&self, spec: &RepoSpec) -> Result<RemoteBase, Error>;
}

/// The address of a folder in a Git repository, as kustomize reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoSpec {
    /// What to clone: `https://github.com/org/repo`.
    pub clone: String,
    /// Branch, tag or commit; empty for the default branch.
    pub reference: String,
    /// Folder inside the repository; empty for its root.
    pub path: String,
    /// Whether submodules are wanted.
    pub submodules: bool,
    /// How long fetching may take, when the address says so.
    pub timeout: Option<Duration>,
}

const SCHEMES: [&str; 4] = ["ssh://", "https://", "http://", "file://"];

impl RepoSpec {
    /// Reads an address; `None` for what can only be a local path.
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with('/') {
            return None;
        }
        let (address, query) = text.split_once('?').unwrap_or((text, ""));
        let query = Query::parse(query);
        let (host, rest, whole) = split_host(address)?;
        let (repo, path) = split_path(&rest, whole)?;
        let path = path.trim_start_matches('/').to_owned();
        if repo.is_empty() || path.split('/').next() == Some("..") {
            return None;
        }
        Some(Self {
            clone: format!("{host}{repo}"),
            reference: query.reference,
            path,
            submodules: query.submodules,
            timeout: query.timeout,
        })
    }
}

struct Query {
    reference: String,
    submodules: bool,
    timeout: Option<Duration>,
}

impl Query {
    fn parse(query: &str) -> Self {
        let mut out = Self {
            reference: String::new(),
            submodules: true,
            timeout: None,
        };
        let mut version = String::new();
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "ref" if !value.is_empty() => out.reference = value.into_owned(),
                "version" => version = value.into_owned(),
                "submodules" => {
                    out.submodules =
                        !matches!(&*value, "0" | "f" | "F" | "false" | "FALSE" | "False");
                }
                "timeout" => out.timeout = seconds(&value),
                _ => {}
            }
        }
        if out.reference.is_empty() {
            out.reference = version;
        }
        out
    }
}

/// Reads seconds, or a duration as Go writes it; what is neither, or not above zero, sets no limit.
fn seconds(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u32>() {
        return (seconds > 0).then(|| Duration::from_secs(seconds.into()));
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, tail) = rest.split_at_checked(end)?;
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(unit_end)?;
        let factor = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * factor;
        rest = tail;
    }
    Duration::try_from_secs_f64(total)
        .ok()
        .filter(|limit| !limit.is_zero())
}

fn strip_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix)
        .then(|| text.get(prefix.len()..))
        .flatten()
}

/// Splits scheme, user and host off; says whether all of the rest is the repository.
fn split_host(text: &str) -> Option<(String, String, bool)> {
    let text = strip_ignoring_case(text, "git::").unwrap_or(text);
    let (scheme, rest) = SCHEMES
        .iter()
        .find_map(|scheme| Some((*scheme, strip_ignoring_case(text, scheme)?)))
        .unwrap_or(("", text));
    let (user, rest) = split_user(rest);
    let lower = rest.to_ascii_lowercase();
    let github = lower.starts_with("github.com/") || lower.starts_with("github.com:");
    let scp = scheme.is_empty() && (!user.is_empty() || github);
    if scheme.is_empty() && !scp {
        return None;
    }
    if scheme == "file://" {
        return Some((scheme.to_owned(), format!("{user}{rest}"), true));
    }
    let slash = rest.find('/');
    let colon = rest.find(':').filter(|at| scp && *at > 0);
    let separator = match (slash, colon) {
        (Some(slash), Some(colon)) => Some(slash.min(colon)),
        (slash, colon) => slash.or(colon),
    };
    let (host, path) = match separator {
        Some(at) => (rest.get(..=at)?, rest.get(at + 1..)?),
        None => (rest, ""),
    };
    if github {
        let host = if scheme.starts_with("ssh://") || !user.is_empty() {
            format!("{user}github.com:")
        } else {
            "https://github.com/".to_owned()
        };
        return Some((host, path.to_owned(), false));
    }
    if host.is_empty() {
        return None;
    }
    Some((format!("{scheme}{user}{host}"), path.to_owned(), false))
}

fn split_user(text: &str) -> (String, &str) {
    let Some((user, rest)) = text.split_once('@') else {
        return (String::new(), text);
    };
    let fits = user.starts_with(|c: char| c.is_ascii_alphabetic())
        && user
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if fits {
        (format!("{user}@"), rest)
    } else {
        (String::new(), text)
    }
}

fn split_path(text: &str, whole: bool) -> Option<(String, String)> {
    if let Some(at) = text.find("_git/") {
        let (root, rest) = text.split_at_checked(at + 5)?;
        let (name, path) = rest.split_once('/').unwrap_or((rest, ""));
        return Some((format!("{root}{name}"), path.to_owned()));
    }
    if let Some((repo, path)) = text.split_once("//") {
        return Some((repo.to_owned(), path.to_owned()));
    }
    if let Some(at) = text.find(".git") {
        let (repo, path) = text.split_at_checked(at + 4)?;
        return Some((repo.to_owned(), path.to_owned()));
    }
    if whole {
        return Some((text.to_owned(), String::new()));
    }
    let segments: Vec<&str> = text.split('/').collect();
    let (repo, path) = segments.split_at_checked(2)?;
    Some((repo.join("/"), path.join("/")))
}

#[cfg(test)]
mod tests {
    use super::{Duration, RepoSpec};

    fn parts(text: &str) -> Option<(String, String, String)> {
        RepoSpec::parse(text).map(|spec| (spec.clone, spec.path, spec.reference))
    }

    fn address(clone: &str, path: &str, reference: &str) -> (String, String, String) {
        (clone.to_owned(), path.to_owned(), reference.to_owned())
    }

    #[test]
    fn queries_of_addresses() {
        let parse = |text: &str| RepoSpec::parse(text).unwrap();
        let spec = parse("https://git.example/o/r//x?version=v2&timeout=1m30s&submodules=false");
        assert_eq!(spec.reference, "v2");
        assert_eq!(spec.timeout, Some(Duration::from_secs(90)));
        assert!(!spec.submodules);
        let spec = parse("https://git.example/o/r//x?ref=a&version=b&timeout=7");
        assert_eq!(spec.reference, "a");
        assert_eq!(spec.timeout, Some(Duration::from_secs(7)));
        for none in ["0", "-1", "soon", "5"] {
            let spec = parse(&format!("https://git.example/o/r?timeout={none}x"));
            assert_eq!(spec.timeout, None, "{none}");
        }
    }

    #[test]
    fn addresses_of_repositories() {
        assert_eq!(
            parts("https://github.com/org/repo/path/to?ref=v1"),
            Some(address("https://github.com/org/repo", "path/to", "v1"))
        );
        assert_eq!(
            parts("github.com/org/repo//sub"),
            Some(address("https://github.com/org/repo", "sub", ""))
        );
        assert_eq!(
            parts("git@github.com:org/repo.git//sub?ref=main"),
            Some(address("git@github.com:org/repo.git", "sub", "main"))
        );
        assert_eq!(
            parts("https://dev.azure.com/org/_git/repo/sub"),
            Some(address("https://dev.azure.com/org/_git/repo", "sub", ""))
        );
        for local in ["../base", "base", "/abs", "a.yaml", "./x//y"] {
            assert_eq!(parts(local), None, "{local}");
        }
        assert_eq!(parts("https://github.com/org/repo//../x"), None);
    }
}
