/**
 * Hooks around writes (spec: features §14). Before a write its hooks are called one after the other, each with what the
 * one before returned; each may change the object or reject it. They run where the request came in, before anything is
 * stored, and see what the client sent, not what it is merged with. After a write that succeeded its post-commit hooks
 * are called with what was stored; nobody waits for them.
 *
 * H1  A write is stored only if every pre-commit hook has returned: a hook that fails, is missing, or takes too long
 *     rejects it.
 * H2  Post-commit hooks change nothing: their failures are counted and logged.
 * H3  A bucket without hooks does not pass here.
 */
import type { Buffer } from 'node:buffer';
import { VersionVector } from '../../clocks/index.ts';
import type { Clock, Instant, Log, Tasks } from '../../environment/index.ts';
import type { Sandbox, SandboxOutcome } from '../../sandbox/index.ts';
import { byteLiteral, unreachable } from '../../stdx/index.ts';
import { tombstoneContent } from '../../wire/index.ts';
import type { BucketProperties, CommitHook } from '../bucket-properties.ts';
import type { PreparedWrite } from '../coordinator/index.ts';
import type { GetRequest, GetResult, ObjectAddress } from '../key-value-store.ts';
import type { KvError } from '../kv-error.ts';
import type { KvObserver } from '../kv-observer.ts';
import type { VersionedObject } from '../object/index.ts';
import { jsonOfObject } from '../query/map-reduce/object-json.ts';
import { hookFunctionOf } from './hook-name.ts';
import { contentOfHook, hookInput, MalformedHookResult } from './hooked-content.ts';

export interface HookSettings {
  /** Milliseconds of a processor that one hook may take; it may last four times as long, waiting included. */
  readonly runMsMax: number;
  readonly memoryBytesMax: number;
  /** Of an object in a bucket with hooks. */
  readonly objectBytesMax: number;
}

export interface CommitHookParts {
  readonly environment: { readonly clock: Clock; readonly tasks: Tasks; readonly log: Log };
  /** Absent: every write to a bucket with hooks is rejected. */
  readonly sandbox: Sandbox | undefined;
  readonly settings: HookSettings;
  readonly observer: Pick<KvObserver, 'precommitFailed' | 'postcommitFailed'>;
  /** For stored functions. */
  readonly get: (request: GetRequest, done: (result: GetResult) => void) => void;
}

export const defaultHookSettings: HookSettings = {
  runMsMax: 1000,
  memoryBytesMax: 64 * 1024 * 1024,
  objectBytesMax: 4 * 1024 * 1024,
};

const lastsFactor = 4;
/** A stored function is read again when it is older: a change of it shows within that time. */
const sourceAgeMsMax = 1000;
const sourcesMax = 256;
const sourceBytesMax = 1024 * 1024;
/** Post-commit hooks that have not ended; more are not called, and count as failed. */
export const postcommitsMax = 1000;
const reasonLengthMax = 1024;
/** Characters of what a hook returns, beyond twice the object's bytes. */
const outputSlack = 64 * 1024;

interface KnownSource {
  readonly source: string;
  readonly readAt: Instant;
}

/** Why a write may not be, be it the word of a hook or that there is none. */
class Rejection extends Error {
  override readonly name = 'Rejection';
  readonly error: KvError;

  constructor(error: KvError) {
    super(error.code);
    this.error = error;
  }
}

export class CommitHooks {
  readonly #parts: CommitHookParts;
  readonly #sources = new Map<string, KnownSource>();
  #postcommits = 0;

  constructor(parts: CommitHookParts) {
    this.#parts = parts;
  }

  /** Calls `done` once: with what to write, or with why nothing may be written. */
  before(
    write: PreparedWrite,
    { precommit }: Pick<BucketProperties, 'precommit'>,
    done: (result: PreparedWrite | KvError) => void,
  ): void {
    if (precommit.length === 0 || write.asis) {
      done(write);
      return;
    }
    this.#pass(write.address, write.context, write.content, precommit, (result) => {
      done('code' in result ? result : { ...write, content: result });
    });
  }

  /** Hooks see the tombstone, and may reject it; what else they make of it does not matter. */
  beforeDelete(
    address: ObjectAddress,
    { precommit }: Pick<BucketProperties, 'precommit'>,
    done: (rejection: KvError | undefined) => void,
  ): void {
    const tombstone = tombstoneContent(byteLiteral(''), this.#parts.environment.clock.wallMicros());
    const { bucketType, bucket, key } = address;
    this.#pass({ bucketType, bucket, key }, VersionVector.empty, tombstone, precommit, (result) => {
      done('code' in result ? result : undefined);
    });
  }

  /** Returns at once. `object`: as it was stored, if it was stored here. */
  after(
    { address, context, content, asis }: PreparedWrite,
    object: VersionedObject | undefined,
    { postcommit }: Pick<BucketProperties, 'postcommit'>,
  ): void {
    if (postcommit.length === 0 || asis) return;
    if (this.#postcommits >= postcommitsMax) {
      this.#parts.observer.postcommitFailed?.();
      return;
    }
    this.#postcommits += 1;
    this.#parts.environment.tasks.spawn('post-commit hooks', async () => {
      try {
        const input =
          object === undefined ? hookInput(address, context, content) : jsonOfObject(address, object);
        for (const hook of postcommit) await this.#called(hook, input);
      } catch (error) {
        if (!(error instanceof Rejection)) throw error;
        this.#parts.observer.postcommitFailed?.();
      } finally {
        this.#postcommits -= 1;
      }
    });
  }

  #pass(
    address: ObjectAddress,
    context: VersionVector,
    content: Buffer,
    hooks: readonly CommitHook[],
    done: (result: Buffer | KvError) => void,
  ): void {
    this.#parts.environment.tasks.spawn('pre-commit hooks', async () => {
      let result: Buffer | KvError;
      try {
        result = await this.#passed(address, context, content, hooks);
      } catch (error) {
        if (!(error instanceof Rejection)) throw error;
        this.#parts.observer.precommitFailed?.();
        result = error.error;
      }
      done(result);
    });
  }

  async #passed(
    address: ObjectAddress,
    context: VersionVector,
    content: Buffer,
    hooks: readonly CommitHook[],
  ): Promise<Buffer | KvError> {
    const { objectBytesMax } = this.#parts.settings;
    if (content.length > objectBytesMax) {
      throw new Rejection({ code: 'too_large', bytes: content.length, bytesMax: objectBytesMax });
    }
    const input = hookInput(address, context, content);
    let result = input;
    for (const hook of hooks) {
      result = await this.#called(hook, result);
      const rejection = rejectionOf(result);
      if (rejection !== undefined) throw new Rejection(rejection);
    }
    try {
      return contentOfHook(content, input, result);
    } catch (error) {
      if (!(error instanceof MalformedHookResult)) throw error;
      throw this.#failed(hooks.at(-1)!, error.message);
    }
  }

  /** What the hook returned, as JSON. Rejects with `Rejection`. */
  async #called(hook: CommitHook, input: string): Promise<string> {
    const { sandbox, settings } = this.#parts;
    if (sandbox === undefined) throw this.#failed(hook, 'JavaScript is not available on this node');
    const source = await this.#sourceOf(hook);
    const { runMsMax, memoryBytesMax } = settings;
    const outcome = await sandbox.run({
      driver: 'hook',
      source,
      input,
      limits: { runMsMax, memoryBytesMax, outputMax: 2 * input.length + outputSlack },
      waitMsMax: lastsFactor * runMsMax,
    });
    if (outcome.kind === 'returned') return outcome.results[0] ?? 'null';
    if (outcome.kind === 'overload') throw new Rejection({ code: 'overload' });
    throw this.#failed(hook, reasonOf(outcome, settings));
  }

  async #sourceOf(hook: CommitHook): Promise<string> {
    const named = hookFunctionOf(hook);
    if (named === undefined) throw this.#failed(hook, 'it is not a function that can be run');
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
        if (contents.length !== 1) throw this.#failed(hook, 'it has siblings');
        if (content!.value.length > sourceBytesMax) throw this.#failed(hook, 'it is too long');
        return content!.value.toString('utf8');
      }
      case 'failed':
        throw this.#failed(hook, `it could not be read: ${result.error.code}`);
      default:
        throw this.#failed(hook, 'it is not stored');
    }
  }

  #failed(hook: CommitHook, what: string): Rejection {
    const reason = `hook ${nameOf(hook)}: ${what}`.slice(0, reasonLengthMax);
    this.#parts.environment.log.debug('a commit hook failed', { hook: nameOf(hook), reason });
    return new Rejection({ code: 'precommit_fail', reason });
  }
}

function nameOf(hook: CommitHook): string {
  return 'name' in hook ? hook.name : `${hook.mod}:${hook.fun}`;
}

/** `"fail"` and `{"fail": reason}` reject; undefined: the result is an object. */
function rejectionOf(result: string): KvError | undefined {
  const value: unknown = JSON.parse(result);
  if (value === 'fail') return { code: 'precommit_fail' };
  const isObject = typeof value === 'object' && value !== null;
  if (!isObject || !Object.hasOwn(value, 'fail')) return undefined;
  const { fail } = value as { readonly fail: unknown };
  const reason = typeof fail === 'string' ? fail : JSON.stringify(fail);
  return { code: 'precommit_fail', reason: reason.slice(0, reasonLengthMax) };
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
