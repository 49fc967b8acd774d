//! Setting fields the way kustomize does: an existing scalar keeps its quotes, null takes a field away.

use super::{Kind, Map, Node, Scalar, Style, Tag, is_yaml_1_1_non_string, to_text};
use crate::error::{Error, Result};

impl Node {
    /// Fails when the node is neither null nor of this kind.
    pub(crate) fn expect(&self, kind: Kind) -> Result<()> {
        if self.is_null() || self.kind() == kind {
            return Ok(());
        }
        let found = self.kind();
        let text = to_text(self);
        Err(Error::new(format!(
            "wrong node kind: expected {kind} but got {found}: node contents:\n{text}"
        )))
    }

    /// Sets this scalar to `value`; its quotes stay.
    pub(crate) fn set_scalar(&mut self, value: &Scalar) -> Result<()> {
        self.expect(Kind::Scalar)?;
        match self {
            Self::Scalar(scalar) => scalar.assign(value),
            Self::Map(_) | Self::Seq(_) => {}
        }
        Ok(())
    }

    /// Sets a field of this mapping to a scalar.
    pub(crate) fn set_field(&mut self, key: &str, value: Scalar) -> Result<()> {
        self.expect(Kind::Map)?;
        let map = self.become_map();
        if let Some(field) = map.get_mut(key) {
            field.replace_keeping_style(Self::Scalar(value));
            return Ok(());
        }
        let value = value.quoted_if_needed();
        map.push(key, Self::Scalar(value));
        Ok(())
    }

    /// Puts another value in the place of this one; a scalar keeps quotes and group of the former.
    pub(crate) fn replace_keeping_style(&mut self, value: Node) {
        match (&mut *self, &value) {
            (Self::Scalar(old), Self::Scalar(new)) => old.assign(new),
            _ => *self = value,
        }
    }

    /// Returns this as a mapping; null becomes an empty one.
    pub(crate) fn become_map(&mut self) -> &mut Map {
        if !matches!(self, Self::Map(_)) {
            *self = Self::Map(Map::default());
        }
        match self {
            Self::Map(map) => map,
            Self::Scalar(_) | Self::Seq(_) => {
                unreachable!("invariant: it was made a mapping above")
            }
        }
    }

    /// Returns the mapping at a field, created when it is missing.
    pub(crate) fn field_map(&mut self, key: &str) -> Result<&mut Node> {
        self.expect(Kind::Map)?;
        let map = self.become_map();
        if map.get(key).is_none() {
            map.push(key, Self::Map(Map::default()));
        }
        let field = map
            .get_mut(key)
            .ok_or_else(|| Error::new(format!("no field {key}")))?;
        field.expect(Kind::Map)?;
        Ok(field)
    }
}

impl Scalar {
    /// Quotes a string that YAML 1.1 would not read as one.
    pub(crate) fn quoted_if_needed(mut self) -> Self {
        if self.style == Style::Plain
            && matches!(self.tag, Tag::Str | Tag::None)
            && is_yaml_1_1_non_string(&self.text)
        {
            self.style = Style::Double;
        }
        self
    }
}
