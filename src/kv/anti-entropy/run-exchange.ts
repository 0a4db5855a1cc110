/**
 * Drives one exchange with another replica, to its end or to the first refusal.
 *
 * X1  A segment that differs is remembered, and looked into only if it differs again `settleMs` later: a write on its
 *     way is not a difference.
 * X2  What travels is proportional to what differs: a hash if nothing does; else two levels, the keys of the
 *     segments that differ, and the objects of keys that still differ when they are read.
 * X3  Trees that differ in segments whose keys do not are wrong at one side: both sides check theirs.
 * X4  Both copies are merged, never overwritten. Doing it twice, or at the same time from elsewhere, is harmless.
 */
import type { Buffer } from 'node:buffer';
import type { Partition } from '../../core/ring/index.ts';
import type { Topology } from '../../core/topology/index.ts';
import type { Environment, NodeId } from '../../environment/index.ts';
import { Exchange, type ExchangeStep, type SegmentSet } from '../../merkle/index.ts';
import { type Durability, StorageError } from '../../storage/index.ts';
import type { ObjectAddress } from '../key-value-store.ts';
import { ObjectKey } from '../vnode/index.ts';
import { presentFence, refusalOf } from './answer-exchange.ts';
import type { ExchangeQuestion, ExchangeReply, Refusal } from './exchange-message.ts';
import type { ExchangePeers } from './exchange-peers.ts';
import type { ExchangeOutcome, ScheduledPair } from './exchange-schedule.ts';
import { KeyDifferences } from './key-differences.ts';
import type { Pause } from './pause.ts';
import type { Placements } from './placements.ts';
import { type KeyRepair, type ReplicaRouter, repairKey } from './repair-key.ts';
import type { RepairPace } from './repair-pace.ts';
import type { SegmentListings } from './segment-listing.ts';
import type { TreeKeeper } from './tree-keeper.ts';

/** Keys that one exchange repairs side by side. */
const repairsAtOnce = 16;

export interface ExchangeTotals {
  exchanges: number;
  /** Of them, those that found some segment to differ, at the first look. */
  differing: number;
  refused: number;
  /** Keys whose versions were compared, at either side. */
  keysListed: number;
  keysRepaired: number;
  /** Differences that were gone when the copies were read. */
  keysVanished: number;
  keysFailed: number;
}

export interface ExchangeParts {
  readonly environment: Pick<Environment, 'log'>;
  readonly topology: Topology;
  readonly placements: Placements;
  readonly keeper: TreeKeeper;
  readonly listings: SegmentListings;
  readonly peers: ExchangePeers;
  readonly router: ReplicaRouter;
  readonly pace: RepairPace;
  readonly totals: ExchangeTotals;
  readonly durabilityOf: (address: ObjectAddress) => Durability;
  /** A tombstone that two replicas hold by now: if all do, it may be forgotten. */
  readonly tombstone: (address: ObjectAddress) => void;
  /** Compares the partition's trees with its objects, soon. */
  readonly verify: (partition: Partition) => void;
  /** Of this exchange; closed when the node stops. */
  readonly pause: Pause;
}

/** An answer that ends the exchange. */
class Refused extends Error {
  override readonly name = 'Refused';
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super(`the exchange is refused: ${refusal}`);
    this.refusal = refusal;
  }
}

export async function runExchange(parts: ExchangeParts, pair: ScheduledPair): Promise<ExchangeOutcome> {
  const { totals } = parts;
  totals.exchanges += 1;
  try {
    const segments = await differingSegments(parts, pair);
    if (segments.isEmpty) return { kind: 'same' };
    if (pair.suspects === undefined) totals.differing += 1;
    // What differed before and does no more was on its way; what differs now for the first time may be.
    if (pair.suspects === undefined) return { kind: 'suspected', segments };
    const lasting = pair.suspects.intersection(segments);
    // Where writes never cease some segment always differs: no third look before the interval is over.
    if (lasting.isEmpty) return { kind: 'same' };
    const { differing, repaired } = await repairSegments(parts, pair, lasting);
    if (differing === 0) await verifyBoth(parts, pair);
    return { kind: 'repaired', keys: repaired };
  } catch (error) {
    if (error instanceof Refused) {
      totals.refused += 1;
      return { kind: 'refused' };
    }
    if (!(error instanceof StorageError)) throw error;
    totals.refused += 1;
    parts.environment.log.warn('a partition could not be listed for anti-entropy', {
      partition: pair.near,
      reason: error.message,
    });
    return { kind: 'refused' };
  }
}

async function differingSegments(parts: ExchangeParts, pair: ScheduledPair): Promise<SegmentSet> {
  const tree = parts.keeper.treeOf(pair.near, pair.first, pair.nVal);
  if (tree === undefined) throw new Refused('building');
  const exchange = new Exchange(tree);
  let step: ExchangeStep = exchange.begin();
  while (step.kind !== 'done') {
    const question: ExchangeQuestion =
      step.kind === 'ask-top'
        ? { kind: 'top', root: step.root }
        : { kind: 'leaves', branches: step.branches };
    const reply = await ask(parts, pair, question);
    if (reply.kind === 'same') step = exchange.same();
    else if (reply.kind === 'top' && question.kind === 'top') step = exchange.top(reply.hashes);
    else if (reply.kind === 'leaves' && exchange.awaits(reply.levels.length))
      step = exchange.leaves(reply.levels);
    else throw new Refused('unreachable');
  }
  return step.segments;
}

/** Asks the far replica, and makes sure first that this node still is the near one. */
async function ask(
  parts: ExchangeParts,
  pair: ScheduledPair,
  question: ExchangeQuestion,
): Promise<Exclude<ExchangeReply, { kind: 'refused' }>> {
  const { topology, placements, peers } = parts;
  if (parts.pause.isClosed) throw new Refused('unreachable');
  const fence = presentFence(topology, placements);
  const refusal = refusalOf(topology, placements, pair, topology.self, pair.peer, fence);
  if (refusal !== undefined) throw new Refused(refusal);
  const { first, nVal, near, far } = pair;
  const reply = await peers.ask(pair.peer, { pair: { first, nVal, near, far }, fence, question });
  if (reply.kind === 'refused') throw new Refused(reply.refusal);
  return reply;
}

async function repairSegments(
  parts: ExchangeParts,
  pair: ScheduledPair,
  segments: SegmentSet,
): Promise<{ readonly differing: number; readonly repaired: number }> {
  const { first, nVal, near } = pair;
  const differences = new KeyDifferences(
    (after) => parts.listings.slice({ partition: near, first, nVal }, segments, after),
    async (after) => {
      const reply = await ask(parts, pair, { kind: 'list', segments, after });
      if (reply.kind !== 'list') throw new Refused('unreachable');
      return reply.slice;
    },
  );
  let differing = 0;
  let repaired = 0;
  for (;;) {
    const keys = await differences.next(repairsAtOnce);
    parts.totals.keysListed += differences.takeListed();
    if (keys.length === 0) return { differing, repaired };
    differing += keys.length;
    await parts.pause.for(parts.pace.turns(keys.length));
    if (parts.pause.isClosed) throw new Refused('unreachable');
    // A move may have begun meanwhile: then nothing is repaired any more.
    const refusal = stillRefused(parts, pair);
    if (refusal !== undefined) throw new Refused(refusal);
    const results = await Promise.all(keys.map((key) => repairOne(parts, pair, key)));
    repaired += results.filter((kind) => kind === 'repaired').length;
  }
}

async function verifyBoth(parts: ExchangeParts, pair: ScheduledPair): Promise<void> {
  parts.verify(pair.near);
  await ask(parts, pair, { kind: 'verify' });
}

function stillRefused({ topology, placements }: ExchangeParts, pair: ScheduledPair): Refusal | undefined {
  return refusalOf(topology, placements, pair, topology.self, pair.peer, presentFence(topology, placements));
}

async function repairOne(
  parts: ExchangeParts,
  pair: ScheduledPair,
  encoded: Buffer,
): Promise<KeyRepair['kind']> {
  const { totals, topology } = parts;
  const key = ObjectKey.decode(encoded, 0, encoded.length);
  if (key === undefined) return 'failed';
  const replica = (partition: typeof pair.near, node: NodeId) => ({ partition, node, primary: true });
  const result = await repairKey(
    parts,
    key,
    replica(pair.near, topology.self),
    replica(pair.far, pair.peer),
    parts.durabilityOf(key.address),
  );
  if (result.kind === 'repaired') totals.keysRepaired += 1;
  else if (result.kind === 'vanished') totals.keysVanished += 1;
  else totals.keysFailed += 1;
  if (result.kind === 'repaired' && result.isTombstone) parts.tombstone(key.address);
  return result.kind;
}
