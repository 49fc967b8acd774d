import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { Application } from '@/api-types';
import { toastError, toastSuccess } from '@/components/toast';
import { refreshApplication, terminateOperation, type RefreshKind } from '@/lib/api/actions';
import { appId, newest } from '@/lib/application';
import { applicationQuery } from '../api/application';

/** The actions that need no dialog. Each says how it ended. */
export function useActions(app: Application) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const id = appId(app);
  const refresh = useMutation({
    mutationFn: (kind: RefreshKind) => refreshApplication(id, kind),
    onSuccess: (next) => {
      client.setQueryData<Application>(applicationQuery(id).queryKey, (held) => newest(held, next));
      void client.invalidateQueries({ queryKey: ['managed-resources', id.namespace, id.name] });
    },
    onError: (error) => toastError(t('actions.refreshFailed'), error),
  });
  const terminate = useMutation({
    mutationFn: () => terminateOperation(id),
    onSuccess: () => toastSuccess(t('actions.terminating')),
    onError: (error) => toastError(t('actions.terminateFailed'), error),
  });
  return { refresh, terminate };
}
