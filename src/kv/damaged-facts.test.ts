import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import type { Partition } from '../core/ring/index.ts';
import { type StorageEngine, StorageError } from '../storage/index.ts';
import { ExpiryTimes, nodeFactKey, stateOfFact } from './vnode/index.ts';

const fact = nodeFactKey('a fact');

function engineThat(get: () => Buffer | undefined): StorageEngine {
  return { get } as unknown as StorageEngine;
}

function refusing(code: 'corrupt' | 'io'): StorageEngine {
  return engineThat(() => {
    throw new StorageError(code, 'it cannot be read');
  });
}

test('a fact is there, is missing, or is damaged; a disk that refuses is none of these', () => {
  assert.equal(
    stateOfFact(
      engineThat(() => Buffer.alloc(0)),
      fact,
    ),
    'there',
  );
  assert.equal(
    stateOfFact(
      engineThat(() => undefined),
      fact,
    ),
    'missing',
  );
  assert.equal(stateOfFact(refusing('corrupt'), fact), 'damaged');
  assert.throws(() => stateOfFact(refusing('io'), fact), { code: 'io' });
});

test('where it cannot be read whether anything expires, something may have', () => {
  const times = new ExpiryTimes(refusing('corrupt'));
  assert.ok(times.isUsed);
  assert.ok(times.hasExpired(0 as Partition, 0));
});
