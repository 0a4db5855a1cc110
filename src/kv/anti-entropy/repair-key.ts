/**
 * Drives the repair of one key between two replicas, as a read would: both copies, their merge, and the merge to
 * whoever is behind (Dynamo §4.7). A replica that has nothing gets what the other has, a tombstone too.
 */
import type { Replica } from '../../core/ring/index.ts';
import type { VnodeRouter } from '../../core/vnode/index.ts';
import type { Durability } from '../../storage/index.ts';
import { mergeObjects, sameVersion, type VersionedObject, versionDigest } from '../object/index.ts';
import type { ObjectKey, ReplicaGet, ReplicaReply, ReplicaRequest } from '../vnode/index.ts';
import type { Pause } from './pause.ts';

/** A replica that does not answer is left to the next exchange. */
const repairTimeoutMs = 10_000;
const closed: ReplicaReply = { kind: 'failed', error: { code: 'stopping' } };

export type ReplicaRouter = Pick<VnodeRouter<ReplicaRequest, ReplicaReply>, 'send'>;

export interface KeyRepair {
  /** `vanished`: the copies agree by now. `failed`: one of them cannot be read or written at present. */
  readonly kind: 'vanished' | 'repaired' | 'failed';
  /** What both have now is nothing but a tombstone. */
  readonly isTombstone: boolean;
}

export interface KeyRepairParts {
  readonly router: ReplicaRouter;
  /** Once it is closed nothing is asked any more, and no answer is waited for. */
  readonly pause: Pause;
}

export async function repairKey(
  parts: KeyRepairParts,
  key: ObjectKey,
  near: Replica,
  far: Replica,
  durability: Durability,
): Promise<KeyRepair> {
  const mine = await ask(parts, near, { kind: 'get', key });
  const myCopy = copyIn(mine);
  if (myCopy === 'unknown') return { kind: 'failed', isTombstone: false };
  const unless = myCopy === undefined ? {} : { unless: versionDigest(myCopy) };
  const theirs = await ask(parts, far, { kind: 'get', key, ...unless });
  if (theirs.kind === 'same') return { kind: 'vanished', isTombstone: false };
  const theirCopy = copyIn(theirs);
  if (theirCopy === 'unknown') return { kind: 'failed', isTombstone: false };
  const merged = merge(myCopy, theirCopy);
  if (merged === undefined) return { kind: 'vanished', isTombstone: false };
  const behind: Replica[] = [];
  if (myCopy === undefined || !sameVersion(myCopy, merged)) behind.push(near);
  if (theirCopy === undefined || !sameVersion(theirCopy, merged)) behind.push(far);
  if (behind.length === 0) return { kind: 'vanished', isTombstone: false };
  const put = { kind: 'put', key, object: merged, durability, purpose: 'repair', announce: false } as const;
  const replies = await Promise.all(behind.map((replica) => ask(parts, replica, put)));
  const isStored = replies.every((reply) => reply.kind === 'stored');
  return { kind: isStored ? 'repaired' : 'failed', isTombstone: merged.isTombstone };
}

/** A copy that is damaged is as good as none: the other one replaces it. */
function copyIn(reply: ReplicaReply): VersionedObject | undefined | 'unknown' {
  if (reply.kind === 'object') return reply.object;
  if (reply.kind === 'notfound') return undefined;
  return reply.kind === 'failed' && reply.damaged === true ? undefined : 'unknown';
}

function merge(a: VersionedObject | undefined, b: VersionedObject | undefined): VersionedObject | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return mergeObjects(a, b);
}

function ask(
  { router, pause }: KeyRepairParts,
  replica: Replica,
  request: ReplicaGet | Extract<ReplicaRequest, { kind: 'put' }>,
): Promise<ReplicaReply> {
  if (pause.isClosed) return Promise.resolve(closed);
  return new Promise((resolve) => {
    const forget = pause.whenClosed(() => resolve(closed));
    const answered = (reply: ReplicaReply): void => {
      forget();
      resolve(reply);
    };
    router.send(replica, request, answered, repairTimeoutMs, 'repair');
  });
}
