import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Partition, Replica } from '../../core/ring/index.ts';
import { nodeIdOf } from '../../environment/index.ts';
import { WriteQuorum, type WriteReply, type WriteRequirements } from './write-quorum.ts';

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
  strict.replace(1, standIn);
  assert.equal(strict.reply(1, stored).kind, 'failed');
  const confirmed = new WriteQuorum(replicas(2), 2, need({ nodeConfirms: 2 }));
  confirmed.reply(0, stored);
  confirmed.replace(1, standIn);
  assert.equal(confirmed.reply(1, stored).kind, 'failed');
  const sloppy = new WriteQuorum(replicas(2), 2, need({ w: 2, dw: 2 }));
  sloppy.reply(1, accepted);
  sloppy.replace(1, standIn);
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

test('W6, law: met exactly when the counts say so; a duplicate changes nothing; the last reply decides', () => {
  const replyOf = fc.constantFrom(stored, accepted, failed);
  const cases = fc.record({
    n: fc.integer({ min: 1, max: 5 }),
    primaries: fc.nat(5),
    w: fc.nat(5),
    dw: fc.integer({ min: 1, max: 5 }),
    pw: fc.nat(5),
    nodeConfirms: fc.nat(5),
    nodes: fc.integer({ min: 1, max: 5 }),
    replies: fc.array(fc.tuple(fc.nat(4), replyOf), { maxLength: 20 }),
  });
  fc.assert(
    fc.property(cases, ({ n, primaries, nodes, replies, ...wanted }) => {
      const bounded = {
        w: Math.min(wanted.w, n),
        dw: Math.min(wanted.dw, n),
        pw: Math.min(wanted.pw, n),
        nodeConfirms: Math.min(wanted.nodeConfirms, n),
      };
      const list = replicas(n, Math.min(primaries, n), nodes);
      const quorum = new WriteQuorum(list, n, bounded);
      const received = new Set<number>();
      const final = new Map<number, WriteReply['kind']>();
      for (const [anyPosition, reply] of replies) {
        const position = anyPosition % n;
        const last = final.get(position);
        const decision = quorum.reply(position, reply);
        if (last === 'stored' || last === 'failed' || last === reply.kind) {
          assert.equal(decision.kind, 'waiting');
          continue;
        }
        final.set(position, reply.kind);
        if (reply.kind !== 'failed') received.add(position);
        const storing = [...final].filter(([, kind]) => kind === 'stored').map(([at]) => list[at]);
        const settled = [...final.values()].filter((kind) => kind !== 'accepted').length;
        const isMet =
          storing.length >= bounded.dw &&
          received.size >= bounded.w &&
          storing.filter((replica) => replica.primary).length >= bounded.pw &&
          new Set(storing.map((replica) => replica.node)).size >= bounded.nodeConfirms;
        assert.equal(decision.kind === 'met', isMet);
        if (settled === n) assert.notEqual(decision.kind, 'waiting', 'nothing more can come');
        if (decision.kind !== 'failed') continue;
        // It failed for good: even if all that is open were stored, something would be unmet.
        const failures = settled - storing.length;
        const strictest = Math.max(bounded.dw, bounded.pw, bounded.nodeConfirms);
        assert.ok(settled === n || n - failures < strictest);
      }
    }),
  );
});
