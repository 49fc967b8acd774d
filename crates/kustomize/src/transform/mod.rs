//! What changes objects: one module per transformer of kustomize.

pub(crate) mod fields;
pub(crate) mod hash;
pub(crate) mod image;
pub(crate) mod json_patch;
pub(crate) mod label;
pub(crate) mod name;
pub(crate) mod namespace;
pub(crate) mod order;
pub(crate) mod patch;
pub(crate) mod reference;
pub(crate) mod replacement;
pub(crate) mod replica;
pub(crate) mod select;
pub(crate) mod value_add;
pub(crate) mod var;

use crate::error::Result;
use crate::schema::Schemas;
use crate::set::Set;

/// A transformer that was configured.
pub(crate) enum Transformer {
    StrategicMerge(patch::StrategicMerge),
    Patch(patch::PatchEntry),
    Json(patch::JsonPatches),
    Namespace(namespace::Namespace),
    Prefix(name::Affix),
    Suffix(name::Affix),
    Labels(label::Entries),
    Annotations(label::Entries),
    Replicas(replica::Replicas),
    Image(image::ImageTag),
    Replacements(replacement::Replacements),
    ValueAdd(value_add::ValueAdd),
    Hash,
    Several(Vec<Transformer>),
}

impl Transformer {
    /// Changes the objects.
    pub(crate) fn run(&self, set: &mut Set, schemas: &mut Schemas) -> Result<()> {
        match self {
            Self::StrategicMerge(one) => one.run(set, schemas),
            Self::Patch(one) => one.run(set, schemas),
            Self::Json(one) => one.run(set, schemas),
            Self::Namespace(one) => one.run(set, schemas),
            Self::Prefix(one) => one.run(set, schemas, name::Side::Front),
            Self::Suffix(one) => one.run(set, schemas, name::Side::Back),
            Self::Labels(one) | Self::Annotations(one) => one.run(set, schemas),
            Self::Replicas(one) => one.run(set, schemas),
            Self::Image(one) => one.run(set, schemas),
            Self::Replacements(one) => one.run(set, schemas),
            Self::ValueAdd(one) => one.run(set, schemas),
            Self::Hash => hash::run(set, schemas),
            Self::Several(all) => all.iter().try_for_each(|one| one.run(set, schemas)),
        }
    }
}
