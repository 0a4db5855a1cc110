export { coordinateGet, type ReadOutcome } from './coordinate-get.ts';
export { coordinatePut, type PreparedWrite, type WriteOutcome } from './coordinate-put.ts';
export type { CoordinatorParts, CoordinatorSettings } from './coordinator-parts.ts';
export { NameHash } from './name-hash.ts';
export { RepairBudget } from './repair-budget.ts';
