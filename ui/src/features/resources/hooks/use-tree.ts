import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { Application } from '@/api-types';
import { treeQuery } from '@/lib/api/resource';
import { appId } from '@/lib/application';
import { buildGraph, type GraphNode } from '../graph';

interface Tree {
  nodes: GraphNode[];
  isPending: boolean;
  error: Error | null;
  retry: () => void;
}

/** The resource tree of an application. `useLiveResources` keeps it up to date. */
export function useTree(app: Application): Tree {
  const query = useQuery(treeQuery(appId(app)));
  const nodes = useMemo(() => buildGraph(app, query.data), [app, query.data]);
  return { nodes, isPending: query.isPending, error: query.data ? null : query.error, retry: () => void query.refetch() };
}
