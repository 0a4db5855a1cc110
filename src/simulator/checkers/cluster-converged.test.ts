import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { actorId, VersionVector } from '../../clocks/index.ts';
import { type Partition, Ring } from '../../core/ring/index.ts';
import { nodeIdOf } from '../../environment/index.ts';
import { VersionedObject } from '../../kv/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { encodeContent, tombstoneContent } from '../../wire/index.ts';
import { checkConverged, type NodeCopies } from './cluster-converged.ts';

const [a, b] = [nodeIdOf('a@h'), nodeIdOf('b@h')];
const ring = new Ring(1, [a, b, a, b, a, b, a, b]);
const rules = { ring, replicasOf: () => [0, 1] as Partition[], tombstonesAreKept: false };

function bytesOf(value: string | undefined): Buffer {
  const dot = { actor: actorId(byteLiteral('a vnode.'), 1), counter: 1 };
  const live = { links: [], userMeta: [], indexes: [], deleted: false };
  const content =
    value === undefined
      ? tombstoneContent(byteLiteral('tag'), 1)
      : encodeContent({ value: Buffer.from(value), ...live });
  return VersionedObject.of(VersionVector.empty.with(dot, 1), [{ dot, content }]).bytes;
}

function holding(node: string, ...copies: readonly (readonly [number, Buffer])[]): NodeCopies {
  const stored = copies.map(([partition, bytes]) => {
    return { partition: partition as Partition, storageKey: Buffer.from('k'), bytes };
  });
  return { node, copies: new Map([['bucket/key', stored]]) };
}

test('V1, V2: the same bytes at the owners of the list, and nowhere else', () => {
  const [one, other] = [bytesOf('one'), bytesOf('other')];
  const found = (...nodes: NodeCopies[]) =>
    checkConverged(nodes, rules).map((violation) => violation.slice(0, 2));
  assert.deepEqual(found(holding(a, [0, one]), holding(b, [1, one])), []);
  assert.deepEqual(found(holding(a, [0, one])), ['V1']);
  assert.deepEqual(found(holding(a, [0, one]), holding(b, [1, other])), ['V1']);
  assert.deepEqual(found(holding(a, [0, one]), holding(b, [1, one], [0, one])), ['V2']);
});

test('V3: tombstones are forgotten, unless they are kept', () => {
  const tombstone = bytesOf(undefined);
  const nodes = [holding(a, [0, tombstone]), holding(b, [1, tombstone])];
  assert.match(checkConverged(nodes, rules).join(), /^V3/);
  // Gone at the other: it is on its way out, which is no difference between values.
  assert.deepEqual(checkConverged([holding(a, [0, tombstone])], rules), [
    'V3: the tombstone of bucket/key on partitions 0 was not forgotten',
  ]);
  assert.match(
    checkConverged([holding(a, [0, tombstone])], { ...rules, tombstonesAreKept: true }).join(),
    /^V1/,
  );
  const besides = [holding(a, [0, tombstone]), holding(b, [1, bytesOf('one')])];
  assert.match(checkConverged(besides, rules).join(), /^V1/);
  assert.deepEqual(checkConverged(nodes, { ...rules, tombstonesAreKept: true }), []);
});
