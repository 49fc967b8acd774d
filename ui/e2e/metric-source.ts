import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a metric answers: any JSON, or a number that is an HTTP status of 400 and more behind `fails`. */
export type Answer = unknown;

/** A small server of metrics: `GET /<name>` gives what the test says at that moment. */
export interface MetricSource {
  url: (name: string) => string;
  /** Sets what is answered from now on. */
  say: (answers: Record<string, Answer>) => void;
  /** How often a metric was asked for. */
  asked: (name: string) => number;
  close: () => Promise<void>;
}

export const DOWN = Symbol('down');

export async function startMetrics(first: Record<string, Answer>): Promise<MetricSource> {
  const answers = new Map<string, Answer>(Object.entries(first));
  const counts = new Map<string, number>();
  const server: Server = createServer((request, response) => {
    const name = (request.url ?? '/').slice(1);
    counts.set(name, (counts.get(name) ?? 0) + 1);
    const answer = answers.get(name);
    if (answer === DOWN) {
      response.writeHead(503).end('the source is down');
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ value: answer ?? null }));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: (name) => `http://127.0.0.1:${port}/${name}`,
    say: (next) => {
      for (const [name, answer] of Object.entries(next)) answers.set(name, answer);
    },
    asked: (name) => counts.get(name) ?? 0,
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
  };
}
