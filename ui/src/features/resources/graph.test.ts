import { describe, expect, it } from 'vitest';
import type { Application, ApplicationTree, ResourceNode } from '@/api-types';
import { buildGraph, filterGraph, foldGraph, GROUP_ABOVE, podsBelow, ROOT } from './graph';

const app: Application = {
  metadata: { name: 'web', namespace: 'argocd' },
  spec: { project: 'default', destination: { namespace: 'ns' } },
  status: {
    resources: [
      { group: 'apps', kind: 'Deployment', namespace: 'ns', name: 'web', status: 'Synced' },
      { kind: 'Secret', namespace: 'ns', name: 'gone', status: 'OutOfSync', health: { status: 'Missing' } },
    ],
  },
};

function node(kind: string, name: string, parent?: ResourceNode, group = ''): ResourceNode {
  return { group, kind, namespace: 'ns', name, uid: `${kind}-${name}`, parentRefs: parent ? [{ kind: parent.kind, name: parent.name, uid: parent.uid }] : [] };
}

const deployment = node('Deployment', 'web', undefined, 'apps');
const set = node('ReplicaSet', 'web-1', deployment, 'apps');
const pods = Array.from({ length: GROUP_ABOVE + 1 }, (_, index) => node('Pod', `web-1-${index}`, set));
const tree: ApplicationTree = { nodes: [...pods, set, deployment] };
const none = { collapsed: new Set<string>(), expanded: new Set<string>() };

describe('buildGraph', () => {
  const graph = buildGraph(app, tree);
  const find = (name: string) => graph.find((each) => each.ref.name === name && each.id !== ROOT);

  it('hangs objects under their owners and the rest under the application', () => {
    expect(find('web')?.parent).toBe(ROOT);
    expect(find('web-1')?.parent).toBe('apps/Deployment/ns/web');
    expect(find('web-1-0')?.parent).toBe('apps/ReplicaSet/ns/web-1');
  });
  it('shows objects that Git names and the cluster lacks', () => {
    expect(find('gone')).toMatchObject({ health: 'Missing', sync: 'OutOfSync', parent: ROOT });
  });
  it('gives a sync state only to what is managed', () => {
    expect(find('web')?.sync).toBe('Synced');
    expect(find('web-1-0')?.sync).toBeUndefined();
  });
  it('survives owners in a ring', () => {
    const a = node('X', 'a');
    const b = node('X', 'b', a);
    a.parentRefs = [{ kind: 'X', name: 'b', uid: b.uid }];
    const ring = buildGraph(app, { nodes: [a, b] });
    expect(ring.filter((each) => each.ref.kind === 'X' && each.parent === ROOT)).toHaveLength(1);
    expect(foldGraph(ring, none).filter((each) => each.ref.kind === 'X')).toHaveLength(2);
  });
  it('shows what Git names before anything is known of the cluster', () => {
    expect(buildGraph(app, undefined).map((each) => each.ref.name)).toEqual(['web', 'web', 'gone']);
  });
});

describe('foldGraph', () => {
  const graph = buildGraph(app, tree);
  it('draws a crowd of leaves of one kind as one', () => {
    const group = foldGraph(graph, none).find((each) => each.type === 'group');
    expect(group).toMatchObject({ members: GROUP_ABOVE + 1, ref: { kind: 'Pod' }, parent: 'apps/ReplicaSet/ns/web-1' });
  });
  it('shows the worst health of a crowd', () => {
    const sick = pods.map((pod, index) => ({ ...pod, health: { status: index === 3 ? ('Degraded' as const) : ('Healthy' as const) } }));
    const folded = foldGraph(buildGraph(app, { nodes: [...sick, set, deployment] }), none);
    expect(folded.find((each) => each.type === 'group')?.health).toBe('Degraded');
  });
  it('opens a crowd when asked to', () => {
    const group = foldGraph(graph, none).find((each) => each.type === 'group');
    const open = foldGraph(graph, { ...none, expanded: new Set([group!.id]) });
    expect(open.filter((each) => each.ref.kind === 'Pod')).toHaveLength(GROUP_ABOVE + 1);
  });
  it('hides what lies under a collapsed node', () => {
    const closed = foldGraph(graph, { ...none, collapsed: new Set(['apps/Deployment/ns/web']) });
    expect(closed.map((each) => each.ref.kind)).toEqual(['Application', 'Deployment', 'Secret']);
  });
});

describe('filterGraph', () => {
  const graph = buildGraph(app, tree);
  it('keeps what matches and what it hangs from', () => {
    const left = filterGraph(graph, (node) => node.ref.name === 'web-1-3');
    expect(left.map((node) => node.ref.kind)).toEqual(['Application', 'Deployment', 'ReplicaSet', 'Pod']);
    expect(left.at(-1)?.hasChildren).toBe(false);
  });
  it('leaves nothing when nothing matches, not even the application', () => {
    expect(filterGraph(graph, () => false)).toEqual([]);
  });
});

describe('podsBelow', () => {
  it('finds the pods of a workload', () => {
    expect(podsBelow(buildGraph(app, tree), 'apps/Deployment/ns/web')).toHaveLength(pods.length);
    expect(podsBelow(buildGraph(app, tree), '/Secret/ns/gone')).toEqual([]);
  });
});
