/** Index queries and MapReduce while the cluster changes: docs/internals/acceptance.md has the rows. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import type { IndexRequest } from '../../kv/index.ts';
import {
  type Item,
  JobFailure,
  jsonOf,
  type KvError,
  KvFailure,
  keyField,
  MapReduce,
  parseJsonJob,
  quorumAll,
} from '../../kv/index.ts';
import { derivedRange } from '../../kv/vnode/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { encodeContent } from '../../wire/index.ts';
import type { ServingMember } from '../workloads/cluster-member.ts';
import { addressOf, story, type ToldCluster, usualBucket } from './told-cluster.fixture.ts';

/** A query asks one replica of each key. */
const everyDisk = { w: quorumAll, dw: quorumAll };
const names = Array.from({ length: 40 }, (_, i) => `k${String(i).padStart(2, '0')}`);
const sizeField = byteLiteral('colour_bin');
const term = byteLiteral('red');

async function storeIndexed(cluster: ToldCluster, at: string, key: string): Promise<void> {
  const indexes = [{ key: sizeField, value: term }];
  const content = encodeContent({
    value: Buffer.from('1'),
    links: [],
    userMeta: [],
    indexes,
    deleted: false,
  });
  await cluster.store(at, key, '', { content, ...everyDisk });
}

type Found = readonly string[] | KvError;

/** The keys of one query, page after page if `pageSize` is given. */
async function query(
  cluster: ToldCluster,
  at: string,
  request: Pick<IndexRequest, 'field' | 'range'>,
  pageSize?: number,
): Promise<Found> {
  const { bucketType, bucket } = addressOf('');
  const found = await cluster.member(at).within(async ({ node }) => {
    try {
      const keys: string[] = [];
      let continuation: IndexRequest['continuation'];
      do {
        const results = node.database.store.indexes.query({
          bucketType,
          bucket,
          ...request,
          ...(pageSize === undefined ? {} : { maxResults: pageSize }),
          ...(continuation === undefined ? {} : { continuation }),
        });
        for (let next = await results.next(); next !== undefined; next = await results.next())
          keys.push(...next.map(({ key }) => key));
        continuation = results.continuation;
      } while (continuation !== undefined);
      return keys;
    } catch (error) {
      if (!(error instanceof KvFailure)) throw error;
      return error.error;
    }
  });
  assert.ok(typeof found !== 'string', `${at} answers`);
  cluster.world.work.add('steps');
  return found;
}

const ofTerm = { field: sizeField, range: { kind: 'between', from: term, to: term } } as const;
const allKeys = { field: keyField, range: { kind: 'keys', from: byteLiteral('') } } as const;

/** Calls until the change is through. Returns how often. */
async function throughJoinAndLeave(
  cluster: ToldCluster,
  ask: (at: string) => Promise<void>,
): Promise<number> {
  let times = 0;
  const askAll = async (letters: readonly string[]): Promise<void> => {
    for (const at of letters) await ask(at);
    times += letters.length;
  };
  const newcomer = await cluster.boot();
  await cluster.join(newcomer);
  await cluster.stage.change([{ kind: 'join', node: cluster.member(newcomer).id }]);
  while (!cluster.stage.isSettled()) await askAll(cluster.letters);
  const a = cluster.member('a');
  await cluster.stage.change([{ kind: 'leave', node: a.id }]);
  const others = cluster.letters.filter((letter) => letter !== 'a');
  while (cluster.stage.state(cluster.member('b')).members.has(a.id)) await askAll(others);
  await cluster.stage.untilGone(a);
  await cluster.stage.untilSettled();
  await askAll(cluster.letters);
  return times;
}

story(
  'verify_2i_handoff: at every moment of a join and a leave a query finds every key once',
  { nodes: 3 },
  async (cluster) => {
    for (const name of names) await storeIndexed(cluster, 'a', name);
    const queries = await throughJoinAndLeave(cluster, async (at) => {
      assert.deepEqual(await query(cluster, at, ofTerm), names, `at ${at}`);
    });
    assert.ok(queries > 20, `${queries} queries`);
  },
);

story(
  'R63 2i-pages: pages of equal terms, taken while partitions move, hold every key once',
  { nodes: 3 },
  async (cluster) => {
    for (const name of names) await storeIndexed(cluster, 'a', name);
    const queries = await throughJoinAndLeave(cluster, async (at) => {
      assert.deepEqual(await query(cluster, at, ofTerm, 7), names, `at ${at}`);
    });
    assert.ok(queries > 10, `${queries} queries`);
  },
);

story(
  'verify_2i_aae: index entries that a disk has lost are found by a check, and are there again',
  { nodes: 3 },
  async (cluster) => {
    for (const name of names) await storeIndexed(cluster, 'a', name);
    for (const letter of cluster.letters) {
      const lost = await cluster.member(letter).within(async ({ engine, node }) => {
        const partitions = node.database.cluster.topology.ring.partitions();
        for (const partition of partitions) await engine.deleteRange(derivedRange(partition));
        return partitions.length;
      });
      assert.ok(Number(lost) > 0);
    }
    assert.deepEqual(await query(cluster, 'b', ofTerm), [], 'they are gone');
    for (const letter of cluster.letters) {
      await cluster.member(letter).within(async ({ node }) => node.database.indexUpkeep.checkAll());
    }
    const isChecked = (): boolean =>
      cluster.stage.members.every(({ present }) => present.node.database.indexUpkeep.status.waiting === 0);
    await cluster.stage.until('all is checked', isChecked, 60_000);
    for (const at of cluster.letters) {
      assert.deepEqual(await query(cluster, at, ofTerm), names);
      assert.deepEqual(await query(cluster, at, allKeys), names);
    }
  },
);

story(
  'verify_dollarkeyreap: $key gives no deleted key, before its tombstone is forgotten and after',
  { nodes: 3, fixed: { delete_mode: 5000 } },
  async (cluster) => {
    for (const name of names) await storeIndexed(cluster, 'a', name);
    const [gone, live] = [names.slice(0, 10), names.slice(10)];
    for (const name of gone) await cluster.delete('b', name, everyDisk);
    for (const at of cluster.letters) assert.deepEqual(await query(cluster, at, allKeys), live);
    await cluster.world.sleep(20_000);
    for (const at of cluster.letters) {
      assert.deepEqual(await query(cluster, at, allKeys), live);
      assert.deepEqual(await query(cluster, at, ofTerm), live);
      for (const name of gone) assert.deepEqual(await cluster.copies(at, name), new Map());
    }
  },
);

const settings = {
  jobsMax: 10,
  timeoutMs: 10_000,
  timeoutMsMax: 10_000,
  heldBytesMax: 2 ** 20,
  scriptMsMax: 1000,
  scriptMemoryBytesMax: 2 ** 20,
  requestBytesMax: 2 ** 20,
};
const values = {
  map: { language: 'erlang', module: 'riak_kv_mapreduce', function: 'map_object_value' },
};
const sum = {
  reduce: { language: 'erlang', module: 'riak_kv_mapreduce', function: 'reduce_count_inputs' },
};

function jobOn({ node, environment }: ServingMember): MapReduce {
  return new MapReduce({ environment, store: node.store, indexes: node.database.store.indexes, settings });
}

/** What the last phase yields, as JSON; or what the job failed with. */
async function run(
  cluster: ToldCluster,
  at: string,
  query: readonly unknown[],
  inputs: unknown = usualBucket,
): Promise<string> {
  const answer = await cluster.member(at).within(async (serving) => {
    const found: Item[] = [];
    const job = parseJsonJob(Buffer.from(JSON.stringify({ inputs, query })));
    try {
      const running = jobOn(serving).start(job, async (_, items) => {
        found.push(...items);
      });
      await running.done;
      return { result: `[${found.map(jsonOf).join()}]` };
    } catch (error) {
      if (!(error instanceof JobFailure)) throw error;
      return { result: error.problem.kind };
    }
  });
  assert.ok(typeof answer !== 'string', `${at} answers`);
  cluster.world.work.add('steps');
  return answer.result;
}

story(
  'verify_mr_prereduce_node_down: with a node down a job counts every key once',
  { nodes: 4 },
  async (cluster) => {
    for (const name of names) await cluster.store('a', name, '1', everyDisk);
    assert.equal(await run(cluster, 'b', [values, sum]), '[40]');
    cluster.stop('d');
    assert.match(await run(cluster, 'b', [values, sum]), /^(\[40\]|error|timeout)$/, 'whole, or not at all');
    await cluster.untilGivenUp('d');
    for (const at of ['a', 'b', 'c']) assert.equal(await run(cluster, at, [values, sum]), '[40]');
  },
);

story(
  'mapred_notfound_failover: primaries that have lost their copies do not make a job miss an object',
  { nodes: 3 },
  async (cluster) => {
    const inputs = names.map((name) => [usualBucket, name]);
    for (const name of names) await cluster.store('a', name, '1', everyDisk);
    let forgotten = 0;
    for (const name of names) {
      if ((await cluster.copies('b', name)).size === 0) continue;
      await cluster.forget('b', name);
      forgotten += 1;
    }
    assert.ok(forgotten > names.length / 2, `${forgotten} copies forgotten`);
    for (const at of cluster.letters)
      assert.equal(await run(cluster, at, [values, sum], inputs), '[40]', `at ${at}`);
  },
);

story(
  'mapred_dead_pipe: a job that its client gives up ends, and gives back what it held',
  { nodes: 3 },
  async (cluster) => {
    for (const name of names) await cluster.store('a', name, '1', everyDisk);
    const outcome = await cluster.member('b').within(async (serving) => {
      const mapReduce = jobOn(serving);
      const job = parseJsonJob(Buffer.from(JSON.stringify({ inputs: usualBucket, query: [values] })));
      let isGivenUp = false;
      const running = mapReduce.start(job, async () => assert.ok(!isGivenUp, 'nothing comes afterwards'));
      isGivenUp = true;
      running.cancel();
      try {
        await running.done;
        return 'it ended as if nothing had been';
      } catch (error) {
        if (!(error instanceof JobFailure)) throw error;
        return { kind: error.problem.kind, running: mapReduce.running };
      }
    });
    assert.deepEqual(outcome, { kind: 'cancelled', running: 0 });
    assert.equal(await run(cluster, 'b', [values, sum]), '[40]');
    cluster.world.work.add('steps');
  },
);
