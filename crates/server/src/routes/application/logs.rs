//! Container logs, of one pod or of every pod below an object.

use std::collections::BTreeSet;

use axum::extract::Path;
use axum::response::Response;
use bytes::Bytes;
use driftless_kube::log::{LogLine, LogOptions};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::HeaderMap;
use jiff::Timestamp;
use serde_json::json;

use super::access::{AppRef, app_for};
use super::watch::guarded;
use crate::ctx::Ctx;
use crate::deps::{Node, ResourceTree};
use crate::error::ApiError;
use crate::transport::Query;
use crate::transport::auth::Caller;
use crate::transport::stream::{Framing, respond};

/// Lines sent together at most.
const BATCH: usize = 200;
/// Lines of a log that is not followed, where no number is asked for.
const DEFAULT_TAIL: u64 = 100_000;

/// Which lines of which pods.
#[derive(Clone, Debug, Default)]
pub struct LogsRequest {
    pod: String,
    namespace: String,
    group: String,
    kind: String,
    resource: String,
    options: LogOptions,
    until: Option<Timestamp>,
    filter: Option<Filter>,
}

#[derive(Clone, Debug)]
struct Filter {
    text: String,
    inverse: bool,
    match_case: bool,
}

impl Filter {
    fn parse(text: &str, match_case: bool) -> Self {
        let (inverse, text) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        Self {
            text: if match_case {
                text.to_owned()
            } else {
                text.to_lowercase()
            },
            inverse,
            match_case,
        }
    }

    fn passes(&self, line: &str) -> bool {
        let found = if self.match_case {
            line.contains(&self.text)
        } else {
            line.to_lowercase().contains(&self.text)
        };
        found != self.inverse
    }
}

impl LogsRequest {
    fn from_query(query: &Query) -> Result<Self, ApiError> {
        let text = |name: &str| query.text(name).unwrap_or_default().to_owned();
        let time = |name: &str| {
            query
                .text(name)
                .map(|value| {
                    value.parse::<Timestamp>().map_err(|_| {
                        ApiError::invalid(format!("parameter {name}: {value:?} is not a time"))
                    })
                })
                .transpose()
        };
        let match_case = query.flag("matchCase")?.unwrap_or(false);
        let follow = query.flag("follow")?.unwrap_or(false);
        Ok(Self {
            pod: text("podName"),
            namespace: text("namespace"),
            group: text("group"),
            kind: text("kind"),
            resource: text("resourceName"),
            options: LogOptions {
                container: query.text("container").map(str::to_owned),
                follow,
                previous: query.flag("previous")?.unwrap_or(false),
                tail_lines: match query.number("tailLines")?.filter(|lines| *lines > 0) {
                    None if !follow => Some(DEFAULT_TAIL),
                    lines => lines,
                },
                since_seconds: query.number("sinceSeconds")?.filter(|seconds| *seconds > 0),
                since_time: time("sinceTime")?.or(time("sinceTimeStr")?),
                ..LogOptions::default()
            },
            until: time("untilTime")?,
            filter: query
                .text("filter")
                .map(|filter| Filter::parse(filter, match_case)),
        })
    }
}

pub(super) async fn bind(
    Caller(cx): Caller,
    Path(name): Path<String>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let request = LogsRequest::from_query(&query)?;
    answer(cx, &AppRef::from_query(name, &query), request, &headers).await
}

pub(super) async fn bind_pod(
    Caller(cx): Caller,
    Path((name, pod)): Path<(String, String)>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let mut request = LogsRequest::from_query(&query)?;
    request.pod = pod;
    answer(cx, &AppRef::from_query(name, &query), request, &headers).await
}

async fn answer(
    cx: Ctx,
    wanted: &AppRef,
    request: LogsRequest,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let lines = logs(&cx, wanted, request).await?;
    let wanted = wanted.clone();
    let batches = lines
        .ready_chunks(BATCH)
        .map(|lines| lines.into_iter().collect());
    let batches = guarded(cx.clone(), move |cx| may_read(cx, &wanted), batches);
    Ok(respond(
        Framing::of(headers),
        cx.deps().config.heartbeat,
        batches,
    ))
}

fn may_read(cx: &Ctx, wanted: &AppRef) -> Result<(), ApiError> {
    let app = app_for(cx, wanted, "get")?;
    cx.require("logs", "get", &cx.app_object(&app.object))
}

/// Streams log lines as documents; the last one says that it is the last.
pub async fn logs(
    cx: &Ctx,
    wanted: &AppRef,
    request: LogsRequest,
) -> Result<BoxStream<'static, Result<Bytes, ApiError>>, ApiError> {
    may_read(cx, wanted)?;
    let app = app_for(cx, wanted, "get")?;
    let tree = cx.deps().views.tree(&app.object.key()).await?;
    let pods = pods(&tree, &request);
    if pods.is_empty() {
        return Err(ApiError::invalid(
            "no pods are part of the application and match the request",
        ));
    }
    if pods.len() > cx.deps().settings.current().max_pod_logs {
        return Err(ApiError::invalid(
            "max pods to view logs are reached. Please provide more granular query",
        ));
    }
    let cluster = cx.deps().destinations.of(&app.object).await?;
    let mut all = Vec::new();
    for pod in pods {
        let lines = cluster
            .logs(&pod.namespace, &pod.name, &request.options)
            .await?;
        let name = pod.name.clone();
        all.push(
            lines
                .map(move |line| line.map(|line| (name.clone(), line)))
                .boxed(),
        );
    }
    let filter = request.filter;
    let until = request.until;
    let lines = stream::select_all(all)
        .take_while(move |line| {
            let over = line
                .as_ref()
                .is_ok_and(|(_, line)| until.is_some_and(|until| line.time > Some(until)));
            std::future::ready(!over)
        })
        .filter(move |line| {
            let passes = line.as_ref().map_or(true, |(_, line)| {
                filter
                    .as_ref()
                    .is_none_or(|filter| filter.passes(&line.text))
            });
            std::future::ready(passes)
        })
        .map(|line| match line {
            Ok((pod, line)) => Ok(document(&pod, &line)),
            Err(error) => Err(ApiError::from_classified(&error)),
        });
    let last =
        json!({"content": "", "last": true, "timeStampStr": cx.deps().clock.now().to_string()});
    let end = stream::once(std::future::ready(Ok(Bytes::from(last.to_string()))));
    Ok(lines.chain(end).boxed())
}

fn document(pod: &str, line: &LogLine) -> Bytes {
    let time = line.time.map(|time| time.to_string()).unwrap_or_default();
    let entry = json!({
        "content": line.text,
        "timeStamp": time,
        "timeStampStr": time,
        "last": false,
        "podName": pod,
    });
    Bytes::from(entry.to_string())
}

/// Returns the pods that are meant: by name, or every pod that is, or is owned by, the object named.
fn pods<'a>(tree: &'a ResourceTree, request: &LogsRequest) -> Vec<&'a Node> {
    let is_object = |node: &Node| {
        (request.kind.is_empty() || request.kind == node.kind)
            && (request.group.is_empty() || request.group == node.group)
            && (request.resource.is_empty() || request.resource == node.name)
            && (request.namespace.is_empty() || request.namespace == node.namespace)
    };
    let mut owned: BTreeSet<&str> = tree
        .nodes
        .iter()
        .filter(|node| is_object(node))
        .map(|node| node.uid.as_str())
        .collect();
    // Each round reaches one generation further.
    loop {
        let children: Vec<&str> = tree
            .nodes
            .iter()
            .filter(|node| !owned.contains(node.uid.as_str()))
            .filter(|node| parents(node).any(|parent| owned.contains(parent)))
            .map(|node| node.uid.as_str())
            .collect();
        if children.is_empty() {
            break;
        }
        owned.extend(children);
    }
    let is_pod = |node: &&Node| {
        node.kind == "Pod"
            && node.group.is_empty()
            && (request.pod.is_empty() || request.pod == node.name)
            && (request.namespace.is_empty() || request.namespace == node.namespace)
    };
    let named = !request.pod.is_empty();
    tree.nodes
        .iter()
        .filter(is_pod)
        .filter(|node| named || owned.contains(node.uid.as_str()))
        .collect()
}

fn parents(node: &Node) -> impl Iterator<Item = &str> {
    node.parent_refs.iter().map(|parent| parent.uid.as_str())
}
