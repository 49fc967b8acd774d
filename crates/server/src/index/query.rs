//! Searching, filtering, counting, sorting and paging.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use super::selector::Selector;
use super::summary::{Summary, Symbol, Symbols};
use crate::error::ApiError;
use crate::transport::Query;

/// A dimension that lists filter and count by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Facet {
    /// Health status.
    Health,
    /// Sync status.
    Sync,
    /// Project.
    Project,
    /// Cluster, by the name people use.
    Cluster,
    /// Namespace objects are deployed to.
    Namespace,
    /// Repository of the first source.
    Repo,
}

impl Facet {
    /// How many there are.
    pub const COUNT: usize = 6;
    const ALL: [(Self, &'static str); Self::COUNT] = [
        (Self::Health, "health"),
        (Self::Sync, "sync"),
        (Self::Project, "project"),
        (Self::Cluster, "cluster"),
        (Self::Namespace, "namespace"),
        (Self::Repo, "repo"),
    ];
}

/// Order of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sort {
    /// By name.
    #[default]
    Name,
    /// Worst first.
    Health,
    /// Out of sync first.
    Sync,
    /// By project.
    Project,
    /// Latest first.
    Activity,
    /// Newest first.
    Created,
}

/// A list request.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    words: Vec<String>,
    name: Option<String>,
    app_namespace: Option<String>,
    wanted: [Vec<String>; Facet::COUNT],
    selector: Option<Selector>,
    sort: Sort,
    descending: bool,
    offset: usize,
    limit: Option<usize>,
}

impl ListQuery {
    /// Reads a request's parameters.
    pub fn from_query(query: &Query) -> Result<Self, ApiError> {
        let mut wanted: [Vec<String>; Facet::COUNT] = Default::default();
        for ((_, name), values) in Facet::ALL.iter().zip(wanted.iter_mut()) {
            // A value may be empty: apps without a namespace.
            values.extend(query.all(name).map(str::to_owned));
            if *name == "project" {
                values.extend(query.all("projects").map(str::to_owned));
            }
            if values.iter().all(String::is_empty) && matches!(*name, "project" | "repo") {
                values.clear();
            }
        }
        let sort = query.text("sort").unwrap_or("name");
        let (descending, key) = match sort.strip_prefix('-') {
            Some(key) => (true, key),
            None => (false, sort),
        };
        let sort = match key {
            "name" => Sort::Name,
            "health" => Sort::Health,
            "sync" => Sort::Sync,
            "project" => Sort::Project,
            "activity" => Sort::Activity,
            "created" => Sort::Created,
            other => {
                return Err(ApiError::invalid(format!(
                    "parameter sort: unknown key {other:?}"
                )));
            }
        };
        Ok(Self {
            words: query
                .text("search")
                .unwrap_or_default()
                .to_lowercase()
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            name: query.text("name").map(str::to_owned),
            app_namespace: query.text("appNamespace").map(str::to_owned),
            wanted,
            selector: query.text("selector").map(Selector::parse).transpose()?,
            sort,
            descending,
            offset: query.number("offset")?.unwrap_or(0) as usize,
            limit: query.number("limit")?.map(|limit| limit as usize),
        })
    }

    /// Says whether the request asks for a page, and so wants totals and counts.
    pub fn is_paged(&self) -> bool {
        self.limit.is_some()
    }

    /// Says whether an Application passes every filter.
    pub fn matches(&self, summary: &Summary) -> bool {
        let repo = summary.app().spec.effective_sources();
        let value = |facet: Facet| match facet {
            Facet::Health => summary.app().health_status().as_str(),
            Facet::Sync => summary.app().sync_status().as_str(),
            Facet::Project => summary.app().spec.project(),
            Facet::Cluster => super::summary::cluster_of(summary.app()),
            Facet::Namespace => summary.app().spec.destination.namespace.as_str(),
            Facet::Repo => repo.first().map_or("", |source| source.repo_url.as_str()),
        };
        let passes = |(facet, values): (&(Facet, &str), &Vec<String>)| {
            values.is_empty() || values.iter().any(|wanted| wanted == value(facet.0))
        };
        self.passes_text(summary) && Facet::ALL.iter().zip(&self.wanted).all(passes)
    }

    fn passes_text(&self, summary: &Summary) -> bool {
        let id = summary.id();
        self.name.as_ref().is_none_or(|name| **name == *id.name)
            && self
                .app_namespace
                .as_ref()
                .is_none_or(|namespace| **namespace == *id.namespace)
            && self
                .words
                .iter()
                .all(|word| summary.search().contains(word.as_str()))
            && self
                .selector
                .as_ref()
                .is_none_or(|selector| selector.matches(&summary.app().metadata.labels))
    }
}

/// How many Applications carry each value of a dimension.
pub type Counts = BTreeMap<String, usize>;

/// An answer.
#[derive(Default)]
pub struct Page {
    /// What was asked for.
    pub items: Vec<Arc<Summary>>,
    /// How many pass the filters, on all pages.
    pub total: usize,
    /// Counts per dimension, each as if it alone were not filtered.
    pub facets: Facets,
    /// Version that covers the items.
    pub version: u64,
}

/// Counts of all dimensions.
#[derive(Default, Serialize)]
pub struct Facets(BTreeMap<&'static str, Counts>);

pub(super) fn answer<'a>(
    all: impl Iterator<Item = &'a Arc<Summary>>,
    symbols: &Symbols,
    query: &ListQuery,
    visible: Option<&dyn Fn(&Summary) -> bool>,
) -> Page {
    let wanted: [Option<BTreeSet<Symbol>>; Facet::COUNT] = std::array::from_fn(|at| {
        let values = query.wanted.get(at).filter(|values| !values.is_empty())?;
        Some(
            values
                .iter()
                .filter_map(|value| symbols.find(value))
                .collect(),
        )
    });
    let mut counts: [Vec<u32>; Facet::COUNT] = std::array::from_fn(|_| vec![0; symbols.len()]);
    let mut found: Vec<&Arc<Summary>> = Vec::new();
    for summary in all {
        if !query.passes_text(summary) || visible.is_some_and(|visible| !visible(summary)) {
            continue;
        }
        let mut failing = 0;
        let mut last_failing = 0;
        for (at, (facet, _)) in Facet::ALL.iter().enumerate() {
            let passes = wanted
                .get(at)
                .and_then(Option::as_ref)
                .is_none_or(|wanted| wanted.contains(&summary.facet(*facet)));
            if !passes {
                failing += 1;
                last_failing = at;
            }
        }
        for (at, (facet, _)) in Facet::ALL.iter().enumerate() {
            let counts_here = failing == 0 || (failing == 1 && last_failing == at);
            let slot = counts
                .get_mut(at)
                .and_then(|row| row.get_mut(summary.facet(*facet) as usize));
            if let (true, Some(slot)) = (counts_here, slot) {
                *slot += 1;
            }
        }
        if failing == 0 {
            found.push(summary);
        }
    }
    sort(&mut found, symbols, query);
    let total = found.len();
    let limit = query.limit.unwrap_or(usize::MAX);
    Page {
        items: found
            .into_iter()
            .skip(query.offset)
            .take(limit)
            .cloned()
            .collect(),
        total,
        facets: named(&counts, symbols),
        version: 0,
    }
}

/// Sorts what comes in by name; equal ones stay so.
fn sort(found: &mut [&Arc<Summary>], symbols: &Symbols, query: &ListQuery) {
    match query.sort {
        Sort::Name => {}
        Sort::Health => found.sort_by_key(|summary| summary.ranks().0),
        Sort::Sync => found.sort_by_key(|summary| summary.ranks().1),
        Sort::Project => found.sort_by(|a, b| {
            let project =
                |summary: &Summary| symbols.text(summary.facet(Facet::Project)).to_owned();
            if a.facet(Facet::Project) == b.facet(Facet::Project) {
                std::cmp::Ordering::Equal
            } else {
                project(a).cmp(&project(b))
            }
        }),
        Sort::Activity => found.sort_by_key(|summary| std::cmp::Reverse(summary.activity())),
        Sort::Created => found.sort_by_key(|summary| std::cmp::Reverse(summary.created())),
    }
    if query.descending {
        found.reverse();
    }
}

fn named(counts: &[Vec<u32>; Facet::COUNT], symbols: &Symbols) -> Facets {
    let named = Facet::ALL.iter().zip(counts).map(|((_, name), row)| {
        let nonzero = row.iter().enumerate().filter(|(_, count)| **count > 0);
        let counts: Counts = nonzero
            .map(|(symbol, count)| (symbols.text(symbol as Symbol).to_owned(), *count as usize))
            .collect();
        (*name, counts)
    });
    Facets(named.collect())
}
