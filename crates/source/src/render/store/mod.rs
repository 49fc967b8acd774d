//! Stored results: packed sets with what they were made from.

mod disk;
mod format;
mod memory;

use std::sync::Arc;

use super::Seen;
use super::rendered::{Diagnostic, PackedSet};
use super::renderer::SharedTrace;
use super::request::SourceType;
use crate::remote::Pin;

pub(super) use disk::Disk;
pub(super) use memory::Memory;

/// One stored result.
pub(super) struct Found {
    pub(super) source_type: SourceType,
    pub(super) diagnostics: Arc<[Diagnostic]>,
    pub(super) trace: SharedTrace,
    /// What was seen of the cluster.
    pub(super) seen: Seen,
    pub(super) set: Arc<PackedSet>,
    /// What was fetched from elsewhere.
    pub(super) pins: Arc<[Pin]>,
}
