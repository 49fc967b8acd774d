//! Tokens → templates. One text may define many templates; each gets its own [`Template`].

pub mod ast;
mod lex;
mod number;

use std::sync::Arc;

use ast::{Block, Branch, Command, Expr, ExprKind, Node, Pipe};
use lex::{Kind, LexError, Token};

use crate::quote;
use crate::registry::Registry;
use crate::value::Str;

/// How deep blocks and parentheses may nest.
const MAX_DEPTH: usize = 250;

/// A template that can be run.
#[derive(Debug)]
pub struct Template {
    /// Its name.
    pub name: Str,
    /// What it does.
    pub body: Block,
    /// The text it was read from, and the name of that text: positions point into it.
    pub source: Arc<Source>,
}

/// A text that templates were read from.
#[derive(Debug)]
pub struct Source {
    /// Its name in messages.
    pub name: Str,
    /// The text.
    pub text: Str,
}

impl Source {
    /// Returns `name:line:column` as Go prints it: the column is a byte offset in the line.
    pub fn location(&self, pos: u32) -> String {
        let before = self.text.get(..pos as usize).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1);
        format!("{}:{line}:{column}", self.name)
    }
}

/// A template that could not be read: `template: name:line: message`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template: {name}:{line}: {message}")]
pub struct ParseError {
    /// Name of the text.
    pub name: String,
    /// Line, from 1.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

/// Reads the templates in `text`: the one called `name`, and those it defines, which come first.
pub fn parse(
    name: &str,
    text: &Str,
    registry: &Registry,
) -> Result<Vec<Arc<Template>>, ParseError> {
    let source = Arc::new(Source {
        name: Str::from(name),
        text: text.clone(),
    });
    let (tokens, lex_error) = lex::tokenize(text);
    let mut parser = Parser {
        name,
        tokens: &tokens,
        lex_error,
        at: 0,
        registry,
        source: source.clone(),
        vars: vec!["$"],
        known: vec!["$"],
        templates: Vec::new(),
        range_depth: 0,
        depth: 0,
        action_line: 0,
    };
    // Blocks nest as deep as the limit says, whatever the stack of this thread is.
    let body = stacker::maybe_grow(4 << 20, 8 << 20, || parser.parse_top())?;
    let mut templates = parser.templates;
    templates.push(Arc::new(Template {
        name: Str::from(name),
        body,
        source,
    }));
    Ok(templates)
}

struct Parser<'a> {
    name: &'a str,
    tokens: &'a [Token<'a>],
    lex_error: Option<LexError>,
    at: usize,
    registry: &'a Registry,
    source: Arc<Source>,
    vars: Vec<&'a str>,
    /// The names that Go's reader accepts. It is more generous than a run is: a variable of the first branch is
    /// still accepted in the other one, and one that is only assigned to counts as declared.
    known: Vec<&'a str>,
    templates: Vec<Arc<Template>>,
    range_depth: usize,
    depth: usize,
    action_line: u32,
}

enum Ends {
    End,
    Else,
}

type Parsed<T> = Result<T, ParseError>;

impl<'a> Parser<'a> {
    fn error<T>(&self, line: u32, message: impl Into<String>) -> Parsed<T> {
        Err(ParseError {
            name: self.name.to_owned(),
            line,
            message: message.into(),
        })
    }

    fn here(&self) -> u32 {
        self.tokens
            .get(self.at.saturating_sub(1))
            .map_or(1, |token| token.line)
    }

    fn fail<T>(&self, message: impl Into<String>) -> Parsed<T> {
        self.error(self.here(), message)
    }

    fn peek(&self) -> Parsed<Token<'a>> {
        if let Some(token) = self.tokens.get(self.at) {
            return Ok(*token);
        }
        match &self.lex_error {
            Some((line, message)) => {
                let mut message = message.clone();
                if self.action_line != 0 && self.action_line != *line {
                    let started = format!("{}:{}", self.name, self.action_line);
                    if message.ends_with(" action") {
                        message.push_str(&format!(" started at {started}"));
                    } else {
                        message.push_str(&format!(" in action started at {started}"));
                    }
                }
                self.error(*line, message)
            }
            None => {
                let line = self.tokens.last().map_or(1, |token| token.line);
                Ok(Token {
                    kind: Kind::Eof,
                    text: "",
                    pos: self.source.text.len(),
                    line,
                })
            }
        }
    }

    fn next(&mut self) -> Parsed<Token<'a>> {
        let token = self.peek()?;
        self.at += 1;
        Ok(token)
    }

    fn next_non_space(&mut self) -> Parsed<Token<'a>> {
        while self.peek()?.kind == Kind::Space {
            self.at += 1;
        }
        self.next()
    }

    fn peek_non_space(&mut self) -> Parsed<Token<'a>> {
        while self.peek()?.kind == Kind::Space {
            self.at += 1;
        }
        self.peek()
    }

    fn back(&mut self) {
        self.at = self.at.saturating_sub(1);
    }

    fn unexpected<T>(&self, token: Token<'_>, context: &str) -> Parsed<T> {
        let shown = if token.kind == Kind::Eof {
            "EOF".to_owned()
        } else if token.kind.is_keyword() {
            format!("<{}>", token.text)
        } else if token.text.chars().count() > 10 {
            let cut: String = token.text.chars().take(10).collect();
            format!("{}...", quote::quote(&cut))
        } else {
            quote::quote(token.text)
        };
        self.error(token.line, format!("unexpected {shown} in {context}"))
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Parsed<Token<'a>> {
        let token = self.next_non_space()?;
        if token.kind == kind {
            Ok(token)
        } else {
            self.unexpected(token, context)
        }
    }

    fn parse_top(&mut self) -> Parsed<Block> {
        let mut body = Block::new();
        loop {
            let token = self.peek()?;
            match token.kind {
                Kind::Eof => return Ok(body),
                Kind::LeftDelim => {
                    let start = self.at;
                    self.at += 1;
                    if self.next_non_space()?.kind == Kind::Define {
                        self.action_line = token.line;
                        self.define()?;
                        continue;
                    }
                    self.at = start;
                }
                _ => {}
            }
            match self.text_or_action()? {
                Item::Node(node) => body.push(node),
                Item::Nothing => {}
                Item::Ends(Ends::End) => return self.fail("unexpected {{end}}"),
                Item::Ends(Ends::Else) => return self.fail("unexpected {{else}}"),
            }
        }
    }

    fn define(&mut self) -> Parsed<()> {
        let context = "define clause";
        let token = self.next_non_space()?;
        if !matches!(token.kind, Kind::Str | Kind::RawStr) {
            return self.unexpected(token, context);
        }
        let Some(name) = quote::unquote(token.text) else {
            return self.fail("invalid syntax");
        };
        self.expect(Kind::RightDelim, context)?;
        let vars = std::mem::replace(&mut self.vars, vec!["$"]);
        let known = std::mem::replace(&mut self.known, vec!["$"]);
        let range_depth = std::mem::take(&mut self.range_depth);
        let (body, ends) = self.item_list()?;
        if let Ends::Else = ends {
            return self.fail(format!("unexpected {{{{else}}}} in {context}"));
        }
        self.vars = vars;
        self.known = known;
        self.range_depth = range_depth;
        self.add(&name, body)
    }

    /// A later definition in one text replaces an empty one; two with content are an error.
    fn add(&mut self, name: &str, body: Block) -> Parsed<()> {
        let known = self.templates.iter().position(|known| &*known.name == name);
        let template = Arc::new(Template {
            name: Str::from(name),
            body,
            source: self.source.clone(),
        });
        match known.and_then(|at| self.templates.get_mut(at)) {
            None => self.templates.push(template),
            Some(slot) if ast::is_empty(&slot.body) => *slot = template,
            Some(_) if ast::is_empty(&template.body) => {}
            Some(_) => {
                return self.fail(format!(
                    "template: multiple definition of template {name:?}"
                ));
            }
        }
        Ok(())
    }

    fn item_list(&mut self) -> Parsed<(Block, Ends)> {
        self.deeper()?;
        let mut body = Block::new();
        loop {
            if self.peek_non_space()?.kind == Kind::Eof {
                return self.error(self.peek()?.line, "unexpected EOF");
            }
            match self.text_or_action()? {
                Item::Node(node) => body.push(node),
                Item::Nothing => {}
                Item::Ends(ends) => {
                    self.depth -= 1;
                    return Ok((body, ends));
                }
            }
        }
    }

    fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fail(format!("blocks nest deeper than {MAX_DEPTH}"));
        }
        Ok(())
    }

    fn text_or_action(&mut self) -> Parsed<Item> {
        let token = self.next_non_space()?;
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text(Str::from(token.text)))),
            Kind::LeftDelim => {
                self.action_line = token.line;
                let item = self.action();
                self.action_line = 0;
                item
            }
            _ => self.unexpected(token, "input"),
        }
    }

    fn action(&mut self) -> Parsed<Item> {
        let token = self.next_non_space()?;
        match token.kind {
            Kind::Block => self.block(token.pos),
            Kind::Break => self.jump(token, Node::Break, "break"),
            Kind::Continue => self.jump(token, Node::Continue, "continue"),
            Kind::Else => {
                let next = self.peek_non_space()?;
                if !matches!(next.kind, Kind::If | Kind::With) {
                    self.expect(Kind::RightDelim, "else")?;
                }
                Ok(Item::Ends(Ends::Else))
            }
            Kind::End => {
                self.expect(Kind::RightDelim, "end")?;
                Ok(Item::Ends(Ends::End))
            }
            Kind::If => Ok(Item::Node(Node::If(self.control("if")?))),
            Kind::Range => Ok(Item::Node(Node::Range(self.control("range")?))),
            Kind::With => Ok(Item::Node(Node::With(self.control("with")?))),
            Kind::Template => self.template_action(token.pos),
            _ => {
                self.back();
                let pos = self.peek()?.pos;
                let pipe = self.pipeline("command", Kind::RightDelim, pos)?;
                Ok(Item::Node(Node::Action(pipe)))
            }
        }
    }

    fn jump(&mut self, token: Token<'a>, node: Node, word: &str) -> Parsed<Item> {
        let next = self.next_non_space()?;
        if next.kind != Kind::RightDelim {
            return self.unexpected(next, &format!("{{{{{word}}}}}"));
        }
        if self.range_depth == 0 {
            let message = format!("{{{{{word}}}}} outside {{{{range}}}}");
            return self.error(token.line, message);
        }
        Ok(Item::Node(node))
    }

    fn control(&mut self, context: &'static str) -> Parsed<Branch> {
        let mark = self.vars.len();
        let mark_known = self.known.len();
        let pos = self.peek_non_space()?.pos;
        let pipe = self.pipeline(context, Kind::RightDelim, pos)?;
        if context == "range" {
            self.range_depth += 1;
        }
        // What the body declares is gone in the other branch.
        let declared = self.vars.len();
        let (body, ends) = self.item_list()?;
        self.vars.truncate(declared);
        if context == "range" {
            self.range_depth -= 1;
        }
        let mut otherwise = Block::new();
        if let Ends::Else = ends {
            let next = self.peek()?;
            // `{{else if}}` is `{{else}}{{if}}` with one `{{end}}` for both.
            if context == "if" && next.kind == Kind::If {
                self.at += 1;
                self.deeper()?;
                otherwise.push(Node::If(self.control("if")?));
                self.depth -= 1;
            } else if context == "with" && next.kind == Kind::With {
                self.at += 1;
                self.deeper()?;
                otherwise.push(Node::With(self.control("with")?));
                self.depth -= 1;
            } else if matches!(next.kind, Kind::If | Kind::With) {
                return self.unexpected(next, "else");
            } else {
                let (body, ends) = self.item_list()?;
                if let Ends::Else = ends {
                    return self.fail("expected end; found {{else}}");
                }
                otherwise = body;
            }
        }
        self.vars.truncate(mark);
        self.known.truncate(mark_known);
        Ok(Branch {
            pipe,
            body,
            otherwise,
            mark,
        })
    }

    fn template_name(&mut self, context: &str) -> Parsed<String> {
        let token = self.next_non_space()?;
        if !matches!(token.kind, Kind::Str | Kind::RawStr) {
            return self.unexpected(token, context);
        }
        match quote::unquote(token.text) {
            Some(name) => Ok(name),
            None => self.fail("invalid syntax"),
        }
    }

    fn block(&mut self, pos: usize) -> Parsed<Item> {
        let context = "block clause";
        let name = self.template_name(context)?;
        let pipe_pos = self.peek_non_space()?.pos;
        let pipe = self.pipeline(context, Kind::RightDelim, pipe_pos)?;
        let vars = std::mem::replace(&mut self.vars, vec!["$"]);
        let known = std::mem::replace(&mut self.known, vec!["$"]);
        let range_depth = std::mem::take(&mut self.range_depth);
        let (body, ends) = self.item_list()?;
        if let Ends::Else = ends {
            return self.fail(format!("unexpected {{{{else}}}} in {context}"));
        }
        self.vars = vars;
        self.known = known;
        self.range_depth = range_depth;
        self.add(&name, body)?;
        Ok(Item::Node(Node::Template {
            name: Str::from(name),
            pipe: Some(pipe),
            pos: pos as u32,
        }))
    }

    fn template_action(&mut self, pos: usize) -> Parsed<Item> {
        let context = "template clause";
        let name = self.template_name(context)?;
        let next = self.next_non_space()?;
        let pipe = if next.kind == Kind::RightDelim {
            None
        } else {
            self.back();
            Some(self.pipeline(context, Kind::RightDelim, next.pos)?)
        };
        Ok(Item::Node(Node::Template {
            name: Str::from(name),
            pipe,
            pos: pos as u32,
        }))
    }

    fn pipeline(&mut self, context: &'static str, end: Kind, pos: usize) -> Parsed<Pipe> {
        self.deeper()?;
        let mut pipe = Pipe {
            decl: Vec::new(),
            is_assign: false,
            commands: Vec::new(),
            pos: pos as u32,
        };
        let declared = self.declarations(&mut pipe, context)?;
        loop {
            let token = self.next_non_space()?;
            if token.kind == end {
                self.check_pipeline(&pipe, context)?;
                // New variables can be used after the pipeline, not inside it.
                self.vars.extend(declared);
                self.depth -= 1;
                return Ok(pipe);
            }
            match token.kind {
                Kind::Bool
                | Kind::Char
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawStr
                | Kind::Str
                | Kind::Variable
                | Kind::LeftParen => {
                    self.back();
                    let command = self.command()?;
                    pipe.commands.push(command);
                }
                _ => return self.unexpected(token, context),
            }
        }
    }

    /// Reads `$x :=`, `$x =` and `$i, $x :=`; returns the new names.
    fn declarations(&mut self, pipe: &mut Pipe, context: &str) -> Parsed<Vec<&'a str>> {
        let start = self.at;
        let mut names: Vec<&'a str> = Vec::new();
        loop {
            let before = self.at;
            let token = self.peek_non_space()?;
            if token.kind != Kind::Variable {
                if !names.is_empty() {
                    return self.range_can_only_initialize(token, context);
                }
                self.at = before;
                return Ok(names);
            }
            self.at += 1;
            let next = self.peek_non_space()?;
            match next.kind {
                Kind::Assign | Kind::Declare => {
                    self.at += 1;
                    pipe.is_assign = next.kind == Kind::Assign;
                    names.push(token.text);
                    break;
                }
                Kind::Comma if context == "range" && names.len() < 2 => {
                    self.at += 1;
                    names.push(token.text);
                    if names.len() > 1 {
                        return self.fail(format!("too many declarations in {context}"));
                    }
                }
                Kind::Comma => {
                    return self.fail(format!("too many declarations in {context}"));
                }
                _ if names.is_empty() => {
                    self.at = start;
                    return Ok(names);
                }
                _ => return self.unexpected(next, context),
            }
        }
        let mut new = Vec::new();
        for name in names {
            self.known.push(name);
            let slot = if pipe.is_assign {
                self.slot(name).unwrap_or(ast::UNDEFINED)
            } else {
                new.push(name);
                self.vars.len() + new.len() - 1
            };
            pipe.decl.push((slot, Str::from(name)));
        }
        Ok(new)
    }

    fn slot(&self, name: &str) -> Option<usize> {
        self.vars.iter().rposition(|known| *known == name)
    }

    fn range_can_only_initialize<T>(&self, token: Token<'a>, context: &str) -> Parsed<T> {
        if context == "range" {
            return self.error(token.line, "range can only initialize variables");
        }
        self.unexpected(token, context)
    }

    fn check_pipeline(&self, pipe: &Pipe, context: &str) -> Parsed<()> {
        if pipe.commands.is_empty() {
            return self.fail(format!("missing value for {context}"));
        }
        for (index, command) in pipe.commands.iter().enumerate().skip(1) {
            let constant = command.args.first().is_some_and(|first| {
                matches!(
                    first.kind,
                    ExprKind::Bool(_)
                        | ExprKind::Dot
                        | ExprKind::Nil
                        | ExprKind::Number(..)
                        | ExprKind::Str(..)
                )
            });
            if constant {
                let stage = index + 1;
                return self.fail(format!("non executable command in pipeline stage {stage}"));
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Parsed<Command> {
        let mut args = Vec::new();
        loop {
            self.peek_non_space()?;
            if let Some(operand) = self.operand()? {
                args.push(operand);
            }
            let token = self.next()?;
            match token.kind {
                Kind::Space => continue,
                Kind::RightDelim | Kind::RightParen => self.back(),
                Kind::Pipe => {
                    // Nothing may follow the last pipe, not even its end.
                    let next = self.peek_non_space()?;
                    if matches!(next.kind, Kind::RightDelim | Kind::RightParen) {
                        return self.fail("missing value for command");
                    }
                }
                _ => return self.unexpected(token, "operand"),
            }
            break;
        }
        if args.is_empty() {
            return self.fail("empty command");
        }
        Ok(Command { args })
    }

    fn operand(&mut self) -> Parsed<Option<Expr>> {
        let Some(mut node) = self.term()? else {
            return Ok(None);
        };
        let next = self.peek()?;
        if next.kind != Kind::Field {
            return Ok(Some(node));
        }
        let mut names = Vec::new();
        while self.peek()?.kind == Kind::Field {
            let token = self.next()?;
            names.push(Str::from(token.text.get(1..).unwrap_or_default()));
        }
        match &mut node.kind {
            ExprKind::Field(fields) | ExprKind::Variable(_, _, fields) => {
                fields.extend(names);
                node.pos = next.pos as u32;
                Ok(Some(node))
            }
            ExprKind::Bool(_)
            | ExprKind::Str(..)
            | ExprKind::Number(..)
            | ExprKind::Nil
            | ExprKind::Dot => self.fail(format!(
                "unexpected . after term {}",
                quote::quote(&node.to_string())
            )),
            _ => Ok(Some(Expr {
                kind: ExprKind::Chain(Box::new(node), names),
                pos: next.pos as u32,
            })),
        }
    }

    fn term(&mut self) -> Parsed<Option<Expr>> {
        let token = self.next_non_space()?;
        let kind = match token.kind {
            Kind::Identifier => match self.registry.id(token.text) {
                Some(id) => ExprKind::Function(id, Str::from(token.text)),
                None => {
                    return self
                        .error(token.line, format!("function {:?} not defined", token.text));
                }
            },
            Kind::Dot => ExprKind::Dot,
            Kind::Nil => ExprKind::Nil,
            Kind::Variable => {
                let slot = match self.slot(token.text) {
                    Some(slot) => slot,
                    None if self.known.contains(&token.text) => ast::UNDEFINED,
                    None => {
                        let message = format!("undefined variable {:?}", token.text);
                        return self.error(token.line, message);
                    }
                };
                ExprKind::Variable(slot, Str::from(token.text), Vec::new())
            }
            Kind::Field => {
                let name = token.text.get(1..).unwrap_or_default();
                ExprKind::Field(vec![Str::from(name)])
            }
            Kind::Bool => ExprKind::Bool(token.text == "true"),
            Kind::Char | Kind::Number => match number::read(token.text) {
                Ok(number) => ExprKind::Number(number, Str::from(token.text)),
                Err(message) => return self.error(token.line, message),
            },
            Kind::LeftParen => {
                let pos = self.peek_non_space()?.pos;
                let pipe = self.pipeline("parenthesized pipeline", Kind::RightParen, pos)?;
                // Go gives the parentheses the position of the pipeline's first token.
                return Ok(Some(Expr {
                    pos: pipe.pos,
                    kind: ExprKind::Pipe(Box::new(pipe)),
                }));
            }
            Kind::Str | Kind::RawStr => match quote::unquote(token.text) {
                Some(text) => ExprKind::Str(Str::from(text), Str::from(token.text)),
                None => return self.error(token.line, "invalid syntax"),
            },
            _ => {
                self.back();
                return Ok(None);
            }
        };
        Ok(Some(Expr {
            kind,
            pos: token.pos as u32,
        }))
    }
}

enum Item {
    Node(Node),
    #[expect(
        dead_code,
        reason = "definitions inside actions produce nothing to run"
    )]
    Nothing,
    Ends(Ends),
}
