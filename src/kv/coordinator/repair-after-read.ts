/**
 * What a read leaves behind when everybody has answered, or nobody waits any longer: replicas that were behind get
 * the merged object, and a tombstone that all hold may be forgotten. Repairs are bounded in number (`RepairBudget`); what is
 * left out is for the next read or for anti-entropy.
 */
import type { PreferenceList, Replica } from '../../core/ring/index.ts';
import type { Durability } from '../../storage/index.ts';
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
  const { observer, repairs } = parts;
  if (!repairs.take()) {
    observer.readRepairSkipped();
    return;
  }
  observer.readRepaired(stale.length);
  const replicas = stale.map((position) => read.replicas[position]);
  // A failed repair is counted by the vnode that failed; the next read or exchange tries again.
  storeAt(parts, read.key, object, replicas, read.properties.durability, () =>
    reapIfForgotten(parts, read, object),
  );
}

/** Calls `done` when all have stored it; never, if one does not. */
function storeAt(
  { replicas, settings }: CoordinatorParts,
  key: ObjectKey,
  object: VersionedObject,
  targets: readonly Replica[],
  durability: Durability,
  done: () => void,
): void {
  const message = { kind: 'put', key, object, durability, purpose: 'repair', announce: false } as const;
  const waiting = new Set(targets);
  for (const target of targets) {
    const replied = (reply: ReplicaReply): void => {
      if (reply.kind === 'stored' && waiting.delete(target) && waiting.size === 0) done();
    };
    replicas.send(target, message, replied, settings.requestTimeoutMs, 'repair');
  }
}

/** Every replica, each a primary, holds the tombstone, and the cluster is at rest (C8). */
function reapIfForgotten(parts: CoordinatorParts, read: FinishedRead, merged: VersionedObject): void {
  const { topology, replicas, settings, clock } = parts;
  const { key, replicas: list, properties } = read;
  if (merged.hasTombstone && settings.deleteMode === 'keep') return;
  const unanimous = read.quorum.complete && read.quorum.everyReplicaHasObject;
  const marginMs = settings.expiryMarginMs ?? expiryMarginMsDefault;
  if (!unanimous || isLive(merged, properties, clock.wallMicros() - marginMs * 1000)) return;
  if (read.hasOwnN || list.length < Math.min(properties.n_val, topology.ring.size)) return;
  if (!list.every(({ primary, node, partition }) => primary && topology.ring.ownerOf(partition) === node))
    return;
  const first = list[0].partition;
  if (!isReapingSafe(topology, first, list.length)) return;
  const message = { kind: 'reap', key, tombstone: merged, first, n: list.length } as const;
  const reap = (): void => {
    for (const replica of list)
      replicas.send(replica, message, () => {}, settings.requestTimeoutMs, 'repair');
  };
  // A power cut would take it from one that has not synced it, and leave what is older there to the others' nothing.
  if (properties.durability !== 'os') reap();
  else if (parts.reapsUnderWay.begin(key, merged)) storeAt(parts, key, merged, list, 'synced', reap);
}
