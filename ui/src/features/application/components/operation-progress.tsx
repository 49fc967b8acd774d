import clsx from 'clsx';
import { CircleCheck, CircleDashed, CircleMinus, OctagonAlert } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import type { Application } from '@/api-types';
import { KindIcon } from '@/components/kind-icon';
import { Spinner } from '@/components/spinner';
import { Phase } from '@/components/status';
import { Took } from '@/components/time';
import { shortRevision } from '@/lib/format';
import { hasBegun, progressOf, type ProgressRow } from '../progress';
import styles from './operation-progress.module.css';

/** The operation that was just asked for: `asked` is the server's answer. The one before it is not taken for it. */
export function StartedOperation({ app, asked }: { app: Application; asked: Application }) {
  const { t } = useTranslation();
  if (!hasBegun(app, asked)) return <p className={styles.waiting}><Spinner /> {t('operation.starting')}</p>;
  return <OperationProgress app={app} />;
}

/** The operation as it goes: one line per object. */
export function OperationProgress({ app }: { app: Application }) {
  const { t } = useTranslation();
  const state = app.status?.operationState;
  if (!state) return null;
  const progress = progressOf(app);
  const { sync } = state.operation;
  return (
    <div className={styles.progress}>
      <div className={styles.summary}>
        <Phase phase={state.phase} size={18} className={styles.phase} />
        <span className={styles.meta}>
          {[shortRevision(state.syncResult?.revision ?? sync?.revision), sync?.dryRun && t('sync.dryRun'), state.retryCount ? t('operation.retry', { count: state.retryCount }) : ''].filter(Boolean).join(' · ')}
          {' · '}<Took from={state.startedAt} to={state.finishedAt} />
        </span>
        <span className={styles.count}>{t('operation.count', { done: progress.done, total: progress.total })}</span>
      </div>
      <div className={styles.track} role="progressbar" aria-label={t('operation.title')} aria-valuemin={0} aria-valuemax={progress.total} aria-valuenow={progress.done}>
        <span className={styles.done} style={{ flexGrow: progress.done }} />
        <span className={styles.failed} style={{ flexGrow: progress.failed }} />
        <span style={{ flexGrow: Math.max(0, progress.total - progress.done - progress.failed) }} />
      </div>
      {state.message ? <p className={styles.message}>{state.message}</p> : null}
      <ul className={styles.rows} aria-label={t('operation.objects')}>
        {progress.rows.slice(0, 500).map((row) => <Row key={row.key} row={row} />)}
      </ul>
    </div>
  );
}

function Row({ row }: { row: ProgressRow }) {
  const { t } = useTranslation();
  return (
    <li className={clsx(styles.row, row.state === 'waiting' ? styles.queued : styles[row.state])}>
      <span className={styles.state} title={t(`operation.${row.state}`)}>
        <StateIcon state={row.state} />
        <span className="sr-only">{t(`operation.${row.state}`)}</span>
      </span>
      <KindIcon kind={row.kind} size={15} className={styles.kindIcon} />
      <span className={styles.object}>
        <span className={styles.kind}>{row.kind}</span> <span className={styles.name}>{row.name}</span>
        {row.phase !== 'Sync' ? <span className={styles.hook}>{row.phase}</span> : null}
      </span>
      <span className={styles.text} title={row.message}>{row.message}</span>
    </li>
  );
}

function StateIcon({ state }: { state: ProgressRow['state'] }) {
  switch (state) {
    case 'waiting': return <CircleDashed aria-hidden size={15} />;
    case 'running': return <Spinner />;
    case 'done': return <CircleCheck aria-hidden size={15} />;
    case 'skipped': return <CircleMinus aria-hidden size={15} />;
    case 'failed': return <OctagonAlert aria-hidden size={15} />;
  }
}
