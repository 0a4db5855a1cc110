import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { type AddressInfo, connect, createServer } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { defaultConfiguration } from '../../config/index.ts';
import { type Log, type LogFields, type NodeId, nodeIdOf } from '../../environment/index.ts';
import { nodeEnvironment } from '../../runtime/index.ts';
import { channel, type TrafficClass } from './messenger.ts';
import { TcpMessenger, type TcpMessengerOptions } from './tcp-messenger.ts';
import { trafficClasses } from './traffic-class.ts';
import { transportLimits } from './transport-limits.ts';

const limits = transportLimits(defaultConfiguration());
const anyPort = { host: '127.0.0.1', port: 0 };
const tooLongMs = 5000;

/** Keeps what was warned of, and lets a test wait for a state of anything. */
class Witness implements Log {
  readonly warnings: { readonly message: string; readonly fields: LogFields }[] = [];
  debug(): void {}
  info(message: string, fields: LogFields = {}): void {
    if (fields.code !== undefined) this.warn(message, fields);
  }
  error(message: string): void {
    throw new Error(message);
  }
  warn(message: string, fields: LogFields = {}): void {
    this.warnings.push({ message, fields });
  }
}

async function until(holds: () => boolean, what: string): Promise<void> {
  const startedAt = performance.now();
  while (!holds()) {
    if (performance.now() - startedAt > tooLongMs) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

interface Node {
  readonly name: NodeId;
  readonly messenger: TcpMessenger;
  readonly log: Witness;
  readonly received: { readonly from: NodeId; readonly text: string }[];
  readonly disconnects: string[];
  address: { readonly host: string; readonly port: number };
}

async function startNode(
  context: TestContext,
  name: string,
  options: Partial<TcpMessengerOptions> = {},
  way: 'tcp' | 'local' = 'tcp',
): Promise<Node> {
  const log = new Witness();
  const environment = nodeEnvironment({
    log,
    crash: (activity, error) => {
      throw new Error(`crash in ${activity}`, { cause: error });
    },
  });
  const node = nodeIdOf(name);
  const messenger = new TcpMessenger({
    environment,
    network: way === 'tcp' ? environment.network : environment.network.amongNodes!(),
    identity: {
      node,
      instance: `instance of ${name}`,
      clusterId: 'one',
      generation: 1,
      capabilities: new Map([['objects', 3]]),
    },
    secret: 'a secret',
    limits,
    ...options,
  });
  context.after(async () => {
    await messenger.close();
    await environment.close();
  });
  const received: Node['received'] = [];
  const disconnects: string[] = [];
  messenger.receive(channel.vnode, (from, body) => received.push({ from, text: body.toString() }));
  messenger.onDisconnect((peer, traffic) => disconnects.push(`${peer} ${traffic}`));
  const address = await messenger.listen(anyPort);
  return { name: node, messenger, log, received, disconnects, address };
}

function memberOf(node: Node, instance = `instance of ${node.name}`) {
  return { address: node.address, instance };
}

function introduce(...nodes: readonly Node[]): void {
  const members = new Map(nodes.map((node) => [node.name, memberOf(node)]));
  for (const { messenger } of nodes) messenger.setPeers(members);
}

function say(from: Node, to: Node, text: string, traffic: TrafficClass = 'foreground'): boolean {
  const bytes = Buffer.from(text);
  return from.messenger.send(to.name, traffic, channel.vnode, bytes.length, (into, at) => {
    bytes.copy(into, at);
  });
}

for (const way of ['tcp', 'local'] as const) {
  test(`messages go both ways, in order, whatever their size: ${way}`, async (context) => {
    const a = await startNode(context, 'a@127.0.0.1', {}, way);
    const b = await startNode(context, 'b@127.0.0.1', {}, way);
    introduce(a, b);
    const texts = Array.from({ length: 300 }, (_, i) => `${i} ${'x'.repeat(i % 7 === 0 ? i * 500 : i)}`);
    for (const [i, text] of texts.entries()) {
      assert.ok(say(a, b, text));
      assert.ok(say(b, a, text));
      if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await until(() => a.received.length + b.received.length === 2 * texts.length, 'all messages');
    assert.deepEqual(
      b.received,
      texts.map((text) => ({ from: a.name, text })),
    );
    assert.deepEqual(
      a.received,
      texts.map((text) => ({ from: b.name, text })),
    );
    assert.deepEqual(a.messenger.capabilitiesOf(b.name), new Map([['objects', 3]]));
    assert.deepEqual([...a.disconnects, ...b.disconnects], []);
  });
}

test('each class arrives by a connection of its own', async (context) => {
  const a = await startNode(context, 'a@127.0.0.1');
  const b = await startNode(context, 'b@127.0.0.1');
  introduce(a, b);
  for (const traffic of trafficClasses) say(a, b, traffic, traffic);
  await until(() => b.received.length === 4, 'four messages');
  assert.deepEqual(new Set(b.received.map(({ text }) => text)), new Set(trafficClasses));
});

describe('the door', () => {
  async function refusedFor(context: TestContext, options: Partial<TcpMessengerOptions>) {
    const a = await startNode(context, 'a@127.0.0.1');
    const b = await startNode(context, 'b@127.0.0.1', options);
    introduce(a, b);
    say(b, a, 'let me in');
    say(a, b, 'who are you');
    await until(() => a.log.warnings.length > 0 && b.log.warnings.length > 0, 'two warnings');
    assert.deepEqual([a.received, b.received], [[], []]);
    return [...a.log.warnings, ...b.log.warnings].map(({ fields }) => fields.code);
  }

  test('C9: another secret is refused', async (context) => {
    const codes = await refusedFor(context, { secret: 'another' });
    assert.ok(codes.includes('secret'), codes.join());
  });

  test('C9: another cluster is refused', async (context) => {
    const codes = await refusedFor(context, {
      identity: {
        node: nodeIdOf('b@127.0.0.1'),
        instance: 'instance of b@127.0.0.1',
        clusterId: 'two',
        generation: 1,
        capabilities: new Map(),
      },
    });
    assert.deepEqual(new Set(codes), new Set(['cluster']));
  });

  test('C9: another instance is refused', async (context) => {
    const codes = await refusedFor(context, {
      identity: {
        node: nodeIdOf('b@127.0.0.1'),
        instance: 'after a lost disk',
        clusterId: 'one',
        generation: 1,
        capabilities: new Map(),
      },
    });
    assert.deepEqual(new Set(codes), new Set(['stranger']));
  });

  test('C9: who is no member is refused, and a member that is removed is cut off', async (context) => {
    const a = await startNode(context, 'a@127.0.0.1');
    const b = await startNode(context, 'b@127.0.0.1');
    introduce(a, b);
    say(a, b, 'hello');
    await until(() => b.received.length === 1, 'the first message');
    b.messenger.setPeers(new Map());
    assert.equal(say(b, a, 'to nobody'), false);
    await until(() => a.disconnects.length > 0, 'the cut');
    say(a, b, 'still there?');
    await until(() => a.log.warnings.length > 0, 'a warning');
    assert.equal(a.log.warnings[0]?.fields.code, 'stranger');
    assert.equal(b.received.length, 1);
  });

  test('a guest asks once and is answered; without the secret it is not', async (context) => {
    const a = await startNode(context, 'a@127.0.0.1');
    a.messenger.onGuest(async (request, from) => Buffer.from(`${from.host} ${request.toString()}`));
    const b = await startNode(context, 'b@127.0.0.1', {
      identity: {
        node: nodeIdOf('b@127.0.0.1'),
        instance: 'b',
        clusterId: 'my own',
        generation: 0,
        capabilities: new Map(),
      },
    });
    const answer = await b.messenger.askAsGuest(a.address, Buffer.from('may I join?'));
    assert.equal(answer.toString(), '127.0.0.1 may I join?');
    const c = await startNode(context, 'c@127.0.0.1', { secret: 'wrong' });
    await assert.rejects(c.messenger.askAsGuest(a.address, Buffer.from('may I?')), {
      name: 'GuestRefusedError',
      code: 'secret',
    });
  });

  test('a listener beyond the machine needs a secret', async (context) => {
    const a = await startNode(context, 'a@127.0.0.1', { secret: undefined, allowsStrangers: true });
    assert.match(a.log.warnings[0]?.message ?? '', /not authenticated/);
    const open = new TcpMessenger({
      environment: a.messenger.environment,
      network: nodeEnvironment({ log: a.log, crash: () => undefined }).network,
      identity: a.messenger.identity,
      limits,
    });
    await assert.rejects(open.listen({ host: '0.0.0.0', port: 0 }), { name: 'InsecureListenerError' });
  });
});

test('C10: a handoff queue that is always full leaves control alone', async (context) => {
  const a = await startNode(context, 'a@127.0.0.1');
  const b = await startNode(context, 'b@127.0.0.1');
  introduce(a, b);
  let answers = 0;
  b.messenger.receive(channel.liveness, (from) => {
    b.messenger.send(from, 'control', channel.liveness, 0, () => undefined);
  });
  a.messenger.receive(channel.liveness, () => {
    answers += 1;
  });
  b.messenger.receive(channel.transfer, () => undefined);
  const slice = Buffer.alloc(256 * 1024);
  const fill = (into: Buffer, at: number): void => void slice.copy(into, at);
  const latencies: number[] = [];
  for (let i = 0; i < 100; i += 1) {
    while (a.messenger.send(b.name, 'handoff', channel.transfer, slice.length, fill));
    const startedAt = performance.now();
    a.messenger.send(b.name, 'control', channel.liveness, 0, () => undefined);
    await until(() => answers > i, 'an answer');
    latencies.push(performance.now() - startedAt);
  }
  latencies.sort((x, y) => x - y);
  // Handoff's 16 MiB would take longer than that many times over on this socket.
  assert.ok(latencies[50]! < 100, `${latencies[50]} ms at the median`);
});

test('C11: when there is room there is room for the longest message, and before that for none', async (context) => {
  const messageBytesMax = 2 ** 20;
  const queueBytesMax = { ...limits.queueBytesMax, handoff: 2 ** 19 };
  const options = { limits: { ...limits, messageBytesMax, queueBytesMax } };
  const a = await startNode(context, 'a@127.0.0.1', options);
  const b = await startNode(context, 'b@127.0.0.1', options);
  introduce(a, b);
  let bytes = 0;
  b.messenger.receive(channel.transfer, (_from, body) => {
    bytes += body.length;
  });
  const send = (length: number): boolean =>
    a.messenger.send(b.name, 'handoff', channel.transfer, length, (into, at) =>
      into.fill(1, at, at + length),
    );
  assert.ok(send(200_000));
  let roomTold = 0;
  a.messenger.whenWritable(b.name, 'handoff', () => {
    roomTold += 1;
  });
  assert.equal(roomTold, 1, 'a queue that is less than half full has room');
  assert.equal(send(messageBytesMax + 1), false, 'what is too long never goes');
  assert.ok(send(messageBytesMax));
  assert.equal(send(1), false);
  let hasGone = false;
  a.messenger.whenWritable(b.name, 'handoff', () => {
    hasGone = send(messageBytesMax);
  });
  await until(() => bytes === 200_000 + 2 * messageBytesMax, 'all three');
  assert.ok(hasGone);
});

describe('what strangers send', () => {
  const pieces = [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.from([0, 0, 0, 0]),
    Buffer.from([0xff, 0xff, 0xff, 0xff, 1]),
    Buffer.from([0, 0, 0, 1, 6]),
    Buffer.from([0, 0, 0, 1, 4]),
    Buffer.from([0, 0, 0, 3, 1, 0x08, 0x01]),
    Buffer.from([0, 0, 32, 0, 1, 0x08]),
  ];

  test('ends their connection and nothing else', async (context) => {
    const a = await startNode(context, 'a@127.0.0.1', { limits: { ...limits, handshakeMsMax: 200 } });
    await Promise.all(
      pieces.map(
        (piece) =>
          new Promise<void>((resolve) => {
            const raw = connect(a.address.port, a.address.host, () => raw.write(piece));
            raw.on('error', () => undefined);
            raw.on('close', () => resolve());
            raw.resume();
          }),
      ),
    );
    const b = await startNode(context, 'b@127.0.0.1');
    introduce(a, b);
    say(b, a, 'still there?');
    await until(() => a.received.length === 1, 'a message');
  });

  test('damage on the way ends the connection, and nothing damaged is delivered', async (context) => {
    const a = await startNode(context, 'a@127.0.0.1');
    const b = await startNode(context, 'b@127.0.0.1');
    let harm = false;
    const proxy = createServer((near) => {
      const far = connect(b.address.port, b.address.host);
      near.on('data', (chunk: Buffer) => {
        if (harm) chunk[chunk.length - 1]! ^= 1;
        far.write(chunk);
      });
      far.pipe(near);
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        one.on('error', () => undefined);
        one.on('close', () => other.destroy());
      }
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    context.after(() => proxy.close());
    const { port } = proxy.address() as AddressInfo;
    a.messenger.setPeers(
      new Map([[b.name, { address: { host: '127.0.0.1', port }, instance: `instance of ${b.name}` }]]),
    );
    b.messenger.setPeers(new Map([[a.name, memberOf(a)]]));
    say(a, b, 'sound');
    await until(() => b.received.length === 1, 'the first message');
    harm = true;
    say(a, b, 'harmed');
    await until(() => b.disconnects.length === 1, 'the end');
    harm = false;
    await until(() => a.disconnects.length === 1, 'the end at the other side');
    say(a, b, 'sound again');
    await until(() => b.received.length === 2, 'the next message');
    assert.deepEqual(
      b.received.map(({ text }) => text),
      ['sound', 'sound again'],
    );
  });
});
