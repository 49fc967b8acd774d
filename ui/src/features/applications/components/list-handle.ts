import { useImperativeHandle, type Ref } from 'react';

/** Lets the search box hand the focus on to the list below it. */
export interface ListHandle {
  focusFirst: () => void;
}

export function useListHandle(ref: Ref<ListHandle>, focus: (index: number) => void): void {
  useImperativeHandle(ref, () => ({ focusFirst: () => focus(0) }), [focus]);
}
