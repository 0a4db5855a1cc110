/**
 * One object on its way to another node: its name as in a storage key, and the bytes that are stored. Or the tombstone that
 * was reaped of a key lately, which is an item of another version, and nothing that the partition shows.
 *
 *     version(varint) length(varint) key object
 */
import { Buffer } from 'node:buffer';
import { readVarint, varintSize, writeVarint } from '../../stdx/index.ts';
import { ObjectKey } from '../vnode/index.ts';

const objectVersion = 1;
const reapedVersion = 2;

export interface PartitionItem {
  readonly key: ObjectKey;
  /** An encoded object, not looked into. */
  readonly bytes: Buffer;
  /** The key has no object: this is what it had last. */
  readonly isReaped: boolean;
}

export function encodeItem(key: ObjectKey, bytes: Buffer, isReaped = false): Buffer {
  const version = isReaped ? reapedVersion : objectVersion;
  const length = key.encodedBytes;
  const item = Buffer.allocUnsafe(varintSize(version) + varintSize(length) + length + bytes.length);
  const start = writeVarint(item, writeVarint(item, 0, version), length);
  bytes.copy(item, key.encodeInto(item, start));
  return item;
}

/** Undefined: no node wrote this. `bytes` is a part of `item`. */
export function decodeItem(item: Buffer): PartitionItem | undefined {
  const version = readVarint(item, 0, item.length);
  if (version !== objectVersion && version !== reapedVersion) return undefined;
  const at = varintSize(version);
  const length = readVarint(item, at, item.length);
  if (length < 0) return undefined;
  const start = at + varintSize(length);
  const end = start + length;
  if (end > item.length) return undefined;
  const key = ObjectKey.decode(item, start, end);
  return key && { key, bytes: item.subarray(end), isReaped: version === reapedVersion };
}
