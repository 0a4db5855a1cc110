/**
 * Where JavaScript runs that strangers sent. It gets text and returns text: there are no host objects, no files, no
 * network, no timers, and nothing that one call leaves behind is there for the next.
 *
 * B1  A call ends, whatever its function does: with its result, with what it threw, or at a limit.
 * B2  Memory that a call took is given back when it has ended, if need be with the process that ran it.
 * B3  A call has no effect but its outcome.
 */

/** How the function is applied to the input: scripts of our own, in `drivers.ts`. */
export type SandboxDriver = 'map' | 'reduce' | 'hook';

export interface SandboxLimits {
  /** Milliseconds of a processor that the call may use. On the clock it may last some times as long. */
  readonly runMsMax: number;
  readonly memoryBytesMax: number;
  /** Characters of all results together. */
  readonly outputMax: number;
}

export interface SandboxCall {
  readonly driver: SandboxDriver;
  /** An expression that is a function. */
  readonly source: string;
  /** JSON, of the shape that the driver reads. */
  readonly input: string;
  readonly limits: SandboxLimits;
  /** Milliseconds that the call may wait and run; then it ends as `expired`. */
  readonly waitMsMax: number;
  /** Nobody wants the outcome any more: the call ends as `lost`, and takes nothing further. */
  readonly signal?: AbortSignal | undefined;
}

export type SandboxOutcome =
  /** JSON texts, none with a line break. */
  | { readonly kind: 'returned'; readonly results: readonly string[]; readonly ranMs: number }
  | { readonly kind: 'threw'; readonly error: ScriptError; readonly ranMs: number }
  | { readonly kind: 'exceeded'; readonly limit: 'time' | 'memory' | 'output'; readonly ranMs: number }
  /** It waited too long for its turn, and did not run. */
  | { readonly kind: 'expired' }
  /** Too many calls wait already. */
  | { readonly kind: 'overload' }
  /** What ran it ended without an answer, or could not be started. */
  | { readonly kind: 'lost'; readonly reason: string };

export interface ScriptError {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  /** Which of the inputs the function was applied to; -1: none. */
  readonly at: number;
}

export interface SandboxCounts {
  readonly calls: number;
  readonly failures: number;
  /** Calls that were ended at a limit. */
  readonly exceeded: number;
  readonly running: number;
  readonly waiting: number;
}

export interface Sandbox {
  /** What runs the scripts: `isolated-vm`, `quickjs`. */
  readonly engine: string;
  readonly counts: SandboxCounts;
  run(call: SandboxCall): Promise<SandboxOutcome>;
  /** What runs or waits is `lost`. */
  close(): Promise<void>;
}

export interface SandboxSettings {
  /** `auto`: the fastest there is. */
  readonly engine: 'auto' | 'isolated-vm' | 'quickjs';
  /** Calls that run at once. */
  readonly processesMax: number;
  /** Of one call. */
  readonly memoryBytesMax: number;
  /** Calls that wait. */
  readonly waitingMax: number;
}

export type OpenSandbox = (settings: SandboxSettings) => Sandbox;
