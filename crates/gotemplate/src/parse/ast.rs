//! What a template says, ready to run: variables are slots, functions are resolved.

use std::fmt;

use crate::registry::FuncId;
use crate::value::Str;

/// The slot of a variable that is read or set where it is not in scope; an error when it comes to that.
pub const UNDEFINED: usize = usize::MAX;

/// Blocks, one after the other.
pub type Block = Vec<Node>;

/// One part of a template.
#[derive(Debug)]
pub enum Node {
    /// Text to copy.
    Text(Str),
    /// `{{ pipeline }}`
    Action(Pipe),
    /// `{{ if }}`, with the number of variables in scope before it.
    If(Branch),
    /// `{{ range }}`
    Range(Branch),
    /// `{{ with }}`
    With(Branch),
    /// `{{ template "name" pipeline }}`
    Template {
        /// Name of the template.
        name: Str,
        /// Its data.
        pipe: Option<Pipe>,
        /// Where the action starts.
        pos: u32,
    },
    /// `{{ break }}`
    Break,
    /// `{{ continue }}`
    Continue,
}

/// `if`, `range` and `with`.
#[derive(Debug)]
pub struct Branch {
    /// What decides.
    pub pipe: Pipe,
    /// What runs.
    pub body: Block,
    /// What runs otherwise.
    pub otherwise: Block,
    /// How many variables are in scope before it.
    pub mark: usize,
}

/// Commands joined by `|`, with the variables they set.
#[derive(Debug)]
pub struct Pipe {
    /// Slots and names of the variables.
    pub decl: Vec<(usize, Str)>,
    /// `=` instead of `:=`.
    pub is_assign: bool,
    /// The commands.
    pub commands: Vec<Command>,
    /// Where it starts.
    pub pos: u32,
}

/// A function or value with its arguments.
#[derive(Debug)]
pub struct Command {
    /// The first one decides what it is.
    pub args: Vec<Expr>,
}

/// An operand, and where it starts.
#[derive(Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Byte offset in the template's text.
    pub pos: u32,
}

/// A constant number in each of the forms it fits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Number {
    /// As an integer.
    pub int: Option<i64>,
    /// As an unsigned integer.
    pub uint: Option<u64>,
    /// As a float.
    pub float: Option<f64>,
    /// Written with `.`, an exponent or in quotes; tells 1 from 1.0.
    pub is_char: bool,
    /// Looks like a float.
    pub looks_float: bool,
    /// Has an imaginary part.
    pub is_complex: bool,
}

/// An operand.
#[derive(Debug)]
pub enum ExprKind {
    /// `.`
    Dot,
    /// `nil`
    Nil,
    /// `.a.b`
    Field(Vec<Str>),
    /// `$x.a.b`: slot, name and fields.
    Variable(usize, Str, Vec<Str>),
    /// `(…).a.b`
    Chain(Box<Expr>, Vec<Str>),
    /// A function.
    Function(FuncId, Str),
    /// `true` or `false`
    Bool(bool),
    /// A number and its text.
    Number(Number, Str),
    /// A string and how it was written.
    Str(Str, Str),
    /// `( pipeline )`
    Pipe(Box<Pipe>),
}

fn fields(f: &mut fmt::Formatter<'_>, names: &[Str]) -> fmt::Result {
    names.iter().try_for_each(|name| write!(f, ".{name}"))
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Dot => f.write_str("."),
            ExprKind::Nil => f.write_str("nil"),
            ExprKind::Field(names) => fields(f, names),
            ExprKind::Variable(_, name, names) => {
                f.write_str(name)?;
                fields(f, names)
            }
            ExprKind::Chain(inner, names) => {
                write!(f, "{inner}")?;
                fields(f, names)
            }
            ExprKind::Function(_, name) => f.write_str(name),
            ExprKind::Bool(value) => write!(f, "{value}"),
            ExprKind::Number(_, text) => f.write_str(text),
            ExprKind::Str(_, quoted) => f.write_str(quoted),
            ExprKind::Pipe(pipe) => write!(f, "({pipe})"),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, arg) in self.args.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{arg}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (_, name)) in self.decl.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            f.write_str(name)?;
        }
        if !self.decl.is_empty() {
            f.write_str(if self.is_assign { " = " } else { " := " })?;
        }
        for (index, command) in self.commands.iter().enumerate() {
            if index > 0 {
                f.write_str(" | ")?;
            }
            write!(f, "{command}")?;
        }
        Ok(())
    }
}

/// Says whether running the block prints nothing but white space and does nothing.
pub fn is_empty(block: &[Node]) -> bool {
    block.iter().all(|node| match node {
        Node::Text(text) => text.trim().is_empty(),
        _ => false,
    })
}
