import { useCallback, useRef, useState, type KeyboardEvent, type RefObject } from 'react';

interface Options {
  count: number;
  columns?: number;
  scrollTo: (index: number) => void;
  onOpen: (index: number) => void;
  onEscape?: () => void;
}

interface Roving {
  active: number;
  setActive: (index: number) => void;
  container: RefObject<HTMLDivElement | null>;
  onKeyDown: (event: KeyboardEvent<HTMLElement>) => void;
  focus: (index: number) => void;
}

/** Arrow keys, Home, End, Page keys and Enter over a virtualised list whose items carry `data-index`. */
export function useRoving({ count, columns = 1, scrollTo, onOpen, onEscape }: Options): Roving {
  const [active, setActive] = useState(0);
  const container = useRef<HTMLDivElement>(null);

  const focus = useCallback(
    (index: number) => {
      setActive(index);
      scrollTo(index);
      // The item may have to be drawn first.
      requestAnimationFrame(() => {
        requestAnimationFrame(() => {
          container.current?.querySelector<HTMLElement>(`[data-index="${index}"]`)?.focus({ preventScroll: true });
        });
      });
    },
    [scrollTo],
  );

  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    if (event.target instanceof HTMLInputElement || event.metaKey || event.ctrlKey || event.altKey) return;
    const target = targetOf(event.key, active, count, columns);
    if (target !== undefined) {
      event.preventDefault();
      if (count > 0) focus(target);
    } else if (event.key === 'Enter' && (event.target as HTMLElement).dataset.index !== undefined) {
      event.preventDefault();
      onOpen(active);
    } else if (event.key === 'Escape') onEscape?.();
  };
  return { active: Math.min(active, Math.max(0, count - 1)), setActive, container, onKeyDown, focus };
}

/** Where a key leads from `active`, or undefined when it is not one of ours. */
export function targetOf(key: string, active: number, count: number, columns: number): number | undefined {
  const last = Math.max(0, count - 1);
  const within = (index: number) => Math.min(last, Math.max(0, index));
  switch (key) {
    case 'ArrowDown': return within(active + columns);
    case 'ArrowUp': return within(active - columns);
    case 'ArrowRight': return columns > 1 ? within(active + 1) : undefined;
    case 'ArrowLeft': return columns > 1 ? within(active - 1) : undefined;
    case 'PageDown': return within(active + 10 * columns);
    case 'PageUp': return within(active - 10 * columns);
    case 'Home': return 0;
    case 'End': return last;
    default: return undefined;
  }
}
