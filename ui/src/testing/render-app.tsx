import { QueryClient } from '@tanstack/react-query';
import { render, type RenderResult } from '@testing-library/react';
import userEvent, { type UserEvent } from '@testing-library/user-event';
import { vi } from 'vitest';
import { App } from '../app/app';
import { makeRouter } from '../app/router';
import { initI18n, type Language } from '../lib/i18n';
import { MockServer, type MockOptions } from './mock-server';

export interface Stage extends RenderResult {
  server: MockServer;
  user: UserEvent;
  /** Path and query as they stand in the address. */
  address: () => string;
}

/** The whole app over the test double, at an address. */
export async function renderApp(path: string, options: MockOptions & { language?: Language } = {}): Promise<Stage> {
  const { language = 'en', ...mock } = options;
  const server = new MockServer({ auth: false, stepMs: 5, ...mock });
  vi.stubGlobal('fetch', (input: string, init: RequestInit = {}) => {
    const { signal, ...rest } = init;
    return server.handle(new Request(new URL(input, 'http://localhost'), rest), signal ?? new AbortController().signal);
  });
  window.history.replaceState(null, '', path);
  await initI18n(language);
  const queryClient = new QueryClient({ defaultOptions: { queries: { retry: false, refetchOnWindowFocus: false } } });
  const user = userEvent.setup();
  const result = render(<App queryClient={queryClient} router={makeRouter(queryClient)} />);
  return { ...result, server, user, address: () => window.location.pathname + window.location.search };
}
