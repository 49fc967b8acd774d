//! Templates of a chart and its subcharts, run over their values.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use driftless_gotemplate::value::Entries;
use driftless_gotemplate::{
    Budget, Cause, Exec, ExecError, Map, MapKind, Outside, ParseError, Registry, Seed, Str,
    Template, TemplateSet, Value,
};
use parking_lot::Mutex;

use crate::chart::{Chart, File, ParsedFile};
use crate::error::Error;
use crate::files::Files;
use crate::funcs::{self, FAIL_END, FAIL_START, Host};

/// How many parsed files an engine keeps.
const MAX_CACHED: usize = 20_000;
/// How much text those may come from.
const MAX_CACHED_BYTES: usize = 64 << 20;

/// The templates that one file defines.
pub(crate) type Parsed = Arc<Vec<Arc<Template>>>;

/// Renders charts. It keeps parsed templates, so one engine is to be used for many renders; it holds
/// nothing that depends on values.
pub struct Engine {
    registry: Registry,
    parsed: Mutex<HashMap<(Str, Str), Parsed>>,
    parsed_size: Mutex<usize>,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            registry: funcs::registry(),
            parsed: Mutex::new(HashMap::new()),
            parsed_size: Mutex::new(0),
        }
    }
}

struct Source {
    file: File,
    data: Map,
    base_path: String,
}

impl Engine {
    /// Renders every template; the result maps a template's path to what it wrote.
    pub(crate) fn render(
        &self,
        chart: &Chart,
        top: &Map,
        budget: Budget,
        seed: Option<Seed>,
        outside: Option<&dyn Outside>,
    ) -> Result<BTreeMap<String, String>, Error> {
        let mut sources = BTreeMap::new();
        collect(chart, top, chart.name().to_owned(), true, &mut sources);
        let mut order: Vec<&String> = sources.keys().collect();
        // Deeper paths first, so that a parent's definitions replace its subcharts'.
        order.sort_by(|a, b| {
            let depth = |path: &str| path.matches('/').count();
            depth(b).cmp(&depth(a)).then_with(|| b.cmp(a))
        });
        let mut set = TemplateSet::default();
        for name in &order {
            if let Some(source) = sources.get(*name) {
                for template in self.parse_file(name, &source.file)?.iter() {
                    set.add(template.clone());
                }
            }
        }
        let host = Host::default();
        let mut exec = Exec::new(&self.registry, &set, &host, budget, seed);
        exec.set_outside(outside);
        let mut rendered = BTreeMap::new();
        for name in order {
            let Some(source) = sources.get(name) else {
                continue;
            };
            if name
                .rsplit('/')
                .next()
                .is_some_and(|base| base.starts_with('_'))
            {
                continue;
            }
            let template = Value::map([
                ("Name", Value::str(name)),
                ("BasePath", Value::str(&source.base_path)),
            ]);
            source.data.insert(
                "Template",
                match template {
                    Value::Map(map) => Value::Map(map.seen_as(MapKind::Values)),
                    other => other,
                },
            );
            let data = Value::Map(source.data.clone());
            let text = exec
                .run(name, &data)
                .map_err(|error| exec_error(name, &error))?;
            rendered.insert(name.clone(), funcs::without_no_value(text));
        }
        Ok(rendered)
    }

    /// Reads a file once for all renders of its chart; the same text in another copy of the chart is known by its hash.
    fn parse_file(&self, name: &str, file: &File) -> Result<Parsed, Error> {
        if let Some(known) = file.parsed.get().filter(|known| &*known.path == name) {
            return Ok(known.templates.clone());
        }
        let text = Str::from(driftless_gotemplate::bytes::to_text(&file.data).as_ref());
        let templates = self.parse(name, &text)?;
        // A chart that is used under several names is kept for the first of them.
        let _ = file.parsed.set(ParsedFile {
            path: Str::from(name),
            templates: templates.clone(),
        });
        Ok(templates)
    }

    fn parse(&self, name: &str, text: &Str) -> Result<Parsed, Error> {
        let key = (Str::from(name), text.clone());
        if let Some(known) = self.parsed.lock().get(&key) {
            return Ok(known.clone());
        }
        let read = driftless_gotemplate::parse::parse(name, text, &self.registry)
            .map_err(|error| parse_error(&error))?;
        let read = Arc::new(read);
        let mut parsed = self.parsed.lock();
        let mut size = self.parsed_size.lock();
        if parsed.len() >= MAX_CACHED || *size > MAX_CACHED_BYTES {
            parsed.clear();
            *size = 0;
        }
        *size += text.len();
        parsed.insert(key, read.clone());
        Ok(read)
    }
}

/// Adds the templates of a chart and its subcharts with the data each sees; returns that data.
fn collect(
    chart: &Chart,
    parent: &Map,
    path: String,
    is_root: bool,
    out: &mut BTreeMap<String, Source>,
) -> Map {
    let get = |name: &str| parent.get(name).unwrap_or_default();
    let values = match parent.get("Values") {
        Some(Value::Map(values)) if is_root => values,
        Some(Value::Map(values)) => match values.get(chart.name()) {
            Some(Value::Map(table)) => table,
            _ => Map::default(),
        },
        _ => Map::default(),
    };
    let subcharts = Map::default();
    let mut entries = Entries::new();
    for (key, value) in [
        ("Chart", chart.metadata.to_value(is_root)),
        ("Files", Value::Object(Rc::new(Files::new(&chart.files)))),
        ("Release", get("Release")),
        ("Capabilities", get("Capabilities")),
        ("Values", Value::Map(values.seen_as(MapKind::Values))),
        ("Subcharts", Value::Map(subcharts.clone())),
    ] {
        entries.insert(Str::from(key), value);
    }
    let data = Map::new(entries);
    for subchart in &chart.dependencies {
        let path = format!("{path}/charts/{}", subchart.name());
        let inner = collect(subchart, &data, path, false, out);
        subcharts.insert(subchart.name(), Value::Map(inner));
    }
    for file in &chart.templates {
        let partial = file
            .name
            .rsplit('/')
            .next()
            .is_some_and(|base| base.starts_with('_'));
        if chart.is_library() && !partial {
            continue;
        }
        let source = Source {
            file: file.clone(),
            data: data.clone(),
            base_path: format!("{path}/templates"),
        };
        out.insert(format!("{path}/{}", file.name), source);
    }
    data
}

fn parse_error(error: &ParseError) -> Error {
    // Helm keeps the place and what stands after the last colon.
    let last = error.message.rsplit(": ").next().unwrap_or(&error.message);
    Error::Render(format!(
        "parse error at ({}:{}): {last}",
        error.name, error.line
    ))
}

/// Rewrites an error of a template as Helm does: a message of `fail` or `required` with its place, or
/// one paragraph for each template on the way.
fn exec_error(name: &str, error: &ExecError) -> Error {
    let wrap = if error.cause == Cause::Limit {
        Error::Limit
    } else {
        Error::Render
    };
    let text = error.to_string();
    let mut parts = text.splitn(3, ": ");
    let (Some(_), Some(location), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return wrap(format!("execution error in ({name}): {text}"));
    };
    let failed = rest
        .find(FAIL_START)
        .zip(rest.rfind(FAIL_END))
        .and_then(|(start, end)| rest.get(start + FAIL_START.len()..end));
    if let Some(message) = failed {
        return wrap(format!("execution error at ({location}): {message}"));
    }
    let mut levels: Vec<String> = Vec::new();
    let mut current = Some(error);
    while let Some(level) = current {
        if level.from_function {
            return wrap(text);
        }
        let shown = paragraph(level);
        if levels.last() != Some(&shown) {
            levels.push(shown);
        }
        current = level.source.as_deref();
    }
    wrap(levels.concat().trim().to_owned())
}

fn paragraph(error: &ExecError) -> String {
    if error.location.is_empty() {
        return format!("template: {}\n", error.message);
    }
    let message = match error.message.find(" template:") {
        Some(at) => error.message.get(..at).unwrap_or_default(),
        None => error.message.trim_end(),
    };
    format!(
        "{}\n  executing {:?} at <{}>:\n    {message}\n",
        error.location, error.template, error.context
    )
}
