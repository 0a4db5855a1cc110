/**
 * A short name for a version of an object: replicas compare names before they send values.
 *
 * 64 bits over the clock's bytes and the number of siblings, which name a version as `sameVersion` has it. Two lanes of multiply and
 * xorshift with MurmurHash3's constants and finalizer (Appleby, 2011): spread well enough to be summed in a hash
 * tree, where the clock's own CRC, being linear, would cancel out. Not secret: it tells versions apart
 * that chance made, not those that somebody forged.
 */
import { Buffer } from 'node:buffer';
import type { VersionedObject } from './versioned-object.ts';

export const versionDigestBytes = 8;

/** 8 bytes; equal for equal versions, and for others once in 2^64. A buffer of its own. */
export function versionDigest(object: VersionedObject): Buffer {
  const words = new DigestWords();
  words.of(object);
  const digest = Buffer.allocUnsafe(versionDigestBytes);
  digest.writeUInt32BE(words.high, 0);
  digest.writeUInt32BE(words.low, 4);
  return digest;
}

/** The digest as two numbers, from 0 to 2^32 - 1: made anew for each object, so that a write allocates nothing. */
export class DigestWords {
  high = 0;
  low = 0;

  of({ bytes, contextStart, siblingCount }: VersionedObject): void {
    const length = bytes.length - contextStart;
    const more = (siblingCount - 1) << 16;
    let high = 0x9747b28c ^ length ^ more;
    let low = 0x3c6ef372 ^ length ^ more;
    for (let at = contextStart; at < bytes.length; at += 1) {
      const byte = bytes[at]!;
      high = Math.imul(high ^ byte, 0xcc9e2d51);
      high = (high << 15) | (high >>> 17);
      low = Math.imul(low ^ byte, 0x1b873593);
      low = (low << 13) | (low >>> 19);
    }
    high = finalized(high ^ Math.imul(low, 0x85ebca6b));
    this.high = high >>> 0;
    this.low = finalized(low ^ Math.imul(high, 0xc2b2ae35)) >>> 0;
  }
}

function finalized(lane: number): number {
  let mixed = lane ^ (lane >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
