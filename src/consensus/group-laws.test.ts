/**
 * The five safety properties of Raft (figure 3.2) in random groups under random faults; see
 * `GroupInvariants` for how each is watched. Then the group heals, and must make progress and agree.
 * docs/internals/consensus.md lists the mutants that were planted, and which test kills which.
 */
import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';
import fc from 'fast-check';
import { Group, lateMessages, type NetworkConditions, rough, slowDisks } from './group.fixture.ts';
import { joiningState, type PeerId, peerIdOf } from './index.ts';

const numRuns = Number(process.env.LAW_RUNS ?? 120);

type Action =
  | { readonly kind: 'run'; readonly ms: number }
  | { readonly kind: 'read' | 'heal' | 'crash-leaders' | 'boot' | 'add' }
  | { readonly kind: 'propose' | 'snapshot' | 'crash'; readonly at: number }
  | { readonly kind: 'cut'; readonly from: number; readonly to: number }
  | { readonly kind: 'partition'; readonly side: number }
  | { readonly kind: 'transfer'; readonly to: number }
  /** Bit `i` of `voters` says whether the i-th replica is to be a voter. */
  | { readonly kind: 'change'; readonly voters: number };

const at = fc.nat({ max: 8 });
const alone = (kind: 'read' | 'heal' | 'crash-leaders' | 'boot' | 'add') => fc.constant<Action>({ kind });
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constant('run' as const), ms: fc.constantFrom(5, 20, 100, 500, 3000) }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('propose' as const), at }) },
  { weight: 2, arbitrary: alone('read') },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('snapshot' as const), at }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('crash' as const), at }) },
  { weight: 2, arbitrary: alone('crash-leaders') },
  { weight: 3, arbitrary: alone('boot') },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('cut' as const), from: at, to: at }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('partition' as const), side: fc.nat({ max: 511 }) }),
  },
  { weight: 3, arbitrary: alone('heal') },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('transfer' as const), to: at }) },
  { weight: 1, arbitrary: alone('add') },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('change' as const), voters: fc.nat({ max: 511 }) }) },
);

const story = fc.record({
  size: fc.integer({ min: 1, max: 7 }),
  seed: fc.nat(),
  leaseDriftMax: fc.constantFrom(undefined, 0),
  conditions: fc.constantFrom(rough, slowDisks, lateMessages),
  actions: fc.array(action, { minLength: 30, maxLength: 150, size: 'max' }),
});

const replicasMax = 9;

class Story {
  readonly group: Group;
  readonly #readFloors = new Map<number, number>();
  readonly #checked = new Map<PeerId, number>();
  #proposed = 0;

  constructor(size: number, seed: number, conditions: NetworkConditions, leaseDriftMax: number | undefined) {
    this.group = new Group('abcdefghi'.slice(0, size), {
      seed,
      conditions: rough,
      options: {
        leaseDriftMax,
        snapshotLogEntries: 12,
        trailingEntriesMax: 4,
        appendEntriesMax: 3,
        inFlightAppendsMax: 3,
        snapshotChunkBytesMax: 16,
      },
    });
    this.group.awaitLeader();
    this.group.conditions = conditions;
  }

  act(step: Action): void {
    const { group } = this;
    const hosts = [...group.hosts.values()];
    const hostAt = (place: number) => hosts[place % hosts.length]!;
    switch (step.kind) {
      case 'run':
        group.run(step.ms);
        break;
      case 'propose':
        // At all that believe to lead: some may be wrong.
        for (const host of hosts) {
          if (!host.isUp || host.replica.status().role !== 'leader') continue;
          for (let i = 0; i <= step.at; i++) {
            this.#proposed += 1;
            group.propose(host, `p${this.#proposed}`);
          }
        }
        break;
      case 'read': {
        for (const host of hosts) {
          const token = group.token();
          this.#readFloors.set(token, group.invariants.appliedMax);
          host.step({ kind: 'read', tokens: [token] });
        }
        break;
      }
      case 'snapshot':
        hostAt(step.at).takeSnapshot();
        break;
      case 'crash':
        hostAt(step.at).crash();
        break;
      case 'crash-leaders':
        for (const host of hosts) if (host.isUp && host.replica.status().role === 'leader') host.crash();
        break;
      case 'boot':
        for (const host of hosts) if (!host.isUp) host.boot();
        break;
      case 'cut':
        if (hostAt(step.from) !== hostAt(step.to)) group.cut(hostAt(step.from).id, hostAt(step.to).id);
        break;
      case 'partition':
        for (const [i, a] of hosts.entries()) {
          for (const [j, b] of hosts.entries()) {
            if (((step.side >> i) & 1) !== ((step.side >> j) & 1)) group.cut(a.id, b.id);
          }
        }
        break;
      case 'heal':
        group.heal();
        break;
      case 'transfer':
        for (const host of hosts) {
          host.step({ kind: 'transfer-leadership', token: group.token(), to: hostAt(step.to).id });
        }
        break;
      case 'add':
        if (hosts.length < replicasMax) group.add(peerIdOf('abcdefghi'[hosts.length]!), joiningState());
        break;
      case 'change':
        this.#change(
          hosts.map(({ id }) => id),
          step.voters,
        );
        break;
    }
    this.#checkReads();
  }

  #change(all: readonly PeerId[], bits: number): void {
    const voters = all.filter((_, i) => (bits >> i) & 1).slice(0, 7);
    const learners = all.filter((id) => !voters.includes(id));
    const token = this.group.token();
    for (const host of this.group.hosts.values()) {
      host.step({ kind: 'change-membership', token, voters, learners });
      // New replicas become learners first; then they may be voters.
      const current = host.isUp ? host.replica.status().membership : undefined;
      if (current === undefined || current.voters.length === 0) continue;
      const others = all.filter((id) => !current.voters.includes(id));
      host.step({ kind: 'change-membership', token, voters: current.voters, learners: others });
    }
  }

  /** A read sees all that anybody had applied when it was asked: it is linearizable. */
  #checkReads(): void {
    for (const host of this.group.hosts.values()) {
      const from = this.#checked.get(host.id) ?? 0;
      for (const { token, index } of host.reads.slice(from)) {
        assert.ok(index >= this.#readFloors.get(token)!, 'a read is as new as what was applied before it');
      }
      this.#checked.set(host.id, host.reads.length);
    }
  }

  /** All come back, the network heals: the voters agree, and go on. */
  heal(): void {
    const { group } = this;
    group.heal();
    group.conditions = rough;
    for (const host of group.hosts.values()) if (!host.isUp) host.boot();
    group.commit('the end');
    const isEverywhere = (): boolean => {
      const { voters } = group.awaitLeader().replica.status().membership;
      return voters.every((id) => group.host(id).commands.includes('the end'));
    };
    group.runUntil('all voters have it', isEverywhere);
    const [first, ...rest] = group
      .awaitLeader()
      .replica.status()
      .membership.voters.map((id) => group.host(id).commands);
    for (const commands of rest) {
      const length = Math.min(first!.length, commands.length);
      assert.deepEqual(commands.slice(0, length), first!.slice(0, length));
    }
    this.#checkReads();
  }
}

test('Raft figure 3.2: the five safety properties hold under any faults, and a healed group goes on', () => {
  let elections = 0;
  let applied = 0;
  let installs = 0;
  fc.assert(
    fc.property(story, ({ size, seed, conditions, leaseDriftMax, actions }) => {
      const told = new Story(size, seed, conditions, leaseDriftMax);
      for (const step of actions) told.act(step);
      told.heal();
      elections += told.group.invariants.elections;
      applied += told.group.invariants.appliedMax;
      installs += told.group.invariants.installs;
    }),
    { numRuns, includeErrorInReport: true },
  );
  assert.ok(elections >= numRuns, `${elections} elections`);
  assert.ok(applied >= 10 * numRuns, `${applied} entries`);
  assert.ok(installs >= numRuns / 10, `${installs} snapshots installed`);
});
