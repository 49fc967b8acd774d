//! Keys and values of generators: env files, literals, files.

use crate::error::{Context as _, Error, Result, quote};
use crate::kustomization::GeneratorArgs;
use crate::load::Loader;

type Pair = (String, Vec<u8>);

pub(super) fn load(args: &GeneratorArgs, loader: &Loader<'_>) -> Result<Vec<Pair>> {
    let list = |items: &[String]| format!("[{}]", items.join(" "));
    let mut pairs = Vec::new();
    env_files(&args.envs, loader, &mut pairs)
        .context(|| format!("env source files: {}", list(&args.envs)))?;
    for literal in &args.literals {
        let pair = self::literal(literal)
            .context(|| format!("literal sources {}", list(&args.literals)))?;
        pairs.push(pair);
    }
    for source in &args.files {
        let pair =
            file(source, loader).context(|| format!("file sources: {}", list(&args.files)))?;
        pairs.push(pair);
    }
    Ok(pairs)
}

fn env_files(paths: &[String], loader: &Loader<'_>, pairs: &mut Vec<Pair>) -> Result<()> {
    for path in paths {
        let bytes = loader.load(path)?;
        for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let Ok(text) = std::str::from_utf8(line) else {
                return Err(Error::new(format!(
                    "line {number} has invalid utf8 bytes : {}",
                    String::from_utf8_lossy(line)
                )));
            };
            let text = if number == 0 {
                text.trim_start_matches('\u{FEFF}')
            } else {
                text
            };
            let text = text.trim_start();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let (key, value) = text.split_once('=').unwrap_or((text, ""));
            if !key.is_empty() {
                pairs.push((key.to_owned(), value.as_bytes().to_vec()));
            }
        }
    }
    Ok(())
}

fn literal(source: &str) -> Result<Pair> {
    match source.split_once('=') {
        Some((key, value)) if !key.is_empty() => {
            Ok((key.to_owned(), unquoted(value).as_bytes().to_vec()))
        }
        _ => Err(Error::new(format!(
            "invalid literal source {source}, expected key=value"
        ))),
    }
}

fn unquoted(value: &str) -> &str {
    for mark in ['"', '\''] {
        if value.len() >= 2
            && let Some(inner) = value
                .strip_prefix(mark)
                .and_then(|rest| rest.strip_suffix(mark))
        {
            return inner;
        }
    }
    value
}

fn file(source: &str, loader: &Loader<'_>) -> Result<Pair> {
    let (key, path) = match source.split_once('=') {
        None => {
            let name = source.trim_end_matches('/').rsplit('/').next();
            (name.unwrap_or_default(), source)
        }
        Some((_, rest)) if rest.contains('=') => {
            return Err(Error::new(format!(
                "source {} key name or file path contains '='",
                quote(source)
            )));
        }
        Some(("", path)) => {
            return Err(Error::new(format!(
                "missing key name for file path {} in source {}",
                quote(path),
                quote(source)
            )));
        }
        Some((key, "")) => {
            return Err(Error::new(format!(
                "missing file path for key name {} in source {}",
                quote(key),
                quote(source)
            )));
        }
        Some(pair) => pair,
    };
    Ok((key.to_owned(), loader.load(path)?.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::{literal, unquoted};

    #[test]
    fn literals_lose_one_pair_of_quotes() {
        assert_eq!(unquoted("'a'"), "a");
        assert_eq!(unquoted("\"a'"), "\"a'");
        assert_eq!(unquoted("'"), "'");
        assert_eq!(literal("a=b=c").unwrap(), ("a".to_owned(), b"b=c".to_vec()));
        assert!(literal("=b").is_err());
        assert!(literal("b").is_err());
    }
}
