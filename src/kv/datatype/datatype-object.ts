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
  CrdtFormatError,
  type CrdtOperation,
  type CrdtType,
  decodeCrdt,
  emptyCrdt,
  encodeCrdt,
  joinCrdts,
  type Refusal,
  updateCrdt,
} from '../../crdt/index.ts';
import { type ByteString, byteLiteral } from '../../stdx/index.ts';
import { type Content, decodeContent, encodeContent } from '../../wire/index.ts';
import { makeObject, type Sibling, type VersionedObject } from '../object/index.ts';

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

export type DatatypeUpdateResult =
  | { readonly kind: 'updated'; readonly object: VersionedObject }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** The actor has no dot left: another must make the update. */
  | { readonly kind: 'exhausted' };

/** The value of an object, or of none (D1). */
export function readDatatype(object: VersionedObject | undefined, datatype: Datatype): StoredDatatype {
  let joined: Crdt | undefined;
  const others: Sibling[] = [];
  for (const sibling of object?.siblings ?? []) {
    const content = decodeContent(sibling.content);
    if (content.deleted) continue;
    const crdt = crdtOf(content, datatype.type);
    if (crdt === undefined) others.push(sibling);
    else joined = joined === undefined ? crdt : joinCrdts(joined, crdt);
  }
  const crdt = joined ?? emptyCrdt(datatype.type, datatype.precision);
  return { crdt, isPresent: joined !== undefined, others };
}

/** All of the operation on the local copy, or nothing (D2–D4). */
export function updateDatatype(
  local: VersionedObject | undefined,
  datatype: Datatype,
  { operation, context }: DatatypeUpdate,
  { actor, vtag, micros }: UpdateStamp,
): DatatypeUpdateResult {
  const { crdt, others } = readDatatype(local, datatype);
  const clock = local?.clock ?? VersionVector.empty;
  const used = 'seen' in crdt ? crdt.seen.highestOf(actor) : 0;
  const dot: Dot = { actor, counter: Math.max(clock.counterOf(actor), used) + 1 };
  if (!Number.isSafeInteger(dot.counter)) return { kind: 'exhausted' };
  const result = updateCrdt(crdt, { operation, dot, micros, context });
  if (result.kind === 'refused') return result;
  const content = contentOf(result.state, vtag, micros);
  const seconds = Math.floor(micros / 1_000_000);
  return { kind: 'updated', object: makeObject(clock.with(dot, seconds), [...others, { dot, content }]) };
}

/**
 * The object as a plain read shows it: the siblings of the type joined to one (riak_kv's "datatype siblings"), with the
 * metadata of the one that was modified last. Itself if there are no two of them. For showing only: stored, it would be
 * a content that no write made, under the dot of another.
 */
export function withDatatypeJoined(object: VersionedObject, type: CrdtType): VersionedObject {
  if (object.siblingCount === 1) return object;
  const ofType: { readonly sibling: Sibling; readonly content: Content; readonly crdt: Crdt }[] = [];
  const others: Sibling[] = [];
  for (const sibling of object.siblings) {
    const content = decodeContent(sibling.content);
    const crdt = content.deleted ? undefined : crdtOf(content, type);
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
function crdtOf({ contentType, value }: Content, type: CrdtType): Crdt | undefined {
  if (contentType !== contentTypes[type]) return undefined;
  try {
    const crdt = decodeCrdt(value);
    return crdt.type === type ? crdt : undefined;
  } catch (error) {
    if (error instanceof CrdtFormatError) return undefined;
    throw error;
  }
}

function contentOf(crdt: Crdt, vtag: ByteString, lastModifiedMicros: number): Buffer {
  const value = encodeCrdt(crdt);
  const contentType = contentTypes[crdt.type];
  return encodeContent({
    value,
    contentType,
    vtag,
    lastModifiedMicros,
    links: [],
    userMeta: [],
    indexes: [],
    deleted: false,
  });
}
