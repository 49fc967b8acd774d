import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { KubernetesObject, ResourceRef } from '@/api-types';
import { RolloutPhase } from '@/components/status';
import { resourceQuery } from '@/lib/api/resource';
import type { AppId } from '@/lib/application';
import { readRollout, summaryOf, type RolloutSummary } from '@/lib/rollout';
import styles from './rollout-note.module.css';

const summarise = (object: KubernetesObject): RolloutSummary => summaryOf(readRollout(object));

/** Where a rollout is, in one line: `Paused · 2/5 · 10 %`. Says nothing until it is known. */
export function RolloutNote({ id, target, form = 'full' }: { id: AppId; target: ResourceRef; form?: 'full' | 'short' | 'dense' }) {
  const { t } = useTranslation();
  const { data } = useQuery({ ...resourceQuery(id, target), select: summarise });
  if (!data?.phase) return null;
  const { step, steps, weight, more } = data;
  const figures = [
    step === undefined ? '' : form !== 'full' ? t('rollout.stepShort', { step, steps }) : t('rollout.stepOf', { step, steps }),
    weight === undefined ? '' : `${weight} %`,
    more > 0 && form === 'full' ? t('rollout.more', { count: more }) : '',
  ].filter(Boolean).join(' · ');
  return (
    <span className={styles.note}>
      <RolloutPhase phase={data.phase} size={form === 'dense' ? 11 : 14} iconOnly={form === 'dense'} />
      {figures ? <span>{figures}</span> : null}
    </span>
  );
}
