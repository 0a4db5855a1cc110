import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type NodeId, nodeIdOf } from '../../environment/index.ts';
import type { Partition } from '../ring/index.ts';
import type { ClusterState } from './cluster-state.ts';
import { fold } from './fold.ts';
import { commitPlanned, planChanges } from './plan.ts';
import { unsoundness } from './soundness.ts';
import { nextStages, type StageFacts } from './stage-driver.ts';
import { dealt, FoldedCluster, memberOf, nodes } from './topology.fixture.ts';

const [a, b, c] = nodes;
const p = (partition: number) => partition as Partition;

function factsOf({ members, epoch }: ClusterState, changes: Partial<StageFacts> = {}): StageFacts {
  return {
    acked: new Map([...members.keys()].map((node) => [node, epoch])),
    reachable: new Set(members.keys()),
    withoutStrays: new Set(members.keys()),
    voters: new Set(),
    verified: new Map(),
    dropped: new Map(),
    transferLimit: 2,
    ...changes,
  };
}

function moving(): FoldedCluster {
  return new FoldedCluster().grow(b, c).commit(dealt(8, [b, a, c]));
}

test('no more partitions are copied at once than a node may send and receive', () => {
  const cluster = moving();
  for (const transferLimit of [1, 2, 3]) {
    const [command] = nextStages(cluster.state, factsOf(cluster.state, { transferLimit }));
    assert.equal(command.kind === 'advance' && command.to, 'copying');
    if (command.kind !== 'advance') continue;
    for (const end of ['from', 'to'] as const) {
      for (const node of [a, b, c]) {
        const taken: readonly Partition[] = command.partitions;
        const busy = taken.filter((each) => cluster.state.moves.get(each)?.[end] === node);
        assert.ok(busy.length <= transferLimit);
        if (node !== c) assert.equal(busy.length, transferLimit);
      }
    }
  }
  cluster.advance('copying', 0, 1);
  assert.deepEqual(nextStages(cluster.state, factsOf(cluster.state, { transferLimit: 1 })), []);
});

test('a node that many send to receives no more than its limit either', () => {
  const cluster = new FoldedCluster().grow(b, c).commit(dealt(8, [c]));
  const [command] = nextStages(cluster.state, factsOf(cluster.state, { transferLimit: 1 }));
  assert.deepEqual(command.kind === 'advance' && command.partitions, [0]);
});

test('copies that wait for a dead node leave their places to others', () => {
  const cluster = new FoldedCluster();
  for (const node of [b, c]) {
    cluster.apply({ kind: 'admit', member: memberOf(node) }).stage({ kind: 'join', node });
  }
  cluster.commit([b, b, b, b, c, c, c, c]);
  const next = (...here: NodeId[]) =>
    nextStages(cluster.state, factsOf(cluster.state, { reachable: new Set(here) })).flatMap((command) =>
      command.kind === 'advance' ? command.partitions : [],
    );
  assert.deepEqual(next(a, b, c), [0, 1]);
  cluster.advance('copying', 0, 1);
  assert.deepEqual(next(a, b, c), []);
  assert.deepEqual(next(a, c), [4, 5], 'b has died');
  cluster.advance('copying', 4, 5);
  assert.deepEqual(next(a, b, c), [], 'b is back, and none begins until a place is free');
});

test('C5: a stage waits for every member that can be reached, and for nobody else', () => {
  const cluster = moving();
  const acked = new Map([a, b, c].map((node) => [node, cluster.state.epoch]));
  acked.set(c, cluster.state.epoch - 1);
  assert.deepEqual(nextStages(cluster.state, factsOf(cluster.state, { acked })), []);
  acked.delete(c);
  assert.deepEqual(nextStages(cluster.state, factsOf(cluster.state, { acked })), []);
  const reachable = new Set([a, b]);
  assert.equal(nextStages(cluster.state, factsOf(cluster.state, { acked, reachable })).length, 1);
});

test('each stage has its condition, and each report belongs to one stage of one move', () => {
  const cluster = moving().advance('copying', 0);
  const since = () => cluster.state.moves.get(p(0))!.since;
  const next = (changes: Partial<StageFacts>) =>
    nextStages(cluster.state, factsOf(cluster.state, { transferLimit: 0, ...changes }))
      .flatMap((command) =>
        command.kind === 'advance' ? [`${command.to} ${command.partitions.join()}`] : [],
      )
      .join();
  assert.equal(next({}), '');
  assert.equal(next({ verified: new Map([[p(0), since() - 1]]) }), '');
  assert.equal(next({ dropped: new Map([[p(0), since()]]) }), '');
  const verified = new Map([[p(0), since()]]);
  assert.equal(next({ verified, reachable: new Set([a]) }), '', 'the new owner has died');
  assert.equal(next({ verified }), 'switched 0');
  cluster.advance('switched', 0);
  assert.equal(next({ acked: new Map([a, b, c].map((node) => [node, since() - 1])) }), '');
  assert.equal(next({}), 'released 0');
  cluster.advance('released', 0);
  assert.equal(next({ dropped: verified }), '');
  assert.equal(next({ dropped: new Map([[p(0), since()]]) }), 'done 0');
});

test('who is exiting is expelled when it is here, has no strays, does not vote and all know of it', () => {
  const cluster = new FoldedCluster()
    .grow(b)
    .stage({ kind: 'leave', node: b })
    .commit(dealt(8, [a]));
  cluster.finishMoves();
  const next = (changes: Partial<StageFacts>) => nextStages(cluster.state, factsOf(cluster.state, changes));
  assert.deepEqual(next({}), [{ kind: 'expel', node: b }]);
  assert.deepEqual(next({ withoutStrays: new Set([a]) }), []);
  assert.deepEqual(next({ reachable: new Set([a]) }), []);
  assert.deepEqual(next({ voters: new Set([a, b]) }), []);
  assert.deepEqual(next({ acked: new Map([[a, 99]]) }), []);
});

test('who was admitted and never came is struck off, unless it is staged; it may be admitted again', () => {
  const cluster = new FoldedCluster().grow(b);
  const ghost = memberOf(c);
  cluster.apply({ kind: 'admit', member: ghost });
  const next = (neverCame: readonly NodeId[]) =>
    nextStages(cluster.state, factsOf(cluster.state, { neverCame: new Set(neverCame) }));
  assert.deepEqual(next([]), []);
  assert.deepEqual(next([b]), []);
  cluster.stage({ kind: 'join', node: c });
  assert.deepEqual(next([c]), []);
  cluster.refuse('wrong_status', { kind: 'expel', node: c });
  cluster.apply({ kind: 'clear' });
  assert.deepEqual(next([c]), [{ kind: 'expel', node: c }]);
  cluster.apply({ kind: 'expel', node: c });
  assert.equal(cluster.statusOf(c), undefined);
  cluster.apply({ kind: 'admit', member: ghost });
  assert.equal(cluster.statusOf(c), 'joining');
});

test('what is proposed is never refused, nor done twice by two leaders', () => {
  const cluster = moving();
  let steps = 0;
  while (cluster.state.moves.size > 0) {
    const reports = new Map([...cluster.state.moves].map(([partition, { since }]) => [partition, since]));
    const facts = factsOf(cluster.state, { verified: reports, dropped: reports, transferLimit: 1 });
    const commands = nextStages(cluster.state, facts);
    assert.ok(commands.length > 0);
    for (const command of commands) cluster.apply(command);
    for (const command of commands) cluster.refuse('wrong_stage', command);
    steps += 1;
    assert.ok(steps < 50);
  }
  assert.deepEqual(cluster.state.owners, dealt(8, [b, a, c]));
});

/**
 * The shape of Basho's issue 1263: six nodes, 1,024 partitions, one leaves; here with acknowledgements, reports and
 * reachability that come in any order, and two leaders that act on what they happen to know.
 */
test('leave-race: 1,024 partitions go through all stages, whatever comes late', () => {
  const six = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => nodeIdOf(`${name}@h`));
  const leaver = six[5];
  const start = leaving(six);
  const movesCount = start.moves.size;
  assert.ok(movesCount >= 170 && movesCount <= 1.25 * 171, `${movesCount} partitions move`);
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const world = new RaceWorld(start, seed);
      for (let turn = 0; world.state.members.has(leaver); turn += 1) {
        assert.ok(turn < 4000, `after ${turn} turns ${world.state.moves.size} moves are left`);
        world.turn();
      }
      assert.equal(unsoundness(world.state), undefined);
      assert.ok(!world.state.owners.includes(leaver));
      assert.equal(world.drops, movesCount, 'each partition was dropped once');
    }),
    { numRuns: 5, includeErrorInReport: true },
  );
});

function leaving(six: readonly NodeId[]): ClusterState {
  const cluster = new FoldedCluster(1024, six[0]);
  for (const node of six.slice(1)) {
    cluster.apply({ kind: 'admit', member: memberOf(node) }).stage({ kind: 'join', node });
  }
  const inputs = { bytesOf: new Map(), bytesPerSecond: 1, replicas: 3 };
  for (const change of [undefined, { kind: 'leave', node: six[5] } as const]) {
    if (change !== undefined) cluster.stage(change);
    const outcome = planChanges(cluster.state, inputs);
    assert.equal(outcome.kind, 'planned');
    if (outcome.kind !== 'planned') continue;
    cluster.apply(commitPlanned(outcome.plan, false));
    if (change === undefined) cluster.finishMoves();
  }
  return cluster.state;
}

class RaceWorld {
  state: ClusterState;
  drops = 0;
  /** What each node follows: its own part of the history. */
  readonly #follows = new Map<NodeId, ClusterState>();
  readonly #verified = new Map<Partition, number>();
  readonly #dropped = new Map<Partition, number>();
  #random: number;
  /** Commands of a second leader, which arrive later. */
  #late: ReturnType<typeof nextStages> = [];

  constructor(state: ClusterState, seed: number) {
    this.state = state;
    this.#random = seed;
    for (const node of state.members.keys()) this.#follows.set(node, state);
  }

  turn(): void {
    const { state } = this;
    const away = this.#draw(8);
    const reachable = new Set([...state.members.keys()].filter((_, index) => index !== away));
    for (const node of reachable) {
      if (this.#draw(3) > 0) this.#follows.set(node, state);
      this.#work(node);
    }
    const acked = new Map([...this.#follows].map(([node, followed]) => [node, followed.epoch]));
    const commands = nextStages(
      state,
      factsOf(state, {
        acked,
        reachable,
        verified: this.#verified,
        dropped: this.#dropped,
        transferLimit: 8,
      }),
    );
    for (const command of this.#draw(4) === 0 ? this.#late : commands) {
      this.#checkFence(command, reachable);
      this.state = fold(this.state, command).state;
    }
    if (this.#draw(2) === 0) this.#late = commands;
  }

  /** What an old owner does, by the state that it knows. */
  #work(node: NodeId): void {
    for (const { partition, from, stage, since } of this.#follows.get(node)!.moves.values()) {
      if (from !== node || this.#draw(4) === 0) continue;
      if (stage === 'copying') this.#verified.set(partition, since);
      if (stage === 'released' && this.#dropped.get(partition) !== since) {
        assert.notEqual(this.state.owners[partition], node, 'C4: an owner drops nothing');
        this.#dropped.set(partition, since);
        this.drops += 1;
      }
    }
  }

  /** C5, seen from the nodes: who is reachable is at most one stage behind when the next begins. */
  #checkFence(command: ReturnType<typeof nextStages>[number], reachable: ReadonlySet<NodeId>): void {
    if (command.kind !== 'advance' || this.#late.includes(command)) return;
    for (const partition of command.partitions) {
      const stage = this.state.moves.get(partition)?.stage;
      for (const node of reachable) {
        const known = this.#follows.get(node)!.moves.get(partition);
        assert.equal(known?.stage, stage, `${node} knows the stage before ${command.to}`);
      }
    }
  }

  /** Numerical Recipes' generator: a world is its seed. */
  #draw(below: number): number {
    this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0;
    return (this.#random >>> 16) % below;
  }
}
