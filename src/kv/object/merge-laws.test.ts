/**
 * Objects against a slow oracle, over random histories of several vnodes: coordinated puts with any
 * context that was ever read, deliveries of any version that ever existed, to any vnode, in any order and
 * number, and vnodes that forget. In the oracle an object is a set of (dot, value) and its history a
 * set of dots.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { actorId, type Dot, VersionVector } from '../../clocks/index.ts';
import { type ByteString, byteLiteral, byteStringOf, bytesOfText } from '../../stdx/index.ts';
import { encodeContent, stampContent, tombstoneContent } from '../../wire/index.ts';
import { collapse, mergeObjects, needsNewEpoch, putObject, replicaPut, VersionedObject } from './index.ts';

const numRuns = Number(process.env.LAW_RUNS ?? 2000);
const vnodes = 3;

const named = (dot: Dot) => `${Buffer.from(dot.actor, 'latin1').toString('hex')}:${dot.counter}`;

/** An object as sets. */
interface Model {
  readonly history: ReadonlySet<string>;
  /** Values by the dot that wrote them. */
  readonly siblings: ReadonlyMap<string, string>;
}
interface Version {
  readonly object: VersionedObject;
  readonly model: Model;
}

function mergeModels(a: Model, b: Model): Model {
  const stays = (dot: string, other: Model) => other.siblings.has(dot) || !other.history.has(dot);
  return {
    history: new Set([...a.history, ...b.history]),
    siblings: new Map([
      ...[...a.siblings].filter(([dot]) => stays(dot, b)),
      ...[...b.siblings].filter(([dot]) => stays(dot, a)),
    ]),
  };
}

function merged(a: Version | undefined, b: Version): Version {
  if (a === undefined) return b;
  return { object: replicaPut(a.object, b.object), model: mergeModels(a.model, b.model) };
}

function contentOf(value: string, micros: number): Buffer {
  if (value.startsWith('deleted')) return tombstoneContent(bytesOfText(value), micros);
  const bare = { value: Buffer.from(value), links: [], userMeta: [], indexes: [], deleted: false };
  return stampContent(encodeContent(bare), byteLiteral('vtag'), micros);
}

/** A vnode that keeps its identity by the rules of the database: new epochs when it may have forgotten. */
class Vnode {
  readonly id: ByteString;
  held: Version | undefined;
  #epochNext = 1;
  #epochFloor = 0;

  constructor(n: number) {
    this.id = byteStringOf(Buffer.from([0xff - n, 2, 3, 4, 5, 6, 7, n]));
  }

  forget(): void {
    this.held = undefined;
  }

  nextDot(context: VersionVector): Dot {
    const local = this.held?.object;
    const highest = local?.clock.highestEpochOf(this.id);
    if (local !== undefined && highest !== undefined && highest >= this.#epochFloor) {
      const actor = actorId(this.id, highest);
      if (!needsNewEpoch(local, context, actor)) return { actor, counter: local.clock.counterOf(actor) + 1 };
    }
    this.#epochNext += 1;
    return { actor: actorId(this.id, this.#epochNext - 1), counter: 1 };
  }

  receive(version: Version): void {
    const { clock } = version.object;
    const highest = clock.highestEpochOf(this.id);
    if (highest !== undefined) {
      const actor = actorId(this.id, highest);
      const known = this.held?.object.clock.counterOf(actor) ?? 0;
      if (clock.counterOf(actor) > known) this.#epochFloor = this.#epochNext;
    }
    this.held = merged(this.held, version);
  }
}

type Step =
  | {
      readonly kind: 'put';
      readonly at: number;
      readonly read: number;
      readonly deletes: boolean;
      readonly micros: number;
    }
  | { readonly kind: 'deliver'; readonly to: number; readonly version: number }
  | { readonly kind: 'forget'; readonly at: number };

const at = fc.nat({ max: vnodes - 1 });
const puts = fc.record({
  kind: fc.constant('put' as const),
  at,
  read: fc.nat({ max: 40 }),
  deletes: fc.boolean(),
  micros: fc.nat({ max: 3 }),
});
const deliveries = fc.record({ kind: fc.constant('deliver' as const), to: at, version: fc.nat({ max: 40 }) });
const forgettings = fc.record({ kind: fc.constant('forget' as const), at });
const histories: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: puts },
    { weight: 6, arbitrary: deliveries },
    { weight: 1, arbitrary: forgettings },
  ),
  { minLength: 1, maxLength: 24, size: 'max' },
);

interface Told {
  readonly vnodes: readonly Vnode[];
  /** Every version that was ever held, in order. */
  readonly versions: readonly Version[];
  /** By dot: the dots that the client had read when it wrote. */
  readonly writes: ReadonlyMap<string, { readonly value: string; readonly read: ReadonlySet<string> }>;
}

function tell(steps: readonly Step[], allowMult: boolean): Told {
  const all = Array.from({ length: vnodes }, (_, n) => new Vnode(n));
  const versions: Version[] = [];
  const writes = new Map<string, { value: string; read: ReadonlySet<string> }>();
  for (const step of steps) {
    if (step.kind === 'forget') {
      all[step.at].forget();
    } else if (step.kind === 'deliver') {
      if (versions.length === 0) continue;
      const vnode = all[step.to];
      vnode.receive(versions[step.version % versions.length]);
      versions.push(vnode.held!);
    } else {
      const vnode = all[step.at];
      // One in so many reads found nothing: a put without a context.
      const read = versions[step.read % (versions.length + 1)];
      const context = read?.object.clock ?? VersionVector.empty;
      const dot = vnode.nextDot(context);
      assert.ok(!writes.has(named(dot)), 'no dot names two writes');
      const value = `${step.deletes ? 'deleted' : 'v'}${writes.size}`;
      const object = putObject(vnode.held?.object, {
        context,
        content: contentOf(value, step.micros),
        dot,
        seconds: writes.size,
        allowMult,
        lastWriteWins: false,
      });
      writes.set(named(dot), { value, read: read?.model.history ?? new Set() });
      vnode.held = { object, model: putModel(vnode.held?.model, read?.model, named(dot), value) };
      versions.push(vnode.held);
    }
  }
  return { vnodes: all, versions, writes };
}

function putModel(local: Model | undefined, read: Model | undefined, dot: string, value: string): Model {
  const unread = [...(local?.siblings ?? [])].filter(([other]) => !read?.history.has(other));
  return {
    history: new Set([...(local?.history ?? []), ...(read?.history ?? []), dot]),
    siblings: new Map([...unread, [dot, value]]),
  };
}

function siblingsOf(object: VersionedObject): Map<string, string> {
  const contents = object.contents();
  return new Map(
    object.dots.map((dot, i) => {
      const { deleted, vtag, value } = contents[i];
      return [named(dot!), deleted ? vtag! : value.toString()];
    }),
  );
}

function agrees({ object, model }: Version, dots: Iterable<string>): void {
  assert.deepEqual(siblingsOf(object), new Map(model.siblings), 'no dot lost, none invented');
  for (const dot of dots) {
    const [actor, counter] = dot.split(':');
    const covered = object.clock.covers({
      actor: byteStringOf(Buffer.from(actor, 'hex')),
      counter: Number(counter),
    });
    assert.equal(covered, model.history.has(dot), 'the clock is the set of writes seen');
  }
  const deleted = [...model.siblings.values()].filter((value) => value.startsWith('deleted')).length;
  assert.equal(object.isTombstone, deleted === object.siblingCount);
  assert.equal(object.hasTombstone, deleted > 0);
}

test('M1, O3: every version in any history is what the oracle says', () => {
  fc.assert(
    fc.property(histories, (steps) => {
      const { versions, writes } = tell(steps, true);
      for (const version of versions) agrees(version, writes.keys());
    }),
    { numRuns },
  );
});

test('O4: vnodes that have seen all hold the same bytes: each write that no client had read when it wrote', () => {
  fc.assert(
    fc.property(histories, fc.infiniteStream(fc.nat()), (steps, shuffle) => {
      const { vnodes: all, versions, writes } = tell(steps, true);
      for (const vnode of all) {
        const order = versions.map((version) => ({ version, key: shuffle.next().value }));
        for (const { version } of order.sort((a, b) => a.key - b.key)) vnode.receive(version);
      }
      const held = all.map((vnode) => vnode.held);
      for (const version of held) assert.deepEqual(version?.object.bytes, held[0]?.object.bytes);
      const superseded = new Set([...writes.values()].flatMap(({ read }) => [...read]));
      const expected = [...writes]
        .filter(([dot]) => !superseded.has(dot))
        .map(([dot, { value }]) => [dot, value]);
      if (held[0] === undefined) assert.equal(writes.size, 0);
      else assert.deepEqual(siblingsOf(held[0].object), new Map(expected as [string, string][]));
    }),
    { numRuns },
  );
});

test('merging is commutative, associative and idempotent, to the byte, in any history', () => {
  const three = fc.tuple(fc.nat(), fc.nat(), fc.nat());
  fc.assert(
    fc.property(histories, three, fc.boolean(), (steps, picks, allowMult) => {
      const { versions } = tell(steps, allowMult);
      fc.pre(versions.length > 0);
      const [a, b, c] = picks.map((pick) => versions[pick % versions.length].object);
      assert.deepEqual(mergeObjects(a, b).bytes, mergeObjects(b, a).bytes);
      const left = mergeObjects(mergeObjects(a, b), c);
      assert.deepEqual(left.bytes, mergeObjects(a, mergeObjects(b, c)).bytes);
      assert.equal(mergeObjects(a, VersionedObject.decode(Buffer.from(a.bytes))), a, 'nothing to store');
      assert.equal(mergeObjects(left, b), left, 'nothing to store once it is in');
    }),
    { numRuns },
  );
});

test('without siblings (allow_mult false) vnodes agree as well, and show one content', () => {
  fc.assert(
    fc.property(histories, (steps) => {
      const { vnodes: all, versions } = tell(steps, false);
      for (const vnode of all) for (const version of versions) vnode.receive(version);
      fc.pre(versions.length > 0);
      const objects = all.map((vnode) => vnode.held!.object);
      for (const object of objects) assert.deepEqual(object.bytes, objects[0].bytes);
      const shown = collapse(objects[0]);
      assert.equal(shown.siblingCount, 1);
      assert.ok(shown.context.equals(objects[0].context), 'the next writer supersedes what is hidden, too');
      const newest = Math.max(...objects[0].contents().map((content) => content.lastModifiedMicros!));
      assert.equal(shown.contents()[0].lastModifiedMicros, newest);
    }),
    { numRuns },
  );
});

test('the histories do something: puts that make siblings, that supersede, and vnodes that forget', () => {
  let siblings = 0;
  let superseding = 0;
  let secondEpochs = 0;
  for (const steps of fc.sample(histories, { numRuns: 300, seed: 1 })) {
    const { versions, writes } = tell(steps, true);
    siblings += versions.filter(({ object }) => object.siblingCount > 1).length;
    superseding += [...writes.values()].filter(({ read }) => read.size > 0).length;
    secondEpochs += [...writes.keys()].filter((dot) => !dot.slice(16, 24).endsWith('00000001')).length;
  }
  assert.ok(
    siblings > 300 && superseding > 300 && secondEpochs > 100,
    `${siblings} ${superseding} ${secondEpochs}`,
  );
});
