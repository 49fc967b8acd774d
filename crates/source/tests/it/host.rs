//! A Git host: real `git http-backend` behind a small HTTP server that can misbehave.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpListener;

/// What the host does to requests.
#[derive(Clone, Default)]
pub(crate) struct Behaviour {
    /// The only accepted `Authorization`.
    pub(crate) authorization: Option<String>,
    /// Answers with this status and header instead.
    pub(crate) refuse: Option<(u16, String)>,
    /// Speaks protocol version 0 only.
    pub(crate) old: bool,
    /// Waits so long after it has the answer.
    pub(crate) delay: Duration,
    /// Keeps the answers it has until this is taken back.
    pub(crate) held: bool,
    /// Sends everybody to this address.
    pub(crate) redirect: Option<String>,
    /// Answers with a web page.
    pub(crate) page: bool,
    /// Answers with this file.
    pub(crate) file: Option<String>,
}

/// A running host; ends with the value.
pub(crate) struct Host {
    pub(crate) url: String,
    pub(crate) behaviour: Arc<Mutex<Behaviour>>,
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
    /// How many answers were made, sent or not.
    pub(crate) answered: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Host {
    /// Serves the repositories below `root`.
    pub(crate) async fn start(root: &Path) -> Self {
        Self::serve(root, None).await
    }

    /// Serves with TLS.
    pub(crate) async fn start_tls(root: &Path, config: rustls::ServerConfig) -> Self {
        Self::serve(
            root,
            Some(tokio_rustls::TlsAcceptor::from(Arc::new(config))),
        )
        .await
    }

    async fn serve(root: &Path, tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let behaviour: Arc<Mutex<Behaviour>> = Arc::default();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let answered: Arc<AtomicUsize> = Arc::default();
        let shared = (
            root.to_owned(),
            behaviour.clone(),
            requests.clone(),
            answered.clone(),
        );
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (root, behaviour, requests, answered) = shared.clone();
                let tls = tls.clone();
                connections.spawn(async move {
                    match tls {
                        None => talk(stream, &root, &behaviour, &requests, &answered).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => {
                                talk(stream, &root, &behaviour, &requests, &answered).await
                            }
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Self {
            url,
            behaviour,
            requests,
            answered,
            task,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.requests.lock().len()
    }
}

struct Request {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map_or("", |(_, value)| value)
    }
}

/// Answers requests until the connection ends.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    root: &Path,
    behaviour: &Mutex<Behaviour>,
    requests: &Mutex<Vec<String>>,
    answered: &AtomicUsize,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let request = read_request(&mut stream).await?;
        requests
            .lock()
            .push(format!("{} {}", request.method, request.path));
        let now = behaviour.lock().clone();
        let answer = answer(&request, root, &now).await;
        answered.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(now.delay).await;
        while behaviour.lock().held {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        stream.write_all(&answer).await.ok()?;
        stream.flush().await.ok()?;
    }
}

async fn read_request<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let mut first = lines.first()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut request = Request {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: Vec::new(),
    };
    let length: usize = request.header("content-length").parse().unwrap_or(0);
    request.body.resize(length, 0);
    stream.read_exact(&mut request.body).await.ok()?;
    Some(request)
}

fn plain(status: u16, header: &str, body: &[u8]) -> Vec<u8> {
    let header = if header.is_empty() {
        String::new()
    } else {
        format!("{header}\r\n")
    };
    let mut answer = format!(
        "HTTP/1.1 {status} X\r\n{header}Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}

async fn answer(request: &Request, root: &Path, now: &Behaviour) -> Vec<u8> {
    if let Some((status, header)) = &now.refuse {
        return plain(*status, header, b"no");
    }
    if let Some(target) = &now.redirect {
        return plain(
            301,
            &format!("Location: {target}{}?{}", request.path, request.query),
            b"",
        );
    }
    if let Some(file) = &now.file {
        return plain(200, "Content-Type: text/plain", file.as_bytes());
    }
    if now.page {
        return plain(200, "Content-Type: text/html", b"<html>Log in first</html>");
    }
    if now
        .authorization
        .as_deref()
        .is_some_and(|wanted| wanted != request.header("authorization"))
    {
        return plain(401, "WWW-Authenticate: Basic realm=\"git\"", b"");
    }
    let protocol = if now.old {
        String::new()
    } else {
        request.header("git-protocol").to_owned()
    };
    let (root, path, query) = (root.to_owned(), request.path.clone(), request.query.clone());
    let (method, body) = (request.method.clone(), request.body.clone());
    let content_type = request.header("content-type").to_owned();
    tokio::task::spawn_blocking(move || {
        backend(
            &root,
            &path,
            &query,
            &method,
            &content_type,
            &protocol,
            &body,
        )
    })
    .await
    .unwrap()
}

fn backend(
    root: &PathBuf,
    path: &str,
    query: &str,
    method: &str,
    content_type: &str,
    protocol: &str,
    body: &[u8],
) -> Vec<u8> {
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", method)
        .env("CONTENT_TYPE", content_type)
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("GIT_PROTOCOL", protocol)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let sent = body.to_vec();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut input, &sent).ok());
    let output = child.wait_with_output().unwrap().stdout;
    writer.join().unwrap();
    let split = output
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or(0);
    let head = String::from_utf8_lossy(&output[..split]).into_owned();
    let status = head
        .lines()
        .find_map(|line| line.strip_prefix("Status: "))
        .and_then(|status| status.split(' ').next()?.parse().ok())
        .unwrap_or(200);
    plain(status, "", &output[(split + 4).min(output.len())..])
}
