import type { Application, ApplicationTree, HealthStatusCode, ResourceNode, ResourceRef, ResourceStatus, SyncStatusCode } from '@/api-types';
import { healthOf, syncOf } from '@/lib/application';
import { resourceKey } from '@/lib/resource-key';

/** The resource tree as a graph: pure, so that it can be tested and so that drawing stays dumb. */

export const ROOT = 'root';

export interface GraphNode {
  id: string;
  type: 'application' | 'object' | 'group';
  ref: ResourceRef;
  parent: string | undefined;
  health: HealthStatusCode | undefined;
  healthMessage: string | undefined;
  /** Only objects that Git names, or that a sync would remove. */
  sync: SyncStatusCode | undefined;
  info: { name: string; value: string }[];
  images: readonly string[];
  createdAt: string | undefined;
  externalUrls: readonly string[];
  hook: boolean;
  requiresPruning: boolean;
  orphaned: boolean;
  /** For groups: how many objects it stands for. */
  members: number;
  /** Whether there is anything below, drawn or not. */
  hasChildren: boolean;
}

const KIND_ORDER = [
  'Application', 'InferenceService', 'LLMInferenceService', 'SeldonDeployment', 'ModelRollout', 'Rollout', 'Deployment', 'StatefulSet', 'DaemonSet', 'CronJob', 'Job',
  'ReplicaSet', 'Pod', 'Service', 'Ingress', 'HTTPRoute', 'HorizontalPodAutoscaler', 'ConfigMap', 'Secret', 'PersistentVolumeClaim', 'ServiceAccount',
];

function kindRank(kind: string): number {
  const at = KIND_ORDER.indexOf(kind);
  return at === -1 ? KIND_ORDER.length : at;
}

export function compareNodes(a: GraphNode, b: GraphNode): number {
  return kindRank(a.ref.kind) - kindRank(b.ref.kind)
    || compareText(a.ref.kind, b.ref.kind)
    || compareText(a.ref.name, b.ref.name)
    || compareText(a.id, b.id);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Every node there is: the application, what it manages (there or missing), and what grew out of that. */
export function buildGraph(app: Application, tree: ApplicationTree | undefined): GraphNode[] {
  const statuses = new Map((app.status?.resources ?? []).map((status) => [resourceKey(status), status]));
  const nodes = new Map<string, GraphNode>();
  const ids = new Map<string, string>();
  const live = [...(tree?.nodes ?? [])];
  const orphans = new Set(tree?.orphanedNodes ?? []);
  for (const node of [...live, ...orphans]) {
    const key = resourceKey(node);
    ids.set(key, key);
    if (node.uid) ids.set(node.uid, key);
  }
  for (const node of [...live, ...orphans]) {
    const key = resourceKey(node);
    nodes.set(key, objectNode(key, node, statuses.get(key), parentOf(node, ids), orphans.has(node)));
  }
  for (const [key, status] of statuses) {
    if (!nodes.has(key)) nodes.set(key, objectNode(key, status, status, ROOT, false));
  }
  breakCycles(nodes);
  const parents = new Set([...nodes.values()].map((node) => node.parent));
  for (const node of nodes.values()) node.hasChildren = parents.has(node.id);
  return [rootNode(app, nodes.size > 0), ...[...nodes.values()].sort(compareNodes)];
}

function parentOf(node: ResourceNode, ids: ReadonlyMap<string, string>): string {
  for (const parent of node.parentRefs ?? []) {
    const id = (parent.uid ? ids.get(parent.uid) : undefined) ?? ids.get(resourceKey(parent));
    if (id) return id;
  }
  return ROOT;
}

// Owner references are data from the cluster: a ring of them must not hang the page.
function breakCycles(nodes: Map<string, GraphNode>): void {
  const safe = new Set<string>([ROOT]);
  for (const node of nodes.values()) {
    const path: GraphNode[] = [];
    let at: GraphNode | undefined = node;
    while (at && !safe.has(at.id) && !path.includes(at)) {
      path.push(at);
      at = at.parent === undefined ? undefined : nodes.get(at.parent);
    }
    if (at && path.includes(at)) at.parent = ROOT;
    for (const each of path) safe.add(each.id);
  }
}

function rootNode(app: Application, hasChildren: boolean): GraphNode {
  return {
    id: ROOT, type: 'application', parent: undefined, ref: { group: 'argoproj.io', kind: 'Application', name: app.metadata.name, namespace: app.metadata.namespace },
    health: healthOf(app), healthMessage: app.status?.health?.message, sync: syncOf(app), info: [], images: [], createdAt: app.metadata.creationTimestamp,
    externalUrls: [], hook: false, requiresPruning: false, orphaned: false, members: 1, hasChildren,
  };
}

function objectNode(id: string, node: ResourceNode | ResourceStatus, status: ResourceStatus | undefined, parent: string, orphaned: boolean): GraphNode {
  const live = 'uid' in node || 'parentRefs' in node || !status ? (node as ResourceNode) : undefined;
  return {
    id,
    type: 'object',
    ref: { group: node.group ?? '', version: node.version, kind: node.kind, namespace: node.namespace ?? '', name: node.name, uid: live?.uid },
    parent,
    health: node.health?.status ?? status?.health?.status,
    healthMessage: node.health?.message ?? status?.health?.message,
    sync: status?.status,
    info: live?.info ?? [],
    images: live?.images ?? [],
    createdAt: live?.createdAt,
    externalUrls: live?.networkingInfo?.externalURLs ?? [],
    hook: status?.hook ?? false,
    requiresPruning: status?.requiresPruning ?? false,
    orphaned,
    members: 1,
    hasChildren: false,
  };
}

/** What matches, and what it hangs from. */
export function filterGraph(nodes: readonly GraphNode[], matches: (node: GraphNode) => boolean): GraphNode[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const kept = new Set<string>();
  for (const node of nodes) {
    if (node.id === ROOT || !matches(node)) continue;
    for (let at: GraphNode | undefined = node; at && !kept.has(at.id); at = at.parent === undefined ? undefined : byId.get(at.parent)) kept.add(at.id);
  }
  const left = nodes.filter((node) => kept.has(node.id));
  const parents = new Set(left.map((node) => node.parent));
  return left.map((node) => (node.hasChildren === parents.has(node.id) ? node : { ...node, hasChildren: parents.has(node.id) }));
}

/** More leaves of one kind than this under one parent are drawn as one. */
export const GROUP_ABOVE = 6;

export interface Folding {
  /** Nodes whose children are hidden. */
  collapsed: ReadonlySet<string>;
  /** Groups that are shown one by one. */
  expanded: ReadonlySet<string>;
}

/** What is drawn: without what lies under collapsed nodes, and with crowds of like leaves as one node each. */
export function foldGraph(nodes: readonly GraphNode[], { collapsed, expanded }: Folding): GraphNode[] {
  const children = childrenOf(nodes);
  const out: GraphNode[] = [];
  const visit = (node: GraphNode) => {
    out.push(node);
    if (collapsed.has(node.id)) return;
    const crowds = new Map<string, GraphNode[]>();
    const below = children.get(node.id) ?? [];
    for (const child of below) {
      if (child.hasChildren) continue;
      const key = groupId(node.id, child);
      crowds.set(key, [...(crowds.get(key) ?? []), child]);
    }
    const drawn = new Set<string>();
    for (const child of below) {
      const key = groupId(node.id, child);
      const crowd = child.hasChildren ? undefined : crowds.get(key);
      if (!crowd || crowd.length <= GROUP_ABOVE || expanded.has(key)) visit(child);
      else if (!drawn.has(key)) {
        drawn.add(key);
        out.push(groupNode(key, node.id, crowd));
      }
    }
  };
  const root = nodes.find((node) => node.id === ROOT);
  if (root) visit(root);
  return out;
}

function groupId(parent: string, node: GraphNode): string {
  return `group:${parent}:${node.ref.group ?? ''}/${node.ref.kind}`;
}

const HEALTH_RANK: HealthStatusCode[] = ['Healthy', 'Suspended', 'Progressing', 'Missing', 'Degraded', 'Unknown'];

/** The worst health among nodes; those that have none do not count. */
export function worstHealth(nodes: readonly GraphNode[]): HealthStatusCode | undefined {
  let worst = -1;
  for (const node of nodes) if (node.health) worst = Math.max(worst, HEALTH_RANK.indexOf(node.health));
  return HEALTH_RANK[worst];
}

function groupNode(id: string, parent: string, members: readonly GraphNode[]): GraphNode {
  const first = members[0] as GraphNode;
  const syncs = members.map((member) => member.sync);
  return {
    ...first,
    id,
    type: 'group',
    parent,
    ref: { group: first.ref.group, kind: first.ref.kind, namespace: first.ref.namespace, name: '' },
    health: worstHealth(members),
    healthMessage: undefined,
    sync: syncs.includes('OutOfSync') ? 'OutOfSync' : syncs.find(Boolean),
    info: [],
    images: [],
    requiresPruning: members.some((member) => member.requiresPruning),
    members: members.length,
    hasChildren: true,
  };
}

export function childrenOf(nodes: readonly GraphNode[]): Map<string, GraphNode[]> {
  const children = new Map<string, GraphNode[]>();
  for (const node of nodes) {
    if (node.parent === undefined) continue;
    const list = children.get(node.parent);
    if (list) list.push(node);
    else children.set(node.parent, [node]);
  }
  return children;
}

/** The pods at or below a node, in a stable order. */
export function podsBelow(nodes: readonly GraphNode[], id: string): GraphNode[] {
  const children = childrenOf(nodes);
  const pods: GraphNode[] = [];
  const visit = (node: GraphNode) => {
    if (node.ref.kind === 'Pod' && !node.ref.group) pods.push(node);
    for (const child of children.get(node.id) ?? []) visit(child);
  };
  const start = nodes.find((node) => node.id === id);
  if (start) visit(start);
  return pods;
}
