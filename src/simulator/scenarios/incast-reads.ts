/**
 * The product's reads through a shallow switch port: a coordinator that holds no replica reads large values from nodes
 * behind it, one value and two digests at a time (`kv/coordinator/remote-reads.ts`). `incast` shows what becomes of
 * three values. Real nodes, the real read path.
 */
import { Buffer } from 'node:buffer';
import { NameHash } from '../../kv/coordinator/index.ts';
import type { GetResult, ObjectAddress, PutResult } from '../../kv/index.ts';
import { assert, byteLiteral } from '../../stdx/index.ts';
import { encodeContent } from '../../wire/index.ts';
import type { Scenario } from '../scenario.ts';
import { quietClusterConfiguration } from '../workloads/cluster-configuration.ts';
import type { ClusterMember } from '../workloads/cluster-member.ts';
import { ClusterStage } from '../workloads/cluster-stage.ts';
import type { World } from '../world.ts';
import { shallowPort } from './incast.ts';

const nodes = 4;
const valueBytes = 256 * 1024;
const keyCount = 8;
const readsBefore = 5;
const readsMeasured = 120;
const stallMs = 200;
const stallsMax = 3;
/** With so many stalls; a collapse carries a third of it. One timer of 200 ms costs as much as fifty reads. */
const megabitsMin = 150;
/** Values through the port for each read: retransmissions and hedged reads are more than one; three would be three. */
const valuesMax = 1.6;

export const incastReads: Scenario = {
  name: 'incast-reads',
  describe:
    'a read of a large value brings it once through a shallow switch port, and does not wait for timers',
  seedsInCheck: 2,
  async run(world) {
    world.work.atLeast('measured reads', readsMeasured);
    const stage = new ClusterStage(world, {
      nodes,
      configuration: quietClusterConfiguration({ ring_size: 16 }),
    });
    await stage.form();
    const reader = stage.members.at(-1)!;
    const addresses = addressesNotAt(reader);
    for (const address of addresses) await put(stage.members[0]!, address);
    world.network.setPort(reader.process.host, shallowPort);
    for (let i = 0; i < readsBefore; i++) await get(reader, addresses[i % keyCount]!);
    await measure(world, reader, addresses);
  },
};

async function measure(
  world: World,
  reader: ClusterMember,
  addresses: readonly ObjectAddress[],
): Promise<void> {
  const port = world.network.portTo(reader.process.host)!;
  const bytesBefore = port.admittedBytes;
  const startMs = world.nowMs;
  let stalls = 0;
  for (let i = 0; i < readsMeasured; i++) {
    const askedMs = world.nowMs;
    await get(reader, addresses[i % keyCount]!);
    if (world.nowMs - askedMs >= stallMs) stalls += 1;
    world.work.add('measured reads');
  }
  const megabits = (readsMeasured * valueBytes * 8) / (world.nowMs - startMs) / 1000;
  const carried = (port.admittedBytes - bytesBefore) / (readsMeasured * valueBytes);
  world.work.add('Mbit/s', Math.round(megabits));
  world.work.add('stalls', stalls);
  assert(carried < valuesMax, `a value travels once: ${carried} times`);
  assert(stalls <= stallsMax, `${stalls} reads waited for a timer`);
  assert(megabits >= megabitsMin, `${megabits} Mbit/s`);
}

/** Names of which the node holds no replica. */
function addressesNotAt({ id, present }: ClusterMember): readonly ObjectAddress[] {
  const { topology } = present.node.database.cluster;
  const hash = new NameHash();
  const addresses: ObjectAddress[] = [];
  for (let i = 0; addresses.length < keyCount; i++) {
    const key = byteLiteral(`large ${i}`);
    const address = { bucketType: byteLiteral('default'), bucket: byteLiteral('values'), key };
    const list = topology.preferenceList(topology.ring.partitionOf(hash.of(address, false)), 3);
    if (!list.some(({ node }) => node === id)) addresses.push(address);
  }
  return addresses;
}

async function put(member: ClusterMember, address: ObjectAddress): Promise<void> {
  const value = Buffer.alloc(valueBytes, 7);
  const content = encodeContent({ value, links: [], userMeta: [], indexes: [], deleted: false });
  const result = await member.ask<PutResult>((store, done) => store.put({ ...address, content }, done));
  assert(typeof result !== 'string' && result.kind === 'stored', 'the value is stored');
}

async function get(member: ClusterMember, address: ObjectAddress): Promise<void> {
  const result = await member.ask<GetResult>((store, done) => store.get(address, done));
  const isThere = typeof result !== 'string' && result.kind === 'found';
  assert(isThere && result.object.sizeBytes > valueBytes, 'the value is read');
}
