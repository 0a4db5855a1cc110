import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type NodeId, nodeIdOf } from '../../environment/index.ts';
import { Prng } from '../../simulator/index.ts';
import { Rotation } from './rotation.ts';

function rotationOf(count: number, seed: number): { rotation: Rotation; nodes: NodeId[] } {
  const rotation = new Rotation(new Prng(seed));
  const nodes = Array.from({ length: count }, (_, i) => nodeIdOf(`n${i}`));
  for (const node of nodes) rotation.add(node);
  return { rotation, nodes };
}

const everyone = (): boolean => true;

test('SWIM §4.3: each member is probed once in each round, in an order drawn anew', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(), (count, seed) => {
      const { rotation, nodes } = rotationOf(count, seed);
      const rounds = [1, 2, 3].map(() => nodes.map(() => rotation.next(everyone)!));
      for (const round of rounds) assert.deepEqual(round.toSorted(), nodes.toSorted());
      if (count > 10) assert.notDeepEqual(rounds[1], rounds[2]);
    }),
  );
});

test('law: whatever is added and removed, nobody waits for more than two rounds', () => {
  fc.assert(
    fc.property(fc.nat(), fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 60 }), (seed, steps) => {
      const { rotation, nodes } = rotationOf(5, seed);
      const waited = new Map(nodes.map((node) => [node, 0]));
      let largest = 5;
      let born = 5;
      for (const step of steps) {
        if (step === 0) {
          const node = nodeIdOf(`n${born++}`);
          rotation.add(node);
          waited.set(node, 0);
        } else if (step === 1 && waited.size > 1) {
          const node = [...waited.keys()][seed % waited.size]!;
          rotation.remove(node);
          waited.delete(node);
        } else {
          const next = rotation.next(everyone)!;
          assert.ok(waited.has(next), 'who was removed is not probed');
          for (const [node, turns] of waited) waited.set(node, node === next ? 0 : turns + 1);
        }
        largest = Math.max(largest, waited.size);
        for (const turns of waited.values()) assert.ok(turns <= 2 * largest);
      }
    }),
  );
});

test('who is not wanted is passed over', () => {
  const { rotation, nodes } = rotationOf(4, 1);
  for (let i = 0; i < 10; i += 1)
    assert.equal(
      rotation.next((node) => node === nodes[2]),
      nodes[2],
    );
  assert.equal(
    rotation.next(() => false),
    undefined,
  );
  assert.equal(new Rotation(new Prng(1)).next(everyone), undefined);
});

test('a draw has no doubles, and every member is drawn about as often', () => {
  for (const count of [4, 200]) {
    const { rotation, nodes } = rotationOf(count, 7);
    const times = new Map<NodeId, number>();
    const draws = count * 100;
    for (let i = 0; i < draws; i += 1) {
      const drawn = rotation.draw(3, (node) => node !== nodes[0]);
      assert.equal(new Set(drawn).size, 3);
      for (const node of drawn) times.set(node, (times.get(node) ?? 0) + 1);
    }
    assert.equal(times.size, count - 1);
    const expected = (3 * draws) / (count - 1);
    for (const each of times.values()) assert.ok(Math.abs(each - expected) < expected / 3, `${each}`);
  }
  const { rotation, nodes } = rotationOf(4, 7);
  assert.deepEqual(rotation.draw(9, everyone).toSorted(), nodes);
});
