//! `driftless serve`: all components in one process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use driftless_analysis::Providers;
use driftless_api::{AppProject, Application};
use driftless_appstate::AppState;
use driftless_controller::Controller;
use driftless_core::{Clock, GroupVersionKind, Namespace};
use driftless_delivery::Delivery;
use driftless_kube::store::{Store, StoreState};
use driftless_kube::{
    Cluster, Clusters, Fence, Lease, LeaseOptions, LeaseState, StoreScope, WriteCtx,
};
use driftless_server::adapter::{self, Services};
use driftless_server::deps::{AuthMode, Config, Version};
use driftless_settings::{SettingsHandle, bootstrap};
use driftless_source::{Git, Renderer};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::destinations::Destinations;
use crate::instance::Instance;
use crate::logging;

/// How long a graceful stop may take.
const STOP_LIMIT: Duration = Duration::from_secs(25);
/// How long Applications, projects and settings may take to be loaded at the start.
const LOAD_LIMIT: Duration = Duration::from_secs(60);

/// Options of `driftless serve`. Each has an environment variable `DRIFTLESS_*`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Kubeconfig of the cluster that holds Applications; the in-cluster configuration, then the
    /// usual places, when not given
    #[arg(long, env = "DRIFTLESS_KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// Namespace of the control plane
    #[arg(long, env = "DRIFTLESS_NAMESPACE", default_value = "argocd")]
    namespace: String,
    /// Address to listen on; port 0 takes a free one
    #[arg(long, env = "DRIFTLESS_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Folder for caches and this instance's identity; each instance needs its own
    #[arg(long, env = "DRIFTLESS_DATA_DIR", default_value = "driftless-data")]
    data_dir: PathBuf,
    /// Let everybody do everything: for trying out, on loopback
    #[arg(long, env = "DRIFTLESS_DISABLE_AUTH")]
    disable_auth: bool,
    /// Apply the CustomResourceDefinitions at the start
    #[arg(long, env = "DRIFTLESS_APPLY_CRDS")]
    apply_crds: bool,
    /// Applications worked on at once
    #[arg(long, env = "DRIFTLESS_PARALLEL", default_value_t = 64)]
    parallel: usize,
    /// Form of the log
    #[arg(long, env = "DRIFTLESS_LOG_FORMAT", value_enum, default_value = "text")]
    log_format: logging::Format,
    /// What to log: a level, or a filter such as info,driftless_source=debug
    #[arg(long, env = "DRIFTLESS_LOG_LEVEL", default_value = "info")]
    log_level: String,
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

/// Runs until the process is told to stop.
pub(crate) fn run(args: Args) -> Result<()> {
    logging::init(args.log_format, &args.log_level)?;
    // One TLS implementation for every connection of the process; a second installation is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("driftless")
        .build()
        .context("starting the runtime")?;
    let outcome = runtime.block_on(serve(args));
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

async fn serve(args: Args) -> Result<()> {
    let began = std::time::Instant::now();
    let instance = Instance::lock(&args.data_dir)?;
    instance.retract_address()?;
    let listener = TcpListener::bind(args.listen).await.with_context(|| {
        format!(
            "listening on {}; choose another address with --listen",
            args.listen
        )
    })?;
    let address = listener.local_addr().context("reading the bound address")?;
    let stop = CancellationToken::new();
    let mut registry = Registry::default();

    let (clusters, control) = connect(&args, &mut registry).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let settings = start_settings(&args, &control, &*clock).await?;
    let apps =
        start_store::<Application>(&control, &args.namespace, Application::KIND, "applications");
    let projects =
        start_store::<AppProject>(&control, &args.namespace, AppProject::KIND, "appprojects");
    let git = open_git(&instance, &settings, &mut registry, &clock)?;
    let renderer = Renderer::open(
        driftless_source::render::Options::new(instance.folder("renders")),
        driftless_source::Metrics::register(&mut registry),
    )
    .context("opening the render cache")?;
    let state = AppState::new(driftless_appstate::Services {
        control_namespace: Namespace::new(&args.namespace),
        apps,
        projects,
        clusters,
        git: Arc::new(git),
        renderer: Arc::new(renderer),
        settings,
        clock,
        metrics: driftless_appstate::Metrics::register(&mut registry),
    });
    loaded(&state).await?;
    let destinations = Destinations::connect(&state).await;
    let destinations = tokio::spawn(destinations.follow(stop.clone()));

    let lease = Lease::start(
        &control,
        LeaseOptions::new(&args.namespace, "driftless-controller", instance.identity()),
    );
    let controller = spawn_controller(&args, &state, &control, &lease, &mut registry, &stop);
    let delivery = spawn_delivery(&args, &state, &control, &lease, &mut registry, &stop);
    let server = spawn_server(&args, &state, &control, listener, registry, &stop);
    instance.publish_address(&address.to_string())?;
    tracing::info!(
        address = %address,
        elapsed_ms = began.elapsed().as_millis() as u64,
        auth = !args.disable_auth,
        "Ready"
    );

    wait_for_signal().await;
    tracing::info!("Stopping");
    stop.cancel();
    let ended = async {
        let _ = controller.await;
        let _ = delivery.await;
        lease.release().await;
        let _ = server.await;
        let _ = destinations.await;
    };
    if tokio::time::timeout(STOP_LIMIT, ended).await.is_err() {
        tracing::warn!(
            limit_s = STOP_LIMIT.as_secs(),
            "Stopped with work left; the next start goes on with it"
        );
    }
    instance.retract_address()
}

/// Connects the cluster that holds Applications, which is the destination `https://kubernetes.default.svc` too.
async fn connect(args: &Args, registry: &mut Registry) -> Result<(Arc<Clusters>, Arc<Cluster>)> {
    let config = match &args.kubeconfig {
        Some(path) => {
            let kubeconfig = kube::config::Kubeconfig::read_from(path)
                .with_context(|| format!("reading the kubeconfig {}", path.display()))?;
            kube::Config::from_custom_kubeconfig(
                kubeconfig,
                &kube::config::KubeConfigOptions::default(),
            )
            .await
            .with_context(|| format!("using the kubeconfig {}", path.display()))?
        }
        None => kube::Config::infer()
            .await
            .context("finding a cluster: run inside one, or name a kubeconfig with --kubeconfig")?,
    };
    let metrics = driftless_kube::Metrics::register(registry);
    let clusters = Clusters::new(driftless_kube::Options::default(), metrics);
    let control = clusters
        .connect_in_cluster(config)
        .context("connecting to the cluster")?;
    Ok((clusters, control))
}

/// Creates what is missing, then reads and follows the settings.
async fn start_settings(
    args: &Args,
    control: &Arc<Cluster>,
    clock: &dyn Clock,
) -> Result<SettingsHandle> {
    let namespace = Namespace::new(&args.namespace);
    let ctx = WriteCtx::internal(Fence::unfenced());
    if args.apply_crds {
        bootstrap::apply_crds(control, &ctx)
            .await
            .context("applying the CustomResourceDefinitions")?;
    }
    let created = bootstrap::run(
        control,
        &namespace,
        &ctx,
        bootstrap::Admin::Password,
        clock.now(),
    )
    .await
    .context("creating what is missing")?;
    if !created.is_empty() {
        tracing::info!(created = created.join(", "), "Created what was missing");
    }
    SettingsHandle::start(control, &namespace, LOAD_LIMIT)
        .await
        .context("reading the settings")
}

fn start_store<T>(
    control: &Arc<Cluster>,
    namespace: &str,
    kind: &str,
    plural: &'static str,
) -> Arc<Store<T>>
where
    T: serde::de::DeserializeOwned + Send + Sync + 'static,
{
    let scope = StoreScope {
        gvk: GroupVersionKind::new("argoproj.io", "v1alpha1", kind),
        plural,
        namespaces: vec![namespace.to_owned()],
        label_selector: None,
        field_selector: None,
    };
    Arc::new(Store::start(control, scope))
}

fn open_git(
    instance: &Instance,
    settings: &SettingsHandle,
    registry: &mut Registry,
    clock: &Arc<dyn Clock>,
) -> Result<Git> {
    let settings = settings.current();
    let timing = &settings.general.timing;
    let mut options = driftless_source::git::Options::new(instance.folder("git"));
    options.poll_interval = timing.reconciliation;
    options.poll_jitter = timing.jitter.min(timing.reconciliation);
    options.request_timeout = settings.params.repo.git_timeout;
    Git::open(
        options,
        driftless_source::Metrics::register(registry),
        Arc::clone(clock),
    )
    .context("opening the local copies of repositories")
}

/// Waits until Applications and projects are known: a controller that starts before would take "not loaded" for
/// "deleted".
async fn loaded(state: &AppState) -> Result<()> {
    if state.apps.ready(LOAD_LIMIT).await && state.projects.ready(LOAD_LIMIT).await {
        return Ok(());
    }
    let why = [state.apps.state(), state.projects.state()]
        .into_iter()
        .find_map(|state| match state {
            StoreState::Unreadable(reason) => Some(reason.to_string()),
            _ => None,
        });
    anyhow::bail!(
        "applications and projects were not loaded in {} s: {}",
        LOAD_LIMIT.as_secs(),
        why.unwrap_or_else(|| "the API server does not answer".to_owned())
    )
}

fn spawn_controller(
    args: &Args,
    state: &Arc<AppState>,
    control: &Arc<Cluster>,
    lease: &Lease,
    registry: &mut Registry,
    stop: &CancellationToken,
) -> tokio::task::JoinHandle<()> {
    let options = driftless_controller::Options {
        parallel: args.parallel,
    };
    let metrics = driftless_controller::Metrics::register(registry);
    let controller = Controller::new(Arc::clone(state), control, lease.fence(), metrics, options);
    let mut states = lease.states();
    let stop = stop.clone();
    tokio::spawn(async move {
        loop {
            let held = tokio::select! {
                held = states.wait_for(|state| *state == LeaseState::Held) => held.map(drop),
                () = stop.cancelled() => return,
            };
            if held.is_err() {
                return;
            }
            tracing::info!("This instance works on applications");
            let term = stop.child_token();
            let work = tokio::spawn(Arc::clone(&controller).run(term.clone()));
            tokio::select! {
                () = taken_over(&mut states, &controller) => {}
                () = stop.cancelled() => {}
            }
            term.cancel();
            if let Err(error) = work.await {
                tracing::error!(%error, "The controller ended early");
            }
        }
    })
}

/// Runs ModelRollouts while the lease is held.
fn spawn_delivery(
    args: &Args,
    state: &Arc<AppState>,
    control: &Arc<Cluster>,
    lease: &Lease,
    registry: &mut Registry,
    stop: &CancellationToken,
) -> tokio::task::JoinHandle<()> {
    let delivery = Delivery::new(driftless_delivery::Services {
        clusters: Arc::clone(&state.clusters),
        control: Arc::clone(control),
        namespace: Namespace::new(&args.namespace),
        write: WriteCtx::internal(lease.fence()),
        namespaces: Vec::new(),
        measure: Arc::new(Providers::new(driftless_analysis::Options::from_variables(
            |name| std::env::var(name).ok(),
        ))),
        clock: Arc::clone(&state.clock),
        metrics: driftless_delivery::Metrics::register(registry),
    });
    let mut states = lease.states();
    let stop = stop.clone();
    tokio::spawn(async move {
        loop {
            let held = tokio::select! {
                held = states.wait_for(|state| *state == LeaseState::Held) => held.map(drop),
                () = stop.cancelled() => return,
            };
            if held.is_err() {
                return;
            }
            let term = stop.child_token();
            let work = tokio::spawn(Arc::clone(&delivery).run(term.clone()));
            let lost = states.wait_for(|state| matches!(state, LeaseState::HeldBy(_)));
            tokio::select! {
                _ = lost => {}
                () = stop.cancelled() => {}
            }
            term.cancel();
            if let Err(error) = work.await {
                tracing::error!(%error, "The rollouts ended early");
            }
        }
    })
}

/// Resolves when another instance holds the lease. When it was only late, for a while nothing was done: the
/// controller looks at everything again.
async fn taken_over(states: &mut watch::Receiver<LeaseState>, controller: &Controller) {
    while states.changed().await.is_ok() {
        let state = states.borrow_and_update().clone();
        match state {
            LeaseState::HeldBy(_) => {
                tracing::warn!(
                    ?state,
                    "Another instance works on applications; this one waits"
                );
                return;
            }
            LeaseState::Held => controller.resume(),
            LeaseState::Starting | LeaseState::Unknown(_) => {}
        }
    }
}

fn spawn_server(
    args: &Args,
    state: &Arc<AppState>,
    control: &Arc<Cluster>,
    listener: TcpListener,
    registry: Registry,
    stop: &CancellationToken,
) -> tokio::task::JoinHandle<()> {
    let auth = if args.disable_auth {
        AuthMode::Disabled
    } else {
        AuthMode::Enforced
    };
    let config = Config {
        control_namespace: Namespace::new(&args.namespace),
        auth,
        base_href: state.settings.current().params.server.base_href.clone(),
        ..Config::default()
    };
    let version = Version {
        version: format!("v{}", env!("CARGO_PKG_VERSION")),
        platform: format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
        ..Version::default()
    };
    let services = Services {
        state: Arc::clone(state),
        control: Arc::clone(control),
        config,
        version,
    };
    let server = adapter::connect(services, registry);
    let router = driftless_server::app(&server);
    let stop = stop.clone();
    tokio::spawn(async move {
        // Open streams would hold a graceful stop up for as long as somebody looks at a page.
        let stopping = async move {
            stop.cancelled().await;
            server.stop();
        };
        let serve = axum::serve(listener, router).with_graceful_shutdown(stopping);
        if let Err(error) = serve.await {
            tracing::error!(%error, "The API ended early");
        }
    })
}

async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let wait = |kind| async move {
        match signal(kind) {
            Ok(mut signals) => {
                signals.recv().await;
            }
            Err(error) => {
                tracing::error!(%error, "Signals cannot be received");
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::interrupt()) => {}
    }
}
