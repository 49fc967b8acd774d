import { useVirtualizer } from '@tanstack/react-virtual';
import clsx from 'clsx';
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import type { LogLine } from '../log-buffer';
import styles from './logs.module.css';

const ROW = 18;
/** Closer to the end than this counts as being at the end. */
const NEAR_END = 40;

interface Props {
  lines: readonly LogLine[];
  follow: boolean;
  wrap: boolean;
  times: boolean;
  filter: string;
}

export function LogLines({ lines, follow, wrap, times, filter }: Props) {
  const { t } = useTranslation();
  const scroller = useRef<HTMLDivElement>(null);
  /** Someone who scrolled up wants to read: new lines must not pull them away. */
  const atEnd = useRef(true);
  const virtualizer = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    getItemKey: (index) => lines[index]?.number ?? index,
    overscan: 40,
  });
  const last = lines.at(-1)?.number;
  useEffect(() => {
    if (follow && atEnd.current && lines.length > 0) virtualizer.scrollToIndex(lines.length - 1, { align: 'end' });
  }, [follow, last, lines.length, virtualizer]);
  return (
    <div
      ref={scroller}
      className={clsx(styles.lines, wrap && styles.wrap)}
      role="log"
      aria-label={t('panel.logs')}
      aria-live="off"
      tabIndex={0}
      onScroll={(event) => {
        const { scrollHeight, scrollTop, clientHeight } = event.currentTarget;
        atEnd.current = scrollHeight - scrollTop - clientHeight < NEAR_END;
      }}
    >
      <div className={styles.canvas} style={{ height: virtualizer.getTotalSize() }}>
        {virtualizer.getVirtualItems().map((item) => {
          const line = lines[item.index];
          if (!line) return null;
          return (
            <div key={item.key} ref={wrap ? virtualizer.measureElement : undefined} data-index={item.index} className={styles.line} style={{ transform: `translateY(${item.start}px)` }}>
              {times ? <span className={styles.time}>{line.time}</span> : null}
              <Highlighted text={line.text} needle={filter.replace(/^!/, '')} />
            </div>
          );
        })}
      </div>
    </div>
  );
}

function Highlighted({ text, needle }: { text: string; needle: string }) {
  const at = needle ? text.toLowerCase().indexOf(needle.toLowerCase()) : -1;
  if (at < 0) return <span>{text || ' '}</span>;
  return (
    <span>
      {text.slice(0, at)}
      <mark className={styles.mark}>{text.slice(at, at + needle.length)}</mark>
      {text.slice(at + needle.length)}
    </span>
  );
}
