//! What is known of one object of an Application.

use driftless_api::application::SyncStatusCode;
use driftless_core::{GroupVersionKind, ResourceKey};
use driftless_engine::annotation::Annotations;
use driftless_engine::diff::{self};
use driftless_engine::health::Health;
use driftless_engine::sync::option::Guard;
use driftless_kube::live::Digests;

use crate::handover::{Course, Release};

/// One object of an Application.
#[derive(Clone, Debug)]
pub struct ObjectStatus {
    /// Identity.
    pub key: ResourceKey,
    /// Kind at the version Git (or else the cluster) uses.
    pub gvk: GroupVersionKind,
    /// The verdict; `None` for objects that are not compared (hooks).
    pub status: Option<SyncStatusCode>,
    /// Whether it is in the cluster.
    pub is_live: bool,
    /// Whether it is in Git.
    pub is_desired: bool,
    /// Whether it is to be deleted.
    pub requires_pruning: bool,
    /// Whether it is extra and may be so (`IgnoreExtraneous`): the Application is not out of sync because of it.
    pub may_be_extra: bool,
    /// Whether its annotations want somebody to confirm its deletion.
    pub wants_confirmation: bool,
    /// Whether it is a hook.
    pub hook: bool,
    /// Whether Git says that it runs before (`.0`) or after (`.1`) the Application's objects are deleted.
    pub deletion_hook: (bool, bool),
    /// Its wave.
    pub wave: i32,
    /// Whether it is left out of the Application's health.
    pub ignore_health: bool,
    /// How it is.
    pub health: Option<Health>,
    /// Images it runs.
    pub images: Vec<String>,
    /// Addresses at which people reach it.
    pub external_urls: Vec<String>,
    /// Which fields differ, bounded, for logs and the API.
    pub differing: Vec<String>,
    /// What to tell when the live object belongs to another Application.
    pub(super) shared: Option<String>,
    /// The rollout that moves it from version to version, and what has become of the desired one.
    pub release: Option<Release>,
    /// Whether it is not as what serves instead of a version that is kept out.
    drifted: bool,
    /// The two sides the verdict is about.
    pub(super) sides: (Option<u64>, Option<Digests>),
}

impl ObjectStatus {
    /// Says whether it runs another version than Git says because the rollout keeps that one out, and is otherwise as it
    /// should be.
    pub fn is_quarantined(&self) -> bool {
        let course = self.release.as_ref().map(|release| &release.course);
        self.is_live && matches!(course, Some(Course::Quarantined(_))) && !self.drifted
    }

    /// Takes over how it compares with what serves instead of a version that is kept out.
    pub(crate) fn take_held(&mut self, verdict: &diff::Comparison) {
        self.drifted = verdict.is_modified();
        let kept_out = self.release.as_ref().and_then(Release::difference);
        let differences = verdict.differences.iter().map(ToString::to_string);
        self.differing = kept_out.into_iter().chain(differences).collect();
    }

    /// Leaves it there although Git does not have it: pods of a rollout's target use it.
    pub(super) fn keep(&mut self) {
        if self.requires_pruning {
            self.requires_pruning = false;
            self.status = Some(SyncStatusCode::Synced);
        }
    }

    /// Takes over a verdict.
    pub(super) fn take(&mut self, verdict: &diff::Comparison) {
        let differences = verdict.differences.iter();
        self.differing = differences.map(ToString::to_string).collect();
        self.status = Some(if verdict.is_modified() {
            SyncStatusCode::OutOfSync
        } else {
            SyncStatusCode::Synced
        });
    }

    /// Says whether the verdict is about these sides, the live one's status apart.
    pub(crate) fn is_about(&self, sides: (Option<u64>, Option<Digests>)) -> bool {
        let content = |side: Option<Digests>| side.map(|digests| digests.content);
        self.sides.0 == sides.0 && content(self.sides.1) == content(sides.1)
    }
}

/// Says whether an object's annotations want somebody to confirm its deletion.
pub(super) fn wants_confirmation(annotations: &Annotations) -> bool {
    let options = &annotations.options;
    options.prune == Guard::Confirm || options.delete == Guard::Confirm
}

pub(super) fn base(
    key: &ResourceKey,
    gvk: GroupVersionKind,
    annotations: &Annotations,
    sides: (Option<u64>, Option<Digests>),
) -> ObjectStatus {
    ObjectStatus {
        key: key.clone(),
        gvk,
        status: None,
        is_live: false,
        is_desired: false,
        requires_pruning: false,
        may_be_extra: false,
        wants_confirmation: wants_confirmation(annotations),
        hook: annotations.hook.is_hook(),
        deletion_hook: (false, false),
        wave: annotations.wave,
        ignore_health: annotations.ignore_healthcheck,
        health: None,
        images: Vec::new(),
        external_urls: Vec::new(),
        differing: Vec::new(),
        shared: None,
        release: None,
        drifted: false,
        sides,
    }
}
