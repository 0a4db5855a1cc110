/**
 * Requests to data types: a fetch reads the object like any other and shows the join of what is in it; an update is a
 * write whose content the coordinating vnode makes of what it holds.
 *
 * An update is atomic at its coordinator, all of it or nothing, and is carried out at most once: it is not sent to a second
 * node if the first may have done it, so that its client hears `timeout` and cannot know (F3 in
 * docs/internals/put-and-get.md).
 */
import { Buffer } from 'node:buffer';
import { VersionVector } from '../clocks/index.ts';
import {
  type CrdtOperation,
  type CrdtType,
  type CrdtValue,
  checkOperation,
  contextOfCrdt,
  decodeContext,
  encodeContext,
  valueOfCrdt,
} from '../crdt/index.ts';
import type { Environment } from '../environment/index.ts';
import { type ByteString, byteLiteral } from '../stdx/index.ts';
import { datatypeOf, legacyCounter } from './bucket-datatype.ts';
import type { BucketProperties } from './bucket-properties.ts';
import {
  type CoordinatorParts,
  coordinateGet,
  coordinatePut,
  type PreparedWrite,
} from './coordinator/index.ts';
import { type Datatype, type DatatypeWrite, type DecodedValues, readDatatype } from './datatype/index.ts';
import { errorOfRefusal } from './datatype-error.ts';
import { failureOf } from './deletes.ts';
import type { BucketAddress, ObjectAddress, ReadOptions, WriteOptions } from './key-value-store.ts';
import type { KvError } from './kv-error.ts';
import type { VersionedObject } from './object/index.ts';
import { addressOnly } from './request-checks.ts';
import type { RequestDoor } from './request-door.ts';
import { generatedKeyLength, uniqueText, vtagLength } from './unique-text.ts';
import { isLive } from './visible-object.ts';

export interface DatatypeFetch extends ObjectAddress, ReadOptions {
  /** A counter of Riak 1.4: of a bucket that has siblings and needs no `datatype`. */
  readonly isLegacyCounter?: boolean;
}

export interface DatatypeSnapshot {
  readonly value: CrdtValue;
  /** What a client must bring to remove what it sees here; absent where nothing can be removed. */
  readonly context: Buffer | undefined;
}

export type DatatypeFetchResult =
  | ({ readonly kind: 'found' } & DatatypeSnapshot)
  /** `isDeleted`: a delete is remembered. */
  | { readonly kind: 'notfound'; readonly type: CrdtType; readonly isDeleted: boolean }
  | { readonly kind: 'failed'; readonly error: KvError };

export interface DatatypeUpdateRequest extends BucketAddress, WriteOptions {
  /** Absent: the store makes a unique one and returns it. */
  readonly key?: ByteString | undefined;
  readonly operation: CrdtOperation;
  /** Of an earlier fetch. Removals without one remove what the coordinator has, and must find it. */
  readonly context?: Uint8Array | undefined;
  readonly returnValue?: boolean | undefined;
  readonly isLegacyCounter?: boolean;
}

export type DatatypeUpdateOutcome =
  | {
      readonly kind: 'updated';
      readonly snapshot: DatatypeSnapshot | undefined;
      readonly generatedKey: ByteString | undefined;
    }
  | { readonly kind: 'failed'; readonly error: KvError };

/** Data types as the APIs and the client see them. `done` is called exactly once, perhaps before the method returns. */
export interface Datatypes {
  /** Bytes of a request that are worth reading: what is larger makes no value that may be stored. */
  readonly requestBytesMax: number;
  /** Of the bucket, whatever is stored. */
  typeOf(address: BucketAddress): CrdtType | KvError;
  fetch(request: DatatypeFetch, done: (result: DatatypeFetchResult) => void): void;
  update(request: DatatypeUpdateRequest, done: (outcome: DatatypeUpdateOutcome) => void): void;
}

export class DatatypeStore implements Datatypes {
  readonly requestBytesMax: number;
  readonly #door: RequestDoor;
  readonly #coordinator: CoordinatorParts;
  readonly #environment: Pick<Environment, 'clock' | 'random'>;

  constructor(
    store: { readonly door: RequestDoor; readonly coordinator: CoordinatorParts },
    environment: Pick<Environment, 'clock' | 'random'>,
    requestBytesMax: number,
  ) {
    this.requestBytesMax = requestBytesMax;
    this.#door = store.door;
    this.#coordinator = store.coordinator;
    this.#environment = environment;
  }

  /** Large values that were decoded. */
  get cache(): Pick<DecodedValues, 'hits' | 'memory' | 'misses'> {
    return this.#coordinator.vnodes.decoded;
  }

  typeOf(address: BucketAddress): CrdtType | KvError {
    const properties = this.#door.lookUp(address);
    if ('code' in properties) return properties;
    const datatype = datatypeFor(properties, false);
    return 'code' in datatype ? datatype : datatype.type;
  }

  fetch(request: DatatypeFetch, done: (result: DatatypeFetchResult) => void): void {
    const startedAt = this.#environment.clock.now();
    const properties = this.#door.enter('read', request, request.key, startedAt);
    if ('code' in properties) {
      done({ kind: 'failed', error: properties });
      return;
    }
    const { observer } = this.#coordinator;
    const finish = (result: DatatypeFetchResult, object?: VersionedObject) => {
      const durationMs = this.#door.left('read', startedAt, result.kind !== 'failed');
      observer.getFinished(durationMs, result.kind, object?.sizeBytes ?? 0, object?.siblingCount ?? 0);
      done(result);
    };
    const datatype = datatypeFor(properties, request.isLegacyCounter === true);
    if ('code' in datatype) {
      finish({ kind: 'failed', error: datatype });
      return;
    }
    coordinateGet(this.#coordinator, request, properties, (outcome) => {
      const result: DatatypeFetchResult =
        outcome.kind === 'failed' ? outcome : this.#fetched(outcome.object, datatype, properties);
      observer.datatypeFetched?.(datatype.type, result.kind);
      finish(result, outcome.kind === 'read' ? outcome.object : undefined);
    });
  }

  update(request: DatatypeUpdateRequest, done: (outcome: DatatypeUpdateOutcome) => void): void {
    const { random, clock } = this.#environment;
    const startedAt = clock.now();
    const generatedKey = request.key === undefined ? uniqueText(random, generatedKeyLength) : undefined;
    const key = request.key ?? generatedKey ?? byteLiteral('');
    const address = addressOnly({ ...request, key });
    const properties = this.#door.enterWrite(address, key, startedAt);
    if ('code' in properties) {
      done({ kind: 'failed', error: properties });
      return;
    }
    const { observer } = this.#coordinator;
    const finish = (outcome: DatatypeUpdateOutcome, object?: VersionedObject) => {
      const durationMs = this.#door.left('write', startedAt, outcome.kind === 'updated');
      const kind = outcome.kind === 'updated' ? 'stored' : outcome.kind;
      observer.putFinished(durationMs, kind, object?.sizeBytes ?? 0, object?.siblingCount ?? 0);
      done(outcome);
    };
    const update = prepareUpdate(request, properties, uniqueText(random, vtagLength), clock.wallMicros());
    if ('code' in update) {
      finish({ kind: 'failed', error: update });
      return;
    }
    const write = { ...writeTemplate, address, options: request, update };
    const wantsObject = request.returnValue === true;
    coordinatePut(this.#coordinator, { ...write, wantsObject }, properties, (outcome) => {
      observer.datatypeUpdated?.(update.datatype.type, outcome.kind === 'written' ? 'updated' : 'failed');
      if (outcome.kind !== 'written') {
        finish(failureOf(outcome));
        return;
      }
      const { object } = outcome;
      const snapshot = wantsObject ? this.#snapshotOf(object, update.datatype) : undefined;
      finish({ kind: 'updated', snapshot, generatedKey }, object);
    });
  }

  #fetched(
    object: VersionedObject | undefined,
    datatype: Datatype,
    properties: BucketProperties,
  ): DatatypeFetchResult {
    const { crdt, isPresent } = readDatatype(object, datatype, this.#coordinator.vnodes.decoded);
    if (isPresent) return { kind: 'found', value: valueOfCrdt(crdt), context: contextBytes(crdt) };
    const isDeleted =
      object !== undefined && !isLive(object, properties, this.#environment.clock.wallMicros());
    return { kind: 'notfound', type: datatype.type, isDeleted };
  }

  #snapshotOf(object: VersionedObject | undefined, datatype: Datatype): DatatypeSnapshot {
    const { crdt } = readDatatype(object, datatype, this.#coordinator.vnodes.decoded);
    return { value: valueOfCrdt(crdt), context: contextBytes(crdt) };
  }
}

/** Of every update; the vnode that coordinates it makes its content. */
const writeTemplate: Omit<PreparedWrite, 'address' | 'options' | 'update' | 'wantsObject'> = {
  context: VersionVector.empty,
  content: Buffer.alloc(0),
  condition: 'none',
  asis: false,
  isForwarded: false,
};

function prepareUpdate(
  request: DatatypeUpdateRequest,
  properties: BucketProperties,
  vtag: ByteString,
  micros: number,
): DatatypeWrite | KvError {
  const { operation } = request;
  const datatype = datatypeFor(properties, request.isLegacyCounter === true);
  if ('code' in datatype) return datatype;
  if (operation.kind !== datatype.type) {
    return { code: 'type_mismatch', expected: datatype.type, actual: operation.kind };
  }
  const refusal = checkOperation(operation);
  if (refusal !== undefined) return errorOfRefusal(refusal);
  const hasContext = datatype.type === 'set' || datatype.type === 'map';
  const given = hasContext && request.context?.length ? request.context : undefined;
  const context = given === undefined ? undefined : decodeContext(given);
  if (given !== undefined && context === undefined) return { code: 'bad_context' };
  return { datatype, operation, context, vtag, micros };
}

/** Riak's order of checks: clients see which comes first. */
function datatypeFor(properties: BucketProperties, isLegacyCounter: boolean): Datatype | KvError {
  if (!properties.allow_mult) return { code: 'needs_allow_mult' };
  if (isLegacyCounter) return legacyCounter;
  return datatypeOf(properties) ?? { code: 'no_datatype' };
}

function contextBytes(crdt: Parameters<typeof contextOfCrdt>[0]): Buffer | undefined {
  const context = contextOfCrdt(crdt);
  return context === undefined ? undefined : encodeContext(context);
}
