/**
 * Secondary indexes are asked while keys change, nodes die and partitions move: results are in order, each once, of
 * writes that were made, and of a key that rests just what it shows; or the query fails. At rest every node answers with
 * all of it, page by page as well, and what the disks keep beside objects is that of the objects.
 */
import { type KvError, KvFailure, keyField } from '../../kv/index.ts';
import { assert, byteLiteral } from '../../stdx/index.ts';
import { checkDerivedExact } from '../checkers/derived-exact.ts';
import { checkIndexEntries } from '../checkers/index-entries.ts';
import { carryOutFaults, randomFaultPlan } from '../fault-plan.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import { changePlaces } from '../workloads/change-places.ts';
import { indexOfWrites } from '../workloads/cluster-clients.ts';
import type { ClusterMember } from '../workloads/cluster-member.ts';
import type { World } from '../world.ts';
import { ClusterPlay, calmCluster, faultErrors } from './cluster-story.ts';

const bucketType = byteLiteral('default');
const bucket = byteLiteral('indexed');
const all = { kind: 'between', from: byteLiteral('0'), to: byteLiteral('999999999') } as const;
const timeoutMs = 5000;
const restingShare = 0.5;

interface Entry {
  readonly id: number;
  readonly key: string;
}

/** All entries, in pages if `pageSize` is given. */
async function query(
  member: ClusterMember,
  pageSize: number | undefined,
): Promise<readonly Entry[] | KvError | string> {
  return member.within(async ({ node }) => {
    const entries: Entry[] = [];
    try {
      let continuation: ReturnType<typeof byteLiteral> | undefined;
      do {
        const results = node.database.store.indexes.query({
          bucketType,
          bucket,
          field: indexOfWrites,
          range: all,
          timeoutMs,
          ...(pageSize === undefined ? {} : { maxResults: pageSize }),
          ...(continuation === undefined ? {} : { continuation }),
        });
        for (let next = await results.next(); next !== undefined; next = await results.next()) {
          for (const { term, key } of next) entries.push({ id: Number(term), key });
        }
        continuation = results.continuation;
      } while (continuation !== undefined);
      return entries;
    } catch (error) {
      if (!(error instanceof KvFailure)) throw error;
      return error.error;
    }
  });
}

class IndexStory {
  readonly #world: World;
  readonly #play: ClusterPlay;
  readonly #shown = new Map<string, readonly number[]>();

  constructor(world: World, play: ClusterPlay) {
    this.#world = world;
    this.#play = play;
  }

  /** Remembers what each key shows: to be called when all is at rest. */
  remember(): void {
    for (const key of this.#play.clients.keys) {
      const read = key.reads.at(-1);
      assert(read !== undefined, 'at rest every key is read');
      this.#shown.set(key.key, read.ids);
    }
  }

  /** One query of some node; judged if it was answered. */
  async ask(member: ClusterMember, pageSize: number | undefined, mustAnswer: boolean): Promise<void> {
    const { clients } = this.#play;
    const agreedAt = clients.agreedAt;
    const shown = new Map(this.#shown);
    const result = await query(member, pageSize);
    if (typeof result === 'string') return;
    if ('code' in result) {
      if (mustAnswer || !faultErrors.includes(result.code)) {
        throw new Error(`no fault explains the error ${JSON.stringify(result)}`);
      }
      this.#world.work.add('failed queries');
      return;
    }
    this.#world.work.add(pageSize === undefined ? 'queries' : 'paged queries');
    this.#world.record(member.name, 'index', `${result.length} entries`);
    // Pages are queries of their own: what changes between two of them may be seen twice, or not at all.
    if (pageSize !== undefined && !mustAnswer) return;
    const violations = checkIndexEntries(
      { endedAt: clients.nextMoment(), agreedAt, shown, entries: result },
      clients.keys,
    );
    if (violations.length > 0) throw new Error(violations.slice(0, 5).join(' · '));
  }

  async checkAtRest(random: Prng): Promise<void> {
    const { stage } = this.#play;
    for (const member of stage.members) {
      await this.ask(member, undefined, true);
      await this.ask(member, 1 + random.below(7), true);
      await this.#checkKeys(member);
      const checked = await member.within(({ engine, node }) =>
        checkDerivedExact(engine, node.database.cluster.topology.ring.partitions()),
      );
      assert(typeof checked !== 'string', 'in peace every node answers');
      if (checked.violations.length > 0) throw new Error(checked.violations.slice(0, 5).join(' · '));
      this.#world.work.add('entries compared', checked.entries);
    }
  }

  /** `$key`: what is live, and no tombstone. */
  async #checkKeys(member: ClusterMember): Promise<void> {
    const wanted = [...this.#shown].filter(([, ids]) => ids.length > 0).map(([key]) => key);
    const found = await member.within(async ({ node }) => {
      const range = { kind: 'keys', from: byteLiteral('') } as const;
      const results = node.database.store.indexes.query({ bucketType, bucket, field: keyField, range });
      const keys: string[] = [];
      for (let next = await results.next(); next !== undefined; next = await results.next()) {
        keys.push(...next.map(({ key }) => key));
      }
      return keys;
    });
    assert(typeof found !== 'string', 'in peace every node answers');
    if (found.join() === wanted.sort().join()) return;
    throw new Error(`$key gives ${found.join()}, and ${wanted.join()} are live`);
  }
}

async function indexQueries(world: World): Promise<void> {
  const random = world.random.fork('scenario');
  world.work.atLeast('queries', 20);
  world.work.atLeast('paged queries', 3);
  world.work.atLeast('entries compared', 10);
  const play = await ClusterPlay.begin(world, {
    ...calmCluster,
    nodes: random.pick([3, 4]),
    ringSize: random.pick([8, 16, 32]),
    expectedErrors: faultErrors,
    startsMayFail: true,
    fixed: { delete_mode: random.pick(['keep', 'immediate', 3000]), tombstone_pause: 100 },
    client: {
      buckets: [{ name: bucket, conflicts: 'siblings', nVal: 3 }],
      keysPerBucket: 24,
      isIndexed: true,
    },
  });
  const { stage } = play;
  const story = new IndexStory(world, play);
  play.work();
  await world.sleep(2000);
  await play.rest();
  story.remember();
  await story.checkAtRest(random);
  for (let round = 0; round < 2; round += 1) {
    let isOver = false;
    const askers = Array.from({ length: 2 }, async (_, i) => {
      const own = random.fork(`asker ${round} ${i}`);
      while (!isOver) {
        await world.sleep(own.exponential(100));
        const members = stage.settledOrDownMembers;
        if (members.length === 0) continue;
        await story.ask(own.pick(members), own.chance(0.2) ? 1 + own.below(7) : undefined, false);
      }
    });
    if (random.chance(restingShare)) play.work(2, () => stage.settledOrDownMembers);
    if (round === 0) {
      const plan = randomFaultPlan(random, {
        nodes: stage.names,
        kinds: ['kill', 'crash', 'pause', 'partition', 'slow-link', 'reset-connections', 'failing-sync'],
        untilMs: 6000,
        faultsMin: 2,
        gapMsMean: 1000,
        durationMsMean: 1500,
      });
      await carryOutFaults(world, plan);
    } else {
      await changePlaces(stage, random);
    }
    isOver = true;
    await Promise.all(askers);
    await play.rest();
    story.remember();
    await story.checkAtRest(random);
  }
}

export const clusterIndexQueries: Scenario = {
  name: 'cluster-index',
  describe: 'index queries find each entry once and no other, whatever befalls the cluster, or they fail',
  run: indexQueries,
};
