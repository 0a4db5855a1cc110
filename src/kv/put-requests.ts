/** Puts of clients: checked, hooked, conditional or not, coordinated, and shown as they were asked to be. */
import { type Environment, RareNotices } from '../environment/index.ts';
import { type ByteString, byteLiteral, textOfBytes } from '../stdx/index.ts';
import type { BucketProperties } from './bucket-properties.ts';
import type { CommitHooks } from './commit-hooks/index.ts';
import {
  type CoordinatorParts,
  coordinateGet,
  coordinatePut,
  type PreparedWrite,
} from './coordinator/index.ts';
import { failureOf } from './deletes.ts';
import type { ObjectAddress, PutRequest, PutResult } from './key-value-store.ts';
import type { KvError } from './kv-error.ts';
import type { KvObserver } from './kv-observer.ts';
import type { VersionedObject } from './object/index.ts';
import { prepareWrite } from './request-checks.ts';
import type { RequestDoor } from './request-door.ts';
import type { SerialisedWrites } from './serialised-writes.ts';
import type { SiblingMerges } from './sibling-merges.ts';
import { generatedKeyLength, uniqueText, vtagLength } from './unique-text.ts';
import { shownObject } from './visible-object.ts';
import { conditionFailure } from './write-condition.ts';
import { preparedOnce } from './write-once.ts';

/** Calls `done` once, with the object whose values are in it. */
export type AssembleObject = (
  object: VersionedObject,
  done: (whole: VersionedObject | KvError) => void,
) => void;

export interface PutRequestsParts {
  readonly environment: Pick<Environment, 'clock' | 'random' | 'log'>;
  readonly coordinator: CoordinatorParts;
  readonly door: RequestDoor;
  readonly hooks: CommitHooks;
  readonly merges: SiblingMerges;
  readonly serialised: SerialisedWrites;
  readonly observer: KvObserver;
  /** Of values that are kept in chunks. */
  readonly assemble: AssembleObject;
}

export class PutRequests {
  readonly #parts: PutRequestsParts;
  readonly #unshown: RareNotices;

  constructor(parts: PutRequestsParts) {
    this.#parts = parts;
    const { log, clock } = parts.environment;
    this.#unshown = new RareNotices(log, clock, 'what was stored could not be put together for its answer');
  }

  put(request: PutRequest, done: (result: PutResult) => void): void {
    const startedAt = this.#parts.environment.clock.now();
    const generatedKey =
      request.key === undefined ? uniqueText(this.#parts.environment.random, generatedKeyLength) : undefined;
    const address: ObjectAddress = {
      bucketType: request.bucketType,
      bucket: request.bucket,
      key: request.key ?? generatedKey ?? byteLiteral(''),
    };
    const properties = this.#parts.door.enterWrite(address, address.key, startedAt);
    if ('code' in properties) {
      done({ kind: 'failed', error: properties });
      return;
    }
    const finish = (result: PutResult, object: VersionedObject | undefined) => {
      const durationMs = this.#parts.door.left('write', startedAt, result.kind === 'stored');
      this.#parts.observer.putFinished(
        durationMs,
        result.kind,
        object?.sizeBytes ?? 0,
        object?.siblingCount ?? 0,
      );
      if (properties.write_once) this.#parts.observer.writeOncePut?.(durationMs, object?.sizeBytes ?? 0);
      done(result);
    };
    const { random, clock } = this.#parts.environment;
    const vtag = uniqueText(random, vtagLength);
    const prepared = prepareWrite(request, address, vtag, clock.wallMicros(), properties.ttl);
    if ('code' in prepared) {
      finish({ kind: 'failed', error: prepared }, undefined);
      return;
    }
    const write = properties.write_once ? preparedOnce(prepared, random) : prepared;
    const returns = request.returnObject === 'body' && request.leaveChunks !== true ? 'body' : 'other';
    if (properties.precommit.length === 0 && properties.postcommit.length === 0) {
      this.#store(write, properties, returns, generatedKey, finish);
      return;
    }
    this.#parts.hooks.before(write, properties, (hooked) => {
      if ('code' in hooked) {
        finish({ kind: 'failed', error: hooked }, undefined);
        return;
      }
      this.#store(hooked, properties, returns, generatedKey, (result, object) => {
        if (result.kind === 'stored') this.#parts.hooks.after(hooked, object, properties);
        finish(result, object);
      });
    });
  }

  #store(
    write: PreparedWrite,
    properties: BucketProperties,
    returns: 'body' | 'other',
    generatedKey: ByteString | undefined,
    finish: (result: PutResult, object: VersionedObject | undefined) => void,
  ): void {
    const { clock } = this.#parts.environment;
    this.#checkThenWrite(write, properties, (outcome) => {
      if (outcome.kind !== 'written') {
        finish(failureOf(outcome), undefined);
        return;
      }
      if (properties.siblings_max > 0) this.#parts.merges.saw(write.address, outcome.object, properties);
      const shown = write.wantsObject ? outcome.object : undefined;
      const object = shown === undefined ? undefined : shownObject(shown, properties, clock.wallMicros());
      const result: PutResult = { kind: 'stored', object, generatedKey };
      if (object?.hasManifest !== true || returns !== 'body') {
        finish(result, outcome.object);
        return;
      }
      this.#parts.assemble(object, (whole) => {
        // It is stored, which a failure would deny; and with values left out they would look empty, to be written back so.
        if ('code' in whole) this.#couldNotShow(write.address, whole);
        finish({ ...result, object: 'code' in whole ? undefined : whole }, outcome.object);
      });
    });
  }

  /** The client is not told; whoever put it together has counted it. */
  #couldNotShow({ bucket, key }: ObjectAddress, error: KvError): void {
    this.#unshown.warn(() => ({
      bucket: textOfBytes(bucket),
      key: textOfBytes(key),
      code: error.code,
      reason: 'reason' in error ? error.reason : undefined,
    }));
  }

  /** A condition is read at a quorum first, then checked again where the write is made. */
  #checkThenWrite(
    write: PreparedWrite,
    properties: BucketProperties,
    done: Parameters<typeof coordinatePut>[3],
  ): void {
    if (write.condition === 'none') {
      coordinatePut(this.#parts.coordinator, write, properties, done);
      return;
    }
    if (properties.conditional === 'serialised') {
      this.#parts.serialised.write(write, properties, done);
      return;
    }
    const startedAt = this.#parts.environment.clock.now();
    const { timeoutMs, sloppyQuorum, nVal } = write.options;
    const read = { ...write.address, timeoutMs, sloppyQuorum, nVal };
    coordinateGet(this.#parts.coordinator, read, properties, (outcome) => {
      const refusal =
        outcome.kind === 'failed'
          ? outcome.error
          : conditionFailure(write, outcome.object, properties, this.#parts.environment.clock.wallMicros());
      if (refusal === undefined) {
        const options = { ...write.options, timeoutMs: this.#parts.door.timeLeft(timeoutMs, startedAt) };
        coordinatePut(this.#parts.coordinator, { ...write, options }, properties, done);
      } else done({ kind: 'failed', error: refusal });
    });
  }
}
