//! Values with fields and methods of their own: Helm's files and capabilities, versions, times.

use std::any::Any;

use crate::Fault;
use crate::value::{Str, Value};

#[expect(clippy::len_without_is_empty, reason = "not every object has a length")]
/// A value with behaviour.
pub trait Object {
    /// Returns the Go type, as `%T` prints it.
    fn type_name(&self) -> &str;

    /// Returns the Go kind.
    fn kind_name(&self) -> &'static str {
        "struct"
    }

    /// Returns a field, or an entry of a map.
    fn field(&self, _name: &str) -> Option<Value> {
        None
    }

    /// Calls a method; `None` when there is none of that name.
    fn call(&self, _name: &str, _args: &[Value]) -> Option<Result<Value, Fault>> {
        None
    }

    /// Returns the text that `print` writes.
    fn display(&self) -> String {
        let mut text = String::new();
        crate::fmt::print_value(&mut text, &self.to_plain());
        text
    }

    /// Go's truth.
    fn is_true(&self) -> bool {
        true
    }

    /// Returns the length, when it has one.
    fn len(&self) -> Option<usize> {
        None
    }

    /// Returns keys and values for `range`, when it can be ranged over.
    fn entries(&self) -> Option<Vec<(Str, Value)>> {
        None
    }

    /// Returns what JSON and YAML see.
    fn to_plain(&self) -> Value;

    /// Returns itself, for functions that know the type.
    fn as_any(&self) -> &dyn Any;
}
