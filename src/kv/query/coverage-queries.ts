/**
 * Coverage queries of a node: those that its clients began, which walk a covering set of vnodes, and the walks over
 * this node's own vnodes that any node may ask for.
 */
import {
  CoverageFailure,
  type CoverageParts,
  type CoverageService,
  CoverageWalk,
  type WalkReply,
  type WalkRequest,
  WalkService,
} from '../../core/coverage/index.ts';
import { type Partition, ringSizeMax } from '../../core/ring/index.ts';
import { type PeerTransport, VnodeRouter, type VnodeService } from '../../core/vnode/index.ts';
import type { Instant, Tasks } from '../../environment/index.ts';
import type { ByteString } from '../../stdx/index.ts';
import type { GroupCommit } from '../../storage/index.ts';
import type { BucketPlacements } from '../bucket-placements.ts';
import type { CoordinatorParts } from '../coordinator/index.ts';
import type { ExpiredNames } from '../expiry/index.ts';
import { KvFailure, type ObjectAddress, type ResultStream } from '../key-value-store.ts';
import type { KvError } from '../kv-error.ts';
import { indexQueryLetter } from './index-query.ts';
import { IndexWalks } from './index-walk.ts';
import { NameWalks } from './name-walk.ts';
import { OpenQueries } from './open-queries.ts';

export interface CoverageQueryParts {
  readonly coordinator: CoordinatorParts;
  readonly placements: BucketPlacements;
  readonly tasks: Tasks;
  readonly commit: GroupCommit;
  /** The way to the vnodes of other nodes. */
  readonly peers: PeerTransport<WalkRequest, WalkReply>;
  /** False: what the engine still holds of the partition is not to be shown. */
  readonly serves: (partition: Partition) => boolean;
  /** What is not to be found any more. */
  readonly expired?: ExpiredNames;
}

export interface WalkedQuery {
  readonly query: ByteString;
  /** The fewest replicas that anything asked for has. */
  readonly n: number;
  /** Milliseconds; absent: none, as long as somebody pulls. */
  readonly timeoutMs?: number;
  readonly after?: ByteString;
  readonly itemsMax?: number;
  readonly counts?: boolean;
}

/** Names whose first partition is in a part of the ring. */
interface RingPart {
  readonly offset: number;
  readonly firstPartitions: ReadonlySet<Partition>;
}

/** What was found in a part of the ring. */
export interface RingSample {
  readonly counted: number;
  /** Of all partitions, more than 0 and at most 1. */
  readonly share: number;
}

export class CoverageQueries {
  /** For queries of other nodes. */
  readonly walks: VnodeService<WalkRequest, WalkReply>;
  readonly #coordinator: CoordinatorParts;
  readonly #coverage: CoverageParts;
  readonly #open: OpenQueries;

  constructor(parts: CoverageQueryParts) {
    const { coordinator, tasks, peers } = parts;
    const { topology, clock, timers } = coordinator;
    this.walks = walkService(parts);
    this.#coordinator = coordinator;
    this.#coverage = { topology, clock, timers, router: new VnodeRouter(topology.self, this.walks, peers) };
    this.#open = new OpenQueries(coordinator.deadlines, tasks);
  }

  /**
   * Begins a walk, whose items `results` makes into what the consumer sees. Throws `KvFailure` with `overload` or
   * `insufficient_vnodes_available`.
   */
  open<Item>(asked: WalkedQuery, results: (walk: CoverageWalk) => ResultStream<Item>): ResultStream<Item> {
    return this.#open.open(asked.timeoutMs, () => results(this.#begin(asked)));
  }

  /** Rejects with `KvFailure`. */
  async count(asked: WalkedQuery, part?: RingPart): Promise<number> {
    let walk: CoverageWalk | undefined;
    const counting = this.#open.open(asked.timeoutMs, () => {
      walk = this.#begin({ ...asked, counts: true }, part);
      return new WalkedItems(walk, (items) => items);
    });
    try {
      while ((await counting.next()) !== undefined);
      return walk?.counted ?? 0;
    } finally {
      await counting.close();
    }
  }

  /**
   * Counts in a part of the ring that is drawn anew each time, and in twice as much of it until `enough` were found. Hashes
   * spread names evenly, so that any stretch is as good a sample as another; each vnode that is asked is the only
   * one for all names that it reads. Rejects with `KvFailure`.
   */
  async sample(asked: WalkedQuery, enough: number): Promise<RingSample> {
    const { ring } = this.#coordinator.topology;
    const replicas = Math.min(asked.n, ring.size);
    const start = this.#coordinator.random.u32() % ring.size;
    let counted = 0;
    let looked = 0;
    while (looked < ring.size && counted < enough) {
      const next = Math.min(Math.max(looked, replicas), ring.size - looked);
      const offset = start + looked;
      const partitions = Array.from({ length: next }, (_, index) =>
        ring.after(0 as Partition, offset + index),
      );
      counted += await this.count(asked, { offset, firstPartitions: new Set(partitions) });
      looked += next;
    }
    return { counted, share: looked / ring.size };
  }

  #begin({ timeoutMs, ...asked }: WalkedQuery, part?: RingPart): CoverageWalk {
    const { clock, random } = this.#coordinator;
    const deadline = timeoutMs === undefined ? {} : { deadline: (clock.now() + timeoutMs) as Instant };
    const where = part ?? { offset: random.u32() % ringSizeMax };
    try {
      return new CoverageWalk(this.#coverage, { ...asked, ...deadline, ...where });
    } catch (error) {
      throw failureOf(error);
    }
  }
}

/** What a walk finds, made into results. */
export class WalkedItems<Item> implements ResultStream<Item> {
  readonly #walk: CoverageWalk;
  readonly #resultsOf: (items: readonly ByteString[]) => readonly Item[];

  constructor(walk: CoverageWalk, resultsOf: (items: readonly ByteString[]) => readonly Item[]) {
    this.#walk = walk;
    this.#resultsOf = resultsOf;
  }

  async next(): Promise<readonly Item[] | undefined> {
    try {
      for (;;) {
        const items = await this.#walk.next();
        if (items === undefined) return undefined;
        const results = this.#resultsOf(items);
        if (results.length > 0) return results;
      }
    } catch (error) {
      this.#walk.close();
      throw failureOf(error);
    }
  }

  close(): Promise<void> {
    this.#walk.close();
    return Promise.resolve();
  }
}

/** Which service a query is for, by its first letter. */
class Walks implements CoverageService {
  readonly #names: NameWalks;
  readonly #indexes: IndexWalks;

  constructor(names: NameWalks, indexes: IndexWalks) {
    this.#names = names;
    this.#indexes = indexes;
  }

  walk(...asked: Parameters<CoverageService['walk']>): ReturnType<CoverageService['walk']> {
    return asked[0].startsWith(indexQueryLetter) ? this.#indexes.walk(...asked) : this.#names.walk(...asked);
  }
}

function walkService({
  coordinator,
  placements,
  commit,
  tasks,
  serves,
  expired,
}: CoverageQueryParts): WalkService {
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
  const walks = new Walks(
    new NameWalks(commit.engine, firstPartitionOf, expired),
    new IndexWalks(commit, firstPartitionOf, expired),
  );
  return new WalkService(walks, ownership, tasks);
}

function failureOf(error: unknown): unknown {
  return error instanceof CoverageFailure ? new KvFailure(kvErrorOf(error)) : error;
}

function kvErrorOf({ code, message, missing }: CoverageFailure): KvError {
  switch (code) {
    case 'timeout':
      return { code: 'timeout' };
    case 'storage':
      return { code: 'storage', reason: message };
    default:
      return { code: 'insufficient_vnodes_available', partitions: missing };
  }
}
