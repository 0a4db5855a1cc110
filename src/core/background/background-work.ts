/**
 * The one door for what a node does behind its requests: slices of reading and of storing, a few at a time, no faster than
 * `BackgroundRate` allows, each begun in a turn of the event loop of its own.
 *
 * Slices of one lane begin in the order in which they were asked for. Few of those that read are under
 * way at once, since they share threads with the sync that requests wait for; of those that store as many as the rate brings
 * about, which then share a sync. While no client asks for anything nobody is disturbed, and the rate is not kept.
 */
import type { Environment, Instant, Timer } from '../../environment/index.ts';
import { BackgroundRate } from './background-rate.ts';
import { UsualTail } from './usual-tail.ts';
import { type Disturbance, type RequestTimes, UsualTime } from './usual-time.ts';

/** What is known of those who wait: the requests of clients. */
export interface Foreground {
  /** Nobody has asked for anything for a while. */
  isQuiet(now: Instant): boolean;
  /** Of each kind of request, always the same kinds, those that have ended since the last call. */
  takeTimes(): readonly RequestTimes[];
  /** Of each kind, what those have to take longer than that end from now on, to count as slow. Until it is said, none is. */
  countSlow(fromMs: readonly number[]): void;
}

/** A node that knows nothing of its requests: its background work is sliced, and goes as fast as it can. */
export const unknownForeground: Foreground = {
  isQuiet: () => true,
  takeTimes: () => [],
  countSlow: () => {},
};

export type BackgroundLane = 'read' | 'store';

export interface BackgroundOptions {
  /** The least rate, whatever waits: `background.rate.minimum`. */
  readonly bytesPerSecondMin: number;
  /** The event loop may turn this much later for background work: `background.delay.maximum`. */
  readonly delayMsMax: number;
}

export const BACKGROUND_OPTIONS: BackgroundOptions = { bytesPerSecondMin: 4 * 2 ** 20, delayMsMax: 10 };

/** Enough for any disk: a rate that grows while nothing else does is found again in a few intervals. */
const bytesPerSecondMax = 256 * 2 ** 20;
const stepBytesPerSecond = 256 * 2 ** 10;
/** What an item costs beside its bytes: it is decoded, looked up, stored and counted. */
const itemBytes = 1024;
const judgeEveryMs = 100;
/** So often the event loop is looked at, while there is work. */
const watchEveryMs = 20;
/** So often what requests take is learned, while there is none. */
const learnEveryMs = 1000;
/** Work that ended a moment ago is still felt. */
const settlingMs = 1000;
/** Under way at once. Node has four threads for what waits for a disk. */
const widths = { read: 2, store: 16 } as const;

/** What a slice of items costs, in bytes. */
export function costOf(items: number, bytes: number): number {
  return items * itemBytes + bytes;
}

/** Where whoever works in the background asks for its turns. */
export interface Background {
  /** Runs `slice` when it is its turn; resolves or rejects as that does. `cost` says, in bytes, what it was. */
  run<Result>(
    lane: BackgroundLane,
    slice: () => Promise<Result>,
    cost: (result: Result) => number,
  ): Promise<Result>;
}

/** What people see of it. */
export interface BackgroundFacts {
  /** The rate at present, if requests are there to make room for. */
  readonly bytesPerSecond: number;
  /** Of all slices, with what an item costs beside its bytes. */
  readonly bytes: number;
  /** How often the rate was halved for the sake of requests. */
  readonly cuts: number;
  /** Slices that wait for their turn. */
  readonly waiting: number;
}

interface Lane {
  readonly name: BackgroundLane;
  readonly waiting: (() => void)[];
  running: number;
  isBeginning: boolean;
  timer: Timer | undefined;
}

export class BackgroundWork implements Background, BackgroundFacts {
  readonly #environment: Pick<Environment, 'clock' | 'timers' | 'tasks'>;
  readonly #foreground: Foreground;
  readonly #options: BackgroundOptions;
  readonly #rate: BackgroundRate;
  readonly #lanes: Readonly<Record<BackgroundLane, Lane>> = { read: laneOf('read'), store: laneOf('store') };
  /** By kind of request. */
  readonly #usual: { readonly mean: UsualTime; readonly tail: UsualTail }[] = [];
  #timer: { readonly timer: Timer; readonly dueAt: number } | undefined;
  #judgedAt: Instant;
  #usedAt = Number.NEGATIVE_INFINITY;
  /** The longest that the loop was late since the last judgement. */
  #lateMs = 0;
  #bytes = 0;
  #state: 'idle' | 'learning' | 'closed' = 'idle';

  constructor(
    environment: Pick<Environment, 'clock' | 'timers' | 'tasks'>,
    foreground: Foreground,
    options: BackgroundOptions = BACKGROUND_OPTIONS,
  ) {
    const now = environment.clock.now();
    this.#environment = environment;
    this.#foreground = foreground;
    this.#options = options;
    const mostBytes = Math.max(bytesPerSecondMax, options.bytesPerSecondMin);
    this.#rate = new BackgroundRate({ ...options, bytesPerSecondMax: mostBytes, stepBytesPerSecond }, now);
    this.#judgedAt = now;
  }

  /** Begins to learn what requests usually take. */
  start(): void {
    this.#state = 'learning';
    this.#watch();
  }

  /** Whoever waits goes on at once. */
  close(): void {
    this.#state = 'closed';
    this.#timer?.timer.cancel();
    this.#timer = undefined;
    for (const lane of Object.values(this.#lanes)) {
      lane.timer?.cancel();
      lane.timer = undefined;
      this.#pump(lane);
    }
  }

  get bytesPerSecond(): number {
    return this.#rate.bytesPerSecond;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get cuts(): number {
    return this.#rate.cuts;
  }

  get waiting(): number {
    return this.#lanes.read.waiting.length + this.#lanes.store.waiting.length;
  }

  run<Result>(
    name: BackgroundLane,
    slice: () => Promise<Result>,
    cost: (result: Result) => number,
  ): Promise<Result> {
    const lane = this.#lanes[name];
    return new Promise((resolve, reject) => {
      lane.waiting.push(() => {
        slice()
          .then((result) => {
            this.#took(cost(result));
            resolve(result);
          }, reject)
          .finally(() => {
            lane.running -= 1;
            this.#pump(lane);
          });
      });
      this.#pump(lane);
      this.#watch();
    });
  }

  #took(bytes: number): void {
    const now = this.#environment.clock.now();
    this.#usedAt = now;
    this.#bytes += bytes;
    if (!this.#isFree(now)) this.#rate.take(bytes, now);
  }

  #isFree(now: Instant): boolean {
    return this.#state === 'closed' || this.#foreground.isQuiet(now);
  }

  #pump(lane: Lane): void {
    if (lane.waiting.length === 0 || lane.isBeginning || lane.timer !== undefined) return;
    const now = this.#environment.clock.now();
    const isFree = this.#isFree(now);
    if (lane.running >= widths[lane.name]) return;
    const waitMs = isFree ? 0 : this.#rate.waitMs(now);
    if (waitMs > 0) {
      lane.timer = this.#environment.timers.after(waitMs, () => {
        lane.timer = undefined;
        this.#pump(lane);
      });
      return;
    }
    lane.isBeginning = true;
    lane.running += 1;
    // What is put off again by a callback of the end of a turn would be run in the same one.
    queueMicrotask(() => this.#environment.tasks.endOfTurn(() => this.#begin(lane)));
  }

  #begin(lane: Lane): void {
    lane.isBeginning = false;
    lane.waiting.shift()!();
    this.#pump(lane);
  }

  get #isWorking(): boolean {
    const { read, store } = this.#lanes;
    if (read.running + read.waiting.length + store.running + store.waiting.length > 0) return true;
    return this.#environment.clock.now() - this.#usedAt < settlingMs;
  }

  #watch(): void {
    const delayMs = this.#isWorking ? watchEveryMs : learnEveryMs;
    if (this.#state === 'closed' || (this.#state === 'idle' && !this.#isWorking)) return;
    const { clock, timers } = this.#environment;
    const dueAt = clock.now() + delayMs;
    if (this.#timer !== undefined && this.#timer.dueAt <= dueAt) return;
    this.#timer?.timer.cancel();
    this.#timer = { timer: timers.after(delayMs, () => this.#look(dueAt)), dueAt };
  }

  #look(dueAt: number): void {
    this.#timer = undefined;
    const now = this.#environment.clock.now();
    this.#lateMs = Math.max(this.#lateMs, now - dueAt);
    if (now - this.#judgedAt >= judgeEveryMs) this.#judge(now);
    this.#watch();
  }

  #judge(now: Instant): void {
    const disturbance: Disturbance = !this.#isWorking ? 'none' : this.#rate.isLeast ? 'least' : 'some';
    let isDelayed = this.#lateMs > this.#options.delayMsMax;
    for (const [kind, times] of this.#foreground.takeTimes().entries()) {
      this.#usual[kind] ??= { mean: new UsualTime(), tail: new UsualTail() };
      const { mean, tail } = this.#usual[kind];
      const isSlow = mean.add(times, disturbance);
      const isTailSlow = tail.add(times, disturbance);
      if (isSlow || isTailSlow) isDelayed = true;
    }
    this.#foreground.countSlow(this.#usual.map(({ tail }) => tail.slowFromMs));
    if (disturbance !== 'none' && !this.#foreground.isQuiet(now)) this.#rate.judge(isDelayed, now);
    this.#lateMs = 0;
    this.#judgedAt = now;
  }
}

function laneOf(name: BackgroundLane): Lane {
  return { name, waiting: [], running: 0, isBeginning: false, timer: undefined };
}
