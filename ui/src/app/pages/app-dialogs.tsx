import { useNavigate } from '@tanstack/react-router';
import { lazy } from 'react';
import type { Application } from '@/api-types';
import type { AppSearch } from '../app-search';

const SyncDialog = lazy(() => import('@/features/application/components/sync-dialog').then((module) => ({ default: module.SyncDialog })));
const OperationDialog = lazy(() => import('@/features/application/components/operation-dialog').then((module) => ({ default: module.OperationDialog })));
const RollbackDialog = lazy(() => import('@/features/application/components/rollback-dialog').then((module) => ({ default: module.RollbackDialog })));
const DeleteDialog = lazy(() => import('@/features/application/components/delete-dialog').then((module) => ({ default: module.DeleteDialog })));

interface Props {
  app: Application;
  search: AppSearch;
  set: (patch: Partial<AppSearch>, replace?: boolean) => void;
}

/** The dialogs of the application page: which one is open stands in the address. */
export function AppDialogs({ app, search, set }: Props) {
  const navigate = useNavigate();
  const close = () => set({ dialog: undefined, objects: undefined, id: undefined }, true);
  switch (search.dialog) {
    case 'sync': return <SyncDialog app={app} preset={search.objects} onClose={close} />;
    case 'operation': return <OperationDialog app={app} onClose={close} />;
    case 'rollback': return <RollbackDialog app={app} id={search.id ?? -1} onClose={close} />;
    case 'delete': return <DeleteDialog app={app} onClose={close} onDeleted={() => void navigate({ to: '/applications' })} />;
    case undefined: return null;
  }
}
