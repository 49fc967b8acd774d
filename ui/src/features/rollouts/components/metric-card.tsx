import clsx from 'clsx';
import { memo } from 'react';
import { useTranslation } from 'react-i18next';
import type { Measurement, RolloutMetric } from '@/api-types';
import { Chip } from '@/components/chip';
import { Judgement } from '@/components/status';
import { formatValue } from '../chart';
import type { Moment } from '../moment';
import { MetricChart } from './metric-chart';
import type { Face } from './metrics';
import styles from './metric-card.module.css';
import { Words } from './words';

interface Props {
  metric: RolloutMetric;
  face: Face;
  moment: Moment;
}

export const MetricCard = memo(function MetricCard({ metric, face, moment }: Props) {
  const { t, i18n } = useTranslation();
  const last = metric.measurements?.findLast((each) => each.value !== undefined);
  const bad = metric.phase === 'Failed' && !metric.dryRun;
  return (
    <article className={clsx(styles.card, bad && styles.bad)} aria-label={metric.name}>
      <header className={styles.head}>
        <h5 className={styles.name} title={metric.name}>{metric.name}</h5>
        {metric.dryRun ? <Chip title={t('rollout.dryRunHint')}>{t('rollout.dryRun')}</Chip> : null}
        <Judgement phase={metric.phase} size={14} className={styles.phase} />
      </header>
      <div className={styles.line}>
        <span className={styles.value}>{formatValue(last?.value, i18n.language)}</span>
        {last?.stable === undefined ? null : <span className={styles.against}>{t('rollout.againstStable', { value: formatValue(last.stable, i18n.language) })}</span>}
      </div>
      <Condition metric={metric} />
      {metric.message ? <p className={styles.message} title={metric.message}><Words text={metric.message} /></p> : null}
      {face === 'chart' ? <MetricChart metric={metric} moment={moment} /> : <MeasurementTable metric={metric} />}
    </article>
  );
});

function Condition({ metric }: { metric: RolloutMetric }) {
  const { t } = useTranslation();
  if (!metric.success && !metric.failure) return null;
  return (
    <p className={styles.condition}>
      {metric.success ? <span title={metric.success}>{t('rollout.goodWhen')} <code>{metric.success}</code></span> : null}
      {metric.failure ? <span title={metric.failure}>{t('rollout.badWhen')} <code>{metric.failure}</code></span> : null}
    </p>
  );
}

/** The same as the chart, for reading: latest first. */
function MeasurementTable({ metric }: { metric: RolloutMetric }) {
  const { t, i18n } = useTranslation();
  const rows = [...(metric.measurements ?? [])].reverse();
  const stable = rows.some((each) => each.stable !== undefined);
  const time = new Intl.DateTimeFormat(i18n.language, { timeStyle: 'medium' });
  if (rows.length === 0) return <p className={styles.message}>{t('rollout.noMeasurements')}</p>;
  return (
    <div className={styles.scroller} tabIndex={0} role="region" aria-label={t('rollout.measurementsOf', { name: metric.name })}>
      <table className={styles.table}>
        <thead>
          <tr>
            <th scope="col">{t('rollout.time')}</th>
            <th scope="col">{t('rollout.canary')}</th>
            {stable ? <th scope="col">{t('rollout.stable')}</th> : null}
            <th scope="col">{t('rollout.result')}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((each, index) => (
            <tr key={rows.length - index}>
              <td>{each.at ? time.format(Date.parse(each.at)) : '–'}</td>
              <td>{valueText(each, i18n.language)}</td>
              {stable ? <td>{formatValue(each.stable, i18n.language)}</td> : null}
              <td><Judgement phase={each.phase} size={13} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function valueText(each: Measurement, language: string): string {
  return each.value === undefined ? each.text ?? '–' : formatValue(each.value, language);
}
