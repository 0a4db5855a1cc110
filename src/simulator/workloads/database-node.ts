/**
 * One node's database in a simulated process: the store, group commit and an engine on the
 * simulated disk, opened anew in each life, as `startNode` puts them together but without
 * listeners. Clients call from outside; what they ask arrives as an event of the life they ask.
 */
import { SoloTopology } from '../../core/topology/index.ts';
import { type Environment, nodeIdOf } from '../../environment/index.ts';
import {
  type BucketAddress,
  type BucketProperties,
  type KeyValueSettings,
  type KeyValueStore,
  type KvObserver,
  LocalKeyValueStore,
  silentObserver,
} from '../../kv/index.ts';
import { assert } from '../../stdx/index.ts';
import {
  GroupCommit,
  type GroupCommitLimits,
  type StorageEngine,
  StorageError,
} from '../../storage/index.ts';
import type { Prng } from '../prng.ts';
import type { SimulatedProcess } from '../simulated-process.ts';
import type { World } from '../world.ts';
import { openSimulatedEngine, type SimulatedEngine } from './simulated-engine.ts';

const name = 'db@127.0.0.1';
const requestDelayMsMean = 0.05;
const startAgainMs = 20;

export interface DatabaseNodeOptions {
  readonly ringSize: number;
  readonly settings: KeyValueSettings;
  readonly commitLimits: GroupCommitLimits;
  readonly engine: SimulatedEngine;
  /** Stands between the database and its engine, to misbehave within the engine's contract. */
  readonly wrapEngine: (engine: StorageEngine) => StorageEngine;
  /** A start that the disk refuses is tried again; elsewhere it fails the run. */
  readonly startsMayFail: boolean;
}

interface Serving {
  readonly environment: Environment;
  readonly engine: StorageEngine;
  readonly commit: GroupCommit;
  readonly store: LocalKeyValueStore;
}

/** `down`: nothing was sent. `gone`: the process ended before it answered. */
export type Unanswered = 'down' | 'gone';

export class DatabaseNode {
  readonly process: SimulatedProcess;
  readonly topology: SoloTopology;
  readonly options: DatabaseNodeOptions;
  readonly #world: World;
  readonly #random: Prng;
  #serving: Serving | undefined;
  /** Requests that were sent to the present life and have no answer yet. */
  #unanswered = new Set<() => void>();

  constructor(world: World, options: DatabaseNodeOptions) {
    this.#world = world;
    this.#random = world.random.fork('requests');
    this.options = options;
    this.process = world.node(name);
    this.topology = new SoloTopology(nodeIdOf(name), options.ringSize);
  }

  /** Begins the first life. */
  boot(): void {
    this.process.boot((environment) => this.#main(environment));
  }

  get isServing(): boolean {
    return this.process.isUp && this.#serving !== undefined;
  }

  /** The engine of the present life. */
  get engine(): StorageEngine {
    assert(this.#serving !== undefined, 'the database serves');
    return this.#serving.engine;
  }

  propertiesOf(address: BucketAddress): BucketProperties | undefined {
    return this.#serving?.store.properties(address);
  }

  async untilServing(): Promise<void> {
    while (!this.isServing) await this.#world.sleep(1);
  }

  /** Sends a request to the present life. `call` runs as an event of it, and may answer at any time. */
  ask<Result>(
    call: (store: KeyValueStore, done: (result: Result) => void, environment: Environment) => void,
  ): Promise<Result | Unanswered> {
    const serving = this.#serving;
    if (serving === undefined || !this.process.isUp) return Promise.resolve('down');
    return new Promise((resolve) => {
      const gone = (): void => resolve('gone');
      this.#unanswered.add(gone);
      const done = (result: Result): void => {
        if (this.#unanswered.delete(gone)) resolve(result);
      };
      const { environment, store } = serving;
      environment.timers.after(this.#random.exponential(requestDelayMsMean), () => {
        call(store, done, environment);
      });
    });
  }

  /** Runs `work` in the present life. Rejections other than of storage fail the run. */
  async within<Result>(
    work: (serving: { readonly engine: StorageEngine; readonly environment: Environment }) => Promise<Result>,
  ): Promise<Result | StorageError | Unanswered> {
    const { engine } = this;
    return this.ask<Result | StorageError>((_store, done, environment) => {
      environment.tasks.spawn('scenario', async () => {
        try {
          done(await work({ engine, environment }));
        } catch (error) {
          if (!(error instanceof StorageError)) throw error;
          done(error);
        }
      });
    });
  }

  /** Ends the life as TERM does, and begins the next one. */
  async restartCleanly(): Promise<void> {
    const serving = this.#serving;
    if (serving === undefined || !this.process.isUp) return;
    const closed = await this.ask<boolean>((_store, done, environment) => {
      environment.tasks.spawn('stop', async () => done(await closeServing(serving)));
    });
    if (this.#serving !== serving || !this.process.isUp) return;
    if (closed === true) this.#world.work.add('clean stops');
    this.process.kill();
    this.process.restart();
  }

  /** Ends the life at once, by `kill -9` or the end of power, and begins the next one. */
  restartAfter(death: 'kill' | 'crash'): void {
    if (!this.process.isUp) return;
    this.process[death]();
    this.process.restart();
  }

  async #main(environment: Environment): Promise<void> {
    this.#serving = undefined;
    const unanswered = this.#unanswered;
    this.#unanswered = new Set();
    for (const gone of unanswered) gone();
    for (;;) {
      try {
        this.#serving = await this.#open(environment);
        this.#world.work.add('starts');
        return;
      } catch (error) {
        if (!(error instanceof StorageError) || !this.options.startsMayFail) throw error;
        this.#world.work.add('refused starts');
      }
      await new Promise<void>((resolve) => environment.timers.after(startAgainMs, resolve));
    }
  }

  async #open(environment: Environment): Promise<Serving> {
    const { settings, commitLimits, engine: ofKind, wrapEngine } = this.options;
    const damaged = ({ kind }: { readonly kind: string }) => this.#world.work.add(`journals with ${kind}`);
    const engine = wrapEngine(await openSimulatedEngine(ofKind, environment, damaged));
    try {
      const commit = new GroupCommit(engine, environment.tasks, commitLimits);
      const { topology } = this;
      const store = await LocalKeyValueStore.open({
        environment,
        commit,
        topology,
        observer: this.#observer(),
        settings,
      });
      return { environment, engine, commit, store };
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  #observer(): KvObserver {
    const { work } = this.#world;
    return {
      ...silentObserver,
      readFailed: () => work.add('unreadable copies'),
      readRepaired: (replicas) => work.add('repairs', replicas),
      tombstoneReaped: () => work.add('reaped tombstones'),
    };
  }
}

/** False: the disk refused the last writes, which only makes the next start an unclean one. */
async function closeServing({ store, engine }: Serving): Promise<boolean> {
  let isClean = true;
  try {
    await store.close();
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    isClean = false;
  }
  await engine.close();
  return isClean;
}
