import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, test } from 'node:test';
import { type Clock, type Instant, type NodeId, nodeIdOf, type Timers } from '../../environment/index.ts';
import type { Partition } from '../ring/index.ts';
import type { Channel, MessageFill, MessageHandler, Messenger, TrafficClass } from '../transport/index.ts';
import { PeerRequests } from './peer-requests.ts';
import type { VnodeCodec } from './vnode-codec.ts';
import type { RequestRoute } from './vnode-router.ts';

const a = nodeIdOf('a@here');
const b = nodeIdOf('b@here');
const seven = 7 as Partition;

/** Texts; a reply that ends in `…` has another behind it. */
const texts: VnodeCodec<string, string> = {
  requestBytes: (text) => Buffer.byteLength(text),
  writeRequest: (text, into, at) => void into.write(text, at),
  readRequest: (body) => (body.length === 0 ? undefined : body.toString()),
  replyBytes: (text) => Buffer.byteLength(text),
  writeReply: (text, into, at) => void into.write(text, at),
  readReply: (body) => (body.length === 0 ? undefined : body.toString()),
  tooLarge: (_request, bytes, bytesMax, isServed) =>
    `${isServed ? 'reply' : 'request'} ${bytes} > ${bytesMax}`,
  subjectOf: (text) => ({ text }),
  isLast: (text) => !text.endsWith('…'),
  unanswered: (reason) => reason,
  moved: (epoch) => `moved ${epoch}`,
};

class HandTime implements Clock, Timers {
  nowMs = 1000;
  #wakes: { readonly at: number; readonly run: () => void }[] = [];
  now(): Instant {
    return this.nowMs as Instant;
  }
  wallMicros(): never {
    throw new Error('nobody asks');
  }
  after(delayMs: number, run: () => void) {
    const wake = { at: this.nowMs + delayMs, run };
    this.#wakes.push(wake);
    return { cancel: () => (this.#wakes = this.#wakes.filter((each) => each !== wake)) };
  }
  pass(ms: number): void {
    const until = this.nowMs + ms;
    for (;;) {
      const next = this.#wakes.filter(({ at }) => at <= until).sort((x, y) => x.at - y.at)[0];
      if (next === undefined) break;
      this.#wakes = this.#wakes.filter((each) => each !== next);
      this.nowMs = next.at;
      next.run();
    }
    this.nowMs = until;
  }
}

/** Two messengers and what lies between them, which the test lets through, or not. */
class HandMessenger implements Messenger {
  readonly self: NodeId;
  messageBytesMax = Infinity;
  peer: HandMessenger | undefined;
  queue: Buffer[] = [];
  roomFor = Infinity;
  #handler: MessageHandler | undefined;
  #told: ((peer: NodeId, traffic: TrafficClass) => void) | undefined;
  #waiters: (() => void)[] = [];
  constructor(self: NodeId) {
    this.self = self;
  }
  receive(_on: Channel, handle: MessageHandler): void {
    this.#handler = handle;
  }
  send(
    to: NodeId,
    _traffic: TrafficClass,
    _on: Channel,
    length: number,
    fill: MessageFill,
    tail?: Buffer,
  ): boolean {
    if (to !== this.peer?.self || this.queue.length >= this.roomFor) return false;
    const bytes = Buffer.alloc(length);
    fill(bytes, 0);
    tail?.copy(bytes, length - tail.length);
    this.queue.push(bytes);
    return true;
  }
  queuedBytes(to: NodeId): number {
    return to !== this.peer?.self ? 0 : this.queue.reduce((sum, { length }) => sum + length, 0);
  }
  whenWritable(_to: NodeId, _traffic: TrafficClass, run: () => void): void {
    if (this.queue.length < this.roomFor) run();
    else this.#waiters.push(run);
  }
  onDisconnect(told: (peer: NodeId, traffic: TrafficClass) => void): void {
    this.#told = told;
  }
  deliver(waitedMs = 0): void {
    for (const bytes of this.queue.splice(0)) this.peer!.hear(bytes, waitedMs);
    for (const run of this.#waiters.splice(0)) run();
  }
  hear(bytes: Buffer, waitedMs = 0): void {
    this.#handler!(this.peer!.self, bytes, waitedMs);
  }
  break(traffic: TrafficClass): void {
    this.queue = [];
    this.#told!(this.peer!.self, traffic);
  }
}

function openPair(inFlightMax = 100) {
  const time = new HandTime();
  const [near, far] = [new HandMessenger(a), new HandMessenger(b)];
  near.peer = far;
  far.peer = near;
  const warnings: string[] = [];
  const quiet = { debug() {}, info() {}, error() {}, warn: (text: string) => void warnings.push(text) };
  const environment = { clock: time, timers: time, log: quiet };
  const epochs = { [a]: { generation: 1, epoch: 5 }, [b]: { generation: 1, epoch: 5 } };
  const seen: string[] = [];
  const asked: {
    readonly partition: Partition;
    readonly text: string;
    readonly reply: (t: string) => void;
  }[] = [];
  const judged: unknown[] = [];
  const of = (messenger: HandMessenger) =>
    new PeerRequests<string, string>({
      environment,
      messenger,
      codec: texts,
      local: { handle: (partition, text, reply) => void asked.push({ partition, text, reply }) },
      epoch: () => epochs[messenger.self]!,
      sawEpoch: (generation, epoch, from) =>
        void seen.push(`${messenger.self}: ${from} ${generation}.${epoch}`),
      admits: (partition, epoch, primary) => {
        judged.push([partition, epoch, primary]);
        if (partition >= 64) return 'malformed';
        return primary && epoch < 5 ? 'moved' : 'serve';
      },
      inFlightMax,
    });
  const asking = of(near);
  const serving = of(far);
  const heard: string[] = [];
  const ask = (text: string, route: Partial<RequestRoute> = {}): void =>
    asking.send(
      b,
      seven,
      text,
      { timeoutMs: 100, traffic: 'foreground', primary: true, ...route },
      (reply) => {
        heard.push(`${text}: ${reply}`);
      },
    );
  return { time, near, far, epochs, seen, asked, judged, asking, serving, heard, ask, warnings };
}

describe('P1: one last reply', () => {
  test('the peer’s own, whatever the order; later ones are ignored', () => {
    const { near, far, asked, heard, ask, asking, time } = openPair();
    ask('one');
    ask('two');
    near.deliver();
    assert.deepEqual(
      asked.map(({ partition, text }) => [partition, text]),
      [
        [seven, 'one'],
        [seven, 'two'],
      ],
    );
    asked[1]!.reply('2');
    asked[0]!.reply('1');
    asked[0]!.reply('1 again');
    far.deliver();
    time.pass(1000);
    assert.deepEqual(heard, ['two: 2', 'one: 1']);
    assert.equal(asking.counts.inFlight, 0);
  });

  test('a reply in parts goes on until its last', () => {
    const { near, far, asked, heard, ask, asking } = openPair();
    ask('list');
    near.deliver();
    asked[0]!.reply('a…');
    asked[0]!.reply('b…');
    far.deliver();
    assert.equal(asking.counts.inFlight, 1);
    asked[0]!.reply('c');
    far.deliver();
    assert.deepEqual(heard, ['list: a…', 'list: b…', 'list: c']);
    assert.equal(asking.counts.inFlight, 0);
  });

  test('after the close nobody is asked or answered, and no timer is left', () => {
    const { near, far, asked, heard, ask, asking, serving, time } = openPair();
    ask('before');
    near.deliver();
    asking.close();
    ask('after');
    assert.deepEqual(heard, ['after: unreachable']);
    assert.equal(near.queue.length, 0);
    assert.equal(asking.counts.inFlight, 0);
    asked[0]!.reply('late');
    far.deliver();
    time.pass(1000);
    assert.deepEqual(heard, ['after: unreachable']);
    serving.close();
    asked[0]!.reply('later still');
    assert.equal(far.queue.length, 0);
  });

  test('timeout at the deadline, and not before', () => {
    const { near, far, asked, heard, ask, time } = openPair();
    ask('slow');
    near.deliver();
    time.pass(99);
    assert.deepEqual(heard, []);
    time.pass(50);
    assert.deepEqual(heard, ['slow: timeout']);
    asked[0]!.reply('too late');
    far.deliver();
    assert.deepEqual(heard, ['slow: timeout']);
    ask('nothing left', { timeoutMs: 0 });
    assert.deepEqual(heard[1], 'nothing left: timeout');
    assert.equal(near.queue.length, 0);
  });

  test('unreachable when the connection of its class breaks; others stay', () => {
    const { near, heard, ask, time } = openPair();
    ask('one');
    ask('two', { traffic: 'repair' });
    ask('three');
    near.break('foreground');
    assert.deepEqual(heard, ['one: unreachable', 'three: unreachable']);
    near.break('control');
    near.break('handoff');
    assert.equal(heard.length, 2);
    near.break('repair');
    time.pass(1000);
    assert.deepEqual(heard.slice(2), ['two: unreachable']);
  });

  test('what is asked anew while a break is told belongs to the next connection', () => {
    const { asking, near, heard, ask } = openPair();
    const route = { timeoutMs: 100, traffic: 'foreground', primary: true } as const;
    asking.send(b, seven, 'first', route, (reply) => {
      heard.push(`first: ${reply}`);
      ask('again');
    });
    near.break('foreground');
    assert.deepEqual(heard, ['first: unreachable']);
    assert.equal(asking.counts.inFlight, 1);
  });

  test('unreachable when liveness gives the peer up, or it is no member', () => {
    const { asking, heard, ask } = openPair();
    ask('one');
    ask('two', { traffic: 'repair' });
    asking.peerDown(b);
    assert.deepEqual(heard, ['one: unreachable', 'two: unreachable']);
    const route = { timeoutMs: 100, traffic: 'foreground', primary: true } as const;
    asking.send(nodeIdOf('c@here'), seven, 'who', route, (reply) => heard.push(reply));
    assert.equal(heard[2], 'unreachable');
  });

  test('overload when the queue, or the number in flight, is full', () => {
    const { near, heard, ask, asking } = openPair(2);
    near.roomFor = 1;
    ask('one');
    ask('two');
    assert.deepEqual(heard, ['two: overload']);
    near.roomFor = 10;
    ask('three');
    ask('four');
    assert.deepEqual(heard, ['two: overload', 'four: overload']);
    assert.equal(asking.counts.inFlight, 2);
    near.break('foreground');
    ask('five');
    assert.equal(asking.counts.inFlight, 1, 'what ended makes room');
  });

  test('unreachable for what the peer cannot read, and for a reply that cannot be read', () => {
    const { near, far, asked, heard, ask, warnings } = openPair();
    ask('');
    near.deliver();
    far.deliver();
    assert.deepEqual(heard, [': unreachable']);
    ask('one');
    near.deliver();
    asked[0]!.reply('');
    far.deliver();
    assert.deepEqual(heard, [': unreachable', 'one: unreachable']);
    assert.equal(warnings.length, 2);
  });

  test('a reply of a node that was not asked changes nothing', () => {
    const { near, far, asked, heard, ask, asking } = openPair();
    ask('one');
    near.deliver();
    asked[0]!.reply('1');
    const [reply] = far.queue.splice(0);
    far.peer = undefined;
    const stranger = new HandMessenger(nodeIdOf('c@here'));
    near.peer = stranger;
    near.hear(reply!);
    assert.deepEqual(heard, []);
    assert.equal(asking.counts.inFlight, 1);
  });
});

test('P2, C1: an epoch beyond one’s own is told, with who named it', () => {
  const { near, far, epochs, seen, asked, ask } = openPair();
  ask('one');
  near.deliver();
  assert.deepEqual(seen, []);
  epochs[a] = { generation: 1, epoch: 9 };
  ask('two');
  near.deliver();
  assert.deepEqual(seen, ['b@here: a@here 1.9']);
  epochs[b] = { generation: 2, epoch: 1 };
  asked[0]!.reply('1');
  far.deliver();
  assert.deepEqual(seen.slice(1), ['a@here: b@here 2.1']);
});

test('P3: an outdated name for the primary is answered moved; other generations compare first', () => {
  const { near, far, epochs, judged, heard, ask } = openPair();
  epochs[a] = { generation: 1, epoch: 4 };
  ask('old');
  ask('as fallback', { primary: false });
  epochs[a] = { generation: 0, epoch: 1000 };
  ask('older');
  epochs[a] = { generation: 2, epoch: 1 };
  ask('newer');
  near.deliver();
  far.deliver();
  assert.deepEqual(heard, ['old: moved 5', 'older: moved 5']);
  assert.deepEqual(judged, [
    [seven, 4, true],
    [seven, 4, false],
    [seven, 0, true],
    [seven, Number.MAX_SAFE_INTEGER, true],
  ]);
});

test('a request for a partition that there is not is malformed, and served by nobody', () => {
  const { near, far, asking, asked, heard, serving } = openPair();
  const route = { timeoutMs: 100, traffic: 'foreground', primary: false } as const;
  asking.send(b, 64 as Partition, 'beyond', route, (reply) => heard.push(reply));
  near.deliver();
  far.deliver();
  assert.deepEqual(heard, ['unreachable']);
  assert.deepEqual(asked, []);
  assert.equal(serving.counts.malformed, 1);
});

test('P4: a request that waited as long as its asker waits is dropped', () => {
  const { near, asked, ask, serving } = openPair();
  ask('in time');
  near.deliver(99);
  ask('too late');
  near.deliver(100);
  assert.deepEqual(
    asked.map(({ text }) => text),
    ['in time'],
  );
  assert.equal(serving.counts.tooLate, 1);
});

test('P5, P6: after a part without room come no more parts, but word of it when there is room', () => {
  const { near, far, asked, heard, ask } = openPair();
  ask('list');
  ask('other');
  near.deliver();
  asked[0]!.reply('a…');
  far.roomFor = 1;
  asked[0]!.reply('b…');
  far.roomFor = 10;
  asked[0]!.reply('c');
  asked[1]!.reply('fine');
  far.deliver();
  assert.deepEqual(heard, ['list: a…', 'other: fine']);
  far.deliver();
  assert.deepEqual(heard, ['list: a…', 'other: fine', 'list: unheard']);
});

test('P7: what is longer than a message may be is answered at once, the request here and the reply there', () => {
  const { near, far, asked, heard, ask, asking, serving, warnings } = openPair();
  near.messageBytesMax = 100;
  far.messageBytesMax = 100;
  ask('q'.repeat(81));
  assert.deepEqual(heard, [`${'q'.repeat(81)}: request 101 > 100`]);
  ask('short');
  near.deliver();
  asked[0]!.reply('r'.repeat(85));
  asked[0]!.reply('more');
  far.deliver();
  assert.equal(heard[1], 'short: reply 101 > 100');
  ask('fitting');
  near.deliver();
  asked[1]!.reply('r'.repeat(84));
  far.deliver();
  assert.equal(heard[2], `fitting: ${'r'.repeat(84)}`);
  assert.deepEqual([asking.counts.tooLarge, serving.counts.tooLarge, heard.length], [1, 1, 3]);
  assert.equal(warnings.length, 2, 'each of the two nodes says so');
});

test('garbage never throws', () => {
  const { near, far, ask } = openPair();
  ask('a question');
  const [whole] = near.queue.splice(0);
  for (let length = 0; length < 24; length += 1) {
    for (const kind of [0, 1, 2, 3, 200]) {
      const bytes = Buffer.alloc(length, 0xa5);
      if (length > 0) bytes[0] = kind;
      far.hear(bytes);
      near.hear(bytes);
    }
    far.hear(whole!.subarray(0, length));
  }
});
