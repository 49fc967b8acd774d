//! Pushes, from the moment they are accepted to the Applications they concern.

use std::sync::Arc;

use driftless_api::{Application, annotation};
use driftless_kube::write::PatchType;
use driftless_source::repository::same_repository;
use driftless_source::webhook::Pushed;
use futures::StreamExt;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::mpsc;

use super::access;
use crate::router::Server;

/// Pushes that may wait.
const QUEUE: usize = 10_000;
/// Applications asked to refresh at a time.
const PARALLEL: usize = 8;

/// Pushes that wait for their turn.
pub(crate) struct Pushes {
    sender: mpsc::Sender<Pushed>,
    receiver: Mutex<Option<mpsc::Receiver<Pushed>>>,
}

impl Default for Pushes {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        Self {
            sender,
            receiver: Mutex::new(Some(receiver)),
        }
    }
}

/// Takes a push in; false when too many wait.
pub(crate) fn enqueue(server: &Server, push: Pushed) -> bool {
    server.pushes().sender.try_send(push).is_ok()
}

/// Works off pushes, one after the other.
pub(crate) async fn work_off(server: &Arc<Server>) {
    let receiver = server.pushes().receiver.lock().take();
    let Some(mut receiver) = receiver else {
        return;
    };
    while let Some(push) = receiver.recv().await {
        announce(server, &push).await;
    }
}

/// Has the repository looked at now: the controller then refreshes exactly what the new commit
/// concerns. Where nobody here follows the repository, the Applications are asked by annotation.
async fn announce(server: &Server, push: &Pushed) {
    let sources = &server.deps().sources;
    let followed: usize = push.urls.iter().map(|url| sources.nudge(url)).sum();
    tracing::info!(
        revision = push.after,
        reason = push.reference,
        followed,
        "Push announced"
    );
    if followed > 0 {
        return;
    }
    let (apps, _) = server.index().all();
    let concerned = apps
        .into_iter()
        .filter(|summary| concerns(push, summary.app()));
    futures::stream::iter(concerned)
        .for_each_concurrent(PARALLEL, |summary| async move {
            let app = summary.app();
            let patch = json!({"metadata": {"annotations": { annotation::REFRESH: "normal" }}});
            let (gvk, key) = (access::gvk(), access::object_key(app));
            let control = &server.deps().control;
            if let Err(error) = control.patch(&gvk, &key, PatchType::Merge, &patch).await {
                tracing::warn!(app = app.metadata.name, %error, "Refresh after a push was not asked for");
            }
        })
        .await;
}

fn concerns(push: &Pushed, app: &Application) -> bool {
    app.spec.effective_sources().iter().any(|source| {
        let same = push
            .urls
            .iter()
            .any(|url| same_repository(url, &source.repo_url));
        same && concerns_revision(push, &source.target_revision)
    })
}

fn concerns_revision(push: &Pushed, target: &str) -> bool {
    let short = push
        .reference
        .strip_prefix("refs/heads/")
        .or_else(|| push.reference.strip_prefix("refs/tags/"))
        .unwrap_or(&push.reference);
    let is_constraint = push.reference.starts_with("refs/tags/")
        && target.contains(['*', '<', '>', '~', '^', 'x', '|', ' ']);
    match target {
        "" | "HEAD" => push.is_default_branch,
        target => target == short || target == push.reference || is_constraint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_concerns_those_who_follow_the_ref() {
        let push = |reference: &str, is_default_branch: bool| Pushed {
            urls: Vec::new(),
            reference: reference.to_owned(),
            before: String::new(),
            after: String::new(),
            is_default_branch,
            changed_files: None,
        };
        let main = push("refs/heads/main", true);
        for (target, want) in [
            ("", true),
            ("HEAD", true),
            ("main", true),
            ("refs/heads/main", true),
            ("dev", false),
        ] {
            assert_eq!(concerns_revision(&main, target), want, "{target}");
        }
        let tag = push("refs/tags/v1.2.0", false);
        for (target, want) in [
            ("v1.2.0", true),
            (">=1.0", true),
            ("1.x", true),
            ("HEAD", false),
            ("main", false),
        ] {
            assert_eq!(concerns_revision(&tag, target), want, "{target}");
        }
    }
}
