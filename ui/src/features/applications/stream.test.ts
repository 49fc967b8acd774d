import { describe, expect, it } from 'vitest';
import type { Application, ApplicationWatchEvent } from '@/api-types';
import { affectsOrder, applyToAll, applyToPage } from './stream';

function app(name: string, version: string, sync: 'Synced' | 'OutOfSync' = 'Synced', uid = name): Application {
  return { metadata: { name, namespace: 'argocd', uid, resourceVersion: version }, spec: { project: 'default', destination: {} }, status: { sync: { status: sync } } };
}

const event = (type: ApplicationWatchEvent['type'], application: Application): ApplicationWatchEvent => ({ type, application });
const all = new Map([['argocd/a', app('a', '5')], ['argocd/b', app('b', '6')]]);

describe('applyToAll', () => {
  it('adds, replaces and removes', () => {
    const next = applyToAll(all, [event('ADDED', app('c', '7')), event('MODIFIED', app('a', '8', 'OutOfSync')), event('DELETED', app('b', '9'))]);
    expect([...next.keys()]).toEqual(['argocd/a', 'argocd/c']);
    expect(next.get('argocd/a')?.status?.sync?.status).toBe('OutOfSync');
  });
  it('does not go back in time', () => {
    expect(applyToAll(all, [event('MODIFIED', app('a', '4', 'OutOfSync'))])).toBe(all);
  });
  it('takes a new application of an old name whatever its version', () => {
    const next = applyToAll(all, [event('ADDED', app('a', '1', 'OutOfSync', 'another'))]);
    expect(next.get('argocd/a')?.metadata.uid).toBe('another');
  });
  it('leaves the set alone when there is no news', () => {
    expect(applyToAll(all, [event('ADDED', app('a', '5')), event('DELETED', app('x', '1'))])).toBe(all);
  });
});

describe('applyToPage', () => {
  const page = { metadata: { total: 2 }, items: [app('a', '5'), app('b', '6')] };
  it('replaces in place and keeps the others', () => {
    const next = applyToPage(page, [event('MODIFIED', app('b', '7', 'OutOfSync'))]);
    expect(next.items?.[0]).toBe(page.items[0]);
    expect(next.items?.[1]?.metadata.resourceVersion).toBe('7');
  });
  it('leaves the page alone when nothing on it changed', () => {
    expect(applyToPage(page, [event('ADDED', app('c', '9')), event('MODIFIED', app('a', '3'))])).toBe(page);
  });
});

describe('affectsOrder', () => {
  const held = (key: string) => all.get(key);
  it('is true when items come, go or change state', () => {
    expect(affectsOrder(held, [event('ADDED', app('c', '9'))])).toBe(true);
    expect(affectsOrder(held, [event('DELETED', app('a', '9'))])).toBe(true);
    expect(affectsOrder(held, [event('MODIFIED', app('a', '9', 'OutOfSync'))])).toBe(true);
  });
  it('is false for changes that no filter or count sees', () => {
    expect(affectsOrder(held, [event('MODIFIED', app('a', '9'))])).toBe(false);
  });
});
