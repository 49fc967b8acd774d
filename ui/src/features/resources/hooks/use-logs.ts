import { useEffect, useState } from 'react';
import type { LogEntry } from '@/api-types';
import { applicationPath } from '@/lib/api/actions';
import type { AppId } from '@/lib/application';
import { readStream } from '@/lib/stream';
import { appendLines, type LogLine } from '../log-buffer';

export interface LogRequest {
  podName: string;
  namespace: string;
  container: string;
  follow: boolean;
  tailLines: number;
  filter: string;
  previous: boolean;
}

export type LogState = 'connecting' | 'following' | 'ended' | 'failed';

interface Logs {
  lines: readonly LogLine[];
  state: LogState;
  error: Error | undefined;
}

const EMPTY: Logs = { lines: [], state: 'connecting', error: undefined };
/** Lines are drawn a few times a second, however fast they come. */
const FLUSH_MS = 80;

/** Reads the log of one container. `attempt` starts it anew. */
export function useLogs({ name, namespace }: AppId, wanted: LogRequest, attempt: number): Logs {
  const identity = JSON.stringify([name, namespace, wanted, attempt]);
  const [held, setHeld] = useState<Logs & { identity: string }>({ ...EMPTY, identity });
  useEffect(() => {
    const abort = new AbortController();
    const request = JSON.parse(identity) as [string, string, LogRequest, number];
    let waiting: LogEntry[] = [];
    const update = (change: (now: Logs) => Logs) => {
      if (abort.signal.aborted) return;
      setHeld((now) => ({ ...change(now.identity === identity ? now : EMPTY), identity }));
    };
    const flush = () => {
      if (waiting.length === 0) return;
      const entries = waiting;
      waiting = [];
      update((now) => ({ ...now, lines: appendLines(now.lines, entries) }));
    };
    const timer = setInterval(flush, FLUSH_MS);
    const { podName, namespace: podNamespace, container, follow, tailLines, filter, previous } = request[2];
    readStream<LogEntry>(
      applicationPath({ namespace: request[1], name: request[0] }, '/logs'),
      { appNamespace: request[1], podName, namespace: podNamespace, container, follow, tailLines, filter, previous: previous || undefined },
      abort.signal,
      (entry) => {
        waiting.push(entry);
      },
      () => update((now) => ({ ...now, state: 'following' })),
    )
      .then(() => {
        flush();
        update((now) => ({ ...now, state: 'ended' }));
      })
      .catch((error: unknown) => {
        flush();
        update((now) => ({ ...now, state: 'failed', error: error instanceof Error ? error : new Error(String(error)) }));
      });
    return () => {
      clearInterval(timer);
      abort.abort();
    };
  }, [identity]);
  return held.identity === identity ? held : EMPTY;
}
