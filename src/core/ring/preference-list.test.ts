import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type NodeId, nodeIdOf } from '../../environment/index.ts';
import { distinctNodes, preferenceList, primariesOf } from './preference-list.ts';
import { type Partition, Ring, type RingHash } from './ring.ts';

function roundRobin(size: number, nodes: number): Ring {
  return new Ring(
    1,
    Array.from({ length: size }, (_, index) => nodeIdOf(`n${index % nodes}@host`)),
  );
}

const p = (value: number) => value as Partition;
const everyone = () => true;

test('a hash belongs to the next boundary clockwise, and the last arc to partition 0', () => {
  const ring = roundRobin(64, 1);
  assert.equal(ring.partitionOf(0 as RingHash), 1);
  assert.equal(ring.partitionOf(0x03ff_ffff as RingHash), 1);
  assert.equal(ring.partitionOf(0x0400_0000 as RingHash), 2);
  assert.equal(ring.partitionOf(0xffff_ffff as RingHash), 0);
});

test('a ring refuses a size that is no power of two', () => {
  assert.throws(() => roundRobin(48, 2), /2\^k/);
  assert.throws(() => roundRobin(4, 2), /2\^k/);
});

test('with every node up the list is the n partitions and their owners', () => {
  const list = preferenceList(roundRobin(8, 5), p(6), 3, everyone);
  assert.deepEqual(
    list.map((replica) => [replica.partition, replica.node, replica.primary]),
    [
      [6, 'n1@host', true],
      [7, 'n2@host', true],
      [0, 'n0@host', true],
    ],
  );
});

test('a fallback stands in under the missing partition, on a node that holds no other replica', () => {
  const down = nodeIdOf('n1@host');
  const list = preferenceList(roundRobin(8, 4), p(0), 3, (node) => node !== down);
  assert.deepEqual(list[1], { partition: 1, node: 'n3@host', primary: false });
  assert.equal(primariesOf(list).length, 2);
});

test('one live node serves every replica; none alive gives an empty list', () => {
  const only = nodeIdOf('n2@host');
  const list = preferenceList(roundRobin(8, 4), p(0), 3, (node) => node === only);
  assert.deepEqual(
    list.map((replica) => replica.node),
    [only, only, only],
  );
  assert.equal(distinctNodes(list), 1);
  assert.deepEqual(
    preferenceList(roundRobin(8, 4), p(0), 3, () => false),
    [],
  );
});

test('law: as many distinct nodes as are up, never a node that is down, primaries exactly the live owners', () => {
  const cases = fc.record({
    size: fc.constantFrom(8, 16, 64),
    nodes: fc.integer({ min: 1, max: 8 }),
    n: fc.integer({ min: 1, max: 6 }),
    first: fc.nat(7),
    upMask: fc.integer({ min: 1, max: 255 }),
  });
  fc.assert(
    fc.property(cases, ({ size, nodes, n, first, upMask }) => {
      const ring = roundRobin(size, nodes);
      const isUp = (node: NodeId) => ((upMask >> Number(node.slice(1, node.indexOf('@')))) & 1) === 1;
      const up = new Set(ring.owners.filter(isUp));
      const list = preferenceList(ring, p(first), n, isUp);
      if (up.size === 0) {
        assert.equal(list.length, 0);
        return;
      }
      assert.equal(list.length, n);
      const owners = list.map((replica) => ring.ownerOf(replica.partition));
      const distinctOwners = new Set(owners).size === n;
      if (distinctOwners) assert.equal(distinctNodes(list), Math.min(n, up.size));
      list.forEach((replica, step) => {
        assert.equal(replica.partition, ring.after(p(first), step));
        assert.ok(isUp(replica.node));
        assert.equal(replica.primary, replica.node === owners[step] && isUp(owners[step]));
      });
    }),
  );
});

test('a fallback comes from a location that the list does not have, where there is a choice', () => {
  const down = nodeIdOf('n1@host');
  const racks = new Map(['n0@host', 'n1@host', 'n2@host', 'n3@host', 'n4@host'].map((name, i) => [name, i]));
  racks.set('n3@host', 0);
  const locationOf = (node: NodeId) => `rack${racks.get(node)}`;
  const isUp = (node: NodeId) => node !== down;
  const ring = roundRobin(8, 5);
  assert.equal(preferenceList(ring, p(0), 3, isUp)[1].node, 'n3@host');
  assert.equal(preferenceList(ring, p(0), 3, isUp, { locationOf })[1].node, 'n4@host');
  const both = preferenceList(ring, p(0), 3, (node) => isUp(node) && node !== 'n4@host', { locationOf });
  assert.equal(both[1].node, 'n3@host', 'a taken location is better than a taken node');
});

test('who rebuilds a partition is its first fallback, even if it owns nothing, unless the list has it already', () => {
  const [down, joining] = [nodeIdOf('n1@host'), nodeIdOf('new@host')];
  const isUp = (node: NodeId) => node !== down;
  const ring = roundRobin(8, 4);
  const standInFor = (partition: Partition) => (partition === 1 ? joining : undefined);
  const list = preferenceList(ring, p(0), 3, isUp, { standInFor });
  assert.deepEqual(list[1], { partition: 1, node: joining, primary: false });
  const withPrimary = preferenceList(ring, p(0), 3, isUp, { standInFor: () => nodeIdOf('n2@host') });
  assert.equal(withPrimary[1].node, 'n3@host');
  const standInDown = preferenceList(ring, p(0), 3, (node) => isUp(node) && node !== joining, { standInFor });
  assert.equal(standInDown[1].node, 'n3@host');
  assert.deepEqual(preferenceList(ring, p(0), 3, () => true, { standInFor })[1].node, down);
});
