/** Two operators plan from one state, and one of the plans arrives an hour late (C6). */

import { defaultOptions } from '../../consensus/index.ts';
import type { ClusterState } from '../../core/index.ts';
import { nodeIdOf } from '../../environment/index.ts';
import type { Scenario } from '../scenario.ts';
import { ClusterNodes, planFor } from '../workloads/cluster-nodes.ts';

const members = ['a', 'b', 'c'];
const newcomers = ['d', 'e'];
const hourMs = 3_600_000;
const msMax = 120_000;

export const delayedPlanner: Scenario = {
  name: 'delayed-planner',
  describe: 'of two plans made from one state exactly one takes effect, though the other comes an hour later',
  seedsInCheck: 2,
  run: async (world) => {
    world.work.atLeast('plans that took effect', 1);
    world.work.atLeast('plans refused', 1);
    // An hour of heartbeats proves nothing: they are rare here.
    const nodes = new ClusterNodes(world, {
      liveness: { intervalMs: 5000, timeoutMs: 2000, suspicionMs: 20_000 },
      log: { replica: { ...defaultOptions, heartbeatMs: 2000, electionTimeoutMs: 8000 } },
    });
    await nodes.form(members);
    for (const name of newcomers) nodes.boot(name, [members[0]!]);
    await nodes.until('all have joined', () => nodes.areMembers([...members, ...newcomers]), msMax);
    for (const name of newcomers) {
      await nodes.agree('a', { kind: 'stage', change: { kind: 'join', node: nodeIdOf(name) } });
    }
    const late = world.random.pick(members.filter((name) => name !== nodes.leader));
    const prompt = world.random.pick(members.filter((name) => name !== late));
    const knowsAll = (name: string): boolean => stateAt(nodes, name).staged.length === newcomers.length;
    await nodes.until('both know what is staged', () => knowsAll(late) && knowsAll(prompt), msMax);
    const planOfLate = planFor(nodes.cluster(late)!.log.state, []);

    // It leaves its node, and its node stops, before anybody else has got it.
    void nodes.cluster(late)!.propose(planOfLate, hourMs);
    world.node(late).pause();
    const planOfPrompt = planFor(stateAt(nodes, prompt), []);
    const outcome = await nodes.cluster(prompt)!.propose(planOfPrompt, msMax);
    if (outcome.kind !== 'applied') throw new Error(`the prompt plan: ${JSON.stringify(outcome)}`);
    world.work.add('plans that took effect');
    await world.sleep(hourMs);

    world.node(late).resume();
    await nodes.until('the late node follows', () => isSame(nodes, late, prompt), msMax);
    // Its proposal has arrived or was given up; its operator gives the same plan again.
    const again = await nodes.cluster(late)!.propose(planOfLate, 60_000);
    if (again.kind !== 'refused') throw new Error(`the late plan: ${again.kind}`);
    if (again.refusal.code !== 'plan_outdated') throw new Error(`refused for ${again.refusal.code}`);
    world.work.add('plans refused');
    // What the late node owned moves only now.
    await nodes.until('all moves are done', () => stateAt(nodes, late).moves.size === 0, msMax);
    const isAsPlanned = stateAt(nodes, late).owners.every((owner, i) => owner === planOfPrompt.owners[i]);
    if (!isAsPlanned) throw new Error('the late plan took effect');
  },
};

function stateAt(nodes: ClusterNodes, name: string): ClusterState {
  return nodes.cluster(name)!.log.state;
}

function isSame(nodes: ClusterNodes, one: string, other: string): boolean {
  return stateAt(nodes, one).epoch === stateAt(nodes, other).epoch;
}
