import clsx from 'clsx';
import { useTranslation } from 'react-i18next';
import { CopyButton } from '@/components/copy-button';
import { shortRevision } from '@/lib/format';
import { weightsOf, type Rollout, type RolloutTarget, type Side } from '@/lib/rollout';
import styles from './traffic.module.css';
import { shareOf, WeightBar } from './weight-bar';

/** The headline of the page: which version gets how much, and whether its pods are there. */
export function Traffic({ rollout, target }: { rollout: Rollout; target: RolloutTarget }) {
  const { t } = useTranslation();
  const weight = shareOf(target);
  // The commit that is known is the one of the version that Git asks for, which need not be at work.
  const revisionOf = (side: Side) => (side.version !== undefined && side.version === target.wanted ? rollout.revisions[target.name] : undefined);
  const planned = target.canary ? weightsOf(target.steps).filter((each) => each > 0 && each < 100) : [];
  return (
    <section className={styles.card} aria-label={t('rollout.traffic')}>
      <div className={styles.sides}>
        {target.canary ? <Version side={target.canary} role="canary" weight={weight} revision={revisionOf(target.canary)} /> : null}
        <Version side={target.stable} role="stable" weight={weight === undefined ? undefined : 100 - weight} revision={revisionOf(target.stable)} />
      </div>
      <WeightBar target={target} />
      {planned.length > 0 ? (
        <div aria-hidden className={styles.ticks}>
          {planned.map((each) => <span key={each} className={clsx(styles.tick, weight !== undefined && weight >= each && styles.reached)} style={{ left: `${each}%` }}>{each}</span>)}
        </div>
      ) : null}
    </section>
  );
}

function Version({ side, role, weight, revision }: { side: Side; role: 'canary' | 'stable'; weight: number | undefined; revision: string | undefined }) {
  const { t } = useTranslation();
  return (
    <div className={clsx(styles.side, styles[role])} role="group" aria-label={t(`rollout.${role}`)}>
      <p className={styles.role}><span aria-hidden className={styles.swatch} />{t(`rollout.${role}`)}</p>
      <p className={styles.share}>{weight === undefined ? '–' : `${weight} %`}</p>
      <p className={styles.version}>
        {side.version ? <><code>{side.version}</code><CopyButton text={side.version} label={t('rollout.copyVersion')} /></> : t('rollout.noVersion')}
        {revision ? <span className={styles.revision}>{t('rollout.fromCommit', { revision: shortRevision(revision) })}</span> : null}
      </p>
      <PodMeter side={side} />
    </div>
  );
}

/** More pods than this are told in numbers alone. */
const MOST_DOTS = 16;

function PodMeter({ side }: { side: Side }) {
  const { t } = useTranslation();
  const { desired, ready } = side.pods ?? {};
  if (desired === undefined) return <p className={styles.pods}>{t('rollout.podsUnknown')}</p>;
  if (ready === undefined) return <p className={styles.pods}>{t('rollout.podsDesired', { count: desired })}</p>;
  const short = ready < desired;
  return (
    <p className={clsx(styles.pods, short && styles.short)}>
      {desired <= MOST_DOTS ? <span aria-hidden className={styles.dots}>{Array.from({ length: Math.max(desired, ready) }, (_, index) => <span key={index} className={clsx(styles.dot, index < ready && styles.filled)} />)}</span> : null}
      {t('rollout.podsReady', { ready, count: desired })}
    </p>
  );
}
