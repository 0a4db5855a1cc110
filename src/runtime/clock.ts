/**
 * The machine's clocks. `now` is monotonic; `wallMicros` strictly increases while the wall clock is
 * steady or steps back a little (NTP), so that two writes of one node never share a last-modified
 * stamp. A step back beyond `backwardStepMicrosMax` is somebody setting the clock, and is followed.
 */
import type { Clock, Instant, WallMicros } from '../environment/index.ts';

const backwardStepMicrosMax = 1_000_000;

export class MachineClock implements Clock {
  #lastWallMicros = 0;
  readonly #wallMillis: () => number;

  constructor(wallMillis: () => number = Date.now) {
    this.#wallMillis = wallMillis;
  }

  now(): Instant {
    return performance.now() as Instant;
  }

  wallMicros(): WallMicros {
    const read = this.#wallMillis() * 1000;
    const isSmallStepBack =
      read <= this.#lastWallMicros && this.#lastWallMicros - read < backwardStepMicrosMax;
    this.#lastWallMicros = isSmallStepBack ? this.#lastWallMicros + 1 : read;
    return this.#lastWallMicros as WallMicros;
  }
}
