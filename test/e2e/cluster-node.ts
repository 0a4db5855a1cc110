/** One node of a cluster of real processes: its address, its directory, and the process of its present life. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type NodeId, nodeIdOf } from '../../src/environment/index.ts';
import type { ClusterOrder, ClusterView, OrderAnswer } from './cluster-order.ts';
import { FrameConnection } from './frame-connection.ts';
import { HaleProcess } from './hale-process.ts';
import { sleep } from './seeded-run.ts';

const program = fileURLToPath(new URL('./controlled-node.js', import.meta.url));
const protobufPort = 8087;
const httpPort = 8098;
const clusterPort = 8099;
const orderMsMax = 60_000;

export interface ClusterNodeOptions {
  /** Names its data and its member. */
  readonly label: string;
  /** An address that is this node's alone. */
  readonly host: string;
  /** Its data lies here. */
  readonly directory: string;
  /** `key=value` of the configuration. */
  readonly settings: readonly string[];
  /** What runs the process: `ip netns exec …`. */
  readonly within?: readonly string[];
}

export class ClusterNode {
  readonly name: NodeId;
  readonly host: string;
  readonly dataDirectory: string;
  readonly #options: ClusterNodeOptions;
  #process: HaleProcess | undefined;
  #orders = 0;
  #isPaused = false;
  #isReady = false;
  #isStopping = false;
  /** What earlier lives logged. */
  readonly #earlier: HaleProcess[] = [];

  constructor(options: ClusterNodeOptions) {
    this.#options = options;
    this.host = options.host;
    this.name = nodeIdOf(`${options.label}@${options.host}`);
    this.dataDirectory = path.join(options.directory, options.label);
  }

  get process(): HaleProcess {
    assert.ok(this.#process !== undefined, `${this.name} was started`);
    return this.#process;
  }

  get url(): string {
    return `http://${this.host}:${httpPort}`;
  }

  /** Whether clients may expect answers. */
  get isServing(): boolean {
    return this.#process?.isRunning === true && !this.#isPaused && !this.#isStopping && this.#isReady;
  }

  get loggedErrors(): readonly string[] {
    return this.#lives.flatMap((life) => life.loggedErrors);
  }

  /** What all its lives logged. */
  get log(): string {
    return this.#lives.map((life) => `${life.out}${life.err}`).join('');
  }

  get #lives(): readonly HaleProcess[] {
    return this.#process === undefined ? [] : [...this.#earlier, this.#process];
  }

  /** Resolves when it serves. */
  async start(...settings: readonly string[]): Promise<void> {
    assert.ok(this.#process?.isRunning !== true, `${this.name} runs already`);
    const { host, directory, within } = this.#options;
    const all = [
      `nodename=${this.name}`,
      `platform_data_dir=${this.dataDirectory}`,
      `listener.protobuf.internal=${host}:${protobufPort}`,
      `listener.http.internal=${host}:${httpPort}`,
      `listener.cluster.internal=${host}:${clusterPort}`,
      ...this.#options.settings,
      ...settings,
    ];
    const args = all.flatMap((setting) => ['-o', setting]);
    const started = new HaleProcess(args, {
      cwd: directory,
      program,
      ...(within === undefined ? {} : { within }),
    });
    if (this.#process !== undefined) this.#earlier.push(this.#process);
    this.#process = started;
    this.#isPaused = false;
    this.#isStopping = false;
    this.#isReady = false;
    await started.ready();
    this.#isReady = true;
  }

  connect(): Promise<FrameConnection> {
    return FrameConnection.connect(protobufPort, this.host);
  }

  /** As `kill -9`. */
  async kill(): Promise<void> {
    this.#isStopping = true;
    await this.#process?.kill();
  }

  /** Drains and stops; its exit must be clean. */
  async stop(): Promise<void> {
    this.resume();
    this.#isStopping = true;
    this.process.signal('SIGTERM');
    const { code, signal, err } = await this.process.finished();
    assert.deepEqual({ code, signal }, { code: 0, signal: null }, `${this.name}: ${err.slice(-3000)}`);
  }

  pause(): void {
    this.#isPaused = true;
    this.process.signal('SIGSTOP');
  }

  resume(): void {
    this.process.signal('SIGCONT');
    this.#isPaused = false;
  }

  async order(order: ClusterOrder): Promise<OrderAnswer> {
    this.#orders += 1;
    const id = this.#orders;
    const { process } = this;
    process.tell(JSON.stringify({ id, ...order }));
    const answered = new RegExp(`^answer (\\{"id":${id},.*\\})$`, 'm');
    const deadline = performance.now() + orderMsMax;
    for (;;) {
      const line = answered.exec(process.out)?.[1];
      if (line !== undefined) return (JSON.parse(line) as { answer: OrderAnswer }).answer;
      assert.ok(process.isRunning, `${this.name} ended: ${process.err.slice(-3000)}`);
      assert.ok(performance.now() < deadline, `${this.name} does not answer to ${order.kind}`);
      await sleep(5);
    }
  }

  async view(): Promise<ClusterView> {
    return (await this.order({ kind: 'view' })).view as ClusterView;
  }

  async join(seed: ClusterNode): Promise<void> {
    const answer = await this.order({ kind: 'join', seed: { host: seed.host, port: clusterPort } });
    assert.equal(answer.kind, 'joined', `${this.name}: ${JSON.stringify(answer)}`);
  }
}
