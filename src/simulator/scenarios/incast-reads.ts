/**
 * The product's reads through a shallow switch port: a coordinator that holds no replica reads large values from nodes
 * behind it, one value and two digests at a time (`kv/coordinator/remote-reads.ts`). `incast` shows what becomes of
 * three values. Then several readers at once, whose values would meet in that port: the coordinator asks for them in turn
 * (`kv/coordinator/large-read-pace.ts`). Real nodes, the real read path.
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
/** So that connections have found their rate, and that the coordinator has seen what comes of several readers. */
const readsBefore = 5;
const readsBeforeOfSeveral = 200;
const readsMeasured = 120;
const readsMeasuredOfSeveral = 400;
const readersAtOnce = 8;
const stallMs = 200;
const stallsMax = 3;
/** Of 400; without pacing 19 in the median. When it tries more at once, all that are under way may stall. */
const stallsMaxOfSeveral = 10;
/** With so many stalls; a collapse carries a third of it. One timer of 200 ms costs as much as fifty reads. */
const megabitsMin = 150;
/** Values through the port for each read: retransmissions and hedged reads are more than one; three would be three. */
const valuesMax = 1.6;

export const incastReads: Scenario = {
  name: 'incast-reads',
  describe: 'reads of large values bring them once through a shallow switch port, and do not wait for timers',
  seedsInCheck: 2,
  async run(world) {
    world.work.atLeast('measured reads', readsMeasured + readsMeasuredOfSeveral);
    const stage = new ClusterStage(world, {
      nodes,
      configuration: quietClusterConfiguration({ ring_size: 16 }),
    });
    await stage.form();
    const reader = stage.members.at(-1)!;
    const addresses = addressesNotAt(reader);
    for (const address of addresses) await put(stage.members[0]!, address);
    world.network.setPort(reader.process.host, shallowPort);
    const read = (address: ObjectAddress) => get(reader, address);
    await readAll(addresses, readsBefore, 1, read);
    const alone = await measure(world, reader, addresses, readsMeasured, 1);
    assert(alone <= stallsMax, `${alone} reads waited for a timer`);
    await readAll(addresses, readsBeforeOfSeveral, readersAtOnce, read);
    const several = await measure(world, reader, addresses, readsMeasuredOfSeveral, readersAtOnce);
    assert(several <= stallsMaxOfSeveral, `${several} reads of several at once waited for a timer`);
  },
};

async function readAll(
  addresses: readonly ObjectAddress[],
  reads: number,
  readers: number,
  read: (address: ObjectAddress) => Promise<void>,
): Promise<void> {
  let begun = 0;
  const reader = async (): Promise<void> => {
    while (begun < reads) await read(addresses[begun++ % keyCount]!);
  };
  await Promise.all(Array.from({ length: readers }, reader));
}

/** How many reads were stalled. */
async function measure(
  world: World,
  reader: ClusterMember,
  addresses: readonly ObjectAddress[],
  reads: number,
  readers: number,
): Promise<number> {
  const port = world.network.portTo(reader.process.host)!;
  const bytesBefore = port.admittedBytes;
  const startMs = world.nowMs;
  let stalls = 0;
  await readAll(addresses, reads, readers, async (address) => {
    const askedMs = world.nowMs;
    await get(reader, address);
    if (world.nowMs - askedMs >= stallMs) stalls += 1;
    world.work.add('measured reads');
  });
  const megabits = (reads * valueBytes * 8) / (world.nowMs - startMs) / 1000;
  const carried = (port.admittedBytes - bytesBefore) / (reads * valueBytes);
  const of = readers === 1 ? 'one reader' : `${readers} readers`;
  world.work.add(`Mbit/s of ${of}`, Math.round(megabits));
  world.work.add(`stalls of ${of}`, stalls);
  assert(carried < valuesMax, `a value travels once: ${carried} times`);
  assert(megabits >= megabitsMin, `${megabits} Mbit/s`);
  return stalls;
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
