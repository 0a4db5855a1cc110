/**
 * Brings entries to the backend that their bucket has come to have, in the background, a few at a time: requests go on
 * and see no difference (B3 to B5 of `multi-engine.ts`). What is cut short goes on at the next start.
 */
import type { Buffer } from 'node:buffer';
import type { Environment } from '../../environment/index.ts';
import type { ByteString } from '../../stdx/index.ts';
import { type KeyRange, StorageError } from '../storage-engine.ts';
import type { Backend } from './backend.ts';
import type { KeyPlaces } from './key-places.ts';
import type { MultiEngine } from './multi-engine.ts';
import { type BackendRules, everything, type Placements } from './placements.ts';

const MOVE_KEYS_MAX = 128;
const MOVE_BYTES_MAX = 1024 * 1024;
const SCAN_SLICE = { entriesMax: 1024, bytesMax: 1024 * 1024 };
/** After each few entries: requests come first. */
const PAUSE_MS = 5;
/** After a failure, or when some could not be read. */
const RETRY_MS = 30_000;

export class BackendMoves {
  readonly #engine: MultiEngine;
  readonly #places: KeyPlaces;
  readonly #environment: Pick<Environment, 'timers' | 'tasks' | 'log'>;
  #wanted: BackendRules | undefined;
  #running: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #stopped = false;

  constructor(
    engine: MultiEngine,
    places: KeyPlaces,
    environment: Pick<Environment, 'timers' | 'tasks' | 'log'>,
  ) {
    this.#engine = engine;
    this.#places = places;
    this.#environment = environment;
  }

  /** Something is not where it is to be, or may not be. */
  get isAtWork(): boolean {
    return this.#hasWork();
  }

  /** Says which rules are to hold from now on, soon. The first time, too, what an earlier run left goes on. */
  want(rules: BackendRules): void {
    this.#wanted = rules;
    if (this.#stopped) return;
    this.#wake?.();
    if (this.#running !== undefined || !this.#hasWork()) return;
    const running = this.#run();
    this.#running = running;
    this.#environment.tasks.spawn('storage-moves', () => running);
  }

  /** Nothing moves any more when this resolves. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake?.();
    await this.#running;
  }

  #hasWork(): boolean {
    const { placements } = this.#engine;
    return !placements.isSettled || (this.#wanted !== undefined && !areSame(this.#wanted, placements.rules));
  }

  async #run(): Promise<void> {
    while (!this.#stopped && this.#hasWork()) {
      try {
        if (await this.#step()) continue;
      } catch (error) {
        if (!(error instanceof StorageError)) throw error;
        if (error.code === 'closed') this.#stopped = true;
        this.#environment.log.warn('moving entries between storage backends goes on later', {
          reason: error.message,
        });
      }
      await this.#sleep(RETRY_MS);
    }
    // In the turn in which there was no more work: what is wanted from now on begins anew.
    this.#running = undefined;
  }

  /** False: something could not be moved. */
  async #step(): Promise<boolean> {
    const wanted = this.#wanted;
    if (wanted !== undefined && !areSame(wanted, this.#engine.placements.rules))
      await this.#engine.place(wanted);
    const seen = this.#engine.placements;
    const before = this.#engine.moved;
    let unreadable = 0;
    for (const name of [...seen.moving].sort()) unreadable += await this.#sweep(name, seen);
    if (this.#stopped || this.#engine.placements !== seen || this.#wanted !== wanted) return true;
    if (unreadable > 0) {
      this.#environment.log.error('entries that cannot be read stay in the storage backend where they are', {
        entries: unreadable,
      });
      return false;
    }
    if (await this.#engine.settle(seen)) {
      this.#environment.log.info('buckets are in their storage backends', {
        moved: this.#engine.moved - before,
      });
    }
    return true;
  }

  /** Returns how many entries could not be read. */
  async #sweep(name: ByteString, seen: Placements): Promise<number> {
    let unreadable = 0;
    const ranges = name === everything ? [this.#places.bucketEntries] : this.#places.rangesOf(name);
    for (const range of ranges) {
      for (const backend of this.#engine.backends) {
        if (this.#stopped || this.#engine.placements !== seen) return unreadable;
        unreadable += await this.#sweepRange(backend, range);
      }
    }
    return unreadable;
  }

  async #sweepRange(backend: Backend, range: KeyRange): Promise<number> {
    let unreadable = 0;
    const corrupt = () => {
      unreadable += 1;
    };
    const cursor = backend.engine.scan(range, { keysOnly: true, corrupt });
    try {
      for (;;) {
        const slice = await cursor.next(SCAN_SLICE);
        if (slice.length === 0 || this.#stopped) return unreadable;
        const strays = slice.map(({ key }) => key).filter((key) => this.#engine.isAstray(backend, key));
        unreadable += await this.#moveAll(backend, strays);
      }
    } finally {
      await cursor.close();
    }
  }

  async #moveAll(backend: Backend, strays: readonly Buffer[]): Promise<number> {
    let unreadable = 0;
    for (let at = 0; at < strays.length && !this.#stopped; ) {
      const outcome = await this.#engine.move(backend, strays.slice(at, at + MOVE_KEYS_MAX), MOVE_BYTES_MAX);
      if (outcome !== 'busy') {
        at += outcome.seen;
        unreadable += outcome.unreadable;
      }
      await this.#sleep(PAUSE_MS);
    }
    return unreadable;
  }

  #sleep(delayMs: number): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        this.#wake = undefined;
        resolve();
      };
      const timer = this.#environment.timers.after(delayMs, end);
      this.#wake = end;
    });
  }
}

function areSame(a: BackendRules, b: BackendRules): boolean {
  if (a.size !== b.size) return false;
  for (const [name, backend] of a) if (b.get(name) !== backend) return false;
  return true;
}
