import clsx from 'clsx';
import { memo, useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { lineDiff, type DiffLine } from '@/lib/diff';
import { YamlLine } from './code-view';
import styles from './code.module.css';

/** Rows beyond this are not drawn; the whole text stays one click away in the manifests. */
const ROW_LIMIT = 4_000;

interface Props {
  live: string;
  desired: string;
  /** Only the changed lines and some around them. */
  compact: boolean;
  label: string;
}

/** What a sync would change: red goes, green comes. */
export const DiffView = memo(function DiffView({ live, desired, compact, label }: Props) {
  const { t } = useTranslation();
  const lines = useMemo(() => lineDiff(live, desired, compact ? 3 : Infinity), [live, desired, compact]);
  const shown = lines.slice(0, ROW_LIMIT);
  return (
    <div className={styles.scroller} role="region" aria-label={label} tabIndex={0}>
      <div className={styles.plainLines}>
        {shown.map((line, index) =>
          line.kind === 'gap' ? (
            <div key={index} className={styles.gap}>{t('diff.hiddenLines', { count: line.hidden ?? 0 })}</div>
          ) : (
            <DiffRow key={index} line={line} />
          ),
        )}
        {lines.length > ROW_LIMIT ? <div className={styles.gap}>{t('diff.hiddenLines', { count: lines.length - ROW_LIMIT })}</div> : null}
      </div>
    </div>
  );
});

function DiffRow({ line }: { line: DiffLine }) {
  const { t } = useTranslation();
  const sign = line.kind === 'added' ? '+' : line.kind === 'removed' ? '−' : '';
  return (
    <div className={clsx(styles.diffRow, styles[line.kind])}>
      <span aria-hidden className={clsx(styles.gutter, styles.narrow)} data-line={line.before ?? ''} />
      <span aria-hidden className={clsx(styles.gutter, styles.narrow)} data-line={line.after ?? ''} />
      <span aria-hidden className={styles.sign}>{sign}</span>
      {sign ? <span className="sr-only">{t(line.kind === 'added' ? 'diff.added' : 'diff.removed')}</span> : null}
      <code className={styles.line}><YamlLine text={line.text} /></code>
    </div>
  );
}
