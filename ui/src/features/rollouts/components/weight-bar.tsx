import clsx from 'clsx';
import { useTranslation } from 'react-i18next';
import type { RolloutTarget } from '@/lib/rollout';
import styles from './weight-bar.module.css';

/** How the live route splits traffic: the new version from the left, the stable one behind it. */
export function WeightBar({ target, size = 'l' }: { target: RolloutTarget; size?: 's' | 'l' }) {
  const { t } = useTranslation();
  const weight = shareOf(target);
  const label = weight === undefined
    ? t('rollout.weightUnknown')
    : target.canary ? t('rollout.splitIs', { canary: weight, stable: 100 - weight }) : t('rollout.allStable');
  return (
    <span role="img" aria-label={label} title={size === 's' ? label : undefined} className={clsx(styles.bar, styles[size], weight === undefined && styles.unknown)}>
      <span className={clsx(styles.canary, target.phase === 'RollingBack' && styles.leaving)} style={{ width: `${weight ?? 0}%` }} />
    </span>
  );
}

/** The new version's share; nothing on its way means none. */
export function shareOf(target: RolloutTarget): number | undefined {
  if (!target.canary) return 0;
  return target.weight === undefined ? undefined : Math.min(100, Math.max(0, target.weight));
}
