/**
 * Followers of a change feed, through any node, from cursor to cursor, while keys are written and deleted, and nodes die,
 * are cut off, join and leave: in the end each follower has heard the present state of every key.
 */
import { byteLiteral } from '../../stdx/index.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import { quietClusterConfiguration } from '../workloads/cluster-configuration.ts';
import type { ClusterMember } from '../workloads/cluster-member.ts';
import { ClusterStage } from '../workloads/cluster-stage.ts';
import { FeedFollower, FeedWriters } from '../workloads/feed-clients.ts';
import type { World } from '../world.ts';
import { faultErrors } from './cluster-story.ts';

const bucket = 'followed';
const keys = 40;
const writersMax = 3;
const roundsMax = 4;
const jumpMsMax = 60_000;
const violationsShownMax = 5;
/** Until a feed has told of all that is there: it asks nodes that were away within seconds. */
const caughtUpMsMax = 120_000;
const watched = 'key7';

export const clusterFeed: Scenario = {
  name: 'cluster-feed',
  describe:
    'change feeds, with crashes, cuts, joins and leaves: each follower hears the last of every key, in order',
  async run(world) {
    const random = world.random.fork('scenario');
    world.work.atLeast('acked puts', 100);
    world.work.atLeast('acked deletes', 5);
    world.work.atLeast('events', 300);
    world.work.atLeast('resumed feeds', 5);
    world.work.atLeast('states compared', 50);
    const stage = new ClusterStage(world, {
      nodes: random.pick([3, 4, 5]),
      configuration: quietClusterConfiguration({
        ring_size: random.pick([8, 16]),
        'anti_entropy.interval': 5000,
        delete_mode: random.pick(['keep', 'immediate', 3000]),
        'feed.deletions.retention': random.pick([1000, 604_800_000]),
        'feed.trim.interval': 2000,
      }),
      startsMayFail: false,
    });
    await stage.form();
    await keepFeed(stage);
    const writers = new FeedWriters(world, {
      bucket,
      keys,
      pauseMsMean: 150,
      timeoutMs: 5000,
      expectedErrors: new Set(faultErrors),
    });
    const play = new FeedPlay(world, stage, writers);
    play.follow(new FeedFollower(world, bucket, 'start', undefined), () => true);
    play.follow(new FeedFollower(world, bucket, 'now', undefined), () => true);
    const key = { kind: 'key', name: byteLiteral(watched) } as const;
    play.follow(new FeedFollower(world, bucket, 'now', key), (name) => name === watched);
    const prefix = { kind: 'prefix', name: byteLiteral('key1') } as const;
    play.follow(new FeedFollower(world, bucket, 'start', prefix), (name) => name.startsWith('key1'));
    play.write();
    for (let round = 0; round < roundsMax; round += 1) {
      await world.sleep(random.exponential(3000));
      await strike(world, random, stage);
    }
    play.follow(new FeedFollower(world, bucket, 'start', undefined), () => true);
    await world.sleep(random.exponential(3000));
    await play.rest(random);
  },
};

interface Following {
  readonly follower: FeedFollower;
  readonly concerns: (key: string) => boolean;
  /** Writes that had begun when it had. */
  begunAt: number | undefined;
}

class FeedPlay {
  readonly #world: World;
  readonly #stage: ClusterStage;
  readonly #writers: FeedWriters;
  readonly #following: Following[] = [];
  readonly #reading: Promise<void>[] = [];
  readonly #writing: Promise<void>[] = [];
  #isWritten = false;
  #isOver = false;

  constructor(world: World, stage: ClusterStage, writers: FeedWriters) {
    this.#world = world;
    this.#stage = stage;
    this.#writers = writers;
  }

  write(): void {
    for (let i = 0; i < writersMax; i += 1) {
      const random = this.#world.random.fork(`writer ${i}`);
      this.#writing.push(
        this.#writers.run(
          random,
          () => this.#stage.settledMembers,
          () => this.#isWritten,
        ),
      );
    }
  }

  follow(follower: FeedFollower, concerns: (key: string) => boolean): void {
    const following: Following = { follower, concerns, begunAt: undefined };
    this.#following.push(following);
    const random = this.#world.random.fork(`follower ${this.#following.length}`);
    const isOver = (): boolean => {
      if (follower.hasBegun) following.begunAt ??= this.#writers.writes;
      return this.#isOver;
    };
    this.#reading.push(follower.run(random, () => this.#stage.settledMembers, isOver));
  }

  async rest(random: Prng): Promise<void> {
    this.#isWritten = true;
    await Promise.all(this.#writing);
    for (const { process } of this.#stage.members) if (!process.isUp) process.restart();
    await this.#stage.untilServing();
    await this.#stage.untilQuiet();
    const missing = await this.#untilHeard(random);
    this.#isOver = true;
    await Promise.all(this.#reading);
    const violations = [
      ...missing,
      ...this.#following.flatMap(({ follower }) => follower.knowledge.violations),
    ];
    if (violations.length === 0) return;
    const shown = violations.slice(0, violationsShownMax).join(' · ');
    throw new Error(`${violations.length} violations: ${shown}`);
  }

  /** What is still missing when it should not be. */
  async #untilHeard(random: Prng): Promise<readonly string[]> {
    const truths: {
      readonly follower: FeedFollower;
      readonly truth: ReadonlyMap<string, readonly number[]>;
    }[] = [];
    for (const { follower, concerns, begunAt } of this.#following) {
      const all = await this.#writers.truth(random, this.#stage.members, begunAt ?? Number.POSITIVE_INFINITY);
      const truth = new Map([...all].filter(([key]) => concerns(key)));
      this.#world.work.add('states compared', truth.size);
      truths.push({ follower, truth });
    }
    const missing = () => truths.flatMap(({ follower, truth }) => follower.knowledge.missing(truth));
    const end = this.#world.nowMs + caughtUpMsMax;
    while (missing().length > 0 && this.#world.nowMs < end) await this.#world.sleep(500);
    return missing();
  }
}

async function keepFeed(stage: ClusterStage): Promise<void> {
  const address = { bucketType: byteLiteral('default'), bucket: byteLiteral(bucket) };
  await stage.anyone.within(({ node }) =>
    node.store.setProperties(address, { allow_mult: true, feed: true }),
  );
  const isKnown = ({ present }: ClusterMember): boolean =>
    present.node.store.properties(address)?.feed === true;
  await stage.until('the feed is kept by all', () => stage.members.every(isKnown), 60_000);
}

async function strike(world: World, random: Prng, stage: ClusterStage): Promise<void> {
  const member = random.pick(stage.members);
  switch (random.below(5)) {
    case 0:
      member.end(random.pick(['kill', 'crash']));
      await world.sleep(random.exponential(10_000));
      if (!member.process.isUp) member.process.restart();
      await stage.untilServing();
      return;
    case 1: {
      const others = stage.members.filter((other) => other !== member);
      const heal = world.network.partition([
        [member.process.host],
        others.map(({ process }) => process.host),
      ]);
      await world.sleep(random.exponential(20_000));
      heal();
      return;
    }
    case 2:
      member.process.jumpClock(random.between(-jumpMsMax, jumpMsMax));
      world.work.add('jumps of a clock');
      return;
    case 3: {
      const newcomer = stage.boot();
      await stage.untilServing();
      await stage.join(newcomer, member);
      await stage.change([{ kind: 'join', node: newcomer.id }]);
      await stage.untilSettled();
      world.work.add('joins');
      return;
    }
    default:
      if (stage.members.length <= 3) return;
      await stage.change([{ kind: 'leave', node: member.id }]);
      await stage.untilGone(member);
      await stage.untilSettled();
      world.work.add('leaves');
  }
}
