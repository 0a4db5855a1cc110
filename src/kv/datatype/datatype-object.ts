/**
 * Data types inside objects: an update takes the place of what it was made from, in one content of an object like
 * any other, and the merge of objects keeps concurrent updates side by side until somebody joins them.
 *
 * D1  What is shown of an object is the join of all its siblings of the type. So it does not matter which vnodes
 *     coordinated which updates, in which order they met, and how often.
 * D2  An update supersedes just what it has joined: the siblings of the type that its vnode holds, and tombstones.
 * D3  A sibling that is not of the type (a plain put to such a bucket) is never part of the value, and never lost.
 * D4  One dot names the update in the object and in the data type. It is greater than any that its actor used in
 *     either: a clock may have been pruned.
 */
import type { Buffer } from 'node:buffer';
import { type ActorId, type Dot, VersionVector } from '../../clocks/index.ts';
import {
  type CausalContext,
  type Crdt,
  type CrdtOperation,
  type CrdtType,
  type EncodedCrdt,
  emptyCrdt,
  encodeCrdt,
  encodeCrdtAfter,
  joinCrdts,
  type Refusal,
  updateCrdt,
} from '../../crdt/index.ts';
import { type ByteString, byteLiteral } from '../../stdx/index.ts';
import { type Content, decodeContent, encodeContent } from '../../wire/index.ts';
import { makeObject, type Sibling, type VersionedObject } from '../object/index.ts';
import { type CrdtDecoder, plainDecoder } from './crdt-decoder.ts';

/** As Riak names them. */
const contentTypes: Readonly<Record<CrdtType, ByteString>> = {
  counter: byteLiteral('application/riak_counter'),
  gset: byteLiteral('application/riak_gset'),
  hll: byteLiteral('application/riak_hll'),
  map: byteLiteral('application/riak_map'),
  set: byteLiteral('application/riak_set'),
};

/** What a bucket says of its values. */
export interface Datatype {
  readonly type: CrdtType;
  /** Of a HyperLogLog. */
  readonly precision: number;
}

export interface StoredDatatype {
  /** Empty if there is none. */
  readonly crdt: Crdt;
  readonly isPresent: boolean;
  /** If it is what one sibling holds: with its bytes. */
  readonly encoded: EncodedCrdt | undefined;
  /** Siblings that are not of the type (D3), tombstones left out. */
  readonly others: readonly Sibling[];
}

export interface DatatypeUpdate {
  readonly operation: CrdtOperation;
  /** What the client had read of the data type, for removals. */
  readonly context?: CausalContext | undefined;
}

/** Of one update: who makes it, and when. */
export interface UpdateStamp {
  readonly actor: ActorId;
  readonly vtag: ByteString;
  /** Microseconds since the Unix epoch. */
  readonly micros: number;
}

export interface DatatypeUpdated {
  readonly kind: 'updated';
  readonly object: VersionedObject;
  /** What the update changed, as a value of the type; and its name. */
  readonly delta: Crdt;
  readonly dot: Dot;
}

export type DatatypeUpdateResult =
  | DatatypeUpdated
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** The actor has no dot left: another must make the update. */
  | { readonly kind: 'exhausted' };

/** The value of an object, or of none (D1). */
export function readDatatype(
  object: VersionedObject | undefined,
  datatype: Datatype,
  decoder: CrdtDecoder = plainDecoder,
): StoredDatatype {
  let joined: Crdt | undefined;
  let encoded: EncodedCrdt | undefined;
  const others: Sibling[] = [];
  for (const sibling of object?.siblings ?? []) {
    const content = decodeContent(sibling.content);
    if (content.deleted) continue;
    const crdt = crdtOf(content, datatype.type, decoder);
    if (crdt === undefined) {
      others.push(sibling);
      continue;
    }
    encoded = joined === undefined ? { crdt, bytes: content.value } : undefined;
    joined = joined === undefined ? crdt : joinCrdts(joined, crdt);
  }
  const crdt = lowered(joined ?? emptyCrdt(datatype.type, datatype.precision), datatype);
  return { crdt, isPresent: joined !== undefined, encoded, others };
}

/** A bucket may come to want sketches of fewer registers than those that it has. */
function lowered(crdt: Crdt, { precision }: Datatype): Crdt {
  if (crdt.type !== 'hll' || crdt.sketch.precision <= precision) return crdt;
  return { type: crdt.type, sketch: crdt.sketch.lowered(precision) };
}

/** All of the operation on the local copy, or nothing (D2–D4). */
export function updateDatatype(
  local: VersionedObject | undefined,
  datatype: Datatype,
  { operation, context }: DatatypeUpdate,
  { actor, vtag, micros }: UpdateStamp,
  decoder: CrdtDecoder = plainDecoder,
): DatatypeUpdateResult {
  const read = readDatatype(local, datatype, decoder);
  const { crdt } = read;
  const clock = local?.clock ?? VersionVector.empty;
  const used = 'seen' in crdt ? crdt.seen.highestOf(actor) : 0;
  const dot: Dot = { actor, counter: Math.max(clock.counterOf(actor), used) + 1 };
  if (!Number.isSafeInteger(dot.counter)) return { kind: 'exhausted' };
  const result = updateCrdt(crdt, { operation, dot, micros, context });
  if (result.kind === 'refused') return result;
  const object = updatedObject(local, read, result.state, { dot, vtag, micros }, decoder);
  return { kind: 'updated', object, delta: result.delta, dot };
}

/** `state` in the place of all of `local` that it was made from (D2), beside what it was not (D3). */
export function updatedObject(
  local: VersionedObject | undefined,
  { encoded, others }: Pick<StoredDatatype, 'encoded' | 'others'>,
  state: Crdt,
  { dot, vtag, micros }: { readonly dot: Dot; readonly vtag: ByteString; readonly micros: number },
  decoder: CrdtDecoder,
): VersionedObject {
  const clock = local?.clock ?? VersionVector.empty;
  const value = encodeCrdtAfter(state, encoded);
  decoder.remember(value, state);
  const content = contentOf(state.type, value, vtag, micros);
  return makeObject(clock.with(dot, Math.floor(micros / 1_000_000)), [...others, { dot, content }]);
}

/**
 * The object as a plain read shows it: the siblings of the type joined to one (riak_kv's "datatype siblings"), with the
 * metadata of the one that was modified last. Itself if there are no two of them. For showing only: stored, it would be
 * a content that no write made, under the dot of another.
 */
export function withDatatypeJoined(
  object: VersionedObject,
  type: CrdtType,
  decoder: CrdtDecoder = plainDecoder,
): VersionedObject {
  if (object.siblingCount === 1) return object;
  const ofType: { readonly sibling: Sibling; readonly content: Content; readonly crdt: Crdt }[] = [];
  const others: Sibling[] = [];
  for (const sibling of object.siblings) {
    const content = decodeContent(sibling.content);
    const crdt = content.deleted ? undefined : crdtOf(content, type, decoder);
    if (crdt === undefined) others.push(sibling);
    else ofType.push({ sibling, content, crdt });
  }
  if (ofType.length < 2) return object;
  const last = ofType.reduce((a, b) => (modifiedAt(b.content) > modifiedAt(a.content) ? b : a));
  const value = encodeCrdt(ofType.map(({ crdt }) => crdt).reduce(joinCrdts));
  const content = encodeContent({ ...last.content, value });
  return makeObject(object.clock, [...others, { dot: last.sibling.dot, content }]);
}

function modifiedAt({ lastModifiedMicros = 0 }: Content): number {
  return lastModifiedMicros;
}

/** Undefined: the content is something else, whatever it calls itself. */
function crdtOf({ contentType, value }: Content, type: CrdtType, decoder: CrdtDecoder): Crdt | undefined {
  if (contentType !== contentTypes[type]) return undefined;
  const crdt = decoder.decode(value);
  return crdt?.type === type ? crdt : undefined;
}

function contentOf(type: CrdtType, value: Buffer, vtag: ByteString, lastModifiedMicros: number): Buffer {
  return encodeContent({
    value,
    contentType: contentTypes[type],
    vtag,
    lastModifiedMicros,
    links: [],
    userMeta: [],
    indexes: [],
    deleted: false,
  });
}
