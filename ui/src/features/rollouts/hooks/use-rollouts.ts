import { useQueries, useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { Application, ApplicationTree, ResourceRef } from '@/api-types';
import { resourceQuery, treeQuery } from '@/lib/api/resource';
import { appId } from '@/lib/application';
import { resourceKey } from '@/lib/resource-key';
import { isRollout, readRollout, type Rollout } from '@/lib/rollout';

/** One rollout of an application, as far as it is known. */
export interface RolloutEntry {
  key: string;
  ref: ResourceRef;
  rollout: Rollout | undefined;
  error: Error | null;
  /** Git names it and the cluster does not have it; with what the last sync said of it. */
  missing: { message: string | undefined } | undefined;
  retry: () => void;
}

interface Rollouts {
  entries: RolloutEntry[];
  isPending: boolean;
  error: Error | null;
  retry: () => void;
}

/** The rollouts that an application has, from its tree. */
export function useRollouts(app: Application): Rollouts {
  const id = appId(app);
  const tree = useQuery(treeQuery(id));
  const refs = useMemo(() => rolloutsIn(tree.data), [tree.data]);
  const objects = useQueries({ queries: refs.map((ref) => ({ ...resourceQuery(id, ref), select: readRollout })) });
  const entries = refs.map((ref, index): RolloutEntry => {
    const object = objects[index];
    return {
      key: resourceKey(ref), ref, rollout: object?.data, error: object?.data ? null : (object?.error ?? null), missing: undefined, retry: () => void object?.refetch(),
    };
  });
  return {
    entries: tree.data ? [...entries, ...missingIn(app, new Set(entries.map((entry) => entry.key)))] : [],
    isPending: tree.isPending,
    error: tree.data ? null : tree.error,
    retry: () => void tree.refetch(),
  };
}

export function countRollouts(tree: ApplicationTree | undefined): number {
  return rolloutsIn(tree).length;
}

function rolloutsIn(tree: ApplicationTree | undefined): ResourceRef[] {
  return (tree?.nodes ?? []).filter(isRolloutNode).map(({ group, version, kind, namespace, name, uid }) => ({ group: group ?? '', version, kind, namespace: namespace ?? '', name, uid }));
}

function isRolloutNode(ref: ResourceRef): boolean {
  return isRollout({ group: ref.group ?? '', kind: ref.kind });
}

function missingIn(app: Application, known: ReadonlySet<string>): RolloutEntry[] {
  const results = app.status?.operationState?.syncResult?.resources ?? [];
  return (app.status?.resources ?? [])
    .filter((each) => isRolloutNode(each) && !known.has(resourceKey(each)))
    .map((each) => {
      const key = resourceKey(each);
      const result = results.find((one) => resourceKey(one) === key && one.status === 'SyncFailed');
      return {
        key, ref: { group: each.group ?? '', version: each.version, kind: each.kind, namespace: each.namespace ?? '', name: each.name },
        rollout: undefined, error: null, missing: { message: result?.message ?? each.health?.message }, retry: () => undefined,
      };
    });
}
