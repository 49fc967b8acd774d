export type * from './application';
export { HEALTH_STATUSES, SYNC_STATUSES } from './application';
export type * from './kubernetes';
export type * from './resource';
export type * from './session';
