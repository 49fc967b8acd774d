//! The functions that conditions may call.

/// A function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Function {
    Len,
    All,
    Any,
    None,
    One,
    Filter,
    Map,
    Count,
    Sum,
    Mean,
    Median,
    Min,
    Max,
    Abs,
    Ceil,
    Floor,
    Round,
    Int,
    Float,
    Text,
    First,
    Last,
    IsNan,
    IsInf,
    IsNil,
    Default,
}

const TABLE: [(&str, Function, usize, usize); 28] = [
    ("len", Function::Len, 1, 1),
    ("all", Function::All, 2, 2),
    ("any", Function::Any, 2, 2),
    ("none", Function::None, 2, 2),
    ("one", Function::One, 2, 2),
    ("filter", Function::Filter, 2, 2),
    ("map", Function::Map, 2, 2),
    ("count", Function::Count, 1, 2),
    ("sum", Function::Sum, 1, 2),
    ("mean", Function::Mean, 1, 1),
    ("median", Function::Median, 1, 1),
    ("min", Function::Min, 1, 16),
    ("max", Function::Max, 1, 16),
    ("abs", Function::Abs, 1, 1),
    ("ceil", Function::Ceil, 1, 1),
    ("floor", Function::Floor, 1, 1),
    ("round", Function::Round, 1, 1),
    ("int", Function::Int, 1, 1),
    ("asInt", Function::Int, 1, 1),
    ("float", Function::Float, 1, 1),
    ("asFloat", Function::Float, 1, 1),
    ("string", Function::Text, 1, 1),
    ("first", Function::First, 1, 1),
    ("last", Function::Last, 1, 1),
    ("isNaN", Function::IsNan, 1, 1),
    ("isInf", Function::IsInf, 1, 1),
    ("isNil", Function::IsNil, 1, 1),
    ("default", Function::Default, 2, 2),
];

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        let found = TABLE.iter().find(|(known, ..)| *known == name);
        found.map(|(_, function, ..)| *function)
    }

    pub(super) fn names() -> Vec<&'static str> {
        TABLE.iter().map(|(name, ..)| *name).collect()
    }

    pub(super) fn arity(self) -> (usize, usize) {
        let found = TABLE.iter().find(|(_, function, ..)| *function == self);
        found.map_or((0, 0), |(.., least, most)| (*least, *most))
    }
}
