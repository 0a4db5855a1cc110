/** The stages of a move (docs/internals/cluster.md, Moves), as a table that the compiler holds complete. */
import type { MoveStage } from './cluster-state.ts';

/** `done`: there is no move any more. */
export type StageGoal = Exclude<MoveStage, 'planned'> | 'done';

export const stageGoals: readonly StageGoal[] = ['copying', 'switched', 'released', 'done'];

/** `copying` from `copying` begins anew: what was reported of it before counts no more. */
export const stageTransitions: {
  readonly [Stage in MoveStage]: { readonly [Goal in StageGoal]: boolean };
} = {
  planned: { copying: true, switched: false, released: false, done: false },
  copying: { copying: true, switched: true, released: false, done: false },
  switched: { copying: false, switched: false, released: true, done: false },
  released: { copying: false, switched: false, released: false, done: true },
};

/** Before the switch the old owner answers, and the move can be given up without loss. */
export function isSwitched(stage: MoveStage): boolean {
  return stage === 'switched' || stage === 'released';
}
