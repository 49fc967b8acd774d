//! `sortOptions`.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::config::install_order;
use crate::error::{Error, Result};
use crate::id::{Gvk, ResId};
use crate::kustomization::SortOptions;
use crate::set::Set;

/// Sorts the objects as the options say.
pub(crate) fn run(set: &mut Set, options: &SortOptions) -> Result<()> {
    match options.order.as_str() {
        "fifo" if options.legacy.is_some() => Err(Error::new(
            "the field 'sortOptions.legacySortOptions' is set but the selected sort order is 'fifo', not 'legacy'",
        )),
        "fifo" => Ok(()),
        "legacy" => {
            let strings = |list: &[&str]| list.iter().map(|kind| (*kind).to_owned()).collect();
            let (first, last) = options.legacy.clone().unwrap_or_else(|| {
                let (first, last) = install_order();
                (strings(first), strings(last))
            });
            sort(set, &first, &last);
            Ok(())
        }
        _ => Err(Error::new(
            "the field 'sortOptions.order' must be one of [fifo, legacy]",
        )),
    }
}

fn sort(set: &mut Set, first: &[String], last: &[String]) {
    let mut ranks: HashMap<&str, i64> = HashMap::new();
    for (at, kind) in first.iter().enumerate() {
        ranks.insert(kind, at as i64 - first.len() as i64);
    }
    for (at, kind) in last.iter().enumerate() {
        ranks.insert(kind, at as i64 + 1);
    }
    set.list.sort_by(|a, b| compare(a.id(), b.id(), &ranks));
}

fn compare(a: &ResId, b: &ResId, ranks: &HashMap<&str, i64>) -> Ordering {
    if a.gvk == b.gvk {
        return id_text(a).cmp(&id_text(b));
    }
    let rank = |gvk: &Gvk| ranks.get(gvk.kind.as_str()).copied().unwrap_or_default();
    rank(&a.gvk).cmp(&rank(&b.gvk)).then_with(|| {
        let texts = a.gvk.sort_text().cmp(&b.gvk.sort_text());
        let both_namespaces = a.gvk.kind == "Namespace" && b.gvk.kind == "Namespace";
        if both_namespaces && (a.gvk.group.is_empty() || b.gvk.group.is_empty()) {
            texts.reverse()
        } else {
            texts
        }
    })
}

fn id_text(id: &ResId) -> String {
    let or = |text: &str, none: &str| {
        if text.is_empty() {
            none.to_owned()
        } else {
            text.to_owned()
        }
    };
    format!(
        "{}|{}|{}",
        id.gvk,
        or(&id.namespace, "~X"),
        or(&id.name, "~N")
    )
}
