import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Partition, Replica } from '../../core/ring/index.ts';
import { nodeIdOf } from '../../environment/index.ts';
import { type WriteDecision, WriteQuorum, type WriteReply, type WriteRequirements } from './write-quorum.ts';

function replicas(count: number, primaries = count, nodes = count): Replica[] {
  return Array.from({ length: count }, (_, index) => ({
    partition: index as Partition,
    node: nodeIdOf(`n${index % nodes}@host`),
    primary: index < primaries,
  }));
}

const stored: WriteReply = { kind: 'stored' };
const accepted: WriteReply = { kind: 'accepted' };
const failed: WriteReply = { kind: 'failed', error: { code: 'storage', reason: 'disk full' } };
const need = (changes: Partial<WriteRequirements>): WriteRequirements => ({
  w: 2,
  dw: 2,
  pw: 0,
  nodeConfirms: 0,
  ...changes,
});

test('W1: the write is met by the reply that completes w and dw, not one earlier', () => {
  const quorum = new WriteQuorum(replicas(3), 3, need({}));
  assert.equal(quorum.reply(0, stored).kind, 'waiting');
  assert.equal(quorum.reply(2, stored).kind, 'met');
});

test('W1: w=3 waits for receipts beyond dw=1', () => {
  const quorum = new WriteQuorum(replicas(3), 3, need({ w: 3, dw: 1 }));
  assert.equal(quorum.reply(0, stored).kind, 'waiting');
  assert.equal(quorum.reply(1, accepted).kind, 'waiting');
  assert.equal(quorum.reply(2, accepted).kind, 'met');
});

test('W2 (R41): pw counts the answers of primaries, whoever was up before', () => {
  const quorum = new WriteQuorum(replicas(3, 2), 3, need({ pw: 2 }));
  quorum.reply(0, stored);
  quorum.reply(1, failed);
  assert.deepEqual(quorum.reply(2, stored), {
    kind: 'failed',
    error: { code: 'quorum_unsatisfied', quorum: 'pw', wanted: 2, got: 1 },
  });
});

test('W2: node_confirms counts distinct nodes', () => {
  const quorum = new WriteQuorum(replicas(3, 3, 1), 3, need({ nodeConfirms: 2 }));
  quorum.reply(0, stored);
  quorum.reply(1, stored);
  assert.deepEqual(quorum.reply(2, stored), {
    kind: 'failed',
    error: { code: 'quorum_unsatisfied', quorum: 'node_confirms', wanted: 2, got: 1 },
  });
});

test('W7: who takes the place of a primary does not count as one, and counts as the node it is', () => {
  const standIn: Replica = { partition: 1 as Partition, node: nodeIdOf('n0@host'), primary: false };
  const strict = new WriteQuorum(replicas(2), 2, need({ pw: 2 }));
  strict.reply(0, stored);
  strict.replace(1, standIn, false);
  assert.equal(strict.reply(1, stored).kind, 'failed');
  const confirmed = new WriteQuorum(replicas(2), 2, need({ nodeConfirms: 2 }));
  confirmed.reply(0, stored);
  confirmed.replace(1, standIn, false);
  assert.equal(confirmed.reply(1, stored).kind, 'failed');
  const sloppy = new WriteQuorum(replicas(2), 2, need({ w: 2, dw: 2 }));
  sloppy.reply(1, accepted);
  sloppy.replace(1, standIn, false);
  sloppy.reply(1, accepted);
  sloppy.reply(0, stored);
  assert.equal(sloppy.reply(1, stored).kind, 'met');
});

test('W4: two failures of three end a write with dw=2, and one stored copy is told', () => {
  const quorum = new WriteQuorum(replicas(3), 3, need({}));
  quorum.reply(0, stored);
  quorum.reply(1, failed);
  assert.deepEqual(quorum.reply(2, failed), {
    kind: 'failed',
    error: { code: 'quorum_unsatisfied', quorum: 'dw', wanted: 2, got: 1 },
  });
});

test('when nobody stored it, the error says why', () => {
  const quorum = new WriteQuorum(replicas(3), 3, need({}));
  quorum.reply(0, failed);
  assert.deepEqual(quorum.reply(1, failed), {
    kind: 'failed',
    error: { code: 'storage', reason: 'disk full' },
  });
});

test('W5: refused is what all replicas have refused; who has not answered is waited for, and who may have it counts', () => {
  const refused: WriteReply = { kind: 'failed', error: { code: 'overload' } };
  const unknown: WriteReply = { kind: 'failed', error: undefined };
  const unsatisfied = (got: number) => ({
    kind: 'failed',
    error: { code: 'quorum_unsatisfied', quorum: 'dw', wanted: 2, got },
  });
  const twice = (): WriteQuorum => {
    const quorum = new WriteQuorum(replicas(3), 3, need({}));
    quorum.reply(0, refused);
    assert.deepEqual(quorum.reply(2, refused), { kind: 'doomed' });
    return quorum;
  };
  assert.deepEqual(twice().reply(1, refused), { kind: 'failed', error: { code: 'overload' } });
  assert.deepEqual(twice().reply(1, failed), { kind: 'failed', error: failed.error });
  assert.deepEqual(twice().reply(1, stored), unsatisfied(1));
  assert.deepEqual(twice().reply(1, unknown), unsatisfied(0));
  assert.deepEqual(twice().stopWaiting(), unsatisfied(0));
  const standIn: Replica = { partition: 1 as Partition, node: nodeIdOf('n9@host'), primary: false };
  for (const hasRefused of [true, false]) {
    const replaced = new WriteQuorum(replicas(3), 3, need({}));
    replaced.replace(1, standIn, hasRefused);
    for (const position of [0, 2]) replaced.reply(position, refused);
    const expected = hasRefused ? { kind: 'failed', error: { code: 'overload' } } : unsatisfied(0);
    assert.deepEqual(replaced.reply(1, refused), expected);
  }
  const tooLarge: WriteReply = { kind: 'failed', error: { code: 'too_large', bytes: 2, bytesMax: 1 } };
  const maybe = new WriteQuorum(replicas(3), 3, need({}));
  for (const position of [0, 1]) maybe.reply(position, tooLarge);
  assert.deepEqual(maybe.reply(2, failed), unsatisfied(0), 'it may be on that disk');
  const again = new WriteQuorum(replicas(3), 3, need({}));
  again.askedAgain();
  for (const position of [0, 1]) again.reply(position, refused);
  assert.deepEqual(again.reply(2, refused), unsatisfied(0));
  const received = new WriteQuorum(replicas(3), 3, need({}));
  received.reply(1, accepted);
  received.reply(0, refused);
  assert.deepEqual(received.reply(2, refused), unsatisfied(0), 'it is being stored');
});

test('W8: nodes count, and fallbacks last, until all have stored, failed, been replaced or been given up', () => {
  const standIn: Replica = { partition: 1 as Partition, node: nodeIdOf('n9@host'), primary: false };
  // The coordinator and the fallback, here the same node, are done long before the other primary.
  const begun = (changes: Partial<WriteRequirements> = {}): WriteQuorum => {
    const quorum = new WriteQuorum(replicas(3, 2), 3, need(changes));
    assert.equal(quorum.reply(2, stored).kind, 'waiting');
    assert.equal(quorum.reply(0, stored).kind, 'waiting');
    return quorum;
  };
  assert.equal(begun().reply(1, accepted).kind, 'waiting', 'received is not stored');
  assert.equal(begun().reply(1, stored).kind, 'met');
  assert.equal(begun().reply(1, failed).kind, 'met');
  assert.equal(begun().replace(1, standIn, false).kind, 'met');
  assert.equal(begun().stopWaiting().kind, 'met');
  for (const changes of [{ w: 3 }, { dw: 3 }, { nodeConfirms: 3 }]) {
    const quorum = begun(changes);
    assert.equal(quorum.replace(1, standIn, false).kind, 'waiting');
    assert.equal(quorum.reply(1, stored).kind, 'met');
  }
  const received = new WriteQuorum(replicas(4, 3), 4, need({ w: 3, dw: 1 }));
  received.reply(0, stored);
  received.reply(1, accepted);
  assert.equal(received.reply(3, accepted).kind, 'waiting', 'nor does what it received');
  assert.equal(received.replace(1, standIn, false).kind, 'waiting');
  assert.equal(received.reply(2, accepted).kind, 'waiting', 'neither that of a stand-in');
  assert.equal(received.reply(2, stored).kind, 'met');
  const twice = new WriteQuorum(replicas(3, 3, 2), 3, need({}));
  twice.reply(0, stored);
  assert.equal(twice.reply(2, stored).kind, 'waiting', 'nor a second replica on the same node');
  assert.equal(twice.reply(1, failed).kind, 'met');
  const beside = new WriteQuorum(
    [...replicas(2, 2, 1), { ...standIn, partition: 2 as Partition }],
    3,
    need({}),
  );
  beside.reply(0, stored);
  assert.equal(beside.reply(1, stored).kind, 'waiting', 'though the other node is a fallback');
  assert.equal(beside.reply(2, stored).kind, 'met');
  assert.equal(begun({ pw: 2 }).stopWaiting().kind, 'waiting', 'no fallback is a primary');
});

/** What happens to a write, and what counts of it, by the sentences at the head of the module. */
class SlowQuorum {
  list: readonly Replica[];
  readonly #need: WriteRequirements;
  readonly said = new Map<number, WriteReply['kind']>();
  /** Received, though perhaps not stored in the end. */
  readonly received = new Set<number>();
  isPatient = true;

  constructor(list: readonly Replica[], wanted: WriteRequirements) {
    this.list = list;
    this.#need = wanted;
  }

  get isMet(): boolean {
    const { w, dw, pw, nodeConfirms } = this.#need;
    const all = this.#holders('stored');
    if (all.filter(({ primary }) => primary).length < pw) return false;
    const isSettled = (position: number): boolean => ['stored', 'failed'].includes(this.said.get(position)!);
    const awaited = this.isPatient ? this.list.filter((_, position) => !isSettled(position)) : [];
    const isPrimaryAwaited = awaited.some(({ primary }) => primary);
    const counted = (holders: readonly Replica[]) =>
      nodesOf(holders.filter(({ primary }) => primary || !isPrimaryAwaited));
    if (counted(all) < nodeConfirms) return false;
    if (awaited.length === 0) return this.received.size >= w && all.length >= dw;
    return counted([...all, ...this.#holders('accepted')]) >= w && counted(all) >= dw;
  }

  #holders(kind: WriteReply['kind']): readonly Replica[] {
    return this.list.filter((_, position) => this.said.get(position) === kind);
  }

  count(kind: WriteReply['kind']): number {
    return [...this.said.values()].filter((said) => said === kind).length;
  }
}

function nodesOf(list: readonly Replica[]): number {
  return new Set(list.map(({ node }) => node)).size;
}

test('W4, W6, W7, W8, law: met exactly when the counts say so; a duplicate changes nothing; the last reply decides', () => {
  const position = fc.nat(4);
  const step = fc.oneof(
    { weight: 10, arbitrary: fc.record({ at: position, reply: fc.constantFrom(stored, accepted, failed) }) },
    { weight: 2, arbitrary: fc.record({ replaced: position }) },
    { weight: 1, arbitrary: fc.constant('give up' as const) },
  );
  const count = fc.nat(3);
  const cases = fc.record({
    n: fc.integer({ min: 1, max: 5 }),
    fallbacks: count,
    w: count,
    dw: fc.integer({ min: 1, max: 3 }),
    pw: count,
    nodeConfirms: count,
    nodes: fc.integer({ min: 1, max: 5 }),
    steps: fc.array(step, { minLength: 1, maxLength: 20 }),
  });
  fc.assert(
    fc.property(cases, ({ n, fallbacks, nodes, steps, ...wanted }) => {
      const bounded = {
        w: Math.min(wanted.w, n),
        dw: Math.min(wanted.dw, n),
        pw: Math.min(wanted.pw, n),
        nodeConfirms: Math.min(wanted.nodeConfirms, n),
      };
      const list = replicas(n, Math.max(0, n - fallbacks), nodes);
      const quorum = new WriteQuorum(list, n, bounded);
      const slow = new SlowQuorum(list, bounded);
      const decide = (each: (typeof steps)[number]): WriteDecision | undefined => {
        if (each === 'give up') {
          slow.isPatient = false;
          return quorum.stopWaiting();
        }
        const at = ('at' in each ? each.at : each.replaced) % n;
        const last = slow.said.get(at);
        const isSettled = last === 'stored' || last === 'failed';
        if ('replaced' in each) {
          if (isSettled) return undefined;
          const standIn: Replica = { ...slow.list[at]!, node: nodeIdOf('n9@host'), primary: false };
          slow.list = slow.list.with(at, standIn);
          return quorum.replace(at, standIn, false);
        }
        const decision = quorum.reply(at, each.reply);
        if (isSettled || last === each.reply.kind) {
          assert.equal(decision.kind, 'waiting');
          return undefined;
        }
        slow.said.set(at, each.reply.kind);
        if (each.reply.kind !== 'failed') slow.received.add(at);
        return decision;
      };
      for (const each of steps) {
        const decision = decide(each);
        if (decision === undefined) continue;
        assert.equal(decision.kind === 'met', slow.isMet);
        const failures = slow.count('failed');
        const isOver = slow.count('stored') + failures === n;
        if (isOver) assert.notEqual(decision.kind, 'waiting', 'nothing more can come');
        // It failed for good: even if all that is open were stored, something would be unmet.
        const strictest = Math.max(bounded.dw, bounded.pw, bounded.nodeConfirms);
        if (decision.kind === 'failed') assert.ok(isOver || n - failures < strictest);
      }
    }),
    { numRuns: 3000 },
  );
});
