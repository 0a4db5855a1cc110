/**
 * Runs seeds in processes of their own, several at a time. Processes rather than threads: a run that exhausts memory or
 * crashes the engine takes its own process down, and is a failed run; the others go on.
 */
import { type ChildProcess, fork } from 'node:child_process';
import path from 'node:path';
import { reportOfLostRun, type SeedReport, type SeedRun, type SeedRunner } from '../src/simulator/index.ts';
import { processEnvironment } from './process-environment.ts';

/** Where a process has grown beyond this, another takes its place. */
const residentBytesMax = 1.5 * 2 ** 30;
const printedCharsMax = 20_000;
/**
 * A world leaves much behind and keeps little: a heap that begins large, in megabytes, is seldom searched, and a sixth of the
 * time of short seeds is saved.
 */
const heapFlags = ['--initial-old-space-size=512', '--min-semi-space-size=32', '--max-semi-space-size=32'];

export interface WorkerMessage {
  readonly report: SeedReport;
  readonly residentBytes: number;
}

export interface SeedWorkersOptions {
  readonly atOnce: number;
  /** What a worker process runs; another in tests. */
  readonly program?: string;
  readonly residentBytesMax?: number;
}

interface Worker {
  readonly child: ChildProcess;
  run: SeedRun | undefined;
  finish: ((report: SeedReport) => void) | undefined;
  /** The end of what it wrote to its standard streams. */
  printed: string;
}

export class SeedWorkers implements SeedRunner {
  readonly atOnce: number;
  readonly #program: string;
  readonly #residentBytesMax: number;
  readonly #workers = new Set<Worker>();
  readonly #idle: Worker[] = [];

  constructor(options: SeedWorkersOptions) {
    this.atOnce = options.atOnce;
    this.#program = options.program ?? path.join(import.meta.dirname, 'seed-worker.js');
    this.#residentBytesMax = options.residentBytesMax ?? residentBytesMax;
  }

  /** What is being run now. */
  get underWay(): readonly SeedRun[] {
    return [...this.#workers].flatMap(({ run }) => (run === undefined ? [] : [run]));
  }

  run(run: SeedRun): Promise<SeedReport> {
    return new Promise((resolve) => {
      const worker = this.#idle.pop() ?? this.#start();
      worker.run = run;
      worker.finish = resolve;
      worker.child.send(run, (error) => {
        if (error !== null) this.#lost(worker, `could not be told what to run: ${error.message}`);
      });
    });
  }

  /** Ends all processes at once; what is under way is never reported. */
  kill(): void {
    for (const worker of this.#workers) {
      worker.finish = undefined;
      worker.child.kill('SIGKILL');
    }
    this.#workers.clear();
    this.#idle.length = 0;
  }

  #start(): Worker {
    const child = fork(this.#program, {
      env: processEnvironment(),
      execArgv: [...process.execArgv, ...heapFlags],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const worker: Worker = { child, run: undefined, finish: undefined, printed: '' };
    this.#workers.add(worker);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        worker.printed = (worker.printed + text).slice(-printedCharsMax);
      });
    }
    child.on('message', (message) => this.#finished(worker, message as WorkerMessage));
    child.once('error', (error) => this.#lost(worker, `failed: ${error.message}`));
    // `close`, not `exit`: by then all that it printed has been read.
    child.once('close', (code, signal) => this.#lost(worker, `ended with ${signal ?? `code ${code}`}`));
    return worker;
  }

  #finished(worker: Worker, { report, residentBytes }: WorkerMessage): void {
    const finish = worker.finish;
    worker.run = undefined;
    worker.finish = undefined;
    if (residentBytes > this.#residentBytesMax) {
      this.#workers.delete(worker);
      worker.child.disconnect();
    } else this.#idle.push(worker);
    finish?.(report);
  }

  #lost(worker: Worker, reason: string): void {
    this.#workers.delete(worker);
    const place = this.#idle.indexOf(worker);
    if (place >= 0) this.#idle.splice(place, 1);
    const { finish, run } = worker;
    worker.finish = undefined;
    worker.run = undefined;
    worker.child.kill('SIGKILL');
    if (run === undefined) return;
    finish?.(reportOfLostRun(run, `the process that ran seed ${run.seed} ${reason}`, worker.printed));
  }
}
