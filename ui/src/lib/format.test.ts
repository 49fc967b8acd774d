import { describe, expect, it } from 'vitest';
import { duration, isValidName, relativeTime, safeHref, shortNumbers, shortRepo, shortRevision, titledLink } from './format';

const NOW = Date.parse('2026-11-01T12:00:00Z');

describe('format', () => {
  it('reads addresses with and without a title, and opens nothing but pages', () => {
    expect(titledLink('https://fraud.example.com/v1/')).toEqual({ title: 'fraud.example.com/v1', href: 'https://fraud.example.com/v1/' });
    expect(titledLink('Dashboard|https://grafana.example.com/d?a=b|c')).toEqual({ title: 'Dashboard', href: 'https://grafana.example.com/d?a=b|c' });
    expect(titledLink('|http://x')).toEqual({ title: 'x', href: 'http://x/' });
    for (const bad of ['', 'Click|javascript:alert(1)', 'javascript:alert(1)', 'Title|', 'no address']) expect(titledLink(bad)).toBeUndefined();
  });
  it('shortens commits and digests, not names', () => {
    expect(shortRevision('4f1c2a9e7b3d5f60718293a4b5c6d7e8f9012345')).toBe('4f1c2a9');
    expect(shortRevision(`sha256:${'ab'.repeat(32)}`)).toBe('abababa');
    expect(shortRevision('release-1.2')).toBe('release-1.2');
    expect(shortRevision(undefined)).toBe('');
  });
  it.each([
    ['https://git.example.com/team/repo.git', 'team/repo'],
    ['git@git.example.com:team/repo.git', 'team/repo'],
    ['file:///srv/repos/demo', 'repos/demo'],
    ['oci://registry.example.com/charts', 'registry.example.com/charts'],
  ])('shortens the repository %s', (url, short) => {
    expect(shortRepo(url)).toBe(short);
  });
  it('tells time in the language', () => {
    expect(relativeTime('2026-11-01T11:55:00Z', NOW, 'en')).toBe('5 min. ago');
    expect(relativeTime('2026-11-01T11:55:00Z', NOW, 'ko')).toBe('5분 전');
    expect(relativeTime('not a time', NOW, 'en')).toBe('');
    // A server whose clock is ahead has not done things in the future.
    expect(relativeTime('2026-11-01T12:00:02Z', NOW, 'en')).toBe('now');
    expect(relativeTime('2026-11-01T12:00:20Z', NOW, 'en')).toBe('in 20 sec.');
  });
  it('shortens numbers that are long by accident, and nothing else', () => {
    expect(shortNumbers('[0.008000000000000009]: result[0] < 0.05 holds')).toBe('[0.008]: result[0] < 0.05 holds');
    expect(shortNumbers('p 1.2345678e-9, 12.3456, v1.2.3456789, a1.23456789')).toBe('p 1.235e-9, 12.3456, v1.2.3456789, a1.23456789');
  });
  it('tells durations', () => {
    expect(duration('2026-11-01T11:59:55Z', undefined, NOW)).toBe('5s');
    expect(duration('2026-11-01T11:57:55Z', '2026-11-01T12:00:00Z', NOW)).toBe('2m 05s');
    expect(duration('2026-11-01T10:00:00Z', undefined, NOW)).toBe('2h 00m');
  });
  it.each(['javascript:alert(1)', 'data:text/html,x', 'ssh://git@example.com/x', 'git@example.com:x/y', '', 'vbscript:x'])('makes no link of %s', (address) => {
    expect(safeHref(address)).toBeUndefined();
  });
  it('makes links of http and https', () => {
    expect(safeHref('https://example.com/a')).toBe('https://example.com/a');
  });
  it('knows names that Kubernetes takes', () => {
    expect(isValidName('fraud-detector.v2')).toBe(true);
    expect(isValidName('Fraud')).toBe(false);
    expect(isValidName('-x')).toBe(false);
  });
});
