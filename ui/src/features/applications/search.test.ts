import { describe, expect, it } from 'vitest';
import { parseSearch, stringifySearch } from '@/app/search-params';
import type { Application, HealthStatusCode, SyncStatusCode } from '@/api-types';
import { countFacets, matches, parseListSearch, sortApplications, toggleFacet, toListQuery } from './search';

function app(name: string, health: HealthStatusCode, sync: SyncStatusCode, project = 'default'): Application {
  return {
    metadata: { name, namespace: 'argocd', labels: { team: 'risk' } },
    spec: { project, source: { repoURL: 'https://git.example.com/team/serving.git', path: name }, destination: { server: 'https://kubernetes.default.svc', namespace: 'ns' } },
    status: { health: { status: health }, sync: { status: sync } },
  };
}

const apps = [app('b', 'Healthy', 'Synced'), app('a', 'Degraded', 'OutOfSync', 'risk'), app('c', 'Healthy', 'OutOfSync', 'risk')];

describe('the address of the list', () => {
  it('goes to text and back', () => {
    const search = { q: 'fraud model', view: 'tiles' as const, sort: 'health' as const, desc: true, health: ['Degraded', 'Missing'], repo: ['https://git.example.com/a.git'] };
    const text = stringifySearch(search);
    expect(text).toBe('?q=fraud+model&view=tiles&sort=health&desc=true&health=Degraded&health=Missing&repo=https://git.example.com/a.git');
    expect(parseListSearch(parseSearch(text))).toEqual(search);
  });
  it('reads addresses typed by hand', () => {
    expect(parseListSearch(parseSearch('?health=Degraded&sort=nonsense&view=&q=&project=12&desc=maybe'))).toEqual({ health: ['Degraded'], project: ['12'] });
  });
  it('stays short when nothing is chosen', () => {
    expect(stringifySearch({ view: undefined, health: [], q: '' })).toBe('');
  });
  it('turns a filter on and off', () => {
    const on = toggleFacet({}, 'health', 'Missing');
    expect(on.health).toEqual(['Missing']);
    expect(toggleFacet(on, 'health', 'Missing').health).toBeUndefined();
  });
  it('asks the API for the same', () => {
    expect(toListQuery({ q: 'x', sort: 'health', desc: true, sync: ['OutOfSync'] })).toMatchObject({ search: 'x', sort: '-health', sync: ['OutOfSync'] });
  });
});

describe('filtering in the browser', () => {
  const names = (search: Parameters<typeof matches>[1]) => apps.filter((each) => matches(each, search)).map((each) => each.metadata.name);
  it('matches all dimensions, and any value within one', () => {
    expect(names({ health: ['Healthy', 'Degraded'], sync: ['OutOfSync'] })).toEqual(['a', 'c']);
    expect(names({ project: ['risk'], health: ['Healthy'] })).toEqual(['c']);
    expect(names({ cluster: ['in-cluster'] })).toEqual(['b', 'a', 'c']);
  });
  it('finds every word, in names, repositories and labels', () => {
    expect(names({ q: 'SERVING a' })).toEqual(['b', 'a', 'c']);
    expect(names({ q: 'team=risk c' })).toEqual(['b', 'a', 'c']);
    expect(names({ q: 'nothing' })).toEqual([]);
  });
  it('counts a dimension without its own filter', () => {
    const facets = countFacets(apps, { health: ['Degraded'] });
    expect(facets.health).toEqual({ Healthy: 2, Degraded: 1 });
    expect(facets.sync).toEqual({ OutOfSync: 1 });
  });
  it('sorts the worst first, then by name', () => {
    expect(sortApplications(apps, 'health').map((each) => each.metadata.name)).toEqual(['a', 'b', 'c']);
    expect(sortApplications(apps, 'name', true).map((each) => each.metadata.name)).toEqual(['c', 'b', 'a']);
  });
  it('does not fail on applications without status', () => {
    const bare: Application = { metadata: { name: 'x' }, spec: { project: '', destination: {} } };
    expect(countFacets([bare], {}).health).toEqual({ Unknown: 1 });
    expect(sortApplications([bare, ...apps], 'activity')).toHaveLength(4);
  });
});
