import { useMutation } from '@tanstack/react-query';
import { Upload } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Application } from '@/api-types';
import { Button } from '@/components/button';
import { Dialog } from '@/components/dialog';
import { syncApplication } from '@/lib/api/actions';
import { appId, sourceOf } from '@/lib/application';
import { initialChoices, toSyncRequest } from '../sync-request';
import { ProgressFooter } from './operation-dialog';
import { StartedOperation } from './operation-progress';
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
  const managed = (app.status?.resources ?? []).filter((resource) => !resource.hook);
  const sync = useMutation({ mutationFn: () => syncApplication(appId(app), toSyncRequest(choices, managed)) });
  const submitted = sync.data;
  const nothingChosen = choices.resources !== 'all' && choices.resources.size === 0;

  return (
    <Dialog
      title={submitted ? t('operation.title') : t('sync.title', { name: app.metadata.name })}
      description={submitted ? app.metadata.name : t('sync.subtitle', { revision: sourceOf(app)?.targetRevision || 'HEAD' })}
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
        <StartedOperation app={app} asked={submitted} />
      ) : (
        <form
          id="sync-form"
          onSubmit={(event) => {
            event.preventDefault();
            sync.mutate();
          }}
        >
          <SyncForm followed={sourceOf(app)?.targetRevision || 'HEAD'} choices={choices} onChange={setChoices} managed={managed} />
          {sync.isError ? <p role="alert" className={styles.error}>{sync.error.message}</p> : null}
        </form>
      )}
    </Dialog>
  );
}
