/**
 * Who writes, and which write: the atoms of causality.
 *
 * An actor is a vnode in one of its epochs. A vnode that may have forgotten what it wrote goes on under
 * a new epoch, so that a dot, once issued, never names a second write (riak_kv#679).
 */
import { assert, type ByteString } from '../stdx/index.ts';

/** 12 bytes: 8 of the vnode's id, then its epoch as a big-endian 32-bit number. Ordered by these bytes. */
export type ActorId = ByteString;

/** One write: the `counter`th (from 1) that `actor` coordinated for the key. */
export interface Dot {
  readonly actor: ActorId;
  readonly counter: number;
}

export const vnodeIdBytes = 8;
export const actorBytes = 12;
const epochMax = 0xffff_ffff;

export function actorId(vnodeId: ByteString, epoch: number): ActorId {
  assert(vnodeId.length === vnodeIdBytes, 'a vnode id has 8 bytes');
  assert(Number.isInteger(epoch) && epoch >= 0 && epoch <= epochMax, 'an epoch has 32 bits');
  const suffix = String.fromCharCode(epoch >>> 24, (epoch >>> 16) & 0xff, (epoch >>> 8) & 0xff, epoch & 0xff);
  return (vnodeId + suffix) as ActorId;
}

export function vnodeIdOfActor(actor: ActorId): ByteString {
  return actor.slice(0, vnodeIdBytes) as ByteString;
}

export function epochOfActor(actor: ActorId): number {
  const high = (actor.charCodeAt(8) << 8) | actor.charCodeAt(9);
  const low = (actor.charCodeAt(10) << 8) | actor.charCodeAt(11);
  return high * 0x1_0000 + low;
}

export function sameDot(a: Dot, b: Dot): boolean {
  return a.counter === b.counter && a.actor === b.actor;
}
