/**
 * Followers of a change feed, through any node, from cursor to cursor, while keys are written and deleted, and nodes die,
 * are cut off, join and leave: in the end each follower has heard the present state of every key.
 */
import { byteLiteral } from '../../stdx/index.ts';
import { refuseViolations } from '../checkers/violations.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import { quietClusterConfiguration } from '../workloads/cluster-configuration.ts';
import { ClusterStage } from '../workloads/cluster-stage.ts';
import { FeedFollower, FeedWriters } from '../workloads/feed-clients.ts';
import { StageStrikes } from '../workloads/stage-strikes.ts';
import type { World } from '../world.ts';
import { faultErrors } from './cluster-story.ts';

const bucket = 'followed';
const keys = 40;
const writersMax = 3;
const rounds = 4;
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
    await stage.setProperties(bucket, { allow_mult: true, feed: true });
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
    const kinds = ['death', 'cut', 'clock-jump', 'join', 'leave'] as const;
    const strikes = new StageStrikes(stage, random, kinds, { downMsMean: 10_000, cutMsMean: 20_000 });
    for (let round = 0; round < rounds; round += 1) {
      await world.sleep(random.exponential(3000));
      await strikes.strike();
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
    await this.#stage.mend();
    await this.#stage.untilQuiet();
    const missing = await this.#untilHeard(random);
    this.#isOver = true;
    await Promise.all(this.#reading);
    refuseViolations([
      ...missing,
      ...this.#following.flatMap(({ follower }) => follower.knowledge.violations),
    ]);
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
