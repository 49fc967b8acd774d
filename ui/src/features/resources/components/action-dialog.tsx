import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { ResourceAction, ResourceRef } from '@/api-types';
import { Button } from '@/components/button';
import { Dialog } from '@/components/dialog';
import { Field, TextInput } from '@/components/field';
import { toastSuccess } from '@/components/toast';
import { resourceQueryKey, runAction } from '@/lib/api/resource';
import type { AppId } from '@/lib/application';
import { isModelRollout } from '@/lib/rollout';
import styles from './action-dialog.module.css';

/** Asks before an action is run, and for its parameters. An error stays in the dialog, beside what was typed. */
export function ActionDialog({ id, target, action, onClose }: { id: AppId; target: ResourceRef; action: ResourceAction; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const label = action.displayName ?? action.name;
  const [parameters, setParameters] = useState(() =>
    Object.fromEntries((action.params ?? []).map((each) => [each.name, each.value ?? each.default ?? ''])),
  );
  const run = useMutation({
    mutationFn: () => runAction(id, target, action.name, parameters),
    onSuccess: () => {
      toastSuccess(t('resource.actionDone', { action: label, name: target.name }));
      void client.invalidateQueries({ queryKey: resourceQueryKey(id) });
      onClose();
    },
  });
  return (
    <Dialog
      title={label}
      description={`${target.kind} ${target.name}`}
      width={440}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{t('common.cancel')}</Button>
          <Button tone="primary" type="submit" form="action-form" busy={run.isPending}>{t('resource.runAction')}</Button>
        </>
      }
    >
      <form
        id="action-form"
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault();
          run.mutate();
        }}
      >
        <p>{t('resource.actionText', { action: label, kind: target.kind, name: target.name })}</p>
        {Object.entries(parameters).map(([name, value]) => (
          <Field key={name} label={name} hint={name === 'target' && isModelRollout({ group: target.group ?? '', kind: target.kind }) ? t('rollout.targetHint') : undefined}>
            {(ids) => <TextInput id={ids.id} aria-describedby={ids.describedBy} value={value} onChange={(event) => setParameters((held) => ({ ...held, [name]: event.target.value }))} />}
          </Field>
        ))}
        {run.isError ? <p role="alert" className={styles.error}>{run.error.message}</p> : null}
      </form>
    </Dialog>
  );
}
