import { TriangleAlert } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { ResourceStatus } from '@/api-types';
import { Button } from '@/components/button';
import { Checkbox, Field, Select, TextInput } from '@/components/field';
import { KindIcon } from '@/components/kind-icon';
import { Sync } from '@/components/status';
import { resourceKey } from '@/lib/resource-key';
import { PROPAGATION, TOGGLE_OPTIONS, toggleOption, type SyncChoices } from '../sync-request';
import styles from './sync-dialog.module.css';

interface Props {
  /** The revision that is synced unless another one is named. */
  followed: string;
  choices: SyncChoices;
  onChange: (next: SyncChoices) => void;
  managed: readonly ResourceStatus[];
}

export function SyncForm({ followed, choices, onChange, managed }: Props) {
  const { t } = useTranslation();
  const set = (patch: Partial<SyncChoices>) => onChange({ ...choices, ...patch });
  const extra = managed.filter((resource) => resource.requiresPruning);
  const propagation = choices.options.find((option) => option.startsWith('PrunePropagationPolicy='))?.split('=')[1] ?? '';
  return (
    <div className={styles.form}>
      <Field label={t('sync.revision')} hint={t('sync.revisionHint')}>
        {({ id, describedBy }) => (
          <TextInput id={id} aria-describedby={describedBy} value={choices.revision} placeholder={followed} onChange={(event) => set({ revision: event.target.value })} />
        )}
      </Field>
      <div className={styles.grid}>
        <Checkbox label={t('sync.prune')} hint={t('sync.pruneHint')} checked={choices.prune} onChange={(prune) => set({ prune })} />
        <Checkbox label={t('sync.dryRun')} hint={t('sync.dryRunHint')} checked={choices.dryRun} onChange={(dryRun) => set({ dryRun })} />
        <Checkbox label={t('sync.applyOnly')} hint={t('sync.applyOnlyHint')} checked={choices.applyOnly} onChange={(applyOnly) => set({ applyOnly })} />
        <Checkbox label={t('sync.force')} hint={t('sync.forceHint')} checked={choices.force} onChange={(force) => set({ force })} />
      </div>
      {choices.prune && extra.length > 0 ? (
        <p className={styles.warning}><TriangleAlert aria-hidden size={15} />{t('sync.willPrune', { count: extra.length, names: extra.slice(0, 5).map((each) => `${each.kind}/${each.name}`).join(', ') })}</p>
      ) : null}
      <details className={styles.options}>
        <summary>{t('sync.options')}{choices.options.length > 0 ? <span className={styles.optionCount}>{choices.options.join(', ')}</span> : null}</summary>
        <div className={styles.grid}>
          {TOGGLE_OPTIONS.map((option) => (
            <Checkbox key={option} label={t(`sync.option.${option}`)} hint={option} checked={choices.options.includes(option)} onChange={(on) => set({ options: toggleOption(choices.options, option, on) })} />
          ))}
          <Field label={t('sync.propagation')}>
            {({ id }) => (
              <Select id={id} value={propagation} onChange={(event) => set({ options: toggleOption(choices.options, `PrunePropagationPolicy=${event.target.value}`, event.target.value !== '') })}>
                <option value="">{t('sync.propagationDefault')}</option>
                {PROPAGATION.map((policy) => <option key={policy} value={policy}>{policy}</option>)}
              </Select>
            )}
          </Field>
        </div>
      </details>
      <ObjectPicker managed={managed} chosen={choices.resources} onChange={(resources) => set({ resources })} />
    </div>
  );
}

function ObjectPicker({ managed, chosen, onChange }: { managed: readonly ResourceStatus[]; chosen: SyncChoices['resources']; onChange: (next: SyncChoices['resources']) => void }) {
  const { t } = useTranslation();
  const [needle, setNeedle] = useState('');
  const shown = managed.filter((resource) => `${resource.kind}/${resource.name}`.toLowerCase().includes(needle.toLowerCase()));
  const isOn = (resource: ResourceStatus) => chosen === 'all' || chosen.has(resourceKey(resource));
  const toggle = (resource: ResourceStatus, on: boolean) => {
    const next = new Set(chosen === 'all' ? managed.map(resourceKey) : chosen);
    if (on) next.add(resourceKey(resource));
    else next.delete(resourceKey(resource));
    onChange(next.size === managed.length ? 'all' : next);
  };
  const count = chosen === 'all' ? managed.length : chosen.size;
  return (
    <fieldset className={styles.picker}>
      <legend className={styles.legend}>{t('sync.objects')} <span className={styles.faint}>{count} / {managed.length}</span></legend>
      <div className={styles.pickerBar}>
        <Button size="s" onClick={() => onChange('all')}>{t('sync.all')}</Button>
        <Button size="s" onClick={() => onChange(new Set(managed.filter((each) => each.status !== 'Synced').map(resourceKey)))}>{t('sync.outOfSync')}</Button>
        <Button size="s" onClick={() => onChange(new Set())}>{t('sync.none')}</Button>
        <TextInput className={styles.needle} placeholder={t('filters.find')} aria-label={t('filters.find')} value={needle} onChange={(event) => setNeedle(event.target.value)} />
      </div>
      <ul className={styles.objects}>
        {shown.slice(0, 500).map((resource) => (
          <li key={resourceKey(resource)} className={styles.object}>
            <Checkbox
              checked={isOn(resource)}
              onChange={(on) => toggle(resource, on)}
              label={<span className={styles.objectLabel}><KindIcon kind={resource.kind} size={14} /><span className={styles.faint}>{resource.kind}</span> {resource.name}</span>}
            />
            <span className={styles.objectState}>
              {resource.requiresPruning ? <span className={styles.pruned}>{t('resource.notInGit')}</span> : null}
              {resource.status ? <Sync status={resource.status} size={13} iconOnly={resource.status === 'Synced'} /> : null}
            </span>
          </li>
        ))}
        {shown.length > 500 ? <li className={styles.faint}>{t('filters.more', { count: shown.length - 500 })}</li> : null}
      </ul>
      {chosen !== 'all' ? <p className={styles.faint}>{t('sync.selectiveHint')}</p> : null}
    </fieldset>
  );
}
