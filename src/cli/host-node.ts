/**
 * One of several nodes that share a machine and its public ports: a worker of `node:cluster`. Its connections are
 * accepted by this process and handed to the nodes in turn, which spreads even a few of them evenly.
 */
import type { ChildProcess } from 'node:child_process';
import cluster, { type Worker } from 'node:cluster';
import { fileURLToPath } from 'node:url';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';

const mainFile = fileURLToPath(new URL('./main.js', import.meta.url));
const rememberedLengthMax = 4096;

export interface HostNodeEnd {
  readonly exitCode: ExitCode;
  /** What it printed last on standard error. */
  readonly lastWords: string;
  /** It is no member of the cluster any more, by an operator's word. */
  readonly hasLeft: boolean;
}

export class HostNode {
  /** Resolves at the line `ready`; never, if the process ends before. */
  readonly ready: Promise<void>;
  readonly ended: Promise<HostNodeEnd>;
  readonly #worker: Worker;
  #out = '';
  #lastWords = '';

  /** `args`: of `hale start`. What it logs goes where this process logs. */
  constructor(terminal: Terminal, args: readonly string[]) {
    cluster.schedulingPolicy = cluster.SCHED_RR;
    cluster.setupPrimary({
      exec: mainFile,
      args: ['start', '--supervised', ...args],
      stdio: ['pipe', 'pipe', 'pipe', 'ipc'],
    });
    this.#worker = cluster.fork();
    const { process: child } = this.#worker;
    closeUndelivered(child);
    this.ready = new Promise((resolve) => {
      child.stdout!.setEncoding('utf8').on('data', (text: string) => {
        this.#out = `${this.#out}${text}`.slice(-rememberedLengthMax);
        if (/^ready$/m.test(this.#out)) resolve();
      });
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#lastWords = `${this.#lastWords}${text}`.slice(-rememberedLengthMax);
      terminal.error(text);
    });
    // Its end while it is being told to stop.
    child.stdin!.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      child.once('close', (code) => resolve(this.#endOf(code)));
      child.once('error', (error) => {
        this.#lastWords = error.message;
        resolve(this.#endOf(null));
      });
    });
  }

  get isRunning(): boolean {
    const { exitCode, signalCode } = this.#worker.process;
    return exitCode === null && signalCode === null;
  }

  /** In order, however often it is said, and though Ctrl-C has reached it as well. */
  stop(): void {
    this.#worker.process.stdin!.end();
  }

  kill(): void {
    this.#worker.process.kill('SIGKILL');
  }

  #endOf(code: number | null): HostNodeEnd {
    const exitCode = Object.values(exitCodes).find((known) => known === code) ?? exitCodes.failure;
    const hasLeft = exitCode === exitCodes.removed || / has left the cluster$/m.test(this.#out);
    return { exitCode, lastWords: this.#lastWords.trim(), hasLeft };
  }
}

interface PassedHandle {
  close(): void;
}

/**
 * Connections that were on their way to a node when it died are closed, as the kernel closes those that had arrived:
 * `node:cluster` forgets them, and their clients would wait for ever. It looks at messages that are not documented; if
 * they are others one day, nothing is closed that should not be.
 */
function closeUndelivered(child: ChildProcess): void {
  const undelivered = new Map<unknown, PassedHandle>();
  const send = child.send.bind(child) as (message: unknown, ...rest: unknown[]) => boolean;
  child.send = (message: unknown, ...rest: unknown[]): boolean => {
    const [handle] = rest;
    const { act, seq } = message as { readonly act?: unknown; readonly seq?: unknown };
    if (act === 'newconn' && isHandle(handle)) undelivered.set(seq, handle);
    return send(message, ...rest);
  };
  child.on('internalMessage', ({ ack }: { readonly ack?: unknown }) => undelivered.delete(ack));
  child.once('exit', () => {
    for (const handle of undelivered.values()) handle.close();
    undelivered.clear();
  });
}

function isHandle(value: unknown): value is PassedHandle {
  return typeof value === 'object' && value !== null && 'close' in value && typeof value.close === 'function';
}
