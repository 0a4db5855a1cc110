/**
 * Merges what has more siblings than its bucket wants, where the write that made it so could not: replicas that met with
 * versions from different coordinators, and policies that are functions. Whoever has seen such an object, by a read or a write
 * that it took, merges it behind the answer and writes the result as one that descends from what was seen (P1). So
 * nobody need come to the same result as somebody else; siblings that nobody has seen stay.
 *
 * What lives is written only while what was seen is what is there, by a read at a quorum and by the vnode that coordinates:
 * a delete that was acknowledged meanwhile would be concurrent with it. Otherwise it is left to whoever sees it next. A delete
 * between that read and the write, or with a context from before the merge, is concurrent with it all the same: the merge has a
 * dot of its own (docs/merge-policies.md).
 */
import type { VersionVector } from '../clocks/index.ts';
import type { Environment } from '../environment/index.ts';
import { decodeContent, stampContent } from '../wire/index.ts';
import type { BucketProperties, CommitHook } from './bucket-properties.ts';
import {
  contentOfMerge,
  type HookFunctions,
  MalformedHookResult,
  Rejection,
  rejectionOf,
} from './commit-hooks/index.ts';
import {
  type CoordinatorParts,
  coordinateGet,
  coordinatePut,
  type PreparedWrite,
  type WriteOutcome,
} from './coordinator/index.ts';
import { addressName, type ObjectAddress } from './key-value-store.ts';
import type { KvError } from './kv-error.ts';
import { makeObject, type VersionedObject, withoutExpired, withoutTwins } from './object/index.ts';
import { jsonOfObject } from './query/map-reduce/object-json.ts';
import { addressOnly } from './request-checks.ts';
import { mergedContent, unitedMetadata } from './sibling-cap/index.ts';
import { uniqueText, vtagLength } from './unique-text.ts';
import { conditionFailure } from './write-condition.ts';

/** Merges under way on a node, unless it is told otherwise. */
export const mergesMaxDefault = 64;
/** Milliseconds before a key whose merge has failed is tried again; and how many such keys are remembered. */
export const mergePauseMs = 10_000;
/** The same where only others were faster: a key that is written without end must not keep the sandbox busy. */
const overtakenPauseMs = 500;
const pausedMax = 1000;

/** Each absent: its default. */
export interface SiblingMergeSettings {
  /** Merges under way; what more is seen waits for the next who sees it. */
  readonly siblingMergesMax?: number;
  /** Bytes of values that are joined as JSON. */
  readonly unionBytesMax?: number;
}

export interface SiblingMergeParts {
  readonly environment: Pick<Environment, 'clock' | 'tasks' | 'random' | 'log'>;
  readonly coordinator: CoordinatorParts;
  readonly functions: HookFunctions;
  readonly settings: SiblingMergeSettings;
  /** Nothing is begun any more, and no write is let in. */
  readonly isStopping: () => boolean;
}

/** `overtaken`: what was seen is not what is there any more. */
type MergeEnd = 'merged' | 'overtaken' | 'failed';

export class SiblingMerges {
  readonly #parts: SiblingMergeParts;
  readonly #underWay = new Set<string>();
  /** Until when. */
  readonly #paused = new Map<string, number>();
  #idle: (() => void) | undefined;

  constructor(parts: SiblingMergeParts) {
    this.#parts = parts;
  }

  /** To be told only of buckets that have a cap. Returns at once. */
  saw(address: ObjectAddress, object: VersionedObject | undefined, properties: BucketProperties): void {
    const { siblings_max, merge_policy, allow_mult } = properties;
    if (object === undefined || object.siblingCount <= siblings_max) return;
    if (merge_policy === 'none' || !allow_mult || siblings_max === 0) return;
    if (withoutTwins(object).siblingCount <= siblings_max) return;
    const name = addressName(address);
    const { siblingMergesMax = mergesMaxDefault } = this.#parts.settings;
    if (this.#parts.isStopping() || this.#underWay.size >= siblingMergesMax || this.#underWay.has(name))
      return;
    if (this.#parts.environment.clock.now() < (this.#paused.get(name) ?? 0)) return;
    this.#underWay.add(name);
    this.#parts.environment.tasks.spawn('merge of siblings', async () => {
      const end = await this.#merge(addressOnly(address), object, properties);
      this.#underWay.delete(name);
      const { observer } = this.#parts.coordinator;
      if (end === 'merged') observer.siblingsMerged?.(object.siblingCount);
      else observer.siblingsUnmerged?.();
      if (end !== 'merged') this.#pauseFor(name, end === 'failed' ? mergePauseMs : overtakenPauseMs);
      if (this.#underWay.size === 0) this.#idle?.();
    });
  }

  /** Resolves when what is under way has ended. */
  async close(): Promise<void> {
    if (this.#underWay.size > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  #pauseFor(name: string, pauseMs: number): void {
    this.#paused.delete(name);
    this.#paused.set(name, this.#parts.environment.clock.now() + pauseMs);
    if (this.#paused.size > pausedMax) this.#paused.delete(this.#paused.keys().next().value!);
  }

  async #merge(
    address: ObjectAddress,
    object: VersionedObject,
    properties: BucketProperties,
  ): Promise<MergeEnd> {
    const { clock } = this.#parts.environment;
    const seen = object.mayExpire ? withoutExpired(object, clock.wallMicros()) : object;
    const content = await this.#contentOf(address, seen, properties);
    if (content === undefined) return 'failed';
    const outcome = await this.#write(address, object.clock, content, properties);
    if (outcome.kind === 'written') return 'merged';
    const code = outcome.kind === 'failed' ? outcome.error.code : undefined;
    return code === 'modified' || code === 'notfound' ? 'overtaken' : 'failed';
  }

  async #contentOf(
    address: ObjectAddress,
    object: VersionedObject,
    { merge_policy }: BucketProperties,
  ): Promise<Buffer | undefined> {
    const vtag = uniqueText(this.#parts.environment.random, vtagLength);
    const { unionBytesMax } = this.#parts.settings;
    if (merge_policy === 'lww' || merge_policy === 'union') {
      return mergedContent(object, merge_policy, vtag, unionBytesMax);
    }
    if (merge_policy === 'none') return undefined;
    // Of tombstones alone, or of one value that is left beside them, there is nothing to ask.
    const live = withoutTwins(object).siblings.filter(({ content }) => !decodeContent(content).deleted);
    if (live.length < 2) return mergedContent(object, 'union', vtag, unionBytesMax);
    try {
      const merged = await this.#called(address, makeObject(object.clock, live), merge_policy);
      return stampContent(merged, vtag, this.#parts.environment.clock.wallMicros(), 'kept');
    } catch (error) {
      if (!(error instanceof Rejection || error instanceof MalformedHookResult)) throw error;
      return undefined;
    }
  }

  async #called(address: ObjectAddress, live: VersionedObject, policy: CommitHook): Promise<Buffer> {
    const { functions } = this.#parts;
    const { objectBytesMax } = functions.settings;
    if (live.sizeBytes > objectBytesMax) {
      throw new Rejection({ code: 'too_large', bytes: live.sizeBytes, bytesMax: objectBytesMax });
    }
    if (live.hasManifest) {
      throw new Rejection({ code: 'too_large', bytes: objectBytesMax + 1, bytesMax: objectBytesMax });
    }
    const result = await functions.call(policy, jsonOfObject(address, live));
    const rejection = rejectionOf(result);
    if (rejection !== undefined) throw new Rejection(rejection);
    const contents = live.contents();
    const content = contentOfMerge(unitedMetadata(live.siblings, contents), contents, result);
    if ('code' in content) throw new Rejection(content);
    return content;
  }

  async #write(
    address: ObjectAddress,
    context: VersionVector,
    content: Buffer,
    properties: BucketProperties,
  ): Promise<WriteOutcome> {
    const write: PreparedWrite = {
      address,
      options: {},
      context,
      content,
      update: undefined,
      // A tombstone brings nothing back.
      condition: decodeContent(content).deleted ? 'none' : 'unmodified',
      asis: false,
      wantsObject: false,
      isForwarded: false,
    };
    const error = await this.#refusalOf(write, properties);
    if (error !== undefined) return { kind: 'failed', error };
    return new Promise((done) => coordinatePut(this.#parts.coordinator, write, properties, done));
  }

  /** The replica that was read, and the one that coordinates, may both have missed what a quorum knows. */
  #refusalOf(write: PreparedWrite, properties: BucketProperties): Promise<KvError | undefined> {
    if (write.condition === 'none') return Promise.resolve(undefined);
    const { coordinator, environment } = this.#parts;
    return new Promise((done) =>
      coordinateGet(coordinator, write.address, properties, (outcome) => {
        if (outcome.kind === 'failed') done(outcome.error);
        else done(conditionFailure(write, outcome.object, properties, environment.clock.wallMicros()));
      }),
    );
  }
}
