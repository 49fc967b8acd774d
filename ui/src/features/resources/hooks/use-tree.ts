import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useMemo, useRef } from 'react';
import type { Application, ApplicationTree } from '@/api-types';
import { appId, type AppId } from '@/lib/application';
import { useStream } from '@/lib/use-stream';
import { managedResourcesKey, treeQuery, treeStreamPath } from '../api/resources';
import { buildGraph, type GraphNode } from '../graph';

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
  useStream<ApplicationTree>({
    path: treeStreamPath(id),
    query: { appNamespace: id.namespace },
    onMessage: (tree) => {
      client.setQueryData(queryKey, tree);
      void client.invalidateQueries({ queryKey: ['resource', id.namespace, id.name] });
    },
    onReconnected: () => void client.invalidateQueries({ queryKey }),
  });
  useManagedResourcesRefresh(id, app.metadata.resourceVersion);
  const nodes = useMemo(() => buildGraph(app, query.data), [app, query.data]);
  return { nodes, isPending: query.isPending, error: query.data ? null : query.error, retry: () => void query.refetch() };
}

const REFRESH_MS = 1_000;

/** The comparison changes with the application; it is read again at most once a second, and only if someone looks at it. */
function useManagedResourcesRefresh({ namespace, name }: AppId, version: string | undefined): void {
  const client = useQueryClient();
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      void client.invalidateQueries({ queryKey: managedResourcesKey({ namespace, name }) });
    }, REFRESH_MS);
  }, [client, namespace, name, version]);
  useEffect(() => () => clearTimeout(timer.current), []);
}
