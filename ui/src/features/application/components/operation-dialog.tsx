import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { Application } from '@/api-types';
import { Button } from '@/components/button';
import { Dialog } from '@/components/dialog';
import { terminateOperation } from '@/lib/api/actions';
import { appId, isOperating } from '@/lib/application';
import { OperationProgress } from './operation-progress';
import styles from './sync-dialog.module.css';

/** The running or last operation on its own. */
export function OperationDialog({ app, onClose }: { app: Application; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Dialog title={t('operation.title')} description={app.metadata.name} width={760} onClose={onClose} footer={<ProgressFooter app={app} onClose={onClose} />}>
      <OperationProgress app={app} />
    </Dialog>
  );
}

/** Terminate while it runs, close at any time. */
export function ProgressFooter({ app, onClose }: { app: Application; onClose: () => void }) {
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
