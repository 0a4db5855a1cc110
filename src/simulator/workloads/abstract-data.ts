/**
 * What the nodes of an abstract cluster hold, and what moving it takes.
 *
 * Real: objects and their merging. Modelled: a store is a map that survives restarts; a copy takes the partition's size
 * by a rate and then is there at once; the old owner's gate, the handoff of strays, read repair and anti-entropy are
 * what docs/internals/cluster.md says of them, each in one step.
 */
import type { LivenessView, Move, Partition } from '../../core/index.ts';
import type { NodeId } from '../../environment/index.ts';
import { replicaPut, type VersionedObject } from '../../kv/object/index.ts';
import type { PlannedEvent } from '../event-queue.ts';
import type { World } from '../world.ts';
import type { AbstractCluster, AbstractNode, MoveWorkers } from './abstract-cluster.ts';

const tryAgainMs = 10_000;
const handOffMs = 2000;

/** A key stands with the first partition of its preference lists. */
export interface AbstractKey {
  readonly name: string;
  readonly first: Partition;
}

type Contents = Map<AbstractKey, VersionedObject>;

interface Copying {
  readonly since: number;
  /** Of the node that does it: a gate does not outlive its process. */
  readonly life: number;
  timer: PlannedEvent | undefined;
  isComplete: boolean;
}

export interface AbstractDataOptions {
  readonly n: number;
  /** At this moment. */
  readonly bytesOf: (partition: Partition) => number;
  readonly bytesPerMs: number;
}

export class AbstractData implements MoveWorkers {
  readonly verified = new Map<Partition, number>();
  readonly dropped = new Map<Partition, number>();
  readonly #world: World;
  readonly #cluster: AbstractCluster;
  readonly #options: AbstractDataOptions;
  readonly #stores = new Map<NodeId, Map<Partition, Contents>>();
  readonly #copies = new Map<Partition, Copying>();
  readonly #views = new Map<NodeId, LivenessView>();
  /** Nodes that will soon look whom they can give their strays. */
  readonly #handingOff = new Set<AbstractNode>();

  constructor(cluster: AbstractCluster, options: AbstractDataOptions) {
    this.#world = cluster.world;
    this.#cluster = cluster;
    this.#options = options;
    cluster.setWorkers(this);
  }

  /** C4: who has handed a partition over, by its own state, is asked no more. The caller has asked the fence. */
  checkServes({ node, topology }: AbstractNode, partition: Partition): void {
    const move = topology.state.moves.get(partition);
    const isRetired = move?.from === node && (move.stage === 'switched' || move.stage === 'released');
    if (isRetired)
      throw new Error(`C4: ${node} answers for partition ${partition}, which it has handed over`);
  }

  get(node: NodeId, partition: Partition, key: AbstractKey): VersionedObject | undefined {
    return this.#stores.get(node)?.get(partition)?.get(key);
  }

  /** False: the node must not say that it stored it, since the partition's next owner has not (C3). */
  put(node: AbstractNode, partition: Partition, key: AbstractKey, object: VersionedObject): boolean {
    this.#merge(node.node, partition, key, object);
    const { state } = node.topology;
    const move = state.moves.get(partition);
    const isGate = move?.stage === 'copying' && move.from === node.node;
    if (isGate && this.#copyOf(move, node)?.isComplete === true) {
      if (!this.#cluster.reaches(node.node, move.to)) return false;
      this.#merge(move.to, partition, key, object);
      this.#world.work.add('writes through a gate');
    }
    const isMoving = move !== undefined && (move.from === node.node || move.to === node.node);
    if (state.owners[partition] !== node.node && !isMoving) this.#strayed(node);
    return true;
  }

  followed(node: AbstractNode): void {
    const { state } = node.topology;
    for (const move of state.moves.values()) {
      if (move.stage === 'copying' && (move.from ?? move.to) === node.node) this.#copy(move, node);
      if (move.stage === 'released' && move.from === node.node) this.#drop(move);
    }
    this.#handOff(node);
  }

  /** A copy that its process did not outlive begins anew, with a new gate. */
  restarted(node: AbstractNode): void {
    const lost = [...this.#cluster.state.moves.values()].filter(
      (move) => move.stage === 'copying' && (move.from ?? move.to) === node.node,
    );
    if (lost.length === 0) return;
    const partitions = lost.map(({ partition }) => partition);
    this.#world.work.add('copies that began anew', partitions.length);
    this.#cluster.beginAnew(partitions, node.topology.epoch);
  }

  sawChange(node: AbstractNode): void {
    if (this.#handingOff.has(node)) return;
    this.#handingOff.add(node);
    this.#world.after(handOffMs, () => {
      this.#handingOff.delete(node);
      if (node.isUp && this.#cluster.node(node.node) === node) this.#handOff(node);
    });
  }

  /** Every key's primaries that can be reached get what any of them has. */
  exchange(keys: Iterable<AbstractKey>): void {
    const { ring } = this.#cluster.nodes[0]!.topology;
    for (const key of keys) {
      const holders: { readonly node: NodeId; readonly partition: Partition }[] = [];
      for (let step = 0; step < this.#options.n; step++) {
        const partition = ring.after(key.first, step);
        const node = this.#cluster.state.owners[partition]!;
        if (this.#cluster.node(node)?.isUp === true) holders.push({ node, partition });
      }
      const merged = this.#mergedOf(key, holders);
      if (merged === undefined) continue;
      for (const { node, partition } of holders) {
        if (this.#merge(node, partition, key, merged)) this.#world.work.add('repairs of anti-entropy');
      }
    }
  }

  /** What all present owners of the key know together. */
  knownOf(key: AbstractKey): VersionedObject | undefined {
    const { ring } = this.#cluster.nodes[0]!.topology;
    const holders = Array.from({ length: this.#options.n }, (_, step) => {
      const partition = ring.after(key.first, step);
      return { node: this.#cluster.state.owners[partition]!, partition };
    });
    return this.#mergedOf(key, holders);
  }

  #mergedOf(
    key: AbstractKey,
    holders: readonly { readonly node: NodeId; readonly partition: Partition }[],
  ): VersionedObject | undefined {
    let merged: VersionedObject | undefined;
    for (const { node, partition } of holders) {
      const object = this.get(node, partition, key);
      if (object !== undefined && object !== merged) merged = replicaPut(merged, object);
    }
    return merged;
  }

  /** True if it was news. */
  #merge(node: NodeId, partition: Partition, key: AbstractKey, object: VersionedObject): boolean {
    const contents = this.#contentsOf(node, partition);
    const local = contents.get(key);
    if (local === object) return false;
    const merged = replicaPut(local, object);
    if (merged === local) return false;
    contents.set(key, merged);
    return true;
  }

  #contentsOf(node: NodeId, partition: Partition): Contents {
    const store = this.#stores.get(node) ?? new Map<Partition, Contents>();
    this.#stores.set(node, store);
    const contents = store.get(partition) ?? new Map<AbstractKey, VersionedObject>();
    store.set(partition, contents);
    return contents;
  }

  #copyOf({ partition, since }: Move, { life }: AbstractNode): Copying | undefined {
    const copy = this.#copies.get(partition);
    return copy?.since === since && copy.life === life ? copy : undefined;
  }

  /** At the old owner; of a rebuild at the new one. */
  #copy(move: Move, node: AbstractNode): void {
    if (this.#copyOf(move, node) !== undefined) return;
    const before = this.#copies.get(move.partition);
    if (before?.timer !== undefined) before.timer.run = undefined;
    const copy: Copying = { since: move.since, life: node.life, timer: undefined, isComplete: false };
    this.#copies.set(move.partition, copy);
    const tookMs = this.#options.bytesOf(move.partition) / this.#options.bytesPerMs;
    this.#completeAfter(tookMs, move, node, copy);
  }

  #completeAfter(delayMs: number, move: Move, node: AbstractNode, copy: Copying): void {
    copy.timer = this.#world.after(delayMs, () => {
      copy.timer = undefined;
      const { partition, from, to, since } = move;
      if (node.life !== copy.life || node.topology.state.moves.get(partition)?.since !== since) return;
      const source = from === undefined ? undefined : this.#contentsOf(from, partition);
      if (!node.isUp || !this.#cluster.reaches(node.node, to)) {
        this.#completeAfter(tryAgainMs, move, node, copy);
        return;
      }
      if (source === undefined) this.#rebuild(partition, to);
      else for (const [key, object] of source) this.#merge(to, partition, key, object);
      copy.isComplete = true;
      this.verified.set(partition, since);
      this.#world.work.add(source === undefined ? 'partitions rebuilt' : 'partitions copied');
      this.#cluster.look();
    });
  }

  /** The other replicas of the partition's keys lie under its neighbours. */
  #rebuild(partition: Partition, to: NodeId): void {
    const { ring } = this.#cluster.nodes[0]!.topology;
    const { n } = this.#options;
    for (let step = -(n - 1); step < n; step++) {
      const neighbour = ring.after(partition, step);
      const owner = this.#cluster.state.owners[neighbour]!;
      if (step === 0 || !this.#cluster.reaches(to, owner)) continue;
      for (const [key, object] of this.#contentsOf(owner, neighbour)) {
        const distance = (partition - key.first + ring.size) % ring.size;
        if (distance < n) this.#merge(to, partition, key, object);
      }
    }
  }

  #drop({ partition, from, since }: Move): void {
    if (this.dropped.get(partition) === since) return;
    this.#stores.get(from!)?.delete(partition);
    this.dropped.set(partition, since);
    this.#world.work.add('partitions dropped');
    this.#cluster.look();
  }

  #strayed(node: AbstractNode): void {
    this.#cluster.liveness.setHasStrays(node.node, true);
    this.#world.work.add('writes on fallbacks');
  }

  /** By what the node itself knows: of owners, of moves, and of who can be reached. */
  #handOff(node: AbstractNode): void {
    const store = this.#stores.get(node.node);
    if (store === undefined) return;
    const { state } = node.topology;
    let isLeft = false;
    for (const [partition, contents] of [...store].sort(([a], [b]) => a - b)) {
      const owner = state.owners[partition]!;
      const move = state.moves.get(partition);
      if (owner === node.node || move?.to === node.node || move?.from === node.node) continue;
      if (contents.size > 0 && !this.#give(node, owner, partition, contents)) {
        isLeft = true;
        // Else it waits for liveness to change its mind.
        if (this.#viewOf(node.node).reachability(owner) !== 'dead') this.sawChange(node);
        continue;
      }
      store.delete(partition);
    }
    this.#cluster.liveness.setHasStrays(node.node, isLeft);
  }

  /** False: the owner has not got it. */
  #give(node: AbstractNode, owner: NodeId, partition: Partition, contents: Contents): boolean {
    const receiver = this.#cluster.node(owner);
    const thinksUp = this.#viewOf(node.node).reachability(owner) === 'alive';
    if (receiver === undefined || !thinksUp || !this.#cluster.reaches(node.node, owner)) return false;
    if (receiver.topology.admits(partition, node.topology.epoch, true) === 'moved') return false;
    for (const [key, object] of contents) {
      if (!this.put(receiver, partition, key, object)) return false;
    }
    this.#world.work.add('objects handed off', contents.size);
    return true;
  }

  #viewOf(node: NodeId): LivenessView {
    const view = this.#views.get(node) ?? this.#cluster.liveness.viewOf(node);
    this.#views.set(node, view);
    return view;
  }
}
