import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { nodeIdOf } from '../../environment/index.ts';
import { envelopeBytes, type LivenessEnvelope, type Rumour, readEnvelope, writeEnvelope } from './index.ts';
import { livenessNameBytesMax, rumourBytes } from './message-codec.ts';
import { accusersMax, incarnationMax } from './swim-message.ts';

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const name = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme-ascii' }).map(nodeIdOf);
const incarnation = fc.integer({ min: 1, max: incarnationMax });
const number = fc.maxSafeNat();

const plain = { noNullPrototype: true };

const rumour: fc.Arbitrary<Rumour> = fc.record(
  {
    node: name,
    status: fc.constantFrom('alive', 'suspect', 'dead'),
    incarnation,
    attributes: u32,
    accusers: fc.array(u32, { maxLength: accusersMax }),
    isRefused: fc.boolean(),
  },
  plain,
);

const body = fc.oneof(
  fc.record({ kind: fc.constantFrom('ping' as const, 'ack' as const), sequence: number }, plain),
  fc.record(
    {
      kind: fc.constantFrom('ping-request' as const, 'indirect-ack' as const),
      sequence: number,
      target: name,
    },
    plain,
  ),
  fc.record(
    { kind: fc.constant('nack' as const), sequence: number, target: name, isRefused: fc.boolean() },
    plain,
  ),
  fc.record({ kind: fc.constant('gossip' as const) }, plain),
);

const envelope: fc.Arbitrary<LivenessEnvelope> = fc.record(
  {
    generation: number,
    epoch: number,
    message: fc
      .tuple(body, fc.record({ incarnation, attributes: u32, digest: u32, rumours: fc.array(rumour) }, plain))
      .map(([of, header]) => ({ ...of, ...header })),
  },
  plain,
);

function written(envelope: LivenessEnvelope): Buffer {
  const bytes = Buffer.alloc(envelopeBytes(envelope));
  writeEnvelope(envelope, bytes, 0);
  return bytes;
}

test('what was written is read again, in exactly the bytes that were said', () => {
  fc.assert(
    fc.property(envelope, fc.nat({ max: 9 }), (envelope, at) => {
      const bytes = Buffer.alloc(at + envelopeBytes(envelope) + 3, 0xee);
      writeEnvelope(envelope, bytes, at);
      assert.deepEqual(readEnvelope(bytes.subarray(at, -3)), envelope);
      assert.ok(bytes.subarray(-3).equals(Buffer.alloc(3, 0xee)), 'nothing is written behind');
      const without = { ...envelope, message: { ...envelope.message, rumours: [] } };
      const ofRumours = envelope.message.rumours.reduce((sum, each) => sum + rumourBytes(each), 0);
      const ofCount = envelope.message.rumours.length < 128 ? 0 : 1;
      assert.equal(envelopeBytes(envelope), envelopeBytes(without) + ofRumours + ofCount);
    }),
  );
});

test('a message that was cut short or went on is none', () => {
  fc.assert(
    fc.property(envelope, fc.nat(), (envelope, cut) => {
      const bytes = written(envelope);
      assert.equal(readEnvelope(bytes.subarray(0, cut % bytes.length)), undefined);
      assert.equal(readEnvelope(Buffer.concat([bytes, Buffer.of(0)])), undefined);
    }),
  );
});

test('garbage is refused or read as something that is written the same, and never throws', () => {
  let read = 0;
  fc.assert(
    fc.property(
      envelope,
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }))),
      (envelope, hits) => {
        const bytes = written(envelope);
        for (const [place, value] of hits) bytes[place % bytes.length] = value;
        const got = readEnvelope(bytes);
        if (got === undefined) return;
        read += 1;
        assert.ok(written(got).equals(bytes));
      },
    ),
    { numRuns: 1000 },
  );
  assert.ok(read > 100);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      readEnvelope(Buffer.concat([Buffer.of(1, 6, 0, 0, 1, 0), bytes]));
    }),
  );
});

test('what no node says is refused', () => {
  const header = { incarnation: 7, attributes: 0, digest: 0 };
  const node = nodeIdOf('a@h');
  const told = {
    node,
    status: 'alive',
    incarnation: 1,
    attributes: 0,
    accusers: [],
    isRefused: false,
  } as const;
  const withRumour = (change: Partial<Rumour>): Buffer => {
    const rumours = [{ ...told, ...change }];
    return written({ generation: 1, epoch: 1, message: { kind: 'gossip', ...header, rumours } });
  };
  assert.ok(readEnvelope(withRumour({})) !== undefined);
  assert.equal(readEnvelope(withRumour({ incarnation: 0 })), undefined, 'alive in no life');
  assert.ok(readEnvelope(withRumour({ incarnation: 0, status: 'dead' })) !== undefined);
  assert.equal(readEnvelope(withRumour({ incarnation: incarnationMax + 1 })), undefined);
  assert.equal(readEnvelope(withRumour({ attributes: 2 ** 32 })), undefined);
  assert.equal(readEnvelope(withRumour({ accusers: [1, 2, 3, 4, 5] })), undefined);
  const otherVersion = withRumour({});
  otherVersion[0] = 2;
  assert.equal(readEnvelope(otherVersion), undefined);
  const longest = withRumour({ node: nodeIdOf('x'.repeat(livenessNameBytesMax)) });
  assert.ok(readEnvelope(longest) !== undefined);
});
