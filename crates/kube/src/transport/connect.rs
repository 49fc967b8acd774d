//! Opens connections: TLS, HTTP version, proxies, credentials.

use std::time::Duration;

use http::{HeaderValue, Request, Response};
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::client::legacy::{Builder, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ConfigExt as _};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer as _};

use super::spread::{Answer, Spread};

/// What a request goes through: credentials, then a pool of connections.
pub(super) type Service = BoxCloneSyncService<Request<Body>, Response<Answer>, BoxError>;

/// How requests share connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Protocol {
    /// Many requests at once per connection, where the server can (watches: they idle).
    Multiplexed,
    /// One request at a time per connection.
    Parallel,
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);
/// A peer that vanished without closing is noticed after interval + timeout.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Builds the request service of one cluster.
pub(super) fn service(config: &kube::Config, protocol: Protocol) -> Result<Service, String> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(config.connect_timeout.or(Some(CONNECT_TIMEOUT)));
    tcp.set_keepalive(Some(PING_INTERVAL));
    let Some(proxy) = &config.proxy_url else {
        return over(tcp, config, protocol);
    };
    match proxy.scheme_str() {
        Some("socks5" | "socks5h") => over(SocksV5::new(proxy.clone(), tcp), config, protocol),
        Some("http") => over(tunnel(proxy, tcp)?, config, protocol),
        Some("https") => {
            let secured = config
                .rustls_https_connector_with_connector(tcp)
                .map_err(|error| error.to_string())?;
            over(tunnel(proxy, secured)?, config, protocol)
        }
        other => Err(format!(
            "proxy scheme '{}' is not supported: use http, https or socks5",
            other.unwrap_or_default()
        )),
    }
}

/// Adds the proxy's own credentials, if its address holds any.
fn tunnel<C>(proxy: &http::Uri, connector: C) -> Result<Tunnel<C>, String> {
    use base64::Engine as _;
    let tunnel = Tunnel::new(proxy.clone(), connector);
    let Some((user, _)) = proxy.authority().and_then(|a| a.as_str().rsplit_once('@')) else {
        return Ok(tunnel);
    };
    let plain = url::Url::parse(&format!("http://{user}@proxy"))
        .map(|url| {
            let decode = |text: &str| {
                url::form_urlencoded::parse(format!("x={}", text.replace('+', "%2B")).as_bytes())
                    .next()
                    .map(|(_, value)| value.into_owned())
                    .unwrap_or_default()
            };
            format!(
                "{}:{}",
                decode(url.username()),
                decode(url.password().unwrap_or_default())
            )
        })
        .map_err(|_| "credentials of the proxy address cannot be read".to_owned())?;
    let encoded = base64::engine::general_purpose::STANDARD.encode(plain);
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}"))
        .map_err(|_| "credentials of the proxy address cannot be sent".to_owned())?;
    value.set_sensitive(true);
    Ok(tunnel.with_auth(value))
}

fn over<C>(connector: C, config: &kube::Config, protocol: Protocol) -> Result<Service, String>
where
    C: tower::Service<http::Uri> + Clone + Send + Sync + 'static,
    C::Response: hyper_util::client::legacy::connect::Connection
        + hyper::rt::Read
        + hyper::rt::Write
        + Send
        + Unpin
        + 'static,
    C::Future: Send + 'static,
    C::Error: Into<BoxError>,
{
    let tls = config
        .rustls_client_config()
        .map_err(|error| error.to_string())?;
    let mut builder = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = name
            .clone()
            .try_into()
            .map_err(|_| format!("'{name}' is not a server name"))?;
        builder =
            builder.with_server_name_resolver(hyper_rustls::FixedServerNameResolver::new(name));
    }
    match protocol {
        Protocol::Multiplexed => pooled(
            builder
                .enable_http1()
                .enable_http2()
                .wrap_connector(connector),
            config,
        ),
        Protocol::Parallel => pooled(builder.enable_http1().wrap_connector(connector), config),
    }
}

fn pooled<C>(connector: C, config: &kube::Config) -> Result<Service, String>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .http2_initial_stream_window_size(1024 * 1024)
        .http2_initial_connection_window_size(16 * 1024 * 1024)
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .http2_keep_alive_while_idle(true);
    let open = move || -> Client<C, Body> { builder.build(connector.clone()) };
    let client = Spread::new(open);
    let service = match config.auth_layer().map_err(|error| error.to_string())? {
        Some(layer) => BoxCloneSyncService::new(layer.layer(client)),
        None => BoxCloneSyncService::new(client),
    };
    Ok(service)
}
