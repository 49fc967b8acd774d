import { describe, expect, it } from 'vitest';
import { readStep } from './steps';

describe('a mirror', () => {
  it.each([
    [{ name: 'shadow', percentage: 20 }, 20],
    [{ name: 'shadow', match: [{ method: { exact: 'POST' } }] }, 100],
    [{ name: 'shadow', match: [{ method: { exact: 'POST' } }], percentage: 20 }, 20],
    [{ name: 'shadow' }, 0],
  ])('of %j copies %i %%', (mirror, amount) => {
    expect(readStep({ setMirrorRoute: mirror })).toEqual({ kind: 'setMirrorRoute', names: ['shadow'], amount });
  });
});
