/**
 * The stored form of a value: its bytes, then a CRC-32 over key and value, little-endian.
 *
 * LevelDB keeps a checksum per block but its Node binding never asks for it to be verified on reads.
 * Ours also covers the key, so a value that a damaged index block files under another key is caught.
 */
import { Buffer } from 'node:buffer';
import { crc32 as crc32OfWhole } from 'node:zlib';
import { crc32 } from '../../stdx/index.ts';

export const SEAL_BYTES = 4;

/** Up to this size the sealing buffer is kept from one value to the next. */
const SCRATCH_BYTES_MAX = 64 * 1024;

/** Of values up to this length the view of the buffer is kept: making one costs as much as the copy. */
const VIEW_BYTES_MAX = 4096;

export class ValueSealer {
  #scratch = Buffer.allocUnsafeSlow(VIEW_BYTES_MAX);
  /** By their length. */
  #views: (Buffer | undefined)[] = [];

  /** The sealed form, valid until the next call: one buffer is used again and again. */
  seal(key: Buffer, value: Buffer): Buffer {
    const length = value.length;
    const target = this.#room(length + SEAL_BYTES);
    target.set(value, 0);
    writeChecksum(target, length, checksumOf(key, value));
    return target;
  }

  /** Of just so many bytes. */
  #room(length: number): Buffer {
    const known = this.#views[length];
    if (known !== undefined) return known;
    const view = this.#atLeast(length).subarray(0, length);
    if (length <= VIEW_BYTES_MAX) this.#views[length] = view;
    return view;
  }

  #atLeast(length: number): Buffer {
    if (length <= this.#scratch.length) return this.#scratch;
    const room = Buffer.allocUnsafeSlow(
      length > SCRATCH_BYTES_MAX ? length : Math.max(length, SCRATCH_BYTES_MAX),
    );
    if (length <= SCRATCH_BYTES_MAX) this.#scratch = room;
    return room;
  }
}

/** The value, as a view of `sealed`; undefined if the checksum does not match. */
export function unseal(key: Buffer, sealed: Buffer): Buffer | undefined {
  const length = sealed.length - SEAL_BYTES;
  if (length < 0) return undefined;
  const value = sealed.subarray(0, length);
  return checksumOf(key, value) === sealed.readUInt32LE(length) ? value : undefined;
}

/** Most keys are so short that a call for them costs more than the loop. */
function checksumOf(key: Buffer, value: Buffer): number {
  return crc32OfWhole(value, crc32(key, 0, key.length));
}

function writeChecksum(target: Buffer, at: number, checksum: number): void {
  target[at] = checksum;
  target[at + 1] = checksum >>> 8;
  target[at + 2] = checksum >>> 16;
  target[at + 3] = checksum >>> 24;
}
