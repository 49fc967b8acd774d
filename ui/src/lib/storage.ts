/** Preferences of this browser. Storage may be forbidden; then they last as long as the page. */
const memory = new Map<string, string>();
const PREFIX = 'driftless.';

export function readPreference(key: string): string | null {
  try {
    return localStorage.getItem(PREFIX + key) ?? memory.get(key) ?? null;
  } catch {
    return memory.get(key) ?? null;
  }
}

/** Phones: tables and trees do not fit. */
export function isNarrow(): boolean {
  return typeof matchMedia === 'function' && matchMedia('(max-width: 700px)').matches;
}

export function writePreference(key: string, value: string): void {
  memory.set(key, value);
  try {
    localStorage.setItem(PREFIX + key, value);
  } catch {
    // Remembered for this page only.
  }
}
