/**
 * A whole cluster in one process, in virtual time, from one seed.
 *
 * The loop takes the next planned event, moves the clock to it, runs it, and lets one turn of
 * `setImmediate` pass, in which every promise that the event settled runs its course. So `async`
 * product code needs no change and no patched globals, and the same seed gives the same run:
 * nothing in it waits for the machine.
 *
 * Law: product code under simulation must reach the world through its `Environment` only. A file
 * read, a worker or a real timer would answer at some real time, and runs would differ.
 */
import { assert } from '../stdx/index.ts';
import { EventQueue, type PlannedEvent, type Subject } from './event-queue.ts';
import { History } from './history.ts';
import { Prng } from './prng.ts';
import { SimulatedNetwork } from './simulated-network.ts';
import { SimulatedProcess } from './simulated-process.ts';
import { WorkLedger } from './work-ledger.ts';

/** Ends a run that would go on for ever. */
const eventsMaxDefault = 20_000_000;
/** Immediates queued at once: microtasks run between them, the (idle) poll phase only after all. */
const stepsPerTurn = 64;

export interface WorldOptions {
  readonly seed: number;
  /** The storage engine of all nodes that have one; by the seed's draw if absent. */
  readonly engine?: WorldEngine | undefined;
  readonly eventsMax?: number;
}

export const worldEngines = ['memory', 'log'] as const;
export type WorldEngine = (typeof worldEngines)[number];

/** The run failed. `cause` is what failed it, if it was an exception. */
export class SimulationFailure extends Error {
  override readonly name = 'SimulationFailure';
}

export class World {
  readonly seed: number;
  readonly engine: WorldEngine | undefined;
  readonly random: Prng;
  readonly history = new History();
  readonly work = new WorkLedger();
  readonly network: SimulatedNetwork;
  readonly #eventsMax: number;
  readonly #queue = new EventQueue();
  readonly #processes = new Map<string, SimulatedProcess>();
  #nowMs = 0;
  #eventsRun = 0;
  #ended: { readonly failure: SimulationFailure | undefined } | undefined;
  #finish: (() => void) | undefined;
  readonly #runStep = (): void => this.#step();
  readonly #runTurn = (): void => this.#turn();

  constructor(options: WorldOptions) {
    this.seed = options.seed;
    this.engine = options.engine;
    this.#eventsMax = options.eventsMax ?? eventsMaxDefault;
    this.random = new Prng(options.seed, 'world');
    this.network = new SimulatedNetwork(this);
  }

  /** Virtual milliseconds since the start of the run. No node's clock agrees with it. */
  get nowMs(): number {
    return this.#nowMs;
  }

  get eventsRun(): number {
    return this.#eventsRun;
  }

  /** The process of that name; made, but not booted, at the first call. */
  node(name: string): SimulatedProcess {
    const known = this.#processes.get(name);
    if (known !== undefined) return known;
    const made = new SimulatedProcess(this, name);
    this.#processes.set(name, made);
    return made;
  }

  get nodes(): readonly SimulatedProcess[] {
    return [...this.#processes.values()];
  }

  /** Plans something outside all nodes: a fault, a client's decision, the end of a latency. Or, with `to`, inside one. */
  after(delayMs: number, run: () => void, to?: Subject): PlannedEvent {
    assert(delayMs >= 0, 'nothing is planned for the past');
    return this.#queue.plan(this.#nowMs + delayMs, run, to);
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(delayMs, resolve);
    });
  }

  record(node: string, kind: string, detail = ''): void {
    this.history.append(this.#nowMs, node, kind, detail);
  }

  /** Ends the run as failed. The first failure counts. */
  fail(reason: string, cause?: unknown): void {
    const text = cause instanceof Error ? `${reason}: ${cause.message}` : reason;
    this.#end(new SimulationFailure(text, { cause }));
  }

  /**
   * Runs events until `body` is done. Rejects with a `SimulationFailure` if it failed, if any node's
   * task did, or if nothing is left to happen while `body` still waits. A world runs once.
   */
  async run(body: () => Promise<void>): Promise<void> {
    const over = new Promise<void>((resolve) => {
      this.#finish = resolve;
    });
    // First of all the body gets its turn, then one event at a time.
    body().then(
      () => this.#end(undefined),
      (error: unknown) => this.fail('the scenario failed', error),
    );
    setImmediate(this.#runTurn);
    await over;
    // Stragglers of the last event reject now, while their run can still be told.
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    const failure = this.#ended?.failure;
    if (failure !== undefined) throw failure;
  }

  #end(failure: SimulationFailure | undefined): void {
    if (this.#ended?.failure !== undefined) return;
    // A failure that comes after the end but before the verdict still counts.
    this.#ended = { failure };
    this.#finish?.();
  }

  #turn(): void {
    if (this.#ended !== undefined) return;
    for (let i = 0; i < stepsPerTurn; i++) setImmediate(this.#runStep);
    setImmediate(this.#runTurn);
  }

  #step(): void {
    if (this.#ended !== undefined) return;
    const event = this.#queue.take();
    if (event === undefined) {
      this.fail('nothing is left to happen, but the scenario still waits');
      return;
    }
    this.#eventsRun += 1;
    if (this.#eventsRun > this.#eventsMax) {
      this.fail(`no end after ${this.#eventsMax} events`);
      return;
    }
    this.#nowMs = event.atMs;
    this.history.mixNumber(event.atMs);
    const run = event.run!;
    event.run = undefined;
    try {
      if (event.to === undefined) run();
      else event.to.happens(run);
    } catch (error) {
      this.fail('an event failed', error);
    }
  }
}
