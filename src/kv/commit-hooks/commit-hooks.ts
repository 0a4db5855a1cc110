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
import type { Clock, Log, Tasks } from '../../environment/index.ts';
import type { Sandbox } from '../../sandbox/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { tombstoneContent } from '../../wire/index.ts';
import type { BucketProperties, CommitHook } from '../bucket-properties.ts';
import type { PreparedWrite } from '../coordinator/index.ts';
import type { GetRequest, GetResult, ObjectAddress } from '../key-value-store.ts';
import type { KvError } from '../kv-error.ts';
import type { KvObserver } from '../kv-observer.ts';
import type { VersionedObject } from '../object/index.ts';
import { jsonOfObject } from '../query/map-reduce/object-json.ts';
import { HookFunctions, type HookSettings, Rejection, reasonLengthMax } from './hook-functions.ts';
import { contentOfHook, hookInput, MalformedHookResult } from './hooked-content.ts';

export interface CommitHookParts {
  readonly environment: { readonly clock: Clock; readonly tasks: Tasks; readonly log: Log };
  /** Absent: every write to a bucket with hooks is rejected. */
  readonly sandbox: Sandbox | undefined;
  readonly settings: HookSettings;
  readonly observer: Pick<KvObserver, 'precommitFailed' | 'postcommitFailed'>;
  /** For stored functions. */
  readonly get: (request: GetRequest, done: (result: GetResult) => void) => void;
}

/** Post-commit hooks that have not ended; more are not called, and count as failed. */
export const postcommitsMax = 1000;
export class CommitHooks {
  /** For others that call such functions. */
  readonly functions: HookFunctions;
  readonly #parts: CommitHookParts;
  #postcommits = 0;

  constructor(parts: CommitHookParts) {
    this.#parts = parts;
    this.functions = new HookFunctions(parts);
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
    const isTooLarge = (object?.sizeBytes ?? content.length) > this.#parts.settings.objectBytesMax;
    if (isTooLarge || this.#postcommits >= postcommitsMax) {
      this.#parts.observer.postcommitFailed?.();
      return;
    }
    this.#postcommits += 1;
    this.#parts.environment.tasks.spawn('post-commit hooks', async () => {
      try {
        const input =
          object === undefined ? hookInput(address, context, content) : jsonOfObject(address, object);
        for (const hook of postcommit) await this.functions.call(hook, input);
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
      result = await this.functions.call(hook, result);
      const rejection = rejectionOf(result);
      if (rejection !== undefined) throw new Rejection(rejection);
    }
    try {
      return contentOfHook(content, input, result);
    } catch (error) {
      if (!(error instanceof MalformedHookResult)) throw error;
      throw this.functions.failed(hooks.at(-1)!, error.message);
    }
  }
}

/** `"fail"` and `{"fail": reason}` reject; undefined: the result is an object. */
export function rejectionOf(result: string): KvError | undefined {
  const value: unknown = JSON.parse(result);
  if (value === 'fail') return { code: 'precommit_fail' };
  const isObject = typeof value === 'object' && value !== null;
  if (!isObject || !Object.hasOwn(value, 'fail')) return undefined;
  const { fail } = value as { readonly fail: unknown };
  const reason = typeof fail === 'string' ? fail : JSON.stringify(fail);
  return { code: 'precommit_fail', reason: reason.slice(0, reasonLengthMax) };
}
