//! The functions templates may call, by name.

use std::collections::HashMap;

use crate::Fault;
use crate::exec::Exec;
use crate::funcs::DerivedKeys;
use crate::value::Value;

/// A function's number in its [`Registry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FuncId(u16);

/// The Go type of a parameter: what a template may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ty {
    /// `interface {}`
    Any,
    /// `string`
    Str,
    /// `int`
    Int,
    /// `float64`
    Float,
    /// `bool`
    Bool,
    /// `map[string]interface {}`
    Map,
    /// `[]interface {}`
    List,
    /// `reflect.Value`, which Go's own functions take: anything.
    Reflect,
    /// A type of which the template gets values from other functions only.
    Named(&'static str),
}

impl Ty {
    /// Returns the Go type's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Str => "string",
            Self::Int => "int",
            Self::Float => "float64",
            Self::Bool => "bool",
            Self::Map => "map[string]interface {}",
            Self::List => "[]interface {}",
            Self::Reflect => "reflect.Value",
            Self::Named(name) => name,
        }
    }

    /// Says whether nil is a value of the type.
    pub fn can_be_nil(self) -> bool {
        matches!(self, Self::Any | Self::Map | Self::List | Self::Reflect)
    }
}

/// What runs when a function is called. The arguments fit the declared types.
pub type Call = fn(&mut Exec<'_>, &[Value]) -> Result<Value, Fault>;

/// A function.
#[derive(Clone, Copy)]
pub struct Func {
    /// Its name in templates.
    pub name: &'static str,
    /// Types of the fixed parameters.
    pub params: &'static [Ty],
    /// Type of any further ones.
    pub variadic: Option<Ty>,
    /// What runs.
    pub call: Call,
}

/// Functions that write, copy or compare their arguments all the way down.
const DEEP: &[&str] = &[
    "b64enc",
    "cat",
    "deepCopy",
    "deepEqual",
    "has",
    "html",
    "join",
    "js",
    "merge",
    "mergeOverwrite",
    "mustDeepCopy",
    "mustHas",
    "mustMerge",
    "mustMergeOverwrite",
    "mustToJson",
    "mustToPrettyJson",
    "mustToRawJson",
    "mustToToml",
    "mustToYaml",
    "mustUniq",
    "mustWithout",
    "print",
    "printf",
    "println",
    "quote",
    "sortAlpha",
    "squote",
    "toJson",
    "toPrettyJson",
    "toRawJson",
    "toString",
    "toStrings",
    "toToml",
    "toYaml",
    "toYamlPretty",
    "uniq",
    "urlquery",
    "without",
];

/// A set of functions.
#[derive(Default)]
pub struct Registry {
    ids: HashMap<&'static str, FuncId>,
    funcs: Vec<(Func, bool)>,
    derived: DerivedKeys,
}

impl Registry {
    /// Returns Go's own functions and Sprig's.
    pub fn with_sprig() -> Self {
        let mut registry = Self::default();
        crate::funcs::register(&mut registry);
        registry
    }

    /// Adds or replaces a function.
    pub fn add(&mut self, func: Func) {
        match self.ids.get(func.name) {
            Some(FuncId(at)) => {
                if let Some(slot) = self.funcs.get_mut(usize::from(*at)) {
                    *slot = (func, is_deep(func.name));
                }
            }
            None => {
                self.ids.insert(func.name, FuncId(self.funcs.len() as u16));
                self.funcs.push((func, is_deep(func.name)));
            }
        }
    }

    /// Adds functions.
    pub fn add_all(&mut self, funcs: &[Func]) {
        for func in funcs {
            self.add(*func);
        }
    }

    /// Removes a function.
    pub fn remove(&mut self, name: &str) {
        self.ids.remove(name);
    }

    pub(crate) fn id(&self, name: &str) -> Option<FuncId> {
        self.ids.get(name).copied()
    }

    /// Says whether a function goes all the way down into its arguments.
    pub(crate) fn is_deep(&self, id: FuncId) -> bool {
        self.funcs
            .get(usize::from(id.0))
            .is_some_and(|(_, deep)| *deep)
    }

    pub(crate) fn func(&self, id: FuncId) -> Option<&Func> {
        self.funcs.get(usize::from(id.0)).map(|(func, _)| func)
    }

    pub(crate) fn derived(&self) -> &DerivedKeys {
        &self.derived
    }
}

fn is_deep(name: &str) -> bool {
    DEEP.binary_search(&name).is_ok()
}
