//! `buildMetadata`: where objects come from and what changed them.

use crate::error::Result;
use crate::remote::RepoSpec;
use crate::resource::{ORIGIN, Resource, TRANSFORMATIONS};

/// Where something comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    path: String,
    repo: String,
    reference: String,
    configured_in: String,
    configured_by: Option<By>,
}

/// The generator or transformer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct By {
    api_version: String,
    kind: String,
    name: String,
    namespace: String,
}

impl Origin {
    /// Returns the origin of something below this one.
    pub(crate) fn join(&self, path: &str) -> Self {
        let mut next = self.clone();
        if let Some(spec) = RepoSpec::parse(path) {
            next.repo = spec.clone;
            next.reference = spec.reference;
            next.path = clean(&spec.path);
            return next;
        }
        next.path = if self.path.is_empty() {
            clean(path)
        } else {
            clean(&format!("{}/{path}", self.path))
        };
        next
    }

    /// Returns the origin of what a built-in makes or changes that `file` configures.
    pub(crate) fn built_in(&self, file: &str, kind: &str) -> Self {
        Self {
            repo: self.repo.clone(),
            reference: self.reference.clone(),
            path: String::new(),
            configured_in: self.join(file).path,
            configured_by: Some(By {
                api_version: "builtin".to_owned(),
                kind: kind.to_owned(),
                ..By::default()
            }),
        }
    }

    /// Returns the origin of what a plugin makes or changes.
    pub(crate) fn plugin(resource: &Resource) -> Option<Self> {
        let origin = Self::parse(resource.annotation(ORIGIN)?);
        let id = resource.id();
        Some(Self {
            path: String::new(),
            configured_in: origin.path,
            configured_by: Some(By {
                api_version: id.gvk.api_version(),
                kind: id.gvk.kind.clone(),
                name: id.name.clone(),
                namespace: id.namespace.clone(),
            }),
            ..origin
        })
    }

    fn parse(text: &str) -> Self {
        let mut origin = Self::default();
        for line in text.lines() {
            let Some((key, value)) = line.split_once(": ") else {
                continue;
            };
            let value = value.trim_matches(['"', '\'']).to_owned();
            match key {
                "path" => origin.path = value,
                "repo" => origin.repo = value,
                "ref" => origin.reference = value,
                "configuredIn" => origin.configured_in = value,
                _ => {}
            }
        }
        origin
    }

    /// Returns the annotation's text.
    pub(crate) fn text(&self) -> String {
        let mut lines = Vec::new();
        let mut line = |indent: &str, key: &str, value: &str| {
            if !value.is_empty() {
                lines.push(format!("{indent}{key}: {}", scalar(value)));
            }
        };
        line("", "path", &self.path);
        line("", "repo", &self.repo);
        line("", "ref", &self.reference);
        line("", "configuredIn", &self.configured_in);
        if let Some(by) = &self.configured_by {
            lines.push("configuredBy:".to_owned());
            let mut line = |key: &str, value: &str| {
                if !value.is_empty() {
                    lines.push(format!("  {key}: {}", scalar(value)));
                }
            };
            line("apiVersion", &by.api_version);
            line("kind", &by.kind);
            line("name", &by.name);
            line("namespace", &by.namespace);
        }
        lines.join("\n") + "\n"
    }

    /// Says that this made the object, unless that is known already.
    pub(crate) fn made(&self, resource: &mut Resource) -> Result<()> {
        if resource.annotation(ORIGIN).is_some() {
            return Ok(());
        }
        self.annotate(resource, ORIGIN, self.text())
    }

    /// Says that this read the object.
    pub(crate) fn read(&self, resource: &mut Resource) -> Result<()> {
        self.annotate(resource, ORIGIN, self.text())
    }

    /// Says that this changed the object.
    pub(crate) fn changed(&self, resource: &mut Resource) -> Result<()> {
        if resource.annotation(ORIGIN).is_none() {
            return self.made(resource);
        }
        let mut text = resource
            .annotation(TRANSFORMATIONS)
            .unwrap_or_default()
            .to_owned();
        let mut first = true;
        for line in self.text().lines() {
            text.push_str(if first { "- " } else { "  " });
            text.push_str(line);
            text.push('\n');
            first = false;
        }
        self.annotate(resource, TRANSFORMATIONS, text)
    }

    fn annotate(&self, resource: &mut Resource, key: &str, text: String) -> Result<()> {
        let _ = self;
        let mut annotations = resource.annotations();
        annotations.insert(key.to_owned(), text);
        resource.set_annotations(annotations)
    }
}

fn scalar(text: &str) -> String {
    driftless_yaml::to_string(&serde_json::Value::from(text))
        .trim_end()
        .to_owned()
}

/// Resolves `.` and `..` as far as there is something to resolve.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::Origin;

    #[test]
    fn origins_add_up() {
        let origin = Origin::default().join("../base").join("service.yaml");
        assert_eq!(origin.text(), "path: ../base/service.yaml\n");
        let origin = origin
            .join("https://github.com/o/r/sub?ref=v1")
            .join("a.yaml");
        assert_eq!(
            origin.text(),
            "path: sub/a.yaml\nrepo: https://github.com/o/r\nref: v1\n"
        );
    }
}
