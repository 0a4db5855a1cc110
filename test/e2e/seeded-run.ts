/**
 * The two sizes of a robustness test, and its chance. The short form is part of `npm run check`;
 * `E2E_LONG=1` chooses the long one. `E2E_SEED=N` repeats the random choices of a run; what the
 * operating system chooses (when a process is scheduled, when a packet arrives) is not repeated.
 */
import { randomInt } from 'node:crypto';

const seedMax = 2 ** 31;
export const isLongForm = process.env.E2E_LONG === '1';

export class SeededRun {
  readonly isLong = isLongForm;
  readonly seed = Number(process.env.E2E_SEED ?? randomInt(seedMax));
  #state = this.seed;

  /** Prints how to repeat the run: first, so that it is there whatever comes. */
  constructor(name: string) {
    const long = this.isLong ? 'E2E_LONG=1 ' : '';
    console.log(`seed ${this.seed}; repeat: ${long}E2E_SEED=${this.seed} npm run e2e -- ${name}`);
  }

  /** The size of this run. */
  size(short: number, long: number): number {
    return this.isLong ? long : short;
  }

  /** A whole number from 0 to `limit` - 1. Mulberry32, of Tommy Ettinger. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  /** True in `percent` of 100 cases. */
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  /** Bytes that no compression makes smaller. */
  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let at = 0; at < length; at += 1) bytes[at] = this.below(256);
    return bytes;
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
