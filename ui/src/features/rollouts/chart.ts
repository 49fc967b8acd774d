import type { Measurement } from '@/api-types';

/** Geometry of a metric's chart: pure, so that drawing stays dumb. */

export interface Box {
  width: number;
  height: number;
  left: number;
  right: number;
  top: number;
  bottom: number;
}

export const BOX: Box = { width: 360, height: 148, left: 44, right: 12, top: 10, bottom: 20 };

export interface Point {
  index: number;
  /** When it was measured, where all times are known. */
  at: number | undefined;
  x: number;
  /** Absent where there is no number; the mark then sits on the floor of the chart. */
  y: number | undefined;
  stableY: number | undefined;
  measurement: Measurement;
}

export interface Plot {
  box: Box;
  points: Point[];
  /** Paths of unbroken stretches. */
  canary: string[];
  stable: string[];
  ticks: { value: number; y: number }[];
  times: { at: number; x: number; anchor: 'start' | 'end' | 'middle' }[];
  thresholdY: number | undefined;
  floor: number;
}

/** Round numbers that cover a range, three to five of them. */
export function niceTicks(low: number, high: number): number[] {
  const span = high - low;
  if (!(span > 0) || !Number.isFinite(span)) return [low];
  const raw = span / 3;
  const magnitude = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 2.5, 5, 10].find((factor) => factor * magnitude >= raw) ?? 10) * magnitude;
  const ticks: number[] = [];
  for (let tick = Math.ceil(low / step - 1e-9); tick * step <= high + step * 1e-9 && ticks.length < 8; tick += 1) ticks.push(Number((tick * step).toPrecision(12)));
  return ticks;
}

/** From the smallest to the largest with some air, down to zero where that is near. */
export function domainOf(values: readonly number[]): [number, number] {
  if (values.length === 0) return [0, 1];
  let low = Math.min(...values);
  let high = Math.max(...values);
  if (low >= 0 && low < high * 0.5) low = 0;
  if (low === high) {
    const air = Math.abs(low) * 0.5 || 0.5;
    return [low >= 0 ? Math.max(0, low - air) : low - air, high + air];
  }
  const air = (high - low) * 0.08;
  high += air;
  if (low !== 0) low -= air;
  return [low, high];
}

export function plot(measurements: readonly Measurement[], threshold: number | undefined, size: Pick<Box, 'width' | 'height'> = BOX): Plot {
  const box: Box = { ...BOX, ...size };
  const values = measurements.flatMap(({ value, stable }) => [value, stable]).filter((value) => value !== undefined);
  const [low, high] = domainOf(threshold === undefined ? values : [...values, threshold]);
  const floor = box.height - box.bottom;
  const y = (value: number) => round(floor - ((value - low) / (high - low)) * (floor - box.top));
  const stamps = measurements.map((each) => (each.at ? Date.parse(each.at) : NaN));
  const timed = stamps.length > 0 && stamps.every((stamp) => !Number.isNaN(stamp));
  const positions = timed ? stamps : stamps.map((_, index) => index);
  const first = Math.min(...positions);
  const last = Math.max(...positions);
  const right = box.width - box.right;
  const x = (position: number) => round(last > first ? box.left + ((position - first) / (last - first)) * (right - box.left) : (box.left + right) / 2);
  const points = measurements.map((measurement, index): Point => ({
    index,
    at: timed ? stamps[index] : undefined,
    x: x(positions[index] ?? 0),
    y: measurement.value === undefined ? undefined : y(measurement.value),
    stableY: measurement.stable === undefined ? undefined : y(measurement.stable),
    measurement,
  }));
  return {
    box,
    points,
    canary: stretches(points.map((point) => [point.x, point.y])),
    stable: stretches(points.map((point) => [point.x, point.stableY])),
    ticks: niceTicks(low, high).map((value) => ({ value, y: y(value) })),
    times: timed ? timesOf(first, last, x) : [],
    thresholdY: threshold === undefined ? undefined : y(threshold),
    floor,
  };
}

function timesOf(first: number, last: number, x: (at: number) => number): Plot['times'] {
  if (first === last) return [{ at: first, x: x(first), anchor: 'middle' }];
  return [{ at: first, x: x(first), anchor: 'start' }, { at: last, x: x(last), anchor: 'end' }];
}

/** Lines break where there is no number: what was not measured is not drawn. */
function stretches(points: readonly (readonly [x: number, y: number | undefined])[]): string[] {
  const paths: string[] = [];
  let open = '';
  for (const [x, y] of points) {
    if (y === undefined) {
      if (open) paths.push(open);
      open = '';
    } else open += `${open ? 'L' : 'M'}${x} ${y}`;
  }
  if (open) paths.push(open);
  return paths;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** The measurement nearest to a place on the time axis. */
export function nearest(points: readonly Point[], x: number): number | undefined {
  let best: number | undefined;
  let distance = Infinity;
  for (const point of points) {
    const away = Math.abs(point.x - x);
    if (away < distance) [best, distance] = [point.index, away];
  }
  return best;
}

/** Charts of one page share the pointer; an analysis that was not measured about then has no point there. */
const NEAR_MS = 90_000;

export function pointAt(points: readonly Point[], moment: number | undefined): number | undefined {
  if (moment === undefined) return undefined;
  let best: number | undefined;
  let distance = NEAR_MS;
  for (const point of points) {
    const away = Math.abs((point.at ?? Infinity) - moment);
    if (away <= distance) [best, distance] = [point.index, away];
  }
  return best;
}

/** On which side of the threshold a value fails, where the condition leaves no doubt. */
export function failingSide(success: string | undefined, failure: string | undefined): 'above' | 'below' | undefined {
  const sign = (text: string | undefined) => {
    if (!text || text.includes('!')) return undefined;
    const less = text.includes('<');
    return less === text.includes('>') ? undefined : less ? 'less' : 'more';
  };
  const good = sign(success);
  const bad = sign(failure);
  if (good) return good === 'less' ? 'above' : 'below';
  return bad ? (bad === 'more' ? 'above' : 'below') : undefined;
}

export function formatValue(value: number | undefined, language: string): string {
  if (value === undefined) return '–';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e9)) return value.toExponential(2);
  return new Intl.NumberFormat(language, { maximumSignificantDigits: size >= 1000 ? 6 : 4 }).format(value);
}
