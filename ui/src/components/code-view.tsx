import { useVirtualizer } from '@tanstack/react-virtual';
import clsx from 'clsx';
import { memo, useMemo, useRef } from 'react';
import { yamlTokens } from '@/lib/yaml-tokens';
import styles from './code.module.css';

const ROW = 19;
/** Up to here all lines are in the page, so that the browser's own find and selection work. */
const PLAIN_LIMIT = 1_500;

export const YamlLine = memo(function YamlLine({ text }: { text: string }) {
  return (
    <>
      {yamlTokens(text).map((token, index) => (
        <span key={index} className={styles[token.kind]}>{token.text}</span>
      ))}
    </>
  );
});

/** Read-only YAML with line numbers; long documents are virtualised. */
export function CodeView({ text, label }: { text: string; label: string }) {
  const lines = useMemo(() => text.replace(/\n$/, '').split('\n'), [text]);
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = lines.length > PLAIN_LIMIT;
  const widest = useMemo(() => lines.reduce((max, line) => Math.max(max, line.length), 0), [lines]);
  const virtualizer = useVirtualizer({
    count: virtual ? lines.length : 0,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 30,
  });
  return (
    <div ref={scroller} className={styles.scroller} role="region" aria-label={label} tabIndex={0}>
      {virtual ? (
        <div className={styles.virtual} style={{ height: virtualizer.getTotalSize(), width: `calc(${widest}ch + 72px)` }}>
          {virtualizer.getVirtualItems().map((row) => (
            <Row key={row.key} number={row.index + 1} text={lines[row.index] ?? ''} top={row.start} />
          ))}
        </div>
      ) : (
        <div className={styles.plainLines}>
          {lines.map((line, index) => (
            <Row key={index} number={index + 1} text={line} />
          ))}
        </div>
      )}
    </div>
  );
}

const Row = memo(function Row({ number, text, top }: { number: number; text: string; top?: number }) {
  return (
    <div className={clsx(styles.row, top !== undefined && styles.floating)} style={top === undefined ? undefined : { transform: `translateY(${top}px)` }}>
      <span aria-hidden className={styles.gutter} data-line={number} />
      <code className={styles.line}><YamlLine text={text} /></code>
    </div>
  );
});
