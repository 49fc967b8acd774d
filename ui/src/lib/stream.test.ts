// @vitest-environment jsdom
import { afterEach, describe, expect, it, vi } from 'vitest';
import { backoffDelay, createFrameParser, followStream, type StreamState } from './stream';

function parse(chunks: string[]): unknown[] {
  const documents: unknown[] = [];
  const feed = createFrameParser((json) => documents.push(JSON.parse(json)));
  chunks.forEach(feed);
  return documents;
}

describe('createFrameParser', () => {
  it('reads server-sent events', () => {
    expect(parse(['event: x\nid: 1\ndata: {"a":1}\n\ndata:{"a":2}\n\n'])).toEqual([{ a: 1 }, { a: 2 }]);
  });
  it('reads JSON lines', () => {
    expect(parse(['{"a":1}\r\n{"a":2}\n'])).toEqual([{ a: 1 }, { a: 2 }]);
  });
  it('puts documents together that come in pieces', () => {
    expect(parse(['data: {"a"', ':1', '}', '\n', '\ndata: {"a":2}\n'])).toEqual([{ a: 1 }, { a: 2 }]);
  });
  it('ignores heartbeats and keeps an incomplete rest back', () => {
    expect(parse([': keep-alive\n\n', 'data: {"a":1}'])).toEqual([]);
  });
});

describe('backoffDelay', () => {
  it('grows to a ceiling and never to nothing', () => {
    expect(backoffDelay(0, () => 0)).toBe(250);
    expect(backoffDelay(3, () => 1)).toBe(4_000);
    expect(backoffDelay(50, () => 1)).toBe(15_000);
  });
});

function answer(lines: string[], status = 200): Response {
  return new Response(lines.join('\n') + '\n', { status });
}

describe('followStream', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  it('comes back after the end and says what it is doing', async () => {
    const abort = new AbortController();
    const answers = [answer(['{"result":1}']), new Error('refused'), answer(['{"result":2}'])];
    vi.stubGlobal('fetch', vi.fn(() => {
      const next = answers.shift();
      return next instanceof Response ? Promise.resolve(next) : Promise.reject(next ?? new Error('end'));
    }));
    const messages: number[] = [];
    const states: StreamState[] = [];
    const reconnected = vi.fn();
    await followStream<number>({
      path: 'x',
      signal: abort.signal,
      backoff: () => 0,
      onState: (state) => states.push(state),
      onReconnected: reconnected,
      onMessage: (message) => {
        messages.push(message);
        if (message === 2) abort.abort();
      },
    });
    expect(messages).toEqual([1, 2]);
    expect(states).toEqual(['connecting', 'open', 'reconnecting', 'reconnecting', 'open']);
    expect(reconnected).toHaveBeenCalledTimes(1);
  });

  it('gives up when the session is over', async () => {
    const fetched = vi.fn(() => Promise.resolve(answer(['{"message":"no session"}'], 401)));
    vi.stubGlobal('fetch', fetched);
    await followStream({ path: 'x', signal: new AbortController().signal, backoff: () => 0, onMessage: () => undefined });
    expect(fetched).toHaveBeenCalledTimes(1);
  });

  it('takes an error in the stream for a broken stream', async () => {
    const abort = new AbortController();
    const states: StreamState[] = [];
    vi.stubGlobal('fetch', vi.fn(() => Promise.resolve(answer(['{"error":{"message":"gone","http_code":503}}']))));
    await followStream({
      path: 'x',
      signal: abort.signal,
      onMessage: () => undefined,
      onState: (state) => states.push(state),
      backoff: () => {
        abort.abort();
        return 0;
      },
    });
    expect(states).toEqual(['connecting', 'open', 'reconnecting']);
  });
});
