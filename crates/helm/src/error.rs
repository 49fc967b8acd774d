//! Why a chart could not be rendered. The texts are Helm's, since users search for them.

use driftless_core::{Class, Classify};

/// Why a chart could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The chart's files do not make a chart.
    #[error("{0}")]
    Chart(String),
    /// The user's values could not be read.
    #[error("{0}")]
    Values(String),
    /// The values do not fit the chart's schema.
    #[error(
        "values don't meet the specifications of the schema(s) in the following chart(s):\n{0}"
    )]
    Schema(String),
    /// The release cannot have this name, or the chart cannot be installed.
    #[error("{0}")]
    Release(String),
    /// A template failed, or what it wrote is no manifest.
    #[error("{0}")]
    Render(String),
    /// The render used up one of its budgets.
    #[error("{0}")]
    Limit(String),
    /// The files could not be read; nothing is known about the chart.
    #[error("reading the chart")]
    Tree(#[source] driftless_core::tree::Error),
}

impl Error {
    /// Says whether the failure came after the release was put together; Helm's command then adds a hint.
    pub fn is_render(&self) -> bool {
        matches!(self, Self::Render(_) | Self::Limit(_))
    }
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Tree(error) => error.class(),
            _ => Class::User,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Chart(_) => "InvalidChart",
            Self::Values(_) => "InvalidValues",
            Self::Schema(_) => "ValuesSchema",
            Self::Release(_) => "InvalidRelease",
            Self::Render(_) => "RenderFailed",
            Self::Limit(_) => "RenderLimit",
            Self::Tree(error) => error.reason(),
        }
    }
}
