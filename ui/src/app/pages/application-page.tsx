import { useQuery } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import clsx from 'clsx';
import { lazy, Suspense, useCallback, useEffect, useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { Application } from '@/api-types';
import { Button } from '@/components/button';
import { Empty, ErrorPanel, Skeleton } from '@/components/empty';
import { Tabs, type Tab } from '@/components/tabs';
import { AppHeader } from '@/features/application/components/app-header';
import { Conditions } from '@/features/application/components/conditions';
import { StatusStrip } from '@/features/application/components/status-strip';
import { useActions } from '@/features/application/hooks/use-actions';
import { useApplication } from '@/features/application/hooks/use-application';
import { EventsView } from '@/features/resources/components/events-view';
import { preferredMode, Workspace } from '@/features/resources/components/workspace';
import { useLiveResources } from '@/features/resources/hooks/use-live-resources';
import { countRollouts } from '@/features/rollouts/hooks/use-rollouts';
import { treeQuery } from '@/lib/api/resource';
import { appId } from '@/lib/application';
import { ApiError } from '@/lib/http';
import type { StreamState } from '@/lib/stream';
import { useHotkey } from '@/lib/use-hotkey';
import type { AppSearch, AppView } from '../app-search';
import { AppDialogs } from './app-dialogs';
import styles from './application-page.module.css';

const AppDiff = lazy(() => import('@/features/resources/components/app-diff').then((module) => ({ default: module.AppDiff })));
const History = lazy(() => import('@/features/application/components/history').then((module) => ({ default: module.History })));
const ModelsView = lazy(() => import('@/features/rollouts/components/models-view').then((module) => ({ default: module.ModelsView })));
const SpecView = lazy(() => import('@/features/application/components/spec-view').then((module) => ({ default: module.SpecView })));

export function ApplicationPage() {
  const { t } = useTranslation();
  const { namespace, name } = useParams({ from: '/shell/applications/$namespace/$name' });
  const navigate = useNavigate();
  const id = useMemo(() => ({ namespace, name }), [namespace, name]);
  const { app, error, deleted, stream, retry } = useApplication(id);
  useEffect(() => {
    document.title = `${name} · Driftless`;
  }, [name]);
  const back = <Button onClick={() => void navigate({ to: '/applications' })}>{t('notFound.back')}</Button>;
  if (deleted) return <Empty title={t('app.deleted', { name })} action={back} />;
  if (app) return <Loaded key={`${namespace}/${name}`} app={app} stream={stream} />;
  if (error instanceof ApiError && [403, 404].includes(error.status)) return <ErrorPanel title={t('app.notFound', { name })} error={error} action={back} />;
  if (error) return <ErrorPanel title={t('app.loadFailed', { name })} error={error} onRetry={retry} />;
  return <Skeleton lines={10} />;
}

/** The tree and its list are one tab with two faces. */
type TabId = 'resources' | Exclude<AppView, 'tree' | 'list'>;

function Loaded({ app, stream }: { app: Application; stream: StreamState }) {
  const { t } = useTranslation();
  const search = useSearch({ from: '/shell/applications/$namespace/$name' });
  const navigate = useNavigate({ from: '/applications/$namespace/$name' });
  const { refresh } = useActions(app);
  const id = appId(app);
  useLiveResources(app);
  const models = useQuery({ ...treeQuery(id), select: countRollouts }).data;
  const view = search.view ?? preferredMode();
  const set = useCallback(
    (patch: Partial<AppSearch>, replace = false) => void navigate({ search: (now) => ({ ...now, ...patch }), replace }),
    [navigate],
  );
  const changed = (app.status?.resources ?? []).filter((resource) => resource.status === 'OutOfSync').length;
  const tabs: Tab<TabId>[] = [
    { value: 'resources', label: t('app.resources'), count: app.status?.resources?.length },
    { value: 'models', label: t('rollout.models'), count: models },
    { value: 'diff', label: t('app.diff'), count: changed },
    { value: 'history', label: t('app.history'), count: app.status?.history?.length },
    { value: 'events', label: t('panel.events') },
    { value: 'spec', label: t('app.spec') },
  ];
  const current: TabId = view === 'tree' || view === 'list' ? 'resources' : view;
  const show = (tab: TabId) => set({ view: tab === 'resources' ? undefined : tab, node: undefined, target: undefined, tab: undefined });
  useHotkey('s', () => set({ dialog: 'sync', objects: undefined }));
  useHotkey('r', () => refresh.mutate('normal'));
  for (const [index, tab] of tabs.entries()) {
    // eslint-disable-next-line react-hooks/rules-of-hooks -- the number of tabs never changes
    useHotkey(String(index + 1), () => show(tab.value));
  }
  const select = useCallback((node: string | undefined) => set({ node, ...(node ? {} : { tab: undefined }) }, true), [set]);
  const openModel = useCallback((node: string) => set({ view: 'models', node, tab: undefined }), [set]);
  return (
    <div className={clsx(styles.page, view === 'models' && styles.models)}>
      <AppHeader app={app} stream={stream} onSync={() => set({ dialog: 'sync', objects: undefined })} onDelete={() => set({ dialog: 'delete' })} />
      <Conditions app={app} />
      <div className={styles.status}><StatusStrip app={app} onShowOperation={() => set({ dialog: 'operation' })} onShowDiff={() => show('diff')} /></div>
      <Tabs value={current} tabs={tabs} onChange={show} label={t('app.views')}>
        <Suspense fallback={<Skeleton lines={8} />}>
          {view === 'tree' || view === 'list' ? (
            <Workspace
              app={app}
              mode={view}
              onMode={(mode) => set({ view: mode })}
              selected={search.node}
              tab={search.tab ?? 'summary'}
              onSelect={select}
              onTab={(tab) => set({ tab }, true)}
              onSync={(key) => set({ dialog: 'sync', objects: [key] })}
              onOpenModel={openModel}
            />
          ) : null}
          {view === 'models' ? (
            <ModelsView
              app={app}
              selected={search.node}
              target={search.target}
              onSelect={(node) => set({ node, target: undefined })}
              onTarget={(target) => set({ target }, true)}
              onShowObject={(node) => set({ view: undefined, node, target: undefined })}
            />
          ) : null}
          {view === 'diff' ? <AppDiff app={app} onOpen={(node) => set({ view: 'list', node, tab: 'diff' })} /> : null}
          {view === 'history' ? <History app={app} onRollback={(entry) => set({ dialog: 'rollback', id: entry })} /> : null}
          {view === 'events' ? <EventsView id={id} /> : null}
          {view === 'spec' ? <SpecView app={app} /> : null}
        </Suspense>
      </Tabs>
      {search.dialog ? <Suspense><AppDialogs app={app} search={search} set={set} /></Suspense> : null}
    </div>
  );
}
