/** What travels between the nodes of a cluster for a get and a put: counted in a simulated one, in which nothing else happens. */
import { Buffer } from 'node:buffer';
import type { GetResult, PutResult } from '../../kv/index.ts';
import { byteLiteral, bytesOfText } from '../../stdx/index.ts';
import { encodeContent } from '../../wire/index.ts';
import { World } from '../world.ts';
import { quietClusterConfiguration } from './cluster-configuration.ts';
import type { ClusterMember } from './cluster-member.ts';
import { ClusterStage } from './cluster-stage.ts';

const requests = 200;
/** Between one request and the next: what the one sends behind its answer is not the next one's. */
const pauseMs = 20;
const restMs = 20_000;
const valueBytes = 100;
const ringSize = 64;
const diskBytes = 2 ** 36;

/** For one operation, on average. */
export interface Traffic {
  readonly messages: number;
  readonly bytes: number;
}

export async function countTraffic(nodes: number): Promise<{ readonly get: Traffic; readonly put: Traffic }> {
  const world = new World({ seed: 1, engine: 'memory' });
  let counted: { readonly get: Traffic; readonly put: Traffic } | undefined;
  await world.run(async () => {
    const configuration = quietClusterConfiguration({ ring_size: ringSize });
    const stage = new ClusterStage(world, { nodes, configuration });
    await stage.form();
    for (const { disk } of world.nodes) disk.conditions = { ...disk.conditions, capacityBytes: diskBytes };
    await world.sleep(restMs);
    const before = world.network.traffic;
    await world.sleep(restMs);
    const after = world.network.traffic;
    const atRest = {
      messages: (after.writes - before.writes) / restMs,
      bytes: (after.bytes - before.bytes) / restMs,
    };
    const put = await countRequests(world, stage.members, atRest, putAt);
    const get = await countRequests(world, stage.members, atRest, getAt);
    counted = { get, put };
  });
  if (counted === undefined) throw new Error('the simulation ended before its time');
  return counted;
}

/** `atRest` is for each millisecond. */
async function countRequests(
  world: World,
  members: readonly ClusterMember[],
  atRest: Traffic,
  request: (member: ClusterMember, index: number) => Promise<void>,
): Promise<Traffic> {
  const before = world.network.traffic;
  const startedAtMs = world.nowMs;
  for (let index = 0; index < requests; index += 1) {
    await request(members[index % members.length]!, index);
    await world.sleep(pauseMs);
  }
  const after = world.network.traffic;
  const tookMs = world.nowMs - startedAtMs;
  return {
    messages: (after.writes - before.writes - atRest.messages * tookMs) / requests,
    bytes: (after.bytes - before.bytes - atRest.bytes * tookMs) / requests,
  };
}

function addressOf(index: number) {
  const key = bytesOfText(`key-${String(index).padStart(10, '0')}`);
  return { bucketType: byteLiteral('default'), bucket: byteLiteral('bench'), key };
}

const content = encodeContent({
  value: Buffer.alloc(valueBytes, 'x'),
  links: [],
  userMeta: [],
  indexes: [],
  deleted: false,
});

async function putAt(member: ClusterMember, index: number): Promise<void> {
  const result = await member.ask<PutResult>((store, done) =>
    store.put({ ...addressOf(index), content }, done),
  );
  if (typeof result === 'string' || result.kind !== 'stored') throw new Error('a put failed');
}

async function getAt(member: ClusterMember, index: number): Promise<void> {
  const result = await member.ask<GetResult>((store, done) => store.get(addressOf(index), done));
  if (typeof result === 'string' || result.kind !== 'found') throw new Error('a get found nothing');
}
