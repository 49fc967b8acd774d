import { useState, type KeyboardEvent, type PointerEvent, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { readPreference, writePreference } from '@/lib/storage';
import styles from './resizable-panel.module.css';

const MIN = 340;
const MAX_SHARE = 0.75;

function within(width: number): number {
  return Math.round(Math.min(Math.max(MIN, width), window.innerWidth * MAX_SHARE));
}

/** A panel at the right whose left edge can be moved, by pointer or arrow keys. */
export function ResizablePanel({ children }: { children: ReactNode }) {
  const { t } = useTranslation();
  const [width, setWidth] = useState(() => within(Number(readPreference('panel')) || 560));
  const resize = (next: number) => {
    setWidth(within(next));
    writePreference('panel', String(within(next)));
  };
  const onPointerDown = (event: PointerEvent<HTMLDivElement>) => {
    event.currentTarget.setPointerCapture(event.pointerId);
    event.preventDefault();
  };
  const onPointerMove = (event: PointerEvent<HTMLDivElement>) => {
    if (event.currentTarget.hasPointerCapture(event.pointerId)) resize(window.innerWidth - event.clientX);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'ArrowLeft') resize(width + 24);
    else if (event.key === 'ArrowRight') resize(width - 24);
  };
  return (
    <div className={styles.wrap} style={{ width }}>
      <div
        role="separator"
        aria-orientation="vertical"
        aria-label={t('panel.resize')}
        aria-valuenow={width}
        tabIndex={0}
        className={styles.edge}
        onPointerDown={onPointerDown}
        onPointerMove={onPointerMove}
        onKeyDown={onKeyDown}
      />
      <div className={styles.body}>{children}</div>
    </div>
  );
}
