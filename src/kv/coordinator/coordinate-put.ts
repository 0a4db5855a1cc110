/**
 * Who coordinates a write: this node, if it has a replica of the key, or one that has (`coordinateElsewhere`).
 *
 * A node that cannot read its own copy lets another coordinate. So does one whose last write failed: each dot that it
 * issues and forgets costs the clock of the key an entry.
 */
import type { PreferenceList, Replica } from '../../core/ring/index.ts';
import type { NodeId } from '../../environment/index.ts';
import type { BucketProperties } from '../bucket-properties.ts';
import type { CoordinatorParts } from './coordinator-parts.ts';
import { type CoordinateHere, coordinateElsewhere } from './forward-put.ts';
import type { PreparedWrite, WriteOutcome } from './prepared-write.ts';
import { WriteOperation } from './write-operation.ts';
import { checkedRequirements, holdersOfWrite, type WriteHolders } from './write-plan.ts';

export function coordinatePut(
  parts: CoordinatorParts,
  write: PreparedWrite,
  properties: BucketProperties,
  done: (outcome: WriteOutcome) => void,
): void {
  const holders = holdersOfWrite(parts, write.address, write.options, properties);
  if ('code' in holders) {
    done({ kind: 'failed', error: holders });
    return;
  }
  const { self } = parts.topology;
  const position = write.asis ? -1 : ownPosition(holders.replicas, self);
  if (!write.asis && (position < 0 || isBetterElsewhere(parts, write, holders))) {
    const orHere: CoordinateHere = (timeoutMs, answer) =>
      coordinateHere(parts, { ...write, options: { ...write.options, timeoutMs } }, properties, answer);
    coordinateElsewhere(parts, write, properties, holders, done, orHere);
    return;
  }
  const need = checkedRequirements(holders, write.options, properties);
  if ('code' in need) done({ kind: 'failed', error: need });
  else new WriteOperation(parts, write, properties, holders, need, done).start(position);
}

/** What this node holds as a primary says more of the key than what it holds for another. -1: it holds nothing. */
function ownPosition(replicas: PreferenceList, self: NodeId): number {
  const primary = replicas.findIndex((replica) => replica.node === self && replica.primary);
  return primary >= 0 ? primary : replicas.findIndex((replica) => replica.node === self);
}

/** This node cannot store at the moment. Whom it asks coordinates in any case; nor does who decides a condition ask. */
function isBetterElsewhere(
  { vnodes, topology }: CoordinatorParts,
  { isForwarded, condition }: PreparedWrite,
  { replicas }: WriteHolders,
): boolean {
  if (!vnodes.hasFailedToStore || isForwarded || condition === 'latest') return false;
  return replicas.some(({ node, primary }) => primary && node !== topology.self);
}

/**
 * Nobody else who holds a replica is within reach. Where liveness has not noticed, this node stands in for one of them. One of
 * those that were asked may have coordinated the write before.
 */
function coordinateHere(
  parts: CoordinatorParts,
  write: PreparedWrite,
  properties: BucketProperties,
  done: (outcome: WriteOutcome) => void,
): void {
  const { self } = parts.topology;
  const present = holdersOfWrite(parts, write.address, write.options, properties);
  if ('code' in present) {
    done({ kind: 'failed', error: present });
    return;
  }
  const holders = withSelf(present, self);
  const need = checkedRequirements(holders, write.options, properties);
  if ('code' in need) {
    done({ kind: 'failed', error: need });
    return;
  }
  const finished = (outcome: WriteOutcome): void =>
    done(outcome.kind === 'declined' ? { kind: 'failed', error: { code: 'timeout' } } : outcome);
  const repeated = { ...write, isForwarded: true };
  new WriteOperation(parts, repeated, properties, holders, need, finished).start(
    ownPosition(holders.replicas, self),
  );
}

/** In the place of the last, unless it is among them. */
function withSelf(holders: WriteHolders, self: NodeId): WriteHolders {
  const { replicas } = holders;
  if (ownPosition(replicas, self) >= 0) return holders;
  const position = replicas.length - 1;
  const here: Replica = { partition: replicas[position].partition, node: self, primary: false };
  return { ...holders, replicas: replicas.with(position, here) };
}
