/**
 * Names the state that a plan belongs to, for people: `GENERATION.EPOCH`, the epoch being that of the last change that
 * matters to plans. So a plan that is made again of the same members has the same name.
 */
import type { ClusterState } from '../../core/index.ts';

export interface PlanOf {
  readonly generation: number;
  readonly epoch: number;
}

export function planIdOf({ generation, planBasis }: ClusterState): string {
  return `${generation}.${planBasis}`;
}

/** Undefined: not a plan's name. */
export function parsePlanId(text: string): PlanOf | undefined {
  const match = /^(\d{1,15})\.(\d{1,15})$/.exec(text);
  return match === null ? undefined : { generation: Number(match[1]), epoch: Number(match[2]) };
}
