/**
 * What every stream must keep under every network fault:
 *   N1. What arrives is a prefix of what was sent.
 *   N2. A stream that both sides closed without error arrived whole.
 *   N3. Every connection is told exactly once that it closed.
 *   N4. A chunk may be overwritten after `data`, a writer's bytes are not.
 */
import { Buffer } from 'node:buffer';
import type { Environment } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import { carryOutFaults, networkFaults, randomFaultPlan } from '../fault-plan.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import { keepAliveMsMax } from '../simulated-network.ts';
import type { World } from '../world.ts';

const nodes = ['a', 'b', 'c'];
const port = 7000;
const streamsPerNode = 40;
const headerBytes = 4;

interface Stream {
  readonly sent: Buffer;
  arrived: number;
  receiverClosed: 'no' | 'in order' | 'broken';
  senderClosed: 'no' | 'in order' | 'broken';
}

export const networkLaws: Scenario = {
  name: 'network-laws',
  describe: 'streams are ordered and reliable until they are cut, and both ends learn of the cut',
  async run(world) {
    world.work.atLeast('streams', nodes.length * streamsPerNode);
    world.work.atLeast('bytes', 500_000);
    world.work.atLeast('whole streams', 30);
    world.work.atLeast('faults', 5);
    const streams: Stream[] = [];
    for (const name of nodes) await listen(world, name, streams);
    const faults = randomFaultPlan(world.random.fork('faults'), {
      nodes,
      kinds: [...networkFaults, 'pause'],
      untilMs: 3000,
      gapMsMean: 150,
      durationMsMean: 300,
    });
    await Promise.all([
      carryOutFaults(world, faults),
      ...nodes.map((name) => sendStreams(world, name, streams)),
    ]);
    // By then the last half-open connection was found out.
    await world.sleep(2 * keepAliveMsMax);
    for (const [id, stream] of streams.entries()) checkStream(world, id, stream);
    assert(world.network.connectionCount === 0, 'no connection is left');
  },
};

function checkStream(world: World, id: number, stream: Stream): void {
  const { senderClosed, receiverClosed } = stream;
  assert(senderClosed !== 'no', `N3: the sender of stream ${id} was told of its end`);
  const isWhole = senderClosed === 'in order' && receiverClosed === 'in order';
  if (!isWhole) return;
  world.work.add('whole streams');
  assert(stream.arrived === stream.sent.length, `N2: stream ${id} arrived whole`);
}

async function listen(world: World, name: string, streams: Stream[]): Promise<void> {
  const { network } = world.node(name).environment;
  await network.listen({ host: name, port }, (connection) => {
    let stream: Stream | undefined;
    let header: Buffer = Buffer.alloc(0);
    return {
      data: (chunk) => {
        let bytes = chunk;
        if (stream === undefined) {
          const wanted = headerBytes - header.length;
          header = Buffer.concat([header, bytes.subarray(0, wanted)]);
          bytes = bytes.subarray(wanted);
          if (header.length < headerBytes) return;
          stream = streams[header.readUInt32LE(0)]!;
        }
        const expected = stream.sent.subarray(stream.arrived, stream.arrived + bytes.length);
        assert(expected.equals(bytes), 'N1: what arrives is a prefix of what was sent');
        stream.arrived += bytes.length;
        world.work.add('bytes', bytes.length);
        if (world.random.chance(0.05)) {
          connection.pause();
          world.after(world.random.between(0, 50), () => connection.resume());
        }
      },
      drain: () => undefined,
      closed: (error) => {
        if (stream === undefined) return;
        assert(stream.receiverClosed === 'no', 'N3: closed is told once');
        stream.receiverClosed = error === undefined ? 'in order' : 'broken';
      },
    };
  });
}

async function sendStreams(world: World, name: string, streams: Stream[]): Promise<void> {
  const { environment } = world.node(name);
  const random = world.random.fork(`sender ${name}`);
  for (let i = 0; i < streamsPerNode; i++) {
    await world.sleep(random.exponential(50));
    const sent = random.bytes(random.below(20_000));
    const stream: Stream = { sent, arrived: 0, receiverClosed: 'no', senderClosed: 'no' };
    streams.push(stream);
    world.work.add('streams');
    const to = random.pick(nodes.filter((node) => node !== name));
    await send(world, environment, random, to, streams.length - 1, stream);
  }
}

async function send(
  world: World,
  environment: Environment,
  random: Prng,
  to: string,
  id: number,
  stream: Stream,
): Promise<void> {
  const closed = (error?: Error): void => {
    assert(stream.senderClosed === 'no', 'N3: closed is told once');
    stream.senderClosed = error === undefined ? 'in order' : 'broken';
  };
  const handler = { data: () => undefined, drain: () => undefined, closed };
  try {
    const connection = await environment.network.connect({ host: to, port }, () => handler, 2000);
    const header = Buffer.alloc(headerBytes);
    header.writeUInt32LE(id);
    connection.write(header);
    let at = 0;
    while (at < stream.sent.length) {
      const length = 1 + random.below(2000);
      connection.write(stream.sent.subarray(at, at + length));
      at += length;
      if (random.chance(0.3)) await world.sleep(random.exponential(2));
    }
    connection.end();
  } catch (error) {
    world.work.add('failed connects');
    world.record(to, 'connect failed', String(error));
    stream.senderClosed = 'broken';
  }
}
