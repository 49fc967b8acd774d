import type { ApplicationTree, ResourceNode } from '@/api-types';
import { resourceKey } from '@/lib/resource-key';

/** The keys of objects that are new, gone or at another version; of objects without a version nothing is known, so they count. */
export function changedKeys(before: ApplicationTree | undefined, after: ApplicationTree): Set<unknown> {
  const held = new Map(nodesOf(before).map((node) => [resourceKey(node), node]));
  const changed = new Set<unknown>();
  for (const node of nodesOf(after)) {
    const key = resourceKey(node);
    const old = held.get(key);
    if (!node.resourceVersion || old?.resourceVersion !== node.resourceVersion || old.uid !== node.uid) changed.add(key);
    held.delete(key);
  }
  for (const key of held.keys()) changed.add(key);
  return changed;
}

function nodesOf(tree: ApplicationTree | undefined): readonly ResourceNode[] {
  return [...(tree?.nodes ?? []), ...(tree?.orphanedNodes ?? [])];
}
