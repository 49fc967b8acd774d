export type * from './application';
export { HEALTH_STATUSES, SYNC_STATUSES } from './application';
export type * from './kubernetes';
export type * from './resource';
export type * from './rollout';
export { ROLLOUT_PHASES } from './rollout';
export type * from './session';
