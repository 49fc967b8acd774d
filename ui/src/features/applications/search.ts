import type { Application, FacetName, Facets, HealthStatusCode, SyncStatusCode } from '@/api-types';
import { appKey, appId, clusterOf, healthOf, lastActivityOf, sourceOf, syncOf } from '@/lib/application';
import type { QueryInit } from '@/lib/base';

/** What the list shows, as it stands in the address. */

export const FACETS: readonly FacetName[] = ['health', 'sync', 'project', 'cluster', 'namespace', 'repo'];
export const SORT_KEYS = ['name', 'health', 'sync', 'project', 'activity', 'created'] as const;
export type SortKey = (typeof SORT_KEYS)[number];
export type View = 'table' | 'tiles';

export type ListSearch = {
  q?: string;
  view?: View;
  sort?: SortKey;
  desc?: boolean;
  create?: boolean;
} & Partial<Record<FacetName, string[]>>;

/** Reads the address; what cannot be meant is dropped, so that every hand-typed address works. */
export function parseListSearch(raw: Record<string, unknown>): ListSearch {
  const out: ListSearch = {};
  const q = first(raw.q);
  if (q) out.q = q;
  if (first(raw.view) === 'tiles') out.view = 'tiles';
  const sort = SORT_KEYS.find((key) => key === first(raw.sort));
  if (sort && sort !== 'name') out.sort = sort;
  if (first(raw.desc) === 'true') out.desc = true;
  if (first(raw.create) === 'true') out.create = true;
  for (const facet of FACETS) {
    const values = all(raw[facet]);
    if (values.length > 0) out[facet] = values;
  }
  return out;
}

function all(value: unknown): string[] {
  const list = Array.isArray(value) ? value : [value];
  const strings = list.filter((item): item is string | number | boolean => ['string', 'number', 'boolean'].includes(typeof item));
  return [...new Set(strings.map(String).filter(Boolean))].sort();
}

function first(value: unknown): string | undefined {
  return all(value)[0];
}

export function toggleFacet(search: ListSearch, facet: FacetName, value: string): ListSearch {
  const now = search[facet] ?? [];
  const next = now.includes(value) ? now.filter((each) => each !== value) : [...now, value].sort();
  return { ...search, [facet]: next.length > 0 ? next : undefined };
}

export function hasFilter(search: ListSearch): boolean {
  return Boolean(search.q) || FACETS.some((facet) => search[facet]?.length);
}

export function withoutFilter(search: ListSearch): ListSearch {
  return { view: search.view, sort: search.sort, desc: search.desc };
}

/** The same wish in the words of the API. */
export function toListQuery(search: ListSearch): QueryInit {
  const sort = search.sort ?? 'name';
  const query: QueryInit = { search: search.q, sort: search.desc ? `-${sort}` : sort };
  for (const facet of FACETS) query[facet] = search[facet];
  return query;
}

export function facetValue(app: Application, facet: FacetName): string {
  switch (facet) {
    case 'health': return healthOf(app);
    case 'sync': return syncOf(app);
    case 'project': return app.spec.project || 'default';
    case 'cluster': return clusterOf(app);
    case 'namespace': return app.spec.destination.namespace ?? '';
    case 'repo': return sourceOf(app)?.repoURL ?? '';
  }
}

function matchesText(app: Application, words: readonly string[]): boolean {
  if (words.length === 0) return true;
  const source = sourceOf(app);
  const text = [
    app.metadata.namespace, app.metadata.name, app.spec.project, app.spec.destination.namespace, clusterOf(app),
    source?.repoURL, source?.path, source?.chart, source?.targetRevision,
    ...Object.entries(app.metadata.labels ?? {}).map(([key, value]) => `${key}=${value}`),
  ].join(' ').toLowerCase();
  return words.every((word) => text.includes(word));
}

function wordsOf(search: ListSearch): string[] {
  return (search.q ?? '').toLowerCase().split(/\s+/).filter(Boolean);
}

function matchesFacet(app: Application, search: ListSearch, facet: FacetName): boolean {
  const wanted = search[facet];
  return !wanted?.length || wanted.includes(facetValue(app, facet));
}

export function matches(app: Application, search: ListSearch): boolean {
  return FACETS.every((facet) => matchesFacet(app, search, facet)) && matchesText(app, wordsOf(search));
}

/** Counts per value; each dimension is counted as if it alone were not filtered, so that choices can be widened. */
export function countFacets(apps: readonly Application[], search: ListSearch): Facets {
  const facets: Facets = { health: {}, sync: {}, project: {}, cluster: {}, namespace: {}, repo: {} };
  const words = wordsOf(search);
  for (const app of apps) {
    const missed = FACETS.filter((facet) => !matchesFacet(app, search, facet));
    if (missed.length > 1 || !matchesText(app, words)) continue;
    // An application that only one filter shuts out counts where that filter would be widened.
    for (const facet of missed.length === 1 ? missed : FACETS) {
      const value = facetValue(app, facet);
      facets[facet][value] = (facets[facet][value] ?? 0) + 1;
    }
  }
  return facets;
}

const HEALTH_RANK: Record<HealthStatusCode, number> = { Degraded: 0, Missing: 1, Unknown: 2, Progressing: 3, Suspended: 4, Healthy: 5 };
const SYNC_RANK: Record<SyncStatusCode, number> = { OutOfSync: 0, Unknown: 1, Synced: 2 };

function compareBy(sort: SortKey, a: Application, b: Application): number {
  switch (sort) {
    case 'name': return 0;
    case 'health': return (HEALTH_RANK[healthOf(a)] as number | undefined ?? 2) - (HEALTH_RANK[healthOf(b)] as number | undefined ?? 2);
    case 'sync': return (SYNC_RANK[syncOf(a)] as number | undefined ?? 1) - (SYNC_RANK[syncOf(b)] as number | undefined ?? 1);
    case 'project': return compareText(a.spec.project, b.spec.project);
    case 'activity': return compareText(lastActivityOf(b) ?? '', lastActivityOf(a) ?? '');
    case 'created': return compareText(b.metadata.creationTimestamp ?? '', a.metadata.creationTimestamp ?? '');
  }
}

// Not localeCompare: ten thousand names are sorted on each change, and both sides must agree with the server.
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function sortApplications(apps: readonly Application[], sort: SortKey = 'name', desc = false): Application[] {
  const sign = desc ? -1 : 1;
  return [...apps].sort(
    (a, b) => sign * (compareBy(sort, a, b) || compareText(a.metadata.name, b.metadata.name)) || compareText(appKey(appId(a)), appKey(appId(b))),
  );
}
