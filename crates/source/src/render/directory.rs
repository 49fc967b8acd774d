//! Plain manifests: every YAML and JSON file of a folder (argocd-contract §6.5).
//!
//! Upstream: argo-cd reposerver/repository (v3.1), differs: errors name line and column; a file that cannot be parsed
//! is always an error; files passed over because they are no manifests are told as diagnostics; only links that are
//! followed must stay inside.

use driftless_core::TreePath;
use driftless_core::glob::Glob;
use driftless_core::tree::{self, EntryKind};
use driftless_manifest::{Object, object};

use super::{Ctx, Diagnostic, Error, Output, Severity, SourceKind, SourceType};

/// A comment at the head of a file that takes the file out.
const SKIP_MARKER: &str = "+argocd:skip-file-rendering";
/// Deepest nesting of folders.
const MAX_DEPTH: usize = 64;

/// The kind for plain manifests.
#[derive(Clone, Copy, Debug)]
pub struct PlainManifests;

impl SourceKind for PlainManifests {
    fn source_type(&self) -> SourceType {
        SourceType::Directory
    }

    fn render(&self, cx: &Ctx<'_>) -> Result<Output, Error> {
        let directory = &cx.source.directory;
        let glob = |field, pattern: &str| match pattern {
            "" => Ok(None),
            pattern => Glob::new(pattern, None)
                .map(Some)
                .map_err(|source| Error::Glob { field, source }),
        };
        let mut walk = Walk {
            cx,
            include: glob("directory.include", &directory.include)?,
            exclude: glob("directory.exclude", &directory.exclude)?,
            left: cx.max_bytes,
            output: Output::default(),
        };
        walk.folder(&cx.path, "", 0)?;
        Ok(walk.output)
    }
}

struct Walk<'a> {
    cx: &'a Ctx<'a>,
    include: Option<Glob>,
    exclude: Option<Glob>,
    left: u64,
    output: Output,
}

/// What a file holds, by its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Yaml,
    Json,
    Jsonnet,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &TreePath, relative: &str, depth: usize) -> Result<(), Error> {
        let entries = self.cx.tree.list(folder).map_err(Error::from_tree)?;
        for entry in &*entries {
            let path = folder.join(&entry.name).map_err(Error::from_tree)?;
            let relative = if relative.is_empty() {
                entry.name.to_string()
            } else {
                format!("{relative}/{}", entry.name)
            };
            match entry.entry.kind {
                EntryKind::Folder if self.cx.source.directory.recurse && depth < MAX_DEPTH => {
                    self.folder(&path, &relative, depth + 1)?;
                }
                EntryKind::File => self.file(&path, &relative)?,
                // Links to folders are not followed, as a walk over files would not.
                EntryKind::Link if self.is_wanted(&relative).is_some() => {
                    match tree::resolve(self.cx.tree, &path).map_err(Error::from_tree)? {
                        Some((target, entry)) if entry.kind == EntryKind::File => {
                            self.file(&target, &relative)?;
                        }
                        Some(_) => {}
                        None => self.warn(&relative, "the link leads nowhere"),
                    }
                }
                EntryKind::Other => {
                    self.warn(&relative, "passed over: submodules are not read yet");
                }
                EntryKind::Folder | EntryKind::Link => {}
            }
        }
        Ok(())
    }

    fn warn(&mut self, file: &str, message: &str) {
        self.output.diagnostics.push(Diagnostic {
            severity: Severity::Warning,
            file: file.to_owned(),
            message: message.to_owned(),
        });
    }

    /// Says how to read a file, `None` to leave it out.
    fn is_wanted(&self, relative: &str) -> Option<Format> {
        let directory = &self.cx.source.directory;
        let format = match relative.rsplit_once('.').map(|(_, extension)| extension) {
            Some("yaml" | "yml") => Format::Yaml,
            Some("json") => Format::Json,
            Some("jsonnet") => Format::Jsonnet,
            _ if directory.disable_extension_filter => Format::Yaml,
            _ => return None,
        };
        if self
            .exclude
            .as_ref()
            .is_some_and(|glob| glob.matches(relative))
        {
            return None;
        }
        self.include
            .as_ref()
            .is_none_or(|glob| glob.matches(relative))
            .then_some(format)
    }

    fn file(&mut self, path: &TreePath, relative: &str) -> Result<(), Error> {
        let Some(format) = self.is_wanted(relative) else {
            return Ok(());
        };
        if format == Format::Jsonnet {
            if self.cx.request.enabled.jsonnet {
                return Err(Error::UnsupportedJsonnet {
                    file: self.shown(relative),
                });
            }
            return Ok(());
        }
        let bytes = match self.cx.tree.read(path, self.left) {
            Err(tree::Error::TooLarge { .. }) => {
                return Err(Error::TooLarge {
                    path: self.cx.path.to_string(),
                    limit: self.cx.max_bytes,
                });
            }
            read => read.map_err(Error::from_tree)?,
        };
        self.left = self.left.saturating_sub(bytes.len() as u64);
        if is_skipped(&bytes) {
            return Ok(());
        }
        match format {
            Format::Json => self.json(&bytes, relative),
            Format::Yaml | Format::Jsonnet => self.yaml(&bytes, relative),
        }
    }

    /// Returns the path of a file from the root, as people look for it.
    fn shown(&self, relative: &str) -> String {
        if self.cx.path.is_root() {
            relative.to_owned()
        } else {
            format!("{}/{relative}", self.cx.path)
        }
    }

    fn parse(&self, bytes: &[u8], relative: &str) -> Result<Vec<serde_json::Value>, Error> {
        let limits = driftless_yaml::Limits::default();
        driftless_yaml::parse_documents(bytes, &limits).map_err(|error| Error::Manifest {
            file: self.shown(relative),
            line: error.line,
            column: error.column,
            message: error.message,
        })
    }

    fn not_an_object(&self, relative: &str, document: usize, error: &object::Error) -> Error {
        Error::NotAnObject {
            file: self.shown(relative),
            document: document + 1,
            problem: error.to_string(),
        }
    }

    fn yaml(&mut self, bytes: &[u8], relative: &str) -> Result<(), Error> {
        // A file that cannot be parsed may be half a manifest: passing it over would prune what it held.
        let documents = self.parse(bytes, relative)?;
        let mut found: Vec<Object> = Vec::new();
        for (index, document) in documents.into_iter().enumerate() {
            let claims_to_be_one = ["apiVersion", "kind"]
                .iter()
                .any(|field| document.get(field).is_some());
            match driftless_manifest::flatten(document) {
                Ok(objects) => found.extend(objects),
                // Half a file of manifests is a mistake; a file of something else is none.
                Err(error) if !found.is_empty() || claims_to_be_one => {
                    return Err(self.not_an_object(relative, index, &error));
                }
                Err(_) => {
                    self.warn(relative, "passed over: it does not look like a manifest");
                    return Ok(());
                }
            }
        }
        self.output.objects.append(&mut found);
        Ok(())
    }

    fn json(&mut self, bytes: &[u8], relative: &str) -> Result<(), Error> {
        let documents = self.parse(bytes, relative)?;
        if documents.len() > 1 {
            return Err(Error::NotAnObject {
                file: self.shown(relative),
                document: 2,
                problem: "found multiple objects; only single objects are allowed in JSON files"
                    .to_owned(),
            });
        }
        for document in documents {
            let objects = driftless_manifest::flatten(document);
            self.output
                .objects
                .extend(objects.map_err(|error| self.not_an_object(relative, 0, &error))?);
        }
        Ok(())
    }
}

/// Says whether the comments at the head of a file take it out.
fn is_skipped(bytes: &[u8]) -> bool {
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        let comment = line.strip_prefix(b"#").or_else(|| line.strip_prefix(b"//"));
        match comment {
            Some(comment) => {
                if comment
                    .windows(SKIP_MARKER.len())
                    .any(|window| window == SKIP_MARKER.as_bytes())
                {
                    return true;
                }
            }
            None if line.is_empty() || line == b"---" => {}
            None => return false,
        }
    }
    false
}
