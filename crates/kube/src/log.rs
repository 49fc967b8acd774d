//! Container logs.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use driftless_core::GroupVersionKind;
use futures::stream::{self, BoxStream, StreamExt as _};
use jiff::Timestamp;

use crate::cluster::Cluster;
use crate::discovery::Resource;
use crate::error::Error;
use crate::transport::{Call, Lane, Lines, lines};

/// Which lines of a container's log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogOptions {
    /// Container; the only one where absent.
    pub container: Option<String>,
    /// Go on with new lines.
    pub follow: bool,
    /// Of the container before its last restart.
    pub previous: bool,
    /// Only the last lines.
    pub tail_lines: Option<u64>,
    /// Only lines of the last seconds.
    pub since_seconds: Option<u64>,
    /// Only lines after this time.
    pub since_time: Option<Timestamp>,
    /// At most this many bytes.
    pub limit_bytes: Option<u64>,
}

impl LogOptions {
    fn query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("timestamps", "true");
        if let Some(container) = &self.container {
            query.append_pair("container", container);
        }
        for (name, on) in [("follow", self.follow), ("previous", self.previous)] {
            if on {
                query.append_pair(name, "true");
            }
        }
        for (name, number) in [
            ("tailLines", self.tail_lines),
            ("sinceSeconds", self.since_seconds),
            ("limitBytes", self.limit_bytes),
        ] {
            if let Some(number) = number {
                query.append_pair(name, &number.to_string());
            }
        }
        if let Some(time) = self.since_time {
            query.append_pair("sinceTime", &time.to_string());
        }
        query.finish()
    }
}

/// One line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogLine {
    /// When it was written.
    pub time: Option<Timestamp>,
    /// Text without the line end.
    pub text: String,
}

impl LogLine {
    fn parse(line: &[u8]) -> Self {
        let line = String::from_utf8_lossy(line);
        let line = line.strip_suffix('\r').unwrap_or(&line);
        match line
            .split_once(' ')
            .map(|(time, text)| (time.parse(), text))
        {
            Some((Ok(time), text)) => Self {
                time: Some(time),
                text: text.to_owned(),
            },
            _ => Self {
                time: line.parse().ok(),
                text: if line.parse::<Timestamp>().is_ok() {
                    String::new()
                } else {
                    line.to_owned()
                },
            },
        }
    }
}

/// A followed log may be silent for long.
const SILENCE: Duration = Duration::from_hours(4);

impl Cluster {
    /// Streams the log of a container, line by line with times.
    pub async fn logs(
        &self,
        namespace: &str,
        pod: &str,
        options: &LogOptions,
    ) -> Result<BoxStream<'static, Result<LogLine, Error>>, Error> {
        let pods = Resource {
            gvk: GroupVersionKind::new("", "v1", "Pod"),
            plural: "pods".into(),
            namespaced: true,
            verbs: Vec::new(),
            subresources: Vec::new(),
        };
        let path = pods.object_path(namespace, pod)?;
        let mut call = Call::get(format!("{path}/log?{}", options.query()));
        call.accept = "*/*";
        // A connection of its own: a slow reader of many logs would hold up the watches.
        let response = self.transport().send(Lane::Write, &call).await?;
        let reading = Reading {
            cluster: self.url().clone(),
            lines: lines(response.into_body()),
            queue: VecDeque::new(),
            ended: false,
        };
        Ok(stream::unfold(reading, Reading::next).boxed())
    }
}

struct Reading {
    cluster: driftless_core::ClusterUrl,
    lines: Lines,
    queue: VecDeque<Bytes>,
    ended: bool,
}

impl Reading {
    async fn next(mut self) -> Option<(Result<LogLine, Error>, Self)> {
        loop {
            if let Some(line) = self.queue.pop_front() {
                return Some((Ok(LogLine::parse(&line)), self));
            }
            if self.ended {
                return None;
            }
            match self.lines.next(SILENCE).await {
                Ok(Some(batch)) => self.queue = batch.into(),
                Ok(None) => return None,
                Err(detail) => {
                    self.ended = true;
                    let error = Error::Unreachable {
                        cluster: self.cluster.clone(),
                        detail,
                    };
                    return Some((Err(error), self));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_split_off() {
        let line = LogLine::parse(b"2026-01-02T03:04:05.123456789Z hello world\r");
        assert_eq!(line.text, "hello world");
        assert_eq!(line.time, "2026-01-02T03:04:05.123456789Z".parse().ok());
        assert_eq!(LogLine::parse(b"2026-01-02T03:04:05Z ").text, "");
        assert_eq!(LogLine::parse(b"2026-01-02T03:04:05Z").text, "");
        assert_eq!(LogLine::parse(b"plain text").text, "plain text");
        assert_eq!(LogLine::parse(b"\xff").text, "\u{fffd}");
    }

    #[test]
    fn options_become_parameters() {
        let options = LogOptions {
            container: Some("a b".to_owned()),
            follow: true,
            tail_lines: Some(5),
            ..LogOptions::default()
        };
        assert_eq!(
            options.query(),
            "timestamps=true&container=a+b&follow=true&tailLines=5"
        );
    }
}
