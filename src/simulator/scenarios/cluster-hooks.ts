/**
 * Buckets with commit hooks, and one whose siblings a function merges, while sandboxes fail in all the ways they can and
 * nodes die and are cut off: nothing is shown that a hook refused, and nothing acknowledged is lost.
 */
import { Buffer } from 'node:buffer';
import type { BucketPropertyChanges, KvError, PutResult } from '../../kv/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { encodeContent } from '../../wire/index.ts';
import { checkHooksHeld } from '../checkers/hooks-hold.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import { quietClusterConfiguration } from '../workloads/cluster-configuration.ts';
import type { ClusterMember } from '../workloads/cluster-member.ts';
import { ClusterStage } from '../workloads/cluster-stage.ts';
import { HookedClients } from '../workloads/hooked-clients.ts';
import { openScriptedSandbox } from '../workloads/scripted-sandbox.ts';
import { SiblingClients } from '../workloads/sibling-clients.ts';
import type { World } from '../world.ts';
import { faultErrors } from './cluster-story.ts';

const clientsMax = 5;
const roundsMax = 4;
const violationsShownMax = 5;
const hooked = 'hooked';
const merged = 'merged';
const functions = 'functions';

export const clusterHooks: Scenario = {
  name: 'cluster-hooks',
  describe: 'commit hooks and merge functions, with sandboxes and nodes that fail: nothing refused is shown',
  async run(world) {
    const random = world.random.fork('scenario');
    world.work.atLeast('acked puts to pass', 10);
    world.work.atLeast('acked puts to change', 5);
    world.work.atLeast('refused puts to refuse', 5);
    world.work.atLeast('refused puts to throw', 5);
    world.work.atLeast('refused puts to pass', 1);
    world.work.atLeast('refused deletes', 1);
    world.work.atLeast('post-commit hooks told', 10);
    world.work.atLeast('merges of siblings', 3);
    const expectedErrors = new Set<KvError['code']>([...faultErrors, 'precommit_fail']);
    const client = { pauseMsMean: 100, timeoutMs: 5000, expectedErrors };
    const clients = new HookedClients(world, { ...client, bucket: hooked });
    const siblings = new SiblingClients(world, { ...client, bucket: merged, keys: 5 });
    const sandbox = {
      functions: new Map([...clients.functions, ...siblings.functions]),
      callMsMean: random.pick([1, 20]),
      faultChance: random.pick([0.02, 0.1, 0.25]),
    };
    const stage = new ClusterStage(world, {
      nodes: random.pick([3, 4]),
      configuration: quietClusterConfiguration({
        ring_size: 8,
        'anti_entropy.interval': 5000,
        delete_mode: random.pick(['keep', 'immediate', 3000]),
      }),
      startsMayFail: false,
      openSandbox: ({ timers }, name) =>
        openScriptedSandbox(sandbox, world.random.fork(`sandboxes of ${name} at ${world.nowMs}`), timers),
    });
    await stage.form();
    await prepare(stage, [...sandbox.functions.keys()]);

    let isOver = false;
    const working = Array.from({ length: clientsMax }, (_, i) =>
      (i === 0 ? siblings : clients).run(
        world.random.fork(`client ${i}`),
        () => stage.members,
        () => isOver,
      ),
    );
    for (let round = 0; round < roundsMax; round += 1) {
      await world.sleep(random.exponential(5000));
      await strike(world, random, stage);
    }
    isOver = true;
    await Promise.all(working);
    for (const { process } of stage.members) if (!process.isUp) process.restart();
    await stage.untilServing();
    await stage.untilQuiet();
    const shown = await readAll(random, stage, clients);
    refuse([
      ...clients.violations,
      ...checkHooksHeld(clients.writes, shown, clients.told),
      ...(await siblings.checkAtRest(random, stage.members)),
    ]);
  },
};

async function prepare(stage: ClusterStage, sources: readonly string[]): Promise<void> {
  for (const source of sources) await store(stage.anyone, source);
  const named = (name: string) => ({ name: `${functions}/${name}` });
  const properties: readonly (readonly [string, BucketPropertyChanges])[] = [
    [hooked, { precommit: [named('guard'), named('sign')], postcommit: [named('tell')] }],
    [merged, { allow_mult: true, siblings_max: 3, merge_policy: named('unite') }],
  ];
  const addressOf = (bucket: string) => ({ bucketType: byteLiteral('default'), bucket: byteLiteral(bucket) });
  for (const [bucket, changes] of properties) {
    await stage.anyone.within(({ node }) => node.store.setProperties(addressOf(bucket), changes));
  }
  const isKnown = ({ present: { node } }: ClusterMember): boolean =>
    node.store.properties(addressOf(hooked))?.precommit.length === 2 &&
    node.store.properties(addressOf(merged))?.siblings_max === 3;
  await stage.until('properties are known', () => stage.members.every(isKnown), 60_000);
}

/** What stands for a source is its name. */
async function store(member: ClusterMember, source: string): Promise<void> {
  const content = { value: Buffer.from(source), links: [], userMeta: [], indexes: [], deleted: false };
  const put = {
    bucketType: byteLiteral('default'),
    bucket: byteLiteral(functions),
    key: byteLiteral(source),
    content: encodeContent(content),
  };
  const result = await member.ask<PutResult>((kv, done) => kv.put(put, done));
  if (typeof result === 'string' || result.kind === 'failed') throw new Error(`${source} was not stored`);
}

async function strike(world: World, random: Prng, stage: ClusterStage): Promise<void> {
  const member = random.pick(stage.members);
  if (random.chance(0.6)) {
    member.end(random.pick(['kill', 'crash']));
    await world.sleep(random.exponential(8000));
    if (!member.process.isUp) member.process.restart();
    return;
  }
  const others = stage.members.filter((other) => other !== member);
  const heal = world.network.partition([[member.process.host], others.map(({ process }) => process.host)]);
  await world.sleep(random.exponential(15_000));
  heal();
}

async function readAll(
  random: Prng,
  stage: ClusterStage,
  clients: HookedClients,
): Promise<ReadonlySet<string>> {
  const shown = new Set<string>();
  for (const write of clients.writes) {
    const found = await clients.read(random.pick(stage.members), write);
    if (found === undefined) throw new Error(`${write.key} cannot be read at rest`);
    if (found === 'shown') shown.add(write.key);
  }
  return shown;
}

function refuse(violations: readonly string[]): void {
  if (violations.length === 0) return;
  throw new Error(`${violations.length} violations: ${violations.slice(0, violationsShownMax).join(' · ')}`);
}
