/**
 * Where a name lies on the ring: SHA-1 over the external term format of `{Bucket, Key}`, or of
 * `{{Type, Bucket}, Key}` for a typed bucket, so that preference lists are those of Riak (D12).
 */
import { Buffer } from 'node:buffer';
import type { RingHash } from '../../core/ring/index.ts';
import { type ByteString, byteLiteral, writeByteString } from '../../stdx/index.ts';
import type { ObjectAddress } from '../key-value-store.ts';
import { paddedBytes, Sha1 } from './sha1.ts';

const termVersion = 131;
const smallTuple = 104;
const binary = 109;
/** Version, two tuple heads, three binary heads. */
const overheadBytes = 1 + 2 + 2 + 3 * 5;

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
  bytes[at + 1] = length >>> 24;
  bytes[at + 2] = length >>> 16;
  bytes[at + 3] = length >>> 8;
  bytes[at + 4] = length;
  return writeByteString(bytes, at + 5, value);
}
