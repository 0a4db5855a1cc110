import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { actorId, VersionVector } from '../../clocks/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { makeObject, type VersionedObject, versionDigest } from '../object/index.ts';
import { VersionSearch } from './version-search.ts';

const actor = actorId(byteLiteral('vnode--1'), 1);
const content = Buffer.from([0x0a, 0x01, 0x76]);
const versions = [1, 2, 3].map((counter) =>
  makeObject(VersionVector.of([{ actor, counter, seconds: 0 }]), [{ dot: { actor, counter }, content }]),
);

test('D1–D4: whatever comes in whatever order, each version travels once, and every replica is resolved', () => {
  const worlds = fc.record({
    held: fc.array(fc.nat({ max: 2 }), { minLength: 1, maxLength: 5 }),
    order: fc.infiniteStream(fc.nat()),
    failing: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
  });
  fc.assert(
    fc.property(worlds, ({ held, order, failing }) => {
      const search = new VersionSearch(held.length);
      const resolved = new Map<number, VersionedObject | 'failed'>();
      const transfers: number[] = [];
      const asked: number[] = [];
      // The nearest is asked for its object, the others for digests; answers come in any order.
      const pending: (() => void)[] = [];
      const settle = (position: number, object: VersionedObject): void => {
        search.settled(position);
        resolved.set(position, object);
        for (const other of search.object(object)) resolved.set(other, object);
        askWanted();
      };
      const askObject = (position: number): void => {
        assert.ok(!asked.includes(position), 'D4');
        asked.push(position);
        search.asking(position);
        pending.push(() => {
          search.answered(position);
          if (failing[position]) {
            search.settled(position);
            resolved.set(position, 'failed');
            askWanted();
            return;
          }
          transfers.push(held[position]);
          settle(position, versions[held[position]]);
        });
      };
      const askWanted = (): void => {
        const wanted = search.wanted();
        const digests = wanted.map((position) => held[position]);
        assert.equal(new Set(digests).size, digests.length, 'D3');
        for (const position of wanted) askObject(position);
      };
      askObject(0);
      for (let position = 1; position < held.length; position += 1) {
        pending.push(() => {
          const known = search.digest(position, versionDigest(versions[held[position]]));
          if (known === undefined) askWanted();
          else resolved.set(position, known);
        });
      }
      while (pending.length > 0) {
        const [next] = pending.splice(order.next().value % pending.length, 1);
        next();
      }
      for (const [position, version] of held.entries()) {
        const found = resolved.get(position);
        assert.ok(found !== undefined, `replica ${position} is resolved`);
        if (found !== 'failed') assert.equal(found, versions[version]);
        else assert.ok(asked.includes(position));
      }
      // The nearest may be late with a version that another has sent meanwhile; nothing else comes twice.
      const repeated = transfers.length - new Set(transfers).size;
      assert.ok(repeated <= 1, transfers.join());
    }),
    { numRuns: 2000 },
  );
});

test('D2: while the first object is on its way nobody else is asked; once one is here, whoever differs is', () => {
  const search = new VersionSearch(3);
  search.asking(0);
  search.digest(1, versionDigest(versions[0]));
  search.digest(2, versionDigest(versions[1]));
  assert.deepEqual(search.wanted(), []);
  // A hedge: replica 0 has still not answered.
  search.asking(1);
  search.answered(1);
  search.settled(1);
  search.object(versions[0]);
  assert.deepEqual(search.wanted(), [2]);
});
