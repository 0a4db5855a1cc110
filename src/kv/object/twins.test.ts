import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { actorId, type Dot, VersionVector } from '../../clocks/index.ts';
import { byteStringOf } from '../../stdx/index.ts';
import { encodeContent } from '../../wire/index.ts';
import { holdsContent, mergeObjects, putObject, type VersionedObject, withoutTwins } from './index.ts';

const nothing = VersionVector.empty;
const contents = ['u', 'v', 'w'].map((text) =>
  encodeContent({ value: Buffer.from(text), links: [], userMeta: [], indexes: [], deleted: false }),
);
const dotOf = (vnode: number, counter: number): Dot => ({
  actor: actorId(byteStringOf(Buffer.alloc(8, vnode + 1)), 1),
  counter,
});

interface Write {
  readonly at: number;
  readonly content: number;
  readonly reads: boolean;
}
const writes = fc.array(
  fc.record({ at: fc.nat({ max: 3 }), content: fc.nat({ max: 2 }), reads: fc.boolean() }),
  { minLength: 1, maxLength: 8 },
);

/** Some vnodes each coordinate writes of a few contents, so that one content has many dots. */
function told(all: readonly Write[]): VersionedObject[] {
  const held: (VersionedObject | undefined)[] = [undefined, undefined, undefined, undefined];
  const versions: VersionedObject[] = [];
  for (const { at, content, reads } of all) {
    const local = held[at];
    const context = reads && local !== undefined ? local.clock : nothing;
    const counter = (local?.clock.counterOf(dotOf(at, 1).actor) ?? 0) + 1;
    held[at] = putObject(local, {
      context,
      content: contents[content]!,
      dot: dotOf(at, counter),
      seconds: 0,
      allowMult: true,
      lastWriteWins: false,
    });
    versions.push(held[at]);
  }
  return versions;
}

const texts = (object: VersionedObject) => object.contents().map(({ value }) => value.toString());

test('T1: each content is shown once, none is lost, and the context covers all that it stands for', () => {
  fc.assert(
    fc.property(writes, fc.nat(), fc.nat(), (all, i, j) => {
      const versions = told(all);
      const object = mergeObjects(versions[i % versions.length]!, versions[j % versions.length]!);
      const shown = withoutTwins(object);
      assert.deepEqual([...new Set(texts(object))].sort(), texts(shown).sort());
      assert.ok(shown.context.equals(object.context));
      for (const dot of object.dots) assert.ok(dot !== undefined && shown.clock.covers(dot));
      assert.equal(withoutTwins(shown), shown);
      for (const content of contents) {
        const isThere = object.siblings.some((sibling) => sibling.content.equals(content));
        assert.equal(holdsContent(object, content), isThere);
      }
    }),
    { numRuns: 1000 },
  );
});

test('T2: with twins the merge is still a join, to the byte, and a reader of one supersedes them all', () => {
  fc.assert(
    fc.property(writes, fc.nat(), fc.nat(), fc.nat(), (all, i, j, k) => {
      const versions = told(all);
      const [a, b, c] = [i, j, k].map((pick) => versions[pick % versions.length]!) as [
        VersionedObject,
        VersionedObject,
        VersionedObject,
      ];
      assert.deepEqual(mergeObjects(a, b).bytes, mergeObjects(b, a).bytes);
      const left = mergeObjects(mergeObjects(a, b), c);
      assert.deepEqual(left.bytes, mergeObjects(a, mergeObjects(b, c)).bytes);
      const next = putObject(left, {
        context: withoutTwins(left).clock,
        content: contents[0]!,
        dot: dotOf(9, 1),
        seconds: 0,
        allowMult: true,
        lastWriteWins: false,
      });
      assert.equal(mergeObjects(next, left).siblingCount, 1);
    }),
    { numRuns: 1000 },
  );
});

test('T2: what is shown is the same, whether twins are dropped from the parts or from the whole', () => {
  const twin = (vnode: number) =>
    putObject(undefined, {
      context: nothing,
      content: contents[0]!,
      dot: dotOf(vnode, 1),
      seconds: 0,
      allowMult: true,
      lastWriteWins: false,
    });
  const [a, b] = [twin(0), twin(1)];
  const over = putObject(b, {
    context: b.clock,
    content: contents[1]!,
    dot: dotOf(1, 2),
    seconds: 0,
    allowMult: true,
    lastWriteWins: false,
  });
  // Had the merge of a and b dropped either dot, the two orders would differ in one of the two assignments.
  const oneWay = mergeObjects(mergeObjects(a, b), over);
  const otherWay = mergeObjects(mergeObjects(a, over), b);
  assert.deepEqual(oneWay.bytes, otherWay.bytes);
  assert.deepEqual(texts(withoutTwins(oneWay)).sort(), ['u', 'v']);
});
