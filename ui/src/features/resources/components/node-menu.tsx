import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Ellipsis, Trash2, Upload, Zap } from 'lucide-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Application, ResourceAction } from '@/api-types';
import { IconButton } from '@/components/button';
import { Menu, type MenuEntry } from '@/components/menu';
import { toastError, toastSuccess } from '@/components/toast';
import { useConfirm } from '@/components/use-confirm';
import { actionsQuery } from '@/lib/api/resource';
import { appId } from '@/lib/application';
import { deleteResource } from '../api/resources';
import type { GraphNode } from '../graph';
import { ActionDialog } from './action-dialog';

/** What can be done to one object: sync it, run its actions, delete it. */
export function NodeMenu({ app, node, onSync }: { app: Application; node: GraphNode; onSync: (() => void) | undefined }) {
  const { t } = useTranslation();
  const id = appId(app);
  const client = useQueryClient();
  const missing = node.health === 'Missing';
  const { confirm, dialog } = useConfirm();
  const [chosen, setChosen] = useState<ResourceAction>();
  const query = actionsQuery(id, node.ref, !missing);
  const actions = useQuery(query);
  const remove = useMutation({
    mutationFn: (how: 'normal' | 'force') => deleteResource(id, node.ref, how),
    onSuccess: () => toastSuccess(t('resource.deleted', { name: node.ref.name })),
    onError: (error) => toastError(t('resource.deleteFailed'), error),
  });
  const ask = (how: 'normal' | 'force') =>
    confirm({
      title: t(how === 'force' ? 'resource.forceDelete' : 'resource.delete'),
      text: t('resource.deleteText', { kind: node.ref.kind, name: node.ref.name }),
      action: t('actions.delete'),
      onConfirm: () => remove.mutate(how),
    });
  return (
    <>
      <Menu
        trigger={<IconButton label={t('actions.more')}><Ellipsis /></IconButton>}
        onOpen={() => void client.invalidateQueries({ queryKey: query.queryKey })}
        entries={[
          ...(onSync ? [{ label: t('resource.sync'), icon: <Upload />, onSelect: onSync }] : []),
          ...actionEntries((actions.data ?? []).filter((each) => !each.denied), t('resource.actions'), setChosen),
          { label: t('resource.delete'), icon: <Trash2 />, danger: true, disabled: missing, onSelect: () => ask('normal') },
          { label: t('resource.forceDelete'), icon: <Trash2 />, danger: true, disabled: missing, onSelect: () => ask('force') },
        ]}
      />
      {dialog}
      {chosen ? <ActionDialog id={id} target={node.ref} action={chosen} onClose={() => setChosen(undefined)} /> : null}
    </>
  );
}

function actionEntries(actions: readonly ResourceAction[], heading: string, onSelect: (action: ResourceAction) => void): MenuEntry[] {
  if (actions.length === 0) return [];
  return [
    { heading },
    ...actions.map((action) => ({ label: action.displayName ?? action.name, icon: <Zap />, disabled: action.disabled, onSelect: () => onSelect(action) })),
    'separator',
  ];
}
