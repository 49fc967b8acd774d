import { describe, expect, it } from 'vitest';
import type { ResourceNode } from '@/api-types';
import { changedKeys } from './changes';

const node = (name: string, resourceVersion?: string, uid = name): ResourceNode => ({ kind: 'Pod', namespace: 'ns', name, resourceVersion, uid });
const keys = (before: ResourceNode[] | undefined, after: ResourceNode[]) => [...changedKeys(before && { nodes: before }, { nodes: after })].sort();

describe('changed objects', () => {
  it('are those that came, went, moved to another version, or were made anew', () => {
    expect(keys([node('same', '1'), node('moved', '1'), node('gone', '1'), node('anew', '1', 'a')], [node('same', '1'), node('moved', '2'), node('new', '1'), node('anew', '1', 'b')]))
      .toEqual(['/Pod/ns/anew', '/Pod/ns/gone', '/Pod/ns/moved', '/Pod/ns/new']);
  });
  it('are all of them where nothing was known or versions are not told', () => {
    expect(keys(undefined, [node('a', '1')])).toEqual(['/Pod/ns/a']);
    expect(keys([node('a')], [node('a')])).toEqual(['/Pod/ns/a']);
  });
});
