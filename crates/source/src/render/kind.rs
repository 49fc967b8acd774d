//! The seam between kinds of sources.

use driftless_core::{Tree, TreePath};

use crate::remote::Fetcher;

use super::{Diagnostic, Error, Object, Request, Seen, Source, SourceType};

/// What a render is given.
pub struct Ctx<'a> {
    /// Everything but the files.
    pub request: &'a Request,
    /// What to render: the request's source, with the overrides that lie beside it merged in.
    pub source: &'a Source,
    /// The files. What is asked of them is recorded: read nothing from elsewhere.
    pub tree: &'a dyn Tree,
    /// The application's folder, links resolved.
    pub path: TreePath,
    /// What showed the kind: a file name, or the section of the spec.
    pub evidence: &'a str,
    /// Most bytes of all manifests together.
    pub max_bytes: u64,
    /// Fetches what is named elsewhere and records it; without it that is refused.
    pub fetcher: Option<&'a Fetcher<'a>>,
}

/// What a render gives back.
#[derive(Debug, Default)]
pub struct Output {
    /// The objects, in the source's order.
    pub objects: Vec<Object>,
    /// What is worth telling.
    pub diagnostics: Vec<Diagnostic>,
    /// What was seen of the destination cluster; nothing by default.
    pub seen: Seen,
}

/// One kind of source: a pure function from a tree to objects. Runs on a thread that may block.
pub trait SourceKind: Send + Sync {
    /// Returns which kind this is.
    fn source_type(&self) -> SourceType;

    /// Renders.
    fn render(&self, cx: &Ctx<'_>) -> Result<Output, Error>;
}

/// Stands for a kind that this version cannot render.
#[derive(Clone, Copy, Debug)]
pub struct Unsupported(pub SourceType);

impl SourceKind for Unsupported {
    fn source_type(&self) -> SourceType {
        self.0
    }

    fn render(&self, cx: &Ctx<'_>) -> Result<Output, Error> {
        Err(Error::Unsupported {
            kind: self.0,
            evidence: cx.evidence.to_owned(),
        })
    }
}
