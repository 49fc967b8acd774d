//! Container logs.

use futures::stream::BoxStream;
use jiff::Timestamp;

use crate::cluster::Cluster;
use crate::error::Error;

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

/// One line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogLine {
    /// When it was written.
    pub time: Option<Timestamp>,
    /// Text without the line end.
    pub text: String,
}

impl Cluster {
    /// Streams the log of a container, line by line with times.
    pub async fn logs(
        &self,
        namespace: &str,
        pod: &str,
        options: &LogOptions,
    ) -> Result<BoxStream<'static, Result<LogLine, Error>>, Error> {
        let _ = (self, namespace, pod, options);
        Err(Error::BadObject {
            detail: "not built yet".into(),
        })
    }
}
