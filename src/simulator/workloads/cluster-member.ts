/**
 * One node of a cluster in a simulated process: what `startNode` composes, with an engine on the simulated
 * disk, begun anew in each life. Clients call from outside; what they ask arrives as an event of the
 * life they ask, and is never answered if that ends.
 */
import type { Configuration } from '../../config/index.ts';
import type { Environment, NodeId } from '../../environment/index.ts';
import { nodeIdOf } from '../../environment/index.ts';
import type { KeyValueStore } from '../../kv/index.ts';
import type { OpenSandbox } from '../../sandbox/index.ts';
import { type HaleNode, StartError, startNode } from '../../server/index.ts';
import { assert } from '../../stdx/index.ts';
import type { StorageEngine } from '../../storage/index.ts';
import type { SimulatedProcess } from '../simulated-process.ts';
import type { World } from '../world.ts';
import type { Unanswered } from './database-node.ts';
import type { FormedCluster } from './formed-cluster.ts';
import { openSimulatedEngine, type SimulatedEngine } from './simulated-engine.ts';

/** A supervisor starts a node again that could not start. */
const startAgainMs = 500;
const requestDelayMsMean = 0.05;

export interface ClusterMemberOptions {
  readonly configuration: Configuration;
  readonly engine: SimulatedEngine;
  /** A cluster that it belongs to when it starts for the first time. */
  readonly formed?: FormedCluster | undefined;
  /** A start that the disk refuses is tried again; elsewhere it fails the run. */
  readonly startsMayFail: boolean;
  /** Stands between the database and its engine, to misbehave within the engine's contract. */
  readonly wrapEngine: (engine: StorageEngine, environment: Environment) => StorageEngine;
  /** What runs JavaScript of users in a life that begins; absent: nothing does. */
  readonly openSandbox?: ((environment: Environment) => OpenSandbox) | undefined;
}

export interface ServingMember {
  readonly node: HaleNode;
  readonly engine: StorageEngine;
  readonly environment: Environment;
}

export class ClusterMember {
  readonly name: string;
  readonly id: NodeId;
  readonly process: SimulatedProcess;
  readonly options: ClusterMemberOptions;
  readonly #world: World;
  readonly #random;
  #serving: ServingMember | undefined;
  #isInstalled = false;
  /** Requests that were sent to the present life and have no answer yet. */
  #unanswered = new Set<() => void>();

  constructor(world: World, options: ClusterMemberOptions) {
    this.name = options.configuration.nodename;
    this.id = nodeIdOf(this.name);
    this.options = options;
    this.process = world.node(this.name);
    this.#world = world;
    this.#random = world.random.fork(`requests ${this.name}`);
  }

  boot(): void {
    this.process.boot((environment) => this.#main(environment));
  }

  /** The present life, if it serves. */
  get serving(): ServingMember | undefined {
    return this.process.isUp ? this.#serving : undefined;
  }

  get isServing(): boolean {
    return this.serving !== undefined;
  }

  /** Of a node that is known to serve. */
  get present(): ServingMember {
    const { serving } = this;
    assert(serving !== undefined, `${this.name} serves`);
    return serving;
  }

  /** Sends a request to the present life. `call` runs as an event of it, and may answer at any time. */
  ask<Result>(
    call: (store: KeyValueStore, done: (result: Result) => void, serving: ServingMember) => void,
  ): Promise<Result | Unanswered> {
    const { serving } = this;
    if (serving === undefined) return Promise.resolve('down');
    return new Promise((resolve) => {
      const gone = (): void => resolve('gone');
      this.#unanswered.add(gone);
      const done = (result: Result): void => {
        if (this.#unanswered.delete(gone)) resolve(result);
      };
      const { environment, node } = serving;
      environment.timers.after(this.#random.exponential(requestDelayMsMean), () => {
        call(node.store, done, serving);
      });
    });
  }

  /** Runs `work` in the present life. What it rejects with fails the run. */
  within<Result>(work: (serving: ServingMember) => Promise<Result>): Promise<Result | Unanswered> {
    return this.ask<Result>((_store, done, serving) => {
      serving.environment.tasks.spawn('scenario', async () => done(await work(serving)));
    });
  }

  /** Ends the life as TERM does, and begins the next one after `downMs`. */
  async restartCleanly(downMs = 0): Promise<void> {
    const { serving } = this;
    if (serving === undefined) return;
    await this.within(async ({ node }) => {
      await node.stop();
    });
    if (this.serving !== serving) return;
    this.#world.work.add('clean stops');
    this.process.kill();
    this.#endAsked();
    await this.#world.sleep(downMs);
    if (!this.process.isUp) this.process.restart();
  }

  /** Ends the life for a while, or until `process.restart`. */
  end(death: 'kill' | 'crash'): void {
    this.process[death]();
    this.#endAsked();
  }

  /** What was asked of a life that has ended since. */
  #endAsked(): void {
    this.#serving = undefined;
    const unanswered = this.#unanswered;
    this.#unanswered = new Set();
    for (const gone of unanswered) gone();
  }

  async #main(environment: Environment): Promise<void> {
    this.#endAsked();
    for (;;) {
      try {
        this.#serving = await this.#start(environment);
        this.#world.work.add('starts');
        return;
      } catch (error) {
        if (!(error instanceof StartError) || error.code !== 'data' || !this.options.startsMayFail)
          throw error;
        this.#world.work.add('refused starts');
        environment.log.warn('the node did not start', { reason: error.message });
      }
      await new Promise<void>((resolve) => environment.timers.after(startAgainMs, resolve));
    }
  }

  async #start(environment: Environment): Promise<ServingMember> {
    const { configuration, engine: ofKind, wrapEngine, openSandbox, formed } = this.options;
    if (formed !== undefined && !this.#isInstalled) {
      await formed.install(this.id, environment);
      this.#isInstalled = true;
    }
    const damaged = ({ kind }: { readonly kind: string }) => this.#world.work.add(`journals with ${kind}`);
    const engine = wrapEngine(await openEngine(ofKind, environment, damaged), environment);
    const node = await startNode(configuration, {
      environment,
      version: 'simulated',
      engine,
      ...(openSandbox === undefined ? {} : { openSandbox: openSandbox(environment) }),
    });
    return { node, engine, environment };
  }
}

/** The engine's errors as the start of a node tells them. */
async function openEngine(...parameters: Parameters<typeof openSimulatedEngine>): Promise<StorageEngine> {
  try {
    return await openSimulatedEngine(...parameters);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new StartError('data', error.message, { cause: error });
  }
}
