import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BucketPropertyChanges, defaultBucketProperties } from './bucket-properties.ts';
import { changesOfJson, changesToJson, jsonOfStored, overlaid, storedJson } from './stored-properties.ts';

test('what a bucket says of its own is read back, also where it says what is the default', () => {
  const { custom: _, ...defaults } = defaultBucketProperties;
  const type = {
    ...defaultBucketProperties,
    ttl: 60,
    feed: true,
    siblings_max: 3,
    conditional: 'serialised' as const,
  };
  const others: BucketPropertyChanges = { merge_policy: { name: 'functions/merge' }, allow_mult: true };
  for (const changes of [defaults, others, { custom: new Map([['mine', 'v']]) }]) {
    const stored = storedJson(changesToJson(overlaid(type, changes), changes));
    assert.deepEqual(changesOfJson(jsonOfStored(stored)), changes);
  }
});
