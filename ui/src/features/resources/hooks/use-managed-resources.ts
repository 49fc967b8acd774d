import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useRef } from 'react';
import type { Application } from '@/api-types';
import { appId } from '@/lib/application';
import { managedResourcesKey } from '../api/resources';

const REFRESH_MS = 500;

/**
 * Reads the comparison again when the application changed; the answer is the way to say that an object did. At most twice a
 * second, and only while someone looks at it.
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
