import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Group } from './group.fixture.ts';

test('a group elects a leader and replicates', () => {
  const group = new Group('abc', { seed: 1 });
  group.awaitLeader();
  group.commit('x');
  group.commit('y');
  group.run(1000);
  for (const host of group.hosts.values()) assert.deepEqual(host.commands, ['x', 'y']);
  assert.equal(group.invariants.elections, 1);
});
