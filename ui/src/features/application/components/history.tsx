import { useQuery } from '@tanstack/react-query';
import clsx from 'clsx';
import { Ban, History as HistoryIcon, Undo2, User, Zap } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import type { Application, RevisionHistory } from '@/api-types';
import { Button } from '@/components/button';
import { Chip } from '@/components/chip';
import { CopyButton } from '@/components/copy-button';
import { Empty } from '@/components/empty';
import { Ago, Took } from '@/components/time';
import { appId } from '@/lib/application';
import { shortRepo, shortRevision } from '@/lib/format';
import { quarantineOf } from '@/lib/quarantine';
import { revisionQuery } from '../api/application';
import styles from './history.module.css';

/** What was deployed when, newest first, and the way back to each. */
export function History({ app, onRollback }: { app: Application; onRollback: (id: number) => void }) {
  const { t } = useTranslation();
  const entries = [...(app.status?.history ?? [])].sort((a, b) => b.id - a.id);
  if (entries.length === 0) return <Empty icon={<HistoryIcon aria-hidden />} title={t('history.none')}>{t('history.noneHint')}</Empty>;
  return (
    <div className={styles.scroller}>
      <ol className={styles.list} aria-label={t('history.title')}>
        {entries.map((entry, index) => (
          <Entry key={entry.id} app={app} entry={entry} current={index === 0} onRollback={() => onRollback(entry.id)} />
        ))}
      </ol>
    </div>
  );
}

function Entry({ app, entry, current, onRollback }: { app: Application; entry: RevisionHistory; current: boolean; onRollback: () => void }) {
  const { t } = useTranslation();
  const revision = entry.revision ?? entry.revisions?.[0];
  const metadata = useQuery(revisionQuery(appId(app), revision));
  const quarantine = quarantineOf(app, entry);
  const source = entry.sources?.[0] ?? entry.source;
  const [subject, ...body] = (metadata.data?.message ?? '').trim().split('\n');
  return (
    <li className={clsx(styles.entry, current && styles.current)}>
      <span aria-hidden className={clsx(styles.marker, quarantine && styles.bad)} />
      <div className={styles.what}>
        <p className={styles.line}>
          <span className={styles.id}>#{entry.id}</span>
          <code className={styles.revision}>{shortRevision(revision)}</code>
          {revision ? <CopyButton text={revision} label={t('history.copyRevision')} /> : null}
          {current ? <Chip tone="success">{t('history.current')}</Chip> : null}
          {quarantine ? <Chip tone="warning" icon={<Ban aria-hidden />} title={[quarantine.reason, quarantine.by].filter(Boolean).join(' · ')}>{t('history.quarantined')}</Chip> : null}
          {metadata.data?.tags?.map((tag) => <Chip key={tag}>{tag}</Chip>)}
        </p>
        <p className={styles.subject} title={body.join('\n').trim() || undefined}>
          {metadata.isError ? <span className={styles.faint}>{t('history.noMetadata')}</span> : subject}
        </p>
        <p className={styles.faint}>
          {metadata.data?.author ? `${metadata.data.author} · ` : ''}
          {source ? `${shortRepo(source.repoURL)} ${source.chart ?? source.path ?? ''} @ ${source.targetRevision ?? 'HEAD'}` : ''}
        </p>
      </div>
      <div className={styles.when}>
        <Ago at={entry.deployedAt} />
        <span className={styles.faint}>
          {entry.initiatedBy?.automated ? <><Zap aria-hidden size={11} /> {t('app.byAutomation')} · </> : entry.initiatedBy?.username ? <><User aria-hidden size={11} /> {entry.initiatedBy.username} · </> : null}
          {entry.deployStartedAt ? <Took from={entry.deployStartedAt} to={entry.deployedAt} /> : null}
        </span>
      </div>
      <div className={styles.action}>
        {current ? null : <Button size="s" icon={<Undo2 aria-hidden />} onClick={onRollback} aria-label={t('history.rollbackTo', { id: entry.id })}>{t('history.rollback')}</Button>}
      </div>
    </li>
  );
}
