/** Two processes become one system. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HaleCluster } from './hale-cluster.ts';

test('two processes join; what one writes the other reads', async (context) => {
  const started = performance.now();
  await using cluster = await HaleCluster.start({ size: 2 });
  context.diagnostic(`formed after ${Math.round(performance.now() - started)} ms`);
  const [one, two] = cluster.nodes;
  using writer = await one!.connect();
  using reader = await two!.connect();
  for (let number = 0; number < 200; number += 1) {
    await writer.put('b', `k${number}`, Buffer.from(`v${number}`));
    const { values } = await reader.get('b', `k${number}`);
    assert.deepEqual(values.map(String), [`v${number}`]);
  }
  cluster.assertSound();
});
