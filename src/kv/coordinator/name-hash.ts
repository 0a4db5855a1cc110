/**
 * Where a name lies on the ring: SHA-1 over the external term format of `{Bucket, Key}`, or of
 * `{{Type, Bucket}, Key}` for a typed bucket, so that preference lists are those of Riak (D12).
 */
import { Buffer } from 'node:buffer';
import type { RingHash } from '../../core/ring/index.ts';
import { type ByteString, byteLiteral } from '../../stdx/index.ts';
import type { ObjectAddress } from '../key-value-store.ts';
import { paddedBytes, Sha1 } from './sha1.ts';

const termVersion = 131;
const smallTuple = 104;
const binary = 109;
/** Version, two tuple heads, three binary heads. */
const overheadBytes = 1 + 2 + 2 + 3 * 5;

/** Up to here copying by hand is cheaper than a call. */
const shortBytes = 40;

const defaultType = byteLiteral('default');

export class NameHash {
  /** Reused: hashing is synchronous. */
  #scratch = Buffer.allocUnsafe(1024);
  readonly #sha1 = new Sha1();

  /** `bucketOnly`: the whole bucket goes to one preference list (`chash_bucketonly_keyfun`). */
  of({ bucketType, bucket, key }: ObjectAddress, bucketOnly = false): RingHash {
    const bytes = this.#reserve(paddedBytes(overheadBytes + bucketType.length + bucket.length + key.length));
    let at = 0;
    bytes[at++] = termVersion;
    if (!bucketOnly) {
      bytes[at++] = smallTuple;
      bytes[at++] = 2;
    }
    if (bucketType !== defaultType) {
      bytes[at++] = smallTuple;
      bytes[at++] = 2;
      at = writeBinary(bytes, at, bucketType);
    }
    at = writeBinary(bytes, at, bucket);
    if (!bucketOnly) at = writeBinary(bytes, at, key);
    return this.#sha1.firstWord(bytes, at) as RingHash;
  }

  #reserve(size: number): Buffer {
    if (this.#scratch.length < size) this.#scratch = Buffer.allocUnsafe(size * 2);
    return this.#scratch;
  }
}

function writeBinary(bytes: Buffer, at: number, value: ByteString): number {
  const { length } = value;
  bytes[at] = binary;
  const start = bytes.writeUInt32BE(length, at + 1);
  if (length > shortBytes) return start + bytes.write(value, start, 'latin1');
  for (let i = 0; i < length; i += 1) bytes[start + i] = value.charCodeAt(i);
  return start + length;
}
