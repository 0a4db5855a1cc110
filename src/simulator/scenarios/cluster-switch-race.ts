/**
 * Writes in the moment in which a partition changes hands. Between the proposal of the old owner, that all is copied, and the
 * switch that everybody follows, a write counts only if the new owner has it (G3). So the cluster's leader pauses, which makes
 * that moment long, and the new owner dies, or loses its connections with the old one, so that writes do not get to it. Keys have
 * one replica: what the new owner lacks nobody has.
 */
import type { Move } from '../../core/index.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import type { ClusterMember } from '../workloads/cluster-member.ts';
import { ClusterPlay, calmCluster, faultErrors } from './cluster-story.ts';

const rounds = 2;
const clients = 8;
const resetPauseMsMean = 50;
const lookMs = 5;
/** By then the first copies are complete. */
const leaderPauseAfterMsMean = 20;
/** Of the connections between two owners: the others carry the copy on. */
const resetShare = 0.5;
/** In one change of members: a new owner that dies whenever it has begun to copy never ends, and nothing is learned by it. */
const strikesMax = 8;

class BreaksInMoves {
  readonly #play: ClusterPlay;
  readonly #random: Prng;
  #isOver = false;

  constructor(play: ClusterPlay, random: Prng) {
    this.#play = play;
    this.#random = random;
  }

  stop(): void {
    this.#isOver = true;
  }

  /** The leader pauses soon after partitions begin to move; when most are copied a new owner dies, and both come back. */
  async strikeSwitches(): Promise<void> {
    const { world, stage } = this.#play;
    for (let strikes = 0; strikes < strikesMax && !this.#isOver; ) {
      await world.sleep(lookMs);
      if (this.#copies().length === 0) continue;
      await world.sleep(this.#random.exponential(leaderPauseAfterMsMean));
      const leader = stage.members.find(({ serving }) => serving?.node.database.cluster.log.leads);
      if (leader === undefined) continue;
      strikes += 1;
      world.work.add('pauses of the leader');
      leader.process.pause();
      await world.sleep(this.#random.between(50, 300));
      const doomed = this.#newOwner(leader);
      doomed?.end('kill');
      await world.sleep(this.#random.between(100, 600));
      leader.process.resume();
      if (doomed === undefined) continue;
      world.work.add('deaths of new owners');
      await world.sleep(this.#random.exponential(200));
      if (!doomed.process.isUp) doomed.process.restart();
      await stage.untilServing([doomed]);
    }
  }

  async breakConnections(): Promise<void> {
    const { world, stage } = this.#play;
    while (!this.#isOver) {
      await world.sleep(this.#random.exponential(resetPauseMsMean));
      const copies = this.#copies();
      if (copies.length === 0) continue;
      const { from, to } = this.#random.pick(copies);
      const [old, coming] = [from, to].map((id) => stage.members.find((member) => member.id === id));
      if (old === undefined || coming === undefined) continue;
      world.network.resetConnections(old.process.host, coming.process.host, resetShare);
      world.work.add('breaks between owners');
    }
  }

  #newOwner(leader: ClusterMember): ClusterMember | undefined {
    const copies = this.#copies();
    if (copies.length === 0) return undefined;
    const { to } = this.#random.pick(copies);
    return this.#play.stage.members.find(
      (member) => member.id === to && member !== leader && member.isServing,
    );
  }

  #copies(): readonly Move[] {
    const { stage } = this.#play;
    const member = stage.members.find(({ isServing }) => isServing);
    if (member === undefined) return [];
    return [...stage.state(member).moves.values()].filter((move) => move.stage === 'copying');
  }
}

async function changeUnderBreaks(
  play: ClusterPlay,
  random: Prng,
  change: { readonly kind: 'join' | 'leave'; readonly node: ClusterMember },
): Promise<void> {
  const { stage } = play;
  await stage.change([{ kind: change.kind, node: change.node.id }]);
  const breaks = new BreaksInMoves(play, random);
  const breaking = Promise.all([breaks.strikeSwitches(), breaks.breakConnections()]);
  if (change.kind === 'leave') await stage.untilGone(change.node);
  else await stage.untilSettled();
  breaks.stop();
  await breaking;
}

export const clusterSwitchRace: Scenario = {
  name: 'cluster-switch-race',
  describe: 'writes while their partition changes hands and the new owner dies: none is lost',
  async run(world) {
    const random = world.random.fork('scenario');
    world.work.atLeast('breaks between owners', 5);
    world.work.atLeast('deaths of new owners', 1);
    world.work.atLeast('pauses of the leader', 1);
    const play = await ClusterPlay.begin(world, {
      ...calmCluster,
      nodes: random.pick([3, 4]),
      ringSize: random.pick([16, 32]),
      expectedErrors: faultErrors,
      fixed: { delete_mode: 'keep', transfer_limit: 16 },
      clients,
      client: {
        buckets: [{ name: 'lone', conflicts: 'siblings', nVal: 1 }],
        keysPerBucket: 60,
        blindPuts: 60,
        deletes: 0,
        pauseMsMean: 5,
      },
    });
    const { stage } = play;
    // Not those that are about to join: their own cluster of one has other properties.
    play.work(clients, () => stage.settledMembers);
    for (let round = 0; round < rounds; round++) {
      const newcomer = stage.boot();
      await stage.untilServing([newcomer]);
      await stage.join(newcomer, stage.members[0]!);
      await changeUnderBreaks(play, random.fork(`join ${round}`), { kind: 'join', node: newcomer });
      const leaver = random.pick(stage.members);
      await changeUnderBreaks(play, random.fork(`leave ${round}`), { kind: 'leave', node: leaver });
    }
    await play.rest();
  },
};
