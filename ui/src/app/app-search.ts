import { PANEL_TABS, type PanelTab } from '@/features/resources/panel-tabs';

/** What the application page shows, as it stands in the address. */

export const APP_VIEWS = ['tree', 'list', 'models', 'diff', 'history', 'events', 'spec'] as const;
export type AppView = (typeof APP_VIEWS)[number];
export const APP_DIALOGS = ['sync', 'operation', 'rollback', 'delete'] as const;
export type AppDialog = (typeof APP_DIALOGS)[number];

export interface AppSearch {
  view?: AppView;
  node?: string;
  /** Which target of the rollout that `node` names. */
  target?: string;
  tab?: PanelTab;
  dialog?: AppDialog;
  /** The history entry to roll back to. */
  id?: number;
  /** Objects chosen for a sync. */
  objects?: string[];
}

export function parseAppSearch(raw: Record<string, unknown>): AppSearch {
  const out: AppSearch = {};
  const view = APP_VIEWS.find((each) => each === raw.view);
  if (view) out.view = view;
  if (typeof raw.node === 'string' && raw.node) out.node = raw.node;
  if (typeof raw.target === 'string' && raw.target) out.target = raw.target;
  const tab = PANEL_TABS.find((each) => each === raw.tab);
  if (tab) out.tab = tab;
  const dialog = APP_DIALOGS.find((each) => each === raw.dialog);
  if (dialog) out.dialog = dialog;
  const id = Number(raw.id);
  if (raw.id !== undefined && Number.isInteger(id)) out.id = id;
  const objects = (Array.isArray(raw.objects) ? raw.objects : [raw.objects]).filter((each): each is string => typeof each === 'string' && each !== '');
  if (objects.length > 0) out.objects = objects;
  return out;
}
