import type { ResourceRef } from '@/api-types';

/** `group/Kind/namespace/name`: names an object in addresses, maps and lists. */
export function resourceKey(ref: Pick<ResourceRef, 'group' | 'kind' | 'namespace' | 'name'>): string {
  return [ref.group ?? '', ref.kind, ref.namespace ?? '', ref.name].join('/');
}

export function parseResourceKey(key: string): ResourceRef | undefined {
  const [group, kind, namespace, ...name] = key.split('/');
  if (group === undefined || !kind || namespace === undefined || name.length === 0) return undefined;
  return { group, kind, namespace, name: name.join('/') };
}

/** What a person would call it: `apps/Deployment`. */
export function groupKind(ref: Pick<ResourceRef, 'group' | 'kind'>): string {
  return ref.group ? `${ref.group}/${ref.kind}` : ref.kind;
}
