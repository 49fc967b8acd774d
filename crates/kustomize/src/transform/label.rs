//! Labels and annotations: entries set in the mappings that the field specs name.

use std::collections::BTreeMap;

use super::fields::{Field, Make};
use crate::config::FieldSpec;
use crate::error::Result;
use crate::node::{Node, Scalar};
use crate::schema::Schemas;
use crate::set::Set;

/// Entries to set, and where.
pub(crate) struct Entries {
    entries: BTreeMap<String, String>,
    fields: Vec<Field>,
}

impl Entries {
    pub(crate) fn new(entries: BTreeMap<String, String>, specs: &[FieldSpec]) -> Self {
        let fields = if entries.is_empty() {
            Vec::new()
        } else {
            Field::all(specs)
        };
        Self { entries, fields }
    }

    pub(crate) fn run(&self, set: &mut Set, schemas: &mut Schemas) -> Result<()> {
        if self.entries.is_empty() {
            return Ok(());
        }
        for resource in &mut set.list {
            for (key, value) in &self.entries {
                // Values that are new in several places stay one: a later change of one changes all.
                let group = resource.new_group();
                let scalar = Scalar::string(value.as_str())
                    .quoted_if_needed()
                    .in_group(group);
                let (mut last, mut places) = (None, 0);
                resource.edit(schemas, |node| -> Result<()> {
                    for field in &self.fields {
                        field.apply(node, &Make::Map, &mut |place| {
                            place.set_field(key, scalar.clone())?;
                            let set = place.get(key).and_then(Node::as_scalar);
                            if let Some(set) = set.filter(|set| set.group() == group) {
                                last = Some(set.clone());
                                places += 1;
                            }
                            Ok(())
                        })?;
                    }
                    Ok(())
                })?;
                if let (Some(scalar), true) = (last, places > 1) {
                    resource.remember_group(group, scalar);
                }
            }
        }
        Ok(())
    }
}
