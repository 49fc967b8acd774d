import { useMutation } from '@tanstack/react-query';
import { Upload } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Application } from '@/api-types';
import { Button } from '@/components/button';
import { Dialog } from '@/components/dialog';
import { Spinner } from '@/components/spinner';
import { syncApplication, terminateOperation } from '@/lib/api/actions';
import { appId, isOperating, sourceOf } from '@/lib/application';
import { initialChoices, toSyncRequest } from '../sync-request';
import { OperationProgress } from './operation-progress';
import styles from './sync-dialog.module.css';
import { SyncForm } from './sync-form';

interface Props {
  app: Application;
  /** Objects chosen before the dialog opened, from the tree or the list. */
  preset?: readonly string[];
  onClose: () => void;
}

/** Asks what to sync, then stays to show how it goes. */
export function SyncDialog({ app, preset, onClose }: Props) {
  const { t } = useTranslation();
  const [choices, setChoices] = useState(() => ({
    ...initialChoices(app.spec),
    ...(preset?.length ? { resources: new Set(preset) } : {}),
  }));
  /** The start of the operation before ours, to tell the two apart. */
  const [before, setBefore] = useState<string | null>(null);
  const managed = (app.status?.resources ?? []).filter((resource) => !resource.hook);
  const sync = useMutation({ mutationFn: () => syncApplication(appId(app), toSyncRequest(choices, managed)) });
  const submitted = sync.isSuccess;
  const started = submitted && app.status?.operationState !== undefined && (app.status.operationState.startedAt !== before || isOperating(app));
  const nothingChosen = choices.resources !== 'all' && choices.resources.size === 0;

  return (
    <Dialog
      title={submitted ? t('operation.title') : t('sync.title', { name: app.metadata.name })}
      description={submitted ? app.metadata.name : t('sync.subtitle', { revision: sourceOf(app)?.targetRevision ?? 'HEAD' })}
      width={760}
      onClose={onClose}
      footer={
        submitted ? (
          <ProgressFooter app={app} onClose={onClose} />
        ) : (
          <>
            <Button onClick={onClose}>{t('common.cancel')}</Button>
            <Button
              tone={choices.force || choices.options.includes('Replace=true') ? 'danger' : 'primary'}
              icon={<Upload aria-hidden />}
              busy={sync.isPending}
              disabled={nothingChosen}
              type="submit"
              form="sync-form"
            >
              {choices.dryRun ? t('sync.submitDryRun') : t('sync.submit')}
            </Button>
          </>
        )
      }
    >
      {submitted ? (
        started ? <OperationProgress app={app} /> : <p className={styles.waiting}><Spinner /> {t('operation.starting')}</p>
      ) : (
        <form
          id="sync-form"
          onSubmit={(event) => {
            event.preventDefault();
            setBefore(app.status?.operationState?.startedAt ?? null);
            sync.mutate();
          }}
        >
          <SyncForm choices={choices} onChange={setChoices} managed={managed} />
          {sync.isError ? <p role="alert" className={styles.error}>{sync.error.message}</p> : null}
        </form>
      )}
    </Dialog>
  );
}

/** The running or last operation on its own. */
export function OperationDialog({ app, onClose }: { app: Application; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Dialog title={t('operation.title')} description={app.metadata.name} width={760} onClose={onClose} footer={<ProgressFooter app={app} onClose={onClose} />}>
      <OperationProgress app={app} />
    </Dialog>
  );
}

function ProgressFooter({ app, onClose }: { app: Application; onClose: () => void }) {
  const { t } = useTranslation();
  const terminate = useMutation({ mutationFn: () => terminateOperation(appId(app)) });
  return (
    <>
      {terminate.isError ? <span role="alert" className={styles.footError}>{terminate.error.message}</span> : null}
      {isOperating(app) ? <Button busy={terminate.isPending} onClick={() => terminate.mutate()}>{t('actions.terminate')}</Button> : null}
      <Button tone="primary" onClick={onClose}>{isOperating(app) ? t('operation.background') : t('common.close')}</Button>
    </>
  );
}
