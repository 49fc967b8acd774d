import { queryOptions } from '@tanstack/react-query';
import type { ApplicationTree, EventList, KubernetesObject, ManagedResources, ResourceAction, ResourceActions, ResourceRef } from '@/api-types';
import { applicationPath } from '@/lib/api/actions';
import type { AppId } from '@/lib/application';
import { request } from '@/lib/http';
import { resourceKey } from '@/lib/resource-key';

export const treeQuery = (id: AppId) =>
  queryOptions({
    queryKey: ['tree', id.namespace, id.name],
    queryFn: ({ signal }) => request<ApplicationTree>(applicationPath(id, '/resource-tree'), { query: { appNamespace: id.namespace }, signal }),
    staleTime: Infinity,
  });

export function treeStreamPath(id: AppId): string {
  return `api/v1/stream/applications/${encodeURIComponent(id.name)}/resource-tree`;
}

export const managedResourcesKey = (id: AppId) => ['managed-resources', id.namespace, id.name] as const;

export const managedResourcesQuery = (id: AppId) =>
  queryOptions({
    queryKey: managedResourcesKey(id),
    queryFn: ({ signal }) => request<ManagedResources>(applicationPath(id, '/managed-resources'), { query: { appNamespace: id.namespace }, signal }),
    staleTime: 5_000,
  });

export const resourceQuery = (id: AppId, ref: ResourceRef) =>
  queryOptions({
    queryKey: ['resource', id.namespace, id.name, resourceKey(ref)],
    queryFn: async ({ signal }): Promise<KubernetesObject> => {
      const { manifest } = await request<{ manifest?: string }>(applicationPath(id, '/resource'), { query: resourceParams(id, ref), signal });
      return JSON.parse(manifest ?? '{}') as KubernetesObject;
    },
    staleTime: 2_000,
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

export const actionsQuery = (id: AppId, ref: ResourceRef, enabled: boolean) =>
  queryOptions({
    queryKey: ['actions', id.namespace, id.name, resourceKey(ref)],
    queryFn: async ({ signal }): Promise<ResourceAction[]> => {
      const answer = await request<ResourceActions>(applicationPath(id, '/resource/actions'), { query: resourceParams(id, ref), signal });
      return answer.actions ?? [];
    },
    enabled,
    // What can be done depends on the object's state.
    staleTime: 0,
    retry: false,
  });

export function runAction(id: AppId, ref: ResourceRef, action: string, parameters: Record<string, string>): Promise<unknown> {
  const resourceActionParameters = Object.entries(parameters).map(([name, value]) => ({ name, value }));
  return request(applicationPath(id, '/resource/actions/v2'), {
    method: 'POST',
    body: { name: id.name, ...resourceParams(id, ref), action, resourceActionParameters },
  });
}

function resourceParams(id: AppId, ref: ResourceRef) {
  return {
    appNamespace: id.namespace,
    namespace: ref.namespace,
    resourceName: ref.name,
    version: ref.version,
    group: ref.group,
    kind: ref.kind,
  };
}
