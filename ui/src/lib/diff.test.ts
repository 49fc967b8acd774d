import { describe, expect, it } from 'vitest';
import { diffStat, lineDiff } from './diff';
import { yamlTokens } from './yaml-tokens';

const LIVE = 'a: 1\nb: 2\nc: 3\nd: 4\ne: 5\nf: 6\n';

describe('lineDiff', () => {
  it('numbers both sides', () => {
    const lines = lineDiff(LIVE, LIVE.replace('c: 3', 'c: 30'), Infinity);
    expect(lines.filter((line) => line.kind !== 'same')).toEqual([
      { kind: 'removed', text: 'c: 3', before: 3 },
      { kind: 'added', text: 'c: 30', after: 3 },
    ]);
    expect(lines.at(-1)).toEqual({ kind: 'same', text: 'f: 6', before: 6, after: 6 });
    expect(diffStat(lines)).toEqual({ added: 1, removed: 1 });
  });
  it('folds what is equal, on both sides of a change', () => {
    const lines = lineDiff(LIVE, LIVE.replace('d: 4', 'd: 40'), 1);
    expect(lines.map((line) => (line.kind === 'gap' ? `gap ${line.hidden ?? 0}` : `${line.kind} ${line.text}`))).toEqual([
      'gap 2', 'same c: 3', 'removed d: 4', 'added d: 40', 'same e: 5', 'gap 1',
    ]);
  });
  it('shows a new object as added throughout', () => {
    expect(lineDiff('', 'a: 1\nb: 2\n', 3).map((line) => line.kind)).toEqual(['added', 'added']);
  });
});

describe('yamlTokens', () => {
  it.each([
    ['  replicas: 3', ['punctuation:  ', 'key:replicas', 'punctuation::', 'number: 3']],
    ['- name: web', ['punctuation:- ', 'key:name', 'punctuation::', 'string: web']],
    ['  - --workers', ['punctuation:  - ', 'string:--workers']],
    ['# note: x', ['comment:# note: x']],
    ['url: http://a:80', ['key:url', 'punctuation::', 'string: http://a:80']],
    ['', []],
  ])('colours %j and loses nothing', (line, expected) => {
    const tokens = yamlTokens(line);
    expect(tokens.map((token) => `${token.kind}:${token.text}`)).toEqual(expected);
    expect(tokens.map((token) => token.text).join('')).toBe(line);
  });
});
