//! `.helmignore`.

/// The rules of a chart, in order.
#[derive(Debug, Default)]
pub(crate) struct Rules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    pattern: String,
    whole_path: bool,
    negate: bool,
    folder_only: bool,
}

/// What a rule is asked about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    File,
    Folder,
}

impl Rules {
    /// Reads the rules; the default one, for hidden templates, comes last.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut rules = Self::default();
        for line in text.trim_start_matches('\u{FEFF}').lines() {
            rules.add(line)?;
        }
        rules.add("templates/.?*")?;
        Ok(rules)
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if line.contains("**") {
            return Err("double-star (**) syntax is not supported".to_owned());
        }
        let (negate, line) = match line.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let (folder_only, line) = match line.strip_suffix('/') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let whole_path = line.contains('/');
        self.0.push(Rule {
            pattern: line.strip_prefix('/').unwrap_or(line).to_owned(),
            whole_path,
            negate,
            folder_only,
        });
        Ok(())
    }

    /// Says whether the chart does without the path.
    pub(crate) fn ignores(&self, path: &str, what: What) -> bool {
        for rule in &self.0 {
            let wrong_kind = rule.folder_only && what == What::File;
            let name = if rule.whole_path {
                path
            } else {
                path.rsplit('/').next().unwrap_or(path)
            };
            let fits = matches(&rule.pattern, name);
            if rule.negate {
                // A negated rule ignores everything it does not name; so does Helm's.
                if wrong_kind || !fits {
                    return true;
                }
            } else if !wrong_kind && fits {
                return true;
            }
        }
        false
    }
}

/// Go's `filepath.Match`: `*` and `?` stay within a path part.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    match_from(&pattern, &name)
}

/// Follows pattern and name side by side; the last star takes what the rest leaves over, so the work is at most
/// the product of both lengths.
fn match_from(pattern: &[char], name: &[char]) -> bool {
    let (mut at, mut place) = (pattern, name);
    let mut star: Option<(&[char], &[char])> = None;
    loop {
        if let Some(('*', rest)) = at.split_first() {
            star = Some((rest, place));
            at = rest;
            continue;
        }
        if at.is_empty() && place.is_empty() {
            return true;
        }
        if let Some((rest, tail)) = match_one(at, place) {
            (at, place) = (rest, tail);
            continue;
        }
        match star {
            Some((rest, from)) => match from.split_first() {
                Some((skipped, tail)) if *skipped != '/' => {
                    star = Some((rest, tail));
                    (at, place) = (rest, tail);
                }
                _ => return false,
            },
            None => return false,
        }
    }
}

/// Matches one element of a pattern that is no star against one character.
fn match_one<'a>(pattern: &'a [char], name: &'a [char]) -> Option<(&'a [char], &'a [char])> {
    let (first, rest) = pattern.split_first()?;
    let (found, tail) = name.split_first()?;
    match first {
        '?' => (*found != '/').then_some((rest, tail)),
        '[' => match class(rest, Some(*found))? {
            (true, rest) => Some((rest, tail)),
            _ => None,
        },
        '\\' => {
            let (literal, rest) = rest.split_first()?;
            (literal == found).then_some((rest, tail))
        }
        literal => (literal == found).then_some((rest, tail)),
    }
}

fn class(pattern: &[char], character: Option<char>) -> Option<(bool, &[char])> {
    let (negated, mut rest) = match pattern.split_first() {
        Some(('^', rest)) => (true, rest),
        _ => (false, pattern),
    };
    let mut found = false;
    let mut first = true;
    loop {
        let (low, tail) = rest.split_first()?;
        if *low == ']' && !first {
            let hit = character.is_some_and(|c| c != '/') && found != negated;
            return Some((hit, tail));
        }
        first = false;
        let (low, tail) = if *low == '\\' {
            tail.split_first()?
        } else {
            (low, tail)
        };
        let (high, tail) = match tail {
            ['-', high, tail @ ..] if *high != ']' => (high, tail),
            _ => (low, tail),
        };
        found |= character.is_some_and(|c| (*low..=*high).contains(&c));
        rest = tail;
    }
}

#[cfg(test)]
mod tests {
    use super::{Rules, What, matches};

    #[test]
    fn patterns() {
        for (pattern, name, want) in [
            ("*.txt", "a.txt", true),
            ("*.txt", "a/b.txt", false),
            ("a?c", "abc", true),
            ("[a-c]x", "bx", true),
            ("[^a]x", "ax", false),
            ("templates/.?*", "templates/.x", true),
            ("templates/.?*", "templates/x", false),
            ("\\*", "*", true),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
    }

    #[test]
    fn rules() {
        let rules = Rules::read("# note\n*.bak\ndocs/\n/top\nsub/x\n").unwrap();
        assert!(rules.ignores("a/b.bak", What::File));
        assert!(rules.ignores("docs", What::Folder));
        assert!(!rules.ignores("docs", What::File));
        assert!(rules.ignores("top", What::File));
        assert!(!rules.ignores("a/top", What::File));
        assert!(rules.ignores("sub/x", What::File));
        assert!(rules.ignores("templates/.hidden", What::File));
        assert!(Rules::read("**/x").is_err());
    }
}
