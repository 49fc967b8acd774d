import { ChevronLeft, Network } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import { Button } from '@/components/button';
import { Select } from '@/components/field';
import { KindIcon } from '@/components/kind-icon';
import { RolloutPhase } from '@/components/status';
import type { AppId } from '@/lib/application';
import type { Rollout, RolloutTarget } from '@/lib/rollout';
import { useAnalysisRuns } from '../hooks/use-analysis-runs';
import type { RolloutEntry } from '../hooks/use-rollouts';
import { useReason } from '../hooks/use-reason';
import { Decisions } from './decisions';
import { Metrics } from './metrics';
import { Notes, Quarantine } from './notes';
import { Problem } from './problem';
import { RolloutActions } from './rollout-actions';
import styles from './rollout-page.module.css';
import { Steps } from './steps';
import { Traffic } from './traffic';
import { Words } from './words';

interface Props {
  id: AppId;
  entry: RolloutEntry;
  /** Name of the target that is looked at; the first one when absent. */
  targetName: string | undefined;
  onTarget: (name: string) => void;
  /** Absent where this is the only rollout. */
  onBack: (() => void) | undefined;
  onShowObject: () => void;
}

/** How a new version of one target takes traffic. */
export function RolloutPage({ id, entry, targetName, onTarget, onBack, onShowObject }: Props) {
  const { t } = useTranslation();
  const { rollout } = entry;
  const target = rollout?.targets.find((each) => each.name === targetName) ?? rollout?.targets[0];
  return (
    <div className={styles.scroller}>
      <div className={styles.page}>
        <nav className={styles.trail} aria-label={t('shell.path')}>
          {onBack ? <Button size="s" tone="ghost" icon={<ChevronLeft aria-hidden />} onClick={onBack}>{t('rollout.allModels')}</Button> : null}
          <span className={styles.object}>{entry.ref.kind} {entry.ref.namespace}/{entry.ref.name}</span>
          <Button size="s" tone="ghost" icon={<Network aria-hidden />} onClick={onShowObject}>{t('rollout.showObject')}</Button>
        </nav>
        {rollout && target ? <Shown id={id} entry={entry} rollout={rollout} target={target} onTarget={onTarget} /> : <Problem entry={entry} />}
      </div>
    </div>
  );
}

function Shown({ id, entry, rollout, target, onTarget }: { id: AppId; entry: RolloutEntry; rollout: Rollout; target: RolloutTarget; onTarget: (name: string) => void }) {
  const { t } = useTranslation();
  // Argo Rollouts keeps its measurements in objects of their own, and no decisions.
  const argo = rollout.kind === 'Rollout';
  const runs = useAnalysisRuns(id, entry.ref, argo);
  return (
    <>
      <header className={styles.header}>
        <KindIcon kind={rollout.targetKind ?? entry.ref.kind} size={26} className={styles.icon} />
        <div className={styles.names}>
          <div className={styles.title}>
            <h2 className={styles.name}>{target.name}</h2>
            <RolloutPhase phase={target.phase} size={16} className={styles.phase} />
            {rollout.targets.length > 1 ? (
              <Select aria-label={t('rollout.target')} value={target.name} onChange={(event) => onTarget(event.target.value)}>
                {rollout.targets.map((each) => <option key={each.name} value={each.name}>{each.name}</option>)}
              </Select>
            ) : null}
          </div>
          <Sentence rollout={rollout} target={target} />
        </div>
        <RolloutActions key={`${entry.key} ${target.name}`} id={id} object={entry.ref} rollout={rollout} target={target} />
      </header>
      <Notes rollout={rollout} target={target} />
      <Traffic rollout={rollout} target={target} />
      <div className={styles.columns}>
        <div className={styles.side}>
          <Steps target={target} />
          <Quarantine target={target} />
          {argo ? null : <Decisions target={target} />}
        </div>
        <Metrics key={target.name} target={target} metrics={argo ? runs : target.metrics} none={t(argo ? 'rollout.noRuns' : 'rollout.noMetrics')} />
      </div>
    </>
  );
}

/** What it does or waits for; the controller's sentence, behind the reason in the reader's language. */
function Sentence({ rollout, target }: { rollout: Rollout; target: RolloutTarget }) {
  const { t } = useTranslation();
  const reasonOf = useReason();
  const message = target.message ?? rollout.message;
  return (
    <p className={styles.sentence} role="status">
      {rollout.targetKind ? <span className={styles.kind}>{rollout.targetKind} · {t(`rollout.strategy.${rollout.strategy ?? 'none'}`)}</span> : null}
      {target.waitingFor ? <strong>{reasonOf(target.waitingFor)}</strong> : null}
      {message ? <span><Words text={message} /></span> : null}
    </p>
  );
}
