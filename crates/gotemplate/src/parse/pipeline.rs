//! Pipelines, commands and their operands.

use super::ast::{self, Command, Expr, ExprKind, Pipe};
use super::lex::{Kind, Token};
use super::{Parsed, Parser, number};
use crate::quote;
use crate::value::Str;

impl<'a> Parser<'a> {
    pub(super) fn pipeline(
        &mut self,
        context: &'static str,
        end: Kind,
        pos: usize,
    ) -> Parsed<Pipe> {
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
