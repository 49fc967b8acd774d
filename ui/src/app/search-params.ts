/** The query part of addresses: plain `key=value`, repeated for lists, so that people can read and write it. */

export function parseSearch(text: string): Record<string, string | string[]> {
  const out: Record<string, string | string[]> = {};
  const params = new URLSearchParams(text);
  for (const key of new Set(params.keys())) {
    const values = params.getAll(key);
    out[key] = values.length > 1 ? values : values[0] ?? '';
  }
  return out;
}

export function stringifySearch(search: Record<string, unknown>): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(search)) {
    const values: unknown[] = Array.isArray(value) ? value : [value];
    for (const each of values) {
      if (typeof each === 'string' ? each !== '' : typeof each === 'number' || each === true) params.append(key, String(each));
    }
  }
  // Slashes and colons are allowed in a query; escaping them only makes addresses hard to read.
  const text = params.toString().replaceAll('%2F', '/').replaceAll('%3A', ':');
  return text ? `?${text}` : '';
}
