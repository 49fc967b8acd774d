//! What a sync operation has to do, and in which order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use driftless_core::{GroupVersionKind, ResourceKey};
use driftless_manifest::Object;

use crate::annotation::{Annotations, DeletePolicy, HOOK_FINALIZER, Hook, HookType};
use crate::prune::{Excess, Verdict};
use crate::sync::option::{Guard, Options, ResourceOptions};
use crate::sync::order;
use crate::sync::task::{Action, Governor, Method, Phase, Task, TaskId, Write};

/// Names the operation that created a hook, see [`Options::operation_id`].
pub const OPERATION_ANNOTATION: &str = "driftless.dev/operation";

/// Begins the message about an object that another application manages, where that is refused.
pub(crate) const SHARED: &str = "Shared resource found: ";

/// What is known of a kind on the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KindFact {
    /// Served; its objects live in namespaces.
    Namespaced,
    /// Served; its objects live in the cluster.
    ClusterScoped,
    /// Not served in this version.
    Missing {
        /// Versions of the same kind that are served.
        served_versions: Vec<String>,
    },
    /// It could not be found out; the text says why.
    Unavailable(String),
}

/// Facts about the destination cluster.
pub trait Cluster {
    /// Returns what is known of a kind.
    fn kind(&self, gvk: &GroupVersionKind) -> KindFact;

    /// Returns the applications that share a live object, as `this/one and another`, when it is marked as part of
    /// another than this one.
    fn sharers(&self, _live: &Object) -> Option<String> {
        None
    }

    /// Says whether the project permits the object; the text is shown to the user.
    fn permit(&self, _gvk: &GroupVersionKind, _key: &ResourceKey) -> Result<(), String> {
        Ok(())
    }
}

/// A desired object.
#[derive(Clone, Debug)]
pub struct Target {
    /// The object, with its namespace and its tracking mark.
    pub object: Arc<Object>,
    /// What its annotations ask for.
    pub annotations: Annotations,
    /// It equals the live object.
    pub in_sync: bool,
    /// The rollout that moves it from version to version.
    pub governor: Option<Governor>,
    /// Why it must not be written, for the user.
    pub refusal: Option<String>,
}

impl Target {
    /// Wraps an object that differs from the live one.
    pub fn new(object: Arc<Object>) -> Self {
        let annotations = Annotations::of(&object);
        Self {
            object,
            annotations,
            in_sync: false,
            governor: None,
            refusal: None,
        }
    }
}

/// The destination namespace, where the operation creates it.
#[derive(Clone, Debug)]
pub struct NamespaceTarget {
    /// The Namespace object, with managed labels and annotations.
    pub object: Arc<Object>,
    /// Whether labels and annotations are managed, so that an existing namespace is written as well.
    pub managed_metadata: bool,
}

/// Everything a plan is made from.
pub struct Input<'a> {
    /// Desired objects, hooks included. At most one per key.
    pub targets: &'a [Target],
    /// Live objects at the targets' keys.
    pub live: &'a BTreeMap<ResourceKey, Arc<Object>>,
    /// Live objects of the application without a target: what may be pruned. Nothing else ever is.
    pub extraneous: &'a [Arc<Object>],
    /// The destination namespace, when it is to be created.
    pub namespace: Option<&'a NamespaceTarget>,
    /// What is asked for.
    pub options: &'a Options,
    /// The destination cluster.
    pub cluster: &'a dyn Cluster,
}

/// What a sync operation has to do, in order.
#[derive(Clone, Debug)]
pub struct Plan {
    tasks: Vec<Task>,
    invalid: Vec<(TaskId, String)>,
    excess: Option<Excess>,
    prune_waves: Vec<i32>,
    options: Options,
}

impl Plan {
    /// Returns the tasks in order.
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// Returns the tasks with their ids, in order.
    pub fn entries(&self) -> impl Iterator<Item = (TaskId, &Task)> {
        self.tasks
            .iter()
            .enumerate()
            .map(|(index, task)| (TaskId(index), task))
    }

    /// Returns one task.
    pub fn task(&self, id: TaskId) -> Option<&Task> {
        self.tasks.get(id.0)
    }

    /// Returns the tasks that cannot be done, with the reason of each.
    pub fn invalid(&self) -> &[(TaskId, String)] {
        &self.invalid
    }

    /// Returns how far the prune exceeds its budget, when it does and nobody confirmed it.
    pub fn excess(&self) -> Option<&Excess> {
        self.excess.as_ref()
    }

    /// Returns the waves among which prunes are mirrored, see [`Options::prune_waves`].
    pub fn prune_waves(&self) -> &[i32] {
        &self.prune_waves
    }

    /// Returns what was asked for.
    pub fn options(&self) -> &Options {
        &self.options
    }
}

/// Plans a sync operation.
pub fn plan(input: &Input<'_>) -> Plan {
    let options = input.options;
    let mut tasks = namespace_task(input).into_iter().collect::<Vec<_>>();
    for target in input.targets {
        if target.annotations.hook.is_hook() {
            if options.runs_hooks() {
                tasks.extend(hook_tasks(input, target));
            }
        } else if options.selects(&target.object.key()) {
            tasks.push(apply_task(input, target));
        }
    }
    let wanted: BTreeSet<ResourceKey> = tasks.iter().map(|task| task.key.clone()).collect();
    for live in input.extraneous {
        let annotations = Annotations::of(live);
        let key = live.key();
        if !annotations.hook.is_hook() && options.selects(&key) && !wanted.contains(&key) {
            tasks.push(prune_task(live, key, &annotations, options));
        }
    }
    let prunes = tasks.iter().filter(|task| will_delete(task)).count() as u64;
    let excess = match options.prune_budget.judge(prunes, options.managed) {
        Verdict::NeedsConfirmation(excess) if !options.dry_run && !options.deletion_confirmed() => {
            Some(excess)
        }
        _ => None,
    };
    let last = |task: &Task| {
        let live = task.live.as_deref();
        let own = live.is_some_and(|live| Annotations::of(live).options.prune_last);
        options.app.prune_last || own || excess.is_some() || waits_for_confirmation(task, options)
    };
    let prune_waves = match &options.prune_waves[..] {
        [] => order::prune_waves(&tasks),
        known => known.to_vec(),
    };
    order::place_prunes(&mut tasks, &prune_waves, last);
    order::sort(&mut tasks);
    let invalid = check(input, &mut tasks);
    Plan {
        tasks,
        invalid,
        excess,
        prune_waves,
        options: options.clone(),
    }
}

/// Says whether a prune is held back until somebody confirms it.
pub(crate) fn waits_for_confirmation(task: &Task, options: &Options) -> bool {
    let confirm = matches!(
        task.action,
        Action::Prune {
            guard: Guard::Confirm,
            enabled: true,
            ..
        }
    );
    confirm && !options.dry_run && !options.deletion_confirmed()
}

/// Says whether a task deletes an extra object, rather than reporting that it stays.
pub(crate) fn will_delete(task: &Task) -> bool {
    matches!(
        task.action,
        Action::Prune {
            guard: Guard::Allowed | Guard::Confirm,
            enabled: true,
            ..
        }
    )
}

fn namespace_task(input: &Input<'_>) -> Option<Task> {
    let namespace = input.namespace?;
    let key = namespace.object.key();
    let live = input.live.get(&key).cloned();
    if (live.is_some() && !namespace.managed_metadata)
        || input
            .targets
            .iter()
            .any(|target| target.object.key() == key)
    {
        return None;
    }
    Some(Task {
        phase: Phase::PreSync,
        wave: i32::MIN,
        action: Action::CreateNamespace,
        gvk: namespace.object.gvk(),
        key,
        hook: None,
        delete_policies: Vec::new(),
        target: Some(namespace.object.clone()),
        live,
        in_sync: false,
        skip_dry_run: true,
        governor: None,
        refusal: None,
    })
}

fn apply_task(input: &Input<'_>, target: &Target) -> Task {
    let key = target.object.key();
    let live = input.live.get(&key).cloned();
    Task {
        phase: Phase::Sync,
        wave: target.annotations.wave,
        action: Action::Apply(write(input.options, target, live.as_deref())),
        gvk: target.object.gvk(),
        key,
        hook: None,
        delete_policies: Vec::new(),
        target: Some(target.object.clone()),
        live,
        in_sync: target.in_sync,
        skip_dry_run: false,
        governor: target.governor.clone(),
        refusal: target.refusal.clone(),
    }
}

fn write(options: &Options, target: &Target, live: Option<&Object>) -> Write {
    let live = live.map_or_else(ResourceOptions::default, |live| {
        Annotations::of(live).options
    });
    let own = target.annotations.options;
    let app = &options.app;
    // Replacing a rollout would drop what it was handed over and asked for.
    let is_rollout = target.object.is("driftless.dev", "ModelRollout");
    let validate = !(app.skip_validation || own.skip_validation);
    // Server-side apply refuses fields that the kind does not have, whatever validation is asked for.
    let server_side = own.server_side_apply.or(app.server_side_apply);
    let method = if is_rollout {
        Method::ServerSideApply
    } else if app.replace || own.replace || live.replace {
        Method::Replace
    } else if server_side.unwrap_or(validate) {
        Method::ServerSideApply
    } else {
        Method::ClientSideApply
    };
    Write {
        method,
        force: !is_rollout && (options.force || own.force || live.force),
        validate,
        migrate_client_side: app.client_side_apply_migration,
    }
}

/// One task per phase in which the hook runs.
fn hook_tasks(input: &Input<'_>, target: &Target) -> Vec<Task> {
    let Hook::At(types) = &target.annotations.hook else {
        return Vec::new();
    };
    let phases = types
        .iter()
        .filter_map(|hook| Some((*hook, Phase::of_hook(*hook)?)));
    phases
        .map(|(hook, phase)| {
            let object = Arc::new(hook_object(&target.object, phase, input.options));
            let key = object.key();
            let live = input.live.get(&key).cloned();
            Task {
                phase,
                wave: target.annotations.wave,
                action: Action::Apply(write(input.options, target, live.as_deref())),
                gvk: object.gvk(),
                key,
                hook: Some(hook),
                delete_policies: target.annotations.delete_policies.clone(),
                target: Some(object),
                live,
                in_sync: false,
                skip_dry_run: false,
                governor: None,
                refusal: None,
            }
        })
        .collect()
}

/// Returns the hook as it is created: named, with its finalizer and the operation's id.
fn hook_object(object: &Object, phase: Phase, options: &Options) -> Object {
    let mut object = object.clone();
    if object.name().is_empty() {
        let revision = options.revision.get(..7).unwrap_or(&options.revision);
        let prefix = object.generate_name().unwrap_or_default();
        let suffix = format!(
            "{revision}-{}-{}",
            phase.as_str(),
            options.started_at.as_second()
        );
        let name = format!("{prefix}{}", suffix.to_lowercase());
        object.set_name(&name);
    }
    object.add_finalizer(HOOK_FINALIZER);
    if let Some(id) = operation_mark(phase, options) {
        object.set_annotation(OPERATION_ANNOTATION, id);
    }
    object
}

/// Returns what a hook carries so that a resumed operation knows it made it: one hook object may serve
/// several phases.
pub(crate) fn operation_mark(phase: Phase, options: &Options) -> Option<String> {
    let id = &options.operation_id;
    (!id.is_empty()).then(|| format!("{id}/{}", phase.as_str()))
}

fn prune_task(
    live: &Arc<Object>,
    key: ResourceKey,
    annotations: &Annotations,
    options: &Options,
) -> Task {
    Task {
        phase: Phase::Sync,
        wave: annotations.wave,
        action: Action::Prune {
            propagation: options.app.prune_propagation,
            guard: annotations.options.prune.max(options.app.prune),
            enabled: options.prune,
        },
        gvk: live.gvk(),
        key,
        hook: None,
        delete_policies: Vec::<DeletePolicy>::new(),
        target: None,
        live: Some(live.clone()),
        in_sync: false,
        skip_dry_run: false,
        governor: None,
        refusal: None,
    }
}

/// Checks every task against the cluster and the project; what can only be tried later is marked.
fn check(input: &Input<'_>, tasks: &mut [Task]) -> Vec<(TaskId, String)> {
    let new_kinds: BTreeSet<(String, String)> = tasks.iter().filter_map(defined_kind).collect();
    let new_namespaces: BTreeSet<Arc<str>> = tasks
        .iter()
        .filter(|task| &*task.key.kind == "Namespace" && !task.is_prune() && task.live.is_none())
        .map(|task| task.key.name.clone())
        .collect();
    let mut facts: BTreeMap<GroupVersionKind, KindFact> = BTreeMap::new();
    let mut invalid = Vec::new();
    for (index, task) in tasks.iter_mut().enumerate() {
        if new_namespaces.contains(&task.key.namespace) {
            task.skip_dry_run = true;
        }
        let fact = facts
            .entry(task.gvk.clone())
            .or_insert_with(|| input.cluster.kind(&task.gvk));
        let problem = match fact {
            KindFact::Namespaced | KindFact::ClusterScoped => None,
            // What is live can be deleted through the version it was read in.
            _ if task.is_prune() => None,
            KindFact::Unavailable(why) => Some(why.clone()),
            KindFact::Missing { served_versions } => {
                let own = task
                    .target
                    .as_deref()
                    .map(|target| Annotations::of(target).options);
                let skip = input.options.app.skip_dry_run_on_missing
                    || own.is_some_and(|own| own.skip_dry_run_on_missing)
                    || new_kinds.contains(&(task.gvk.group.to_string(), task.gvk.kind.to_string()));
                task.skip_dry_run |= skip;
                (!skip).then(|| missing_kind(task, served_versions))
            }
        };
        let problem = problem
            .or_else(|| task.refusal.clone())
            .or_else(|| input.cluster.permit(&task.gvk, &task.key).err())
            .or_else(|| shared(input, task));
        if let Some(message) = problem {
            invalid.push((TaskId(index), message));
        }
    }
    invalid
}

/// Refuses an object that another application manages, where that is asked for.
fn shared(input: &Input<'_>, task: &Task) -> Option<String> {
    if !input.options.app.fail_on_shared_resource || task.action == Action::CreateNamespace {
        return None;
    }
    let sharers = input.cluster.sharers(task.live.as_deref()?)?;
    let (kind, name) = (&task.key.kind, &task.key.name);
    Some(format!(
        "{SHARED}{kind}/{name} is part of applications {sharers}"
    ))
}

/// Returns the group and kind that a CustomResourceDefinition among the targets adds.
fn defined_kind(task: &Task) -> Option<(String, String)> {
    let target = task.target.as_deref()?;
    if !target.is("apiextensions.k8s.io", "CustomResourceDefinition") {
        return None;
    }
    let group = target.str_at(&["spec", "group"])?;
    let kind = target.str_at(&["spec", "names", "kind"])?;
    Some((group.to_owned(), kind.to_owned()))
}

fn missing_kind(task: &Task, served_versions: &[String]) -> String {
    let gvk = &task.gvk;
    let name = if task.key.namespace.is_empty() {
        task.key.name.to_string()
    } else {
        format!("{}/{}", task.key.namespace, task.key.name)
    };
    let kind = if gvk.group.is_empty() {
        gvk.kind.to_string()
    } else {
        format!("{}/{}", gvk.group, gvk.kind)
    };
    let hint = match served_versions {
        [] => format!(
            "Make sure the \"{}\" CRD is installed on the destination cluster.",
            gvk.kind
        ),
        [one] => format!("Version \"{one}\" of {kind} is installed on the destination cluster."),
        many => format!(
            "Versions {} of {kind} are installed on the destination cluster.",
            many.iter()
                .map(|version| format!("\"{version}\""))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    };
    format!(
        "The Kubernetes API could not find version \"{}\" of {kind} for requested resource {name}. {hint}",
        gvk.version
    )
}

/// Says which hooks of these types the targets hold: the caller needs that for deletion hooks.
pub fn hooks_at(targets: &[Target], hook: HookType) -> impl Iterator<Item = &Target> {
    targets
        .iter()
        .filter(move |target| target.annotations.hook.types().contains(&hook))
}
