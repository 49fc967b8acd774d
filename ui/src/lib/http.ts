import i18next from 'i18next';
import type { ApiErrorBody } from '@/api-types';
import { apiUrl, type QueryInit } from './base';

/** A request that failed; `status` 0 means the server was not reached. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: number | undefined;

  constructor(status: number, message: string, code?: number) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
  }
}

type Listener = () => void;
const unauthorizedListeners = new Set<Listener>();

/** Calls back when the server says that the session is missing or over. */
export function onUnauthorized(listener: Listener): () => void {
  unauthorizedListeners.add(listener);
  return () => unauthorizedListeners.delete(listener);
}

export function reportUnauthorized(): void {
  unauthorizedListeners.forEach((listener) => {
    listener();
  });
}

export interface RequestOptions {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  query?: QueryInit;
  body?: unknown;
  signal?: AbortSignal;
  /** The login form shows a refused login itself. */
  keepUnauthorized?: boolean;
}

/** The one way from the UI to the API: base href, JSON, errors, end of session. */
export async function request<T>(path: string, options: RequestOptions = {}): Promise<T> {
  const { method = 'GET', query, body, signal, keepUnauthorized } = options;
  let response: Response;
  try {
    response = await fetch(apiUrl(path, query), {
      method,
      signal,
      credentials: 'same-origin',
      headers: { accept: 'application/json', ...(method === 'GET' ? {} : { 'content-type': 'application/json' }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (cause) {
    if (signal?.aborted) throw cause;
    // The browser's own words ("Failed to fetch") tell nobody anything.
    throw new ApiError(0, i18next.t('login.unreachable'));
  }
  if (!response.ok) {
    const error = await toApiError(response);
    if (response.status === 401 && !keepUnauthorized) reportUnauthorized();
    throw error;
  }
  const text = await response.text();
  return (text ? JSON.parse(text) : {}) as T;
}

/** Reads the error body of the API, or whatever a proxy in between wrote. */
export async function toApiError(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => '');
  try {
    const body = JSON.parse(text) as ApiErrorBody;
    const message = body.message ?? body.error;
    if (message) return new ApiError(response.status, message, body.code);
  } catch {
    // Not JSON: fall through to the status line.
  }
  const fallback = text && text.length < 200 && !text.startsWith('<') ? text : response.statusText;
  return new ApiError(response.status, fallback || `HTTP ${response.status}`);
}
