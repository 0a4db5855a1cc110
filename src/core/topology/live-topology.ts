/**
 * What the cluster agreed on and who can be reached, put together for the hot path.
 *
 * A preference list costs two array reads, until ownership or reachability changes; then lists are made anew when
 * asked for. An epoch that only registers a fact, and a rumour that turns nobody up or down, leave them.
 */
import type { NodeId } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import type { LivenessView } from '../liveness/index.ts';
import { type Partition, type PreferenceList, preferenceList, type Replica, Ring } from '../ring/index.ts';
import type { ClusterState } from './cluster-state.ts';
import { foundCluster } from './fold.ts';
import { locationOf } from './member-location.ts';
import { isSwitched } from './move-stage.ts';
import type { Topology } from './topology.ts';

export interface LiveTopologyParts {
  readonly self: NodeId;
  readonly state: ClusterState;
  readonly liveness: LivenessView;
  /** A connection to it stands, by which requests go. Absent: that is not known. */
  readonly isConnected?: (node: NodeId) => boolean;
}

export class LiveTopology implements Topology {
  readonly self: NodeId;
  readonly #liveness: LivenessView;
  readonly #isConnected: (node: NodeId) => boolean;
  readonly #listeners: (() => void)[] = [];
  #state: ClusterState;
  #ring: Ring;
  #up: ReadonlySet<NodeId>;
  #isSettled: boolean | undefined;
  /** `#lists[n][partition]`. */
  #lists: (PreferenceList | undefined)[][] = [];

  constructor({ self, state, liveness, isConnected }: LiveTopologyParts) {
    this.self = self;
    this.#liveness = liveness;
    this.#isConnected = isConnected ?? (() => false);
    this.#state = state;
    this.#ring = new Ring(state.epoch, state.owners);
    this.#up = this.#membersUp();
    liveness.onChange(() => this.#livenessChanged());
  }

  /** A cluster of one that nobody joins: for nodes without a cluster log, and for tests. */
  static alone(self: NodeId, ringSize: number): LiveTopology {
    const address = { host: '127.0.0.1', port: 0 };
    const member = { node: self, instance: 'alone', address, location: undefined, status: 'valid' } as const;
    const state = foundCluster({
      clusterId: 'alone',
      member: { ...member, capabilities: new Map() },
      ringSize,
      targetN: 3,
    });
    const liveness: LivenessView = {
      reachability: () => 'dead',
      hasStrays: () => false,
      onChange: () => undefined,
    };
    return new LiveTopology({ self, state, liveness });
  }

  get state(): ClusterState {
    return this.#state;
  }

  get ring(): Ring {
    return this.#ring;
  }

  get epoch(): number {
    return this.#state.epoch;
  }

  /** Takes the next state of the cluster, or the state of another cluster, which this node has joined. */
  update(state: ClusterState): void {
    const before = this.#state;
    if (state === before) return;
    assert(
      state.clusterId !== before.clusterId ||
        state.generation > before.generation ||
        (state.generation === before.generation && state.epoch >= before.epoch),
      'what was agreed is not taken back',
    );
    this.#state = state;
    this.#ring = new Ring(state.epoch, state.owners);
    this.#isSettled = undefined;
    if (state.owners === before.owners && state.moves === before.moves && state.members === before.members) {
      return;
    }
    this.#up = this.#membersUp();
    this.#tell();
  }

  /** Self always; else a member that liveness does not call dead, and no operator `down`. */
  isUp(node: NodeId): boolean {
    return node === this.self || this.#up.has(node);
  }

  mayAnswer(node: NodeId): boolean {
    return this.isUp(node) || this.#liveness.isHeld?.(node) === true || this.#isConnected(node);
  }

  isMoving(partition: Partition): boolean {
    return this.#state.moves.has(partition);
  }

  isOwnMove(partition: Partition): boolean {
    const move = this.#state.moves.get(partition);
    if (move === undefined || move.stage === 'planned') return false;
    return move.to === this.self || move.from === this.self;
  }

  get isSettled(): boolean {
    this.#isSettled ??= this.#computeSettled();
    return this.#isSettled;
  }

  onChange(changed: () => void): void {
    this.#listeners.push(changed);
  }

  preferenceList(first: Partition, n: number): PreferenceList {
    return this.#lists[n]?.[first] ?? this.#makeList(first, n);
  }

  /**
   * The fence: whether a request that another node sent here under `epoch` may be served. `primary`: it was sent to
   * the partition's owner, not to who stands in for it. A fallback is refused only what it would soon drop (C4).
   * `malformed`: the ring has no such partition.
   */
  admits(partition: Partition, epoch: number, primary: boolean): 'serve' | 'moved' | 'malformed' {
    if (partition >= this.#state.owners.length) return 'malformed';
    if (this.#retiredOwner(partition) === this.self) return 'moved';
    if (!primary || this.#state.owners[partition] === this.self) return 'serve';
    return epoch > this.#state.epoch ? 'serve' : 'moved';
  }

  #livenessChanged(): void {
    this.#isSettled = undefined;
    const up = this.#membersUp();
    if (up.size === this.#up.size && [...up].every((node) => this.#up.has(node))) return;
    this.#up = up;
    this.#tell();
  }

  #tell(): void {
    this.#lists = [];
    for (const changed of this.#listeners) changed();
  }

  #membersUp(): ReadonlySet<NodeId> {
    const up = new Set<NodeId>();
    for (const { node, status } of this.#state.members.values()) {
      if (status === 'down' || node === this.self) continue;
      if (this.#liveness.reachability(node) !== 'dead') up.add(node);
    }
    return up;
  }

  /** Nobody who could hold an older copy is silent, or says that it may (C8). A suspect is silent. */
  #computeSettled(): boolean {
    const { members, owners } = this.#state;
    const ownsAll = members.size === 1 && owners.every((owner) => owner === this.self);
    if (ownsAll) return true;
    for (const { node, status } of members.values()) {
      if (status === 'down' || this.#liveness.hasStrays(node)) return false;
      if (node !== this.self && this.#liveness.reachability(node) !== 'alive') return false;
    }
    return true;
  }

  #makeList(first: Partition, n: number): PreferenceList {
    const list = preferenceList(this.#ring, first, n, (node) => this.isUp(node), {
      locationOf: (node) => {
        const member = this.#state.members.get(node);
        return member === undefined ? undefined : locationOf(member);
      },
      standInFor: (partition) => this.#rebuilder(partition),
    });
    this.#lists[n] ??= [];
    this.#lists[n][first] = this.#state.moves.size === 0 ? list : this.#withoutRetired(list);
    return this.#lists[n][first];
  }

  /** After the switch it is the owner, and no longer asked for. */
  #rebuilder(partition: Partition): NodeId | undefined {
    const move = this.#state.moves.get(partition);
    return move !== undefined && move.from === undefined ? move.to : undefined;
  }

  /** It is about to drop what it has of the partition, and all that it would take: no fallback for it. */
  #retiredOwner(partition: Partition): NodeId | undefined {
    const move = this.#state.moves.get(partition);
    return move !== undefined && isSwitched(move.stage) ? move.from : undefined;
  }

  #withoutRetired(list: PreferenceList): PreferenceList {
    const taken = new Set(list.map(({ node }) => node));
    return list.flatMap((replica): Replica[] => {
      const retired = this.#retiredOwner(replica.partition);
      if (replica.primary || replica.node !== retired) return [replica];
      const others = [...new Set(this.#ring.owners)].filter((node) => node !== retired && this.isUp(node));
      const node = others.find((other) => !taken.has(other)) ?? others[0];
      if (node === undefined) return [];
      taken.add(node);
      return [{ partition: replica.partition, node, primary: false }];
    });
  }
}
