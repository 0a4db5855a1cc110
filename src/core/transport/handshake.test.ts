import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { nodeIdOf } from '../../environment/index.ts';
import { decodeMessage, encodeMessage, peerHello } from '../../wire/index.ts';
import {
  AcceptorHandshake,
  DialerHandshake,
  isCertified,
  type Judged,
  type PeerIdentity,
  readRefusal,
  refusalFrame,
} from './handshake.ts';

const headBytes = 5;
const a = nodeIdOf('a@a.example');
const b = nodeIdOf('b@b.example');
const secret = Buffer.from('what we know');
const toB = { purpose: 'member', traffic: 'repair', to: b } as const;

function identity(node: typeof a, changes: Partial<PeerIdentity> = {}): PeerIdentity {
  return {
    node,
    instance: `of ${node}`,
    clusterId: 'one',
    generation: 3,
    capabilities: new Map([['x', 2]]),
    ...changes,
  };
}

function dialer(key = secret, nonce = 1): DialerHandshake {
  return new DialerHandshake(identity(a), key, toB, Buffer.alloc(32, nonce));
}

function acceptor(key = secret, nonce = 2, self = identity(b)): AcceptorHandshake {
  return new AcceptorHandshake(self, key, Buffer.alloc(32, nonce));
}

/** The bodies of the frames in `bytes`. */
function bodies(bytes: Buffer): Buffer[] {
  const found = [];
  for (let at = 0; at < bytes.length; ) {
    const next = at + 4 + bytes.readUInt32BE(at);
    found.push(bytes.subarray(at + headBytes, next));
    at = next;
  }
  return found;
}

function accepted<T>(judged: Judged<T>): T {
  assert.ok(judged.kind === 'accepted', JSON.stringify(judged));
  return judged.value;
}

function codeOf(judged: Judged<unknown>): string {
  return judged.kind === 'refused' ? judged.refusal.code : 'accepted';
}

test('both ends learn who the other is, and prove that they know the secret', () => {
  const [near, far] = [dialer(), acceptor()];
  assert.deepEqual(accepted(far.greeted(bodies(near.helloFrame)[0]!)), { ...toB, peer: identity(a) });
  const [challenge, proof] = bodies(far.challengeFrames());
  assert.deepEqual(accepted(near.challenged(challenge!)), identity(b));
  const answer = accepted(near.proved(proof!));
  accepted(far.proved(bodies(answer)[0]!));
});

describe('C9: a proof is worth nothing elsewhere', () => {
  test('with another secret, on either side', () => {
    const [near, far] = [dialer(Buffer.from('a guess')), acceptor()];
    accepted(far.greeted(bodies(near.helloFrame)[0]!));
    const [challenge, proof] = bodies(far.challengeFrames());
    accepted(near.challenged(challenge!));
    assert.equal(codeOf(near.proved(proof!)), 'secret');
    // The acceptor's own proof, sent back to it.
    assert.equal(codeOf(far.proved(proof!)), 'secret');
  });

  test('recorded and played to a later challenge', () => {
    const near = dialer();
    const far = acceptor();
    const hello = bodies(near.helloFrame)[0]!;
    accepted(far.greeted(hello));
    const [challenge, proof] = bodies(far.challengeFrames());
    accepted(near.challenged(challenge!));
    const recorded = bodies(accepted(near.proved(proof!)))[0]!;
    const later = acceptor(secret, 3);
    accepted(later.greeted(hello));
    later.challengeFrames();
    assert.equal(codeOf(later.proved(recorded)), 'secret');
  });

  test('with anything changed in the hello or the challenge', () => {
    const near = dialer();
    const hello = bodies(near.helloFrame)[0]!;
    const changed = encodeMessage(peerHello, { ...decodeMessage(peerHello, hello), generation: 4 });
    const far = acceptor();
    accepted(far.greeted(changed));
    const [challenge, proof] = bodies(far.challengeFrames());
    accepted(near.challenged(challenge!));
    assert.equal(codeOf(near.proved(proof!)), 'secret');
  });
});

test('another version is refused with both ranges in words', () => {
  const hello = decodeMessage(peerHello, bodies(dialer().helloFrame)[0]!);
  const later = encodeMessage(peerHello, { ...hello, version_min: 7, version_max: 9 });
  const judged = acceptor().greeted(later);
  assert.ok(judged.kind === 'refused');
  assert.equal(judged.refusal.code, 'version');
  assert.match(judged.refusal.reason, /versions 7 to 9, b@b.example 1 to 1/);
  const wider = encodeMessage(peerHello, { ...hello, version_min: 1, version_max: 9 });
  assert.equal(codeOf(acceptor().greeted(wider)), 'accepted');
});

test('another cluster, another node and another protocol are refused at the hello', () => {
  const body = bodies(dialer().helloFrame)[0]!;
  assert.equal(codeOf(acceptor(secret, 2, identity(b, { clusterId: 'two' })).greeted(body)), 'cluster');
  assert.equal(codeOf(acceptor(secret, 2, identity(a)).greeted(body)), 'wrong-node');
  const hello = decodeMessage(peerHello, body);
  assert.equal(codeOf(acceptor().greeted(encodeMessage(peerHello, { ...hello, magic: 1 }))), 'malformed');
  assert.equal(
    codeOf(acceptor().greeted(encodeMessage(peerHello, { ...hello, nonce: Buffer.alloc(3) }))),
    'malformed',
  );
});

test('a guest of another cluster is heard', () => {
  const guest = new DialerHandshake(
    identity(a, { clusterId: 'my own' }),
    secret,
    { purpose: 'guest', traffic: 'control', to: undefined },
    Buffer.alloc(32, 1),
  );
  assert.equal(accepted(acceptor().greeted(bodies(guest.helloFrame)[0]!)).purpose, 'guest');
});

test('law: no bytes make an end throw, and none but the proof let anybody in', () => {
  const hello = bodies(dialer().helloFrame)[0]!;
  const nearly = fc.tuple(fc.nat(hello.length - 1), fc.nat(255)).map(([at, byte]) => {
    const changed = Buffer.from(hello);
    changed[at] = byte;
    return changed;
  });
  const garbage = fc.oneof(
    nearly,
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.nat(hello.length).map((length) => hello.subarray(0, length)),
  );
  fc.assert(
    fc.property(garbage, garbage, (first, second) => {
      const far = acceptor();
      if (far.greeted(first).kind === 'accepted') far.challengeFrames();
      assert.notEqual(far.proved(second).kind, 'accepted');
      const near = dialer();
      near.challenged(first);
      assert.notEqual(near.proved(second).kind, 'accepted');
      assert.ok(readRefusal(first).code.length > 0);
    }),
    { numRuns: 500 },
  );
});

test('a refusal arrives with its words', () => {
  const refusal = { code: 'stranger', reason: 'née Schmidt is no member' } as const;
  assert.deepEqual(readRefusal(bodies(refusalFrame(refusal))[0]!), refusal);
});

test('a certificate is a node’s by its name, its host or its address', () => {
  assert.ok(isCertified(['x', 'a@a.example'], a, undefined));
  assert.ok(isCertified(['a.example'], a, undefined));
  assert.ok(isCertified(['10.0.0.1'], a, '10.0.0.1'));
  assert.ok(!isCertified(['b.example', '10.0.0.2'], a, '10.0.0.1'));
  assert.ok(!isCertified([], a, undefined));
});
