import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { nodeIdOf } from '../../environment/index.ts';
import { type PartitionFold, PartitionStoreError, type WriteGate } from '../handoff/index.ts';
import { type Partition, Ring } from '../ring/index.ts';
import { MemoryPartitions } from './memory-partitions.ts';
import type { Outcome } from './outcome.ts';
import { partitionsOfName } from './service-place.ts';

interface Greatest {
  readonly name: string;
  readonly value: number;
}

const self = nodeIdOf('a');
const ring = Ring.ownedByOne(1, 8, self);
const partition = 3 as Partition;
const names = Array.from({ length: 40 }, (_, i) => `name ${i}`);

function partitions(gate: WriteGate<Greatest>): MemoryPartitions<Greatest> {
  const context = { self, gate, partitionsOf: (name: string) => partitionsOfName(ring, name, 3) };
  return new MemoryPartitions<Greatest>(context, {
    nameOf: ({ name }) => name,
    merge: (one, other) => (one.value >= other.value ? one : other),
  });
}

const quiet: WriteGate<Greatest> = { isMoving: () => false, passed: (_p, _r, done) => done(true) };

function put(store: MemoryPartitions<Greatest>, name: string, value: number): Outcome<Greatest> {
  let outcome: Outcome<Greatest> | undefined;
  store.handle(partition, { name, value }, (one) => {
    outcome = one;
  });
  assert.ok(outcome !== undefined);
  return outcome;
}

async function namesOf(fold: PartitionFold): Promise<string[]> {
  const found: string[] = [];
  for (let slice = await fold.next(); slice !== undefined; slice = await fold.next()) {
    found.push(...slice.map((bytes) => (JSON.parse(bytes.toString()) as Greatest).name));
  }
  await fold.close();
  return found;
}

test('a request is merged, and answered with what came of it', () => {
  const store = partitions(quiet);
  put(store, 'n', 5);
  assert.deepEqual(put(store, 'n', 3), { kind: 'answer', answer: { name: 'n', value: 5 } });
  assert.deepEqual(put(store, 'n', 7), { kind: 'answer', answer: { name: 'n', value: 7 } });
});

test('a fold has what was there when it began, of those partitions that are asked for', async () => {
  const store = partitions(quiet);
  for (const name of names) put(store, name, 1);
  const fold = store.fold(partition, { sliceBytes: 50 });
  put(store, 'later', 1);
  assert.deepEqual(await namesOf(fold), names);
  const first = 5 as Partition;
  const ofFirst = names.filter((name) => partitionsOfName(ring, name, 3)[0] === first);
  assert.ok(ofFirst.length > 0 && ofFirst.length < names.length);
  const firstPartitions = new Set([first]);
  assert.deepEqual(await namesOf(store.fold(partition, { sliceBytes: 1000, firstPartitions })), ofFirst);
  const alsoIn = 6 as Partition;
  const shared = [...names, 'later'].filter((name) => partitionsOfName(ring, name, 3).includes(alsoIn));
  assert.deepEqual(await namesOf(store.fold(partition, { sliceBytes: 1000, alsoIn })), shared);
});

test('only what has not changed is forgotten; a drop forgets all', async () => {
  const store = partitions(quiet);
  put(store, 'same', 1);
  put(store, 'changed', 1);
  const slice = await store.fold(partition, { sliceBytes: 1000 }).next();
  put(store, 'changed', 2);
  await store.forget(partition, slice!);
  assert.deepEqual(await namesOf(store.fold(partition, { sliceBytes: 1000 })), ['changed']);
  assert.equal(await store.isEmpty(partition), false);
  await store.drop(partition);
  assert.equal(await store.isEmpty(partition), true);
});

test('what the gate does not let pass is refused, for requests and for what is handed over', async () => {
  const passed: Greatest[] = [];
  const shut: WriteGate<Greatest> = {
    isMoving: () => true,
    passed: (_partition, request, done) => {
      passed.push(request);
      done(false);
    },
  };
  const store = partitions(shut);
  assert.deepEqual(put(store, 'n', 5), { kind: 'failed', reason: 'refused' });
  put(store, 'n', 3);
  assert.deepEqual(passed[1], { name: 'n', value: 5 }, 'the whole of what is stored is forwarded');
  const isCode = (code: string) => (error: unknown) =>
    error instanceof PartitionStoreError && error.code === code;
  const item = Buffer.from(JSON.stringify({ name: 'n', value: 9 }));
  await assert.rejects(store.merge(partition, [item]), isCode('storage'));
  await assert.rejects(store.merge(partition, [Buffer.from('{')]), isCode('malformed'));
});
