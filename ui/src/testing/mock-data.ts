import type { Application, ApplicationTree, HealthStatusCode, KubernetesEvent, ManagedResource, ResourceNode, ResourceStatus, SyncStatusCode } from '../api-types';
import { nextVersion } from './mock-ids';
import { makeRollouts, type MockRollout } from './mock-rollouts';

/** Made-up applications for the test double. Everything is derived from a name and a number, so runs are alike. */

const MODELS = ['fraud-detector', 'churn-model', 'ranker', 'embedder', 'summariser', 'vision-ocr', 'speech-to-text', 'forecast', 'pricing', 'recommender'];
const STAGES = ['dev', 'test', 'prod'];
const TEAMS = ['default', 'risk', 'search', 'media', 'platform'];
const START = Date.now();

export interface World {
  app: Application;
  tree: ApplicationTree;
  managed: ManagedResource[];
  events: KubernetesEvent[];
  rollouts: MockRollout[];
}

export const REVISIONS: Record<string, { author: string; message: string; ageHours: number; tags?: string[] }> = {
  '4f1c2a9e7b3d5f60718293a4b5c6d7e8f9012345': { author: 'Min-ji Park <minji@example.com>', message: 'Serve fraud model v13 with four workers\n\nAUC +0.4 pt on the weekly holdout.', ageHours: 1, tags: ['v13'] },
  'b82d0e4c6a1f3957e2d4c6b8a0f1e3d5c7b9a801': { author: 'Jonas Weber <jonas@example.com>', message: 'Raise the memory limit of the predictor', ageHours: 26 },
  '09e7d5c3b1a2f4860d8e6c4b2a1f3e5d7c9b8a70': { author: 'Ada Obi <ada@example.com>', message: 'Serve fraud model v12', ageHours: 75, tags: ['v12'] },
  'c3a1b2d4e5f60718293a4b5c6d7e8f9012345678': { author: 'Min-ji Park <minji@example.com>', message: 'Add a readiness probe', ageHours: 170 },
};
export const REVISION_IDS = Object.keys(REVISIONS);

export function ago(hours: number): string {
  return new Date(START - hours * 3_600_000).toISOString();
}

function pick<T>(list: readonly T[], index: number): T {
  return list[index % list.length] as T;
}

function stateOf(index: number): { health: HealthStatusCode; sync: SyncStatusCode } {
  if (index === 0) return { health: 'Healthy', sync: 'OutOfSync' };
  if (index % 17 === 5) return { health: 'Degraded', sync: 'Synced' };
  if (index % 13 === 4) return { health: 'Progressing', sync: 'Synced' };
  if (index % 29 === 7) return { health: 'Missing', sync: 'OutOfSync' };
  if (index % 31 === 9) return { health: 'Suspended', sync: 'Synced' };
  if (index % 37 === 11) return { health: 'Unknown', sync: 'Unknown' };
  if (index % 9 === 2) return { health: 'Healthy', sync: 'OutOfSync' };
  return { health: 'Healthy', sync: 'Synced' };
}

export function makeWorld(index: number): World {
  const stage = pick(STAGES, index);
  const round = Math.floor(index / (MODELS.length * STAGES.length));
  const name = `${pick(MODELS, Math.floor(index / STAGES.length))}-${stage}${round > 0 ? `-${round}` : ''}`;
  const { health, sync } = stateOf(index);
  const team = pick(TEAMS, index + round);
  const namespace = `${team === 'default' ? 'serving' : team}-${stage}`;
  const revision = pick(REVISION_IDS, index === 0 ? 0 : index);
  const { tree, managed, resources } = makeObjects(name, namespace, health, sync, index);
  const rollouts = makeRollouts(index, name, namespace);
  for (const { node } of rollouts) {
    tree.nodes.push(node);
    if (!node.parentRefs) resources.push({ group: node.group, version: node.version, kind: node.kind, namespace, name: node.name, status: 'Synced', health: node.health });
  }
  const app: Application = {
    apiVersion: 'argoproj.io/v1alpha1',
    kind: 'Application',
    metadata: {
      name, namespace: 'argocd', uid: `app-${index}`, resourceVersion: nextVersion(), creationTimestamp: ago(400 + index),
      labels: { stage, team },
      annotations: index === 1 ? { 'driftless.dev/quarantine': quarantine(REVISION_IDS[1] ?? '', REVISION_IDS[2] ?? '', 1) } : undefined,
    },
    spec: {
      project: team,
      source: { repoURL: `https://git.example.com/${team}/serving.git`, path: `apps/${name.replace(/-(dev|test|prod).*/, '')}/${stage}`, targetRevision: stage === 'prod' ? 'release' : 'main' },
      destination: { ...(index % 4 === 3 ? { name: `gpu-${stage}` } : { server: 'https://kubernetes.default.svc' }), namespace },
      syncPolicy: { ...(stage === 'prod' ? {} : { automated: { prune: true, selfHeal: true } }), syncOptions: ['CreateNamespace=true', 'ServerSideApply=true'] },
    },
    status: {
      sync: { status: sync, revision },
      health: { status: health, lastTransitionTime: ago(index % 50), ...(health === 'Degraded' ? { message: `Deployment "${name}" exceeded its progress deadline` } : {}) },
      resources,
      history: [3, 2, 1].map((back, at) => ({
        id: at, revision: pick(REVISION_IDS, back), deployedAt: ago(back * 30), deployStartedAt: ago(back * 30 + 0.01),
        source: { repoURL: `https://git.example.com/${team}/serving.git`, path: `apps/${name}`, targetRevision: 'main' },
        initiatedBy: back === 2 ? { username: 'admin' } : { automated: true },
      })),
      operationState: {
        operation: { sync: { revision }, initiatedBy: { automated: stage !== 'prod', username: stage === 'prod' ? 'admin' : undefined } },
        phase: health === 'Degraded' ? 'Failed' : 'Succeeded',
        message: health === 'Degraded' ? 'one or more synchronization tasks completed unsuccessfully, reason: waiting for healthy state of apps/Deployment' : 'successfully synced (all tasks run)',
        startedAt: ago((index % 40) + 0.02), finishedAt: ago(index % 40),
        syncResult: { revision, resources: resources.map((resource) => ({ ...resource, status: 'Synced' as const, message: `${resource.kind.toLowerCase()}/${resource.name} serverside-applied`, syncPhase: 'Sync' })) },
      },
      summary: { images: [`registry.example.com/models/${name}:v13`], externalURLs: index === 0 ? ['https://fraud.example.com/v1/models'] : [] },
      sourceType: 'Directory',
      reconciledAt: ago(0.01),
      conditions: conditionsOf(index, health),
    },
  };
  const events: KubernetesEvent[] = [
    event(`${name}.1`, 'Normal', 'OperationCompleted', 'Sync operation to 4f1c2a9 succeeded', 1, 'driftless', 'Application', name),
    event(`${name}.2`, 'Normal', 'OperationStarted', "Initiated automated sync to '4f1c2a9'", 1, 'driftless', 'Application', name),
    event(`${name}.3`, 'Warning', 'BackOff', 'Back-off restarting failed container predictor', 14, 'kubelet', 'Pod', `${name}-7c9d`),
  ];
  return { app, tree, managed, events, rollouts };
}

export function quarantine(bad: string, good: string, historyId: number): string {
  return JSON.stringify([{ revisions: [bad], heldRevisions: [good], historyId, at: ago(3), by: 'admin', reason: `rollback to ${historyId}` }]);
}

function conditionsOf(index: number, health: HealthStatusCode) {
  if (index === 1) return [{ type: 'QuarantinedRevisionWarning', message: `revision ${REVISION_IDS[1] ?? ''} is quarantined: rollback to 1; 09e7d5c runs instead, and automated sync resumes with the next commit`, lastTransitionTime: ago(3) }];
  if (health === 'Unknown') return [{ type: 'ComparisonError', message: 'render apps/embedder: deployment.yaml:14: mapping values are not allowed in this context', lastTransitionTime: ago(2) }];
  if (health === 'Degraded') return [{ type: 'SyncError', message: 'Failed last sync attempt to [b82d0e4]: one or more synchronization tasks completed unsuccessfully', lastTransitionTime: ago(2) }];
  return undefined;
}

function event(name: string, type: string, reason: string, message: string, count: number, component: string, kind: string, object: string): KubernetesEvent {
  return { metadata: { name, uid: name }, type, reason, message, count, lastTimestamp: ago(count / 20), source: { component }, involvedObject: { kind, name: object } };
}

function makeObjects(name: string, namespace: string, health: HealthStatusCode, sync: SyncStatusCode, index: number) {
  const nodes: ResourceNode[] = [];
  const managed: ManagedResource[] = [];
  const resources: ResourceStatus[] = [];
  const gone = health === 'Missing';
  const add = (node: Partial<ResourceNode> & { kind: string; name: string }) => {
    const full: ResourceNode = { version: 'v1', namespace, uid: `${name}-${node.kind}-${node.name}`, createdAt: ago(30 + index), ...node };
    if (!gone) nodes.push(full);
    return full;
  };
  const manage = (node: ResourceNode, status: SyncStatusCode, desired: Record<string, unknown>, live: Record<string, unknown>) => {
    resources.push({ group: node.group, version: node.version, kind: node.kind, namespace, name: node.name, status: gone ? 'OutOfSync' : status, health: gone ? { status: 'Missing' } : node.health });
    const head = { apiVersion: node.group ? `${node.group}/${node.version ?? 'v1'}` : 'v1', kind: node.kind, metadata: { name: node.name, namespace, labels: { app: name } } };
    const target = JSON.stringify({ ...head, ...desired });
    const actual = gone ? undefined : JSON.stringify({ ...head, ...live });
    managed.push({ group: node.group ?? '', kind: node.kind, namespace, name: node.name, targetState: target, liveState: actual, normalizedLiveState: actual, predictedLiveState: target, modified: status === 'OutOfSync' });
  };
  const image = (tag: string, replicas: number) => ({
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'predictor', image: `registry.example.com/models/${name}:${tag}`, args: ['--workers', replicas > 2 ? '4' : '2'], resources: { limits: { 'nvidia.com/gpu': '1', memory: '16Gi' } }, ports: [{ containerPort: 8080 }] }] } },
    },
  });
  const out = sync === 'OutOfSync';
  const deployment = add({ group: 'apps', kind: 'Deployment', name, health: { status: health === 'Unknown' ? 'Healthy' : health }, images: [`registry.example.com/models/${name}:v13`], info: [{ name: 'Revision', value: 'Rev:14' }] });
  manage(deployment, out ? 'OutOfSync' : 'Synced', image('v13', 3), image(out ? 'v12' : 'v13', out ? 2 : 3));
  for (let revision = 14; revision > 14 - (index === 0 ? 9 : 2); revision -= 1) {
    const set = add({ group: 'apps', kind: 'ReplicaSet', name: `${name}-${(7919 * revision).toString(36)}`, health: { status: 'Healthy' }, info: [{ name: 'Revision', value: `Rev:${revision}` }], parentRefs: [deployment] });
    for (let pod = 0; revision === 14 && pod < (index === 0 ? 3 : 2); pod += 1) {
      const failing = health === 'Degraded' && pod === 0;
      add({
        kind: 'Pod', name: `${set.name}-${(46656 + pod * 1234).toString(36)}`, parentRefs: [set],
        health: failing ? { status: 'Degraded', message: 'back-off 5m0s restarting failed container=predictor' } : { status: health === 'Progressing' ? 'Progressing' : 'Healthy' },
        info: [{ name: 'Status Reason', value: failing ? 'CrashLoopBackOff' : 'Running' }, { name: 'Node', value: 'gpu-node-1' }, { name: 'Containers', value: failing ? '0/1' : '1/1' }],
        images: [`registry.example.com/models/${name}:v13`],
      });
    }
  }
  const service = add({ kind: 'Service', name, health: { status: 'Healthy' } });
  manage(service, 'Synced', { spec: { ports: [{ port: 80 }] } }, { spec: { ports: [{ port: 80 }] } });
  add({ group: 'discovery.k8s.io', kind: 'EndpointSlice', name: `${name}-x7k2p`, parentRefs: [service] });
  const config = add({ kind: 'ConfigMap', name: `${name}-config` });
  manage(config, out ? 'OutOfSync' : 'Synced', { data: { 'model.yaml': 'name: model\nversion: v13\nbatch: 32\n', threshold: '0.82' } }, { data: { 'model.yaml': out ? 'name: model\nversion: v12\nbatch: 16\n' : 'name: model\nversion: v13\nbatch: 32\n', threshold: '0.82' } });
  const claim = add({ kind: 'PersistentVolumeClaim', name: `${name}-cache`, health: { status: 'Healthy' } });
  manage(claim, 'Synced', { spec: { resources: { requests: { storage: '50Gi' } } } }, { spec: { resources: { requests: { storage: '50Gi' } } } });
  if (index === 0) {
    const scaler = add({ group: 'autoscaling', version: 'v2', kind: 'HorizontalPodAutoscaler', name, health: { status: 'Healthy' } });
    manage(scaler, 'Synced', { spec: { maxReplicas: 8 } }, { spec: { maxReplicas: 8 } });
    const ingress = add({ group: 'networking.k8s.io', kind: 'Ingress', name, health: { status: 'Healthy' }, networkingInfo: { externalURLs: ['https://fraud.example.com/v1/models'] } });
    manage(ingress, 'Synced', { spec: { rules: [{ host: 'fraud.example.com' }] } }, { spec: { rules: [{ host: 'fraud.example.com' }] } });
    const old = add({ kind: 'ConfigMap', name: `${name}-features-v11` });
    resources.push({ kind: 'ConfigMap', version: 'v1', namespace, name: old.name, status: 'OutOfSync', requiresPruning: true });
    managed.push({ group: '', kind: 'ConfigMap', namespace, name: old.name, liveState: JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: old.name, namespace }, data: { features: 'amount,country,hour' } }), modified: true });
  }
  return { tree: { nodes }, managed, resources };
}
