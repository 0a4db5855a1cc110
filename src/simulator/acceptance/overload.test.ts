/** Ten times what a cluster can do, from clients who do not wait: docs/internals/acceptance.md has the row. */
import assert from 'node:assert/strict';
import { quorumAll } from '../../kv/index.ts';
import { story, type ToldCluster } from './told-cluster.fixture.ts';

const underWayMax = 16;
const syncMs = 100;
/** A second, at each node: a put waits for the sync under way, its own, and those of its replicas. */
const capacityMin = (underWayMax * 1000) / (4 * syncMs);
const tickMs = 10;
const usefulMsMax = 1000;

interface Asked {
  readonly key: string;
  readonly at: string;
  readonly kind: 'stored' | 'refused' | 'other';
  readonly tookMs: number;
}

/** Each put has a key of its own. */
async function offer(cluster: ToldCluster, name: string, perTick: number, forMs: number): Promise<Asked[]> {
  const asked: Promise<Asked>[] = [];
  const put = async (at: string, key: string): Promise<Asked> => {
    const beganMs = cluster.world.nowMs;
    const result = await cluster.put(at, key, 'v');
    const tookMs = cluster.world.nowMs - beganMs;
    if (result.kind === 'stored') return { key, at, kind: 'stored', tookMs };
    const isRefused = result.kind === 'failed' && result.error.code === 'overload';
    return { key, at, kind: isRefused ? 'refused' : 'other', tookMs };
  };
  for (let atMs = 0; atMs < forMs; atMs += tickMs) {
    for (const at of cluster.letters) {
      for (let i = 0; i < perTick; i += 1) asked.push(put(at, `${name}-${at}-${atMs}-${i}`));
    }
    await cluster.world.sleep(tickMs);
  }
  return Promise.all(asked);
}

const usefulOf = (all: readonly Asked[]) =>
  all.filter(({ kind, tookMs }) => kind === 'stored' && tookMs <= usefulMsMax).length;

story(
  'overload: at ten times the load as much is done as before, the rest is refused at once and never happened, and then all is well',
  { nodes: 3, fixed: { max_concurrent_requests: underWayMax } },
  async (cluster) => {
    for (const letter of cluster.letters) {
      const { disk } = cluster.member(letter).process;
      disk.conditions = { ...disk.conditions, syncMs };
    }
    const seconds = 2;
    const once = await offer(cluster, 'once', 1, seconds * 1000);
    const tenfold = await offer(cluster, 'tenfold', 10, seconds * 1000);
    assert.ok(usefulOf(once) >= capacityMin * cluster.letters.length * seconds, `${usefulOf(once)} at first`);
    assert.ok(usefulOf(tenfold) >= 0.9 * usefulOf(once), `${usefulOf(tenfold)} of ${usefulOf(once)}`);

    const refused = tenfold.filter(({ kind }) => kind === 'refused');
    assert.ok(refused.length > tenfold.length / 2, `${refused.length} of ${tenfold.length} were refused`);
    const atOnce = refused.filter(({ tookMs }) => tookMs < 10);
    assert.ok(atOnce.length > 0.95 * refused.length, `${atOnce.length} of ${refused.length} at once`);
    assert.deepEqual(
      tenfold.filter(({ kind }) => kind === 'other'),
      [],
    );
    await cluster.stage.untilQuiet();
    const step = Math.floor(refused.length / 100);
    for (const { key, at } of refused.filter((_, index) => index % step === 0)) {
      const result = await cluster.get(at, key, { r: quorumAll });
      assert.equal(result.kind, 'notfound', `${key} was refused`);
    }
    await cluster.world.sleep(5000);
    const calm = await offer(cluster, 'calm', 1, 50);
    assert.equal(usefulOf(calm), calm.length, 'after five seconds nothing is refused');
  },
);
