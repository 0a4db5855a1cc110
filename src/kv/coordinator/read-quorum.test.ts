import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { actorId, VersionVector } from '../../clocks/index.ts';
import type { Partition, Replica } from '../../core/ring/index.ts';
import { nodeIdOf } from '../../environment/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { encodeContent, tombstoneContent } from '../../wire/index.ts';
import { compareObjects, putObject, type VersionedObject } from '../object/index.ts';
import { type ReadDecision, ReadQuorum, type ReadReply, type ReadRequirements } from './read-quorum.ts';

function replicas(count: number, primaries = count, nodes = count): Replica[] {
  return Array.from({ length: count }, (_, index) => ({
    partition: index as Partition,
    node: nodeIdOf(`n${index % nodes}@host`),
    primary: index < primaries,
  }));
}

const actor = actorId(byteLiteral('vnode--1'), 1);
function version(counter: number, content?: Buffer): VersionedObject {
  const value = Buffer.from(`v${counter}`);
  const plain = encodeContent({ value, links: [], userMeta: [], indexes: [], deleted: false });
  return putObject(undefined, {
    context: VersionVector.empty,
    content: content ?? plain,
    dot: { actor, counter },
    seconds: 1,
    allowMult: true,
    lastWriteWins: false,
  });
}

const old: ReadReply = { kind: 'object', object: version(1) };
const fresh: ReadReply = { kind: 'object', object: version(2) };
const tombstone: ReadReply = { kind: 'object', object: version(3, tombstoneContent(byteLiteral('t'), 1)) };
const notfound: ReadReply = { kind: 'notfound' };
const failed: ReadReply = { kind: 'failed', error: { code: 'storage', reason: 'sick disk' } };
const overload: ReadReply = { kind: 'failed', error: { code: 'overload' } };
const need = (changes: Partial<ReadRequirements> = {}): ReadRequirements => ({
  r: 2,
  pr: 0,
  nodeConfirms: 0,
  notfoundOk: true,
  basicQuorum: false,
  ...changes,
});
const unsatisfied = (quorum: string, wanted: number, got: number) => ({
  kind: 'failed',
  error: { code: 'quorum_unsatisfied', quorum, wanted, got },
});

function decide(
  list: readonly Replica[],
  needed: ReadRequirements,
  replies: readonly ReadReply[],
): ReadDecision {
  const quorum = new ReadQuorum(list, list.length, needed);
  let decision: ReadDecision = { kind: 'waiting' };
  replies.forEach((reply, position) => {
    if (decision.kind === 'waiting') decision = quorum.reply(position, reply);
  });
  return decision;
}

test('R1: met by the reply that completes r, with the merge of what has come', () => {
  const quorum = new ReadQuorum(replicas(3), 3, need());
  assert.equal(quorum.reply(0, old).kind, 'waiting');
  const decision = quorum.reply(1, fresh);
  assert.ok(decision.kind === 'met' && decision.object !== undefined);
  assert.equal(compareObjects(decision.object, version(2)), 'equal');
});

test('R1: a notfound counts by default, and not when notfound_ok is false', () => {
  assert.deepEqual(decide(replicas(3), need({ r: 1 }), [notfound]), { kind: 'met', object: undefined });
  const decision = decide(replicas(3), need({ r: 1, notfoundOk: false }), [notfound, notfound, fresh]);
  assert.ok(decision.kind === 'met' && decision.object !== undefined);
});

test('R2: pr counts primaries only', () => {
  assert.deepEqual(decide(replicas(3, 1), need({ pr: 2 }), [fresh, fresh, fresh]), unsatisfied('pr', 2, 1));
  assert.equal(decide(replicas(3, 2), need({ pr: 2 }), [fresh, fresh]).kind, 'met');
});

test('R3: node_confirms counts distinct nodes', () => {
  assert.deepEqual(
    decide(replicas(3, 3, 1), need({ nodeConfirms: 2 }), [fresh, fresh, fresh]),
    unsatisfied('node_confirms', 2, 1),
  );
  assert.equal(decide(replicas(3, 3, 2), need({ nodeConfirms: 2 }), [fresh, fresh]).kind, 'met');
});

test('R4: errors end the read as soon as r cannot be met; overload is told as such', () => {
  assert.deepEqual(decide(replicas(3), need(), [failed, failed]), unsatisfied('r', 2, 0));
  assert.deepEqual(decide(replicas(3), need(), [failed, overload]), {
    kind: 'failed',
    error: { code: 'overload' },
  });
});

test('R4: an object too large to travel is told as such, unless another replica may answer later', () => {
  const error = { code: 'too_large', bytes: 2, bytesMax: 1 } as const;
  const tooLarge: ReadReply = { kind: 'failed', error };
  assert.deepEqual(decide(replicas(3), need(), [tooLarge, old, tooLarge]), { kind: 'failed', error });
  assert.deepEqual(decide(replicas(3), need(), [tooLarge, overload]), {
    kind: 'failed',
    error: { code: 'overload' },
  });
});

test('R4: basic_quorum stops at a majority of misses', () => {
  const options = { r: 1, notfoundOk: false };
  const replies = [notfound, notfound];
  assert.equal(decide(replicas(3), need(options), replies).kind, 'waiting');
  assert.equal(decide(replicas(3), need({ ...options, basicQuorum: true }), replies).kind, 'met');
});

test('R5: nothing but misses and tombstones is notfound even with the quorum unmet', () => {
  const options = need({ r: 3, notfoundOk: false });
  const decision = decide(replicas(3), options, [tombstone, notfound]);
  assert.ok(decision.kind === 'met' && decision.object?.isTombstone);
  assert.deepEqual(decide(replicas(3), options, [failed]), unsatisfied('r', 3, 0));
});

test('R6: a second reply of one replica changes nothing', () => {
  const quorum = new ReadQuorum(replicas(3), 3, need());
  quorum.reply(0, fresh);
  assert.equal(quorum.reply(0, fresh).kind, 'waiting');
});

test('stale replicas are those that answered with less, misses among them, failures not', () => {
  const quorum = new ReadQuorum(replicas(4), 4, need());
  [old, fresh, notfound, failed].forEach((reply, position) => {
    quorum.reply(position, reply);
  });
  assert.deepEqual(quorum.stale(), [0, 2]);
  assert.equal(quorum.everyReplicaHasObject, false);
});

test('R7: a fallback that misses is no evidence while a primary may still answer, whatever is asked', () => {
  const list = [...replicas(3)].map((replica, at) => ({ ...replica, primary: at > 0 }));
  for (const changes of [
    { r: 1 },
    { r: 2, notfoundOk: false },
    { r: 1, basicQuorum: true, notfoundOk: false },
  ]) {
    const quorum = new ReadQuorum(list, 3, need(changes));
    assert.equal(quorum.reply(0, notfound).kind, 'waiting');
    const second = quorum.reply(1, fresh);
    if (changes.r === 1) assert.ok(second.kind === 'met' && second.object !== undefined);
  }
  const alone = new ReadQuorum(list, 3, need({ nodeConfirms: 2 }));
  alone.reply(0, notfound);
  assert.equal(alone.reply(1, failed).kind, 'waiting');
  // All primaries have spoken: now the miss counts.
  const decision = alone.reply(2, fresh);
  assert.ok(decision.kind === 'met' && decision.object !== undefined);
});

test('R10: two replicas on one node are one, as long as another primary may answer; so are their misses', () => {
  const list = replicas(3, 3, 2);
  for (const changes of [{}, { notfoundOk: false }, { notfoundOk: false, basicQuorum: true }]) {
    const quorum = new ReadQuorum(list, 3, need(changes));
    assert.equal(quorum.reply(0, notfound).kind, 'waiting');
    assert.equal(quorum.reply(2, notfound).kind, 'waiting');
    assert.ok(!quorum.isCertainMiss);
    const decision = quorum.reply(1, fresh);
    if (changes.notfoundOk === undefined) assert.ok(decision.kind === 'met' && decision.object !== undefined);
    else assert.equal(decision.kind, 'failed', 'an error, and no miss');
  }
  const older = new ReadQuorum(list, 3, need({}));
  older.reply(0, old);
  assert.equal(older.reply(2, old).kind, 'waiting');
  assert.equal(older.reply(1, failed).kind, 'met', 'nobody else is left');
});

test('R9: a miss that only fallbacks vouch for is not certain, though every primary was replaced', () => {
  const list = replicas(3);
  const quorum = new ReadQuorum(list, 3, need({ r: 2 }));
  for (const [position, replica] of list.entries()) {
    quorum.replace(position, { ...replica, node: nodeIdOf(`fallback${position}@h`), primary: false });
  }
  quorum.reply(0, notfound);
  assert.deepEqual(quorum.reply(1, notfound), { kind: 'met', object: undefined });
  assert.ok(!quorum.isCertainMiss);
  const asked = new ReadQuorum(list, 3, need({ r: 2 }));
  asked.reply(0, notfound);
  asked.reply(1, notfound);
  assert.ok(asked.isCertainMiss);
});

/** R1–R7 and R10 again, slowly: what is known after these replies, in which a position may come twice. */
function oracle(
  list: readonly Replica[],
  n: number,
  needed: ReadRequirements,
  come: readonly (readonly [position: number, reply: ReadReply])[],
): 'waiting' | 'met' | 'failed' {
  const first = new Map<number, ReadReply>();
  for (const [position, reply] of come) if (!first.has(position)) first.set(position, reply);
  const heard = [...first];
  const open = list.some((replica, at) => replica.primary && !first.has(at));
  const evident = heard.filter(([at, { kind }]) => kind !== 'notfound' || list[at].primary || !open);
  const counted = evident.filter(
    ([, { kind }]) => kind === 'object' || (kind === 'notfound' && needed.notfoundOk),
  );
  const ofPrimaries = counted.filter(([at]) => list[at].primary);
  const nodes = new Set(counted.map(([at]) => list[at].node));
  const replies = open ? nodes.size : counted.length;
  const isMet = replies >= needed.r && ofPrimaries.length >= needed.pr && nodes.size >= needed.nodeConfirms;
  if (isMet) return 'met';
  const errors = heard.filter(([, { kind }]) => kind === 'failed').length;
  const missing = evident.filter(([, { kind }]) => kind === 'notfound').map(([at]) => list[at].node);
  const misses = open ? new Set(missing).size : missing.length;
  const counts = needed.notfoundOk ? errors : errors + misses;
  const impossible = n - Math.max(needed.r, needed.pr) + 1;
  const limit = needed.basicQuorum ? Math.min(Math.floor(n / 2) + 1, impossible) : impossible;
  if (counts < limit && heard.length < list.length) return 'waiting';
  // The tombstone has seen every other version that occurs here.
  const objects = heard.flatMap(([, reply]) => (reply.kind === 'object' ? [reply.object] : []));
  const isQuiet =
    heard.every(([, { kind }]) => kind !== 'failed') &&
    (objects.length === 0 || objects.some(({ isTombstone }) => isTombstone));
  return isQuiet ? 'met' : 'failed';
}

test('R1–R7, R10: law: after every reply the decision is that of the oracle', () => {
  const cases = fc.record({
    primaries: fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
    nodes: fc.integer({ min: 1, max: 5 }),
    need: fc.record({
      r: fc.nat(5),
      pr: fc.nat(5),
      nodeConfirms: fc.nat(3),
      notfoundOk: fc.boolean(),
      basicQuorum: fc.boolean(),
    }),
    replies: fc.array(fc.tuple(fc.nat(4), fc.constantFrom(old, fresh, tombstone, notfound, failed)), {
      maxLength: 8,
    }),
  });
  fc.assert(
    fc.property(cases, ({ primaries, nodes, need: asked, replies }) => {
      const n = primaries.length;
      const list = replicas(n, n, nodes).map((replica, at) => ({ ...replica, primary: primaries[at] }));
      const needed = { ...asked, r: Math.min(asked.r, n), pr: Math.min(asked.pr, n) };
      const quorum = new ReadQuorum(list, n, needed);
      const come: [number, ReadReply][] = [];
      const seen = new Set<number>();
      for (const [position, reply] of replies) {
        if (position >= n) continue;
        come.push([position, reply]);
        const decision = quorum.reply(position, reply).kind;
        if (!seen.has(position)) assert.equal(decision, oracle(list, n, needed, come));
        else assert.equal(decision, 'waiting');
        seen.add(position);
      }
    }),
    { numRuns: 3000 },
  );
});

test('law: the counts decide, whatever the order', () => {
  const cases = fc.record({
    n: fc.integer({ min: 1, max: 5 }),
    primaries: fc.nat(5),
    r: fc.integer({ min: 0, max: 5 }),
    pr: fc.nat(5),
    notfoundOk: fc.boolean(),
    replies: fc.array(fc.constantFrom(old, fresh, notfound, failed), { minLength: 5, maxLength: 5 }),
  });
  fc.assert(
    fc.property(cases, ({ n, primaries, r, pr, notfoundOk, replies }) => {
      const list = replicas(n, Math.min(primaries, n));
      const needed = need({ r: Math.min(r, n), pr: Math.min(pr, n), notfoundOk });
      const quorum = new ReadQuorum(list, n, needed);
      let first: ReadDecision = { kind: 'waiting' };
      for (let position = 0; position < n; position += 1) {
        const decision = quorum.reply(position, replies[position]);
        if (first.kind !== 'waiting') continue;
        first = decision;
        const come = replies.slice(0, position + 1);
        const counts = (reply: ReadReply) =>
          reply.kind === 'object' || (reply.kind === 'notfound' && notfoundOk);
        const counted = come.filter(counts).length;
        const fromPrimaries = come.filter((reply, at) => counts(reply) && list[at].primary).length;
        const met = counted >= needed.r && fromPrimaries >= needed.pr;
        if (met) assert.equal(decision.kind, 'met');
        if (decision.kind === 'met' && !met) {
          assert.ok(
            come.every((reply) => reply.kind === 'notfound'),
            'only misses are met without a quorum',
          );
        }
        if (decision.kind === 'failed')
          assert.ok(
            come.some((reply) => reply.kind === 'failed' || reply.kind === 'object' || n === position + 1),
          );
      }
      assert.notEqual(first.kind, 'waiting', 'when all have answered there is a decision');
    }),
  );
});
