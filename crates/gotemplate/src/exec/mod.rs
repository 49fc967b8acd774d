//! Running templates.

mod eval;

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::error::{Cause, ExecError, Fault};
use crate::fmt::print_value;
use crate::outside::{Outside, Seed};
use crate::parse::ast::{Block, Branch, Node, UNDEFINED};
use crate::parse::{self, ParseError, Source, Template};
use crate::registry::Registry;
use crate::value::{Map, Str, Value};

/// What one run may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Nodes walked and functions called.
    pub steps: u64,
    /// Templates inside templates.
    pub depth: usize,
    /// Bytes written, inner templates included.
    pub output: usize,
    /// The largest single value that a function makes or takes apart: bytes of text, entries of lists and maps.
    pub value: usize,
    /// Everything that functions make, together.
    pub made: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            steps: 20_000_000,
            depth: 2_500,
            output: 256 << 20,
            value: 64 << 20,
            made: 1 << 30,
        }
    }
}

/// A set of templates by name. Later ones replace earlier ones unless they are empty.
#[derive(Clone, Default)]
pub struct TemplateSet {
    templates: HashMap<Str, Arc<Template>>,
}

impl TemplateSet {
    /// Reads `text` as the template `name` and adds it and what it defines.
    pub fn parse(&mut self, name: &str, text: &Str, registry: &Registry) -> Result<(), ParseError> {
        for template in parse::parse(name, text, registry)? {
            self.add(template);
        }
        Ok(())
    }

    /// Adds a template that was read before.
    pub fn add(&mut self, template: Arc<Template>) {
        let known = self.templates.contains_key(&template.name);
        if known && parse::ast::is_empty(&template.body) {
            return;
        }
        self.templates.insert(template.name.clone(), template);
    }

    /// Returns a template.
    pub fn get(&self, name: &str) -> Option<&Arc<Template>> {
        self.templates.get(name)
    }
}

/// One run over a set of templates.
pub struct Exec<'a> {
    registry: &'a Registry,
    base: &'a TemplateSet,
    /// Templates that texts being run have defined; the last one counts first.
    overlays: Vec<TemplateSet>,
    /// Texts that were run, so that each is read once.
    texts: HashMap<Str, Arc<Vec<Arc<Template>>>>,
    host: &'a dyn Any,
    budget: Budget,
    steps: u64,
    written: usize,
    made: usize,
    depth: usize,
    /// Maps that were changed: only those can hold themselves, and are emptied at the end.
    changed: BTreeMap<usize, Map>,
    regexes: crate::funcs::Regexes,
    random: crate::funcs::Random,
    outside: Option<&'a dyn Outside>,
    /// The step at which the world is asked next whether the run has to end.
    next_look: u64,
}

/// Steps from one look at the clock to the next.
const LOOK: u64 = 1024;

/// How many texts a run remembers.
const MAX_TEXTS: usize = 4_096;
/// How much of a text a message shows.
const MAX_SHOWN: usize = 64 << 10;

fn shown(text: &str) -> &str {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

fn over_budget(message: String) -> Fault {
    Fault {
        message: String::new(),
        source: Some(Box::new(ExecError {
            location: String::new(),
            template: String::new(),
            context: String::new(),
            message,
            source: None,
            from_function: false,
            cause: Cause::Limit,
        })),
    }
}

impl Drop for Exec<'_> {
    fn drop(&mut self) {
        for map in self.changed.values() {
            map.dissolve();
        }
    }
}

pub(crate) enum Flow {
    Next,
    Break,
    Continue,
}

/// One template being run.
pub(crate) struct Frame<'t> {
    template: &'t Template,
    vars: Vec<Value>,
}

impl Frame<'_> {
    fn set(&mut self, slot: usize, value: Value) {
        if slot >= self.vars.len() {
            self.vars.resize(slot + 1, Value::Nil);
        }
        if let Some(place) = self.vars.get_mut(slot) {
            *place = value;
        }
    }
}

pub(crate) type Run<T> = Result<T, Box<ExecError>>;

impl<'a> Exec<'a> {
    /// Prepares a run. `host` is what functions of the embedding crate need; they get it by type.
    pub fn new(
        registry: &'a Registry,
        base: &'a TemplateSet,
        host: &'a dyn Any,
        budget: Budget,
        seed: Option<Seed>,
    ) -> Self {
        Self {
            registry,
            base,
            overlays: Vec::new(),
            texts: HashMap::new(),
            host,
            budget,
            steps: 0,
            written: 0,
            made: 0,
            depth: 0,
            changed: BTreeMap::new(),
            regexes: crate::funcs::Regexes::default(),
            random: crate::funcs::Random::new(seed),
            outside: None,
            next_look: 0,
        }
    }

    /// Lets the run ask the world around it.
    pub fn set_outside(&mut self, outside: Option<&'a dyn Outside>) {
        self.outside = outside;
    }

    /// Returns what the run may ask.
    pub fn outside(&self) -> Option<&'a dyn Outside> {
        self.outside
    }

    pub(crate) fn registry(&self) -> &'a Registry {
        self.registry
    }

    /// Takes as many steps as a costly function is worth.
    ///
    /// # Errors
    /// The budget of steps is used up.
    pub fn charge(&mut self, steps: u64) -> Result<(), Fault> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > self.budget.steps {
            let message = format!("the render took more than {} steps", self.budget.steps);
            return Err(over_budget(message));
        }
        Ok(())
    }

    /// Refuses what is too large or too deep to be written, copied or compared.
    ///
    /// # Errors
    /// The budget for one value is used up.
    pub fn check_value(&mut self, value: &Value) -> Result<(), Fault> {
        if let Value::List(_) | Value::Map(_) = value {
            let weight = value.weigh(self.budget.value).ok_or_else(|| {
                over_budget(
                    "the value is larger or nests deeper than a render may write".to_owned(),
                )
            })?;
            // Looking at a thousand entries is worth as much as a step.
            self.charge(weight as u64 / 1024)?;
        }
        Ok(())
    }

    /// Counts what a function made.
    fn count_made(&mut self, value: &Value) -> Result<(), Fault> {
        let size = match value {
            Value::Str(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::List(list) => list.items().len().saturating_mul(32),
            Value::Map(map) => map.len().saturating_mul(64),
            _ => return Ok(()),
        };
        self.made = self.made.saturating_add(size);
        let text = matches!(value, Value::Str(_) | Value::Bytes(_));
        if text && size > self.budget.value {
            let message = format!("a text has more than {} bytes", self.budget.value);
            return Err(over_budget(message));
        }
        if self.made > self.budget.made {
            let message = format!("functions made more than {} bytes", self.budget.made);
            return Err(over_budget(message));
        }
        Ok(())
    }

    /// Remembers a map that was changed in place.
    pub fn note_change(&mut self, map: &Map) {
        self.changed
            .entry(map.address())
            .or_insert_with(|| map.clone());
    }

    /// Returns what the embedding crate handed in.
    pub fn host<T: 'static>(&self) -> Option<&'a T> {
        self.host.downcast_ref()
    }

    pub(crate) fn regexes(&mut self) -> &mut crate::funcs::Regexes {
        &mut self.regexes
    }

    /// Returns the source of randomness.
    pub fn random(&mut self) -> &mut crate::funcs::Random {
        &mut self.random
    }

    /// Runs the template `name` over `data` and returns what it writes.
    pub fn run(&mut self, name: &str, data: &Value) -> Run<String> {
        let Some(template) = self.find(name) else {
            return Err(Box::new(ExecError {
                location: String::new(),
                template: String::new(),
                context: String::new(),
                message: format!("no template {name:?} associated with template \"gotpl\""),
                source: None,
                from_function: false,
                cause: Cause::Template,
            }));
        };
        self.run_template(&template, data)
    }

    /// Reads `text` as a template called `name`, runs it over `data`; what it defines is known only
    /// while it runs.
    pub fn run_text(&mut self, name: &str, text: &Str, data: &Value) -> Result<String, Fault> {
        if !text.contains("{{") {
            return Ok(text.to_string());
        }
        let templates = match self.texts.get(text) {
            Some(known) => known.clone(),
            None => {
                let read = parse::parse(name, text, self.registry).map_err(|error| {
                    Fault::new(format!(
                        "cannot parse template {}: {error}",
                        crate::quote::quote(shown(text))
                    ))
                })?;
                let read = Arc::new(read);
                self.charge(text.len() as u64 / 16)?;
                if self.texts.len() >= MAX_TEXTS {
                    self.texts.clear();
                }
                self.texts.insert(text.clone(), read.clone());
                read
            }
        };
        let Some((main, defined)) = templates.split_last() else {
            return Ok(String::new());
        };
        if !defined.is_empty() {
            let mut overlay = TemplateSet::default();
            for template in defined {
                let empty = parse::ast::is_empty(&template.body);
                if !(empty && self.find(&template.name).is_some()) {
                    overlay.add(template.clone());
                }
            }
            self.overlays.push(overlay);
        }
        let result = self.run_template(main, data);
        if !defined.is_empty() {
            self.overlays.pop();
        }
        result.map_err(|error| Fault {
            message: format!(
                "error during tpl function execution for {}: ",
                crate::quote::quote(shown(text))
            ),
            source: Some(error),
        })
    }

    fn find(&self, name: &str) -> Option<Arc<Template>> {
        self.overlays
            .iter()
            .rev()
            .find_map(|overlay| overlay.get(name))
            .or_else(|| self.base.get(name))
            .cloned()
    }

    fn run_template(&mut self, template: &Arc<Template>, data: &Value) -> Run<String> {
        let mut out = String::new();
        self.run_into(template, data, &mut out)?;
        Ok(out)
    }

    fn run_into(&mut self, template: &Template, data: &Value, out: &mut String) -> Run<()> {
        if self.depth >= self.budget.depth {
            return Err(limit(
                template,
                0,
                format!("exceeded maximum template depth ({})", self.budget.depth),
            ));
        }
        self.depth += 1;
        let mut frame = Frame {
            template,
            vars: vec![data.clone()],
        };
        // Templates nest as deep as the budget says, whatever the stack of this thread is.
        let result = stacker::maybe_grow(2 << 20, 8 << 20, || {
            self.walk(&mut frame, data, &template.body, out)
        });
        self.depth -= 1;
        result.map(|_| ())
    }

    fn step(&mut self, frame: &Frame<'_>, pos: u32) -> Run<()> {
        self.steps += 1;
        if self.steps > self.budget.steps {
            let message = format!("the render took more than {} steps", self.budget.steps);
            return Err(limit(frame.template, pos, message));
        }
        if self.steps >= self.next_look {
            self.next_look = self.steps + LOOK;
            if let Some(reason) = self.outside.and_then(Outside::stop) {
                return Err(limit(frame.template, pos, reason));
            }
        }
        Ok(())
    }

    fn walk(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        block: &Block,
        out: &mut String,
    ) -> Run<Flow> {
        for node in block {
            match node {
                Node::Text(text) => {
                    out.push_str(text);
                    self.count_output(frame, text.len())?;
                }
                Node::Action(pipe) => {
                    self.step(frame, pipe.pos)?;
                    let value = self.pipe(frame, dot, pipe)?;
                    if pipe.decl.is_empty() {
                        let before = out.len();
                        self.check_value(&value)
                            .map_err(|fault| limit(frame.template, pipe.pos, fault.text()))?;
                        print(out, &value);
                        self.count_output(frame, out.len() - before)?;
                    }
                }
                Node::If(branch) => {
                    self.step(frame, branch.pipe.pos)?;
                    let value = self.pipe(frame, dot, &branch.pipe)?;
                    let chosen = if value.is_true() {
                        &branch.body
                    } else {
                        &branch.otherwise
                    };
                    match self.walk(frame, dot, chosen, out)? {
                        Flow::Next => {}
                        flow => return Ok(flow),
                    }
                }
                Node::With(branch) => {
                    self.step(frame, branch.pipe.pos)?;
                    let value = self.pipe(frame, dot, &branch.pipe)?;
                    let flow = if value.is_true() {
                        self.walk(frame, &value, &branch.body, out)?
                    } else {
                        self.walk(frame, dot, &branch.otherwise, out)?
                    };
                    match flow {
                        Flow::Next => {}
                        flow => return Ok(flow),
                    }
                }
                Node::Range(branch) => match self.range(frame, dot, branch, out)? {
                    Flow::Next => {}
                    flow => return Ok(flow),
                },
                Node::Template { name, pipe, pos } => {
                    self.step(frame, *pos)?;
                    let Some(template) = self.find(name) else {
                        let message = format!("template {name:?} not defined");
                        let shown = match pipe {
                            Some(pipe) => format!("{{{{template {name:?} {pipe}}}}}"),
                            None => format!("{{{{template {name:?}}}}}"),
                        };
                        return Err(at(frame.template, *pos, shown, message));
                    };
                    let data = match pipe {
                        Some(pipe) => self.pipe(frame, dot, pipe)?,
                        None => Value::Nil,
                    };
                    self.run_into(&template, &data, out)?;
                }
                Node::Break => return Ok(Flow::Break),
                Node::Continue => return Ok(Flow::Continue),
            }
        }
        Ok(Flow::Next)
    }

    fn count_output(&mut self, frame: &Frame<'_>, bytes: usize) -> Run<()> {
        self.written = self.written.saturating_add(bytes);
        if self.written > self.budget.output {
            let message = format!("the render wrote more than {} bytes", self.budget.output);
            return Err(limit(frame.template, 0, message));
        }
        Ok(())
    }

    fn range(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        branch: &Branch,
        out: &mut String,
    ) -> Run<Flow> {
        self.step(frame, branch.pipe.pos)?;
        let value = self.pipe(frame, dot, &branch.pipe)?;
        let mut any = false;
        let mut iterate = |exec: &mut Self, frame: &mut Frame<'_>, key: Value, item: Value| {
            any = true;
            exec.step(frame, branch.pipe.pos)?;
            if branch.pipe.decl.iter().any(|(slot, _)| *slot == UNDEFINED) {
                let shown = branch.pipe.to_string();
                let message = "undefined variable".to_owned();
                return Err(at(frame.template, branch.pipe.pos, shown, message));
            }
            match branch.pipe.decl.as_slice() {
                [] => {}
                [(slot, _)] => frame.set(*slot, item.clone()),
                [(first, _), (second, _), ..] => {
                    frame.set(*first, key);
                    frame.set(*second, item.clone());
                }
            }
            exec.walk(frame, &item, &branch.body, out)
        };
        match &value {
            Value::List(list) => {
                for (index, item) in list.items().iter().enumerate() {
                    let key = Value::Int(index as i64);
                    if let Flow::Break = iterate(self, frame, key, item.clone())? {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                for (key, item) in map.snapshot() {
                    if let Flow::Break = iterate(self, frame, Value::Str(key), item)? {
                        break;
                    }
                }
            }
            Value::Bytes(bytes) => {
                for (index, byte) in bytes.iter().enumerate() {
                    let item = Value::Int(i64::from(*byte));
                    if let Flow::Break = iterate(self, frame, Value::Int(index as i64), item)? {
                        break;
                    }
                }
            }
            Value::Int(count) | Value::Int64(count) => {
                if branch.pipe.decl.len() > 1 {
                    let message = format!(
                        "can't use {} to iterate over more than one variable",
                        crate::fmt::to_text(&value)
                    );
                    return Err(self.range_error(frame, branch, message));
                }
                for number in 0..*count {
                    let item = Value::Int(number);
                    if let Flow::Break = iterate(self, frame, item.clone(), item)? {
                        break;
                    }
                }
            }
            Value::Nil => {}
            Value::Object(object) if object.entries().is_some() => {
                for (key, item) in object.entries().unwrap_or_default() {
                    if let Flow::Break = iterate(self, frame, Value::Str(key), item)? {
                        break;
                    }
                }
            }
            other => {
                let message = format!("range can't iterate over {}", crate::fmt::to_text(other));
                return Err(self.range_error(frame, branch, message));
            }
        }
        if any {
            return Ok(Flow::Next);
        }
        self.walk(frame, dot, &branch.otherwise, out)
    }

    #[expect(clippy::unused_self, reason = "reads better beside its callers")]
    fn range_error(&self, frame: &Frame<'_>, branch: &Branch, message: String) -> Box<ExecError> {
        match eval::last_of_pipe(&branch.pipe) {
            Some(last) => at(frame.template, last.pos, last.to_string(), message),
            None => at(
                frame.template,
                branch.pipe.pos,
                branch.pipe.to_string(),
                message,
            ),
        }
    }
}

fn print(out: &mut String, value: &Value) {
    if value.is_nil() {
        out.push_str("<no value>");
    } else {
        print_value(out, value);
    }
}

pub(crate) fn at(
    template: &Template,
    pos: u32,
    context: String,
    message: String,
) -> Box<ExecError> {
    let source: &Source = &template.source;
    Box::new(ExecError {
        location: source.location(pos),
        template: template.name.to_string(),
        context,
        message,
        source: None,
        from_function: false,
        cause: Cause::Template,
    })
}

fn limit(template: &Template, pos: u32, message: String) -> Box<ExecError> {
    let mut error = at(template, pos, template.name.to_string(), message);
    error.cause = Cause::Limit;
    error
}
