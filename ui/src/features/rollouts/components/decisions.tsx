import { ChevronRight } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import type { RolloutDecision } from '@/api-types';
import { Chip, type ChipTone } from '@/components/chip';
import { Ago } from '@/components/time';
import type { RolloutTarget } from '@/lib/rollout';
import { useReason } from '../hooks/use-reason';
import styles from './decisions.module.css';
import { Words } from './words';

const TONES: Partial<Record<string, ChipTone>> = {
  Aborted: 'danger', AnalysisFailed: 'danger', ProgressDeadlineExceeded: 'danger', WarmupFailed: 'danger', Quarantined: 'danger', CanaryLostPods: 'danger',
  AnalysisInconclusive: 'warning', TrafficChangedOutside: 'warning', CapacityHold: 'warning', Held: 'warning', Superseded: 'warning', Reverted: 'warning',
  Approved: 'accent', Promoted: 'success', PromotedFully: 'accent', Started: 'info', StepCompleted: 'info', TrafficRestored: 'success',
};

/** What the controller decided and what each decision rests on, latest first. */
export function Decisions({ target }: { target: RolloutTarget }) {
  const { t } = useTranslation();
  const decisions = [...target.decisions].reverse();
  return (
    <section className={styles.card} aria-label={t('rollout.decisions')}>
      <h3 className={styles.title}>{t('rollout.decisions')}</h3>
      {decisions.length === 0 ? <p className={styles.none}>{t('rollout.noDecisions')}</p> : null}
      <ol className={styles.list}>
        {decisions.map((decision, index) => <Decision key={decision.sequence ?? `at ${decisions.length - index}`} decision={decision} />)}
      </ol>
    </section>
  );
}

function Decision({ decision }: { decision: RolloutDecision }) {
  const { t } = useTranslation();
  const reasonOf = useReason();
  const inputs = Object.entries(decision.inputs ?? {});
  return (
    <li className={styles.decision}>
      <div className={styles.line}>
        {decision.reason ? <Chip tone={TONES[decision.reason] ?? 'neutral'} title={decision.reason}>{reasonOf(decision.reason)}</Chip> : null}
        <Ago at={decision.at} className={styles.time} />
      </div>
      <p className={styles.message}><Words text={decision.message} /></p>
      {inputs.length > 0 ? (
        <details className={styles.details}>
          <summary className={styles.summary}><ChevronRight aria-hidden size={12} />{t('rollout.inputs', { count: inputs.length })}</summary>
          <dl className={styles.inputs}>
            {inputs.map(([name, value]) => (
              <div key={name} className={styles.input}><dt>{name}</dt><dd><code>{value}</code></dd></div>
            ))}
          </dl>
        </details>
      ) : null}
    </li>
  );
}
