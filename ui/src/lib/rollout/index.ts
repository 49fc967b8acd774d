export { isArgoRollout, isModelRollout, isRollout, readRollout } from './read';
export { weightsOf } from './steps';
export { summaryOf, type RolloutSummary } from './summary';
export type * from './types';
