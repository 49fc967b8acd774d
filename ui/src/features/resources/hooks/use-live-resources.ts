import { useQueryClient } from '@tanstack/react-query';
import type { Application, ApplicationTree } from '@/api-types';
import { treeQuery, treeStreamPath } from '@/lib/api/resource';
import { appId } from '@/lib/application';
import { useStream } from '@/lib/use-stream';
import { changedKeys } from '../changes';
import { useManagedResourcesRefresh } from './use-managed-resources';

const PER_OBJECT = new Set<unknown>(['resource', 'actions']);

/**
 * Keeps everything about an application's objects up to date, for whichever tab is open: one stream brings the tree, and what
 * was read about an object is read again once its version in the tree has changed.
 */
export function useLiveResources(app: Application): void {
  const client = useQueryClient();
  const id = appId(app);
  const { queryKey } = treeQuery(id);
  const refreshComparison = useManagedResourcesRefresh(app);
  const readAgain = (isStale: (key: unknown) => boolean) =>
    void client.invalidateQueries({
      predicate: ({ queryKey: [what, namespace, name, key] }) => PER_OBJECT.has(what) && namespace === id.namespace && name === id.name && isStale(key),
    });
  useStream<ApplicationTree>({
    path: treeStreamPath(id),
    query: { appNamespace: id.namespace },
    onMessage: (tree) => {
      const changed = changedKeys(client.getQueryData(queryKey), tree);
      client.setQueryData(queryKey, tree);
      if (changed.size > 0) readAgain((key) => changed.has(key));
      refreshComparison();
    },
    onReconnected: () => {
      void client.invalidateQueries({ queryKey });
      readAgain(() => true);
      refreshComparison();
    },
  });
}
