import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { actorId, VersionVector } from '../../clocks/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import { makeObject } from '../../kv/object/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { encodeContent, tombstoneContent } from '../../wire/index.ts';
import { DotsIssuedOnce } from './dots-issued-once.ts';
import { checkReplicasAgree } from './replicas-agree.ts';

const [p0, p1, p2] = [0 as Partition, 1 as Partition, 2 as Partition];

function object(content: Buffer, counter = 1) {
  const dot = { actor: actorId(byteLiteral('vnode--1'), 1), counter };
  return makeObject(VersionVector.empty.with(dot, 0), [{ dot, content }]);
}
function value(text: string): Buffer {
  return encodeContent({ value: Buffer.from(text), links: [], userMeta: [], indexes: [], deleted: false });
}
const deleted = tombstoneContent(byteLiteral('vtag'), 1);

function broken(contents: readonly (readonly [Partition, Buffer])[], tombstonesAreKept = false): string {
  const stored = contents.map(([partition, content]) => ({
    partition,
    storageKey: Buffer.from('k'),
    bytes: object(content).bytes,
  }));
  const violations = checkReplicasAgree(new Map([['b/k', stored]]), () => [p1, p2], tombstonesAreKept);
  return violations.map((violation) => violation.slice(0, 2)).join();
}

test('G1: a key is on the partitions of its list, all the same', () => {
  assert.equal(
    broken([
      [p2, value('v')],
      [p1, value('v')],
    ]),
    '',
  );
  assert.equal(broken([[p1, value('v')]]), 'G1');
  assert.equal(
    broken([
      [p0, value('v')],
      [p1, value('v')],
    ]),
    'G1',
  );
  assert.equal(
    broken([
      [p1, value('v')],
      [p2, value('w')],
    ]),
    'G1',
  );
});

test('G2: tombstones are forgotten, unless they are kept', () => {
  assert.equal(
    broken([
      [p1, deleted],
      [p2, deleted],
    ]),
    'G2',
  );
  assert.equal(
    broken(
      [
        [p1, deleted],
        [p2, deleted],
      ],
      true,
    ),
    '',
  );
});

test('A2: a dot with two contents is found, for one key', () => {
  const dots = new DotsIssuedOnce();
  dots.saw('k', object(value('v')));
  dots.saw('k', object(value('v')));
  dots.saw('k', object(value('w'), 2));
  dots.saw('l', object(value('w')));
  assert.deepEqual(dots.violations, []);
  dots.saw('k', object(value('w')));
  assert.equal(dots.violations.length, 1);
});
