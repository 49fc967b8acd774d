import { keepPreviousData, useQueries, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useMemo, useState } from 'react';
import type { Application, Facets } from '@/api-types';
import { allKey, allQuery, fetchPage, pageQuery, PAGE_SIZE, toAll, type AllApplications } from '../api/list';
import { countFacets, matches, sortApplications, type ListSearch } from '../search';

/** A list of any length, of which only the looked-at part needs to be here. */
export interface ApplicationWindow {
  status: 'pending' | 'error' | 'ready';
  error: unknown;
  /** How many match the filter. */
  total: number;
  facets: Partial<Facets>;
  /** The application at a place, or undefined while it is on its way. */
  itemAt: (index: number) => Application | undefined;
  /** Tells which places are on the screen. */
  show: (first: number, last: number) => void;
  resourceVersion: string | undefined;
  mode: 'server' | 'client' | undefined;
  /** The shown items are of the filter before this one. */
  stale: boolean;
  retry: () => void;
}

/**
 * Servers that say how many there are page, filter and sort themselves; from others the whole list is read once and the
 * rest is done here. The first answer tells which kind it is.
 */
export function useApplicationWindow(search: ListSearch): ApplicationWindow {
  const client = useQueryClient();
  const mode = useQuery({
    queryKey: ['applications', 'mode'],
    queryFn: async ({ signal }) => {
      const list = await fetchPage(search, 0, signal);
      if (list.metadata?.total !== undefined) {
        client.setQueryData(pageQuery(search, 0).queryKey, list);
        return 'server' as const;
      }
      client.setQueryData<AllApplications>(allKey, toAll(list));
      return 'client' as const;
    },
    staleTime: Infinity,
    gcTime: Infinity,
  });
  const server = useServerWindow(search, mode.data === 'server');
  const local = useClientWindow(search, mode.data === 'client');
  if (mode.data === undefined) {
    return {
      ...EMPTY,
      status: mode.isError ? 'error' : 'pending',
      error: mode.error,
      retry: () => void mode.refetch(),
    };
  }
  return mode.data === 'server' ? server : local;
}

const EMPTY: ApplicationWindow = {
  status: 'pending', error: null, total: 0, facets: {}, itemAt: () => undefined, show: () => undefined,
  resourceVersion: undefined, mode: undefined, stale: false, retry: () => undefined,
};

function useServerWindow(search: ListSearch, enabled: boolean): ApplicationWindow {
  const [range, setRange] = useState<readonly [number, number]>([0, 0]);
  const head = useQuery({ ...pageQuery(search, 0), enabled, placeholderData: keepPreviousData });
  const total = head.data?.metadata?.total ?? 0;
  const lastPage = Math.max(0, Math.ceil(total / PAGE_SIZE) - 1);
  const wanted = useMemo(() => {
    const pages: number[] = [];
    for (let page = Math.max(1, range[0]); page <= Math.min(lastPage, range[1]); page += 1) pages.push(page);
    return pages;
  }, [range, lastPage]);
  const tails = useQueries({ queries: wanted.map((page) => ({ ...pageQuery(search, page), enabled: enabled && !head.isPlaceholderData })) });

  const pages = new Map<number, Application[]>([[0, head.data?.items ?? []]]);
  wanted.forEach((page, index) => {
    const items = tails[index]?.data?.items;
    if (items) pages.set(page, items);
  });
  const show = useCallback((first: number, last: number) => {
    const next = [Math.floor(first / PAGE_SIZE), Math.floor(last / PAGE_SIZE)] as const;
    setRange((now) => (now[0] === next[0] && now[1] === next[1] ? now : next));
  }, []);
  return {
    status: head.data ? 'ready' : head.isError ? 'error' : 'pending',
    error: head.error,
    total,
    facets: head.data?.metadata?.facets ?? {},
    itemAt: (index) => pages.get(Math.floor(index / PAGE_SIZE))?.[index % PAGE_SIZE],
    show,
    resourceVersion: head.data?.metadata?.resourceVersion,
    mode: 'server',
    stale: head.isPlaceholderData,
    retry: () => void head.refetch(),
  };
}

function useClientWindow(search: ListSearch, enabled: boolean): ApplicationWindow {
  const query = useQuery({ ...allQuery, enabled });
  const apps = query.data?.apps;
  const identity = JSON.stringify(search);
  const shown = useMemo(() => {
    const wish = JSON.parse(identity) as ListSearch;
    const everything = [...(apps?.values() ?? [])];
    const items = sortApplications(everything.filter((app) => matches(app, wish)), wish.sort, wish.desc);
    return { items, facets: countFacets(everything, wish) };
  }, [apps, identity]);
  return {
    status: query.data ? 'ready' : query.isError ? 'error' : 'pending',
    error: query.error,
    total: shown.items.length,
    facets: shown.facets,
    itemAt: (index) => shown.items[index],
    show: EMPTY.show,
    resourceVersion: query.data?.resourceVersion,
    mode: 'client',
    stale: false,
    retry: () => void query.refetch(),
  };
}
