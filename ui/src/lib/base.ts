/** Where the app is mounted. The server injects `<base href>`; everything else is relative to it. */
export function basePath(): string {
  const path = new URL(document.baseURI).pathname;
  return path.endsWith('/') ? path : path.slice(0, path.lastIndexOf('/') + 1);
}

/** Absolute path of an address below the mount point: `apiUrl('api/v1/settings')`. */
export function apiUrl(path: string, query?: QueryInit): string {
  return basePath() + path.replace(/^\//, '') + toQueryString(query);
}

export type QueryValue = string | number | boolean | null | undefined | readonly string[];
export type QueryInit = Record<string, QueryValue>;

/** Builds `?a=1&b=2&b=3`; empty values are left out. */
export function toQueryString(query?: QueryInit): string {
  if (!query) return '';
  const out = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value === undefined || value === null || value === '') continue;
    if (typeof value === 'object') value.forEach((item) => out.append(key, item));
    else out.append(key, String(value));
  }
  const text = out.toString();
  return text ? `?${text}` : '';
}
