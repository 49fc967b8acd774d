//! Tokens → templates. One text may define many templates; each gets its own [`Template`].

pub mod ast;
mod lex;
mod number;
mod pipeline;

use std::sync::Arc;

use ast::{Block, Branch, Node};
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
