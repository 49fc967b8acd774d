import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { CodeView } from '@/components/code-view';
import { CopyButton } from '@/components/copy-button';
import { Empty, ErrorPanel, Skeleton } from '@/components/empty';
import { Checkbox } from '@/components/field';
import { resourceQuery } from '@/lib/api/resource';
import type { AppId } from '@/lib/application';
import { toYaml, withoutManagedFields } from '@/lib/manifest';
import type { GraphNode } from '../graph';
import styles from './node-panel.module.css';

export function LiveManifest({ id, node }: { id: AppId; node: GraphNode }) {
  const { t } = useTranslation();
  const [managedFields, setManagedFields] = useState(false);
  const missing = node.health === 'Missing';
  const query = useQuery({ ...resourceQuery(id, node.ref), enabled: !missing });
  const text = useMemo(() => (query.data ? toYaml(managedFields ? query.data : withoutManagedFields(query.data)) : ''), [query.data, managedFields]);
  if (missing) return <Empty title={t('resource.missing')}>{t('resource.missingHint')}</Empty>;
  if (query.isPending) return <Skeleton lines={10} />;
  if (query.isError && !query.data) return <ErrorPanel error={query.error} onRetry={() => void query.refetch()} />;
  return (
    <>
      <div className={styles.bar}>
        <Checkbox label={t('panel.managedFields')} checked={managedFields} onChange={setManagedFields} />
        <span className={styles.spacer} />
        <CopyButton text={text} />
      </div>
      <CodeView text={text} label={t('panel.manifest')} />
    </>
  );
}
