import { apiUrl, type QueryInit } from './base';
import { ApiError, reportUnauthorized, toApiError } from './http';

export type StreamState = 'connecting' | 'open' | 'reconnecting';

export interface StreamOptions<T> {
  path: string;
  query?: QueryInit;
  signal: AbortSignal;
  onMessage: (message: T) => void;
  onState?: (state: StreamState) => void;
  /** Called for each connection after the first: what was missed meanwhile has to be read again. */
  onReconnected?: () => void;
  /** Replaced by tests. */
  backoff?: (attempt: number) => number;
}

interface Envelope<T> {
  result?: T;
  error?: { message?: string; http_code?: number };
}

/** Half a second, doubling to fifteen, with jitter so that clients do not come back all at once. */
export function backoffDelay(attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(15_000, 500 * 2 ** Math.min(attempt, 6));
  return ceiling / 2 + (random() * ceiling) / 2;
}

/**
 * Splits a byte stream of server-sent events or of newline-separated JSON into its documents.
 * Returns a function to feed text to; what is incomplete stays until the rest arrives.
 */
export function createFrameParser(onDocument: (json: string) => void): (chunk: string) => void {
  let rest = '';
  return (chunk) => {
    rest += chunk;
    let end = rest.indexOf('\n');
    let start = 0;
    while (end !== -1) {
      const line = rest.slice(start, end).trimEnd();
      if (line.startsWith('data:')) onDocument(line.slice(5).trimStart());
      else if (line.startsWith('{')) onDocument(line);
      start = end + 1;
      end = rest.indexOf('\n', start);
    }
    rest = rest.slice(start);
  };
}

/** Reads one streaming response to its end. Throws `ApiError` when it cannot be opened or breaks. */
export async function readStream<T>(
  path: string,
  query: QueryInit | undefined,
  signal: AbortSignal,
  onMessage: (message: T) => void,
  onOpen?: () => void,
): Promise<void> {
  const response = await fetch(apiUrl(path, query), {
    signal,
    credentials: 'same-origin',
    headers: { accept: 'text/event-stream' },
    cache: 'no-store',
  });
  if (!response.ok) {
    if (response.status === 401) reportUnauthorized();
    throw await toApiError(response);
  }
  if (!response.body) throw new ApiError(0, 'the response has no body');
  onOpen?.();
  const parse = createFrameParser((json) => {
    const envelope = JSON.parse(json) as Envelope<T>;
    if (envelope.error) throw new ApiError(envelope.error.http_code ?? 500, envelope.error.message ?? 'stream error');
    if (envelope.result !== undefined) onMessage(envelope.result);
  });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    parse(value);
  }
}

/** Keeps a stream open until `signal` aborts: reconnects with backoff, gives up only on 401 and 403. */
export async function followStream<T>(options: StreamOptions<T>): Promise<void> {
  const { signal, onState, onReconnected, backoff = backoffDelay } = options;
  let attempt = 0;
  let opened = false;
  onState?.('connecting');
  while (!signal.aborted) {
    try {
      await readStream<T>(options.path, options.query, signal, options.onMessage, () => {
        attempt = 0;
        onState?.('open');
        if (opened) onReconnected?.();
        opened = true;
      });
    } catch (error) {
      if (isFinal(error)) return;
    }
    if (isAborted(signal)) return;
    onState?.('reconnecting');
    await delay(backoff(attempt++), signal);
  }
}

function isFinal(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 401 || error.status === 403);
}

// A function, so that the type checker does not take the loop's condition for lasting truth.
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
