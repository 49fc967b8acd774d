//! Version numbers and constraints as users of Helm and Argo CD know them: loose (`v1`, `1.2`), with `^`, `~`,
//! wildcards, hyphen ranges, `,`/space for "and", `||` for "or".
//!
//! Upstream: Masterminds/semver v3 (constraints.go), differs: no metadata in constraints' order.

use std::cmp::Ordering;

/// Longest accepted text of a version.
const MAX_VERSION: usize = 256;
/// Longest accepted text of a constraint.
const MAX_CONSTRAINT: usize = 1024;

/// A version number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    major: u64,
    minor: u64,
    patch: u64,
    pre: String,
}

impl Version {
    /// Reads a version; a `v` prefix and missing parts are accepted (`v1` is 1.0.0).
    pub fn parse(text: &str) -> Option<Self> {
        Partial::parse(text, false).map(|partial| partial.version)
    }

    /// Says whether this is a pre-release.
    pub fn is_prerelease(&self) -> bool {
        !self.pre.is_empty()
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.major, self.minor, self.patch)
            .cmp(&(other.major, other.minor, other.patch))
            .then_with(|| compare_prerelease(&self.pre, &other.pre))
    }
}

fn compare_prerelease(one: &str, other: &str) -> Ordering {
    match (one.is_empty(), other.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut left, mut right) = (one.split('.'), other.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// A version of which parts may be missing or wild.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Partial {
    version: Version,
    any_major: bool,
    any_minor: bool,
    any_patch: bool,
}

impl Partial {
    fn parse(text: &str, wildcards: bool) -> Option<Self> {
        if text.len() > MAX_VERSION {
            return None;
        }
        let text = text.strip_prefix('v').unwrap_or(text);
        let (text, metadata) = text
            .split_once('+')
            .map_or((text, None), |(a, b)| (a, Some(b)));
        let (numbers, pre) = text
            .split_once('-')
            .map_or((text, None), |(a, b)| (a, Some(b)));
        if !metadata.is_none_or(|text| is_identifiers(text, false)) {
            return None;
        }
        if !pre.is_none_or(|text| is_identifiers(text, true)) {
            return None;
        }
        let mut parts = numbers.split('.');
        let mut read = || match parts.next() {
            None => Some(None),
            Some("x" | "X" | "*") if wildcards => Some(None),
            Some(part) if is_number(part) => part.parse().ok().map(Some),
            Some(_) => None,
        };
        let (major, minor, patch) = (read()?, read()?, read()?);
        if parts.next().is_some() || (major.is_none() && !wildcards) || numbers.is_empty() {
            return None;
        }
        let any_major = major.is_none();
        let any_minor = any_major || minor.is_none();
        let any_patch = any_minor || patch.is_none();
        Some(Self {
            version: Version {
                major: major.unwrap_or(0),
                minor: minor.filter(|_| !any_minor).unwrap_or(0),
                patch: patch.filter(|_| !any_patch).unwrap_or(0),
                pre: pre.unwrap_or_default().to_owned(),
            },
            any_major,
            any_minor,
            any_patch,
        })
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text.len() == 1 || !text.starts_with('0'))
}

fn is_identifiers(text: &str, strict_numbers: bool) -> bool {
    text.split('.').all(|part| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !(strict_numbers && digits && part.len() > 1 && part.starts_with('0'))
    })
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

/// Longest first, so that `>=` is not read as `>`.
const OPERATORS: [(&str, Operator); 12] = [
    (">=", Operator::GreaterEqual),
    ("=>", Operator::GreaterEqual),
    ("<=", Operator::LessEqual),
    ("=<", Operator::LessEqual),
    ("!=", Operator::NotEqual),
    ("~>", Operator::Tilde),
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
    ("", Operator::Equal),
];

#[derive(Clone, PartialEq, Eq, Debug)]
struct Comparator {
    operator: Operator,
    bound: Partial,
}

/// A condition on versions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Constraint {
    alternatives: Vec<Vec<Comparator>>,
}

impl Constraint {
    /// Reads a constraint; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_CONSTRAINT || text.trim().is_empty() {
            return None;
        }
        let alternatives = text
            .split("||")
            .map(parse_all)
            .collect::<Option<Vec<_>>>()?;
        Some(Self { alternatives })
    }

    /// Says whether `version` satisfies the constraint. A pre-release satisfies only alternatives in
    /// which some bound is one.
    pub fn matches(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|all| {
            let with_prereleases = all.iter().any(|part| part.bound.version.is_prerelease());
            (with_prereleases || !version.is_prerelease())
                && all.iter().all(|comparator| comparator.matches(version))
        })
    }
}

fn parse_all(text: &str) -> Option<Vec<Comparator>> {
    let text = text.trim();
    if let Some((low, high)) = text.split_once(" - ") {
        let bound = |operator, text: &str| {
            Some(Comparator {
                operator,
                bound: Partial::parse(text.trim(), true)?,
            })
        };
        return Some(vec![
            bound(Operator::GreaterEqual, low)?,
            bound(Operator::LessEqual, high)?,
        ]);
    }
    let mut comparators = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (token, operator) = OPERATORS
            .into_iter()
            .find(|(token, _)| rest.starts_with(token))?;
        rest = rest.get(token.len()..)?.trim_start();
        let end = rest.find([' ', ',', '\t']).unwrap_or(rest.len());
        let (bound, after) = rest.split_at(end);
        comparators.push(Comparator {
            operator,
            bound: Partial::parse(bound, true)?,
        });
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(more) if more.trim().is_empty() => return None,
            Some(more) => more.trim_start(),
            None => after,
        };
    }
    (!comparators.is_empty()).then_some(comparators)
}

impl Comparator {
    fn matches(&self, version: &Version) -> bool {
        let Partial {
            version: bound,
            any_major,
            any_minor,
            any_patch,
        } = &self.bound;
        let same_major = version.major == bound.major;
        let same_minor = same_major && version.minor == bound.minor;
        let within = *any_major || (same_major && *any_minor) || (same_minor && *any_patch);
        match self.operator {
            Operator::Equal if *any_patch => within && version >= bound,
            Operator::Equal => version == bound,
            Operator::NotEqual if *any_patch => !within,
            Operator::NotEqual => version != bound,
            Operator::Greater if *any_patch => version > bound && !within,
            Operator::Greater => version > bound,
            Operator::Less => version < bound,
            Operator::GreaterEqual => version >= bound,
            Operator::LessEqual => version <= bound || (*any_patch && within),
            Operator::Tilde => {
                version >= bound && (*any_major || (same_major && (*any_minor || same_minor)))
            }
            Operator::Caret => version >= bound && self.caret(version),
        }
    }

    /// Upper border of `^`: the leftmost part that is not zero may not change.
    fn caret(&self, version: &Version) -> bool {
        let Partial {
            version: bound,
            any_major,
            any_minor,
            any_patch,
        } = &self.bound;
        if *any_major {
            return true;
        }
        if version.major != bound.major {
            return false;
        }
        if bound.major > 0 || *any_minor {
            return true;
        }
        if version.minor != bound.minor {
            return false;
        }
        bound.minor > 0 || *any_patch || version.patch == bound.patch
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(constraint: &str, yes: &[&str], no: &[&str]) {
        let parsed = Constraint::parse(constraint).unwrap();
        for version in yes {
            assert!(
                parsed.matches(&Version::parse(version).unwrap()),
                "{constraint} {version}"
            );
        }
        for version in no {
            assert!(
                !parsed.matches(&Version::parse(version).unwrap()),
                "{constraint} {version}"
            );
        }
    }

    #[test]
    fn constraints_select_what_users_expect() {
        check("*", &["0.0.1", "9.9.9"], &["1.0.0-rc.1"]);
        check(
            "1.x",
            &["1.0.0", "v1.9.3"],
            &["2.0.0", "0.9.0", "1.1.0-rc1"],
        );
        check("1.2.x", &["1.2.7"], &["1.3.0"]);
        check("^1.2", &["1.2.0", "1.9.0"], &["1.1.9", "2.0.0"]);
        check("^0.2.3", &["0.2.3", "0.2.9"], &["0.3.0", "0.2.2", "1.0.0"]);
        check("^0.0.3", &["0.0.3"], &["0.0.4"]);
        check("^0.0", &["0.0.9"], &["0.1.0"]);
        check("^0", &["0.9.9"], &["1.0.0"]);
        check("~1.2", &["1.2.0", "1.2.9"], &["1.3.0", "1.1.0"]);
        check("~1.2.3", &["1.2.3"], &["1.2.2", "1.3.0"]);
        check("~1", &["1.9.9"], &["2.0.0"]);
        check(">=1 <2", &["1.0.0", "1.99.0"], &["2.0.0", "0.9.9"]);
        check(">= 1.2, < 3.0.0", &["1.2.0", "2.9.9"], &["3.0.0", "1.1.0"]);
        check("<1.0.0 || >=2.0.0", &["0.1.0", "2.0.0"], &["1.5.0"]);
        check("1.2 - 1.4", &["1.2.0", "1.4.9"], &["1.5.0", "1.1.0"]);
        check("!=1.5.x", &["1.4.0", "1.6.0"], &["1.5.3"]);
        check(">11", &["12.0.0"], &["11.1.0", "11.0.0"]);
        check(">11.1", &["11.2.0"], &["11.1.9"]);
        check("<=1.2", &["1.2.9", "1.1.0"], &["1.3.0"]);
        check(">=1.0.0-0", &["1.0.0-rc.1", "1.1.0-a"], &["0.9.0"]);
    }

    #[test]
    fn versions_are_ordered() {
        let sorted = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1",
            "1.0.1",
        ];
        for pair in sorted.windows(2) {
            assert!(
                Version::parse(pair[0]) < Version::parse(pair[1]),
                "{pair:?}"
            );
        }
    }

    #[test]
    fn names_are_not_constraints() {
        for text in [
            "main",
            "feature/x",
            "",
            "HEAD",
            "release-1",
            "1.2.3.4",
            "^",
            ">=1,",
            "01.x",
        ] {
            assert!(Constraint::parse(text).is_none(), "{text:?}");
        }
        for text in ["main", "1.x", "", "1.02", "1.2.3-01"] {
            assert!(Version::parse(text).is_none(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn an_exact_constraint_matches_itself(major in 0u64..99, minor in 0u64..99, patch in 0u64..99) {
            let text = format!("{major}.{minor}.{patch}");
            let version = Version::parse(&text).unwrap();
            for operator in ["=", ">=", "<=", "~", "^", ""] {
                let constraint = Constraint::parse(&format!("{operator}{text}")).unwrap();
                prop_assert!(constraint.matches(&version));
            }
        }

        #[test]
        fn anything_may_be_asked(text in "[-0-9a-z.xX*^~<>=!|, +]{0,30}") {
            if let Some(constraint) = Constraint::parse(&text) {
                let _ = constraint.matches(&Version::parse("1.2.3").unwrap());
            }
        }
    }
}
