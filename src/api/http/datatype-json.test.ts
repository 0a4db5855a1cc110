import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { updateOfJson } from './datatype-json.ts';
import { parseJson } from './ordered-json.ts';

test('an update has as many steps as a body holds', () => {
  const count = 200_000;
  const steps = new Array<string>(count).fill('{"add":""}').join(',');
  const { operation } = updateOfJson('set', parseJson(Buffer.from(`{"update":[${steps}]}`)));
  assert.ok(operation.kind === 'set');
  assert.equal(operation.steps.length, count);
  assert.deepEqual(operation.steps.at(-1), { kind: 'add', elements: [''] });
});
