import clsx from 'clsx';
import { Check, Flag, Hand, LoaderCircle, Pause, Undo2, X, type LucideIcon } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import { Ago, Took } from '@/components/time';
import { lengthText } from '@/lib/duration';
import type { RolloutTarget, Step } from '@/lib/rollout';
import { useNow } from '@/lib/use-now';
import { useReason } from '../hooks/use-reason';
import { useStepTitle } from '../hooks/use-step-title';
import styles from './steps.module.css';
import { Words } from './words';

type State = 'done' | 'now' | 'todo';

/** The way from the first pod of the new version to all traffic, with the place where it is. */
export function Steps({ target }: { target: RolloutTarget }) {
  const { t } = useTranslation();
  const { steps, index } = target;
  const moving = target.canary !== undefined && index !== undefined;
  const titleOf = useStepTitle();
  const stateOf = (at: number): State => (!moving ? 'todo' : at < index ? 'done' : at === index ? 'now' : 'todo');
  return (
    <section className={styles.card} aria-label={t('rollout.steps')}>
      <div className={styles.head}>
        <h3 className={styles.title}>{t('rollout.steps')}</h3>
        <span className={styles.count}>{moving && steps.length > 0 ? t('rollout.stepOf', { step: Math.min(index + 1, steps.length), steps: steps.length }) : t('rollout.nextTime')}</span>
      </div>
      <ol className={styles.list}>
        {steps.map((step, at) => <Item key={at} target={target} step={step} title={titleOf(step)} state={stateOf(at)} />)}
        <Item target={target} step={undefined} title={t('rollout.lastStep')} state={moving && index >= steps.length ? 'now' : 'todo'} />
      </ol>
    </section>
  );
}

function Item({ target, step, title, state }: { target: RolloutTarget; step: Step | undefined; title: string; state: State }) {
  const { t } = useTranslation();
  return (
    <li className={clsx(styles.item, styles[state], state === 'now' && target.phase && styles[target.phase])} aria-current={state === 'now' ? 'step' : undefined}>
      <span aria-hidden className={styles.marker}><Marker target={target} state={state} last={!step} /></span>
      <div className={styles.what}>
        <p className={styles.name}>{title}{state === 'done' ? <span className="sr-only"> ({t('rollout.stepDone')})</span> : null}</p>
        {state === 'now' ? <Current target={target} step={step} /> : null}
      </div>
    </li>
  );
}

function Marker({ target, state, last }: { target: RolloutTarget; state: State; last: boolean }) {
  if (state === 'done') return <Check size={12} strokeWidth={3} />;
  if (state === 'todo') return last ? <Flag size={11} /> : null;
  const icons: Partial<Record<string, LucideIcon>> = { Paused: Pause, Held: Hand, RollingBack: Undo2, Degraded: X, Invalid: X };
  const Icon = icons[target.phase ?? ''];
  return Icon ? <Icon size={12} strokeWidth={2.6} /> : <LoaderCircle size={12} strokeWidth={2.6} className={styles.spin} />;
}

function Current({ target, step }: { target: RolloutTarget; step: Step | undefined }) {
  const { t } = useTranslation();
  const reasonOf = useReason();
  return (
    <div className={styles.current}>
      {target.waitingFor ? <p className={styles.reason}>{reasonOf(target.waitingFor)}</p> : <p className={styles.message}><Words text={target.message} /></p>}
      <p className={styles.times}>
        {target.since ? <span>{t('rollout.sinceFor')} <Took from={target.since} to={undefined} /> (<Ago at={target.since} />)</span> : null}
      </p>
      {step?.kind === 'pause' && step.seconds !== undefined && target.since && target.waitingFor !== 'PausedByUser' ? <Remaining since={target.since} seconds={step.seconds} /> : null}
    </div>
  );
}

function Remaining({ since, seconds }: { since: string; seconds: number }) {
  const { t } = useTranslation();
  const now = useNow();
  const gone = (now - Date.parse(since)) / 1000;
  if (Number.isNaN(gone)) return null;
  const left = Math.max(0, seconds - gone);
  return (
    <div className={styles.remaining}>
      <span className={styles.track} role="progressbar" aria-label={t('rollout.pause')} aria-valuemin={0} aria-valuemax={Math.round(seconds)} aria-valuenow={Math.round(Math.min(seconds, Math.max(0, gone)))}>
        <span className={styles.fill} style={{ width: `${Math.min(100, (100 * gone) / Math.max(1, seconds))}%` }} />
      </span>
      <span>{left > 0 ? t('rollout.left', { length: lengthText(left) }) : t('rollout.goesOn')}</span>
    </div>
  );
}
