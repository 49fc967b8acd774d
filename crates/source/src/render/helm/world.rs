//! What a chart may know besides its source: facts that settings add, the clock, objects of its cluster.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use driftless_core::TreePath;
use driftless_core::tree;
use driftless_gotemplate::{Budget, Outside, Seed, Value, Wanted, data};
use serde::{Deserialize, Serialize};

use super::super::{Ctx, Error, Request, SourceType, lookup_path};

/// The largest object, or list of objects, that is looked up.
const MAX_OBJECT: u64 = 4 << 20;

/// What is known of a release besides its source. The caller puts it below [`Facts::KEY`] of the source's parameters;
/// what users write there has no effect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Facts {
    /// `.Release.Revision`; `.Release.IsUpgrade` when it is above one. Zero for what `helm template` says.
    pub revision: i64,
    /// Makes random functions repeatable: 32 bytes that nobody can guess, in hexadecimal digits.
    pub seed: Option<String>,
    /// Whether `lookup` finds objects; the request's tree has them then ([`lookup_path`]).
    pub lookup: bool,
    /// Longest time of a render in milliseconds; zero for any time.
    pub timeout_ms: u64,
    /// Most steps of a render; zero for the usual number.
    pub max_steps: u64,
    /// Most templates inside each other; zero for the usual number.
    pub max_depth: u64,
    /// Most bytes that a render writes, and its functions make; zero for the usual numbers.
    pub max_bytes: u64,
}

impl Facts {
    /// Where the parameters of a source have them.
    pub const KEY: &str = "driftless";

    pub(super) fn of(request: &Request) -> Result<Self, Error> {
        match request.source.parameters.get(Self::KEY) {
            None | Some(serde_json::Value::Null) => Ok(Self::default()),
            Some(facts) => Self::deserialize(facts).map_err(|error| Error::Section {
                kind: SourceType::Helm,
                problem: error.to_string(),
            }),
        }
    }

    pub(super) fn seed(&self) -> Result<Option<Seed>, Error> {
        let Some(text) = &self.seed else {
            return Ok(None);
        };
        let mut bytes = [0; 32];
        let read = bytes.iter_mut().enumerate().try_for_each(|(index, byte)| {
            *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
            Some(())
        });
        match read {
            Some(()) => Ok(Some(Seed::new(bytes))),
            None => Err(Error::Section {
                kind: SourceType::Helm,
                problem: "the seed is not made of 64 hexadecimal digits".to_owned(),
            }),
        }
    }

    pub(super) fn budget(&self, usual: Budget) -> Budget {
        let or = |set: u64, usual: usize| {
            if set == 0 {
                usual
            } else {
                usize::try_from(set).unwrap_or(usize::MAX)
            }
        };
        Budget {
            steps: if self.max_steps == 0 {
                usual.steps
            } else {
                self.max_steps
            },
            depth: or(self.max_depth, usual.depth),
            output: or(self.max_bytes, usual.output),
            made: or(self.max_bytes, usual.made),
            value: usual.value.min(or(self.max_bytes, usual.value)),
        }
    }
}

/// What a render asks while it runs.
pub(super) struct World<'a> {
    tree: &'a dyn tree::Tree,
    lookup: bool,
    started: Instant,
    limit: Duration,
    /// Why an object could not be read: nothing is known then, which is no mistake of the chart.
    unreadable: RefCell<Option<tree::Error>>,
}

impl<'a> World<'a> {
    pub(super) fn new(cx: &Ctx<'a>, facts: &Facts) -> Self {
        Self {
            tree: cx.tree,
            lookup: facts.lookup,
            started: Instant::now(),
            limit: Duration::from_millis(facts.timeout_ms),
            unreadable: RefCell::new(None),
        }
    }

    /// Returns why the render failed when it was not the chart's doing.
    pub(super) fn failure(&self) -> Option<Error> {
        self.unreadable.take().map(Error::from_tree)
    }

    fn read(&self, path: &TreePath) -> Result<Option<bytes::Bytes>, tree::Error> {
        if !tree::is_file(self.tree, path)? {
            return Ok(None);
        }
        tree::read_file(self.tree, path, MAX_OBJECT).map(Some)
    }
}

impl Outside for World<'_> {
    fn stop(&self) -> Option<String> {
        let is_over = !self.limit.is_zero() && self.started.elapsed() > self.limit;
        is_over.then(|| {
            format!(
                "the render took longer than {} s (driftless.helm.timeout)",
                self.limit.as_secs_f64()
            )
        })
    }

    fn find(&self, wanted: Wanted<'_>) -> Result<Value, String> {
        if !self.lookup {
            return Ok(Value::Nil);
        }
        let shown = format!(
            "{} {} {}/{}",
            wanted.api_version, wanted.kind, wanted.namespace, wanted.name
        );
        let Some(path) = lookup_path(&wanted) else {
            return Err(format!("looking up {shown}: this is no name of an object"));
        };
        match self.read(&path) {
            Ok(None) => Ok(Value::Nil),
            Ok(Some(text)) => data::from_json(&String::from_utf8_lossy(&text))
                .map_err(|error| format!("looking up {shown}: {error}")),
            Err(error) => {
                let message = format!("looking up {shown}: {error}");
                *self.unreadable.borrow_mut() = Some(error);
                Err(message)
            }
        }
    }
}
