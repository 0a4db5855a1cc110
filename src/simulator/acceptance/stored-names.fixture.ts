/** Twenty names with a value each, which a story stores at its beginning and looks for at its end. */
import assert from 'node:assert/strict';
import { quorumAll } from '../../kv/index.ts';
import type { ToldCluster } from './told-cluster.fixture.ts';

export const names = Array.from({ length: 20 }, (_, i) => `k${i}`);

export async function storeAll(cluster: ToldCluster, at: string): Promise<void> {
  for (const name of names) await cluster.store(at, name, `value of ${name}`, { w: quorumAll });
}

export async function assertAllThere(cluster: ToldCluster): Promise<void> {
  for (const at of cluster.letters) {
    for (const name of names) assert.deepEqual(await cluster.values(at, name), [`value of ${name}`]);
  }
}

export function idOf(cluster: ToldCluster, letter: string) {
  return cluster.member(letter).id;
}
