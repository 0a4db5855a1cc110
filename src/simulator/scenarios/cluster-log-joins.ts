/** Clusters that grow and shrink: who votes, and that everybody follows. */
import { nodeIdOf } from '../../environment/index.ts';
import type { Scenario } from '../scenario.ts';
import { ClusterNodes } from '../workloads/cluster-nodes.ts';

const sizeMax = 12;
const racks = 4;
const settleMsMax = 120_000;

export const clusterLogJoins: Scenario = {
  name: 'cluster-log-joins',
  describe: 'nodes join one after another, voters spread over the racks, and nodes leave again',
  seedsInCheck: 1,
  run: async (world) => {
    world.work.atLeast('joins', sizeMax - 1);
    world.work.atLeast('leaves', 3);
    const names = Array.from({ length: sizeMax }, (_, i) => `n${String(i).padStart(2, '0')}`);
    const rackOf = (name: string): string => `rack${Number(name.slice(1)) % racks}`;
    const nodes = new ClusterNodes(world, { ringSize: 64, locationOf: rackOf });
    nodes.boot(names[0]!);
    await nodes.until('the founder opens', () => nodes.opened().length === 1, 300);
    const present = [names[0]!];
    for (const name of names.slice(1)) {
      nodes.boot(name, [world.random.pick(present)]);
      await nodes.until(`${name} joins`, () => nodes.areMembers([...present, name]));
      await nodes.commitJoins(world.random.pick(present), [name]);
      present.push(name);
      await nodes.until(`${name} owns something`, () => nodes.isSettled(present), settleMsMax);
      world.work.add('joins');
    }
    const votersOf = (): readonly string[] => nodes.cluster(nodes.leader ?? '')?.log.status.voters ?? [];
    await nodes.until('seven vote', () => votersOf().length === 7, settleMsMax);
    const spread = new Set(votersOf().map(rackOf));
    if (spread.size !== racks) throw new Error(`voters are in ${spread.size} of ${racks} racks`);
    for (const leaving of world.random.pick([0, 1]) === 0 ? names.slice(0, 3) : names.slice(4, 7)) {
      present.splice(present.indexOf(leaving), 1);
      await nodes.commitLeave(world.random.pick(present), leaving);
      const isGone = (): boolean =>
        present.every((name) => !nodes.cluster(name)!.log.state.members.has(nodeIdOf(leaving)));
      await nodes.until(`${leaving} is gone`, isGone, settleMsMax);
      await nodes.until('it knows', () => nodes.cluster(leaving)!.log.isRemoved, settleMsMax);
      await nodes.until('the others are settled', () => nodes.isSettled(present), settleMsMax);
      world.work.add('leaves');
    }
    await nodes.until('seven vote again', () => votersOf().length === 7, settleMsMax);
  },
};
