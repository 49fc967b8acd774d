import { useMutation } from '@tanstack/react-query';
import clsx from 'clsx';
import { Hourglass } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import type { Application } from '@/api-types';
import { Button } from '@/components/button';
import { toastError } from '@/components/toast';
import { useConfirm } from '@/components/use-confirm';
import { appId } from '@/lib/application';
import { DELETION_APPROVED_ANNOTATION, QUARANTINE_ANNOTATION, waitsForConfirmation } from '@/lib/quarantine';
import { patchApplication } from '../api/application';
import styles from './conditions.module.css';

function useAnnotate(app: Application, failure: string) {
  return useMutation({
    mutationFn: (annotations: Record<string, string | null>) => patchApplication(appId(app), { metadata: { annotations } }),
    onError: (error) => toastError(failure, error),
  });
}

/** Shown while deletions are held back: the one place to say that they may go on. */
export function ConfirmDeletion({ app }: { app: Application }) {
  const { t } = useTranslation();
  const { confirm, dialog } = useConfirm();
  const annotate = useAnnotate(app, t('confirmation.failed'));
  if (!waitsForConfirmation(app)) return null;
  return (
    <div className={clsx(styles.condition, styles.warning)} role="status">
      <Hourglass aria-hidden size={15} />
      <div className={styles.text}>
        <span className={styles.type}>{t('confirmation.title')}</span>
        <span className={styles.message}>{t('confirmation.text')}</span>
      </div>
      <Button
        size="s"
        tone="danger"
        busy={annotate.isPending}
        onClick={() =>
          confirm({
            title: t('confirmation.confirm'),
            text: t('confirmation.question', { name: app.metadata.name }),
            action: t('confirmation.confirm'),
            onConfirm: () => annotate.mutate({ [DELETION_APPROVED_ANNOTATION]: new Date().toISOString() }),
          })
        }
      >
        {t('confirmation.confirm')}
      </Button>
      {dialog}
    </div>
  );
}

/** Lets automation try the quarantined revisions again. */
export function LiftQuarantine({ app }: { app: Application }) {
  const { t } = useTranslation();
  const { confirm, dialog } = useConfirm();
  const annotate = useAnnotate(app, t('confirmation.liftFailed'));
  return (
    <>
      <Button
        size="s"
        busy={annotate.isPending}
        onClick={() =>
          confirm({
            title: t('confirmation.liftTitle'),
            text: t('confirmation.liftText', { name: app.metadata.name }),
            action: t('confirmation.lift'),
            onConfirm: () => annotate.mutate({ [QUARANTINE_ANNOTATION]: null }),
          })
        }
      >
        {t('confirmation.lift')}
      </Button>
      {dialog}
    </>
  );
}
