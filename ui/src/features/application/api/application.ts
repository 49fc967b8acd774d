import { queryOptions } from '@tanstack/react-query';
import type { Application, RevisionMetadata, SyncWindows } from '@/api-types';
import { applicationPath } from '@/lib/api/actions';
import type { AppId } from '@/lib/application';
import { request } from '@/lib/http';

export const applicationQuery = (id: AppId) =>
  queryOptions({
    queryKey: ['application', id.namespace, id.name],
    queryFn: ({ signal }) => request<Application>(applicationPath(id), { query: { appNamespace: id.namespace }, signal }),
    staleTime: Infinity,
  });

/** What the commit says of itself. It never changes, so it is asked for once. */
export const revisionQuery = (id: AppId, revision: string | undefined) =>
  queryOptions({
    queryKey: ['revision', id.namespace, id.name, revision],
    queryFn: ({ signal }) =>
      request<RevisionMetadata>(applicationPath(id, `/revisions/${encodeURIComponent(revision ?? '')}/metadata`), {
        query: { appNamespace: id.namespace },
        signal,
      }),
    enabled: Boolean(revision),
    staleTime: Infinity,
    retry: false,
  });

export const syncWindowsQuery = (id: AppId) =>
  queryOptions({
    queryKey: ['sync-windows', id.namespace, id.name],
    queryFn: ({ signal }) => request<SyncWindows>(applicationPath(id, '/syncwindows'), { query: { appNamespace: id.namespace }, signal }),
    // Windows open and close by the minute.
    refetchInterval: 60_000,
    retry: false,
  });

/** Replaces the application; the resource version makes the server refuse a change made on stale ground. */
export function updateApplication(id: AppId, app: Application): Promise<Application> {
  return request(applicationPath(id), { method: 'PUT', query: { appNamespace: id.namespace }, body: app });
}

export function patchApplication(id: AppId, patch: unknown): Promise<Application> {
  return request(applicationPath(id), {
    method: 'PATCH',
    body: { name: id.name, appNamespace: id.namespace, patch: JSON.stringify(patch), patchType: 'merge' },
  });
}

export type Cascade = 'foreground' | 'background' | 'orphan';

export function deleteApplication(id: AppId, cascade: Cascade): Promise<unknown> {
  return request(applicationPath(id), {
    method: 'DELETE',
    query: {
      appNamespace: id.namespace,
      cascade: cascade !== 'orphan',
      propagationPolicy: cascade === 'orphan' ? undefined : cascade,
    },
  });
}
