/** Calls the functions that buckets name: built-in ones, and those that are stored as objects. */
import type { Clock, Instant, Log } from '../../environment/index.ts';
import type { Sandbox, SandboxOutcome } from '../../sandbox/index.ts';
import { jsonNestingOf, unreachable } from '../../stdx/index.ts';
import type { CommitHook } from '../bucket-properties.ts';
import type { GetRequest, GetResult, ObjectAddress } from '../key-value-store.ts';
import type { KvError } from '../kv-error.ts';
import { hookFunctionOf } from './hook-name.ts';

export interface HookSettings {
  /** Milliseconds of a processor that one hook may take; it may last four times as long, waiting included. */
  readonly runMsMax: number;
  readonly memoryBytesMax: number;
  /** Of an object in a bucket with hooks. */
  readonly objectBytesMax: number;
}

export const defaultHookSettings: HookSettings = {
  runMsMax: 1000,
  memoryBytesMax: 64 * 1024 * 1024,
  objectBytesMax: 4 * 1024 * 1024,
};

export interface HookFunctionParts {
  readonly environment: { readonly clock: Clock; readonly log: Log };
  /** Absent: every call fails. */
  readonly sandbox: Sandbox | undefined;
  readonly settings: HookSettings;
  /** For stored functions. */
  readonly get: (request: GetRequest, done: (result: GetResult) => void) => void;
}

const lastsFactor = 4;
/** The process that runs it may have to be started first, on a machine that is busy. */
const startMsMax = 10_000;
/** A stored function is read again when it is older: a change of it shows within that time. */
const sourceAgeMsMax = 1000;
const sourcesMax = 256;
const sourceBytesMax = 1024 * 1024;
export const reasonLengthMax = 1024;
/** Characters of what a hook returns, beyond twice the object's bytes. */
const outputSlack = 64 * 1024;
/** Arrays and objects within each other: an object takes six of them. */
const resultNestingMax = 64;

interface KnownSource {
  readonly source: string;
  readonly readAt: Instant;
}

/** Why a write may not be, be it the word of a hook or that there is none. */
export class Rejection extends Error {
  override readonly name = 'Rejection';
  readonly error: KvError;

  constructor(error: KvError) {
    super(error.code);
    this.error = error;
  }
}

export class HookFunctions {
  readonly #parts: HookFunctionParts;
  readonly #sources = new Map<string, KnownSource>();

  constructor(parts: HookFunctionParts) {
    this.#parts = parts;
  }

  get settings(): HookSettings {
    return this.#parts.settings;
  }

  /** What the function returned, as JSON that may be walked. Rejects with `Rejection`. */
  async call(hook: CommitHook, input: string): Promise<string> {
    const { sandbox, settings } = this.#parts;
    if (sandbox === undefined) throw this.failed(hook, 'JavaScript is not available on this node');
    const source = await this.#sourceOf(hook);
    const { runMsMax, memoryBytesMax } = settings;
    const outcome = await sandbox.run({
      driver: 'hook',
      source,
      input,
      limits: { runMsMax, memoryBytesMax, outputMax: 2 * input.length + outputSlack },
      waitMsMax: startMsMax + lastsFactor * runMsMax,
    });
    if (outcome.kind === 'returned') {
      const result = outcome.results[0] ?? 'null';
      if (jsonNestingOf(result) > resultNestingMax)
        throw this.failed(hook, `it returned what is nested deeper than ${resultNestingMax}`);
      // The word of a stranger's function, whatever it did to what it ran in.
      if (!isJson(result)) throw this.failed(hook, 'it returned no JSON');
      return result;
    }
    if (outcome.kind === 'overload') throw new Rejection({ code: 'overload' });
    throw this.failed(hook, reasonOf(outcome, settings));
  }

  failed(hook: CommitHook, what: string): Rejection {
    const reason = `hook ${nameOf(hook)}: ${what}`.slice(0, reasonLengthMax);
    this.#parts.environment.log.debug('a commit hook failed', { hook: nameOf(hook), reason });
    return new Rejection({ code: 'precommit_fail', reason });
  }

  async #sourceOf(hook: CommitHook): Promise<string> {
    const named = hookFunctionOf(hook);
    if (named === undefined) throw this.failed(hook, 'it is not a function that can be run');
    if (named.kind === 'built_in') return named.name;
    const { clock } = this.#parts.environment;
    const name = nameOf(hook);
    const known = this.#sources.get(name);
    if (known !== undefined && clock.now() - known.readAt <= sourceAgeMsMax) return known.source;
    const source = await this.#readSource(hook, named.address);
    this.#sources.delete(name);
    this.#sources.set(name, { source, readAt: clock.now() });
    if (this.#sources.size > sourcesMax) this.#sources.delete(this.#sources.keys().next().value!);
    return source;
  }

  async #readSource(hook: CommitHook, address: ObjectAddress): Promise<string> {
    const result = await new Promise<GetResult>((resolve) => this.#parts.get(address, resolve));
    switch (result.kind) {
      case 'found': {
        const contents = result.object.contents();
        const [content] = contents;
        if (contents.length !== 1) throw this.failed(hook, 'it has siblings');
        if (content!.value.length > sourceBytesMax) throw this.failed(hook, 'it is too long');
        return content!.value.toString('utf8');
      }
      case 'failed':
        throw this.failed(hook, `it could not be read: ${result.error.code}`);
      default:
        throw this.failed(hook, 'it is not stored');
    }
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function nameOf(hook: CommitHook): string {
  return 'name' in hook ? hook.name : `${hook.mod}:${hook.fun}`;
}

function reasonOf(
  outcome: Exclude<SandboxOutcome, { readonly kind: 'returned' | 'overload' }>,
  { runMsMax, memoryBytesMax }: HookSettings,
): string {
  switch (outcome.kind) {
    case 'threw':
      return `${outcome.error.name}: ${outcome.error.message}`;
    case 'exceeded':
      if (outcome.limit === 'time') return `it ran longer than ${runMsMax} ms`;
      return outcome.limit === 'memory'
        ? `it took more than ${memoryBytesMax} bytes`
        : 'it returned too much';
    case 'expired':
      return 'it was not called in time';
    case 'lost':
      return outcome.reason;
    default:
      return unreachable(outcome);
  }
}
