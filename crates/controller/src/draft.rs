//! The draft of an Application that one pass fills and patches once.

use std::collections::BTreeMap;

use driftless_api::Application;
use driftless_api::application::{Condition, ConditionType, Status, condition};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::fit::fit;

/// What one pass wants to change about an Application.
#[derive(Debug)]
pub struct Draft {
    before: Value,
    /// The version of the Application that the draft was made from, then the one it led to.
    pub resource_version: String,
    /// The new status.
    pub status: Status,
    /// Annotations to set (`Some`) or remove (`None`).
    pub annotations: BTreeMap<String, Option<String>>,
    /// The finalizers to have, where they change.
    pub finalizers: Option<Vec<String>>,
    /// Whether the requested operation is done with.
    pub clear_operation: bool,
    evaluated: Vec<ConditionType>,
    found: Vec<Condition>,
}

impl Draft {
    /// Starts from what the Application says now.
    pub fn new(app: &Application) -> Self {
        let status = app.status.as_deref().cloned().unwrap_or_default();
        Self {
            before: serde_json::to_value(&status).unwrap_or_default(),
            resource_version: app.metadata.resource_version.clone(),
            status,
            annotations: BTreeMap::new(),
            finalizers: None,
            clear_operation: false,
            evaluated: Vec::new(),
            found: Vec::new(),
        }
    }

    /// Declares that this pass decides about conditions of these types: those it does not find again go away.
    pub fn evaluates(&mut self, types: &[ConditionType]) {
        self.evaluated.extend_from_slice(types);
    }

    /// Adds a condition.
    pub fn condition(&mut self, kind: ConditionType, message: impl Into<String>) {
        self.add(Condition::new(kind, message));
    }

    /// Adds a condition that is already built.
    pub fn add(&mut self, condition: Condition) {
        self.evaluated.push(condition.kind.clone());
        if !self
            .found
            .iter()
            .any(|known| known.kind == condition.kind && known.message == condition.message)
        {
            self.found.push(condition);
        }
    }

    /// Returns the sync and health status as they were last taken for a patch; empty when there were none.
    pub fn shown(&self) -> [String; 2] {
        ["/sync/status", "/health/status"].map(|path| {
            let text = self.before.pointer(path).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        })
    }

    /// Removes an annotation.
    pub fn remove_annotation(&mut self, key: &str) {
        self.annotations.insert(key.to_owned(), None);
    }

    /// Returns the JSON merge patch that brings the Application to the draft, `None` when nothing changes. A status that the
    /// API server has no room for is cut, and says so.
    /// The draft goes on from there: a second call tells only what changed since.
    pub fn take_patch(&mut self, now: Timestamp) -> Option<Value> {
        let mut found = std::mem::take(&mut self.found);
        let mut evaluated = std::mem::take(&mut self.evaluated);
        let mut after = serde_json::to_value(&self.status).unwrap_or_default();
        if let Some(words) = fit(&mut after) {
            evaluated.push(ConditionType::UnknownError);
            found.push(Condition::new(ConditionType::UnknownError, words));
        }
        condition::merge(&mut self.status.conditions, &evaluated, found, now.into());
        if let Some(after) = after.as_object_mut() {
            after.remove("conditions");
            if !self.status.conditions.is_empty() {
                after.insert("conditions".to_owned(), json!(self.status.conditions));
            }
        }
        let status = driftless_manifest::merge_patch::create(&self.before, &after);
        let mut patch = Map::new();
        if status.as_object().is_some_and(|status| !status.is_empty()) {
            patch.insert("status".to_owned(), status);
        }
        self.before = after;
        if !self.annotations.is_empty() {
            let annotations = std::mem::take(&mut self.annotations);
            patch.insert("metadata".to_owned(), json!({ "annotations": annotations }));
        }
        if let Some(finalizers) = self.finalizers.take() {
            let metadata = patch.entry("metadata").or_insert_with(|| json!({}));
            metadata["finalizers"] = json!(finalizers);
        }
        if std::mem::take(&mut self.clear_operation) {
            patch.insert("operation".to_owned(), Value::Null);
        }
        (!patch.is_empty()).then_some(Value::Object(patch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use driftless_api::application::{SyncStatus, SyncStatusCode};

    fn app() -> Application {
        serde_json::from_value(json!({
            "metadata": {"name": "a", "namespace": "argocd"},
            "spec": {"destination": {}},
            "status": {
                "sync": {"status": "OutOfSync", "revision": "old", "fromTheFuture": 1},
                "conditions": [{"type": "SyncError", "message": "no", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
            },
        }))
        .unwrap()
    }

    #[test]
    fn an_unchanged_draft_patches_nothing() {
        assert_eq!(Draft::new(&app()).take_patch(Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn only_what_changed_is_patched_and_only_once() {
        let mut draft = Draft::new(&app());
        let sync = draft
            .status
            .sync
            .get_or_insert_with(|| Box::new(SyncStatus::default()));
        sync.status = SyncStatusCode::Synced;
        draft.remove_annotation("argocd.argoproj.io/refresh");
        draft.clear_operation = true;
        assert_eq!(
            draft.take_patch(Timestamp::UNIX_EPOCH),
            Some(json!({
                "status": {"sync": {"status": "Synced"}},
                "metadata": {"annotations": {"argocd.argoproj.io/refresh": null}},
                "operation": null,
            }))
        );
        assert_eq!(draft.take_patch(Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn conditions_keep_their_time_and_go_when_not_found_again() {
        let mut draft = Draft::new(&app());
        draft.condition(ConditionType::SyncError, "no");
        assert_eq!(
            draft.take_patch(Timestamp::UNIX_EPOCH),
            None,
            "same text, same time"
        );
        draft.evaluates(&[ConditionType::SyncError]);
        assert_eq!(
            draft.take_patch(Timestamp::UNIX_EPOCH),
            Some(json!({"status": {"conditions": null}}))
        );
    }
}
