import type { Application, ApplicationList, ApplicationWatchEvent } from '@/api-types';
import { appId, appKey, healthOf, syncOf } from '@/lib/application';

/** How watch events change what is held. Pure; the hooks put the results into the query cache. */

/** True when `next` was seen before `held`: streams and lists race, and the newer one stays. */
export function isOlder(next: Application, held: Application): boolean {
  if (next.metadata.uid !== held.metadata.uid) return false;
  const a = Number(next.metadata.resourceVersion);
  const b = Number(held.metadata.resourceVersion);
  return Number.isFinite(a) && Number.isFinite(b) && a < b;
}

/** The full set after a batch of events; the same set when none of them says anything new. */
export function applyToAll(apps: ReadonlyMap<string, Application>, events: readonly ApplicationWatchEvent[]): ReadonlyMap<string, Application> {
  let next: Map<string, Application> | undefined;
  for (const event of events) {
    const key = appKey(appId(event.application));
    const held = (next ?? apps).get(key);
    if (event.type === 'DELETED') {
      if (!held) continue;
      next ??= new Map(apps);
      next.delete(key);
    } else {
      if (held && isOlder(event.application, held)) continue;
      if (held?.metadata.resourceVersion && held.metadata.resourceVersion === event.application.metadata.resourceVersion) continue;
      next ??= new Map(apps);
      next.set(key, event.application);
    }
  }
  return next ?? apps;
}

/** One page of a server-side list after a batch of events: items that are on it are replaced in place. */
export function applyToPage(page: ApplicationList, events: readonly ApplicationWatchEvent[]): ApplicationList {
  const latest = new Map<string, Application>();
  for (const event of events) if (event.type !== 'DELETED') latest.set(appKey(appId(event.application)), event.application);
  const before = page.items ?? [];
  const items = before.map((held) => {
    const next = latest.get(appKey(appId(held)));
    return !next || isOlder(next, held) ? held : next;
  });
  return items.some((item, index) => item !== before[index]) ? { ...page, items } : page;
}

/** Whether a batch can change which items a filtered, sorted list has, or its counts. */
export function affectsOrder(held: (key: string) => Application | undefined, events: readonly ApplicationWatchEvent[]): boolean {
  return events.some(({ type, application }) => {
    const before = held(appKey(appId(application)));
    if (type === 'DELETED' || !before) return true;
    return healthOf(before) !== healthOf(application) || syncOf(before) !== syncOf(application);
  });
}
