import type { ManagedResource } from '@/api-types';
import { parseState, toSortedYaml, withoutManagedFields } from '@/lib/manifest';

export type Change = 'create' | 'remove' | 'modify' | 'same';

export interface Comparison {
  change: Change;
  live: string;
  desired: string;
}

/** Both sides of one object as text. Servers send the states already normalised; raw ones stand in where they do not. */
export function compare(item: ManagedResource): Comparison {
  const live = textOf(item.normalizedLiveState) ?? textOf(item.liveState);
  const target = textOf(item.targetState);
  if (live === undefined) return { change: target === undefined ? 'same' : 'create', live: '', desired: target ?? '' };
  if (target === undefined) return { change: 'remove', live, desired: '' };
  const desired = textOf(item.predictedLiveState) ?? target;
  const changed = item.modified ?? live !== desired;
  return { change: changed && live !== desired ? 'modify' : 'same', live, desired };
}

function textOf(state: string | undefined): string | undefined {
  const object = parseState(state);
  return object && toSortedYaml(withoutManagedFields(object));
}

/** What Git says, as it was rendered. */
export function desiredText(item: ManagedResource): string | undefined {
  const object = parseState(item.targetState);
  return object && toSortedYaml(object);
}
