import { Link } from '@tanstack/react-router';
import clsx from 'clsx';
import { ArrowRight, ChevronRight } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import { KindIcon } from '@/components/kind-icon';
import { RolloutPhase } from '@/components/status';
import type { AppId } from '@/lib/application';
import type { RolloutTarget } from '@/lib/rollout';
import { urgency } from '@/lib/rollout/summary';
import { useReason } from '../hooks/use-reason';
import type { RolloutEntry } from '../hooks/use-rollouts';
import { useStepTitle } from '../hooks/use-step-title';
import { useProblemWords } from './problem';
import styles from './rollout-list.module.css';
import { shareOf, WeightBar } from './weight-bar';
import { Words } from './words';

interface Row {
  key: string;
  entry: RolloutEntry;
  target: RolloutTarget | undefined;
}

/** All models of the application that a rollout takes care of; those that need a person come first. */
export function RolloutList({ id, entries }: { id: AppId; entries: readonly RolloutEntry[] }) {
  const { t } = useTranslation();
  return (
    <div className={styles.scroller}>
      <ul className={styles.list} aria-label={t('rollout.models')}>
        {rowsOf(entries).map((row) => <Model key={row.key} id={id} row={row} />)}
      </ul>
    </div>
  );
}

export function rowsOf(entries: readonly RolloutEntry[]): Row[] {
  const rows = entries.flatMap((entry): Row[] => {
    const targets = entry.rollout?.targets ?? [];
    return targets.length === 0 ? [{ key: entry.key, entry, target: undefined }] : targets.map((target) => ({ key: `${entry.key} ${target.name}`, entry, target }));
  });
  return rows.sort((a, b) => rank(a) - rank(b) || (a.key < b.key ? -1 : 1));
}

function rank({ entry, target }: Row): number {
  return urgency(target ? target.phase : entry.missing ?? entry.error ?? entry.rollout?.problem === 'unreadable' ? 'Invalid' : entry.rollout?.phase);
}

function Model({ id, row: { entry, target } }: { id: AppId; row: Row }) {
  const problem = useProblemWords()(entry);
  const { rollout, ref } = entry;
  return (
    <li className={styles.row}>
      <KindIcon kind={rollout?.targetKind ?? ref.kind} size={20} className={styles.icon} />
      <div className={styles.names}>
        <Link
          to="/applications/$namespace/$name"
          params={{ namespace: id.namespace, name: id.name }}
          search={{ view: 'models', node: entry.key, ...(target && (rollout?.targets.length ?? 0) > 1 ? { target: target.name } : {}) }}
          className={styles.name}
        >
          {target?.name ?? ref.name}
        </Link>
        <span className={styles.faint}>{rollout?.targetKind && rollout.kind === 'ModelRollout' ? `${rollout.targetKind} · ` : ''}{ref.kind} {ref.name}</span>
      </div>
      {target ? <Figures target={target} /> : (
        <>
          {rollout?.phase ? <RolloutPhase phase={rollout.phase} className={styles.phase} /> : null}
          <p className={clsx(styles.problem, rollout?.phase && styles.beside, (entry.error ?? rollout?.problem === 'unreadable') && styles.bad)}>{problem}</p>
        </>
      )}
      <ChevronRight aria-hidden size={16} className={styles.chevron} />
    </li>
  );
}

function Figures({ target }: { target: RolloutTarget }) {
  const { t } = useTranslation();
  const share = shareOf(target);
  return (
    <>
      <RolloutPhase phase={target.phase} className={styles.phase} />
      <div className={styles.traffic}>
        <p className={styles.versions}>
          {target.stable.version ? <code>{target.stable.version}</code> : <span className={styles.faint}>{t('rollout.noVersion')}</span>}
          {target.canary ? <><ArrowRight aria-hidden size={12} /><code className={styles.canary}>{target.canary.version}</code></> : null}
          <span className={styles.share}>{share === undefined ? '–' : `${target.canary ? share : 100} %`}</span>
        </p>
        <WeightBar target={target} size="s" />
      </div>
      <Progress target={target} />
    </>
  );
}

function Progress({ target }: { target: RolloutTarget }) {
  const { t } = useTranslation();
  const titleOf = useStepTitle();
  const reasonOf = useReason();
  const { index, steps } = target;
  const step = index === undefined ? undefined : steps[index];
  const title = step ? titleOf(step) : index !== undefined && target.canary ? t('rollout.lastStep') : undefined;
  return (
    <div className={styles.progress}>
      {title && index !== undefined ? (
        <p className={styles.step}>
          <span className={styles.faint}>{t('rollout.stepOf', { step: Math.min(index + 1, steps.length), steps: steps.length })}</span> {title}
        </p>
      ) : null}
      <p className={styles.message} title={target.message}>{target.waitingFor ? `${reasonOf(target.waitingFor)}${target.message ? ' · ' : ''}` : ''}<Words text={target.message} /></p>
    </div>
  );
}
