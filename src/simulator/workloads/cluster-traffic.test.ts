import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countTraffic } from './cluster-traffic.ts';

/**
 * Of three nodes: a put goes to two replicas, and each says when it has stored it; a get asks one other, and every tenth
 * asks two. What follows an answer, and what the rings' seams add, is less than half as much again.
 */
test('an operation travels as often as its quorum says', async () => {
  const { get, put } = await countTraffic(3);
  assert.ok(put.messages >= 3.5 && put.messages <= 6, `${put.messages} messages for a put`);
  assert.ok(get.messages >= 1.8 && get.messages <= 3, `${get.messages} messages for a get`);
  assert.ok(put.bytes > 200 && put.bytes < 2000, `${put.bytes} bytes for a put`);
});
