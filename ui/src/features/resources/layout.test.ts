import { describe, expect, it } from 'vitest';
import { layoutTree, neighbour, type LayoutInput } from './layout';

const SIZE = { width: 100, height: 40, gapX: 20, gapY: 10 };
const tree: LayoutInput[] = [
  { id: 'root', parent: undefined },
  { id: 'a', parent: 'root' },
  { id: 'b', parent: 'root' },
  { id: 'a1', parent: 'a' },
  { id: 'a2', parent: 'a' },
];

describe('layoutTree', () => {
  const places = layoutTree(tree, SIZE);

  it('puts each depth in a column of its own', () => {
    expect([...places].map(([id, { x, depth }]) => [id, x, depth]).sort()).toEqual([
      ['a', 120, 1], ['a1', 240, 2], ['a2', 240, 2], ['b', 120, 1], ['root', 0, 0],
    ]);
  });
  it('puts leaves one below the other and parents beside the middle of theirs', () => {
    const y = (id: string) => places.get(id)?.y;
    expect([y('a1'), y('a2'), y('b')]).toEqual([0, 50, 100]);
    expect(y('a')).toBe(25);
    expect(y('root')).toBe(62.5);
  });
  it('places nothing upon another', () => {
    const many: LayoutInput[] = [{ id: 'root', parent: undefined }];
    for (let index = 0; index < 2_000; index += 1) many.push({ id: `n${index}`, parent: index < 40 ? 'root' : `n${index % 40}` });
    const taken = new Set([...layoutTree(many, SIZE).values()].map(({ x, y }) => `${x}/${y}`));
    expect(taken.size).toBe(many.length);
  });
  it('places what has lost its parent, and what is its own', () => {
    const odd = layoutTree([{ id: 'x', parent: 'gone' }, { id: 'y', parent: 'y' }], SIZE);
    expect([...odd.values()].map(({ x, y }) => [x, y])).toEqual([[0, 0], [0, 50]]);
  });
  it('is the same each time', () => {
    expect(layoutTree(tree, SIZE)).toEqual(places);
  });
});

describe('neighbour', () => {
  const places = layoutTree(tree, SIZE);
  it.each([
    ['root', 'ArrowRight', 'a'],
    ['a', 'ArrowLeft', 'root'],
    ['a', 'ArrowDown', 'b'],
    ['b', 'ArrowUp', 'a'],
    ['a2', 'ArrowUp', 'a1'],
    ['b', 'ArrowDown', undefined],
    ['b', 'ArrowRight', undefined],
  ] as const)('from %s %s leads to %s', (from, key, to) => {
    expect(neighbour(tree, places, from, key)).toBe(to);
  });
});
