/**
 * What an update sends to the other replicas instead of the whole value, where that is large: what changed, and the
 * version to which it applies.
 *
 * Only a replica that has just that version may take the delta, since a delta stands in for the state only where
 * everything before it is (T2 in docs/internals/crdt.md). It makes the same object, which its checksum shows; any other
 * replica says that it is behind, and is sent the whole.
 *
 *   8 bytes digest of the version before · 4 bytes CRC-32 of the object after · stamp (`datatype-write.ts`) ·
 *   12 bytes actor · varint counter · the delta
 */
import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { actorBytes, type Dot } from '../../clocks/index.ts';
import { type Crdt, encodeCrdt, joinCrdts } from '../../crdt/index.ts';
import { byteStringOf, readVarint, varintSize, writeVarint } from '../../stdx/index.ts';
import { type VersionedObject, versionDigest, versionDigestBytes } from '../object/index.ts';
import { type CrdtDecoder, decodedCrdt } from './crdt-decoder.ts';
import { type DatatypeUpdated, readDatatype, updatedObject } from './datatype-object.ts';
import { type DatatypeStamp, readStamp, stampBytes, writeStamp } from './datatype-write.ts';

/** A smaller object is sent whole: nobody has to ask for it again. */
const objectBytesMin = 1024;
/** The whole is sent unless the delta is smaller by this factor. */
const savingMin = 2;

const checksumBytes = 4;
const baseHeadBytes = versionDigestBytes + checksumBytes;

export interface DatatypeDelta {
  readonly bytes: Buffer;
}

interface DeltaParts {
  readonly base: Buffer;
  readonly checksum: number;
  readonly stamp: DatatypeStamp;
  readonly dot: Dot;
  readonly delta: Crdt;
}

/** What the update of `local` changed; undefined: the whole object is as good. */
export function deltaOfUpdate(
  local: VersionedObject | undefined,
  stamp: DatatypeStamp,
  { object, dot, delta }: DatatypeUpdated,
): DatatypeDelta | undefined {
  if (local === undefined || object.sizeBytes < objectBytesMin) return undefined;
  const encoded = encodeCrdt(delta);
  const length = baseHeadBytes + stampBytes(stamp) + actorBytes + varintSize(dot.counter) + encoded.length;
  if (length * savingMin > object.sizeBytes) return undefined;
  const bytes = Buffer.allocUnsafe(length);
  let at = versionDigest(local).copy(bytes, 0);
  at = bytes.writeUInt32BE(crc32(object.bytes), at);
  at = writeStamp(bytes, at, stamp);
  at += bytes.write(dot.actor, at, 'latin1');
  at = writeVarint(bytes, at, dot.counter);
  encoded.copy(bytes, at);
  return { bytes };
}

/** A delta in bytes of its own; undefined if they are none. */
export function readDelta(bytes: Buffer): DatatypeDelta | undefined {
  return partsOf(bytes) === undefined ? undefined : { bytes };
}

/** The object after the update; undefined: `local` is not the version that the delta applies to. */
export function objectAfterDelta(
  local: VersionedObject | undefined,
  { bytes }: DatatypeDelta,
  decoder: CrdtDecoder,
): VersionedObject | undefined {
  const parts = partsOf(bytes);
  if (parts === undefined || local === undefined || !versionDigest(local).equals(parts.base))
    return undefined;
  const { stamp, dot, delta } = parts;
  const read = readDatatype(local, stamp.datatype, decoder);
  const { crdt } = read;
  if (crdt.type !== delta.type || local.clock.covers(dot)) return undefined;
  const state = joinCrdts(crdt, delta);
  const object = updatedObject(local, read, state, { ...stamp, dot }, decoder);
  return crc32(object.bytes) === parts.checksum ? object : undefined;
}

function partsOf(bytes: Buffer): DeltaParts | undefined {
  if (bytes.length < baseHeadBytes) return undefined;
  const read = readStamp(bytes, baseHeadBytes);
  if (read === undefined) return undefined;
  const counterAt = read.end + actorBytes;
  const counter = readVarint(bytes, counterAt, bytes.length);
  if (counter < 1) return undefined;
  const dot = { actor: byteStringOf(bytes, read.end, counterAt), counter };
  const delta = decodedCrdt(bytes.subarray(counterAt + varintSize(counter)));
  if (delta?.type !== read.stamp.datatype.type) return undefined;
  const base = bytes.subarray(0, versionDigestBytes);
  return { base, checksum: bytes.readUInt32BE(versionDigestBytes), stamp: read.stamp, dot, delta };
}
