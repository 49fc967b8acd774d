//! Smart HTTP: requests are stateless, connections are reused.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use driftless_core::{SafeUrl, Secret};
use driftless_outbound::{Reach, Resolver};
use futures::TryStreamExt as _;
use parking_lot::Mutex;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER,
};
use reqwest::{Client, Response, StatusCode};
use tokio::io::AsyncRead;
use url::Url;

use crate::git::error::Cause;
use crate::git::mirror::IncomingPack;
use crate::git::options::Options;
use crate::git::wire::packet::Packets;
use crate::git::wire::{AGENT, FetchRequest, Greeting, RefList, clean, read_greeting, v0, v2};
use crate::repository::{Credentials, Repository, Tls};

/// Most redirects followed on the way to a repository.
const MAX_REDIRECTS: usize = 5;
/// A host may not silence us for longer.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// How long we wait when a host asks to slow down without saying for how long.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(60);
/// Most distinct TLS and proxy settings kept connected.
const MAX_CLIENTS: usize = 64;

type Body = Box<dyn AsyncRead + Send + Unpin>;

/// HTTP clients by TLS and proxy settings, so that repositories of one host share connections.
#[derive(Clone, Default)]
pub(crate) struct Clients(Arc<Mutex<Vec<(ClientKey, Client)>>>);

#[derive(Clone, PartialEq, Eq)]
struct ClientKey {
    tls: Tls,
    proxy: Option<driftless_core::SafeUrl>,
    no_proxy: String,
}

impl ClientKey {
    fn of(repository: &Repository) -> Self {
        Self {
            tls: repository.tls.clone(),
            proxy: repository.proxy.clone(),
            no_proxy: repository.no_proxy.clone(),
        }
    }
}

impl Clients {
    fn get(&self, repository: &Repository, options: &Options) -> Result<Client, Cause> {
        let key = ClientKey::of(repository);
        let mut clients = self.0.lock();
        if let Some((_, client)) = clients.iter().find(|(known, _)| *known == key) {
            return Ok(client.clone());
        }
        let client = build(builder(&key, options)?)?;
        if clients.len() >= MAX_CLIENTS {
            clients.remove(0);
        }
        clients.push((key, client.clone()));
        Ok(client)
    }
}

/// Returns a client for files that somebody else named, with the settings of a repository.
pub(crate) fn web_client(
    repository: &Repository,
    options: &Options,
    reach: Reach,
) -> Result<Client, Cause> {
    let mut builder = builder(&ClientKey::of(repository), options)?;
    // A proxy may be on this machine, and looks names up itself.
    if repository.proxy.is_none() {
        builder = builder.dns_resolver(Arc::new(Resolver(reach)));
    }
    build(builder)
}

fn setting(what: &str) -> Cause {
    Cause::Unreachable {
        doing: "preparing the connection",
        detail: what.to_owned(),
    }
}

fn build(builder: reqwest::ClientBuilder) -> Result<Client, Cause> {
    builder.build().map_err(|error| setting(&describe(&error)))
}

fn builder(key: &ClientKey, options: &Options) -> Result<reqwest::ClientBuilder, Cause> {
    driftless_outbound::use_ring();
    let mut builder = Client::builder()
        .user_agent(format!("git/{AGENT}"))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(options.request_timeout)
        .read_timeout(options.request_timeout)
        .pool_idle_timeout(Duration::from_secs(90))
        .no_proxy();
    if key.tls.insecure {
        builder = builder.tls_danger_accept_invalid_certs(true);
    }
    if let Some(bundle) = &key.tls.ca_bundle {
        let certificates = reqwest::Certificate::from_pem_bundle(bundle.as_bytes())
            .map_err(|_| setting("the CA bundle is not valid PEM"))?;
        builder = builder.tls_certs_merge(certificates);
    }
    if let Some(client) = &key.tls.client {
        let pem = format!("{}\n{}", client.certificate, client.key.expose());
        let identity = reqwest::Identity::from_pem(pem.as_bytes())
            .map_err(|_| setting("the TLS client certificate or its key is not valid PEM"))?;
        builder = builder.identity(identity);
    }
    if let Some(proxy) = &key.proxy {
        let proxy = reqwest::Proxy::all(proxy.expose())
            .map_err(|_| setting("the proxy address is not valid"))?
            .no_proxy(reqwest::NoProxy::from_string(&key.no_proxy));
        builder = builder.proxy(proxy);
    }
    Ok(builder)
}

/// What the host told about itself.
#[derive(Clone)]
struct Known {
    base: Url,
    greeting: Arc<Greeting>,
    /// Credentials are sent only to the host they are for.
    same_host: bool,
}

/// A repository behind HTTP.
pub(crate) struct Http {
    client: Client,
    base: Url,
    authorization: Option<Secret<HeaderValue>>,
    known: Mutex<Option<Known>>,
}

impl Http {
    pub(super) fn open(
        mut url: Url,
        repository: &Repository,
        options: &Options,
        clients: &Clients,
    ) -> Result<Self, Cause> {
        let authorization = authorization(&url, &repository.credentials)?;
        // Neither can fail for http and https.
        url.set_username("").ok();
        url.set_password(None).ok();
        url.set_fragment(None);
        Ok(Self {
            client: clients.get(repository, options)?,
            base: url,
            authorization,
            known: Mutex::new(None),
        })
    }

    pub(super) async fn ls_refs(
        &self,
        prefixes: &[String],
        options: &Options,
    ) -> Result<RefList, Cause> {
        let limit = options.request_timeout.saturating_mul(2);
        let listing = async {
            let known = self.known.lock().clone();
            if let Some(known) = known.filter(|known| matches!(&*known.greeting, Greeting::V2(_))) {
                match self.list_v2(&known, prefixes, options).await {
                    // The host may have changed; introduce ourselves again before believing it.
                    Err(Cause::Unreachable { .. } | Cause::RepositoryNotFound) => {}
                    other => return other,
                }
            }
            let known = self.greet(options).await?;
            match &*known.greeting {
                Greeting::V2(_) => self.list_v2(&known, prefixes, options).await,
                Greeting::V0(host) => Ok((*host.refs).clone()),
            }
        };
        timed("listing refs", limit, listing).await
    }

    pub(super) async fn fetch(
        &self,
        request: &FetchRequest,
        options: &Options,
    ) -> Result<IncomingPack, Cause> {
        let fetching = async {
            let known = self.known.lock().clone();
            let known = match known {
                Some(known) => known,
                None => self.greet(options).await?,
            };
            let body = match &*known.greeting {
                Greeting::V2(host) => v2::fetch_request(request, host),
                Greeting::V0(host) => v0::fetch_request(request, host),
            };
            let mut packets = self.upload_pack(&known, body).await?;
            let mut pack = IncomingPack::new(options.max_pack_bytes, &options.data_dir);
            match &*known.greeting {
                Greeting::V2(_) => v2::read_fetch(&mut packets, &mut pack).await?,
                Greeting::V0(_) => v0::read_fetch(&mut packets, &mut pack).await?,
            }
            Ok(pack)
        };
        timed("fetching", options.fetch_timeout, fetching).await
    }

    /// Says whether the host gives commits that no ref points at.
    pub(crate) fn gives_any_commit(&self) -> bool {
        match self
            .known
            .lock()
            .as_ref()
            .map(|known| known.greeting.clone())
            .as_deref()
        {
            Some(Greeting::V0(host)) => host.allows_any_commit(),
            _ => true,
        }
    }

    async fn list_v2(
        &self,
        known: &Known,
        prefixes: &[String],
        options: &Options,
    ) -> Result<RefList, Cause> {
        let mut packets = self
            .upload_pack(known, v2::ls_refs_request(prefixes))
            .await?;
        v2::read_refs(&mut packets, options.max_refs).await
    }

    /// Introduces us, following redirects, and remembers what the host can do.
    async fn greet(&self, options: &Options) -> Result<Known, Cause> {
        let mut url = endpoint(&self.base, "info/refs");
        url.query_pairs_mut()
            .append_pair("service", "git-upload-pack");
        let mut base = self.base.clone();
        let mut same_host = true;
        for _ in 0..=MAX_REDIRECTS {
            let request = self
                .client
                .get(url.clone())
                .headers(self.headers(same_host));
            let response = request
                .send()
                .await
                .map_err(|error| unreachable("connecting", &error))?;
            if response.status().is_redirection() {
                (url, base) = redirected(&url, &response)?;
                self.check_redirect(&url).await?;
                same_host = is_same_host(&self.base, &base);
                continue;
            }
            let mut packets = packets(check(response).await?);
            let greeting = Arc::new(read_greeting(&mut packets, options.max_refs).await?);
            let known = Known {
                base,
                greeting,
                same_host,
            };
            *self.known.lock() = Some(known.clone());
            return Ok(known);
        }
        Err(Cause::Unreachable {
            doing: "connecting",
            detail: "too many redirects".to_owned(),
        })
    }

    /// Passes where a host leads us: to this machine only from this machine, and never to one that serves credentials.
    async fn check_redirect(&self, to: &Url) -> Result<(), Cause> {
        let refuse = |detail: String| Cause::Unreachable {
            doing: "following a redirect",
            detail,
        };
        let host = self.base.host_str().unwrap_or_default();
        let reach = match driftless_outbound::lookup(host, Reach::Network).await {
            Ok(()) => Reach::Network,
            Err(_) => Reach::ThisMachine,
        };
        driftless_outbound::check(to, reach).map_err(|why| {
            refuse(format!(
                "{} may not be asked: {why}",
                SafeUrl::new(to.as_str())
            ))
        })?;
        let host = to.host_str().unwrap_or_default();
        driftless_outbound::lookup(host, reach)
            .await
            .map_err(refuse)
    }

    async fn upload_pack(&self, known: &Known, body: Vec<u8>) -> Result<Packets<Body>, Cause> {
        let response = self
            .client
            .post(endpoint(&known.base, "git-upload-pack"))
            .headers(self.headers(known.same_host))
            .header(CONTENT_TYPE, "application/x-git-upload-pack-request")
            .header(ACCEPT, "application/x-git-upload-pack-result")
            .body(body)
            .send()
            .await
            .map_err(|error| unreachable("asking", &error))?;
        Ok(packets(check(response).await?))
    }

    fn headers(&self, same_host: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("git-protocol", HeaderValue::from_static("version=2"));
        if let Some(authorization) = self.authorization.as_ref().filter(|_| same_host) {
            headers.insert(AUTHORIZATION, authorization.expose().clone());
        }
        headers
    }
}

fn authorization(
    url: &Url,
    credentials: &Credentials,
) -> Result<Option<Secret<HeaderValue>>, Cause> {
    let basic = |username: &str, password: &str| {
        let pair =
            base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}"));
        format!("Basic {pair}")
    };
    let value = match credentials {
        Credentials::Basic { username, password } => basic(username, password.expose()),
        Credentials::Bearer(token) => format!("Bearer {}", token.expose()),
        Credentials::None | Credentials::SshKey(_)
            if !url.username().is_empty() || url.password().is_some() =>
        {
            basic(
                &decode(url.username()),
                &decode(url.password().unwrap_or_default()),
            )
        }
        Credentials::None | Credentials::SshKey(_) => return Ok(None),
    };
    let mut value = HeaderValue::from_str(&value).map_err(|_| Cause::Authentication {
        detail: "the credentials hold characters that cannot be sent".to_owned(),
    })?;
    value.set_sensitive(true);
    Ok(Some(Secret::new(value)))
}

fn decode(text: &str) -> String {
    // `+` stands for itself in user information, unlike in forms.
    let text = text.replace('+', "%2B");
    url::form_urlencoded::parse(text.as_bytes())
        .map(|(key, _)| key.into_owned())
        .next()
        .unwrap_or_default()
}

fn endpoint(base: &Url, service: &str) -> Url {
    let mut url = base.clone();
    let path = format!("{}/{service}", base.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

fn is_same_host(one: &Url, other: &Url) -> bool {
    one.host_str() == other.host_str()
        && one.port_or_known_default() == other.port_or_known_default()
        && (one.scheme() == other.scheme() || other.scheme() == "https")
}

/// Returns where to ask next, and the repository's address there.
fn redirected(from: &Url, response: &Response) -> Result<(Url, Url), Cause> {
    let refuse = |detail: &str| Cause::Unreachable {
        doing: "following a redirect",
        detail: detail.to_owned(),
    };
    let location = response
        .headers()
        .get(LOCATION)
        .and_then(|location| location.to_str().ok());
    let url = location
        .and_then(|location| from.join(location).ok())
        .ok_or_else(|| refuse("the host gives no usable address"))?;
    if !(url.scheme() == "https" || url.scheme() == from.scheme()) {
        return Err(refuse("the host leads from https to something else"));
    }
    let Some(path) = url.path().strip_suffix("/info/refs") else {
        return Err(Cause::RepositoryNotFound);
    };
    let mut base = url.clone();
    base.set_path(path);
    base.set_query(None);
    Ok((url, base))
}

fn packets(response: Response) -> Packets<Body> {
    let stream = response
        .bytes_stream()
        .map_err(|error| std::io::Error::other(describe(&error)));
    Packets::new(Box::new(tokio_util::io::StreamReader::new(Box::pin(
        stream,
    ))))
}

/// Turns a status other than success into an error.
async fn check(response: Response) -> Result<Response, Cause> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let header = |name: &str| {
        response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let wait = header(RETRY_AFTER.as_str()).map(|text| {
        text.trim()
            .parse()
            .map_or(DEFAULT_RETRY_AFTER, Duration::from_secs)
            .min(MAX_RETRY_AFTER)
    });
    let exhausted = header("x-ratelimit-remaining") == Some("0");
    match status {
        StatusCode::TOO_MANY_REQUESTS => Err(Cause::RateLimited {
            retry_after: wait.unwrap_or(DEFAULT_RETRY_AFTER),
        }),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::FORBIDDEN if wait.is_some() || exhausted => {
            Err(Cause::RateLimited {
                retry_after: wait.unwrap_or(DEFAULT_RETRY_AFTER),
            })
        }
        StatusCode::UNAUTHORIZED => Err(Cause::Authentication {
            detail: "authentication required".to_owned(),
        }),
        StatusCode::FORBIDDEN => Err(Cause::Authentication {
            detail: "authorization failed".to_owned(),
        }),
        StatusCode::NOT_FOUND | StatusCode::GONE => Err(Cause::RepositoryNotFound),
        _ => {
            let said = first_bytes(response).await;
            let detail = format!("HTTP status {status}: {}", clean(&said));
            Err(Cause::Unreachable {
                doing: "asking",
                detail: detail.trim_end_matches(": ").to_owned(),
            })
        }
    }
}

async fn first_bytes(mut response: Response) -> Vec<u8> {
    match response.chunk().await {
        Ok(Some(chunk)) => chunk.iter().take(200).copied().collect(),
        _ => Vec::new(),
    }
}

fn unreachable(doing: &'static str, error: &reqwest::Error) -> Cause {
    Cause::Unreachable {
        doing,
        detail: describe(error),
    }
}

/// Describes a failure without the address, which the error above names without credentials.
fn describe(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "the host does not answer in time".to_owned();
    }
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    clean(inner.to_string().as_bytes())
}

/// Gives up on `work` after `limit`.
pub(super) async fn timed<T>(
    doing: &'static str,
    limit: Duration,
    work: impl Future<Output = Result<T, Cause>>,
) -> Result<T, Cause> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(Cause::Timeout { doing, limit }),
    }
}
