/**
 * A short name for a version of an object: replicas compare names before they send values.
 *
 * 64 bits over the clock's bytes, which name a version as `sameVersion` has it. Two lanes of multiply and
 * xorshift with MurmurHash3's constants and finalizer (Appleby, 2011): spread well enough to be summed in a hash
 * tree, where the clock's own CRC, being linear, would cancel out. Not secret: it tells versions apart
 * that chance made, not those that somebody forged.
 */
import { Buffer } from 'node:buffer';
import type { VersionedObject } from './versioned-object.ts';

export const versionDigestBytes = 8;

/** 8 bytes; equal for equal versions, and for others once in 2^64. A buffer of its own. */
export function versionDigest(object: VersionedObject): Buffer {
  const { context } = object;
  let high = 0x9747b28c ^ context.length;
  let low = 0x3c6ef372 ^ context.length;
  for (let at = 0; at < context.length; at += 1) {
    const byte = context[at]!;
    high = Math.imul(high ^ byte, 0xcc9e2d51);
    high = (high << 15) | (high >>> 17);
    low = Math.imul(low ^ byte, 0x1b873593);
    low = (low << 13) | (low >>> 19);
  }
  high = finalized(high ^ Math.imul(low, 0x85ebca6b));
  low = finalized(low ^ Math.imul(high, 0xc2b2ae35));
  const digest = Buffer.allocUnsafe(versionDigestBytes);
  digest.writeInt32BE(high, 0);
  digest.writeInt32BE(low, 4);
  return digest;
}

function finalized(lane: number): number {
  let mixed = lane ^ (lane >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
