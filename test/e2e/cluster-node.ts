/** One node of a cluster of real processes: its address, its directory, and the process of its present life. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import type { OverviewView } from '../../src/server/index.ts';
import { FrameConnection } from './frame-connection.ts';
import { type Finished, HaleProcess } from './hale-process.ts';

export const protobufPort = 8087;
export const httpPort = 8098;
export const clusterPort = 8099;

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
  /** Where its HTTP listens, if not on its address. */
  readonly httpHost?: string;
}

export class ClusterNode {
  readonly name: string;
  readonly host: string;
  readonly dataDirectory: string;
  readonly url: string;
  readonly #options: ClusterNodeOptions;
  readonly #lives: HaleProcess[] = [];
  /** It has joined, or founded, the cluster that the test is about. */
  isMember = false;
  /** It is to leave the cluster, and ends the connections of its clients when it has. */
  isLeaving = false;
  #isPaused = false;
  #isReady = false;

  constructor(options: ClusterNodeOptions) {
    this.#options = options;
    this.host = options.host;
    this.name = `${options.label}@${options.host}`;
    this.dataDirectory = path.join(options.directory, options.label);
    this.url = `http://${options.httpHost ?? options.host}:${httpPort}`;
  }

  get process(): HaleProcess {
    const last = this.#lives.at(-1);
    assert.ok(last !== undefined, `${this.name} was started`);
    return last;
  }

  /** Whether clients may expect answers. */
  get isServing(): boolean {
    return this.#isReady && this.process.isRunning && !this.#isPaused;
  }

  /** What all its lives logged as errors. */
  get loggedErrors(): readonly string[] {
    return this.#lives.flatMap((life) => life.loggedErrors);
  }

  /** What all its lives printed. */
  get log(): string {
    return this.#lives.map((life) => `${life.out}${life.err}`).join('');
  }

  /** Resolves when it serves. `args` are added to those of every start. */
  async start(...args: readonly string[]): Promise<void> {
    const { host, directory, within, settings } = this.#options;
    assert.ok(this.#lives.at(-1)?.isRunning !== true, `${this.name} runs already`);
    const all = [
      `nodename=${this.name}`,
      `platform_data_dir=${this.dataDirectory}`,
      `listener.protobuf.internal=${host}:${protobufPort}`,
      `listener.http.internal=${this.url.slice('http://'.length)}`,
      `listener.cluster.internal=${host}:${clusterPort}`,
      ...settings,
    ];
    // Supervised: it stops when whoever runs this test is gone.
    const command = ['start', '--supervised', ...all.flatMap((setting) => ['-o', setting]), ...args];
    const options = { cwd: directory, ...(within === undefined ? {} : { within }) };
    this.#isReady = false;
    this.#isPaused = false;
    this.#lives.push(new HaleProcess(command, options));
    await this.process.ready();
    this.#isReady = true;
  }

  connect(): Promise<FrameConnection> {
    return FrameConnection.connect(protobufPort, this.host);
  }

  /** As `kill -9`. */
  async kill(): Promise<void> {
    this.#isReady = false;
    await this.#lives.at(-1)?.kill();
  }

  /** Drains and stops; its exit must be clean. */
  async stop(): Promise<void> {
    this.resume();
    this.#isReady = false;
    this.process.signal('SIGTERM');
    await this.ended();
  }

  /** Resolves when it has ended by itself; that must be clean. */
  async ended(): Promise<Finished> {
    const finished = await this.process.finished();
    const { code, signal, err } = finished;
    assert.deepEqual({ code, signal }, { code: 0, signal: null }, `${this.name}: ${err.slice(-3000)}`);
    return finished;
  }

  /** Clients cannot reach it, whatever the process does. */
  setUnplugged(isUnplugged: boolean): void {
    this.#isPaused = isUnplugged;
  }

  pause(): void {
    this.#isPaused = true;
    this.process.signal('SIGSTOP');
  }

  resume(): void {
    this.process.signal('SIGCONT');
    this.#isPaused = false;
  }

  /** `GET /admin/v1/cluster`. */
  async view(): Promise<OverviewView> {
    return (await this.#admin('cluster')) as OverviewView;
  }

  async transfers(): Promise<unknown> {
    return this.#admin('cluster/transfers');
  }

  /** `POST /admin/v1/cluster/…`; what it answers. */
  change(what: string, body: object = {}): Promise<unknown> {
    return this.#admin(`cluster/${what}`, JSON.stringify(body));
  }

  /** A metric, by its name in the page of metrics. */
  async metric(name: string): Promise<number> {
    const { text } = await this.#request(`${this.url}/admin/v1/metrics`);
    const line = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text);
    assert.ok(line !== null, `no metric ${name}`);
    return Number(line[1]);
  }

  async #admin(what: string, body?: string): Promise<unknown> {
    const { status, text } = await this.#request(`${this.url}/admin/v1/${what}`, body);
    assert.equal(status, 200, `${this.name}: ${what}: ${text}`);
    return JSON.parse(text);
  }

  /** Administration is for programs on the node's own machine. */
  async #request(url: string, body?: string): Promise<{ readonly status: number; readonly text: string }> {
    const { within } = this.#options;
    if (within === undefined) {
      const response = await fetch(url, body === undefined ? {} : { method: 'POST', body });
      return { status: response.status, text: await response.text() };
    }
    const [program, ...first] = [...within, 'curl', '--silent', '--write-out', '%{http_code}'];
    const sent = body === undefined ? [] : ['--data', body];
    const { stdout } = await promisify(execFile)(program!, [...first, ...sent, url]);
    return { status: Number(stdout.slice(-3)), text: stdout.slice(0, -3) };
  }
}
