/** Sentences of the two papers, each against one machine whose peers are played by the test. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoneSwim } from './lone-swim.fixture.ts';

const { a, b, c, d } = LoneSwim.peers;

test('SWIM §3.1: each protocol period one member is pinged; an ack in time is all that is needed', () => {
  const lone = new LoneSwim();
  const sent = lone.runAnswering(5000);
  const pings = sent.filter(({ message }) => message.kind === 'ping');
  assert.ok(pings.length >= 9 && pings.length <= 11, `${pings.length} pings in ten periods`);
  assert.deepEqual([...new Set(pings.map(({ to }) => to))].toSorted(), [a, b, c, d]);
  assert.ok(!sent.some(({ message }) => message.kind === 'ping-request'));
});

test('SWIM §3.1: without an ack, k members are asked to ping it; an indirect ack saves it', () => {
  const lone = new LoneSwim().becomeFriends();
  const { target, sequence } = lone.nextPing();
  const asked = lone.wait(lone.options.timeoutMs).filter(({ message }) => message.kind === 'ping-request');
  assert.equal(asked.length, 3);
  assert.equal(new Set(asked.map(({ to }) => to)).size, 3);
  for (const { to, message } of asked) {
    assert.notEqual(to, target);
    assert.deepEqual(
      [
        message.kind === 'ping-request' && message.target,
        message.kind === 'ping-request' && message.sequence,
      ],
      [target, sequence],
    );
  }
  lone.receive(asked[0]!.to, { kind: 'indirect-ack', sequence, target });
  lone.wait(lone.options.timeoutMs + 1);
  assert.equal(lone.swim.recordOf(target)!.status, 'alive');
});

test('an indirect ack counts only from one who was asked, and of the one that was asked for', () => {
  const lone = new LoneSwim().becomeFriends();
  const { target, sequence } = lone.nextPing();
  const asked = lone.wait(lone.options.timeoutMs).filter(({ message }) => message.kind === 'ping-request');
  const relays = asked.map(({ to }) => to);
  lone.receive(relays[0]!, { kind: 'indirect-ack', sequence, target: relays[1]! });
  lone.receive(target === a ? b : a, { kind: 'ack', sequence });
  lone.receive(relays[0]!, { kind: 'indirect-ack', sequence: sequence + 100, target });
  lone.wait(lone.options.timeoutMs + 1);
  assert.equal(lone.swim.recordOf(target)!.status, 'suspect');
});

test('SWIM §3.1: a member that is asked pings the target and forwards its ack', () => {
  const lone = new LoneSwim().becomeFriends();
  const [ping] = lone.receive(a, { kind: 'ping-request', sequence: 77, target: b });
  assert.equal(ping!.to, b);
  assert.equal(ping!.message.kind, 'ping');
  const sequence = ping!.message.kind === 'ping' ? ping!.message.sequence : 0;
  assert.deepEqual(kindsOf(lone.receive(c, { kind: 'ack', sequence })), [], 'nobody else can ack for it');
  const [forwarded] = lone.receive(b, { kind: 'ack', sequence });
  assert.equal(forwarded!.to, a);
  assert.deepEqual(
    { ...forwarded!.message, ...headerless },
    { kind: 'indirect-ack', sequence: 77, target: b, ...headerless },
  );
});

test('Lifeguard §4.1: a member that was asked and hears nothing says so before the asker gives up', () => {
  const lone = new LoneSwim().becomeFriends();
  lone.receive(a, { kind: 'ping-request', sequence: 77, target: b });
  const sent = lone.wait(lone.options.timeoutMs - 1);
  const nacks = sent.filter(({ message }) => message.kind === 'nack');
  assert.equal(nacks.length, 1);
  assert.equal(nacks[0]!.to, a);
  assert.deepEqual(
    { ...nacks[0]!.message, ...headerless },
    { kind: 'nack', sequence: 77, target: b, isRefused: false, ...headerless },
  );
});

test('SWIM §4.2: a member that fails is suspected, and dead only when it has not refuted in time', () => {
  const lone = new LoneSwim().becomeFriends();
  const { target } = lone.nextPing();
  lone.runAnswering(2 * lone.options.timeoutMs + 1, target);
  assert.equal(lone.swim.recordOf(target)!.status, 'suspect');
  assert.equal(lone.swim.reachability(target), 'suspect');
  lone.runAnswering(lone.options.suspicionMs, target);
  assert.equal(lone.swim.reachability(target), 'suspect');
  lone.runAnswering(lone.options.suspicionMs * lone.options.suspicionFactor, target);
  assert.equal(lone.swim.reachability(target), 'dead');
});

test('SWIM §4.2: an alive with a higher incarnation ends the suspicion, one with the same does not', () => {
  const lone = new LoneSwim().becomeFriends();
  lone.hear(a, { node: b, status: 'suspect', accusers: [1] });
  lone.hear(c, { node: b, status: 'alive' });
  assert.equal(lone.swim.reachability(b), 'suspect');
  lone.hear(c, { node: b, status: 'alive', incarnation: LoneSwim.incarnation + 1 });
  assert.equal(lone.swim.reachability(b), 'alive');
  lone.runAnswering(20_000);
  assert.ok(!lone.changes.some(({ node, to }) => node === b && to === 'dead'));
});

test('SWIM §4.2: who hears that it is suspected takes a higher incarnation and says so at once', () => {
  const lone = new LoneSwim().becomeFriends();
  const before = lone.swim.recordOf(lone.self)!.incarnation;
  const sent = lone.hear(a, { node: lone.self, status: 'suspect', incarnation: before, accusers: [1] });
  assert.equal(lone.swim.recordOf(lone.self)!.incarnation, before + 1);
  assert.ok(sent.length > 0);
  for (const { message } of sent) assert.equal(message.incarnation, before + 1);
  lone.hear(a, { node: lone.self, status: 'suspect', incarnation: before, accusers: [1] });
  assert.equal(lone.swim.recordOf(lone.self)!.incarnation, before + 1, 'old charges are answered already');
  assert.equal(lone.swim.reachability(lone.self), 'alive');
});

test('a node beats what was said in its earlier life', () => {
  const lone = new LoneSwim().becomeFriends();
  lone.hear(a, { node: lone.self, status: 'alive', incarnation: 5_000_000, attributes: 0 });
  assert.equal(lone.swim.recordOf(lone.self)!.incarnation, 5_000_001);
  assert.ok(lone.swim.hasStrays(lone.self));
});

test('SWIM §4.1: pings and acks carry the news, each so often, and the least told goes first', () => {
  const lone = new LoneSwim().becomeFriends();
  lone.hear(a, { node: b, status: 'alive', incarnation: LoneSwim.incarnation + 1 });
  let isOver = false;
  for (let i = 0; i < 40; i += 1) {
    const [ack] = lone.receive(c, { kind: 'ping', sequence: i });
    const isTold = ack!.message.rumours.some(({ node }) => node === b);
    assert.ok(!isTold || !isOver);
    isOver = !isTold;
  }
  // λ·⌈log2(5 + 1)⌉, acks and gossip together.
  assert.equal(lone.timesTold(b), lone.options.retransmitFactor * 3);
});

test('Lifeguard §4.3: a ping to a suspected member tells it first of all', () => {
  const lone = new LoneSwim({ rumourBytesMax: 512 }).becomeFriends();
  lone.hear(a, { node: b, status: 'suspect', accusers: [1] });
  for (const node of [c, d]) lone.hear(a, { node, status: 'alive', incarnation: LoneSwim.incarnation + 1 });
  for (let i = 0; i < 30; i += 1) {
    const [ack] = lone.receive(b, { kind: 'ping', sequence: i });
    assert.deepEqual([ack!.message.rumours[0]?.node, ack!.message.rumours[0]?.status], [b, 'suspect']);
  }
});

test('Lifeguard §4.3: who accused a member pings it again and again, and each ping says so', () => {
  const lone = new LoneSwim({ suspicionMs: 20_000 }).becomeFriends();
  lone.runAnswering(5000, b);
  assert.equal(lone.swim.reachability(b), 'suspect');
  // By now the news is old.
  const pings = lone.runAnswering(10_000, b).filter(({ to, message }) => to === b && message.kind === 'ping');
  assert.ok(pings.length >= 15, `${pings.length} pings in twenty periods`);
  for (const { message } of pings) assert.deepEqual(message.rumours[0]?.node, b);
});

test('Lifeguard §4.2: each confirmation shortens the suspicion', () => {
  const times = [[], [2], [2, 3], [2, 3, 4]].map((confirming) => {
    const lone = new LoneSwim().becomeFriends();
    lone.hear(a, { node: b, status: 'suspect', accusers: [1] });
    if (confirming.length > 0) lone.hear(c, { node: b, status: 'suspect', accusers: confirming });
    const from = lone.now;
    while (lone.swim.reachability(b) !== 'dead') lone.runAnswering(10, b);
    return lone.now - from;
  });
  // This node tries for itself and confirms too, so that all but the last are as fast or faster than they look.
  const least = 1600 + 3 * 100;
  assert.ok(times[0]! > times[1]! + 100 && times[1]! > times[2]! + 100, times.join());
  assert.ok(
    times.every((ms) => ms >= least && ms <= 3 * least + 500),
    times.join(),
  );
  assert.ok(times[3]! <= least + 20, times.join());
});

test('Lifeguard §4.1: a node to which nothing gets through asks more slowly and judges later', () => {
  const lone = new LoneSwim().becomeFriends();
  for (let i = 0; i < 40 && lone.swim.healthScore === 0; i += 1) lone.wait(100);
  assert.ok(lone.swim.healthScore > 0);
  const bad = lone.swim.healthScore;
  lone.runAnswering(60_000);
  assert.equal(lone.swim.healthScore, 0, `from ${bad}`);
});

test('Lifeguard §4.1: relays that answer that they cannot either take the blame off this node', () => {
  const lone = new LoneSwim().becomeFriends();
  const { target, sequence } = lone.nextPing();
  for (const { to, message } of lone.wait(lone.options.timeoutMs)) {
    if (message.kind === 'ping-request')
      lone.receive(to, { kind: 'nack', sequence, target, isRefused: false });
  }
  lone.wait(lone.options.timeoutMs);
  assert.equal(lone.swim.recordOf(target)!.status, 'suspect');
  assert.equal(lone.swim.healthScore, 0);
});

test('a node that was stopped condemns nobody when it wakes, and blames itself', () => {
  const lone = new LoneSwim().becomeFriends();
  const { target } = lone.nextPing();
  // Others have been asked, and their answers would have come in the meantime.
  lone.wait(lone.options.timeoutMs);
  lone.hear(a, { node: b, status: 'suspect', accusers: [1, 2, 3, 4] });
  lone.drift(60_000);
  lone.wake();
  assert.equal(lone.swim.recordOf(target)!.status, target === b ? 'suspect' : 'alive');
  assert.equal(lone.swim.reachability(b), 'suspect');
  assert.ok(lone.swim.healthScore > 0);
  lone.runAnswering(100);
  assert.notEqual(lone.swim.reachability(b), 'dead');
});

test("SWIM §4.2, but: nobody dies of another's word while it is held alive", () => {
  const lone = new LoneSwim().becomeFriends();
  lone.hear(a, { node: b, status: 'dead', accusers: [1] });
  lone.hear(c, { node: b, status: 'dead', accusers: [1] });
  assert.equal(lone.swim.reachability(b), 'suspect');
  const from = lone.now;
  while (lone.swim.reachability(b) !== 'dead') lone.runAnswering(10, b);
  assert.ok(
    Math.abs(lone.now - from - (1600 + 300)) <= 20,
    'the shortest suspicion: it needs no confirmation',
  );
});

test("a member's own goodbye is believed at once", () => {
  const lone = new LoneSwim().becomeFriends();
  lone.hear(a, { node: b, status: 'dead', accusers: [lone.swim.recordOf(b)!.hash] });
  assert.equal(lone.swim.reachability(b), 'dead');
  const goodbyes = lone.step({ kind: 'leave' });
  assert.deepEqual(goodbyes.map(({ to }) => to).toSorted(), [a, c, d]);
  for (const { message } of goodbyes) {
    const [word] = message.rumours;
    assert.deepEqual(
      [word?.node, word?.status, word?.accusers],
      [lone.self, 'dead', [lone.swim.recordOf(lone.self)!.hash]],
    );
  }
  assert.deepEqual(lone.receive(a, { kind: 'ping', sequence: 1 }), []);
  assert.equal(lone.swim.deadline(), undefined);
});

test('C7, C9: strangers are not heard, and only the cluster log adds and removes members', () => {
  const lone = new LoneSwim().becomeFriends();
  const digest = lone.swim.digest;
  assert.deepEqual(lone.receive(LoneSwim.stranger, { kind: 'ping', sequence: 1 }), []);
  lone.hear(a, { node: LoneSwim.stranger, status: 'alive' });
  assert.equal(lone.swim.recordOf(LoneSwim.stranger), undefined);
  assert.equal(lone.swim.reachability(LoneSwim.stranger), 'dead');
  assert.ok(lone.swim.hasStrays(LoneSwim.stranger));
  assert.equal(lone.swim.digest, digest);
  lone.step({ kind: 'members', nodes: [a, b, lone.self] });
  assert.equal(lone.swim.reachability(c), 'dead');
  const sent = lone.runAnswering(5000);
  assert.ok(sent.length > 0 && sent.every(({ to }) => to === a || to === b));
});

test('a new member is suspect until something is heard of it, and dead if nothing ever is', () => {
  const lone = new LoneSwim();
  for (const node of [a, b, c, d]) assert.equal(lone.swim.reachability(node), 'suspect');
  lone.receive(a, { kind: 'ping', sequence: 1 });
  assert.equal(lone.swim.reachability(a), 'alive');
  lone.runAnswering(20_000, b);
  assert.equal(lone.swim.reachability(b), 'dead');
  assert.equal(lone.swim.reachability(c), 'alive');
});

test('a member may hold strays until it says otherwise in this life of its', () => {
  const lone = new LoneSwim().becomeFriends();
  lone.hear(a, { node: a, status: 'alive', incarnation: LoneSwim.incarnation + 1, attributes: 0 });
  assert.ok(!lone.swim.hasStrays(a));
  assert.ok(lone.changes.some(({ node }) => node === a));
  lone.hear(b, { node: a, status: 'alive', incarnation: LoneSwim.incarnation + 9, attributes: 1 });
  assert.ok(lone.swim.hasStrays(a));
  lone.calmDown();
  const before = lone.swim.recordOf(lone.self)!.incarnation;
  const sent = lone.step({ kind: 'attributes', attributes: 0 });
  assert.ok(sent.length > 0 && sent.every(({ message }) => message.attributes === 0));
  assert.equal(lone.swim.recordOf(lone.self)!.incarnation, before + 1);
  lone.step({ kind: 'attributes', attributes: 0 });
  assert.equal(lone.swim.recordOf(lone.self)!.incarnation, before + 1, 'nothing new was said');
});

test('a broken connection is a hint: the peer is probed at once, and nothing more', () => {
  const lone = new LoneSwim().becomeFriends();
  const sent = lone.step({ kind: 'disconnected', peer: c, isRefused: false });
  assert.deepEqual(
    sent.map(({ to, message }) => [to, message.kind]),
    [[c, 'ping']],
  );
  assert.equal(lone.swim.reachability(c), 'alive');
});

test('refused, and refused to another too: the suspicion is short', () => {
  const deadAfter = (relayIsRefused: boolean): number => {
    const lone = new LoneSwim().becomeFriends();
    const [ping] = lone.step({ kind: 'disconnected', peer: c, isRefused: false });
    const sequence = ping!.message.kind === 'ping' ? ping!.message.sequence : 0;
    const asked = lone.step({ kind: 'disconnected', peer: c, isRefused: true });
    assert.ok(asked.length >= 3, 'others are asked without waiting');
    for (const { to } of asked) {
      lone.receive(to, { kind: 'nack', sequence, target: c, isRefused: relayIsRefused });
    }
    assert.equal(lone.swim.reachability(c), 'suspect', 'there is nothing to wait for');
    const from = lone.now;
    while (lone.swim.reachability(c) !== 'dead') lone.runAnswering(10, c);
    return lone.now - from;
  };
  assert.ok(deadAfter(true) <= 320);
  assert.ok(deadAfter(false) >= 1900, 'one alone may be cut off by a wall between');
});

test('a member that only others reach is dead here, and nothing is said of it', () => {
  const lone = new LoneSwim().becomeFriends();
  const helpful = (ms: number) => lone.runAnswering(ms, c, true);
  const sent = helpful(10_000);
  assert.equal(lone.swim.reachability(c), 'dead');
  assert.equal(lone.swim.recordOf(c)!.status, 'alive');
  for (const { message } of sent) assert.ok(!message.rumours.some(({ status }) => status !== 'alive'));
  lone.runAnswering(2000);
  assert.equal(lone.swim.reachability(c), 'alive', 'one ack ends it');
});

test('a member that knows less is told what it missed, as much as fits', () => {
  const lone = new LoneSwim().becomeFriends().calmDown();
  const [quiet] = lone.receive(a, { kind: 'ping', sequence: 1 }, { digest: lone.swim.digest });
  assert.deepEqual(quiet!.message.rumours, []);
  const [told] = lone.receive(a, { kind: 'ping', sequence: 2 }, { digest: 12345 });
  assert.deepEqual(told!.message.rumours.map(({ node }) => node).toSorted(), [a, b, c, d]);
});

test('the topology has changed: some hear of it at once, and others soon', () => {
  const lone = new LoneSwim().becomeFriends().calmDown();
  const { gossipFanout, gossipIntervalMs } = lone.options;
  assert.equal(lone.step({ kind: 'epoch-changed' }).length, gossipFanout);
  assert.ok(
    lone.runAnswering(gossipIntervalMs).filter(({ message }) => message.kind === 'gossip').length >= 1,
  );
});

const headerless = { incarnation: 0, attributes: 0, digest: 0, rumours: [] };

function kindsOf(sent: readonly { readonly message: { readonly kind: string } }[]): readonly string[] {
  return sent.map(({ message }) => message.kind).filter((kind) => kind !== 'gossip');
}

test('what a node says of itself is a change to those who ask it about all members', () => {
  const lone = new LoneSwim();
  lone.changes.length = 0;
  lone.step({ kind: 'attributes', attributes: 0 });
  assert.deepEqual(lone.changes, [{ node: lone.self, to: 'alive' }]);
  lone.step({ kind: 'attributes', attributes: 0 });
  assert.equal(lone.changes.length, 1);
});
