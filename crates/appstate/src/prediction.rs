//! Asking the API server what would become of an object.
//!
//! Most differences are certain. Some could be the work of a webhook or of the API server itself on what was
//! applied last; about those the server is asked by a dry run (bounded, nothing is stored), and about every object
//! where `ServerSideDiff=true` says so. The answer stands until either side of the object changes.

use std::sync::Arc;
use std::time::Duration;

use driftless_api::Application;
use driftless_core::ResourceKey;
use driftless_engine::annotation::{Annotations, COMPARE_OPTIONS, CompareOptions};
use driftless_engine::diff::{self, Mutations};
use driftless_kube::write::{DryRun, Migration};
use driftless_kube::{ApplyOptions, Cluster, Fence, WriteCtx, Writer};
use driftless_manifest::Object;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};

use crate::AppState;
use crate::config::Config;
use crate::desired::DesiredObject;

/// Most doubtful objects that one pass asks about; the rest keep the verdict of the engine.
const MOST_DOUBTS: usize = 50;
/// Most objects that one pass asks about where the server is to be asked always.
const MOST: usize = 2000;
/// Dry runs under way at once.
const AT_ONCE: usize = 8;
/// How long a pass waits for all answers.
const LIMIT: Duration = Duration::from_secs(30);

/// When the API server is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Asks {
    always: bool,
    mutations: Mutations,
}

impl Config {
    /// Says when the API server is asked about an Application's objects.
    pub(crate) fn asks(&self, app: &Application) -> Asks {
        let options =
            CompareOptions::parse(app.metadata.annotation(COMPARE_OPTIONS).unwrap_or_default());
        let default = self.settings.params.controller.server_side_diff;
        Asks {
            always: options.server_side_diff.unwrap_or(default),
            mutations: if options.include_mutation_webhook {
                Mutations::Count
            } else {
                Mutations::Pass
            },
        }
    }
}

impl Asks {
    /// Says whether the server is asked about this outcome.
    pub(crate) fn about(self, desired: &Object, local: &diff::Comparison) -> bool {
        let own = Annotations::of(desired).compare.server_side_diff;
        own.unwrap_or(self.always) || local.doubtful
    }
}

/// One object to ask about.
pub(crate) struct Question<'a> {
    pub(crate) desired: &'a DesiredObject,
    pub(crate) live: Object,
    pub(crate) local: diff::Comparison,
    pub(crate) asks: Asks,
}

impl AppState {
    /// Asks the API server; objects about which it does not answer keep the verdict of the engine.
    pub(crate) async fn ask(
        &self,
        cluster: &Arc<Cluster>,
        mut questions: Vec<Question<'_>>,
        cx: &diff::Ctx<'_>,
    ) -> Vec<(ResourceKey, diff::Comparison)> {
        if questions.is_empty() {
            return Vec::new();
        }
        // Those that are out of sync first: they have something to gain.
        questions.sort_by_key(|question| !question.local.is_modified());
        let most = if questions.iter().any(|question| question.asks.always) {
            MOST
        } else {
            MOST_DOUBTS
        };
        questions.truncate(most);
        let writer = cluster.writer();
        // Nothing is stored, so there is nothing to fence or to permit.
        let ctx = WriteCtx::internal(Fence::unfenced());
        let options = ApplyOptions {
            dry_run: DryRun::Server,
            migration: Migration::Leave,
            ..ApplyOptions::default()
        };
        let asked: Vec<BoxFuture<'_, _>> = questions
            .into_iter()
            .map(|question| self.ask_one(&writer, &ctx, &options, question, cx).boxed())
            .collect();
        let answers: Vec<_> = futures::stream::iter(asked)
            .buffer_unordered(AT_ONCE)
            .take_until(tokio::time::sleep(LIMIT))
            .collect()
            .await;
        answers.into_iter().flatten().collect()
    }

    async fn ask_one(
        &self,
        writer: &Writer,
        ctx: &WriteCtx,
        options: &ApplyOptions,
        question: Question<'_>,
        cx: &diff::Ctx<'_>,
    ) -> Option<(ResourceKey, diff::Comparison)> {
        let desired = diff::normalise_desired(&question.desired.object);
        self.metrics.dry_runs.inc();
        match writer.apply(ctx, &desired, options).await {
            Ok(applied) => {
                let predicted = applied.object.parse()?;
                let verdict = judge(&question, &predicted, cx);
                Some((question.desired.key.clone(), verdict))
            }
            Err(error) => {
                let obj = &question.desired.key;
                tracing::debug!(%error, %obj, "A dry run did not answer");
                None
            }
        }
    }
}

fn judge(question: &Question<'_>, predicted: &Object, cx: &diff::Ctx<'_>) -> diff::Comparison {
    let own = Annotations::of(&question.desired.object)
        .compare
        .server_side_diff;
    if own.unwrap_or(question.asks.always) {
        diff::compare_predicted(predicted, &question.live, cx, question.asks.mutations)
    } else {
        let server = diff::compare_predicted(predicted, &question.live, cx, Mutations::Count);
        diff::confirm(&question.local, server)
    }
}
