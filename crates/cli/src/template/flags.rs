//! Flags as Go's `pflag` reads them: between the arguments, `--name value`, `--name=value`, `-nvalue`.

use std::collections::HashMap;
use std::fmt::Write as _;

/// How a flag's value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `--flag` or `--flag=false`.
    Switch,
    /// One value; the last one counts.
    Text,
    /// Every value as it is.
    Texts,
    /// Values separated by commas, as a line of CSV.
    List,
    /// A value that may be left out, given with `=` only.
    Optional,
}

/// A flag that is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flag {
    pub(super) name: &'static str,
    pub(super) short: Option<char>,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
}

/// Describes a flag.
pub(super) const fn flag(
    name: &'static str,
    short: Option<char>,
    kind: Kind,
    help: &'static str,
) -> Flag {
    Flag {
        name,
        short,
        kind,
        help,
    }
}

/// What was given.
#[derive(Clone, Debug, Default)]
pub(super) struct Parsed {
    values: HashMap<&'static str, Vec<String>>,
    /// Arguments that are no flags.
    pub(super) positional: Vec<String>,
}

impl Parsed {
    /// Says whether a switch is on.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.text(name).is_some_and(is_true)
    }

    /// Returns the last value.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.last().map(String::as_str)
    }

    /// Returns all values.
    pub(super) fn texts(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }
}

fn is_true(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "TRUE" | "true" | "True")
}

fn is_false(text: &str) -> bool {
    matches!(text, "0" | "f" | "F" | "FALSE" | "false" | "False")
}

/// Reads arguments.
pub(super) fn parse(words: &[String], known: &[Flag]) -> Result<Parsed, String> {
    let mut parsed = Parsed::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            parsed.positional.extend(words.cloned());
            break;
        }
        if let Some(body) = word.strip_prefix("--") {
            let (name, value) = match body.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (body, None),
            };
            if name.is_empty() || name.starts_with('-') {
                return Err(format!("bad flag syntax: {word}"));
            }
            let flag = known
                .iter()
                .find(|flag| flag.name == name)
                .ok_or_else(|| format!("unknown flag: --{name}"))?;
            let value = match (value, flag.kind) {
                (Some(value), _) => value,
                (None, Kind::Switch) => "true".to_owned(),
                (None, Kind::Optional) => String::new(),
                (None, _) => words
                    .next()
                    .cloned()
                    .ok_or_else(|| format!("flag needs an argument: --{name}"))?,
            };
            parsed.set(flag, value)?;
        } else if word.len() > 1 && word.starts_with('-') {
            parsed.shorthands(word, &mut words, known)?;
        } else {
            parsed.positional.push(word.clone());
        }
    }
    Ok(parsed)
}

impl Parsed {
    fn shorthands(
        &mut self,
        word: &str,
        words: &mut std::slice::Iter<'_, String>,
        known: &[Flag],
    ) -> Result<(), String> {
        let mut rest = word.get(1..).unwrap_or_default();
        while let Some(short) = rest.chars().next() {
            let shown = format!("{short:?} in -{rest}");
            rest = rest.get(short.len_utf8()..).unwrap_or_default();
            let flag = known
                .iter()
                .find(|flag| flag.short == Some(short))
                .ok_or_else(|| format!("unknown shorthand flag: {shown}"))?;
            if let Some(value) = rest.strip_prefix('=') {
                return self.set(flag, value.to_owned());
            }
            if flag.kind == Kind::Switch {
                self.set(flag, "true".to_owned())?;
                continue;
            }
            if !rest.is_empty() {
                return self.set(flag, rest.to_owned());
            }
            let value = words
                .next()
                .ok_or_else(|| format!("flag needs an argument: {shown}"))?;
            return self.set(flag, value.clone());
        }
        Ok(())
    }

    fn set(&mut self, flag: &Flag, value: String) -> Result<(), String> {
        let values = self.values.entry(flag.name).or_default();
        match flag.kind {
            Kind::Switch if !is_true(&value) && !is_false(&value) => {
                let name = match flag.short {
                    Some(short) => format!("-{short}, --{}", flag.name),
                    None => format!("--{}", flag.name),
                };
                return Err(format!(
                    "invalid argument {value:?} for {name:?} flag: strconv.ParseBool: parsing {value:?}: invalid syntax"
                ));
            }
            Kind::List => values.extend(csv(&value)),
            _ => values.push(value),
        }
        Ok(())
    }
}

/// Splits a line of CSV.
fn csv(line: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut characters = line.chars().peekable();
    let mut quoted = false;
    if line.is_empty() {
        return fields;
    }
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if quoted || field.is_empty() => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    fields.push(field);
    fields
}

/// Returns one line of help for each flag.
pub(super) fn describe(known: &[Flag]) -> String {
    let mut out = String::new();
    for flag in known {
        let short = flag
            .short
            .map_or("    ".to_owned(), |short| format!("-{short}, "));
        let value = match flag.kind {
            Kind::Switch => "",
            Kind::Text | Kind::Optional => " TEXT",
            Kind::Texts => " TEXT…",
            Kind::List => " TEXT,…",
        };
        let name = format!("--{}{value}", flag.name);
        let _ = writeln!(out, "  {short}{name:<30} {}", flag.help);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Flag] = &[
        flag("namespace", Some('n'), Kind::Text, ""),
        flag("values", Some('f'), Kind::List, ""),
        flag("set", None, Kind::Texts, ""),
        flag("no-hooks", None, Kind::Switch, ""),
        flag("generate-name", Some('g'), Kind::Switch, ""),
        flag("wait", None, Kind::Optional, ""),
    ];

    fn read(words: &[&str]) -> Result<Parsed, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        parse(&words, KNOWN)
    }

    #[test]
    fn every_spelling_of_a_flag_is_read() {
        let parsed = read(&[
            "rel",
            "-nprod",
            "-f",
            "a,b",
            "--values=c",
            "chart",
            "--set",
            "a=1,b=2",
            "--set=c=3",
            "-g",
            "--no-hooks=false",
            "--wait",
            "--",
            "-x",
        ])
        .unwrap();
        assert_eq!(parsed.positional, ["rel", "chart", "-x"]);
        assert_eq!(parsed.text("namespace"), Some("prod"));
        assert_eq!(parsed.texts("values"), ["a", "b", "c"]);
        assert_eq!(parsed.texts("set"), ["a=1,b=2", "c=3"]);
        assert!(parsed.is_on("generate-name"));
        assert!(!parsed.is_on("no-hooks"));
        assert_eq!(parsed.text("wait"), Some(""));
        assert_eq!(read(&["-n=x"]).unwrap().text("namespace"), Some("x"));
    }

    #[test]
    fn mistakes_are_told_in_the_words_of_pflag() {
        let error = |words: &[&str]| read(words).unwrap_err();
        assert_eq!(error(&["--nope"]), "unknown flag: --nope");
        assert_eq!(error(&["-x"]), "unknown shorthand flag: 'x' in -x");
        assert_eq!(error(&["--set"]), "flag needs an argument: --set");
        assert_eq!(error(&["-n"]), "flag needs an argument: 'n' in -n");
        assert_eq!(
            error(&["--no-hooks=maybe"]),
            "invalid argument \"maybe\" for \"--no-hooks\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax"
        );
    }

    #[test]
    fn lists_are_lines_of_csv() {
        assert_eq!(csv("a,\"b,c\",d"), ["a", "b,c", "d"]);
        assert_eq!(csv(""), Vec::<String>::new());
        assert_eq!(csv("a,"), ["a", ""]);
    }
}
