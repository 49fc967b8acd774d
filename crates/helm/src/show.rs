//! Parts of a render that a user asks for by the template that wrote them.

use crate::ignore::matches;
use crate::manifest::documents;

/// Returns the documents of a render's text that templates matching `patterns` wrote, in the patterns' order.
///
/// # Errors
/// The text is Helm's: a pattern matches nothing.
pub fn show_only(text: &str, patterns: &[String]) -> Result<String, String> {
    let documents = documents(text);
    let mut out = String::new();
    for pattern in patterns {
        let mut missing = true;
        for document in &documents {
            let Some(path) = source_of(document) else {
                continue;
            };
            if matches(pattern, path) {
                missing = false;
                out.push_str("---\n");
                out.push_str(document);
                out.push('\n');
            }
        }
        if missing {
            return Err(format!("could not find template {pattern} in chart"));
        }
    }
    Ok(out)
}

/// Returns the path inside the chart that the comment at a document's head names.
fn source_of(document: &str) -> Option<&str> {
    document.lines().find_map(|line| {
        let (_, path) = line.split_once("# Source: ")?;
        let (chart, inner) = path.split_once('/')?;
        (!chart.is_empty() && !inner.is_empty()).then_some(inner)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "---\n# Source: c/templates/a.yaml\na: 1\n---\n# Source: c/templates/b.yaml\nb: 1\n---\n# Source: c/templates/a.yaml\na: 2\n";

    #[test]
    fn documents_are_chosen_by_path_and_glob() {
        let one = |pattern: &str| show_only(TEXT, &[pattern.to_owned()]);
        assert_eq!(
            one("templates/b.yaml").unwrap(),
            "---\n# Source: c/templates/b.yaml\nb: 1\n\n"
        );
        assert_eq!(one("templates/*").unwrap().matches("# Source").count(), 3);
        assert_eq!(
            one("templates/c.yaml").unwrap_err(),
            "could not find template templates/c.yaml in chart"
        );
    }
}
