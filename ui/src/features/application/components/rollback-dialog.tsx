import { useMutation, useQuery } from '@tanstack/react-query';
import { ArrowRight, Undo2 } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Application } from '@/api-types';
import { Button } from '@/components/button';
import { Dialog } from '@/components/dialog';
import { Checkbox } from '@/components/field';
import { rollbackApplication } from '@/lib/api/actions';
import { appId, isAutomated } from '@/lib/application';
import { shortRevision } from '@/lib/format';
import { quarantineOf } from '@/lib/quarantine';
import { revisionQuery } from '../api/application';
import { ProgressFooter } from './operation-dialog';
import { StartedOperation } from './operation-progress';
import styles from './rollback-dialog.module.css';

interface Props {
  app: Application;
  id: number;
  onClose: () => void;
}

/** Says where one goes from and to, and what automation will do afterwards, before anything happens. */
export function RollbackDialog({ app, id, onClose }: Props) {
  const { t } = useTranslation();
  const [prune, setPrune] = useState(false);
  const [dryRun, setDryRun] = useState(false);
  const history = [...(app.status?.history ?? [])].sort((a, b) => b.id - a.id);
  const entry = history.find((each) => each.id === id);
  const from = history[0]?.revision ?? history[0]?.revisions?.[0];
  const to = entry?.revision ?? entry?.revisions?.[0];
  const metadata = useQuery(revisionQuery(appId(app), to));
  const rollback = useMutation({ mutationFn: () => rollbackApplication(appId(app), { id, prune, dryRun }) });
  const quarantine = entry ? quarantineOf(app, entry) : undefined;
  if (rollback.data) {
    return (
      <Dialog title={t('operation.title')} description={app.metadata.name} width={760} onClose={onClose} footer={<ProgressFooter app={app} onClose={onClose} />}>
        <StartedOperation app={app} asked={rollback.data} />
      </Dialog>
    );
  }
  return (
    <Dialog
      title={t('rollback.title', { id })}
      description={app.metadata.name}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{t('common.cancel')}</Button>
          <Button tone="danger" icon={<Undo2 aria-hidden />} busy={rollback.isPending} disabled={!entry} onClick={() => rollback.mutate()}>{t('rollback.submit')}</Button>
        </>
      }
    >
      <div className={styles.content}>
        {entry ? (
          <div className={styles.path}>
            <code>{shortRevision(from)}</code>
            <ArrowRight aria-hidden size={16} />
            <code className={styles.target}>{shortRevision(to)}</code>
            <span className={styles.subject}>{metadata.data?.message?.split('\n')[0]}</span>
          </div>
        ) : (
          <p role="alert" className={styles.error}>{t('rollback.unknown', { id })}</p>
        )}
        <p className={styles.explain}>{isAutomated(app) ? t('rollback.automated', { revision: shortRevision(from) }) : t('rollback.manual')}</p>
        {quarantine ? <p className={styles.warning}>{t('rollback.targetQuarantined', { message: quarantine.reason ?? '' })}</p> : null}
        <Checkbox label={t('sync.prune')} hint={t('rollback.pruneHint')} checked={prune} onChange={setPrune} />
        <Checkbox label={t('sync.dryRun')} hint={t('sync.dryRunHint')} checked={dryRun} onChange={setDryRun} />
        {rollback.isError ? <p role="alert" className={styles.error}>{rollback.error.message}</p> : null}
      </div>
    </Dialog>
  );
}
