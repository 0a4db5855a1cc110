/**
 * What a node knows of its cluster: who owns which partition (agreed, in the ring) and who can be
 * reached now (an opinion, from liveness). The first changes with the epoch; the second at any time.
 */
import type { NodeId } from '../../environment/index.ts';
import { type Partition, type PreferenceList, preferenceList, Ring } from '../ring/index.ts';

export interface Topology {
  readonly self: NodeId;
  readonly ring: Ring;
  isUp(node: NodeId): boolean;
  /**
   * It is up, or would be, did it not come and go; or it is called dead though a connection to it stands: who was starved of
   * processor time takes others for dead. Nothing is sent there that somebody else can do as well.
   */
  mayAnswer(node: NodeId): boolean;
  /** Cached until the ring or the set of live nodes changes. */
  preferenceList(first: Partition, n: number): PreferenceList;
  /** Moves that are under way; `kv` asks it before it forgets anything. */
  isMoving(partition: Partition): boolean;
  /** The partition is being copied to this node, or this node has yet to drop what it has given away. */
  isOwnMove(partition: Partition): boolean;
  /** Every member can be reached and has said that it holds no stray data (docs/internals/cluster.md, C8). */
  readonly isSettled: boolean;
  /** Calls `changed` after the ring or the set of live nodes has changed. */
  onChange(changed: () => void): void;
}

/** A cluster of one: this node owns every partition. */
export class SoloTopology implements Topology {
  readonly self: NodeId;
  readonly ring: Ring;
  /** `#lists[n][partition]`: a lookup costs two array reads on the hot path. */
  readonly #lists: (PreferenceList | undefined)[][] = [];

  constructor(self: NodeId, ringSize: number) {
    this.self = self;
    this.ring = Ring.ownedByOne(1, ringSize, self);
  }

  isUp(node: NodeId): boolean {
    return node === this.self;
  }

  mayAnswer(node: NodeId): boolean {
    return this.isUp(node);
  }

  isMoving(): boolean {
    return false;
  }

  isOwnMove(): boolean {
    return false;
  }

  get isSettled(): boolean {
    return true;
  }

  onChange(): void {
    // Nothing ever does.
  }

  preferenceList(first: Partition, n: number): PreferenceList {
    this.#lists[n] ??= [];
    const lists = this.#lists[n];
    lists[first] ??= preferenceList(this.ring, first, n, (node) => this.isUp(node));
    return lists[first];
  }
}
