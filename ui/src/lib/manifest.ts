import { stringify } from 'yaml';
import type { KubernetesObject } from '@/api-types';

/** Parses a state of the managed-resources answer; an absent object is an empty text or `null` there. */
export function parseState(state: string | undefined): KubernetesObject | undefined {
  if (!state || state === 'null') return undefined;
  try {
    const parsed: unknown = JSON.parse(state);
    return typeof parsed === 'object' && parsed !== null ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** YAML as people expect to read it: no line folding, no anchors. */
export function toYaml(value: unknown): string {
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false, sortMapEntries: false });
}

/** The same with sorted keys, so that two states line up. */
export function toSortedYaml(value: unknown): string {
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false, sortMapEntries: true });
}

/** Leaves out what only tells who wrote which field. */
export function withoutManagedFields(object: KubernetesObject): KubernetesObject {
  const { metadata, ...rest } = object;
  if (!metadata || !('managedFields' in metadata)) return object;
  const kept = Object.fromEntries(Object.entries(metadata).filter(([key]) => key !== 'managedFields'));
  const ordered: Record<string, unknown> = {};
  for (const key of Object.keys(object)) ordered[key] = key === 'metadata' ? kept : (rest as Record<string, unknown>)[key];
  return ordered;
}
