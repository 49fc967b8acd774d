import { useMutation } from '@tanstack/react-query';
import { Trash2 } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Application } from '@/api-types';
import { Button } from '@/components/button';
import { Dialog } from '@/components/dialog';
import { Field, Select, TextInput } from '@/components/field';
import { toastSuccess } from '@/components/toast';
import { appId } from '@/lib/application';
import { deleteApplication, type Cascade } from '../api/application';
import styles from './rollback-dialog.module.css';

const CASCADES: readonly Cascade[] = ['foreground', 'background', 'orphan'];

export function DeleteDialog({ app, onClose, onDeleted }: { app: Application; onClose: () => void; onDeleted: () => void }) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState('');
  const [cascade, setCascade] = useState<Cascade>('foreground');
  const { name } = app.metadata;
  const objects = (app.status?.resources ?? []).length;
  const remove = useMutation({
    mutationFn: () => deleteApplication(appId(app), cascade),
    onSuccess: () => {
      toastSuccess(t('delete.done', { name }));
      onDeleted();
    },
  });
  return (
    <Dialog
      title={t('delete.title', { name })}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{t('common.cancel')}</Button>
          <Button tone="danger" icon={<Trash2 aria-hidden />} type="submit" form="delete-form" busy={remove.isPending} disabled={typed !== name}>{t('actions.delete')}</Button>
        </>
      }
    >
      <form
        id="delete-form"
        className={styles.content}
        onSubmit={(event) => {
          event.preventDefault();
          if (typed === name) remove.mutate();
        }}
      >
        <Field label={t('delete.cascade')} hint={t(`delete.${cascade}Hint`, { count: objects })}>
          {({ id, describedBy }) => (
            <Select id={id} aria-describedby={describedBy} value={cascade} onChange={(event) => setCascade(CASCADES.find((each) => each === event.target.value) ?? 'foreground')}>
              {CASCADES.map((each) => <option key={each} value={each}>{t(`delete.${each}`)}</option>)}
            </Select>
          )}
        </Field>
        <Field label={t('delete.confirm', { name })}>
          {({ id }) => <TextInput id={id} autoFocus value={typed} onChange={(event) => setTyped(event.target.value)} />}
        </Field>
        {remove.isError ? <p role="alert" className={styles.error}>{remove.error.message}</p> : null}
      </form>
    </Dialog>
  );
}
