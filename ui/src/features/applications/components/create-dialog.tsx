import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Application, Facets } from '@/api-types';
import { Button } from '@/components/button';
import { Dialog } from '@/components/dialog';
import { Checkbox, Field, TextInput } from '@/components/field';
import { toastSuccess } from '@/components/toast';
import { createApplication } from '../api/create';
import { applicationsKey, knownFacets } from '../api/list';
import { checkForm, EMPTY_FORM, toApplication, type CreateForm } from '../create-form';
import styles from './create-dialog.module.css';

interface Props {
  onClose: () => void;
  onCreated: (app: Application) => void;
}

type TextKey = 'name' | 'project' | 'repoURL' | 'path' | 'targetRevision' | 'cluster' | 'namespace';

export function CreateDialog({ onClose, onCreated }: Props) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [form, setForm] = useState<CreateForm>(EMPTY_FORM);
  const [tried, setTried] = useState(false);
  const errors = tried ? checkForm(form) : {};
  const create = useMutation({
    mutationFn: () => createApplication(toApplication(form)),
    onSuccess: (app) => {
      void client.invalidateQueries({ queryKey: applicationsKey });
      toastSuccess(t('create.done', { name: form.name }));
      onCreated(app);
    },
  });
  const set = (patch: Partial<CreateForm>) => setForm((now) => ({ ...now, ...patch }));
  const text = (key: TextKey, options: { hint?: string; placeholder?: string; list?: string[]; required?: boolean } = {}) => (
    <Field
      label={t(`create.${key}`)}
      hint={options.hint}
      required={options.required ?? true}
      error={errors[key] ? t(errors[key] === 'name' ? 'create.badName' : 'create.missing') : undefined}
    >
      {({ id, describedBy, invalid }) => (
        <>
          <TextInput
            id={id}
            aria-describedby={describedBy}
            aria-invalid={invalid}
            value={form[key]}
            placeholder={options.placeholder}
            list={options.list?.length ? `${id}-list` : undefined}
            autoFocus={key === 'name'}
            onChange={(event) => set({ [key]: event.target.value })}
          />
          {options.list?.length ? (
            <datalist id={`${id}-list`}>{options.list.slice(0, 200).map((value) => <option key={value} value={value} />)}</datalist>
          ) : null}
        </>
      )}
    </Field>
  );
  const submit = () => {
    setTried(true);
    if (Object.keys(checkForm(form)).length === 0) create.mutate();
  };
  // Known values, offered while typing.
  const facets = knownFacets(client);
  const names = (facet: keyof Facets) => Object.keys(facets[facet] ?? {}).filter(Boolean).sort();
  return (
    <Dialog
      title={t('create.title')}
      description={t('create.subtitle')}
      width={620}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{t('common.cancel')}</Button>
          <Button tone="primary" busy={create.isPending} type="submit" form="create-application">{t('create.submit')}</Button>
        </>
      }
    >
      <form
        id="create-application"
        className={styles.form}
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <div className={styles.two}>{text('name', { placeholder: 'fraud-detector' })}{text('project', { list: names('project') })}</div>
        <h3 className={styles.section}>{t('create.source')}</h3>
        {text('repoURL', { placeholder: 'https://git.example.com/team/serving.git', list: names('repo') })}
        <div className={styles.two}>{text('path', { hint: t('create.pathHint') })}{text('targetRevision', { hint: t('create.revisionHint'), required: false })}</div>
        <h3 className={styles.section}>{t('create.destination')}</h3>
        <div className={styles.two}>{text('cluster', { hint: t('create.clusterHint'), list: names('cluster') })}{text('namespace', { list: names('namespace') })}</div>
        <h3 className={styles.section}>{t('create.policy')}</h3>
        <div className={styles.checks}>
          <Checkbox label={t('create.automated')} hint={t('create.automatedHint')} checked={form.automated} onChange={(automated) => set({ automated })} />
          <Checkbox label={t('create.prune')} hint={t('create.pruneHint')} disabled={!form.automated} checked={form.automated && form.prune} onChange={(prune) => set({ prune })} />
          <Checkbox label={t('create.selfHeal')} hint={t('create.selfHealHint')} disabled={!form.automated} checked={form.automated && form.selfHeal} onChange={(selfHeal) => set({ selfHeal })} />
          <Checkbox label={t('create.createNamespace')} checked={form.createNamespace} onChange={(createNamespace) => set({ createNamespace })} />
        </div>
        {create.isError ? <p role="alert" className={styles.error}>{create.error.message}</p> : null}
      </form>
    </Dialog>
  );
}
