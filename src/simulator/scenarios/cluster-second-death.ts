/**
 * One of three nodes is away, and then a second one dies: what it had acknowledged the third one has, and shows at once (W8).
 * The node that stands in for the one who is away is one of the two that are left, so a coordinator could meet a quorum
 * alone, as a replica and as a fallback, while its message to the other is still on a slow link.
 */
import type { Scenario } from '../scenario.ts';
import { nothingSeen } from '../workloads/cluster-clients.ts';
import type { ClusterMember } from '../workloads/cluster-member.ts';
import { ClusterPlay, calmCluster, faultErrors } from './cluster-story.ts';

const detectedMsMax = 60_000;
const writers = 6;
const slowLink = { floorMs: 0.05, jitterMs: 100, bytesPerMs: 1_000_000 };

function setLinks(play: ClusterPlay, a: ClusterMember, b: ClusterMember, isSlow: boolean): void {
  const { network } = play.world;
  const conditions = isSlow ? slowLink : { ...slowLink, jitterMs: 0.05 };
  network.setLink(a.process.host, b.process.host, conditions);
  network.setLink(b.process.host, a.process.host, conditions);
}

export const clusterSecondDeath: Scenario = {
  name: 'cluster-second-death',
  describe: 'with one of three nodes away a second one dies, and the third has all that was acknowledged',
  async run(world) {
    const random = world.random.fork('scenario');
    world.work.atLeast('reads at the last node', 30);
    const play = await ClusterPlay.begin(world, {
      ...calmCluster,
      ringSize: 16,
      configurations: 'quiet',
      expectedErrors: faultErrors,
      fixed: { delete_mode: 'keep' },
      // Two nodes that do not hear each other acknowledge few.
      ackedPutsMin: 10,
      client: {
        buckets: [{ name: 'siblings', conflicts: 'siblings', nVal: 3 }],
        keysPerBucket: 30,
        entersReads: true,
      },
    });
    const { stage, clients } = play;
    const { ring } = stage.anyone.present.node.database.cluster.topology;
    // No ring of three nodes has three owners for every key.
    const keys = clients.keys.filter(({ bucket, key }) => {
      const owners = play.replicasOf(`${bucket}/${key}`).map((partition) => ring.ownerOf(partition));
      return new Set(owners).size === 3;
    });
    for (let round = 0; round < 3; round++) {
      const away = random.pick(stage.members);
      const doomed = random.pick(stage.members.filter((member) => member !== away));
      const last = stage.members.find((member) => member !== away && member !== doomed)!;
      away.end('kill');
      const isKnown = ({ present }: ClusterMember): boolean =>
        !present.node.database.cluster.topology.isUp(away.id);
      await stage.until('it is known who is away', () => isKnown(doomed) && isKnown(last), detectedMsMax);
      setLinks(play, doomed, last, true);
      let isOver = false;
      const writing = Array.from({ length: writers }, async (_, i) => {
        const own = random.fork(`writer ${i}`);
        while (!isOver) {
          await clients.put(own.pick([doomed, doomed, last]), own.pick(keys), own, nothingSeen);
          await world.sleep(own.exponential(10));
        }
      });
      await world.sleep(1000 + random.exponential(1000));
      isOver = true;
      doomed.end(random.pick(['kill', 'crash']));
      for (const key of keys) {
        if ((await clients.read(last, key)) !== undefined) world.work.add('reads at the last node');
      }
      await Promise.all(writing);
      setLinks(play, doomed, last, false);
      away.process.restart();
      doomed.process.restart();
      await stage.untilServing();
      await stage.untilQuiet();
    }
    await play.rest();
  },
};
