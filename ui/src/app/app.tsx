import { QueryClientProvider, type QueryClient } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { Tooltip } from 'radix-ui';
import { useEffect } from 'react';
import { ToastHost } from '@/components/toast';
import { onUnauthorized } from '@/lib/http';
import type { makeRouter } from './router';

interface Props {
  queryClient: QueryClient;
  router: ReturnType<typeof makeRouter>;
}

export function App({ queryClient, router }: Props) {
  useEffect(
    () =>
      onUnauthorized(() => {
        const { location } = router.state;
        if (location.pathname === '/login') return;
        queryClient.clear();
        void router.navigate({ to: '/login', search: { return: location.href }, replace: true });
      }),
    [queryClient, router],
  );
  return (
    <QueryClientProvider client={queryClient}>
      <Tooltip.Provider delayDuration={350}>
        <RouterProvider router={router} />
        <ToastHost />
      </Tooltip.Provider>
    </QueryClientProvider>
  );
}
