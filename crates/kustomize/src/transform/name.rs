//! Name prefixes and suffixes.

use super::fields::{Field, Make};
use crate::config::FieldSpec;
use crate::error::{Error, Result};
use crate::id::Gvk;
use crate::node::{Scalar, Tag};
use crate::schema::Schemas;
use crate::set::Set;

/// Where the text goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Front,
    Back,
}

/// A prefix or suffix, and the fields it goes to.
pub(crate) struct Affix {
    text: String,
    fields: Vec<Field>,
}

/// Kinds whose names mean something by themselves.
fn is_skipped(gvk: &Gvk) -> bool {
    match gvk.kind.as_str() {
        "CustomResourceDefinition" | "Namespace" => true,
        "APIService" => gvk.group == "apiregistration.k8s.io",
        _ => false,
    }
}

impl Affix {
    pub(crate) fn new(text: String, specs: Option<&[FieldSpec]>) -> Result<Self> {
        let Some(specs) = specs else {
            return Err(Error::new("fieldSpecs is not expected to be nil"));
        };
        Ok(Self {
            text,
            fields: Field::all(specs),
        })
    }

    pub(crate) fn run(&self, set: &mut Set, schemas: &mut Schemas, side: Side) -> Result<()> {
        for resource in &mut set.list {
            let gvk = resource.original_id().gvk;
            if is_skipped(&gvk) {
                continue;
            }
            for field in &self.fields {
                if !gvk.is_selected(&field.spec.gvk) {
                    continue;
                }
                if field.spec.path == "metadata/name" && !self.text.is_empty() {
                    match side {
                        Side::Front => resource.marks.prefixes.push(self.text.clone()),
                        Side::Back => resource.marks.suffixes.push(self.text.clone()),
                    }
                    resource.store_previous();
                }
                resource.edit(schemas, |node| {
                    field.apply(node, &Make::Scalar(Tag::Str), &mut |place| {
                        let old = place.text();
                        let new = match side {
                            Side::Front => format!("{}{old}", self.text),
                            Side::Back => format!("{old}{}", self.text),
                        };
                        place.set_scalar(&Scalar::untyped(new))
                    })
                })?;
            }
        }
        Ok(())
    }
}
