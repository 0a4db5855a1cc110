/** Which vnodes answer for a key just now: for programs that ask nodes themselves, and for people. */
import type { Partition } from '../core/ring/index.ts';
import type { Topology } from '../core/topology/index.ts';
import type { NodeId } from '../environment/index.ts';
import { textOfBytes } from '../stdx/index.ts';
import { NameHash } from './coordinator/index.ts';
import type { KeyValueStore, ObjectAddress } from './key-value-store.ts';
import type { KvError } from './kv-error.ts';
import { checkName } from './request-checks.ts';

export interface PreflistEntry {
  /** 0 to ring size - 1, clockwise. */
  readonly partition: Partition;
  readonly node: NodeId;
  /** False: the node stands in for the partition's owner, which cannot be reached. */
  readonly primary: boolean;
}

export class Preflists {
  readonly #store: Pick<KeyValueStore, 'properties'>;
  readonly #topology: Topology;
  readonly #names = new NameHash();

  constructor(store: Pick<KeyValueStore, 'properties'>, topology: Topology) {
    this.#store = store;
    this.#topology = topology;
  }

  /** Partitions of the ring. */
  get ringSize(): number {
    return this.#topology.ring.size;
  }

  /** By this node's view: primaries in ring order, then fallbacks. As many as the bucket keeps replicas, if anybody is up. */
  of(address: ObjectAddress): readonly PreflistEntry[] | KvError {
    const bad =
      checkName('type', address.bucketType) ??
      checkName('bucket', address.bucket) ??
      checkName('key', address.key);
    if (bad !== undefined) return bad;
    const properties = this.#store.properties(address);
    if (properties === undefined) {
      return { code: 'unknown_bucket_type', bucketType: textOfBytes(address.bucketType) };
    }
    const bucketOnly = properties.chash_keyfun.fun === 'chash_bucketonly_keyfun';
    const first = this.#topology.ring.partitionOf(this.#names.of(address, bucketOnly));
    const list = this.#topology.preferenceList(first, properties.n_val);
    return [...list.filter(({ primary }) => primary), ...list.filter(({ primary }) => !primary)];
  }
}
