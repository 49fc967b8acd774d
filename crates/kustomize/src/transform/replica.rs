//! Numbers of replicas.

use super::fields::{Field, Make};
use crate::config::FieldSpec;
use crate::error::{Error, Result};
use crate::kustomization::Replica;
use crate::node::{Scalar, Tag};
use crate::schema::Schemas;
use crate::set::Set;

/// A number of replicas for objects of a name.
pub(crate) struct Replicas {
    replica: Replica,
    fields: Vec<Field>,
}

impl Replicas {
    pub(crate) fn new(replica: Replica, specs: &[FieldSpec]) -> Self {
        Self {
            replica,
            fields: Field::all(specs),
        }
    }

    pub(crate) fn run(&self, set: &mut Set, schemas: &mut Schemas) -> Result<()> {
        let mut found = false;
        let count = Scalar::tagged(self.replica.count.to_string(), Tag::Int);
        for field in &self.fields {
            for resource in &mut set.list {
                let meant = resource
                    .ever(|id| id.name == self.replica.name && id.gvk.is_selected(&field.spec.gvk));
                if !meant {
                    continue;
                }
                found = true;
                resource.edit(schemas, |node| {
                    field.apply(node, &Make::Scalar(Tag::Int), &mut |place| {
                        place.set_scalar(&count)
                    })
                })?;
            }
        }
        if found {
            return Ok(());
        }
        let kinds: Vec<String> = self
            .fields
            .iter()
            .map(|field| field.spec.gvk.to_string())
            .collect();
        Err(Error::new(format!(
            "resource with name {} does not match a config with the following GVK [{}]",
            self.replica.name,
            kinds.join(" ")
        )))
    }
}
