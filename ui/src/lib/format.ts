/** Text for people: revisions, times, addresses. Pure: the language and the clock are arguments. */

export function shortRevision(revision: string | undefined): string {
  if (!revision) return '';
  const digest = revision.startsWith('sha256:') ? revision.slice(7) : revision;
  return /^[0-9a-f]{12,}$/.test(digest) ? digest.slice(0, 7) : revision;
}

/** `https://host/team/repo.git` → `team/repo`. */
export function shortRepo(url: string): string {
  const path = url.replace(/^[a-z+]+:\/\//i, '').replace(/^[^@/]+@/, '').replace(/\.git\/?$/, '').replace(/\/+$/, '');
  const parts = path.split(/[/:]/).filter(Boolean);
  return parts.slice(-2).join('/') || url;
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_536_000], ['month', 2_592_000], ['day', 86_400], ['hour', 3_600], ['minute', 60], ['second', 1],
];

const SKEW_MS = 5_000;

export function relativeTime(iso: string | undefined, now: number, language: string): string {
  const at = iso ? Date.parse(iso) : NaN;
  if (Number.isNaN(at)) return '';
  // The server's clock may be a little ahead of this one: what has just happened is not in the future.
  const seconds = at - now > 0 && at - now < SKEW_MS ? 0 : Math.round((at - now) / 1000);
  const format = new Intl.RelativeTimeFormat(language, { numeric: 'auto', style: 'short' });
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size || unit === 'second') return format.format(Math.trunc(seconds / size), unit);
  }
  return '';
}

export function absoluteTime(iso: string | undefined, language: string): string {
  const at = iso ? Date.parse(iso) : NaN;
  if (Number.isNaN(at)) return '';
  return new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'medium' }).format(at);
}

/** Times inside a sentence of the server, in the reader's own zone: of today without the day. */
export function localTimes(sentence: string, now: number, language: string): string {
  return sentence.replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)/g, (iso) => {
    const at = Date.parse(iso);
    if (Number.isNaN(at)) return iso;
    const today = new Date(at).toDateString() === new Date(now).toDateString();
    return new Intl.DateTimeFormat(language, { ...(today ? {} : { dateStyle: 'medium' as const }), timeStyle: 'medium' }).format(at);
  });
}

/** `1m 05s`; short units are the same in both languages. */
export function duration(fromIso: string | undefined, toIso: string | undefined, now: number): string {
  const from = fromIso ? Date.parse(fromIso) : NaN;
  const to = toIso ? Date.parse(toIso) : now;
  if (Number.isNaN(from) || Number.isNaN(to)) return '';
  const seconds = Math.max(0, Math.round((to - from) / 1000));
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${String(seconds % 60).padStart(2, '0')}s`;
  return `${Math.floor(minutes / 60)}h ${String(minutes % 60).padStart(2, '0')}m`;
}

/** An address that may be put behind a link: http and https only, whatever a repository says. */
export function safeHref(address: string | undefined): string | undefined {
  if (!address) return undefined;
  try {
    const url = new URL(address);
    return url.protocol === 'https:' || url.protocol === 'http:' ? url.href : undefined;
  } catch {
    return undefined;
  }
}

/** An address as objects carry it: alone, or behind a title and a bar. What is no address to open is left out. */
export function titledLink(text: string): { title: string; href: string } | undefined {
  const bar = text.indexOf('|');
  const href = safeHref(bar === -1 ? text : text.slice(bar + 1));
  if (!href) return undefined;
  const title = bar > 0 ? text.slice(0, bar).trim() : '';
  const { host, pathname } = new URL(href);
  return { title: title || host + pathname.replace(/\/$/, ''), href };
}

/** Kubernetes names: what the API server would accept. */
export function isValidName(name: string): boolean {
  return /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(name);
}

/** Numbers inside a sentence of the server, without the digits that only a machine means: `0.00800000000000001`. */
export function shortNumbers(sentence: string): string {
  return sentence.replace(/(?<![\w.])-?\d+\.\d{6,}(?:e[+-]?\d+)?(?![\w.])/gi, (number) => String(Number(Number(number).toPrecision(4))));
}
