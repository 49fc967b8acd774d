import type { QueryClient } from '@tanstack/react-query';
import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent, Outlet, redirect } from '@tanstack/react-router';
import { parseListSearch } from '@/features/applications/search';
import { userInfoQuery } from '@/features/session/api/session';
import { basePath } from '@/lib/base';
import { parseAppSearch } from './app-search';
import { NotFound, RouteError } from './route-error';
import { parseSearch, stringifySearch } from './search-params';
import { Shell } from './shell';

interface Context {
  queryClient: QueryClient;
}

const root = createRootRouteWithContext<Context>()({ component: Outlet, notFoundComponent: NotFound, errorComponent: RouteError });

const login = createRoute({
  getParentRoute: () => root,
  path: '/login',
  validateSearch: (raw: Record<string, unknown>): { return?: string } => (typeof raw.return === 'string' && raw.return.startsWith('/') ? { return: raw.return } : {}),
  component: lazyRouteComponent(() => import('./pages/login-page'), 'LoginPage'),
});

/** Everything behind the login. A server without authentication says that everyone is logged in. */
const shell = createRoute({
  getParentRoute: () => root,
  id: 'shell',
  beforeLoad: async ({ context, location }) => {
    const user = await context.queryClient.query({ ...userInfoQuery, staleTime: 'static' }).catch((error: unknown) => {
      if (error instanceof Error && 'status' in error && error.status === 401) return { loggedIn: false };
      throw error;
    });
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- how the router redirects
    if (!user.loggedIn) throw redirect({ to: '/login', search: { return: location.href } });
  },
  component: Shell,
});

const home = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- how the router redirects
    throw redirect({ to: '/applications' });
  },
});

const applications = createRoute({
  getParentRoute: () => shell,
  path: '/applications',
  validateSearch: parseListSearch,
  component: lazyRouteComponent(() => import('./pages/applications-page'), 'ApplicationsPage'),
});

const application = createRoute({
  getParentRoute: () => shell,
  path: '/applications/$namespace/$name',
  validateSearch: parseAppSearch,
  component: lazyRouteComponent(() => import('./pages/application-page'), 'ApplicationPage'),
});

const routeTree = root.addChildren([home, login, shell.addChildren([applications, application])]);

export function makeRouter(queryClient: QueryClient) {
  return createRouter({
    routeTree,
    context: { queryClient },
    basepath: basePath(),
    parseSearch,
    stringifySearch,
    defaultPreload: 'intent',
    defaultPreloadStaleTime: 0,
    defaultErrorComponent: RouteError,
    defaultNotFoundComponent: NotFound,
  });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
