import { useQueries, useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { ApplicationTree, ResourceNode, ResourceRef, RolloutMetric } from '@/api-types';
import { resourceQuery, treeQuery } from '@/lib/api/resource';
import type { AppId } from '@/lib/application';
import { resourceKey } from '@/lib/resource-key';
import { isAnalysisRun, readAnalysisRun } from '@/lib/rollout/analysis-run';

/** The latest runs tell how the version at work does; older ones are about versions before it. */
const MOST = 4;

/** The metrics of a Rollout of Argo Rollouts, from the AnalysisRuns that it owns. */
export function useAnalysisRuns(id: AppId, owner: ResourceRef, enabled: boolean): RolloutMetric[] {
  const tree = useQuery({ ...treeQuery(id), enabled });
  const runs = useMemo(() => (enabled ? runsOf(tree.data, owner) : []), [enabled, tree.data, owner]);
  return useQueries({
    queries: runs.map((ref) => ({ ...resourceQuery(id, ref), select: readAnalysisRun })),
    combine: (results) => results.flatMap((result) => result.data ?? []),
  });
}

function runsOf(tree: ApplicationTree | undefined, owner: ResourceRef): ResourceNode[] {
  const key = resourceKey(owner);
  return (tree?.nodes ?? [])
    .filter((node) => isAnalysisRun({ group: node.group ?? '', kind: node.kind }) && node.parentRefs?.some((parent) => (parent.uid && owner.uid ? parent.uid === owner.uid : resourceKey(parent) === key)))
    .sort((a, b) => (a.createdAt ?? '') < (b.createdAt ?? '') ? 1 : -1)
    .slice(0, MOST)
    .map((node) => ({ ...node, group: node.group ?? '', namespace: node.namespace ?? '' }));
}
