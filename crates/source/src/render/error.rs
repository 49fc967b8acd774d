//! Why a source could not be rendered.

use std::sync::Arc;

use driftless_core::{Class, Classify, glob, tree};

use super::SourceType;

/// Why a source could not be rendered. The result of a failed render is never empty output.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The app's folder is not there.
    #[error("{path}: app path does not exist")]
    PathMissing {
        /// The path as the user wrote it.
        path: String,
    },
    /// The app's path names something else than a folder.
    #[error("{path}: app path is not a directory")]
    PathNotFolder {
        /// The path as the user wrote it.
        path: String,
    },
    /// The app's path starts at the root of a file system.
    #[error("{path}: app path is absolute")]
    PathAbsolute {
        /// The path as the user wrote it.
        path: String,
    },
    /// The app's path, or a link on it, leaves the repository.
    #[error("{path}: app path outside root")]
    PathOutside {
        /// The path as the user wrote it.
        path: String,
    },
    /// A kind of source this version cannot render.
    #[error("sources of type {} are not supported yet (found {evidence})", kind.as_str())]
    Unsupported {
        /// The kind.
        kind: SourceType,
        /// What showed that it is of this kind.
        evidence: String,
    },
    /// A Jsonnet file in a directory source.
    #[error("{file}: Jsonnet is not supported yet")]
    UnsupportedJsonnet {
        /// The file.
        file: String,
    },
    /// A manifest that does not parse.
    #[error("{file}:{line}:{column}: {message}")]
    Manifest {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A manifest that is not a Kubernetes object.
    #[error("{file}: document {document}: {problem}")]
    NotAnObject {
        /// The file.
        file: String,
        /// Which document in it, from 1.
        document: usize,
        /// What is wrong.
        problem: String,
    },
    /// The manifests of one source are larger than the limit.
    #[error(
        "manifests of {path} are larger than {limit} bytes together; raise \
         reposerver.max.combined.directory.manifests.size"
    )]
    TooLarge {
        /// The app's path.
        path: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The section of the spec for a kind of source cannot be read.
    #[error("the settings for {} of the source: {problem}", kind.as_str())]
    Section {
        /// The kind.
        kind: SourceType,
        /// What is wrong.
        problem: String,
    },
    /// The overrides beside a source cannot be used.
    #[error("{path}: .argocd-source.yaml: {problem}")]
    Overrides {
        /// The app's path.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// A values file that is named cannot be used.
    #[error("{path}: values file {file:?}: {problem}")]
    Values {
        /// The app's path.
        path: String,
        /// The file as the user wrote it.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// A chart in another folder that a chart depends on cannot be used.
    #[error("{path}: dependency {name:?}: {problem}")]
    Dependency {
        /// Folder of the chart that depends on it.
        path: String,
        /// Name of the dependency.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A chart that cannot be loaded or rendered.
    #[error("rendering the chart in {path}")]
    Chart {
        /// Folder of the chart.
        path: String,
        /// Why.
        #[source]
        source: Arc<driftless_helm::Error>,
    },
    /// A glob that cannot be read.
    #[error("{field}")]
    Glob {
        /// Where it is written: `directory.include`, `directory.exclude` or `helm.valueFiles`.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: glob::Error,
    },
    /// A kustomization that cannot be built.
    #[error("building the kustomization in {path}")]
    Kustomize {
        /// The app's path.
        path: String,
        /// What is wrong.
        #[source]
        source: Arc<driftless_kustomize::Error>,
    },
    /// A file could not be read.
    #[error("reading the source")]
    Tree(#[source] Arc<tree::Error>),
    /// The store of results failed.
    #[error("{doing} stored results")]
    Store {
        /// What we were doing.
        doing: &'static str,
        /// What went wrong.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// Our bug: a task ended without an answer.
    #[error("{0} ended without an answer")]
    Lost(&'static str),
}

impl Error {
    pub(super) fn from_tree(error: tree::Error) -> Self {
        Self::Tree(Arc::new(error))
    }

    pub(super) fn store(doing: &'static str, error: std::io::Error) -> Self {
        Self::Store {
            doing,
            source: Arc::new(error),
        }
    }
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::PathMissing { .. }
            | Self::PathNotFolder { .. }
            | Self::PathAbsolute { .. }
            | Self::PathOutside { .. }
            | Self::Unsupported { .. }
            | Self::UnsupportedJsonnet { .. }
            | Self::Manifest { .. }
            | Self::NotAnObject { .. }
            | Self::TooLarge { .. }
            | Self::Section { .. }
            | Self::Overrides { .. }
            | Self::Values { .. }
            | Self::Dependency { .. }
            | Self::Glob { .. } => Class::User,
            Self::Chart { source, .. } => source.class(),
            Self::Kustomize { source, .. } => source.class(),
            Self::Tree(error) => error.class(),
            Self::Store { .. } => Class::Transient,
            Self::Lost(_) => Class::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::PathMissing { .. } => "PathMissing",
            Self::PathNotFolder { .. } => "PathNotFolder",
            Self::PathAbsolute { .. } => "PathAbsolute",
            Self::PathOutside { .. } => "PathOutside",
            Self::Unsupported { .. } | Self::UnsupportedJsonnet { .. } => "SourceTypeUnsupported",
            Self::Manifest { .. } | Self::NotAnObject { .. } => "InvalidManifest",
            Self::TooLarge { .. } => "ManifestsTooLarge",
            Self::Section { .. } | Self::Overrides { .. } => "InvalidSource",
            Self::Values { .. } => "InvalidValues",
            Self::Dependency { .. } => "InvalidChart",
            Self::Chart { source, .. } => source.reason(),
            Self::Glob { .. } => "InvalidGlob",
            Self::Kustomize { source, .. } => source.reason(),
            Self::Tree(error) => error.reason(),
            Self::Store { .. } => "RenderStoreUnusable",
            Self::Lost(_) => "TaskLost",
        }
    }
}
