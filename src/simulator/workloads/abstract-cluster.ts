/**
 * A cluster of many nodes over weeks, of which the decisions are the product's and the work is not.
 *
 * Real: the fold of the cluster log (C1–C6), plans and claim, the stage driver, the choice of voters, every node's own
 * `LiveTopology` (state, preference lists, the fence) and its `Swim`.
 * Modelled: consensus (an entry is agreed at once while a leader reaches a majority of the voters, else it waits; a
 * lost leader is replaced after a second), the pulling of entries (after some milliseconds, from any node that is
 * ahead and in reach), processes (they stop and start, and keep what they stored). What nodes hold, and what
 * moving it takes, is in `abstract-data.ts`.
 */
import {
  type ClusterCommand,
  type ClusterState,
  chooseVoters,
  commitPlanned,
  fold,
  foundCluster,
  LiveTopology,
  type Member,
  nextStages,
  type Partition,
  type Plan,
  planChanges,
  type StagedChange,
} from '../../core/index.ts';
import type { NodeId } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import type { Prng } from '../prng.ts';
import type { World } from '../world.ts';
import { AbstractLiveness } from './abstract-liveness.ts';

const electionMs = 1000;
const newsMsMin = 2;
const newsMsMax = 50;
/** As the leader of the product looks again though nothing seems to have changed, but less often. */
const lookMs = 10_000;
const transferLimit = 8;

export interface AbstractNode {
  readonly node: NodeId;
  readonly topology: LiveTopology;
  isUp: boolean;
  /** Counted up by each restart. */
  life: number;
}

/** What the leader is told of the moves, and what nodes do when they see them. */
export interface MoveWorkers {
  readonly verified: ReadonlyMap<Partition, number>;
  readonly dropped: ReadonlyMap<Partition, number>;
  /** The node has followed to its topology's state. */
  followed(node: AbstractNode): void;
  /** Its liveness has another opinion of somebody. */
  sawChange(node: AbstractNode): void;
  restarted(node: AbstractNode): void;
}

export interface AbstractClusterOptions {
  readonly ringSize: number;
  readonly targetN: number;
  /** Whether the network carries from one to the other; that both are up is not its business. */
  readonly carries: (from: NodeId, to: NodeId) => boolean;
}

export class AbstractCluster {
  readonly world: World;
  readonly liveness: AbstractLiveness;
  readonly random: Prng;
  readonly #options: AbstractClusterOptions;
  readonly #nodes = new Map<NodeId, AbstractNode>();
  #workers: MoveWorkers | undefined;
  /** The end of the log. */
  #agreed: ClusterState | undefined;
  #voters: readonly NodeId[] = [];
  #leader: NodeId | undefined;
  #isElecting = false;
  #isLookPlanned = false;
  #isLookingOften = false;
  readonly #acked = new Map<NodeId, number>();
  #advanced: ((partitions: readonly Partition[]) => void) | undefined;
  readonly #waiting: { readonly command: ClusterCommand; readonly done: () => void }[] = [];

  constructor(world: World, options: AbstractClusterOptions) {
    this.world = world;
    this.random = world.random.fork('cluster');
    this.#options = options;
    this.liveness = new AbstractLiveness(world, (from, to) => this.reaches(from, to));
  }

  setWorkers(workers: MoveWorkers): void {
    this.#workers = workers;
  }

  get state(): ClusterState {
    assert(this.#agreed !== undefined, 'the cluster is founded');
    return this.#agreed;
  }

  get nodes(): readonly AbstractNode[] {
    return [...this.#nodes.values()];
  }

  node(name: NodeId): AbstractNode | undefined {
    return this.#nodes.get(name);
  }

  /** Told of the partitions of which a move enters another stage. */
  onAdvance(advanced: (partitions: readonly Partition[]) => void): void {
    this.#advanced = advanced;
  }

  /** Both are up and the network carries. */
  reaches(from: NodeId, to: NodeId): boolean {
    const [a, b] = [this.#nodes.get(from), this.#nodes.get(to)];
    if (a === undefined || b === undefined || !a.isUp || !b.isUp) return false;
    return from === to || this.#options.carries(from, to);
  }

  found(node: NodeId, location?: string): void {
    this.#agreed = foundCluster({
      clusterId: 'abstract',
      member: memberOf(node, location),
      ringSize: this.#options.ringSize,
      targetN: this.#options.targetN,
    });
    this.#voters = [node];
    this.#leader = node;
    this.#addNode(node);
  }

  /** Resolves when the node is a member that knows it. */
  async admit(node: NodeId, location?: string): Promise<void> {
    await this.propose({ kind: 'admit', member: memberOf(node, location) });
    this.#addNode(node);
    this.world.record(node, 'joins');
  }

  async stage(change: StagedChange): Promise<void> {
    await this.propose({ kind: 'stage', change });
  }

  /** Plans what is staged and commits the plan. Bytes are for the plan's own numbers. */
  async commit(bytesOf: ReadonlyMap<Partition, number>, bytesPerSecond: number): Promise<Plan> {
    const outcome = planChanges(this.state, { bytesOf, bytesPerSecond, replicas: this.#options.targetN });
    if (outcome.kind === 'refused') throw new Error(`no plan: ${outcome.refusal.reason}`);
    const { plan } = outcome;
    await this.propose(commitPlanned(plan, false));
    return plan;
  }

  /** Resolves when the command is agreed; a refusal fails the run. */
  propose(command: ClusterCommand): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ command, done: resolve });
      this.look();
    });
  }

  /** The old owner's word that its copies begin anew; it may come late, and is refused then. */
  beginAnew(partitions: readonly Partition[], asOf: number): void {
    const command = { kind: 'advance', partitions, to: 'copying', asOf } as const;
    this.#waiting.push({ command, done: () => undefined });
    this.look();
  }

  crash(name: NodeId): void {
    const node = this.#of(name);
    if (!node.isUp) return;
    node.isUp = false;
    this.world.record(name, 'crash');
    this.liveness.stop(name);
    this.networkChanged();
  }

  restart(name: NodeId): void {
    const node = this.#of(name);
    if (node.isUp) return;
    node.isUp = true;
    node.life += 1;
    this.world.record(name, 'restart');
    this.liveness.start(name);
    this.#workers?.restarted(node);
    this.networkChanged();
  }

  /** After `carries` has changed its mind. */
  networkChanged(): void {
    this.liveness.stir();
    this.#spread();
    this.look();
  }

  /** What a leader does now, as soon as this event is over. */
  look(): void {
    if (this.#isLookPlanned) return;
    this.#isLookPlanned = true;
    this.world.after(1, () => {
      this.#isLookPlanned = false;
      this.#act();
    });
  }

  #addNode(node: NodeId): void {
    this.liveness.add(node);
    const view = this.liveness.viewOf(node);
    const topology = new LiveTopology({ self: node, state: this.state, liveness: view });
    const added: AbstractNode = { node, topology, isUp: true, life: 1 };
    this.#nodes.set(node, added);
    view.onChange(() => {
      if (node === this.#leader) this.look();
      this.#workers?.sawChange(added);
    });
    this.liveness.setMembers(node, this.state.members.keys());
    this.#spread();
  }

  #of(name: NodeId): AbstractNode {
    const node = this.#nodes.get(name);
    assert(node !== undefined, `${name} is there`);
    return node;
  }

  #act(): void {
    const leader = this.#presentLeader();
    if (leader === undefined) {
      this.#elect();
      return;
    }
    this.#settleVoters(leader);
    const node = this.#of(leader);
    this.#follow(node);
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      this.#agree(next.command);
      next.done();
    }
    this.#follow(node);
    for (const command of nextStages(this.state, this.#factsOf(leader))) this.#agree(command);
    this.#follow(node);
    this.#spread();
    this.#lookAgain();
  }

  #presentLeader(): NodeId | undefined {
    if (this.#leader === undefined || !this.#hasMajority(this.#leader)) return undefined;
    return this.#leader;
  }

  #hasMajority(candidate: NodeId): boolean {
    const reached = this.#voters.filter((voter) => this.reaches(candidate, voter));
    return this.#voters.includes(candidate) && reached.length > this.#voters.length / 2;
  }

  #elect(): void {
    this.#leader = undefined;
    if (this.#isElecting) return;
    this.#isElecting = true;
    this.world.after(electionMs, () => {
      this.#isElecting = false;
      const winner = this.#voters.find((voter) => this.#hasMajority(voter));
      if (winner === undefined) return;
      this.#leader = winner;
      this.#acked.clear();
      this.world.work.add('elections');
      // A voter that a majority elects has every entry.
      this.#follow(this.#of(winner));
      this.look();
    });
  }

  #settleVoters(leader: NodeId): void {
    const reachable = this.#reachableFor(leader);
    const voters = chooseVoters(this.state, reachable, this.#voters);
    const present = voters.filter((voter) => this.reaches(leader, voter));
    if (voters.includes(leader) && present.length > voters.length / 2) this.#voters = voters;
  }

  #reachableFor(leader: NodeId): Set<NodeId> {
    const { topology } = this.#of(leader);
    const members = [...topology.state.members.keys()];
    const view = this.liveness.viewOf(leader);
    return new Set(members.filter((node) => node === leader || view.reachability(node) !== 'dead'));
  }

  #factsOf(leader: NodeId) {
    const view = this.liveness.viewOf(leader);
    const members = [...this.state.members.keys()];
    for (const node of members) {
      if (this.reaches(node, leader)) this.#acked.set(node, this.#of(node).topology.epoch);
    }
    const none: ReadonlyMap<Partition, number> = new Map();
    return {
      acked: this.#acked,
      reachable: this.#reachableFor(leader),
      withoutStrays: new Set(members.filter((node) => !view.hasStrays(node))),
      voters: new Set(this.#voters),
      verified: this.#workers?.verified ?? none,
      dropped: this.#workers?.dropped ?? none,
      transferLimit,
    };
  }

  #agree(command: ClusterCommand): void {
    if (command.kind === 'advance') this.#checkFollowed(command.partitions);
    const { state, refusal } = fold(this.state, command);
    this.#agreed = state;
    this.world.record(this.#leader ?? '', 'agreed', `${state.epoch} ${command.kind}`);
    this.world.work.add('entries agreed');
    if (command.kind === 'advance') this.#advanced?.(command.partitions);
    if (refusal !== undefined && command.kind !== 'advance') {
      throw new Error(`${command.kind} was refused: ${refusal.reason}`);
    }
    for (const name of [...this.#nodes.keys()]) {
      if (state.members.has(name) || state.owners.includes(name)) continue;
      this.world.record(name, 'gone');
      this.liveness.remove(name);
      this.#nodes.delete(name);
    }
  }

  /** C5. Who cannot be reached, or is not known to be back, is not waited for. */
  #checkFollowed(partitions: readonly Partition[]): void {
    const reachable = this.#reachableFor(this.#leader!);
    for (const { node, topology } of this.#nodes.values()) {
      if (!reachable.has(node) || !this.reaches(this.#leader!, node)) continue;
      for (const partition of partitions) {
        const since = this.state.moves.get(partition)?.since ?? 0;
        if (topology.epoch < since) throw new Error(`C5: ${node} has not followed to ${since}`);
      }
    }
  }

  #lookAgain(): void {
    const { moves, members } = this.state;
    const isIdle = moves.size === 0 && [...members.values()].every(({ status }) => status !== 'exiting');
    if (isIdle || this.#isLookingOften) return;
    this.#isLookingOften = true;
    this.world.after(lookMs, () => {
      this.#isLookingOften = false;
      this.look();
    });
  }

  /** Each node that is behind hears of it from some node that it reaches and that is ahead. */
  #spread(): void {
    const end = this.state.epoch;
    for (const node of this.#nodes.values()) {
      if (!node.isUp || node.topology.epoch === end) continue;
      const { life } = node;
      this.world.after(this.random.between(newsMsMin, newsMsMax), () => {
        if (!node.isUp || node.life !== life) return;
        const from = this.#aheadOf(node);
        if (from !== undefined) this.#follow(node, from.topology.state);
      });
    }
  }

  #aheadOf({ node, topology }: AbstractNode): AbstractNode | undefined {
    let ahead: AbstractNode | undefined;
    for (const other of this.#nodes.values()) {
      const isAhead = other.topology.epoch > (ahead?.topology.epoch ?? topology.epoch);
      if (isAhead && this.reaches(node, other.node)) ahead = other;
    }
    return ahead;
  }

  #follow(node: AbstractNode, state = this.state): void {
    if (state.epoch <= node.topology.epoch) return;
    node.topology.update(state);
    this.liveness.setMembers(node.node, state.members.keys());
    this.#workers?.followed(node);
    // The leader has heard that this node follows; who is still behind hears of it from here.
    this.look();
  }
}

function memberOf(node: NodeId, location: string | undefined): Member {
  return {
    node,
    instance: `instance of ${node}`,
    address: { host: node, port: 1 },
    location,
    status: 'joining',
    capabilities: new Map(),
  };
}
