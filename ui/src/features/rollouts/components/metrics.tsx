import { ChartLine, Table } from 'lucide-react';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { RolloutMetric } from '@/api-types';
import { Segmented } from '@/components/segmented';
import type { RolloutTarget } from '@/lib/rollout';
import { readPreference, writePreference } from '@/lib/storage';
import { createMoment } from '../moment';
import { useStepTitle } from '../hooks/use-step-title';
import { MetricCard } from './metric-card';
import styles from './metrics.module.css';

export type Face = 'chart' | 'table';

/** What the versions are judged by: a card for each metric, by analysis. */
export function Metrics({ target, metrics, none }: { target: RolloutTarget; metrics: readonly RolloutMetric[]; none: string }) {
  const { t } = useTranslation();
  const titleOf = useStepTitle();
  const [face, setFace] = useState<Face>(readPreference('metrics') === 'table' ? 'table' : 'chart');
  const [moment] = useState(createMoment);
  const groups = useMemo(() => groupsOf(metrics, target.index), [metrics, target.index]);
  const heading = (analysis: string) => {
    const at = /^step (\d+)$/.exec(analysis)?.[1];
    if (at === undefined) return analysis === 'background' ? t('rollout.background') : analysis || t('rollout.analysis');
    const step = target.steps[Number(at)];
    return t('rollout.stepAnalysis', { step: Number(at) + 1, title: step ? titleOf(step) : '' }).replace(/: $/, '');
  };
  return (
    <section className={styles.metrics} aria-label={t('rollout.metrics')}>
      <div className={styles.head}>
        <h3 className={styles.title}>{t('rollout.metrics')}</h3>
        {metrics.length > 0 ? (
          <>
            <Legend />
            <Segmented
              label={t('rollout.metricsAs')}
              value={face}
              onChange={(next) => {
                writePreference('metrics', next);
                setFace(next);
              }}
              options={[
                { value: 'chart', label: t('rollout.charts'), icon: <ChartLine aria-hidden /> },
                { value: 'table', label: t('rollout.tables'), icon: <Table aria-hidden /> },
              ]}
            />
          </>
        ) : null}
      </div>
      {metrics.length === 0 ? <p className={styles.none}>{none}</p> : null}
      {groups.map(([analysis, members]) => (
        <div key={analysis} className={styles.group} role="group" aria-label={heading(analysis)}>
          <h4 className={styles.analysis}>{heading(analysis)}</h4>
          <div className={styles.grid}>
            {members.map((metric) => <MetricCard key={metric.name} metric={metric} face={face} moment={moment} />)}
          </div>
        </div>
      ))}
    </section>
  );
}

/** The step at work first; otherwise in the server's order. */
function groupsOf(metrics: readonly RolloutMetric[], index: number | undefined): [string, RolloutMetric[]][] {
  const groups = new Map<string, RolloutMetric[]>();
  for (const metric of metrics) {
    const analysis = metric.analysis ?? '';
    groups.set(analysis, [...(groups.get(analysis) ?? []), metric]);
  }
  const now = `step ${index ?? ''}`;
  return [...groups].sort(([a], [b]) => Number(b === now) - Number(a === now));
}

function Legend() {
  const { t } = useTranslation();
  return (
    <ul className={styles.legend} aria-label={t('rollout.legend')}>
      <li><span aria-hidden className={styles.canary} />{t('rollout.canary')}</li>
      <li><span aria-hidden className={styles.stable} />{t('rollout.stable')}</li>
      <li><span aria-hidden className={styles.threshold} />{t('rollout.threshold')}</li>
      <li><svg aria-hidden width="11" height="11" viewBox="0 0 11 11" className={styles.failed}><path d="M2 2L9 9M9 2L2 9" /></svg>{t('rollout.judgement.Failed')}</li>
      <li><svg aria-hidden width="12" height="12" viewBox="0 0 12 12" className={styles.inconclusive}><path d="M6 1L11 6L6 11L1 6Z" /></svg>{t('rollout.judgement.Inconclusive')}</li>
      <li><svg aria-hidden width="12" height="12" viewBox="0 0 12 12" className={styles.error}><path d="M6 1.5L11 10.5L1 10.5Z" /></svg>{t('rollout.judgement.Error')}</li>
    </ul>
  );
}
