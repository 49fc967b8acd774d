import { queryOptions, type QueryClient } from '@tanstack/react-query';
import type { Settings, UserInfo, Version } from '@/api-types';
import { request } from '@/lib/http';

export const userInfoQuery = queryOptions({
  queryKey: ['session', 'userinfo'],
  queryFn: ({ signal }) => request<UserInfo>('api/v1/session/userinfo', { signal, keepUnauthorized: true }),
  staleTime: 60_000,
});

export const versionQuery = queryOptions({
  queryKey: ['version'],
  queryFn: ({ signal }) => request<Version>('api/version', { signal, keepUnauthorized: true }),
  staleTime: Infinity,
});

export const settingsQuery = queryOptions({
  queryKey: ['settings'],
  queryFn: ({ signal }) => request<Settings>('api/v1/settings', { signal, keepUnauthorized: true }),
  staleTime: Infinity,
});

/** The server answers with the cookie; the page never sees nor keeps the token. */
export async function login(client: QueryClient, username: string, password: string): Promise<void> {
  await request('api/v1/session', { method: 'POST', body: { username, password }, keepUnauthorized: true });
  client.clear();
}

export async function logout(client: QueryClient): Promise<void> {
  await request('api/v1/session', { method: 'DELETE', keepUnauthorized: true });
  client.clear();
}
