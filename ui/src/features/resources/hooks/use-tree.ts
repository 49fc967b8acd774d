import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { Application, ApplicationTree } from '@/api-types';
import { appId } from '@/lib/application';
import { useStream } from '@/lib/use-stream';
import { treeQuery, treeStreamPath } from '../api/resources';
import { buildGraph, type GraphNode } from '../graph';
import { useManagedResourcesRefresh } from './use-managed-resources';

interface Tree {
  nodes: GraphNode[];
  isPending: boolean;
  error: Error | null;
  retry: () => void;
}

/** The resource tree of an application, live. */
export function useTree(app: Application): Tree {
  const client = useQueryClient();
  const id = appId(app);
  const query = useQuery(treeQuery(id));
  const { queryKey } = treeQuery(id);
  const refreshComparison = useManagedResourcesRefresh(app);
  useStream<ApplicationTree>({
    path: treeStreamPath(id),
    query: { appNamespace: id.namespace },
    onMessage: (tree) => {
      client.setQueryData(queryKey, tree);
      void client.invalidateQueries({ queryKey: ['resource', id.namespace, id.name] });
      refreshComparison();
    },
    onReconnected: () => void client.invalidateQueries({ queryKey }),
  });
  const nodes = useMemo(() => buildGraph(app, query.data), [app, query.data]);
  return { nodes, isPending: query.isPending, error: query.data ? null : query.error, retry: () => void query.refetch() };
}
