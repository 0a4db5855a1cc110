/**
 * A `Sandbox` of processes: V8 ends a process that is out of memory, and a process can be ended from outside whatever
 * it does. Each runs one call at a time; a call that does not come back at its limit, and what grew or broke on the
 * way, ends with its process. Processes are started when calls wait, and end when they have been idle for a while.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { createRequire } from 'node:module';
import { constants, setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Log } from '../../environment/index.ts';
import type {
  OpenSandbox,
  Sandbox,
  SandboxCall,
  SandboxCounts,
  SandboxOutcome,
  SandboxSettings,
} from '../../sandbox/index.ts';
import { type EngineName, type ProcessMessage, type ProcessRequest, wallFactor } from './process-message.ts';

/** A call that has not ended so long after its limit is ended with its process. */
const graceMs = 500;
/** From the start of a process to its first word. */
const startMsMax = 10_000;
const idleMsMax = 30_000;
/** For what is in the process besides the memory of calls. */
const oldSpaceMb = 128;

const script = fileURLToPath(new URL('./sandbox-process.js', import.meta.url));

export function openSandboxPool(log: Log): OpenSandbox {
  return (settings) => new SandboxPool(settings, log);
}

interface Waiting {
  readonly call: SandboxCall;
  readonly done: (outcome: SandboxOutcome) => void;
  readonly timer: NodeJS.Timeout;
  /** Once it runs. */
  process: SandboxProcess | undefined;
}

class SandboxPool implements Sandbox {
  readonly #settings: SandboxSettings;
  readonly #log: Log;
  readonly #processes = new Set<SandboxProcess>();
  #waiting: Waiting[] = [];
  #engine: EngineName;
  #calls = 0;
  #failures = 0;
  #exceeded = 0;
  #isClosed = false;

  constructor(settings: SandboxSettings, log: Log) {
    this.#settings = settings;
    this.#log = log;
    this.#engine = settings.engine === 'auto' ? likelyEngine() : settings.engine;
  }

  get engine(): string {
    return this.#engine;
  }

  get counts(): SandboxCounts {
    return {
      calls: this.#calls,
      failures: this.#failures,
      exceeded: this.#exceeded,
      running: [...this.#processes].filter(({ isBusy }) => isBusy).length,
      waiting: this.#waiting.length,
    };
  }

  async run(call: SandboxCall): Promise<SandboxOutcome> {
    this.#calls += 1;
    const outcome = await this.#outcome(call);
    if (outcome.kind === 'exceeded') this.#exceeded += 1;
    if (outcome.kind !== 'returned') this.#failures += 1;
    return outcome;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { done } of waiting) done(closedOutcome);
    await Promise.all([...this.#processes].map((process) => process.end('the node is stopping')));
  }

  #outcome(call: SandboxCall): Promise<SandboxOutcome> {
    const { signal } = call;
    if (this.#isClosed) return Promise.resolve(closedOutcome);
    if (signal?.aborted === true) return Promise.resolve(abandonedOutcome);
    return new Promise((resolve) => {
      if (this.#waiting.length >= this.#settings.waitingMax) {
        resolve({ kind: 'overload' });
        return;
      }
      const leave = (outcome: SandboxOutcome): void => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        waiting.done(outcome);
      };
      const abandon = (): void => {
        if (waiting.process === undefined) leave(abandonedOutcome);
        else waiting.process.abandon();
      };
      signal?.addEventListener('abort', abandon);
      const done = (outcome: SandboxOutcome): void => {
        clearTimeout(waiting.timer);
        signal?.removeEventListener('abort', abandon);
        resolve(outcome);
      };
      const timer = setTimeout(() => leave({ kind: 'expired' }), call.waitMsMax);
      const waiting: Waiting = { call, done, timer, process: undefined };
      this.#waiting.push(waiting);
      this.#dispatch();
    });
  }

  #dispatch(): void {
    for (const process of this.#processes) if (!process.isBusy) this.#give(process);
    const starting = [...this.#processes].filter(({ isReady }) => !isReady).length;
    if (this.#waiting.length > starting && this.#processes.size < this.#settings.processesMax) this.#start();
  }

  #give(process: SandboxProcess): void {
    const next = this.#waiting.shift();
    if (next === undefined) return;
    clearTimeout(next.timer);
    next.process = process;
    process.run(next.call, next.done);
  }

  #start(): void {
    const process = new SandboxProcess(this.#settings, {
      ready: (engine) => {
        if (this.#engine !== engine) this.#log.warn('another JavaScript engine than expected', { engine });
        this.#engine = engine;
        this.#dispatch();
      },
      free: () => this.#dispatch(),
      ended: (reason, wasReady) => {
        this.#processes.delete(process);
        if (wasReady || this.#isClosed) this.#dispatch();
        else this.#failAll(reason);
      },
    });
    this.#processes.add(process);
  }

  /** Processes that do not even start would be started for ever. */
  #failAll(reason: string): void {
    this.#log.error('a sandbox process could not be started', { reason });
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { done } of waiting) done({ kind: 'lost', reason });
  }
}

const closedOutcome: SandboxOutcome = { kind: 'lost', reason: 'the node is stopping' };
const abandonedOutcome: SandboxOutcome = { kind: 'lost', reason: 'nobody waits for it any more' };

/** What a process will say it uses, unless it cannot be loaded. */
function likelyEngine(): EngineName {
  try {
    createRequire(import.meta.url).resolve('isolated-vm');
    return Number.parseInt(process.versions.node, 10) >= 24 ? 'isolated-vm' : 'quickjs';
  } catch {
    return 'quickjs';
  }
}

interface ProcessEvents {
  readonly ready: (engine: EngineName) => void;
  /** A call has ended, and the process takes another. */
  readonly free: () => void;
  readonly ended: (reason: string, wasReady: boolean) => void;
}

class SandboxProcess {
  readonly #child: ChildProcess;
  readonly #events: ProcessEvents;
  readonly #exited: Promise<void>;
  #done: ((outcome: SandboxOutcome) => void) | undefined;
  #isReady = false;
  #hasEnded = false;
  /** Why it is being ended, if it is. */
  #reason: SandboxOutcome | undefined;
  #timer: NodeJS.Timeout;

  constructor(settings: SandboxSettings, events: ProcessEvents) {
    this.#events = events;
    this.#child = fork(script, [settings.engine, String(settings.memoryBytesMax)], {
      serialization: 'advanced',
      execArgv: ['--no-node-snapshot', `--max-old-space-size=${oldSpaceMb}`],
      // Nothing of the node's surroundings.
      env: {},
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#timer = setTimeout(() => this.#kill(lost('it did not start in time')), startMsMax);
    this.#child.on('message', (message) => this.#take(message as ProcessMessage));
    this.#child.on('error', (error) => this.#exit(error.message));
    this.#exited = new Promise((resolve) => {
      this.#child.on('exit', (code, signal) => {
        this.#exit(`its process ended (${signal ?? code})`);
        resolve();
      });
    });
    this.#child.unref();
    this.#child.channel?.unref();
    yieldTo(this.#child);
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  get isBusy(): boolean {
    return !this.#isReady || this.#done !== undefined || this.#reason !== undefined;
  }

  run(call: SandboxCall, done: (outcome: SandboxOutcome) => void): void {
    clearTimeout(this.#timer);
    this.#done = done;
    const { runMsMax } = call.limits;
    this.#timer = setTimeout(
      () => this.#kill({ kind: 'exceeded', limit: 'time', ranMs: runMsMax }),
      wallFactor * runMsMax + graceMs,
    );
    const { driver, source, input, limits } = call;
    const request: ProcessRequest = { driver, source, input, limits };
    // The channel must keep this process alive as long as somebody waits.
    this.#child.channel?.ref();
    this.#child.send(request, (error) => {
      if (error !== null) this.#kill(lost(error.message));
    });
  }

  /** There is no other way to end a call in the midst. */
  abandon(): void {
    this.#kill(abandonedOutcome);
  }

  async end(reason: string): Promise<void> {
    this.#kill(lost(reason));
    await this.#exited;
  }

  #take(message: ProcessMessage): void {
    if (this.#reason !== undefined) return;
    clearTimeout(this.#timer);
    if (message.kind === 'ready') {
      this.#isReady = true;
      this.#rest();
      this.#events.ready(message.engine);
      return;
    }
    const done = this.#done;
    this.#done = undefined;
    this.#child.channel?.unref();
    if (message.isSpoiled) this.#kill(message.outcome);
    else this.#rest();
    done?.(message.outcome);
    this.#events.free();
  }

  #rest(): void {
    this.#timer = setTimeout(() => this.#kill(lost('it was idle')), idleMsMax);
    this.#timer.unref();
  }

  #kill(reason: SandboxOutcome): void {
    this.#reason ??= reason;
    this.#child.kill('SIGKILL');
  }

  #exit(reason: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    this.#done?.(this.#reason ?? exceededMemory(reason));
    this.#done = undefined;
    this.#events.ended(reason, this.#isReady);
  }
}

function lost(reason: string): SandboxOutcome {
  return { kind: 'lost', reason };
}

/** A process that ends by itself in the middle of a call was ended by V8, which does so when memory is out. */
function exceededMemory(reason: string): SandboxOutcome {
  return reason.includes('SIGABRT') || reason.includes('SIGTRAP')
    ? { kind: 'exceeded', limit: 'memory', ranMs: 0 }
    : lost(reason);
}

/** Where a core is short it is the node that goes on. */
function yieldTo({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    setPriority(pid, constants.priority.PRIORITY_LOW);
  } catch (error) {
    // It has ended already, or the system does not let us: then they share.
    if (!(error instanceof Error)) throw error;
  }
}
