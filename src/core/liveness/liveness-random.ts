import type { Random } from '../../environment/index.ts';

/** Chance comes from outside: it chooses whom to probe and whom to tell. */
export type LivenessRandom = Pick<Random, 'fraction'>;
