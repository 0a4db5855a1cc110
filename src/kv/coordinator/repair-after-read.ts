/**
 * What a read leaves behind when everybody has answered, or nobody waits any longer: replicas that were behind get
 * the merged object, and a tombstone that all hold may be forgotten. Bounded in number (`RepairBudget`); what is
 * left out is for the next read or for anti-entropy.
 */
import type { PreferenceList } from '../../core/ring/index.ts';
import type { BucketProperties } from '../bucket-properties.ts';
import type { VersionedObject } from '../object/index.ts';
import { isLive } from '../visible-object.ts';
import { expiryMarginMsDefault, isReapingSafe, type ObjectKey, type ReplicaReply } from '../vnode/index.ts';
import type { CoordinatorParts } from './coordinator-parts.ts';
import type { ReadQuorum } from './read-quorum.ts';

interface FinishedRead {
  readonly quorum: ReadQuorum;
  readonly replicas: PreferenceList;
  readonly key: ObjectKey;
  readonly properties: BucketProperties;
  /** The request asked fewer replicas than the bucket keeps. */
  readonly hasOwnN: boolean;
}

export function repairAfterRead(parts: CoordinatorParts, read: FinishedRead): void {
  const { merged } = read.quorum;
  if (merged === undefined) return;
  const stale = read.quorum.stale();
  // A replica may keep its older value although it was sent the tombstone: forgetting waits for its word.
  if (stale.length === 0) reapIfForgotten(parts, read, merged);
  else repair(parts, read, merged, stale);
}

function repair(
  parts: CoordinatorParts,
  read: FinishedRead,
  object: VersionedObject,
  stale: readonly number[],
): void {
  const { replicas, observer, repairs, settings } = parts;
  if (!repairs.take()) {
    observer.readRepairSkipped();
    return;
  }
  observer.readRepaired(stale.length);
  const message = {
    kind: 'put',
    key: read.key,
    object,
    durability: read.properties.durability,
    purpose: 'repair',
    announce: false,
  } as const;
  const waiting = new Set(stale);
  for (const position of stale) {
    const replied = (reply: ReplicaReply): void => {
      // A failed repair is counted by the vnode that failed; the next read or exchange tries again.
      if (reply.kind !== 'stored' || !waiting.delete(position)) return;
      if (waiting.size === 0) reapIfForgotten(parts, read, object);
    };
    replicas.send(read.replicas[position], message, replied, settings.requestTimeoutMs, 'repair');
  }
}

/** Every replica, each a primary, holds the tombstone, and the cluster is at rest (C8). */
function reapIfForgotten(
  { topology, replicas, settings, clock }: CoordinatorParts,
  read: FinishedRead,
  merged: VersionedObject,
): void {
  const list = read.replicas;
  const n = read.properties.n_val;
  const unanimous = read.quorum.complete && read.quorum.everyReplicaHasObject;
  const marginMs = settings.expiryMarginMs ?? expiryMarginMsDefault;
  if (!unanimous || isLive(merged, read.properties, clock.wallMicros() - marginMs * 1000)) return;
  if (read.hasOwnN || list.length < Math.min(n, topology.ring.size)) return;
  if (!list.every(({ primary, node, partition }) => primary && topology.ring.ownerOf(partition) === node))
    return;
  const first = list[0].partition;
  if (!isReapingSafe(topology, first, list.length)) return;
  const message = { kind: 'reap', key: read.key, tombstone: merged, first, n: list.length } as const;
  for (const replica of list) {
    replicas.send(replica, message, () => {}, settings.requestTimeoutMs, 'repair');
  }
}
