import type { LogEntry } from '@/api-types';

export interface LogLine {
  /** Grows without end, also when old lines are dropped. */
  number: number;
  text: string;
  time: string;
}

/** So many lines are kept; older ones go. */
export const LOG_LIMIT = 20_000;

// Terminal colours would need markup; the words are enough.
const ANSI = /\u001b\[[0-9;?]*[A-Za-z]/g;

export function appendLines(lines: readonly LogLine[], entries: readonly LogEntry[], limit = LOG_LIMIT): LogLine[] {
  let number = (lines.at(-1)?.number ?? 0) + 1;
  const fresh = entries
    .filter((entry) => entry.content !== undefined && !entry.last)
    .map((entry) => ({ number: number++, text: (entry.content ?? '').replace(ANSI, '').replace(/\r?\n$/, ''), time: entry.timeStampStr ?? '' }));
  const all = [...lines, ...fresh];
  return all.length > limit ? all.slice(all.length - limit) : all;
}
