import { describe, expect, it } from 'vitest';
import type { LogEntry, ManagedResource } from '@/api-types';
import { compare } from './comparison';
import { appendLines } from './log-buffer';

const item = (patch: Partial<ManagedResource>): ManagedResource => ({ kind: 'ConfigMap', name: 'a', ...patch });
const state = (data: Record<string, string>) => JSON.stringify({ kind: 'ConfigMap', metadata: { name: 'a', managedFields: [{ manager: 'x' }] }, data });

describe('compare', () => {
  it('tells new, removed, changed and equal objects apart', () => {
    expect(compare(item({ targetState: state({ a: '1' }), liveState: 'null' })).change).toBe('create');
    expect(compare(item({ targetState: '', liveState: state({ a: '1' }) })).change).toBe('remove');
    expect(compare(item({ targetState: state({ a: '2' }), liveState: state({ a: '1' }) })).change).toBe('modify');
    expect(compare(item({ targetState: state({ a: '1' }), liveState: state({ a: '1' }) })).change).toBe('same');
  });
  it('prefers the normalised states', () => {
    const compared = compare(item({ targetState: state({ a: '2' }), liveState: state({ a: '1', extra: 'x' }), normalizedLiveState: state({ a: '1' }), predictedLiveState: state({ a: '2' }) }));
    expect(compared.live).not.toContain('extra');
    expect(compared.desired).toContain('a: "2"');
  });
  it('leaves out who wrote which field', () => {
    expect(compare(item({ targetState: state({}), liveState: state({}) })).live).not.toContain('managedFields');
  });
  it('does not call an object changed that the server calls equal', () => {
    expect(compare(item({ targetState: state({ a: '2' }), liveState: state({ a: '1' }), modified: false })).change).toBe('same');
  });
});

describe('appendLines', () => {
  const entry = (content: string): LogEntry => ({ content });
  it('drops terminal colours and the closing entry', () => {
    expect(appendLines([], [entry('\u001b[31mred\u001b[0m\n'), { last: true, content: '' }]).map((line) => line.text)).toEqual(['red']);
  });
  it('keeps the latest lines and goes on counting', () => {
    const lines = appendLines(appendLines([], [entry('a'), entry('b')], 2), [entry('c')], 2);
    expect(lines.map((line) => [line.number, line.text])).toEqual([[2, 'b'], [3, 'c']]);
  });
});
