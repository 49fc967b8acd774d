import { Link } from '@tanstack/react-router';
import clsx from 'clsx';
import { GitBranch, Server, TriangleAlert, Zap } from 'lucide-react';
import { memo } from 'react';
import { useTranslation } from 'react-i18next';
import type { Application } from '@/api-types';
import { Checkbox } from '@/components/field';
import { Health, Phase, Sync } from '@/components/status';
import { Ago } from '@/components/time';
import { clusterOf, healthOf, isAutomated, isOperating, lastActivityOf, revisionOf, severityOf, sourceOf, syncOf } from '@/lib/application';
import { shortRepo, shortRevision } from '@/lib/format';
import styles from './application-table.module.css';

interface Props {
  app: Application | undefined;
  index: number;
  top: number;
  focusable: boolean;
  selected: boolean;
  onSelect: (on: boolean) => void;
  onFocus: () => void;
  onOpen: (app: Application) => void;
}

export const ApplicationRow = memo(
  function ApplicationRow({ app, index, top, focusable, selected, onSelect, onFocus, onOpen }: Props) {
    const { t } = useTranslation();
    const place = { transform: `translateY(${top}px)` };
    if (!app) {
      return (
        <div role="row" aria-rowindex={index + 2} aria-busy className={styles.row} style={place}>
          <span className={styles.ghost} />
        </div>
      );
    }
    const source = sourceOf(app);
    const problem = app.status?.conditions?.find((condition) => severityOf(condition) === 'error');
    return (
      <div
        role="row"
        aria-rowindex={index + 2}
        aria-selected={selected}
        data-index={index}
        tabIndex={focusable ? 0 : -1}
        className={clsx(styles.row, selected && styles.selected, app.metadata.deletionTimestamp && styles.deleting)}
        style={place}
        onFocus={onFocus}
        onClick={() => onOpen(app)}
      >
        <span role="gridcell" className={styles.check} onClick={(event) => event.stopPropagation()}>
          <Checkbox labelHidden label={t('applications.select', { name: app.metadata.name })} checked={selected} onChange={onSelect} />
        </span>
        <span role="gridcell" className={styles.cell}>
          <span className={styles.main}>
            <Link
              to="/applications/$namespace/$name"
              params={{ namespace: app.metadata.namespace ?? '', name: app.metadata.name }}
              tabIndex={-1}
              className={styles.name}
              onClick={(event) => event.stopPropagation()}
            >
              {app.metadata.name}
            </Link>
            {isAutomated(app) ? <Zap size={12} className={styles.auto} aria-label={t('app.autoSync')} /> : null}
            {problem ? <TriangleAlert size={13} className={styles.problem} aria-label={problem.type} /> : null}
          </span>
          <span className={styles.sub}>{app.spec.project || 'default'}</span>
        </span>
        <span role="gridcell" className={styles.cell}><Health status={healthOf(app)} /></span>
        <span role="gridcell" className={styles.cell}>
          {isOperating(app) ? <Phase phase={app.status?.operationState?.phase === 'Terminating' ? 'Terminating' : 'Running'} /> : <Sync status={syncOf(app)} />}
          <span className={clsx(styles.sub, styles.mono)}>{shortRevision(revisionOf(app))}</span>
        </span>
        <span role="gridcell" className={styles.cell} title={source?.repoURL}>
          <span className={styles.main}><GitBranch size={12} aria-hidden className={styles.dim} />{source ? shortRepo(source.repoURL) : '–'}</span>
          <span className={styles.sub}>{[source?.chart ?? source?.path, source?.targetRevision ?? 'HEAD'].filter(Boolean).join(' @ ')}</span>
        </span>
        <span role="gridcell" className={styles.cell}>
          <span className={styles.main}><Server size={12} aria-hidden className={styles.dim} />{clusterOf(app)}</span>
          <span className={styles.sub}>{app.spec.destination.namespace ?? '–'}</span>
        </span>
        <span role="gridcell" className={clsx(styles.cell, styles.time)}><Ago at={lastActivityOf(app)} /></span>
      </div>
    );
  },
  // The callbacks are new each time but mean the same.
  (a, b) => a.app === b.app && a.index === b.index && a.top === b.top && a.focusable === b.focusable && a.selected === b.selected,
);
