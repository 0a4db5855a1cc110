/**
 * Bugs that databases of this kind have had, as far as objects alone can show them. Each is named by
 * where it was found; the same stories are told again to whole clusters by the simulator.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { type ActorId, actorId, VersionVector } from '../../clocks/index.ts';
import { byteLiteral, byteStringOf } from '../../stdx/index.ts';
import { encodeContent, stampContent, tombstoneContent } from '../../wire/index.ts';
import {
  afterReap,
  asisObject,
  type CoordinatedWrite,
  collapse,
  compareObjects,
  EmptyObjectError,
  makeObject,
  mergeObjects,
  needsNewEpoch,
  pruned,
  putObject,
  replicaPut,
  replicaPutAfterReap,
  sameVersion,
  VersionedObject,
} from './index.ts';

const vnode = (name: string) => byteStringOf(Buffer.from(name.padEnd(8, '-')));
const actor = (name: string, epoch = 1) => actorId(vnode(name), epoch);
const a1 = actor('a');
const a2 = actor('a', 2);
const b1 = actor('b');
const nothing = VersionVector.empty;

function content(value: string, micros = 1): Buffer {
  const bare = { value: Buffer.from(value), links: [], userMeta: [], indexes: [], deleted: false };
  return stampContent(encodeContent(bare), byteLiteral('vtag'), micros);
}
const tombstone = (micros = 1) => tombstoneContent(byteLiteral('vtag'), micros);

/** A coordinated put by `by`, which counts on from the local copy. */
function put(
  local: VersionedObject | undefined,
  by: ActorId,
  context: VersionVector,
  value: string | Buffer,
  options: Partial<CoordinatedWrite> = {},
): VersionedObject {
  return putObject(local, {
    context,
    content: typeof value === 'string' ? content(value) : value,
    dot: { actor: by, counter: (local?.clock.counterOf(by) ?? 0) + 1 },
    seconds: 0,
    allowMult: true,
    lastWriteWins: false,
    ...options,
  });
}
const values = (object: VersionedObject) =>
  object
    .contents()
    .map((one) => (one.deleted ? 'deleted' : one.value.toString()))
    .sort();

test('R01 kv679-amnesia: a coordinator that forgot the key writes under a new epoch, and the write stays', () => {
  let known = put(undefined, a1, nothing, 'x1');
  known = put(known, a1, known.clock, 'x2');
  known = put(known, a1, known.clock, 'x3');
  assert.equal(needsNewEpoch(undefined, nothing, a1), true);
  const afresh = put(undefined, a2, nothing, 'new');
  assert.equal(compareObjects(afresh, known), 'concurrent');
  assert.deepEqual(values(mergeObjects(known, afresh)), ['new', 'x3']);
  // What the old actor would have done: its first dot again, which every other replica has seen.
  assert.deepEqual(values(mergeObjects(known, put(undefined, a1, nothing, 'new'))), ['x3']);
});

test('R02 kv679-fallback: a repaired, older copy that a context knows to be older takes a new epoch', () => {
  const first = put(undefined, a1, nothing, 'x1');
  const second = put(first, a1, first.clock, 'x2');
  const third = put(second, a1, second.clock, 'x3');
  assert.equal(needsNewEpoch(first, third.clock, a1), true);
  assert.equal(needsNewEpoch(third, first.clock, a1), false);
  const acked = put(first, a2, third.clock, 'acked');
  assert.deepEqual(values(mergeObjects(third, acked)), ['acked']);
  assert.deepEqual(values(mergeObjects(third, put(first, a2, first.clock, 'acked'))), ['acked', 'x3']);
});

test('R03 kv679-fb2: a context that names a later epoch of the vnode means that the copy is old', () => {
  const old = put(undefined, a1, nothing, 'old');
  const later = put(old, a2, old.clock, 'later');
  assert.equal(needsNewEpoch(old, later.clock, a1), true);
  assert.equal(needsNewEpoch(later, old.clock, a2), false);
  const acked = put(old, actor('a', 3), nothing, 'acked');
  assert.ok(values(mergeObjects(acked, later)).includes('acked'));
  assert.ok(values(mergeObjects(later, acked)).includes('acked'));
});

test('R04, R05 doomstone: a tombstone that outlived its reaping does not kill the value written after', () => {
  const live = put(undefined, a1, nothing, 'old');
  const doomstone = put(live, a1, live.clock, tombstone());
  assert.equal(doomstone.isTombstone, true);
  const recreated = put(undefined, a2, nothing, 'new');
  const healed = mergeObjects(doomstone, recreated);
  assert.deepEqual(values(healed), ['deleted', 'new']);
  assert.equal(healed.isTombstone, false);
  assert.equal(healed.hasTombstone, true);
});

test('R07 sibling-explosion: two writers, each with the context of its own last put, keep two siblings', () => {
  let stored = put(undefined, a1, nothing, '0');
  const contexts = [stored.clock, nothing];
  for (let i = 1; i <= 100; i += 1) {
    const writer = i % 2;
    stored = put(stored, a1, contexts[writer], `${i}`);
    contexts[writer] = stored.clock;
    assert.ok(stored.siblingCount <= 2, `${stored.siblingCount} siblings after ${i} puts`);
    assert.ok(values(stored).includes(`${i}`));
  }
});

test('R08 coord-forwarded-twice: a result that arrives as it is, twice, makes no sibling', () => {
  const result = put(undefined, a1, nothing, 'x');
  const held = replicaPut(undefined, result);
  assert.equal(held, result);
  assert.equal(replicaPut(held, VersionedObject.decode(Buffer.from(result.bytes))), held);
});

test('R10 delete-immediate: a value created after the reap wins over the late tombstone', () => {
  const live = put(undefined, b1, nothing, 'old');
  const late = put(live, b1, live.clock, tombstone());
  assert.ok(values(replicaPut(late, put(undefined, a2, nothing, 'new'))).includes('new'));
});

test('R14 lww+dvv: last_write_wins never leaves an object without a content', () => {
  let left = put(undefined, a1, nothing, 'x1', { lastWriteWins: true, allowMult: false });
  let right = put(undefined, b1, nothing, 'y1', { lastWriteWins: true, allowMult: false });
  for (let i = 2; i < 10; i += 1) {
    left = put(left, a1, right.clock, `x${i}`, { lastWriteWins: true, allowMult: false });
    right = put(right, b1, left.clock, `y${i}`, { lastWriteWins: true, allowMult: false });
    const both = mergeObjects(left, right);
    assert.deepEqual(values(both), [`y${i}`]);
    assert.deepEqual(mergeObjects(right, left).bytes, both.bytes);
  }
});

test('R15 lww-repair-loop: once a replica has the object there is nothing to store, and nothing differs', () => {
  const result = put(undefined, a1, nothing, 'x', { lastWriteWins: true, allowMult: false });
  const replica = VersionedObject.decode(Buffer.from(result.bytes));
  assert.equal(replicaPut(replica, result), replica);
  assert.equal(sameVersion(replica, result), true);
});

test('R17 empty-contents, O1: an object without contents cannot be made', () => {
  assert.throws(() => makeObject(VersionVector.empty, []), EmptyObjectError);
});

test('R17, M3: of versions that each claim to have superseded the other, neither vanishes', () => {
  const clock = (a: number, b: number) =>
    VersionVector.of([
      { actor: a1, counter: a, seconds: 0 },
      { actor: b1, counter: b, seconds: 0 },
    ]);
  const x = { dot: { actor: a1, counter: 1 }, content: content('x') };
  const y = { dot: { actor: b1, counter: 1 }, content: content('y') };
  const concurrent = mergeObjects(makeObject(clock(3, 1), [x]), makeObject(clock(1, 3), [y]));
  assert.deepEqual(values(concurrent), ['x', 'y']);
  assert.deepEqual(values(mergeObjects(makeObject(clock(1, 1), [x]), makeObject(clock(1, 1), [y]))), [
    'x',
    'y',
  ]);
  assert.deepEqual(values(mergeObjects(makeObject(clock(2, 1), [x]), makeObject(clock(1, 1), [y]))), ['x']);
  assert.deepEqual(values(mergeObjects(makeObject(clock(1, 1), [x]), makeObject(clock(1, 2), [y]))), ['y']);
});

test('a dot that was used twice keeps both contents', () => {
  const one = put(undefined, a1, nothing, 'one');
  const two = put(undefined, a1, nothing, 'two');
  assert.deepEqual(values(mergeObjects(one, two)), ['one', 'two']);
  assert.deepEqual(mergeObjects(one, two).bytes, mergeObjects(two, one).bytes);
});

test('O2: a put must bring a dot that is new', () => {
  const stored = put(undefined, a1, nothing, 'x');
  assert.throws(() => put(stored, a1, nothing, 'y', { dot: { actor: a1, counter: 1 } }), /issued once/);
  assert.throws(() => put(undefined, a1, stored.clock, 'y'), /issued once/);
});

test('allow_mult: a put without context is a sibling; one with the context takes the place of what was read', () => {
  const first = put(undefined, a1, nothing, 'x');
  const both = put(first, a1, nothing, 'y');
  assert.deepEqual(values(both), ['x', 'y']);
  assert.deepEqual(values(put(both, b1, both.clock, 'z')), ['z']);
  assert.deepEqual(values(put(both, b1, first.clock, 'z')), ['y', 'z']);
});

test('allow_mult false: of a blind write and the stored one the last modified stays, under the new dot', () => {
  const single = { allowMult: false };
  const stored = put(undefined, a1, nothing, content('stored', 5));
  const later = put(stored, a1, nothing, content('later', 6), single);
  const earlier = put(stored, a1, nothing, content('earlier', 4), single);
  assert.deepEqual(values(later), ['later']);
  assert.deepEqual(values(earlier), ['stored']);
  assert.deepEqual(earlier.dots, [{ actor: a1, counter: 2 }]);
  assert.deepEqual(values(mergeObjects(stored, earlier)), ['stored']);
  const read = put(stored, a1, stored.clock, content('earlier, but informed', 1), single);
  assert.deepEqual(values(read), ['earlier, but informed']);
});

test('collapse: the last modified, then the live one, then the greater bytes', () => {
  const of = (...contents: Buffer[]) => {
    const siblings = contents.map((one, i) => ({ dot: { actor: a1, counter: i + 1 }, content: one }));
    const clock = VersionVector.of([{ actor: a1, counter: contents.length, seconds: 0 }]);
    return values(collapse(makeObject(clock, siblings)));
  };
  assert.deepEqual(of(content('old', 1), content('new', 2)), ['new']);
  assert.deepEqual(of(content('new', 2), content('old', 1)), ['new']);
  assert.deepEqual(of(content('live', 1), tombstone(2)), ['deleted']);
  assert.deepEqual(of(content('live', 2), tombstone(2)), ['live']);
  assert.deepEqual(of(tombstone(2), content('live', 2)), ['live']);
  assert.deepEqual(of(content('', 2), tombstone(2)), [''], 'though the tombstone has the greater bytes');
  assert.deepEqual(of(content('aa', 1), content('ab', 1)), ['ab']);
  assert.deepEqual(of(content('ab', 1), content('aa', 1)), ['ab']);
});

test('M2: a content without a dot stays beside concurrent versions and gives way to newer ones', () => {
  const local = put(undefined, a1, nothing, 'local');
  const remote = asisObject(nothing.with({ actor: b1, counter: 1 }, 0), content('remote'));
  const both = mergeObjects(local, remote);
  assert.deepEqual(values(both), ['local', 'remote']);
  assert.deepEqual(mergeObjects(remote, local).bytes, both.bytes);
  assert.equal(mergeObjects(both, remote), both);
  assert.deepEqual(values(put(both, a1, both.clock, 'after')), ['after']);
  assert.deepEqual(values(put(both, a1, local.clock, 'beside')), ['beside', 'remote']);
  const after = put(both, a1, both.clock, 'after');
  assert.equal(mergeObjects(after, remote), after);
  assert.equal(mergeObjects(remote, after), after);
});

test('O3: a pruned clock keeps the entries of its siblings, and of those that the write supersedes', () => {
  const limits = { smallVclock: 1, bigVclock: 1, youngVclock: 0, oldVclock: 0 };
  const pruning = { limits, nowSeconds: 100 };
  let object = put(undefined, a1, nothing, 'x', { seconds: 10 });
  object = put(object, b1, nothing, 'y', { seconds: 20 });
  assert.equal(pruned(object, undefined, pruning), object);
  const resolved = put(object, actor('c'), object.clock, 'z', { seconds: 30 });
  assert.equal(pruned(resolved, object, pruning), resolved);
  assert.deepEqual(values(mergeObjects(object, resolved)), ['z']);
  const small = pruned(resolved, resolved, pruning);
  assert.deepEqual(
    small.clock.entries.map((entry) => entry.actor),
    [actor('c')],
  );
  assert.equal(pruned(small, small, pruning), small);
});

test('M2: who has read a content without a dot supersedes it at every replica, though the clock is long', () => {
  const limits = { smallVclock: 2, bigVclock: 2, youngVclock: 0, oldVclock: 0 };
  const pruning = { limits, nowSeconds: 100 };
  const remote = asisObject(nothing.with({ actor: a1, counter: 1 }, 10), content('remote'));
  const both = put(remote, b1, nothing, 'local', { seconds: 20 });
  const read = pruned(put(both, actor('c'), both.clock, 'resolved', { seconds: 30 }), both, pruning);
  assert.deepEqual(values(mergeObjects(both, read)), ['resolved']);
  const next = pruned(put(read, actor('c'), read.clock, 'next', { seconds: 40 }), read, pruning);
  assert.equal(next.clock.entries.length, 2);
});

test('a sibling whose entry an earlier version pruned keeps its dot', () => {
  const clock = nothing.with({ actor: b1, counter: 1 }, 20);
  const object = makeObject(clock, [
    { dot: { actor: a1, counter: 1 }, content: content('x') },
    { dot: { actor: b1, counter: 1 }, content: content('y') },
  ]);
  assert.deepEqual(VersionedObject.decode(Buffer.from(object.bytes)).dots, object.dots);
  const whole = put(put(undefined, a1, nothing, 'x'), b1, nothing, 'y');
  assert.deepEqual(values(mergeObjects(object, whole)), ['x', 'y']);
});

test('M1: a version whose clock was pruned keeps its sibling beside a newer clock that never saw its write', () => {
  const seen = nothing.with({ actor: b1, counter: 1 }, 0);
  const prunedAway = makeObject(seen, [{ dot: { actor: a1, counter: 1 }, content: content('x') }]);
  const newer = put(undefined, b1, nothing, 'y', { context: seen, dot: { actor: b1, counter: 2 } });
  assert.deepEqual(values(mergeObjects(prunedAway, newer)), ['x', 'y']);
  assert.deepEqual(values(mergeObjects(newer, prunedAway)), ['x', 'y']);
});

test('V2: what is written after a reap by a node whose clock is behind is not the first that pruning forgets', () => {
  const pruning = { limits: { smallVclock: 3, bigVclock: 3, youngVclock: 0, oldVclock: 0 }, nowSeconds: 100 };
  const old = put(undefined, a1, nothing, 'old', { seconds: 50 });
  const reaped = put(old, b1, old.clock, tombstone(), { seconds: 60 });
  const late = afterReap(reaped, put(undefined, actor('c'), nothing, 'new', { seconds: 10 }));
  const deleted = pruned(put(late, actor('d'), late.clock, tombstone(), { seconds: 70 }), late, pruning);
  const again = pruned(
    put(deleted, actor('e'), deleted.clock, tombstone(), { seconds: 80 }),
    deleted,
    pruning,
  );
  assert.deepEqual(values(mergeObjects(again, late)), ['deleted']);
});

test('what was reaped lately keeps late copies out, and nothing that was written since, whatever the clocks say', () => {
  const old = put(undefined, a1, nothing, 'old');
  const reaped = put(old, a1, old.clock, tombstone(1_000_000));
  const fresh = put(undefined, b1, nothing, 'new');
  for (const late of [old, reaped]) assert.equal(replicaPutAfterReap(reaped, late), reaped);
  const stored = replicaPutAfterReap(reaped, fresh);
  assert.deepEqual(values(stored), ['new']);
  assert.deepEqual(values(replicaPutAfterReap(reaped, mergeObjects(old, fresh))), ['new']);
  const coordinated = afterReap(reaped, fresh);
  assert.deepEqual(values(coordinated), ['new']);
  for (const kept of [stored, coordinated]) {
    assert.deepEqual(values(mergeObjects(kept, old)), ['new'], 'a late copy gives way');
    assert.deepEqual(values(mergeObjects(kept, fresh)), ['new']);
  }
});
