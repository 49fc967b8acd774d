import { useQueryClient, type QueryClient } from '@tanstack/react-query';
import { useEffect, useMemo, useState } from 'react';
import type { Application, ApplicationList } from '@/api-types';
import { appId, appKey } from '@/lib/application';
import type { StreamState } from '@/lib/stream';
import { useStream } from '@/lib/use-stream';
import { allKey, pagesKey, STREAM_PATH, streamQuery, type AllApplications, type StreamMessage } from '../api/list';
import { affectsOrder, applyToAll, applyToPage } from '../stream';

/** Events are put into the cache a few times a second, however many there are. */
const BATCH_MS = 120;
/** A list whose order may have changed is read again at most this often. */
const RELOAD_MS = 1_500;

/** Keeps the list up to date from the watch stream. */
export function useApplicationStream(mode: 'server' | 'client' | undefined, resourceVersion: string | undefined): StreamState {
  const client = useQueryClient();
  const intake = useMemo(() => new Intake(client), [client]);
  useEffect(() => () => intake.stop(), [intake]);
  // The version of the first list: later ones must not restart the stream.
  const [start, setStart] = useState<string>();
  if (start === undefined && mode) setStart(resourceVersion ?? '');
  return useStream<StreamMessage>({
    path: STREAM_PATH,
    query: streamQuery(start),
    enabled: start !== undefined,
    onMessage: (event) => intake.push(event),
    onReconnected: () => intake.reload(),
  });
}

class Intake {
  private batch: StreamMessage[] = [];
  private batchTimer: ReturnType<typeof setTimeout> | undefined;
  private reloadTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly client: QueryClient;

  constructor(client: QueryClient) {
    this.client = client;
  }

  push(event: StreamMessage): void {
    this.batch.push(event);
    this.batchTimer ??= setTimeout(() => this.flush(), BATCH_MS);
  }

  reload(): void {
    this.reloadTimer ??= setTimeout(() => {
      this.reloadTimer = undefined;
      void this.client.invalidateQueries({ queryKey: pagesKey });
      void this.client.invalidateQueries({ queryKey: allKey });
    }, RELOAD_MS);
  }

  stop(): void {
    clearTimeout(this.batchTimer);
    clearTimeout(this.reloadTimer);
    this.batchTimer = undefined;
    this.reloadTimer = undefined;
  }

  private flush(): void {
    this.batchTimer = undefined;
    const events = this.batch;
    this.batch = [];
    this.client.setQueryData<AllApplications>(allKey, (held) => {
      if (!held) return held;
      const apps = applyToAll(held.apps, events);
      return apps === held.apps ? held : { ...held, apps };
    });
    const pages = this.client.getQueriesData<ApplicationList>({ queryKey: pagesKey });
    if (pages.length === 0) return;
    const held = new Map<string, Application>();
    for (const [, page] of pages) for (const app of page?.items ?? []) held.set(appKey(appId(app)), app);
    const reorder = affectsOrder((key) => held.get(key), events);
    this.client.setQueriesData<ApplicationList>({ queryKey: pagesKey }, (page) => page && applyToPage(page, events));
    if (reorder) this.reload();
  }
}
