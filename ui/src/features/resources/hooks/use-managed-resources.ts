import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useRef } from 'react';
import type { Application, ApplicationTree } from '@/api-types';
import { appId } from '@/lib/application';
import { useStream } from '@/lib/use-stream';
import { managedResourcesKey, treeStreamPath } from '../api/resources';

const REFRESH_MS = 500;

/**
 * Reads the comparison again when the application changed; the answer is the way to say that an object did. At most twice a
 * second, and only where someone looks at it.
 */
export function useManagedResourcesRefresh(app: Application): () => void {
  const client = useQueryClient();
  const { namespace, name } = appId(app);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const refresh = useCallback(() => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      void client.invalidateQueries({ queryKey: managedResourcesKey({ namespace, name }) });
    }, REFRESH_MS);
  }, [client, namespace, name]);
  const version = app.metadata.resourceVersion;
  const seen = useRef(version);
  useEffect(() => {
    if (seen.current === version) return;
    seen.current = version;
    refresh();
  }, [refresh, version]);
  useEffect(
    () => () => {
      clearTimeout(timer.current);
      timer.current = undefined;
    },
    [refresh],
  );
  return refresh;
}

/** Keeps the comparison up to date where the tree is not shown: it changes whenever an object does. */
export function useLiveComparison(app: Application): void {
  const refresh = useManagedResourcesRefresh(app);
  const id = appId(app);
  useStream<ApplicationTree>({ path: treeStreamPath(id), query: { appNamespace: id.namespace }, onMessage: refresh, onReconnected: refresh });
}
