import { describe, expect, it } from 'vitest';
import { domainOf, failingSide, formatValue, nearest, niceTicks, plot, pointAt } from './chart';

const at = (minute: number): string => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString();

describe('a chart', () => {
  it('breaks its line where nothing was measured, and keeps a place for the mark', () => {
    const drawn = plot([{ at: at(0), value: 1 }, { at: at(1), value: 2 }, { at: at(2), phase: 'Inconclusive' }, { at: at(3), value: 2 }], undefined);
    expect(drawn.canary).toHaveLength(2);
    expect(drawn.stable).toEqual([]);
    expect(drawn.points[2]).toMatchObject({ y: undefined });
    expect(drawn.points.map((point) => point.x)).toEqual([...drawn.points.map((point) => point.x)].sort((a, b) => a - b));
  });
  it('has its threshold in sight, however far away', () => {
    const { box, thresholdY } = plot([{ at: at(0), value: 0.01 }, { at: at(1), value: 0.012 }], 0.05);
    expect(thresholdY).toBeGreaterThanOrEqual(box.top);
    expect(thresholdY).toBeLessThan(box.height - box.bottom);
  });
  it('draws one measurement, equal ones, none, and ones without a time', () => {
    expect(plot([], undefined).points).toEqual([]);
    expect(plot([{ at: at(0), value: 5 }], 5).points[0]?.y).toBeGreaterThan(0);
    for (const value of [0, -3, 7]) expect(plot([{ at: at(0), value }, { at: at(1), value }], undefined).canary[0]).toMatch(/^M[\d.]+ [\d.]+L[\d.]+ [\d.]+$/);
    expect(plot([{ value: 1 }, { value: 2 }], undefined).times).toEqual([]);
  });
  it('finds the measurement under the pointer', () => {
    const { points } = plot([{ at: at(0), value: 1 }, { at: at(5), value: 2 }, { at: at(10), value: 3 }], undefined);
    expect(nearest(points, (points[1]?.x ?? 0) + 3)).toBe(1);
    expect(nearest([], 10)).toBeUndefined();
  });
});

describe('axes', () => {
  it('have round numbers', () => {
    expect(niceTicks(0, 0.054)).toEqual([0, 0.02, 0.04]);
    expect(niceTicks(140, 260)).toEqual([150, 200, 250]);
    expect(niceTicks(3, 3)).toEqual([3]);
  });
  it('go down to zero where that is near, and leave air elsewhere', () => {
    expect(domainOf([0.01, 0.05])[0]).toBe(0);
    expect(domainOf([0.95, 0.99])[0]).toBeGreaterThan(0.9);
    expect(domainOf([])).toEqual([0, 1]);
  });
  it.each([[undefined, '–'], [0.05, '0.05'], [1234.5678, '1,234.57'], [0.00001, '1.00e-5'], [0, '0']])('write %j as %s', (value, text) => {
    expect(formatValue(value, 'en')).toBe(text);
  });
});

describe('the failing side', () => {
  it.each([
    ['result[0] < 0.05', undefined, 'above'], ['result[0] >= 0.95', undefined, 'below'], [undefined, 'result > 3', 'above'], [undefined, 'result < 3', 'below'],
    ['!(result < 3)', undefined, undefined], ['result > 1 && result < 3', undefined, undefined], [undefined, undefined, undefined],
  ])('of %j and %j is %j', (success, failure, side) => {
    expect(failingSide(success, failure)).toBe(side);
  });
});

describe('the shared pointer', () => {
  const { points } = plot([{ at: at(0), value: 1 }, { at: at(1), value: 2 }, { at: at(10), value: 3 }], undefined);
  it.each([[0, 0], [0.6, 1], [2, 1], [5, undefined], [10, 2]])('after %d minutes is at measurement %j', (minute, want) => {
    expect(pointAt(points, Date.parse(at(0)) + minute * 60_000)).toBe(want);
  });
  it('is nowhere where nobody points, or where times are not known', () => {
    expect(pointAt(points, undefined)).toBeUndefined();
    expect(pointAt(plot([{ value: 1 }], undefined).points, 0)).toBeUndefined();
  });
});
