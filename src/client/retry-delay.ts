import type { Random } from '../environment/index.ts';

export interface RetryDelayBounds {
  readonly firstMs: number;
  readonly maxMs: number;
}

/**
 * Exponential, with full jitter over the upper half, so that many clients that failed together do not
 * come back together. `failures` counts from 1.
 */
export function retryDelayMs(
  failures: number,
  bounds: RetryDelayBounds,
  random: Pick<Random, 'fraction'>,
): number {
  const ceiling = Math.min(bounds.maxMs, bounds.firstMs * 2 ** Math.min(failures - 1, 30));
  return ceiling * (0.5 + random.fraction() / 2);
}
