import { useNavigate, useSearch } from '@tanstack/react-router';
import { lazy, Suspense, useCallback, useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import type { Application } from '@/api-types';
import { ApplicationList } from '@/features/applications/components/application-list';
import type { ListSearch } from '@/features/applications/search';
import { isNarrow, readPreference, writePreference } from '@/lib/storage';

const CreateDialog = lazy(() => import('@/features/applications/components/create-dialog').then((module) => ({ default: module.CreateDialog })));

export function ApplicationsPage() {
  const { t } = useTranslation();
  const search = useSearch({ from: '/shell/applications' });
  const navigate = useNavigate({ from: '/applications' });
  // The address decides; without one, the view used last.
  const preference = readPreference('view') ?? (isNarrow() ? 'tiles' : 'table');
  const view = search.view ?? (preference === 'tiles' ? 'tiles' : undefined);
  const setSearch = useCallback(
    (next: ListSearch, replace = false) => {
      if (next.view !== view) writePreference('view', next.view ?? 'table');
      void navigate({ search: next, replace });
    },
    [navigate, view],
  );
  const open = useCallback(
    (app: Application) => void navigate({ to: '/applications/$namespace/$name', params: { namespace: app.metadata.namespace ?? '', name: app.metadata.name } }),
    [navigate],
  );
  useEffect(() => {
    document.title = `${t('applications.title')} · Driftless`;
  }, [t]);
  return (
    <>
      <ApplicationList search={{ ...search, view }} onSearch={setSearch} onOpen={open} />
      {search.create ? (
        <Suspense>
          <CreateDialog onClose={() => setSearch({ ...search, create: undefined })} onCreated={open} />
        </Suspense>
      ) : null}
    </>
  );
}
