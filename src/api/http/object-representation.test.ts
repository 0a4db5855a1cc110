import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import type { Content } from '../../wire/index.ts';
import { validatorsOf } from './object-representation.ts';

test('the validators of more siblings than the stack holds: the last modified counts', () => {
  const bare = { value: Buffer.alloc(0), links: [], userMeta: [], indexes: [], deleted: false };
  const contents = Array.from(
    { length: 200_000 },
    (_, at): Content => ({ ...bare, lastModifiedMicros: (at % 1000) * 1_000_000 }),
  );
  assert.equal(validatorsOf({ context: Buffer.from('c'), contents }).lastModifiedSeconds, 999);
});
