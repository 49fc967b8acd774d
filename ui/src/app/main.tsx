import { QueryClient } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import '@/components/base.css';
import { ApiError } from '@/lib/http';
import { initI18n } from '@/lib/i18n';
import { applyTheme } from '@/lib/theme';
import { App } from './app';
import { makeRouter } from './router';

const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      // Streams bring changes; what they do not cover says so itself.
      refetchOnWindowFocus: false,
      retry: (count, error) => count < 2 && !(error instanceof ApiError && error.status >= 400 && error.status < 500),
    },
  },
});

applyTheme();
const root = document.getElementById('root');
if (!root) throw new Error('the page has no #root');
await initI18n();
createRoot(root).render(
  <StrictMode>
    <App queryClient={queryClient} router={makeRouter(queryClient)} />
  </StrictMode>,
);
