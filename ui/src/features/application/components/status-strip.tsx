import { useQuery } from '@tanstack/react-query';
import { CalendarX, ChevronRight, GitBranch, GitCommitHorizontal, Server } from 'lucide-react';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { Application } from '@/api-types';
import { ExternalLink } from '@/components/external-link';
import { Health, Phase, Sync } from '@/components/status';
import { Ago, Took } from '@/components/time';
import { appId, clusterOf, healthOf, isOperating, revisionOf, sourceOf, syncOf } from '@/lib/application';
import { shortRepo, shortRevision } from '@/lib/format';
import { revisionQuery, syncWindowsQuery } from '../api/application';
import { progressOf } from '../progress';
import { blockedBy } from '../sync-windows';
import styles from './status-strip.module.css';

/** The four questions about an application: is it well, is it what Git says, what happened last, where does it run. */
export function StatusStrip({ app, onShowOperation, onShowDiff }: { app: Application; onShowOperation: () => void; onShowDiff: () => void }) {
  const { t } = useTranslation();
  return (
    <section className={styles.strip} aria-label={t('app.status')}>
      <Card title={t('app.health')}>
        <Health status={healthOf(app)} size={18} className={styles.big} />
        <p className={styles.note} title={app.status?.health?.message}>
          {app.status?.health?.message ?? (app.status?.health?.lastTransitionTime ? <>{t('app.since')} <Ago at={app.status.health.lastTransitionTime} /></> : t(`healthHint.${healthOf(app)}`, { defaultValue: '' }))}
        </p>
      </Card>
      <SyncCard app={app} onShowDiff={onShowDiff} />
      <OperationCard app={app} onShow={onShowOperation} />
      <SourceCard app={app} />
    </section>
  );
}

function Card({ title, action, children }: { title: string; action?: ReactNode; children: ReactNode }) {
  return (
    <div className={styles.card} role="group" aria-label={title}>
      <div className={styles.head}>
        <h2 className={styles.title}>{title}</h2>
        {action}
      </div>
      {children}
    </div>
  );
}

function SyncCard({ app, onShowDiff }: { app: Application; onShowDiff: () => void }) {
  const { t } = useTranslation();
  const revision = revisionOf(app);
  const metadata = useQuery(revisionQuery(appId(app), revision));
  const outOfSync = (app.status?.resources ?? []).filter((resource) => resource.status === 'OutOfSync').length;
  const subject = metadata.data?.message?.split('\n')[0];
  return (
    <Card
      title={t('app.sync')}
      action={outOfSync > 0 ? <button type="button" className={styles.link} onClick={onShowDiff}>{t('app.outOfSyncCount', { count: outOfSync })}<ChevronRight aria-hidden size={13} /></button> : null}
    >
      <Sync status={syncOf(app)} size={18} className={styles.big} />
      <p className={styles.note} title={metadata.data?.message ?? revision}>
        {revision ? <><GitCommitHorizontal aria-hidden size={13} /> <code>{shortRevision(revision)}</code>{' '}</> : t('app.noRevision')}
        {subject}
      </p>
      {metadata.data?.author ? <p className={styles.faint}>{metadata.data.author.replace(/ <.*>$/, '')} · <Ago at={metadata.data.date} /></p> : null}
      <WindowNote app={app} />
    </Card>
  );
}

/** Says that sync windows are in the way; nothing where there are none. */
function WindowNote({ app }: { app: Application }) {
  const { t } = useTranslation();
  const windows = useQuery(syncWindowsQuery(appId(app)));
  const blocked = windows.data ? blockedBy(windows.data) : undefined;
  if (!blocked) return null;
  return <p className={styles.warning}><CalendarX aria-hidden size={13} /> {t(blocked === 'everyone' ? 'app.syncBlocked' : 'app.automationBlocked')}</p>;
}

function OperationCard({ app, onShow }: { app: Application; onShow: () => void }) {
  const { t } = useTranslation();
  const state = app.status?.operationState;
  if (!state) return <Card title={t('app.lastOperation')}><p className={styles.note}>{isOperating(app) ? t('operation.starting') : t('app.noOperation')}</p></Card>;
  const by = state.operation.initiatedBy?.automated ? t('app.byAutomation') : state.operation.initiatedBy?.username;
  const running = state.phase === 'Running' || state.phase === 'Terminating';
  const progress = running ? progressOf(app) : undefined;
  return (
    <Card title={t('app.lastOperation')} action={<button type="button" className={styles.link} onClick={onShow}>{t('common.details')}<ChevronRight aria-hidden size={13} /></button>}>
      <Phase phase={state.phase} size={18} className={styles.big} />
      {progress && progress.total > 0 ? (
        <span className={styles.progress} role="progressbar" aria-valuemin={0} aria-valuemax={progress.total} aria-valuenow={progress.done}>
          <span className={styles.bar} style={{ width: `${(100 * progress.done) / progress.total}%` }} />
        </span>
      ) : null}
      <p className={styles.note} title={state.message}>{state.message}</p>
      <p className={styles.faint}>
        {[by, shortRevision(state.syncResult?.revision)].filter(Boolean).join(' · ')} · {running ? <Took from={state.startedAt} to={undefined} /> : <Ago at={state.finishedAt} />}
      </p>
    </Card>
  );
}

function SourceCard({ app }: { app: Application }) {
  const { t } = useTranslation();
  const source = sourceOf(app);
  const more = (app.spec.sources?.length ?? 1) - 1;
  return (
    <Card title={t('app.sourceAndDestination')}>
      <p className={styles.fact}>
        <GitBranch aria-hidden size={13} />
        <span className={styles.cut}><ExternalLink href={source?.repoURL} plain>{source ? shortRepo(source.repoURL) : '–'}</ExternalLink>{more > 0 ? ` +${more}` : ''}</span>
      </p>
      <p className={styles.note}>{[source?.chart ?? source?.path, source?.targetRevision ?? 'HEAD'].filter(Boolean).join(' @ ')}</p>
      <p className={styles.fact}><Server aria-hidden size={13} /><span className={styles.cut}>{clusterOf(app)} / {app.spec.destination.namespace ?? '–'}</span></p>
    </Card>
  );
}
