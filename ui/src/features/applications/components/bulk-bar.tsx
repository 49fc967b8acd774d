import { useMutation } from '@tanstack/react-query';
import { RefreshCw, Upload, X } from 'lucide-react';
import { useTranslation } from 'react-i18next';
import { Button, IconButton } from '@/components/button';
import { toastError, toastSuccess } from '@/components/toast';
import { refreshApplication, syncApplication } from '@/lib/api/actions';
import type { AppId } from '@/lib/application';
import styles from './bulk-bar.module.css';

/** Enough at a time to be quick, few enough not to crowd out the rest of the page. */
const PARALLEL = 4;

async function forEachApp(ids: readonly AppId[], action: (id: AppId) => Promise<unknown>): Promise<string[]> {
  const queue = [...ids];
  const failures: string[] = [];
  const work = async () => {
    for (let id = queue.shift(); id; id = queue.shift()) {
      const { name } = id;
      await action(id).catch((error: unknown) => failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`));
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  return failures;
}

export function BulkBar({ selected, onClear }: { selected: ReadonlySet<string>; onClear: () => void }) {
  const { t } = useTranslation();
  const ids = [...selected].map((key) => {
    const slash = key.indexOf('/');
    return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
  });
  const run = useMutation({
    mutationFn: (kind: 'sync' | 'refresh') =>
      forEachApp(ids, (id) => (kind === 'sync' ? syncApplication(id, {}) : refreshApplication(id, 'normal'))),
    onSuccess: (failures, kind) => {
      if (failures.length > 0) toastError(t('bulk.failed', { count: failures.length }), new Error(failures.slice(0, 5).join('\n')));
      else {
        toastSuccess(t(kind === 'sync' ? 'bulk.synced' : 'bulk.refreshed', { count: ids.length }));
        onClear();
      }
    },
  });
  return (
    <div className={styles.bar} role="toolbar" aria-label={t('bulk.title')}>
      <span>{t('bulk.selected', { count: selected.size })}</span>
      <Button size="s" icon={<RefreshCw aria-hidden />} busy={run.isPending && run.variables === 'refresh'} disabled={run.isPending} onClick={() => run.mutate('refresh')}>{t('actions.refresh')}</Button>
      <Button size="s" tone="primary" icon={<Upload aria-hidden />} busy={run.isPending && run.variables === 'sync'} disabled={run.isPending} onClick={() => run.mutate('sync')}>{t('actions.sync')}</Button>
      <IconButton label={t('bulk.clear')} onClick={onClear}><X /></IconButton>
    </div>
  );
}
