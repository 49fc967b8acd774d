import { memo, useCallback, useMemo, useState, useSyncExternalStore, type KeyboardEvent, type PointerEvent } from 'react';
import { useTranslation } from 'react-i18next';
import type { RolloutMetric } from '@/api-types';
import { BOX, failingSide, formatValue, nearest, plot, pointAt, type Plot, type Point } from '../chart';
import { useMeasurementText } from '../hooks/use-measurement-text';
import type { Moment } from '../moment';
import styles from './metric-chart.module.css';

interface Props {
  metric: RolloutMetric;
  moment: Moment;
}

/** One metric over time: the new version, the stable one, and the number that both are held against. */
export const MetricChart = memo(function MetricChart({ metric, moment }: Props) {
  const { t } = useTranslation();
  const [width, attach] = useWidth();
  const [active, setActive] = useState(false);
  const measurements = useMemo(() => metric.measurements ?? [], [metric.measurements]);
  const drawn = useMemo(() => plot(measurements, metric.threshold, { width, height: BOX.height }), [measurements, metric.threshold, width]);
  const textOf = useMeasurementText();
  const index = useSyncExternalStore(moment.subscribe, () => pointAt(drawn.points, moment.get()));
  const pointed = index === undefined ? undefined : drawn.points[index];
  const point = (to: number | undefined) => moment.set(to === undefined ? undefined : drawn.points[to]?.at);
  const onMove = (event: PointerEvent<HTMLDivElement>) => point(nearest(drawn.points, event.clientX - event.currentTarget.getBoundingClientRect().left));
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    const to = step(event.key, pointed?.index, drawn.points.length);
    if (to === undefined) return;
    event.preventDefault();
    setActive(true);
    point(to);
  };
  const leave = () => {
    setActive(false);
    moment.set(undefined);
  };
  if (measurements.length === 0) return <p className={styles.nothing} style={{ height: BOX.height }}>{t('rollout.noMeasurements')}</p>;
  const last = drawn.points.at(-1);
  const told = pointed ?? last;
  return (
    <div
      ref={attach}
      className={styles.frame}
      role="slider"
      tabIndex={0}
      aria-label={t('rollout.chartOf', { name: metric.name })}
      aria-valuemin={1}
      aria-valuemax={drawn.points.length}
      aria-valuenow={(told?.index ?? 0) + 1}
      aria-valuetext={told ? textOf(told.measurement) : undefined}
      onPointerMove={(event) => {
        setActive(true);
        onMove(event);
      }}
      onPointerLeave={leave}
      onBlur={leave}
      onKeyDown={onKeyDown}
    >
      <Drawing drawn={drawn} fails={metric.threshold === undefined ? undefined : failingSide(metric.success, metric.failure)} threshold={metric.threshold} />
      {pointed ? <Pointer drawn={drawn} point={pointed} /> : null}
      {pointed && active ? <Tip drawn={drawn} point={pointed} /> : null}
    </div>
  );
});

function step(key: string, from: number | undefined, count: number): number | undefined {
  const at = from ?? count - 1;
  switch (key) {
    case 'ArrowLeft': return Math.max(0, from === undefined ? at : at - 1);
    case 'ArrowRight': return Math.min(count - 1, from === undefined ? at : at + 1);
    case 'Home': return 0;
    case 'End': return count - 1;
    default: return undefined;
  }
}

/** The width that there is, as the browser tells it. */
function useWidth(): [width: number, attach: (element: HTMLElement | null) => (() => void) | undefined] {
  const [width, setWidth] = useState(BOX.width);
  const attach = useCallback((element: HTMLElement | null) => {
    if (!element) return undefined;
    // Known before the first frame: a chart that is drawn at a guess and then again makes the page jump.
    if (element.clientWidth > 0) setWidth(element.clientWidth);
    const observer = new ResizeObserver(([entry]) => entry && setWidth(Math.round(entry.contentRect.width)));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [width, attach];
}

/** Whether minutes tell the ends of the axis apart. */
function spansMinutes(times: Plot['times']): boolean {
  const [first, last] = times;
  return first !== undefined && last !== undefined && last.at - first.at >= 600_000;
}

/** What does not change while the pointer moves. */
const Drawing = memo(function Drawing({ drawn, fails, threshold }: { drawn: Plot; fails: 'above' | 'below' | undefined; threshold: number | undefined }) {
  const { i18n } = useTranslation();
  const { box, floor, thresholdY } = drawn;
  const right = box.width - box.right;
  const time = new Intl.DateTimeFormat(i18n.language, { timeStyle: spansMinutes(drawn.times) ? 'short' : 'medium' });
  return (
    <svg aria-hidden width={box.width} height={box.height} className={styles.chart}>
      {thresholdY !== undefined && fails ? (
        <rect className={styles.zone} x={box.left} width={right - box.left} y={fails === 'above' ? box.top : thresholdY} height={Math.max(0, fails === 'above' ? thresholdY - box.top : floor - thresholdY)} />
      ) : null}
      {drawn.ticks.map((tick) => (
        <g key={tick.value}>
          <line className={styles.grid} x1={box.left} x2={right} y1={tick.y} y2={tick.y} />
          {thresholdY !== undefined && Math.abs(tick.y - thresholdY) < 11 ? null : <text className={styles.label} x={box.left - 6} y={tick.y + 3.5} textAnchor="end">{formatValue(tick.value, i18n.language)}</text>}
        </g>
      ))}
      {drawn.times.map((each) => <text key={each.anchor} className={styles.label} x={each.x} y={box.height - 5} textAnchor={each.anchor}>{time.format(each.at)}</text>)}
      {thresholdY === undefined ? null : (
        <g>
          <line className={styles.threshold} x1={box.left} x2={right} y1={thresholdY} y2={thresholdY} />
          <text className={styles.thresholdLabel} x={box.left - 6} y={thresholdY + 3.5} textAnchor="end">{formatValue(threshold, i18n.language)}</text>
        </g>
      )}
      {drawn.stable.map((path) => <path key={path} className={styles.stable} d={path} />)}
      {drawn.canary.map((path) => <path key={path} className={styles.canary} d={path} />)}
      {drawn.points.map((point) => <Mark key={point.index} point={point} floor={floor} alone={drawn.points.length === 1} />)}
    </svg>
  );
});

/** A shape for each judgement that is not good, so that colour alone never has to tell them apart. */
function Mark({ point, floor, alone }: { point: Point; floor: number; alone: boolean }) {
  const { x, measurement } = point;
  const y = point.y ?? floor - 5;
  switch (measurement.phase) {
    case 'Failed': return <path className={styles.failed} d={`M${x - 4} ${y - 4}L${x + 4} ${y + 4}M${x + 4} ${y - 4}L${x - 4} ${y + 4}`} />;
    case 'Inconclusive': return <path className={styles.inconclusive} d={`M${x} ${y - 5}L${x + 5} ${y}L${x} ${y + 5}L${x - 5} ${y}Z`} />;
    case 'Error': return <path className={styles.error} d={`M${x} ${y - 5}L${x + 5} ${y + 4}L${x - 5} ${y + 4}Z`} />;
    default: return alone && point.y !== undefined ? <circle className={styles.dot} cx={x} cy={y} r={3} /> : null;
  }
}

/** Where the pointer is, in every chart of the page. */
function Pointer({ drawn: { box, floor }, point }: { drawn: Plot; point: Point }) {
  return (
    <svg aria-hidden width={box.width} height={box.height} className={styles.pointer}>
      <line className={styles.cursor} x1={point.x} x2={point.x} y1={box.top} y2={floor} />
      {point.stableY === undefined ? null : <circle className={styles.stableDot} cx={point.x} cy={point.stableY} r={3.5} />}
      {point.y === undefined ? null : <circle className={styles.dot} cx={point.x} cy={point.y} r={3.5} />}
    </svg>
  );
}

/** What was measured there, in the chart that is pointed at. */
function Tip({ drawn: { box }, point }: { drawn: Plot; point: Point }) {
  const { t, i18n } = useTranslation();
  const { measurement } = point;
  const time = new Intl.DateTimeFormat(i18n.language, { timeStyle: 'medium' });
  return (
    <div aria-hidden className={styles.tip} style={point.x < box.width / 2 ? { left: point.x + 10 } : { right: box.width - point.x + 10 }}>
      <p className={styles.tipTime}>{measurement.at ? time.format(Date.parse(measurement.at)) : `#${point.index + 1}`}</p>
      <p><span className={styles.keyCanary} />{t('rollout.canary')} <b>{measurement.value === undefined ? measurement.text ?? '–' : formatValue(measurement.value, i18n.language)}</b></p>
      {measurement.stable === undefined ? null : <p><span className={styles.keyStable} />{t('rollout.stable')} <b>{formatValue(measurement.stable, i18n.language)}</b></p>}
      {measurement.phase && measurement.phase !== 'Successful' ? <p>{t(`rollout.judgement.${measurement.phase as 'Failed'}`, { defaultValue: measurement.phase })}</p> : null}
    </div>
  );
}
