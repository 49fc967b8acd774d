import type { Application, ApplicationWatchEvent, KubernetesEvent, KubernetesObject, ResourceResult, SyncRequest } from '../api-types';
import { countFacets, matches, parseListSearch, sortApplications, type SortKey } from '../features/applications/search';
import { ago, makeWorld, quarantine, REVISION_IDS, REVISIONS, type World } from './mock-data';
import { nextVersion } from './mock-ids';
import { actOnRollout, rolloutActions } from './mock-rollout-actions';

/**
 * A TEST DOUBLE of the API, for `npm run dev` without a server and for component tests. It keeps made-up applications in
 * memory and acts a sync out with timers. It is no part of the product and proves nothing about the real server.
 */
export interface MockOptions {
  apps?: number;
  /** Pages, filters and counts on the server, as Driftless does; otherwise as servers do that know none of it. */
  paged?: boolean;
  auth?: boolean;
  /** Time between two steps of an acted operation. */
  stepMs?: number;
  /** Whoever looks has no right to act on rollouts. */
  readOnly?: boolean;
}

type Sink = (message: unknown) => void;

interface ActionRequest {
  kind: string;
  resourceName: string;
  action: string;
  resourceActionParameters?: { name: string; value: string }[];
}

export class MockServer {
  readonly worlds = new Map<string, World>();
  readonly requests: { method: string; path: string; query: URLSearchParams; body: unknown }[] = [];
  private readonly appSinks = new Set<Sink>();
  private readonly treeSinks = new Map<string, Set<Sink>>();
  private readonly eventSinks = new Map<string, Set<Sink>>();
  private readonly closers = new Set<() => void>();
  private loggedIn: boolean;
  private readonly options: Required<MockOptions>;

  constructor(options: MockOptions = {}) {
    this.options = { apps: 30, paged: true, auth: true, stepMs: 350, readOnly: false, ...options };
    this.loggedIn = !this.options.auth;
    for (let index = 0; index < this.options.apps; index += 1) {
      const world = makeWorld(index);
      this.worlds.set(world.app.metadata.name, world);
    }
  }

  async handle(request: Request, signal: AbortSignal = request.signal): Promise<Response> {
    const url = new URL(request.url);
    const path = url.pathname.replace(/^.*?\/api\//, '/api/');
    const text = request.method === 'GET' ? '' : await request.text();
    const body: unknown = text ? JSON.parse(text) : undefined;
    this.requests.push({ method: request.method, path, query: url.searchParams, body });
    return this.route(request.method, path, url.searchParams, body, signal);
  }

  /** Ends every open stream, as a restarting server would. */
  dropStreams(): void {
    for (const close of [...this.closers]) close();
  }

  change(name: string, edit: (app: Application) => Application, type: ApplicationWatchEvent['type'] = 'MODIFIED'): void {
    const world = this.worlds.get(name);
    if (!world) return;
    const next = edit(structuredClone(world.app));
    world.app = { ...next, metadata: { ...next.metadata, resourceVersion: nextVersion() } };
    if (type === 'DELETED') this.worlds.delete(name);
    this.appSinks.forEach((sink) => sink({ type, application: world.app }));
    this.treeSinks.get(name)?.forEach((sink) => sink(world.tree));
  }

  /** Changes one rollout, as its controller would. */
  changeRollout(name: string, rollout: string, edit: (object: KubernetesObject) => KubernetesObject): void {
    const world = this.worlds.get(name);
    const held = world?.rollouts.find((each) => each.node.name === rollout);
    if (!world || !held) return;
    held.object = edit(structuredClone(held.object));
    held.node = { ...held.node, resourceVersion: nextVersion() };
    const nodes = (world.tree.nodes ?? []).map((node) => (node.uid === held.node.uid ? held.node : node));
    world.tree = { ...world.tree, nodes };
    this.treeSinks.get(name)?.forEach((sink) => sink(world.tree));
  }

  /** Records an event about an application. */
  tell(name: string, event: KubernetesEvent): void {
    this.worlds.get(name)?.events.push(event);
    this.eventSinks.get(name)?.forEach((sink) => sink(undefined));
  }

  private route(method: string, path: string, query: URLSearchParams, body: unknown, signal: AbortSignal): Response {
    if (path === '/api/version') return json({ Version: '0.1.0-mock' });
    if (path === '/api/v1/settings') return json({ url: '', controllerNamespace: 'argocd' });
    if (path === '/api/v1/session/userinfo') return json(this.loggedIn ? { loggedIn: true, username: 'admin' } : { loggedIn: false });
    if (path === '/api/v1/session') return this.session(method, body as { username: string; password: string } | undefined);
    if (!this.loggedIn) return failure(401, 'no session information');
    if (path === '/api/v1/stream/applications') return this.watch(query, signal);
    const tree = /^\/api\/v1\/stream\/applications\/([^/]+)\/resource-tree$/.exec(path)?.[1];
    if (tree) return this.watchTree(decodeURIComponent(tree), signal);
    const events = /^\/api\/v1\/stream\/applications\/([^/]+)\/events$/.exec(path)?.[1];
    if (events) return this.watchEvents(decodeURIComponent(events), signal);
    if (path === '/api/v1/applications') return method === 'POST' ? this.create(body as Application) : this.list(query);
    const one = /^\/api\/v1\/applications\/([^/]+)(\/.*)?$/.exec(path);
    const world = one?.[1] ? this.worlds.get(decodeURIComponent(one[1])) : undefined;
    if (!world) return failure(403, 'permission denied', 7);
    return this.one(method, world, one?.[2] ?? '', query, body, signal);
  }

  private session(method: string, body: { username: string; password: string } | undefined): Response {
    if (method === 'DELETE') {
      this.loggedIn = false;
      return json({});
    }
    if (body?.username !== 'admin' || body.password !== 'password') return failure(401, 'Invalid username or password', 16);
    this.loggedIn = true;
    return json({ token: 'mock' });
  }

  private list(query: URLSearchParams): Response {
    const apps = [...this.worlds.values()].map((world) => world.app);
    if (!this.options.paged) return json({ metadata: { resourceVersion: nextVersion() }, items: apps });
    const raw: Record<string, unknown> = { q: query.get('search') ?? undefined };
    for (const key of ['health', 'sync', 'project', 'cluster', 'namespace', 'repo']) raw[key] = query.getAll(key);
    const search = parseListSearch(raw);
    const sort = query.get('sort') ?? 'name';
    const found = sortApplications(apps.filter((app) => matches(app, search)), sort.replace('-', '') as SortKey, sort.startsWith('-'));
    const offset = Number(query.get('offset') ?? 0);
    const limit = Number(query.get('limit') ?? found.length);
    return json({ metadata: { resourceVersion: nextVersion(), total: found.length, facets: countFacets(apps, search) }, items: found.slice(offset, offset + limit) });
  }

  private one(method: string, world: World, rest: string, query: URLSearchParams, body: unknown, signal: AbortSignal): Response {
    const { name } = world.app.metadata;
    const revision = /^\/revisions\/([^/]+)\/metadata$/.exec(rest)?.[1];
    if (revision) return this.revision(revision);
    if (method === 'GET') {
      switch (rest) {
        case '':
          if (query.get('refresh')) this.change(name, (app) => ({ ...app, status: { ...app.status, reconciledAt: new Date().toISOString() } }));
          return json(world.app);
        case '/resource-tree': return json(world.tree);
        case '/managed-resources': return json({ items: world.managed });
        case '/events': return json({ items: world.events });
        case '/resource': return this.resource(world, query);
        case '/syncwindows': return json({ activeWindows: [], assignedWindows: [], canSync: true });
        case '/resource/actions': return json({ actions: rolloutActions(query.get('kind'))?.map((each) => (this.options.readOnly ? { ...each, disabled: true, denied: true } : each)) ?? (query.get('kind') === 'Deployment' ? [{ name: 'restart' }, { name: 'scale', params: [{ name: 'replicas', default: '2' }] }] : []) });
        case '/logs': return this.logs(query, signal);
      }
    }
    if (method === 'PUT') {
      this.change(name, (app) => ({ ...app, spec: (body as Application).spec }));
      return json(world.app);
    }
    if (method === 'PATCH') {
      const patch = JSON.parse((body as { patch: string }).patch) as { metadata?: { annotations?: Record<string, string | null> } };
      const lifted = patch.metadata?.annotations?.['driftless.dev/quarantine'] === null;
      this.change(name, (app) => (lifted ? { ...app, metadata: { ...app.metadata, annotations: {} }, status: { ...app.status, conditions: [] } } : app));
      return json(world.app);
    }
    if (method === 'DELETE' && rest === '') {
      this.change(name, (app) => app, 'DELETED');
      return json({});
    }
    if (method === 'DELETE' && rest === '/operation') {
      this.change(name, (app) => withOperation(app, { phase: 'Failed', message: 'Operation terminated', finishedAt: new Date().toISOString() }));
      return json({});
    }
    if (method === 'DELETE' && rest === '/resource') return json({});
    if (method === 'POST' && rest === '/resource/actions/v2') return this.action(world, body as ActionRequest);
    if (method === 'POST' && rest === '/sync') return this.sync(world, body as SyncRequest);
    if (method === 'POST' && rest === '/rollback') return this.rollback(world, (body as { id: number }).id);
    return failure(404, `the test double does not know ${method} ${rest}`, 5);
  }

  private action(world: World, { kind, resourceName, action, resourceActionParameters }: ActionRequest): Response {
    const rollout = world.rollouts.find((each) => each.node.kind === kind && each.node.name === resourceName);
    if (rollout?.forbidden) return failure(403, `permission denied: applications, action/driftless.dev/ModelRollout/${action}`, 7);
    const target = resourceActionParameters?.find((each) => each.name === 'target')?.value;
    if (rollout) setTimeout(() => this.changeRollout(world.app.metadata.name, resourceName, (object) => actOnRollout(object, action, target)), this.options.stepMs * 4);
    return json({});
  }

  private create(app: Application): Response {
    const world = makeWorld(this.worlds.size + 6);
    world.app = { ...app, metadata: { ...app.metadata, namespace: 'argocd', uid: `new-${nextVersion()}`, resourceVersion: nextVersion(), creationTimestamp: new Date().toISOString() } };
    world.tree = { nodes: [] };
    if (this.worlds.has(app.metadata.name)) return failure(400, 'existing application spec is different, use upsert flag to force update', 3);
    this.worlds.set(app.metadata.name, world);
    this.change(app.metadata.name, (now) => now, 'ADDED');
    return json(world.app);
  }

  private revision(id: string): Response {
    const known = REVISIONS[id];
    return known ? json({ author: known.author, message: known.message, date: ago(known.ageHours), tags: known.tags ?? null }) : failure(404, `revision ${id} not found`, 5);
  }

  private resource(world: World, query: URLSearchParams): Response {
    const kind = query.get('kind') ?? '';
    const name = query.get('resourceName') ?? '';
    const rollout = world.rollouts.find((each) => each.node.kind === kind && each.node.name === name);
    if (rollout?.unreachable) return failure(503, 'the cluster does not answer', 14);
    if (rollout) return json({ manifest: JSON.stringify(rollout.object) });
    const managed = world.managed.find((each) => each.kind === kind && each.name === name);
    const manifest = managed?.liveState ?? JSON.stringify({
      apiVersion: 'v1', kind, metadata: { name, namespace: query.get('namespace'), managedFields: [{ manager: 'kubelet' }] },
      spec: { containers: [{ name: 'predictor', image: 'registry.example.com/models/fraud:v13' }, { name: 'metrics', image: 'exporter:1.2' }] }, status: { phase: 'Running' },
    });
    return json({ manifest });
  }

  private sync(world: World, request: SyncRequest): Response {
    if (world.app.status?.operationState?.phase === 'Running') return failure(400, 'another operation is already in progress', 9);
    const chosen = (world.app.status?.resources ?? []).filter((each) => (!each.requiresPruning || request.prune) && (!request.resources || request.resources.some((want) => want.kind === each.kind && want.name === each.name)));
    this.act(world, REVISION_IDS[0] ?? '', request, chosen.map((each) => ({ kind: each.kind, group: each.group, namespace: each.namespace, name: each.name })));
    return json(world.app);
  }

  private rollback(world: World, id: number): Response {
    const entry = world.app.status?.history?.find((each) => each.id === id);
    if (!entry) return failure(400, `application ${world.app.metadata.name} does not have deployment with id ${id}`, 3);
    const left = world.app.status?.sync?.revision ?? '';
    this.change(world.app.metadata.name, (app) => ({
      ...app,
      metadata: { ...app.metadata, annotations: { 'driftless.dev/quarantine': quarantine(left, entry.revision ?? '', id) } },
      status: { ...app.status, conditions: [{ type: 'QuarantinedRevisionWarning', message: `revision ${left} is quarantined; automated sync resumes with the next commit`, lastTransitionTime: new Date().toISOString() }] },
    }));
    this.act(world, entry.revision ?? '', {}, (world.app.status?.resources ?? []).map((each) => ({ kind: each.kind, group: each.group, namespace: each.namespace, name: each.name })));
    return json(world.app);
  }

  /** Acts an operation out: one object per step. */
  private act(world: World, revision: string, request: SyncRequest, objects: ResourceResult[]): void {
    const { name } = world.app.metadata;
    const startedAt = new Date().toISOString();
    const results: ResourceResult[] = [];
    this.change(name, (app) => ({
      ...app,
      status: { ...app.status, operationState: { operation: { sync: { revision, dryRun: request.dryRun, prune: request.prune, resources: request.resources }, initiatedBy: { username: 'admin' } }, phase: 'Running', message: 'one or more tasks are running', startedAt, syncResult: { revision, resources: [] } } },
    }));
    const step = () => {
      if (world.app.status?.operationState?.phase !== 'Running') return;
      const object = objects[results.length];
      if (object) {
        results.push({ ...object, status: 'Synced', syncPhase: 'Sync', message: `${object.kind.toLowerCase()}/${object.name} serverside-applied` });
        this.change(name, (app) => withOperation(app, { syncResult: { revision, resources: [...results] } }));
        setTimeout(step, this.options.stepMs);
      } else this.finish(world, revision, Boolean(request.dryRun));
    };
    setTimeout(step, this.options.stepMs);
  }

  private finish(world: World, revision: string, dryRun: boolean): void {
    for (const item of dryRun ? [] : world.managed) Object.assign(item, { liveState: item.targetState, normalizedLiveState: item.targetState, modified: false });
    this.change(world.app.metadata.name, (app) => {
      const done = withOperation(app, { phase: 'Succeeded', message: 'successfully synced (all tasks run)', finishedAt: new Date().toISOString() });
      if (dryRun) return done;
      const history = done.status?.history ?? [];
      const resources = done.status?.resources?.filter((each) => !each.requiresPruning).map((each) => ({ ...each, status: 'Synced' as const }));
      return { ...done, status: { ...done.status, sync: { status: 'Synced', revision }, resources, history: [...history, { id: (history.at(-1)?.id ?? 0) + 1, revision, deployedAt: new Date().toISOString(), initiatedBy: { username: 'admin' } }] } };
    });
  }

  private watch(query: URLSearchParams, signal: AbortSignal): Response {
    const name = query.get('name');
    return this.stream(signal, (send) => {
      const sink: Sink = (message) => {
        if (!name || (message as ApplicationWatchEvent).application.metadata.name === name) send(message);
      };
      this.appSinks.add(sink);
      return () => this.appSinks.delete(sink);
    });
  }

  private watchTree(name: string, signal: AbortSignal): Response {
    return this.stream(signal, (send) => {
      const sinks = this.treeSinks.get(name) ?? new Set<Sink>();
      this.treeSinks.set(name, sinks.add(send));
      return () => sinks.delete(send);
    });
  }

  private watchEvents(name: string, signal: AbortSignal): Response {
    return this.stream(signal, (send) => {
      const tell = () => send({ items: this.worlds.get(name)?.events ?? [] });
      const sinks = this.eventSinks.get(name) ?? new Set<Sink>();
      this.eventSinks.set(name, sinks.add(tell));
      tell();
      return () => sinks.delete(tell);
    });
  }

  private logs(query: URLSearchParams, signal: AbortSignal): Response {
    const filter = query.get('filter') ?? '';
    const line = (number: number) => `${new Date().toISOString()} INFO predictor request=${number} path=/v1/models/fraud:predict status=200 latency_ms=${(number * 7919) % 40}`;
    return this.stream(signal, (send) => {
      let number = 0;
      const emit = () => {
        number += 1;
        const content = line(number);
        if (!filter || content.includes(filter)) send({ content, timeStampStr: new Date().toISOString(), podName: query.get('podName') });
      };
      while (number < 60) emit();
      const timer = setInterval(emit, 400);
      return () => clearInterval(timer);
    });
  }

  private stream(signal: AbortSignal, attach: (send: Sink) => () => unknown): Response {
    const encoder = new TextEncoder();
    let stop = () => undefined as unknown;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const detach = attach((message) => controller.enqueue(encoder.encode(`data: ${JSON.stringify({ result: message })}\n\n`)));
        stop = () => {
          detach();
          this.closers.delete(close);
        };
        const close = () => {
          stop();
          controller.close();
        };
        this.closers.add(close);
        signal.addEventListener('abort', () => stop());
      },
      cancel: () => void stop(),
    });
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  }
}

function withOperation(app: Application, patch: Partial<NonNullable<NonNullable<Application['status']>['operationState']>>): Application {
  const state = app.status?.operationState;
  return state ? { ...app, status: { ...app.status, operationState: { ...state, ...patch } } } : app;
}

function json(value: unknown): Response {
  return new Response(JSON.stringify(value), { headers: { 'content-type': 'application/json' } });
}

function failure(status: number, message: string, code = 2): Response {
  return new Response(JSON.stringify({ error: message, message, code }), { status, headers: { 'content-type': 'application/json' } });
}
