/**
 * Listings: those that clients of this node began, which walk a covering set of vnodes, and the walks over this
 * node's own vnodes that any node may ask for.
 */
import {
  type CoverageParts,
  CoverageWalk,
  type WalkReply,
  type WalkRequest,
  WalkService,
} from '../core/coverage/index.ts';
import { type Partition, ringSizeMax } from '../core/ring/index.ts';
import { type PeerTransport, VnodeRouter, type VnodeService } from '../core/vnode/index.ts';
import type { Instant, Tasks } from '../environment/index.ts';
import type { StorageEngine } from '../storage/index.ts';
import type { BucketPlacements } from './bucket-placements.ts';
import type { CoordinatorParts } from './coordinator/index.ts';
import type { NameStream, ObjectAddress } from './key-value-store.ts';
import { listedNames } from './list-names.ts';
import { encodeNameQuery, type NameQuery, NameWalks } from './name-walk.ts';
import { OpenListings } from './open-listings.ts';

export interface NameListingParts {
  readonly coordinator: CoordinatorParts;
  readonly placements: BucketPlacements;
  readonly tasks: Tasks;
  readonly engine: StorageEngine;
  /** Milliseconds for a listing that names no timeout. */
  readonly timeoutMs: number;
  readonly peers: PeerTransport<WalkRequest, WalkReply>;
  /** False: what the engine still holds of the partition is not to be shown. */
  readonly serves: (partition: Partition) => boolean;
}

export class NameListings {
  /** For listings of other nodes. */
  readonly walks: VnodeService<WalkRequest, WalkReply>;
  readonly #coordinator: CoordinatorParts;
  readonly #coverage: CoverageParts;
  readonly #open: OpenListings;
  readonly #timeoutMs: number;

  constructor(parts: NameListingParts) {
    const { coordinator, tasks, peers } = parts;
    const { topology, clock } = coordinator;
    this.walks = walkService(parts);
    this.#coordinator = coordinator;
    this.#coverage = { topology, clock, router: new VnodeRouter(topology.self, this.walks, peers) };
    this.#open = new OpenListings(coordinator.deadlines, tasks);
    this.#timeoutMs = parts.timeoutMs;
  }

  /** `n`: the fewest replicas that anything listed has. Throws `KvFailure` with `overload`. */
  list(query: NameQuery, n: number, timeoutMs: number | undefined): NameStream {
    const { clock, random, observer } = this.#coordinator;
    const lastsMs = timeoutMs || this.#timeoutMs;
    const names = this.#open.open(lastsMs, () => {
      const deadline = (clock.now() + lastsMs) as Instant;
      const walked = { query: encodeNameQuery(query), n, offset: random.u32() % ringSizeMax, deadline };
      return listedNames(() => new CoverageWalk(this.#coverage, walked), query.kind);
    });
    observer.listStarted();
    return names;
  }
}

function walkService({ coordinator, placements, engine, tasks, serves }: NameListingParts): WalkService {
  const { names, topology } = coordinator;
  const firstPartitionOf = (address: ObjectAddress): Partition => {
    const bucketOnly = placements.of(address)?.bucketOnly ?? false;
    return topology.ring.partitionOf(names.of(address, bucketOnly));
  };
  const ownership = {
    get epoch() {
      return topology.ring.epoch;
    },
    serves: (partition: Partition) => topology.ring.ownerOf(partition) === topology.self && serves(partition),
  };
  return new WalkService(new NameWalks(engine, firstPartitionOf), ownership, tasks);
}
