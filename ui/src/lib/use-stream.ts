import { useEffect, useRef, useState } from 'react';
import type { QueryInit } from './base';
import { followStream, type StreamState } from './stream';

/** A hidden tab gives its connection back after this long: browsers allow few per server. */
const HIDDEN_GRACE_MS = 30_000;

interface Options<T> {
  path: string;
  query?: QueryInit;
  enabled?: boolean;
  onMessage: (message: T) => void;
  onReconnected?: () => void;
}

/** Follows a stream while the component is mounted and the tab is looked at. */
export function useStream<T>(options: Options<T>): StreamState {
  const { path, query, enabled = true } = options;
  const [state, setState] = useState<StreamState>('connecting');
  const handlers = useRef(options);
  useEffect(() => {
    handlers.current = options;
  });
  const queryKey = JSON.stringify(query ?? {});

  useEffect(() => {
    if (!enabled) return;
    let abort: AbortController | null = null;
    let hiddenTimer: ReturnType<typeof setTimeout> | undefined;
    let suspended = false;

    const open = () => {
      abort = new AbortController();
      void followStream<T>({
        path,
        query: JSON.parse(queryKey) as QueryInit,
        signal: abort.signal,
        onMessage: (message) => {
          handlers.current.onMessage(message);
        },
        onState: setState,
        onReconnected: () => handlers.current.onReconnected?.(),
      });
      if (suspended) {
        suspended = false;
        handlers.current.onReconnected?.();
      }
    };
    const onVisibility = () => {
      clearTimeout(hiddenTimer);
      if (document.hidden) {
        hiddenTimer = setTimeout(() => {
          suspended = true;
          abort?.abort();
        }, HIDDEN_GRACE_MS);
      } else if (suspended) open();
    };

    open();
    document.addEventListener('visibilitychange', onVisibility);
    return () => {
      document.removeEventListener('visibilitychange', onVisibility);
      clearTimeout(hiddenTimer);
      abort?.abort();
    };
  }, [path, queryKey, enabled]);

  return state;
}
