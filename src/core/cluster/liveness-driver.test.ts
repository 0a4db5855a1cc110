import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { type NodeId, nodeIdOf } from '../../environment/index.ts';
import { World } from '../../simulator/index.ts';
import { defaultSwimOptions, type LivenessEnvelope, readEnvelope, writeEnvelope } from '../liveness/index.ts';
import { channel, type MessageHandler, type Messenger } from '../transport/index.ts';
import { LivenessDriver } from './liveness-driver.ts';

const self = nodeIdOf('self@h');
const peer = nodeIdOf('peer@h');
const header = { incarnation: 1e12, attributes: 0, digest: 0, rumours: [] };

/** A driver whose messages end in a list. */
class DrivenAlone {
  readonly world = new World({ seed: 1 });
  readonly sent: { readonly to: NodeId; readonly envelope: LivenessEnvelope }[] = [];
  readonly epochs: [NodeId, number, number][] = [];
  readonly driver: LivenessDriver;
  changes = 0;
  arrive: MessageHandler = () => assert.fail('nobody receives');
  disconnect: Parameters<Messenger['onDisconnect']>[0] = () => undefined;

  constructor() {
    const { environment } = this.world.node('self');
    this.driver = new LivenessDriver({
      environment,
      messenger: {
        self,
        messageBytesMax: Infinity,
        receive: (on, handle) => {
          assert.equal(on, channel.liveness);
          this.arrive = handle;
        },
        send: (to, traffic, on, length, fill) => {
          assert.deepEqual([traffic, on], ['control', channel.liveness]);
          const bytes = Buffer.alloc(length);
          fill(bytes, 0);
          this.sent.push({ to, envelope: readEnvelope(bytes)! });
          return true;
        },
        queuedBytes: () => 0,
        whenWritable: (_to, _traffic, run) => run(),
        onDisconnect: (told) => {
          this.disconnect = told;
        },
      },
      options: defaultSwimOptions,
      position: () => ({ generation: 3, epoch: 14 }),
      epochSeen: (from, generation, epoch) => this.epochs.push([from, generation, epoch]),
    });
    this.driver.onChange(() => {
      this.changes += 1;
    });
    this.driver.setMembers([self, peer]);
  }

  hear(epoch = 1): void {
    const envelope = { generation: 3, epoch, message: { kind: 'gossip', ...header } } as const;
    const bytes = Buffer.alloc(200);
    writeEnvelope(envelope, bytes, 0);
    let length = bytes.length;
    while (readEnvelope(bytes.subarray(0, length)) === undefined) length -= 1;
    this.arrive(peer, bytes.subarray(0, length));
  }
}

test('each message says how far its sender follows the log, and each heard is passed on', async () => {
  const alone = new DrivenAlone();
  await alone.world.run(() => alone.world.sleep(2000));
  assert.ok(alone.sent.length >= 3, 'it probes by its own timers');
  for (const { to, envelope } of alone.sent) {
    assert.deepEqual([to, envelope.generation, envelope.epoch], [peer, 3, 14]);
  }
  alone.hear(15);
  assert.deepEqual(alone.epochs, [[peer, 3, 15]]);
  assert.equal(alone.driver.reachability(peer), 'alive');
  assert.equal(alone.driver.hasStrays(peer), false);
});

test('listeners hear of a change, and of nothing else', () => {
  const alone = new DrivenAlone();
  const before = alone.changes;
  alone.hear();
  assert.equal(alone.changes, before + 1);
  alone.hear();
  alone.arrive(peer, Buffer.from('garbage'));
  assert.equal(alone.changes, before + 1);
});

test('the incarnation is the time of day in milliseconds, so that a new life beats the last', () => {
  const alone = new DrivenAlone();
  const now = alone.world.node('self').environment.clock.wallMicros() / 1000;
  alone.driver.setHasStrays(false);
  alone.driver.close();
  const { incarnation, attributes } = alone.sent.at(-1)!.envelope.message;
  assert.ok(Math.abs(incarnation - now) < 100);
  assert.equal(attributes, 0);
});

test('only the control class hints at a peer, and a closed driver says goodbye and no more', () => {
  const alone = new DrivenAlone();
  alone.hear();
  const before = alone.sent.length;
  alone.disconnect(peer, 'handoff', 'broken');
  assert.equal(alone.sent.length, before);
  alone.disconnect(peer, 'control', 'broken');
  assert.deepEqual(
    alone.sent.slice(before).map(({ envelope }) => envelope.message.kind),
    ['ping'],
  );
  alone.driver.close();
  assert.deepEqual(
    alone.sent.at(-1)!.envelope.message.rumours.map(({ node, status }) => [node, status]),
    [[self, 'dead']],
  );
  const { length } = alone.sent;
  alone.driver.close();
  alone.hear();
  alone.disconnect(peer, 'control', 'refused');
  alone.driver.setHasStrays(true);
  assert.equal(alone.sent.length, length);
});
