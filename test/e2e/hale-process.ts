/** Runs the `hale` command as the real process it is. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const mainFile = fileURLToPath(new URL('../../bundle/main.js', import.meta.url));
const readyMsMax = 60_000;

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

export interface ProcessOptions {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Instead of the `hale` command: a program that prints the same banner. */
  readonly program?: string;
  /** What runs Node: a program and its first arguments. */
  readonly within?: readonly string[];
}

export class HaleProcess {
  readonly #child: ChildProcess;
  readonly #finished: Promise<Finished>;
  #out = '';
  #err = '';

  constructor(args: readonly string[], options: ProcessOptions) {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('HALE_'));
    const { program = mainFile, within = [] } = options;
    const [command, ...first] = [...within, process.execPath, program];
    this.#child = spawn(command!, [...first, ...args], {
      cwd: options.cwd,
      env: { ...Object.fromEntries(inherited), ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.#out += text;
    });
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#err += text;
    });
    this.#finished = once(this.#child, 'close').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
      out: this.#out,
      err: this.#err,
    }));
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get out(): string {
    return this.#out;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get err(): string {
    return this.#err;
  }

  /** Lines that it logged as errors. */
  get loggedErrors(): readonly string[] {
    return this.#err.split('\n').filter((line) => line.includes('"level":"error"'));
  }

  /** Resident memory, in bytes. Linux tells it; elsewhere this throws. */
  get residentBytes(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'latin1');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
  }

  /** CPU time that it has used, in seconds. Linux tells it, in hundredths. */
  get cpuSeconds(): number {
    const fields = readFileSync(`/proc/${this.pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  /** Ends it at once, as `kill -9` does; resolves when it is gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.#finished;
  }

  /** Writes to its standard input and closes it. */
  input(text: string): this {
    this.#child.stdin!.end(text);
    return this;
  }

  /** Writes a line to its standard input. */
  tell(line: string): void {
    this.#child.stdin!.write(`${line}\n`);
  }

  finished(): Promise<Finished> {
    return this.#finished;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves at the line `ready`. */
  async ready(): Promise<void> {
    const child = this.#child;
    const deadline = Date.now() + readyMsMax;
    while (!/^ready$/m.test(this.#out)) {
      const ended = child.exitCode !== null || child.signalCode !== null;
      assert.ok(!ended && Date.now() < deadline, `not ready: ${this.#out}${this.#err}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** `http://host:port` of the banner. */
  get url(): string {
    return /http {2,}(http:\S+)/.exec(this.#out)![1]!;
  }

  /** `host:port` at which other nodes reach it. */
  get clusterAddress(): string {
    return /cluster {2,}(\S+)/.exec(this.#out)![1]!;
  }

  get protobufPort(): number {
    return Number(/protocol buffers {2,}\S+:(\d+)/.exec(this.#out)![1]);
  }
}

/** A directory of its own, and processes that do not outlive the test. */
export class HaleSandbox {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'hale-e2e-'));
  readonly #processes: HaleProcess[] = [];

  hale(args: readonly string[], env: NodeJS.ProcessEnv = {}): HaleProcess {
    const started = new HaleProcess(args, { cwd: this.directory, env });
    this.#processes.push(started);
    return started;
  }

  /** Runs a command to its end. */
  run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> {
    return this.hale(args, env).input('').finished();
  }

  /** A node on free ports, ready; its data is `data` in this directory unless the arguments say otherwise. */
  async start(...args: readonly string[]): Promise<HaleProcess> {
    const anyPort = ['--http', '127.0.0.1:0', '--pb', '127.0.0.1:0', '--cluster', '127.0.0.1:0'];
    const node = this.hale(['start', ...anyPort, ...args]);
    await node.ready();
    return node;
  }

  /** Kills what still runs. */
  async endAll(): Promise<void> {
    for (const started of this.#processes) started.signal('SIGKILL');
    await Promise.all(this.#processes.map((started) => started.finished()));
  }

  async close(): Promise<void> {
    await this.endAll();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
