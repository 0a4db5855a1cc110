/**
 * Nodes that hand partitions to each other, in virtual time: links that break and lose what is under way, nodes that
 * are killed at any moment, a state that reaches each node when it likes, clients that write all the while. Every
 * acknowledged write is remembered, and looked for at the end.
 */
import assert from 'node:assert/strict';
import { type NodeId, nodeIdOf } from '../../environment/index.ts';
import { World } from '../../simulator/index.ts';
import type { Partition } from '../ring/index.ts';
import { type ClusterState, fold, foundCluster, type Move, nextStages } from '../topology/index.ts';
import { HandoffNode } from './handoff-node.fixture.ts';
import { HANDOFF_OPTIONS, type HandoffOptions } from './handoff-options.ts';
import type { StoreFaults } from './memory-store.fixture.ts';
import type { MoveReport } from './own-moves.ts';
import { roleIn } from './partition-role.ts';

export const [a, b, c] = ['a@h1', 'b@h2', 'c@h3'].map(nodeIdOf);
export const p0 = 0 as Partition;

export interface WorldFaults extends StoreFaults {
  /** A forward that failed counts, and is forgotten. */
  readonly forgetsMissed?: boolean;
  /** A gate that begins does not ask what its former life proposed. */
  readonly startsLenient?: boolean;
}

export interface HandoffWorldOptions {
  readonly seed: number;
  readonly faults?: WorldFaults;
  readonly handoff?: Partial<HandoffOptions>;
  /** What differs at some nodes. */
  readonly handoffAt?: ReadonlyMap<NodeId, Partial<HandoffOptions>>;
  readonly missedMax?: number;
}

const options: HandoffOptions = {
  ...HANDOFF_OPTIONS,
  batchBytes: 300,
  outgoing: { silenceMsMax: 300, reopenDelayMs: 20, breaksMax: 3, windowMax: 16 },
  incoming: { window: 3, idleMsMax: 2000 },
  itemsPerTurnMax: 2,
  retryDelayMs: 20,
  retryDelayMsMax: 300,
  repeatDelayMs: 20,
  wantIntervalMs: 100,
  rebuildGraceMs: 500,
  replicasMax: 3,
};
export class HandoffWorld {
  readonly world: World;
  readonly nodes = new Map<NodeId, HandoffNode>();
  readonly faults: WorldFaults;
  readonly #handoff: HandoffOptions;
  readonly #handoffAt: ReadonlyMap<NodeId, Partial<HandoffOptions>>;
  readonly missedMax: number;
  state: ClusterState;
  /** Acknowledged: `partition/key` to the writes. */
  readonly acked = new Map<string, Set<string>>();
  readonly reports: { readonly move: Move; readonly what: MoveReport }[] = [];
  /** Pairs that are cut, `a b` in both orders. */
  readonly cuts = new Set<string>();
  readonly dead = new Set<NodeId>();
  /** Hear of no new state. */
  readonly deaf = new Set<NodeId>();
  readonly #linkBusyUntil = new Map<string, number>();
  readonly #verified = new Map<Partition, number>();
  readonly #dropped = new Map<Partition, number>();
  /** Raised at each break, so that what is under way then is lost. */
  readonly #linkEpochs = new Map<string, number>();
  drivesStages = true;

  constructor({
    seed,
    faults = {},
    handoff = {},
    handoffAt = new Map(),
    missedMax = 1000,
  }: HandoffWorldOptions) {
    this.world = new World({ seed });
    this.faults = faults;
    this.#handoff = { ...options, ...handoff };
    this.#handoffAt = handoffAt;
    this.missedMax = missedMax;
    this.state = threeMembers();
  }

  async run(body: () => Promise<void>): Promise<void> {
    await this.world.run(async () => {
      for (const name of [a, b, c]) {
        const node = new HandoffNode(this, name);
        this.nodes.set(name, node);
        node.process.boot((environment) => node.boot(environment));
      }
      this.#drive();
      await body();
    });
  }

  handoffOf(name: NodeId): HandoffOptions {
    return { ...this.#handoff, ...this.#handoffAt.get(name) };
  }

  node(name: NodeId): HandoffNode {
    return this.nodes.get(name)!;
  }

  /** A new state; each node hears of it when it likes, and in order. */
  change(change: (state: ClusterState) => Partial<ClusterState>): void {
    const epoch = this.state.epoch + 1;
    this.state = { ...this.state, epoch, ...change({ ...this.state, epoch }) };
    this.#spread();
  }

  planMove(partition: Partition, from: NodeId | undefined, to: NodeId): void {
    this.change((state) => {
      const move: Move = { partition, from, to, stage: 'planned', since: state.epoch };
      return { moves: new Map([...state.moves, [partition, move]]) };
    });
  }

  report(moves: readonly Move[], what: MoveReport): void {
    for (const move of moves) {
      this.reports.push({ move, what });
      // Late, and whatever has become of the reporter.
      this.world.after(100 * this.world.random.fraction(), () => {
        (what === 'verified' ? this.#verified : this.#dropped).set(move.partition, move.since);
      });
    }
  }

  /** One message, after what was sent before it. */
  deliver(from: NodeId, to: NodeId, arrive: () => void, lost: () => void): void {
    const link = `${from} ${to}`;
    const epoch = this.#linkEpochs.get(link) ?? 0;
    const at =
      Math.max(this.#linkBusyUntil.get(link) ?? 0, this.world.nowMs) + 0.2 + 2 * this.world.random.fraction();
    this.#linkBusyUntil.set(link, at);
    this.world.after(at - this.world.nowMs, () => {
      const isLost = this.cuts.has(link) || epoch !== (this.#linkEpochs.get(link) ?? 0);
      if (isLost) lost();
      else arrive();
    });
  }

  /** Everything between the two that is under way is lost, and both are told. */
  breakLink(x: NodeId, y: NodeId): void {
    for (const link of [`${x} ${y}`, `${y} ${x}`])
      this.#linkEpochs.set(link, (this.#linkEpochs.get(link) ?? 0) + 1);
    this.node(x).disconnected(y);
    this.node(y).disconnected(x);
  }

  cut(x: NodeId, y: NodeId): void {
    this.cuts.add(`${x} ${y}`).add(`${y} ${x}`);
    this.breakLink(x, y);
  }

  heal(): void {
    this.cuts.clear();
  }

  kill(name: NodeId): void {
    const node = this.node(name);
    if (!node.process.isUp) return;
    node.process.kill();
    node.died();
    for (const other of this.nodes.keys()) if (other !== name) this.breakLink(name, other);
    this.setDead(name, true);
  }

  restart(name: NodeId): void {
    const node = this.node(name);
    if (node.process.isUp) return;
    node.process.restart();
    this.setDead(name, false);
    this.#spread();
  }

  setDead(name: NodeId, isDead: boolean): void {
    if (isDead) this.dead.add(name);
    else this.dead.delete(name);
    for (const node of this.nodes.values()) node.livenessChanged();
  }

  /** Writes at a node, as a client's request brings it there; remembered if it is acknowledged. */
  write(
    at: NodeId,
    partition: Partition,
    key: string,
    id: string,
    done: (isAcked: boolean) => void = () => {},
  ): void {
    const node = this.node(at);
    if (!node.process.isUp || node.store === undefined) {
      done(false);
      return;
    }
    const role = roleIn(node.state, at, partition);
    if (role === 'closed' && this.world.random.fraction() < 0.8) {
      // The fence answers `moved`, mostly; a request that slips through must be safe as well.
      done(false);
      return;
    }
    node.store.put(partition, key, new Set([id]), (isStored) => {
      if (isStored) {
        const isForeign = roleIn(node.state, at, partition) === 'foreign';
        const isHeld = node.disk.of(partition).get(key)?.has(id) ?? false;
        assert.ok(
          !isForeign || !isHeld || node.hasStrays,
          'G5: stray data is announced before it is acknowledged',
        );
        const name = `${partition}/${key}`;
        if (!this.acked.has(name)) this.acked.set(name, new Set());
        this.acked.get(name)!.add(id);
      }
      done(isStored);
    });
  }

  /** Acknowledged writes that the owners of their partitions do not have. */
  missing(): string[] {
    const missing: string[] = [];
    for (const [name, ids] of this.acked) {
      const [partition, key] = name.split('/');
      const owner = this.state.owners[Number(partition)];
      const held = this.node(owner)
        .disk.of(Number(partition) as Partition)
        .get(key);
      for (const id of ids) if (!held?.has(id)) missing.push(`${name}: ${id} is not at ${owner}`);
    }
    return missing;
  }

  get isSettled(): boolean {
    const nodes = [...this.nodes.values()];
    return (
      this.state.moves.size === 0 &&
      nodes.every((node) => node.process.isUp && node.state.epoch === this.state.epoch && !node.hasStrays)
    );
  }

  async settle(msMax: number): Promise<void> {
    const end = this.world.nowMs + msMax;
    // Stray data is noted with the first write; let what is under way arrive.
    await this.world.sleep(200);
    while (!this.isSettled && this.world.nowMs < end) await this.world.sleep(20);
    assert.ok(this.isSettled, `not settled after ${msMax} ms: ${JSON.stringify(this.describe())}`);
    await this.world.sleep(50);
  }

  describe(): unknown {
    return {
      moves: [...this.state.moves.values()],
      strays: [...this.nodes.values()].map(({ name, hasStrays, scheduler, state }) => ({
        name,
        hasStrays,
        epoch: state.epoch,
        transfers: scheduler?.transfers(),
      })),
    };
  }

  #spread(): void {
    const { state } = this;
    for (const node of this.nodes.values()) {
      this.world.after(40 * this.world.random.fraction(), () => {
        const canLearn = node.process.isUp && node.scheduler !== undefined && !this.deaf.has(node.name);
        if (canLearn && state.epoch > node.state.epoch) node.learn(state);
      });
    }
  }

  /** The leader of the cluster log, as far as moves concern it. */
  #drive(): void {
    this.world.after(25, () => this.#drive());
    if (!this.drivesStages) return;
    const nodes = [...this.nodes.values()];
    const reachable = new Set(nodes.map(({ name }) => name).filter((name) => !this.dead.has(name)));
    const acked = new Map(nodes.map(({ name, state }) => [name, state.epoch]));
    const commands = nextStages(this.state, {
      acked,
      reachable,
      withoutStrays: new Set(),
      voters: new Set(),
      verified: this.#verified,
      dropped: this.#dropped,
      transferLimit: 10,
    });
    for (const command of commands) this.state = fold(this.state, command).state;
    // Also without a change: who was away catches up.
    this.#spread();
  }
}

function threeMembers(): ClusterState {
  const memberOf = (node: NodeId) => ({
    node,
    instance: `instance of ${node}`,
    address: { host: '127.0.0.1', port: 1 },
    location: undefined,
    status: 'valid' as const,
    capabilities: new Map<string, number>(),
    http: undefined,
    protobuf: undefined,
  });
  const founded = foundCluster({ clusterId: 'cluster', member: memberOf(a), ringSize: 8, targetN: 3 });
  return { ...founded, members: new Map([a, b, c].map((node) => [node, memberOf(node)])) };
}
