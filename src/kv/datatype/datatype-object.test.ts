import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ActorId, actorId, VersionVector } from '../../clocks/index.ts';
import {
  type CausalContext,
  type CrdtOperation,
  contextOfCrdt,
  encodeCrdt,
  valueOfCrdt,
} from '../../crdt/index.ts';
import { type ByteString, byteLiteral, byteStringOf } from '../../stdx/index.ts';
import { decodeContent, encodeContent, tombstoneContent } from '../../wire/index.ts';
import { mergeObjects, putObject, replicaPut, type VersionedObject } from '../object/index.ts';
import { type Datatype, readDatatype, updateDatatype, withDatatypeJoined } from './index.ts';

const counters: Datatype = { type: 'counter', precision: 14 };
const sets: Datatype = { type: 'set', precision: 14 };
const maps: Datatype = { type: 'map', precision: 14 };
const vtag = byteLiteral('v');
const actorOf = (n: number): ActorId => actorId(byteStringOf(Buffer.from([0xff, 0, 0, 0, 0, 0, 0, n])), 1);
const elements = (...names: string[]) => names.map((name) => name as ByteString);
const increment = (by: number): CrdtOperation => ({ kind: 'counter', increment: BigInt(by) });
const add = (...names: string[]): CrdtOperation => ({
  kind: 'set',
  steps: [{ kind: 'add', elements: elements(...names) }],
});
const remove = (...names: string[]): CrdtOperation => ({
  kind: 'set',
  steps: [{ kind: 'remove', elements: elements(...names) }],
});
const assign = (value: string): CrdtOperation => {
  const field = { name: byteLiteral('f'), type: 'register' as const };
  const operation = { kind: 'register' as const, value: value as ByteString };
  return { kind: 'map', removes: [], updates: [{ field, operation }] };
};

/** A vnode's copy of one key. */
class Copy {
  object: VersionedObject | undefined;
  readonly #datatype: Datatype;
  readonly #actor: ActorId;

  constructor(datatype: Datatype, n: number) {
    this.#datatype = datatype;
    this.#actor = actorOf(n);
  }

  update(operation: CrdtOperation, context?: CausalContext, micros = 1_000_000): this {
    const stamp = { actor: this.#actor, vtag, micros };
    const result = updateDatatype(this.object, this.#datatype, { operation, context }, stamp);
    assert.equal(result.kind, 'updated');
    if (result.kind === 'updated') this.object = result.object;
    return this;
  }

  plainPut(content: Buffer, context = VersionVector.empty): this {
    const counter = (this.object?.clock.counterOf(this.#actor) ?? 0) + 1;
    this.object = putObject(this.object, {
      context,
      content,
      dot: { actor: this.#actor, counter },
      seconds: 1,
      allowMult: true,
      lastWriteWins: false,
    });
    return this;
  }

  receive(other: Copy): this {
    if (other.object !== undefined) this.object = replicaPut(this.object, other.object);
    return this;
  }

  get value(): unknown {
    return valueOfCrdt(readDatatype(this.object, this.#datatype).crdt).value;
  }

  get context(): CausalContext | undefined {
    return contextOfCrdt(readDatatype(this.object, this.#datatype).crdt);
  }
}

const plain = encodeContent({
  value: Buffer.from('plain'),
  contentType: byteLiteral('text/plain'),
  vtag: byteLiteral('p'),
  links: [],
  userMeta: [],
  indexes: [],
  deleted: false,
});

test('an update is one content, of the type that Riak names, and the next takes its place', () => {
  const copy = new Copy(counters, 1).update(increment(2)).update(increment(3), undefined, 7_000_001);
  assert.equal(copy.value, 5n);
  const [content, ...more] = copy.object!.contents();
  assert.deepEqual(more, []);
  assert.equal(content!.contentType, 'application/riak_counter');
  assert.deepEqual([content!.vtag, content!.lastModifiedMicros, content!.deleted], ['v', 7_000_001, false]);
  assert.deepEqual(
    copy.object!.clock.entries.map(({ counter, seconds }) => [counter, seconds]),
    [[2, 7]],
  );
});

test('nothing stored is the empty value, and not present', () => {
  for (const datatype of [counters, sets, maps]) {
    const read = readDatatype(undefined, datatype);
    assert.deepEqual([read.isPresent, read.others, read.crdt.type], [false, [], datatype.type]);
  }
  assert.equal(
    readDatatype(new Copy(sets, 1).update(add('x')).update(remove('x')).object, sets).isPresent,
    true,
  );
});

test('R76 datatype-siblings: first writes that are concurrent are one merged value, also to a plain read', () => {
  const a = new Copy(sets, 1).update(add('x'), undefined, 2_000_000);
  const b = new Copy(sets, 2).update(add('y'), undefined, 3_000_000);
  const merged = new Copy(sets, 3).receive(a).receive(b);
  assert.deepEqual(merged.value, ['x', 'y']);
  assert.equal(merged.object!.siblingCount, 2);
  const shown = withDatatypeJoined(merged.object!, 'set');
  assert.deepEqual([shown.siblingCount, shown.contents()[0]!.lastModifiedMicros], [1, 3_000_000]);
  assert.deepEqual(valueOfCrdt(readDatatype(shown, sets).crdt).value, ['x', 'y']);
  assert.ok(shown.clock.equals(merged.object!.clock));
  assert.equal(withDatatypeJoined(a.object!, 'set'), a.object);
  // The next update supersedes both, wherever they are.
  merged.update(add('z'));
  assert.equal(merged.object!.siblingCount, 1);
  assert.deepEqual(a.receive(merged).receive(b).value, ['x', 'y', 'z']);
  assert.equal(a.object!.siblingCount, 1);
});

test('R77 counter-once: a result that arrives again, late or on two ways counts once', () => {
  const a = new Copy(counters, 1).update(increment(1));
  const late = new Copy(counters, 9).receive(a);
  const b = new Copy(counters, 2).receive(a).update(increment(10));
  a.update(increment(100)).receive(b).receive(late).receive(b);
  b.receive(late).receive(a).receive(late);
  assert.deepEqual([a.value, b.value], [111n, 111n]);
});

test('R70 orswot-common-dots, through objects: the element is gone', () => {
  const a = new Copy(sets, 1).update(add('x'));
  const b = new Copy(sets, 2).update(add('x'));
  const c = new Copy(sets, 3).receive(a);
  a.update(remove('x')).receive(b);
  b.update(remove('x'));
  assert.deepEqual(b.receive(a.receive(c)).value, []);
});

test('R74 deferred: a removal at a copy that has nothing yet holds once the rest arrives', () => {
  const a = new Copy(sets, 1).update(add('x', 'y'));
  const fallback = new Copy(sets, 2).update(remove('x'), a.context);
  assert.deepEqual(fallback.receive(a).value, ['y']);
  assert.deepEqual(a.receive(fallback).value, ['y']);
});

test('a delete ends what was read of the value; an update beside it survives, one after it begins anew', () => {
  const a = new Copy(counters, 1).update(increment(5));
  const b = new Copy(counters, 2).receive(a);
  const tombstone = tombstoneContent(vtag, 9_000_000);
  a.plainPut(tombstone, a.object!.clock);
  assert.equal(readDatatype(a.object, counters).isPresent, false);
  b.update(increment(1));
  const merged = new Copy(counters, 3).receive(a).receive(b);
  assert.equal(merged.value, 6n, 'the copy that was counted on had not heard of the delete');
  a.update(increment(7));
  assert.equal(a.value, 7n);
  assert.equal(a.object!.isTombstone, false);
  assert.equal(a.object!.siblingCount, 1);
});

test('what a plain put leaves in the bucket is not part of the value, and not lost (D3)', () => {
  const claims = (bytes: Buffer) =>
    encodeContent({
      ...decodeContent(plain),
      contentType: byteLiteral('application/riak_set'),
      value: bytes,
    });
  const ofType = encodeCrdt(readDatatype(new Copy(sets, 1).update(add('s')).object, sets).crdt);
  const ofOtherType = encodeCrdt(readDatatype(new Copy(maps, 1).update(assign('r')).object, maps).crdt);
  for (const content of [
    plain,
    claims(Buffer.from('no set')),
    claims(Buffer.alloc(0)),
    claims(ofOtherType),
    encodeContent({ ...decodeContent(plain), value: ofType }),
  ]) {
    const copy = new Copy(sets, 1).plainPut(content);
    assert.deepEqual([copy.value, readDatatype(copy.object, sets).isPresent], [[], false]);
    copy.update(add('x')).update(add('y'));
    assert.deepEqual(copy.value, ['x', 'y']);
    const { others } = readDatatype(copy.object, sets);
    assert.deepEqual(
      others.map((other) => other.content.equals(content)),
      [true],
    );
    assert.equal(withDatatypeJoined(copy.object!, 'set').siblingCount, 2);
  }
});

test('a refused operation leaves nothing', () => {
  const copy = new Copy(sets, 1).update(add('x'));
  const stamp = { actor: actorOf(1), vtag, micros: 1 };
  const result = updateDatatype(copy.object, sets, { operation: remove('x', 'gone') }, stamp);
  assert.deepEqual(result, {
    kind: 'refused',
    refusal: { kind: 'element_not_present', element: 'gone' },
  });
  const other = updateDatatype(copy.object, sets, { operation: increment(1) }, stamp);
  assert.equal(other.kind === 'refused' && other.refusal.kind, 'type_mismatch');
  assert.deepEqual(copy.value, ['x']);
});

test('no dot is used twice though the clock was pruned, and an actor without dots says so (D4)', () => {
  const copy = new Copy(counters, 1).update(increment(1)).update(increment(1));
  const { dot, content } = copy.object!.siblings[0]!;
  // As a plain put that pruned the clock would leave it.
  const pruned = new Copy(counters, 1).plainPut(content);
  assert.equal(pruned.object!.clock.counterOf(actorOf(1)), 1);
  pruned.update(increment(1));
  assert.equal(pruned.value, 3n);
  assert.ok(pruned.object!.siblings[0]!.dot!.counter > dot!.counter);
  const last = { actor: actorOf(1), counter: Number.MAX_SAFE_INTEGER };
  const object = putObject(undefined, {
    context: VersionVector.empty.with(last, 1),
    content: plain,
    dot: { actor: actorOf(2), counter: 1 },
    seconds: 1,
    allowMult: true,
    lastWriteWins: false,
  });
  const stamp = { actor: actorOf(1), vtag, micros: 1 };
  assert.equal(updateDatatype(object, counters, { operation: increment(1) }, stamp).kind, 'exhausted');
});

type Step =
  | { readonly kind: 'increment'; readonly at: number; readonly by: number }
  | { readonly kind: 'send'; readonly from: number; readonly to: number };

test('law: counters count every update once, however results are sent; equal copies once all are', () => {
  const copy = fc.integer({ min: 0, max: 2 });
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ kind: fc.constant('increment' as const), at: copy, by: fc.integer({ min: -9, max: 9 }) }),
    fc.record({ kind: fc.constant('send' as const), from: copy, to: copy }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const copies = [1, 2, 3].map((n) => new Copy(counters, n));
      /** Which updates each copy has heard of: the slow oracle. */
      const heard = copies.map(() => new Map<number, bigint>());
      steps.forEach((each, i) => {
        if (each.kind === 'increment') {
          copies[each.at]!.update(increment(each.by));
          heard[each.at]!.set(i, BigInt(each.by));
        } else {
          copies[each.to]!.receive(copies[each.from]!);
          for (const [update, by] of heard[each.from]!) heard[each.to]!.set(update, by);
        }
        copies.forEach((one, n) => {
          assert.equal(
            one.value,
            [...heard[n]!.values()].reduce((sum, by) => sum + by, 0n),
          );
        });
      });
      const [first, ...others] = copies;
      for (const other of others) first!.receive(other);
      for (const other of others) {
        other.receive(first!);
        assert.equal(other.value, first!.value);
        if (first!.object !== undefined) {
          assert.equal(mergeObjects(other.object!, first!.object), other.object);
          assert.ok(other.object!.bytes.equals(first!.object.bytes));
        }
      }
    }),
    { numRuns: 200 },
  );
});

test('law: a set is what its adds and removals say, whatever the order of arrival; the siblings are few', () => {
  const at = fc.integer({ min: 0, max: 2 });
  const name = fc.constantFrom('x', 'y', 'z');
  const steps = fc.array(fc.record({ at, name, kind: fc.constantFrom('add', 'remove', 'send'), to: at }), {
    maxLength: 25,
  });
  fc.assert(
    fc.property(steps, fc.boolean(), (history, isReversed) => {
      const copies = [1, 2, 3].map((n) => new Copy(sets, n));
      /** Adds by their number, and what each copy has heard added and removed. */
      const added = copies.map(() => new Map<number, string>());
      const removed = copies.map(() => new Set<number>());
      const present = (n: number) => [...added[n]!].filter(([id]) => !removed[n]!.has(id));
      history.forEach(({ at: n, name: element, kind, to }, id) => {
        if (kind === 'add') {
          copies[n]!.update(add(element));
          // An add takes the place of those of the element that are here.
          for (const [old, of] of present(n)) if (of === element) removed[n]!.add(old);
          added[n]!.set(id, element);
        } else if (kind === 'remove') {
          const here = present(n).filter(([, of]) => of === element);
          if (here.length === 0) return;
          copies[n]!.update(remove(element), copies[n]!.context);
          for (const [old] of here) removed[n]!.add(old);
        } else {
          copies[to]!.receive(copies[n]!);
          for (const [add, of] of added[n]!) added[to]!.set(add, of);
          for (const gone of removed[n]!) removed[to]!.add(gone);
        }
      });
      const order = isReversed ? [...copies].reverse() : copies;
      const end = new Copy(sets, 9);
      for (const one of order) end.receive(one);
      const gone = new Set(removed.flatMap((ids) => [...ids]));
      const expected = new Set(
        added.flatMap((adds) => [...adds].filter(([id]) => !gone.has(id)).map(([, element]) => element)),
      );
      assert.deepEqual(end.value, [...expected].sort());
      assert.ok((end.object?.siblingCount ?? 0) <= copies.length, 'at most one of each coordinator');
    }),
    { numRuns: 200 },
  );
});
