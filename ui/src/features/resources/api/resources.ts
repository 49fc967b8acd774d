import { queryOptions } from '@tanstack/react-query';
import type { EventList, ManagedResources, ResourceRef } from '@/api-types';
import { applicationPath } from '@/lib/api/actions';
import { resourceParams } from '@/lib/api/resource';
import type { AppId } from '@/lib/application';
import { request } from '@/lib/http';
import { resourceKey } from '@/lib/resource-key';

export const managedResourcesKey = (id: AppId) => ['managed-resources', id.namespace, id.name] as const;

export const managedResourcesQuery = (id: AppId) =>
  queryOptions({
    queryKey: managedResourcesKey(id),
    queryFn: ({ signal }) => request<ManagedResources>(applicationPath(id, '/managed-resources'), { query: { appNamespace: id.namespace }, signal }),
    staleTime: 5_000,
  });

export function eventsStreamPath(id: AppId): string {
  return `api/v1/stream/applications/${encodeURIComponent(id.name)}/events`;
}

export function eventsParams(id: AppId, ref?: ResourceRef) {
  return { appNamespace: id.namespace, ...(ref ? { resourceNamespace: ref.namespace, resourceName: ref.name, resourceUID: ref.uid } : {}) };
}

export const eventsQuery = (id: AppId, ref?: ResourceRef) =>
  queryOptions({
    queryKey: ['events', id.namespace, id.name, ref ? resourceKey(ref) : ''],
    queryFn: ({ signal }) =>
      request<EventList>(applicationPath(id, '/events'), { query: eventsParams(id, ref), signal }),
  });

export function deleteResource(id: AppId, ref: ResourceRef, how: 'normal' | 'force' | 'orphan'): Promise<unknown> {
  return request(applicationPath(id, '/resource'), {
    method: 'DELETE',
    query: { ...resourceParams(id, ref), force: how === 'force' || undefined, orphan: how === 'orphan' || undefined },
  });
}
