//! Fields that do not count, as jq path expressions (`ignoreDifferences[].jqPathExpressions`).
//!
//! An expression is the `f` of `del(f)`. It comes from a user and runs for every comparison, so it must
//! end soon, whatever it says: its syntax tree is rewritten so that every step pays for the size of the
//! value it sees from a budget that grows with the object. When the budget is used up, every step fails
//! and the object is left as it was ([`Jq::trouble`] says so). What cannot be paid for by step is refused
//! when the expression is read: definitions of its own (recursion), multiplication (`"x" * 1000000000`) and
//! assignments. Nothing in it can see time, environment or files.
//!
//! Upstream: util/argo/normalizers/diff_normalizer.go (v3.6), differs: a budget of steps, not of seconds.

use std::cell::Cell;
use std::sync::OnceLock;

use jaq_core::box_iter::box_once;
use jaq_core::data::HasLut;
use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::load::{Arena, File, Lexer, Loader, Parser};
use jaq_core::ops::Math;
use jaq_core::path::{Part, Path};
use jaq_core::{Bind, Compiler, Ctx, DataT, Exn, Lut, Native, Vars};
use jaq_json::{Num, Val};
use serde::Deserialize;
use serde_json::Value;

use super::ignore::Filter;

/// Longest expression.
const LENGTH: usize = 4096;
/// Budget of every run, and what each node of the object adds.
const BUDGET: u64 = 300_000;
const BUDGET_PER_NODE: u64 = 256;
/// Natives that would see or change the world, with the number of their arguments.
const CLOSED: [(&str, usize); 7] = [
    ("env", 0),
    ("now", 0),
    ("halt", 1),
    ("debug_empty", 0),
    ("stderr_empty", 0),
    ("localtime", 0),
    ("strflocaltime", 1),
];

/// Why an expression cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("jq expression {expression:?}: {problem}")]
pub struct Error {
    expression: String,
    problem: String,
}

impl driftless_core::Classify for Error {
    fn class(&self) -> driftless_core::Class {
        driftless_core::Class::User
    }

    fn reason(&self) -> &'static str {
        "InvalidIgnoreDifferences"
    }
}

/// A jq expression that takes away what it points at.
pub struct Jq {
    expression: String,
    filter: jaq_core::Filter<Kind>,
    trouble: OnceLock<String>,
}

impl std::fmt::Debug for Jq {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Jq").field(&self.expression).finish()
    }
}

/// The values and data that filters work on.
struct Kind;

impl DataT for Kind {
    type V<'a> = Val;
    type Data<'a> = Budgeted<'a>;
}

#[derive(Clone, Copy)]
struct Budgeted<'a> {
    lut: &'a Lut<Kind>,
    left: &'a Cell<u64>,
}

impl<'a> HasLut<'a, Kind> for Budgeted<'a> {
    fn lut(&self) -> &'a Lut<Kind> {
        self.lut
    }
}

impl Jq {
    /// Reads an expression.
    pub fn new(expression: &str) -> Result<Self, Error> {
        let fail = |problem: String| Error {
            expression: expression.to_owned(),
            problem,
        };
        let term = parse(expression).map_err(&fail)?;
        refuse(&term).map_err(|problem| fail(problem.to_owned()))?;
        let rule = Def {
            name: "driftless_rule",
            args: Vec::new(),
            body: Ticks::Around.term(term),
        };
        let definitions = jaq_core::defs()
            .chain(jaq_std::defs())
            .chain(jaq_json::defs())
            .map(|definition| Ticks::Before.definition(definition));
        let natives = jaq_core::funs::<Kind>()
            .chain(jaq_std::funs())
            .chain(jaq_json::funs())
            .filter(|(name, arguments, _)| !CLOSED.contains(&(*name, arguments.len())))
            .chain(CLOSED.map(|(name, count)| {
                let arguments = (0..count).map(|_| Bind::Var(())).collect();
                (name, arguments, Native::new(|_| box_once(Err(refused()))))
            }))
            .chain([(TICK, Vec::new().into_boxed_slice(), tick())]);
        let arena = Arena::default();
        let program = File {
            code: "del(driftless_rule)",
            path: (),
        };
        let modules = Loader::new(definitions.chain([rule]))
            .load(&arena, program)
            .map_err(|_| fail("cannot be loaded".into()))?;
        let filter = Compiler::default()
            .with_funs(natives)
            .compile(modules)
            .map_err(|errors| {
                let unknown = errors.into_iter().flat_map(|(_, errors)| errors).next();
                fail(unknown.map_or_else(String::new, |(name, _)| format!("{name} is not known")))
            })?;
        Ok(Self {
            expression: expression.to_owned(),
            filter,
            trouble: OnceLock::new(),
        })
    }

    fn run(&self, object: &Value) -> Option<Value> {
        let input = Val::deserialize(object).ok()?;
        let size = weigh(&input, u64::MAX);
        let left = Cell::new(BUDGET.saturating_add(size.saturating_mul(BUDGET_PER_NODE)));
        let data = Budgeted {
            lut: &self.filter.lut,
            left: &left,
        };
        let cx = Ctx::<Kind>::new(data, Vars::new([]));
        let output = self.filter.id.run((cx, input)).next();
        if left.get() == 0 {
            let text = || {
                let expression = &self.expression;
                format!("jq expression {expression:?} was stopped: it takes too many steps")
            };
            self.trouble.get_or_init(text);
            return None;
        }
        // Errors are ignored: most say that a field is not there.
        to_value(&jaq_core::unwrap_valr(output?).ok()?)
    }
}

impl Filter for Jq {
    fn remove(&self, object: &mut Value) {
        if let Some(rest) = self.run(object) {
            *object = rest;
        }
    }

    fn trouble(&self) -> Option<&str> {
        self.trouble.get().map(String::as_str)
    }
}

fn parse(text: &str) -> Result<Term<&str>, String> {
    if text.len() > LENGTH {
        return Err(format!("is longer than {LENGTH} characters"));
    }
    let tokens = Lexer::new(text).lex().map_err(|errors| {
        let first = errors.first().map(|(want, at)| (want.as_str(), *at));
        let (want, at) = first.unwrap_or_default();
        expected(want, at)
    })?;
    Parser::new(&tokens)
        .parse(jaq_core::load::Parser::term)
        .map_err(|errors| {
            let first = errors.first();
            let want = first.map_or("nothing", |(want, _)| want.as_str());
            let found = first.and_then(|(_, found)| *found);
            expected(want, found.map_or("", |found| found.0))
        })
}

fn expected(want: &str, at: &str) -> String {
    if at.is_empty() {
        return format!("{want} expected at the end");
    }
    let at: String = at.chars().take(20).collect();
    format!("{want} expected at {at:?}")
}

/// Refuses what steps cannot be paid for.
fn refuse(term: &Term<&str>) -> Result<(), &'static str> {
    let own = match term {
        Term::Def(..) => Err("may not define functions"),
        Term::BinOp(_, BinaryOp::Math(Math::Mul), _) => Err("may not multiply"),
        Term::BinOp(
            _,
            BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt,
            _,
        )
        | Term::Call("setpath", _) => Err("may not assign"),
        _ => Ok(()),
    };
    own?;
    let mut inner = Ok(());
    each(term, &mut |child| {
        if inner.is_ok() {
            inner = refuse(child);
        }
    });
    inner
}

/// Calls `see` for the parts of a term.
fn each<'a, 's>(term: &'a Term<&'s str>, see: &mut dyn FnMut(&'a Term<&'s str>)) {
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) => {}
        Term::Str(_, parts) => {
            for part in parts {
                if let StrPart::Term(term) = part {
                    see(term);
                }
            }
        }
        Term::Arr(inner) => {
            if let Some(inner) = inner {
                see(inner);
            }
        }
        Term::Obj(entries) => {
            for (key, value) in entries {
                see(key);
                if let Some(value) = value {
                    see(value);
                }
            }
        }
        Term::Neg(inner) | Term::Label(_, inner) => see(inner),
        Term::BinOp(left, op, right) => {
            see(left);
            if let BinaryOp::Pipe(Some(pattern)) = op {
                each_in(pattern, see);
            }
            see(right);
        }
        Term::Fold(_, over, pattern, arguments) => {
            see(over);
            each_in(pattern, see);
            arguments.iter().for_each(see);
        }
        Term::TryCatch(inner, catch) => {
            see(inner);
            if let Some(catch) = catch {
                see(catch);
            }
        }
        Term::IfThenElse(branches, otherwise) => {
            for (test, then) in branches {
                see(test);
                see(then);
            }
            if let Some(otherwise) = otherwise {
                see(otherwise);
            }
        }
        Term::Def(definitions, inner) => {
            for definition in definitions {
                see(&definition.body);
            }
            see(inner);
        }
        Term::Call(_, arguments) => arguments.iter().for_each(see),
        Term::Path(head, path) => {
            see(head);
            for (part, _) in &path.0 {
                match part {
                    Part::Index(index) => see(index),
                    Part::Range(from, to) => from.iter().chain(to).for_each(&mut *see),
                }
            }
        }
    }
}

/// Calls `see` for the terms in a pattern.
fn each_in<'a, 's>(pattern: &'a Pattern<&'s str>, see: &mut dyn FnMut(&'a Term<&'s str>)) {
    match pattern {
        Pattern::Var(_) => {}
        Pattern::Arr(list) => {
            for one in list {
                each_in(one, see);
            }
        }
        Pattern::Obj(entries) => {
            for (key, value) in entries {
                see(key);
                each_in(value, see);
            }
        }
    }
}

const TICK: &str = "driftless_tick";

/// Where a step pays.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ticks {
    /// For what goes in: keeps calls in tail position, which the library's recursive definitions need.
    Before,
    /// For what goes in and for each that comes out.
    Around,
}

impl Ticks {
    fn definition(self, definition: Def<&str>) -> Def<&str> {
        Def {
            body: self.term(definition.body),
            ..definition
        }
    }

    #[expect(clippy::boxed_local, reason = "the syntax tree holds boxes")]
    fn boxed(self, term: Box<Term<&str>>) -> Box<Term<&str>> {
        Box::new(self.term(*term))
    }

    fn term<'s>(self, term: Term<&'s str>) -> Term<&'s str> {
        let list =
            |terms: Vec<Term<&'s str>>| terms.into_iter().map(|one| self.term(one)).collect();
        match term {
            Term::Id | Term::Num(_) | Term::Break(_) | Term::Var(_) => term,
            Term::Recurse => self.paid(Term::Recurse),
            Term::Str(format, parts) => {
                let parts = parts.into_iter().map(|part| match part {
                    StrPart::Term(term) => StrPart::Term(self.term(term)),
                    other => other,
                });
                Ticks::Before.paid(Term::Str(format, parts.collect()))
            }
            Term::Arr(inner) => Ticks::Before.paid(Term::Arr(inner.map(|inner| self.boxed(inner)))),
            Term::Obj(entries) => {
                let entries = entries.into_iter();
                let entries = entries
                    .map(|(key, value)| (self.term(key), value.map(|value| self.term(value))));
                Ticks::Before.paid(Term::Obj(entries.collect()))
            }
            Term::Neg(inner) => Term::Neg(self.boxed(inner)),
            Term::BinOp(left, op, right) => {
                let pays = matches!(op, BinaryOp::Math(_) | BinaryOp::Cmp(_));
                let op = match op {
                    BinaryOp::Pipe(pattern) => BinaryOp::Pipe(pattern.map(|one| self.pattern(one))),
                    other => other,
                };
                let term = Term::BinOp(self.boxed(left), op, self.boxed(right));
                if pays { Ticks::Before.paid(term) } else { term }
            }
            Term::Label(name, inner) => Term::Label(name, self.boxed(inner)),
            Term::Fold(name, over, pattern, arguments) => Ticks::Before.paid(Term::Fold(
                name,
                self.boxed(over),
                self.pattern(pattern),
                list(arguments),
            )),
            Term::TryCatch(inner, catch) => {
                Term::TryCatch(self.boxed(inner), catch.map(|catch| self.boxed(catch)))
            }
            Term::IfThenElse(branches, otherwise) => {
                let branches = branches.into_iter();
                let branches = branches.map(|(test, then)| (self.term(test), self.term(then)));
                let otherwise = otherwise.map(|otherwise| self.boxed(otherwise));
                Term::IfThenElse(branches.collect(), otherwise)
            }
            Term::Def(definitions, inner) => {
                let definitions = definitions.into_iter().map(|one| self.definition(one));
                Term::Def(definitions.collect(), self.boxed(inner))
            }
            Term::Call(name, arguments) => self.paid(Term::Call(name, list(arguments))),
            Term::Path(head, path) => {
                let parts = path.0.into_iter().map(|(part, optional)| {
                    let part = match part {
                        Part::Index(index) => Part::Index(self.term(index)),
                        Part::Range(from, to) => Part::Range(
                            from.map(|one| self.term(one)),
                            to.map(|one| self.term(one)),
                        ),
                    };
                    (part, optional)
                });
                self.paid(Term::Path(self.boxed(head), Path(parts.collect())))
            }
        }
    }

    fn pattern(self, pattern: Pattern<&str>) -> Pattern<&str> {
        match pattern {
            Pattern::Var(name) => Pattern::Var(name),
            Pattern::Arr(list) => {
                Pattern::Arr(list.into_iter().map(|one| self.pattern(one)).collect())
            }
            Pattern::Obj(entries) => {
                let entries = entries.into_iter();
                let entries = entries.map(|(key, value)| (self.term(key), self.pattern(value)));
                Pattern::Obj(entries.collect())
            }
        }
    }

    fn paid(self, term: Term<&str>) -> Term<&str> {
        let tick = || Box::new(Term::Call(TICK, Vec::new()));
        let pipe = || BinaryOp::Pipe(None);
        let paid = match self {
            Self::Before => term,
            Self::Around => Term::BinOp(Box::new(term), pipe(), tick()),
        };
        Term::BinOp(tick(), pipe(), Box::new(paid))
    }
}

fn refused<'a>() -> Exn<'a, Val> {
    Exn::from(jaq_core::Error::str("not available here"))
}

/// The step that pays: it returns what it is given.
fn tick() -> Native<Kind> {
    Native::new(|(cx, value)| box_once(pay(&cx, &value).map(|()| value)))
        .with_paths(|(cx, (value, path))| box_once(pay(&cx, &value).map(|()| (value, path))))
        .with_update(|(cx, value), update| match pay(&cx, &value) {
            Ok(()) => update(value),
            Err(error) => box_once(Err(error)),
        })
}

fn pay<'a>(cx: &Ctx<'a, Kind>, value: &Val) -> Result<(), Exn<'a, Val>> {
    let left = cx.data().left;
    let rest = left.get().saturating_sub(weigh(value, left.get()));
    left.set(rest);
    if rest == 0 { Err(refused()) } else { Ok(()) }
}

fn to_value(value: &Val) -> Option<Value> {
    Some(match value {
        Val::Null => Value::Null,
        Val::Bool(truth) => Value::Bool(*truth),
        Val::Num(Num::Int(number)) => Value::from(*number as i64),
        Val::Num(Num::Float(number)) => Value::from(*number),
        Val::Num(number) => serde_json::from_str(&number.to_string()).ok()?,
        Val::TStr(text) | Val::BStr(text) => Value::from(std::str::from_utf8(text).ok()?),
        Val::Arr(list) => list
            .iter()
            .map(to_value)
            .collect::<Option<Vec<_>>>()?
            .into(),
        Val::Obj(map) => {
            let entries = map.iter().map(|(key, value)| match key {
                Val::TStr(key) => {
                    Some((std::str::from_utf8(key).ok()?.to_owned(), to_value(value)?))
                }
                _ => None,
            });
            Value::Object(entries.collect::<Option<_>>()?)
        }
    })
}

/// Counts the nodes of a value, long texts for more; stops at the limit.
fn weigh(value: &Val, limit: u64) -> u64 {
    let mut weight = 0_u64;
    let mut todo = vec![value];
    while let Some(value) = todo.pop() {
        weight += 1;
        match value {
            Val::TStr(text) | Val::BStr(text) => weight += text.len() as u64 / 16,
            Val::Arr(list) => todo.extend(list.iter()),
            Val::Obj(map) => todo.extend(map.iter().flat_map(|(key, value)| [key, value])),
            _ => {}
        }
        if weight >= limit {
            return limit;
        }
    }
    weight
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object() -> Value {
        json!({
            "spec": {"template": {"spec": {"containers": [
                {"name": "app", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
                {"name": "side", "resources": {"limits": {"cpu": 1.5}}}
            ]}}},
            "webhooks": [{"clientConfig": {"caBundle": "x", "service": "s"}}, {"clientConfig": {}}]
        })
    }

    fn without(expression: &str) -> Value {
        let mut value = object();
        let jq = Jq::new(expression).unwrap_or_else(|error| panic!("{error}"));
        jq.remove(&mut value);
        assert_eq!(jq.trouble(), None, "{expression}");
        value
    }

    #[test]
    fn what_an_expression_points_at_is_removed() {
        let got = without(
            ".spec.template.spec.containers[] | select(.name == \"app\").env[]? | select(.name == \"B\")",
        );
        assert_eq!(
            got["spec"]["template"]["spec"]["containers"][0]["env"],
            json!([{"name": "A", "value": "1"}])
        );
        let got = without(".webhooks[].clientConfig.caBundle, .spec");
        assert_eq!(
            got,
            json!({"webhooks": [{"clientConfig": {"service": "s"}}, {"clientConfig": {}}]})
        );
        let got = without(".. | .limits? // empty");
        assert_eq!(
            got["spec"]["template"]["spec"]["containers"][1]["resources"],
            json!({})
        );
        let got = without(".spec.template.spec.containers[] | select(.name | test(\"^si\"))");
        assert_eq!(
            got["spec"]["template"]["spec"]["containers"]
                .as_array()
                .map(Vec::len),
            Some(1)
        );
    }

    #[test]
    fn what_is_not_there_changes_nothing() {
        for expression in [
            ".spec.missing.deeper",
            ".spec[0]",
            ".webhooks.a",
            ".x[]",
            "error",
        ] {
            assert_eq!(without(expression), object(), "{expression}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        for (expression, want) in [
            (".spec[", "closing bracket expected at the end"),
            (".spec |", "term expected at the end"),
            (".a b", "nothing expected at \"b\""),
            ("nope(.a)", "nope is not known"),
            ("$ENV.HOME", "$ENV is not known"),
            ("def f: f; f", "may not define functions"),
            (".a | select(. == \"x\" * 9)", "may not multiply"),
            ("select((.a = 1) | .a)", "may not assign"),
        ] {
            let error = Jq::new(expression).unwrap_err().to_string();
            assert_eq!(error, format!("jq expression {expression:?}: {want}"));
        }
    }

    #[test]
    fn expressions_that_explode_end() {
        let doubling = ["[., .]"; 60].join(" | ");
        for expression in [
            "select([range(1000000000000)] | length > 3)",
            "select([repeat(.)] | length > 3)",
            "select([recurse(.)] | length > 3)",
            "select([limit(1000000000; repeat(1))] | length > 3)",
            "select(0 | until(. < 0; . + 1))",
            "select([0 | while(true; . + 1)] | length > 3)",
            "select(last(range(1000000000000)))",
            "select(reduce range(100) as $i (\"x\"; . + .) | length > 3)",
            "select(reduce range(100) as $i (.; [., .]) | tojson)",
            &format!("select({doubling} | tojson)"),
            &format!("select({doubling} == 1)"),
            &format!("select([{}] | length > 3)", [".."; 60].join(" | ")),
        ] {
            let jq = Jq::new(expression).unwrap_or_else(|error| panic!("{error}"));
            let mut value = object();
            jq.remove(&mut value);
            assert_eq!(value, object(), "{expression}");
            assert!(
                jq.trouble()
                    .is_some_and(|told| told.contains("too many steps")),
                "{expression}"
            );
        }
    }

    #[test]
    fn the_world_cannot_be_seen() {
        for expression in ["select(env.PATH)", "select(now > 0)", "halt", "debug"] {
            let jq = Jq::new(expression).unwrap_or_else(|error| panic!("{error}"));
            let mut value = object();
            jq.remove(&mut value);
            assert_eq!(value, object(), "{expression}");
        }
    }
}
