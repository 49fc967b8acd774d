import { queryOptions, type QueryClient } from '@tanstack/react-query';
import type { Application, ApplicationList, ApplicationWatchEvent, Facets } from '@/api-types';
import { appId, appKey } from '@/lib/application';
import type { QueryInit } from '@/lib/base';
import { request } from '@/lib/http';
import { matches, toListQuery, type ListSearch } from '../search';

export const PAGE_SIZE = 100;

/** The list needs a fraction of each application; servers that know `fields` send no more than this. */
const FIELDS = [
  'metadata.name', 'metadata.namespace', 'metadata.uid', 'metadata.resourceVersion', 'metadata.labels', 'metadata.creationTimestamp',
  'metadata.deletionTimestamp', 'spec.project', 'spec.source', 'spec.sources', 'spec.destination', 'spec.syncPolicy', 'operation',
  'status.sync.status', 'status.sync.revision', 'status.sync.revisions', 'status.health', 'status.conditions', 'status.reconciledAt',
  'status.operationState.phase', 'status.operationState.message', 'status.operationState.startedAt', 'status.operationState.finishedAt',
];
const LIST_FIELDS = ['metadata', ...FIELDS.map((field) => `items.${field}`)].join(',');
const WATCH_FIELDS = ['result.type', ...FIELDS.map((field) => `result.application.${field}`)].join(',');

export const STREAM_PATH = 'api/v1/stream/applications';
export const streamQuery = (resourceVersion: string | undefined): QueryInit => ({ fields: WATCH_FIELDS, resourceVersion });
export type StreamMessage = ApplicationWatchEvent;

export const applicationsKey = ['applications'] as const;
export const allKey = ['applications', 'all'] as const;
export const pagesKey = ['applications', 'page'] as const;

/** The values that the lists read so far have shown. */
export function knownFacets(client: QueryClient): Partial<Facets> {
  const pages = client.getQueriesData<ApplicationList>({ queryKey: pagesKey });
  return pages.map(([, page]) => page?.metadata?.facets).findLast(Boolean) ?? {};
}

/** The few best matches for the quick switcher. Servers that do not search are searched here. */
export const switcherQuery = (text: string) =>
  queryOptions({
    queryKey: ['applications', 'switcher', text],
    queryFn: async ({ signal }): Promise<Application[]> => {
      const search: ListSearch = { q: text };
      const list = await request<ApplicationList>('api/v1/applications', { query: { ...toListQuery(search), limit: 12, fields: LIST_FIELDS }, signal });
      const items = list.items ?? [];
      return list.metadata?.total === undefined ? items.filter((app) => matches(app, search)).slice(0, 12) : items;
    },
    staleTime: 5_000,
  });

export interface AllApplications {
  apps: ReadonlyMap<string, Application>;
  resourceVersion?: string;
}

export function fetchPage(search: ListSearch, page: number, signal?: AbortSignal): Promise<ApplicationList> {
  return request<ApplicationList>('api/v1/applications', {
    query: { ...toListQuery(search), limit: PAGE_SIZE, offset: page * PAGE_SIZE, fields: LIST_FIELDS },
    signal,
  });
}

/** Only what decides about the items, so that a change of view does not load anything. */
export function listIdentity(search: ListSearch): QueryInit {
  return toListQuery(search);
}

export const pageQuery = (search: ListSearch, page: number) =>
  queryOptions({
    queryKey: [...pagesKey, listIdentity(search), page],
    queryFn: ({ signal }) => fetchPage(search, page, signal),
    staleTime: 30_000,
  });

export function toAll(list: ApplicationList): AllApplications {
  return {
    apps: new Map((list.items ?? []).map((app) => [appKey(appId(app)), app])),
    resourceVersion: list.metadata?.resourceVersion,
  };
}

export const allQuery = queryOptions({
  queryKey: allKey,
  queryFn: async ({ signal }) => toAll(await request<ApplicationList>('api/v1/applications', { query: { fields: LIST_FIELDS }, signal })),
  staleTime: Infinity,
  // The set is large: compare by reference, not by walking it.
  structuralSharing: false,
});
