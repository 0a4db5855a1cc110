/** How much each backend holds of buckets, roughly: looked at now and then, since it may mean to walk over all of it. */
import type { Environment, Timer } from '../../environment/index.ts';
import { StorageError } from '../storage-engine.ts';
import type { Backend } from './backend.ts';
import type { KeyPlaces } from './key-places.ts';
import type { MultiEngine } from './multi-engine.ts';

const LOOK_EVERY_MS = 60_000;

export class BackendSizes {
  readonly #engine: MultiEngine;
  readonly #places: KeyPlaces;
  readonly #environment: Pick<Environment, 'timers' | 'tasks'>;
  readonly #bytes = new Map<Backend, number>();
  #timer: Timer | undefined;
  #looking: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(engine: MultiEngine, places: KeyPlaces, environment: Pick<Environment, 'timers' | 'tasks'>) {
    this.#engine = engine;
    this.#places = places;
    this.#environment = environment;
  }

  start(): void {
    if (this.#stopped) return;
    this.#environment.tasks.spawn('storage-sizes', () => {
      this.#looking = this.#look();
      return this.#looking;
    });
  }

  /** Nothing is looked at any more when this resolves. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#looking;
  }

  /** Undefined: nobody has looked yet. */
  bytesOf(backend: Backend): number | undefined {
    return this.#bytes.get(backend);
  }

  async #look(): Promise<void> {
    for (const backend of this.#engine.backends) {
      if (this.#stopped) return;
      try {
        const bytes = await backend.engine.sizeEstimate(this.#places.bucketEntries);
        this.#bytes.set(backend, Math.max(0, Math.round(bytes)));
      } catch (error) {
        // One that is closed or failing is as it was: its health says why.
        if (!(error instanceof StorageError)) throw error;
      }
    }
    if (!this.#stopped) this.#timer = this.#environment.timers.after(LOOK_EVERY_MS, () => this.start());
  }
}
