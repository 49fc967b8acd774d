import { queryOptions } from '@tanstack/react-query';
import type { ApplicationTree, KubernetesObject, ResourceAction, ResourceActions, ResourceRef } from '@/api-types';
import type { AppId } from '../application';
import { request } from '../http';
import { resourceKey } from '../resource-key';
import { applicationPath } from './actions';

/** Calls on the objects of an application that more than one feature makes. */

export const treeQuery = (id: AppId) =>
  queryOptions({
    queryKey: ['tree', id.namespace, id.name],
    queryFn: ({ signal }) => request<ApplicationTree>(applicationPath(id, '/resource-tree'), { query: { appNamespace: id.namespace }, signal }),
    staleTime: Infinity,
  });

export function treeStreamPath(id: AppId): string {
  return `api/v1/stream/applications/${encodeURIComponent(id.name)}/resource-tree`;
}

export const resourceQueryKey = (id: AppId, ref?: ResourceRef) => ['resource', id.namespace, id.name, ...(ref ? [resourceKey(ref)] : [])] as const;

export const resourceQuery = (id: AppId, ref: ResourceRef) =>
  queryOptions({
    queryKey: resourceQueryKey(id, ref),
    queryFn: async ({ signal }): Promise<KubernetesObject> => {
      const { manifest } = await request<{ manifest?: string }>(applicationPath(id, '/resource'), { query: resourceParams(id, ref), signal });
      return JSON.parse(manifest ?? '{}') as KubernetesObject;
    },
    staleTime: 2_000,
  });

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

export function resourceParams(id: AppId, ref: ResourceRef) {
  return {
    appNamespace: id.namespace,
    namespace: ref.namespace,
    resourceName: ref.name,
    version: ref.version,
    group: ref.group,
    kind: ref.kind,
  };
}
