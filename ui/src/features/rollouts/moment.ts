/** The moment that is pointed at in any chart of a page. A store of its own: only the charts draw anew while the pointer moves. */
export interface Moment {
  get: () => number | undefined;
  set: (at: number | undefined) => void;
  subscribe: (listener: () => void) => () => void;
}

export function createMoment(): Moment {
  const listeners = new Set<() => void>();
  let moment: number | undefined;
  return {
    get: () => moment,
    set: (at) => {
      if (at === moment) return;
      moment = at;
      listeners.forEach((listener) => {
        listener();
      });
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
