import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type NodeId, nodeIdOf } from '../../environment/index.ts';
import { claimOwners, replaceOwner } from './claim.ts';
import type { RingNode } from './ring-node.ts';
import { assessRing } from './ring-report.ts';
import { movesBetween, movesMin } from './ring-transition.ts';

const nodeAt = (index: number, location?: number): RingNode => ({
  node: nodeIdOf(`n${index}@host`),
  location: location === undefined ? undefined : `rack${location}`,
});
const nodesUpTo = (count: number, locations?: number): RingNode[] =>
  Array.from({ length: count }, (_, index) =>
    nodeAt(index, locations === undefined ? undefined : index % locations),
  );
const ownedByFirst = (size: number): NodeId[] => new Array<NodeId>(size).fill(nodeAt(0).node);
const namesOf = (nodes: readonly RingNode[]): NodeId[] => nodes.map(({ node }) => node);

/** The statement of L1 and L2 in its own words, apart from the code that decides by it. */
function canSeparate(size: number, window: number, groups: readonly number[]): boolean {
  const nodes = groups.reduce((sum, count) => sum + count, 0);
  const least = Math.floor(size / nodes);
  const most = Math.floor(size / window);
  if (groups.some((count) => count * least > most)) return false;
  const room = groups.reduce((sum, count) => sum + Math.min(count, most - count * least), 0);
  return room >= size % nodes;
}

function groupsOf(nodes: readonly RingNode[]): number[] {
  const counts = new Map<string | undefined, number>();
  for (const { location } of nodes) counts.set(location, (counts.get(location) ?? 0) + 1);
  return [...counts.values()];
}

/** What must hold of every claim, whatever came before: L1, L2, L3. */
function assertSound(owners: readonly NodeId[], nodes: readonly RingNode[], targetN: number): void {
  const report = assessRing(owners, nodes, targetN);
  assert.equal(report.orphans, 0);
  assert.ok(report.imbalance <= 1, `L3: imbalance ${report.imbalance}`);
  const what = `${owners.length} partitions, ${nodes.length} nodes, targetN ${targetN}`;
  const ones = nodes.map(() => 1);
  if (nodes.length >= targetN && canSeparate(owners.length, targetN, ones)) {
    assert.equal(report.sameNode.count, 0, `L1: ${what}`);
  }
  if (nodes[0].location === undefined) return;
  const groups = groupsOf(nodes);
  if (groups.length >= targetN && canSeparate(owners.length, targetN, groups)) {
    assert.equal(report.sameLocation.count, 0, `L2: ${what}, locations of ${groups.join(' ')}`);
  }
}

test('L1, L3: from one node to any number, every ring is balanced, distinct when possible, with the fewest moves', () => {
  for (const size of [8, 16, 64, 128]) {
    for (let targetN = 1; targetN <= 6; targetN += 1) {
      for (let count = 1; count <= Math.min(size + 2, 200); count += count < 9 ? 1 : 37) {
        const nodes = nodesUpTo(count);
        const after = claimOwners({ owners: ownedByFirst(size), nodes, targetN });
        assertSound(after, nodes, targetN);
        assert.equal(
          movesBetween(ownedByFirst(size), after).length,
          movesMin(ownedByFirst(size), namesOf(nodes)),
        );
      }
    }
  }
});

const growing = fc.record({
  size: fc.constantFrom(8, 16, 32, 64, 128, 256),
  targetN: fc.integer({ min: 1, max: 5 }),
  founders: fc.integer({ min: 1, max: 200 }),
  locations: fc.option(fc.array(fc.nat(11), { minLength: 1, maxLength: 23 }), { nil: undefined }),
  steps: fc.array(fc.record({ joins: fc.nat(4), leaves: fc.array(fc.nat(1000), { maxLength: 4 }) }), {
    minLength: 1,
    maxLength: 5,
  }),
});

test('law L1, L2, L3: any sequence of joins and leaves, with any locations', () => {
  fc.assert(
    fc.property(growing, ({ size, targetN, founders, locations, steps }) => {
      let made = 0;
      const make = (): RingNode => {
        made += 1;
        return nodeAt(made, locations?.[made % locations.length]);
      };
      const nodes = Array.from({ length: founders }, make);
      let owners: readonly NodeId[] = claimOwners({ owners: ownedByFirst(size), nodes, targetN });
      assertSound(owners, nodes, targetN);
      for (const { joins, leaves } of steps) {
        for (const leave of leaves) if (nodes.length > 1) nodes.splice(leave % nodes.length, 1);
        for (let i = 0; i < joins; i += 1) nodes.push(make());
        owners = claimOwners({ owners, nodes, targetN });
        assertSound(owners, nodes, targetN);
      }
    }),
    { numRuns: 40 },
  );
});

/** Least number of windows that break the rule over all balanced rings: every one of them is tried. */
function fewestViolations(size: number, locations: readonly number[], window: number): number {
  const least = Math.floor(size / locations.length);
  const counts = locations.map(() => 0);
  const owners: number[] = [];
  let extras = size % locations.length;
  let fewest = size;
  const place = (): void => {
    if (owners.length === size) {
      let violations = 0;
      for (let first = 0; first < size; first += 1) {
        const seen = new Set<number>();
        for (let step = 0; step < window; step += 1) seen.add(locations[owners[(first + step) % size]]);
        if (seen.size < window) violations += 1;
      }
      fewest = Math.min(fewest, violations);
      return;
    }
    for (let node = 0; node < locations.length; node += 1) {
      const isExtra = counts[node] === least;
      if (counts[node] > least || (isExtra && extras === 0)) continue;
      counts[node] += 1;
      extras -= isExtra ? 1 : 0;
      owners.push(node);
      place();
      owners.pop();
      extras += isExtra ? 1 : 0;
      counts[node] -= 1;
    }
  };
  place();
  return fewest;
}

test('L1, L2: on a ring of 8, violations only where every balanced ring has some, and then one more at most', () => {
  const layouts = [
    [0, 1],
    [0, 1, 2],
    [0, 0, 1],
    [0, 1, 2, 3],
    [0, 0, 1, 1],
    [0, 0, 1, 2],
    [0, 0, 0, 1, 2],
  ];
  for (const locations of layouts) {
    for (let window = 2; window <= new Set(locations).size; window += 1) {
      const nodes = locations.map((location, index) => nodeAt(index, location));
      const owners = claimOwners({ owners: ownedByFirst(8), nodes, targetN: window });
      const violations = assessRing(owners, nodes, window).sameLocation.count;
      const fewest = fewestViolations(8, locations, window);
      const what = `${violations} of ${fewest}: locations ${locations.join(' ')}, ${window} in a row`;
      assert.ok(violations <= (fewest === 0 ? 0 : fewest + 1), what);
      assert.equal(fewest === 0, canSeparate(8, window, groupsOf(nodes)), what);
    }
  }
});

test('L4: one node after the other joins, each with the fewest moves that balance allows', () => {
  const nodes = nodesUpTo(60);
  let owners = claimOwners({ owners: ownedByFirst(256), nodes: nodes.slice(0, 5), targetN: 4 });
  for (let count = 6; count <= nodes.length; count += 1) {
    const after = claimOwners({ owners, nodes: nodes.slice(0, count), targetN: 4 });
    assert.equal(movesBetween(owners, after).length, movesMin(owners, namesOf(nodes.slice(0, count))));
    owners = after;
  }
});

test('growth: 11 to 80 nodes, up to three joins a plan, random losses: within 1.1 of the fewest moves', () => {
  fc.assert(
    fc.property(fc.constantFrom(256, 512), fc.infiniteStream(fc.nat(999)), (size, dice) => {
      const roll = (bound: number): number => (dice.next().value as number) % bound;
      let made = 11;
      const nodes = nodesUpTo(made);
      let owners: readonly NodeId[] = claimOwners({ owners: ownedByFirst(size), nodes, targetN: 4 });
      while (nodes.length < 80) {
        if (roll(6) === 0) nodes.splice(roll(nodes.length), 1);
        for (let joins = roll(4); joins > 0; joins -= 1) nodes.push(nodeAt(made++));
        const after = claimOwners({ owners, nodes, targetN: 4 });
        assertSound(after, nodes, 4);
        const [moves, fewest] = [movesBetween(owners, after).length, movesMin(owners, namesOf(nodes))];
        assert.ok(moves <= Math.ceil(fewest * 1.1), `${moves} moves of ${fewest}, ${nodes.length} nodes`);
        owners = after;
      }
    }),
    { numRuns: 2 },
  );
});

test('L4 before L5: a ring laid out at once lets any of its nodes go with few moves', () => {
  for (const count of [11, 16]) {
    const owners = claimOwners({ owners: ownedByFirst(256), nodes: nodesUpTo(count), targetN: 4 });
    let [moves, fewest] = [0, 0];
    for (let leaving = 0; leaving < count; leaving += 1) {
      const nodes = nodesUpTo(count).filter((_, index) => index !== leaving);
      const after = claimOwners({ owners, nodes, targetN: 4 });
      moves += movesBetween(owners, after).length;
      fewest += movesMin(owners, namesOf(nodes));
    }
    assert.ok(moves <= fewest * 1.1, `${moves} moves of ${fewest}, ${count} nodes`);
    assert.ok(assessRing(owners, nodesUpTo(count), 4).replicaSets <= 7 * count, 'L5');
  }
});

test('L6: the order in which nodes are named makes no difference, and a ring that is right stays as it is', () => {
  const nodes = nodesUpTo(13, 5);
  const request = { owners: ownedByFirst(64), nodes, targetN: 3 };
  const owners = claimOwners(request);
  assert.deepEqual(claimOwners({ ...request, nodes: [...nodes].reverse() }), owners);
  assert.deepEqual(claimOwners({ owners, nodes, targetN: 3 }), owners);
});

test('L4, L6: asked again with its own answer, where conflicts are left, claim moves only for fewer of them', () => {
  // Of six nodes in two racks on 16 partitions: the search goes elsewhere, and ends no better.
  const six = nodesUpTo(6, 2);
  let owners: readonly NodeId[] = ownedByFirst(16);
  for (let count = 1; count <= 6; count += 1) {
    owners = claimOwners({ owners, nodes: six.slice(0, count), targetN: 6 });
  }
  assert.deepEqual(claimOwners({ owners, nodes: six, targetN: 6 }), owners);
});

test('several joins in one plan move what one plan needs, not the sum of single joins', () => {
  const before = claimOwners({ owners: ownedByFirst(256), nodes: nodesUpTo(8), targetN: 4 });
  const after = claimOwners({ owners: before, nodes: nodesUpTo(12), targetN: 4 });
  assert.equal(movesBetween(before, after).length, movesMin(before, namesOf(nodesUpTo(12))));
  assert.ok(movesBetween(before, after).every(({ to }) => !namesOf(nodesUpTo(8)).includes(to)));
});

test('a node that leaves while another joins hands over to it', () => {
  const before = claimOwners({ owners: ownedByFirst(128), nodes: nodesUpTo(10), targetN: 4 });
  const nodes = nodesUpTo(11).slice(1);
  const after = claimOwners({ owners: before, nodes, targetN: 4 });
  assertSound(after, nodes, 4);
  assert.equal(movesBetween(before, after).length, movesMin(before, namesOf(nodes)));
});

test('three nodes, n=3: their lists are distinct but for two, where the ring of 64 does not divide', () => {
  const nodes = nodesUpTo(3);
  const owners = claimOwners({ owners: ownedByFirst(64), nodes, targetN: 4 });
  assert.equal(assessRing(owners, nodes, 3).sameNode.count, 2);
  assert.equal(assessRing(owners, nodes, 2).sameNode.count, 0);
});

test('three racks, n=3: as many distinct lists as with three nodes, whatever stands in each rack', () => {
  const nodes = nodesUpTo(12, 3);
  const owners = claimOwners({ owners: ownedByFirst(64), nodes, targetN: 4 });
  assert.equal(assessRing(owners, nodes, 4).sameNode.count, 0);
  assert.ok(assessRing(owners, nodes, 3).sameLocation.count <= 4);
});

test('replaceOwner: one node takes over all that another owns, and nothing else moves', () => {
  const nodes = nodesUpTo(5);
  const before = claimOwners({ owners: ownedByFirst(64), nodes, targetN: 4 });
  const heir = nodeAt(9).node;
  const after = replaceOwner(before, nodes[2].node, heir);
  assert.ok(movesBetween(before, after).every(({ from, to }) => from === nodes[2].node && to === heir));
  assert.ok(!after.includes(nodes[2].node));
  assertSound(after, [...nodes.slice(0, 2), nodeAt(9), ...nodes.slice(3)], 4);
});

test('R29: a ring of 16 and nodes one to five: no preference list meets a node twice over its tail', () => {
  let owners: readonly NodeId[] = ownedByFirst(16);
  for (let count = 2; count <= 5; count += 1) {
    owners = claimOwners({ owners, nodes: nodesUpTo(count), targetN: 3 });
    assertSound(owners, nodesUpTo(count), 3);
  }
  assert.equal(assessRing(owners, nodesUpTo(5), 3).sameNode.count, 0);
});

test('R30: a ring of 32 from four nodes to five is balanced: 7 7 6 6 6', () => {
  const four = claimOwners({ owners: ownedByFirst(32), nodes: nodesUpTo(4), targetN: 4 });
  const five = claimOwners({ owners: four, nodes: nodesUpTo(5), targetN: 4 });
  const counts = [...assessRing(five, nodesUpTo(5), 4).partitionsOfNode.values()].sort((a, b) => a - b);
  assert.deepEqual(counts, [6, 6, 6, 7, 7]);
  assertSound(five, nodesUpTo(5), 4);
});

test('R31: a ring of 64, eight nodes to seven, whoever leaves: no violation, balanced', () => {
  const eight = claimOwners({ owners: ownedByFirst(64), nodes: nodesUpTo(8), targetN: 4 });
  for (let leaving = 0; leaving < 8; leaving += 1) {
    const nodes = nodesUpTo(8).filter((_, index) => index !== leaving);
    assertSound(claimOwners({ owners: eight, nodes, targetN: 4 }), nodes, 4);
  }
});

test('a claim without nodes, with a node twice, or with too long lists is refused', () => {
  const owners = ownedByFirst(8);
  assert.throws(() => claimOwners({ owners, nodes: [], targetN: 3 }), /somebody owns/);
  assert.throws(() => claimOwners({ owners, nodes: [nodeAt(1), nodeAt(1)], targetN: 3 }), /listed once/);
  assert.throws(() => claimOwners({ owners, nodes: nodesUpTo(2), targetN: 17 }), /short/);
});
