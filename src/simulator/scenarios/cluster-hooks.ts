/**
 * Buckets with commit hooks, and one whose siblings a function merges, while sandboxes fail in all the ways they can and
 * nodes die, are cut off, join and leave: nothing is shown that a hook refused, and nothing acknowledged is lost.
 */
import { Buffer } from 'node:buffer';
import type { BucketPropertyChanges, KvError, PutResult } from '../../kv/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { encodeContent } from '../../wire/index.ts';
import { checkHooksHeld } from '../checkers/hooks-hold.ts';
import { refuseViolations } from '../checkers/violations.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import { quietClusterConfiguration } from '../workloads/cluster-configuration.ts';
import type { ClusterMember } from '../workloads/cluster-member.ts';
import { ClusterStage } from '../workloads/cluster-stage.ts';
import { HookedClients } from '../workloads/hooked-clients.ts';
import { openScriptedSandbox } from '../workloads/scripted-sandbox.ts';
import { SiblingClients } from '../workloads/sibling-clients.ts';
import { faultErrors } from './cluster-story.ts';
import { workUnderStrikes } from './struck-cluster.ts';

const clientsMax = 5;
const roundsMax = 6;
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

    let begun = 0;
    await workUnderStrikes(stage, random, {
      clients: clientsMax,
      client: (own, isOver) => {
        begun += 1;
        return (begun === 1 ? siblings : clients).run(own, () => stage.settledMembers, isOver);
      },
      strikes: ['death', 'death', 'cut', 'join', 'leave'],
      downMsMean: 8000,
      cutMsMean: 15_000,
      rounds: roundsMax,
      pauseMsMean: 5000,
    });
    const shown = await readAll(random, stage, clients);
    refuseViolations([
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
