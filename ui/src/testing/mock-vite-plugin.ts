import { Readable } from 'node:stream';
import type { Plugin } from 'vite';
import type * as Mock from './mock-server';

/** Serves the test double under `/api` of the development server. MOCK_APPS, MOCK_AUTH=off and MOCK_PAGED=off change it. */
export function mockServerPlugin(): Plugin {
  return {
    name: 'mock-server',
    apply: 'serve',
    async configureServer(server) {
      if (process.env.VITEST) return;
      // Through the development server, so that the import aliases of the app hold.
      const { MockServer } = (await server.ssrLoadModule('/src/testing/mock-server.ts')) as typeof Mock;
      const mock = new MockServer({
        apps: Number(process.env.MOCK_APPS ?? 30),
        auth: process.env.MOCK_AUTH !== 'off',
        paged: process.env.MOCK_PAGED !== 'off',
      });
      server.config.logger.info('  the API is a test double; set DRIFTLESS_URL to use a real server');
      server.middlewares.use((incoming, outgoing, next) => {
        if (!incoming.url?.startsWith('/api/')) {
          next();
          return;
        }
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('end', () => {
          const abort = new AbortController();
          outgoing.on('close', () => abort.abort());
          const method = incoming.method ?? 'GET';
          const request = new Request(`http://mock${incoming.url ?? ''}`, { method, body: method === 'GET' ? undefined : Buffer.concat(chunks), signal: abort.signal });
          void mock.handle(request).then((response) => {
            outgoing.writeHead(response.status, Object.fromEntries(response.headers));
            outgoing.flushHeaders();
            if (response.body) Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]).on('error', () => outgoing.end()).pipe(outgoing);
            else outgoing.end();
          });
        });
      });
    },
  };
}
