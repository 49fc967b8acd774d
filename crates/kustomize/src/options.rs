//! How a build works, and who helps it.

use crate::error::Error;
use crate::generate::helm::{Charts, HelmOptions};
use crate::load::{Limits, LoadRestrictor};
use crate::remote::Remotes;

/// In which order objects are printed when the kustomization does not say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Order {
    /// Nothing was said: the order of installation.
    #[default]
    Unspecified,
    /// The order of installation.
    Legacy,
    /// The order of the files.
    None,
}

/// How a build works.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How the root of the tree is called in messages: its path on disk, or empty.
    pub root: String,
    /// Which files may be read.
    pub load_restrictor: LoadRestrictor,
    /// The order of the result.
    pub order: Order,
    /// Whether every object gets a label that names the tool.
    pub managed_by_label: bool,
    /// How charts are rendered.
    pub helm: HelmOptions,
    /// What the build may use up.
    pub limits: Limits,
}

/// Changes the kustomization that is built before it is read, as `kustomize edit` does on disk.
pub trait Edit {
    /// Changes the file's fields.
    fn edit(&self, file: &mut serde_json::Value) -> Result<(), Error>;
}

/// Who helps a build with what it cannot do itself.
#[derive(Clone, Copy, Default)]
pub struct Services<'a> {
    /// Renders charts; without it `helmCharts` is refused.
    pub charts: Option<&'a dyn Charts>,
    /// Fetches remote resources; without it they are refused.
    pub remotes: Option<&'a dyn Remotes>,
    /// Changes the kustomization that is built; its bases stay as they are.
    pub edit: Option<&'a dyn Edit>,
}
