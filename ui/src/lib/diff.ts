import { diffLines } from 'diff';

export type DiffKind = 'same' | 'added' | 'removed' | 'gap';

export interface DiffLine {
  kind: DiffKind;
  text: string;
  /** Line numbers, 1-based, in the live and in the desired text. */
  before?: number;
  after?: number;
  /** For a gap: how many equal lines it stands for. */
  hidden?: number;
}

export interface DiffStat {
  added: number;
  removed: number;
}

/** Line by line difference, with equal stretches longer than `context` on each side folded into one gap. */
export function lineDiff(before: string, after: string, context: number): DiffLine[] {
  const all: DiffLine[] = [];
  let left = 0;
  let right = 0;
  for (const change of diffLines(before, after)) {
    const lines = change.value.replace(/\n$/, '').split('\n');
    for (const text of lines) {
      if (change.added) all.push({ kind: 'added', text, after: ++right });
      else if (change.removed) all.push({ kind: 'removed', text, before: ++left });
      else all.push({ kind: 'same', text, before: ++left, after: ++right });
    }
  }
  return Number.isFinite(context) ? fold(all, context) : all;
}

export function diffStat(lines: readonly DiffLine[]): DiffStat {
  let added = 0;
  let removed = 0;
  for (const line of lines) {
    if (line.kind === 'added') added += 1;
    else if (line.kind === 'removed') removed += 1;
  }
  return { added, removed };
}

function fold(lines: DiffLine[], context: number): DiffLine[] {
  const keep = new Array<boolean>(lines.length).fill(false);
  lines.forEach((line, index) => {
    if (line.kind === 'same') return;
    for (let i = Math.max(0, index - context); i <= Math.min(lines.length - 1, index + context); i += 1) keep[i] = true;
  });
  const out: DiffLine[] = [];
  let hidden = 0;
  lines.forEach((line, index) => {
    if (keep[index]) {
      if (hidden > 0) out.push({ kind: 'gap', text: '', hidden });
      hidden = 0;
      out.push(line);
    } else hidden += 1;
  });
  if (hidden > 0) out.push({ kind: 'gap', text: '', hidden });
  return out;
}
