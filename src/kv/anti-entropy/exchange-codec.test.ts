import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Partition } from '../../core/ring/index.ts';
import { Hash64, SegmentSet } from '../../merkle/index.ts';
import { decodeReply, decodeRequest, encodeReply, encodeRequest, isReply } from './exchange-codec.ts';
import { type ExchangeQuestion, type ExchangeReply, refusals } from './exchange-message.ts';

const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const level = fc.uint32Array({ minLength: 64, maxLength: 64 });
const bytes = fc.uint8Array({ minLength: 1, maxLength: 20 }).map((from) => Buffer.from(from));
const bound = fc.option(bytes, { nil: undefined });
const question: fc.Arbitrary<ExchangeQuestion> = fc.oneof(
  fc.tuple(word, word).map(([high, low]) => ({ kind: 'top' as const, root: Hash64.of(high, low) })),
  word.map((branches) => ({ kind: 'leaves' as const, branches })),
  fc
    .tuple(fc.uint32Array({ minLength: 32, maxLength: 32 }), bound)
    .map(([words, after]) => ({ kind: 'list' as const, segments: new SegmentSet(words), after })),
  fc.constant({ kind: 'verify' as const }),
);
const pairs = fc
  .uniqueArray(fc.tuple(bytes, fc.uint8Array({ minLength: 8, maxLength: 8 })), {
    selector: ([key]) => key.toString('hex'),
    maxLength: 10,
  })
  .map((listed) =>
    listed
      .map(([key, digest]) => ({ key, digest: Buffer.from(digest) }))
      .sort((a, b) => a.key.compare(b.key)),
  );
const reply: fc.Arbitrary<ExchangeReply> = fc.oneof(
  fc.constant({ kind: 'same' as const }),
  level.map((hashes) => ({ kind: 'top' as const, hashes })),
  fc.array(level, { maxLength: 32 }).map((levels) => ({ kind: 'leaves' as const, levels })),
  fc.tuple(pairs, bound).map(([list, upTo]) => ({ kind: 'list' as const, slice: { pairs: list, upTo } })),
  fc.constantFrom(...refusals).map((refusal) => ({ kind: 'refused' as const, refusal })),
);
const partition = fc.integer({ min: 0, max: 1023 }).map((number) => number as Partition);
const request = fc.record({
  pair: fc.record(
    {
      first: partition,
      nVal: fc.integer({ min: 1, max: 1024 }),
      near: partition,
      far: partition,
    },
    { noNullPrototype: true },
  ),
  fence: fc.record({ ringEpoch: fc.maxSafeNat(), placements: word }, { noNullPrototype: true }),
  question,
});

test('law: requests and replies survive the wire, and are told apart', () => {
  fc.assert(
    fc.property(word, request, reply, (id, asked, answered) => {
      const [asBytes, replyBytes] = [encodeRequest(id, asked), encodeReply(id, answered)];
      assert.ok(!isReply(asBytes) && isReply(replyBytes));
      const decoded = decodeRequest(asBytes)!;
      assert.equal(decoded.id, id);
      assert.deepEqual(decoded.message.pair, asked.pair);
      assert.deepEqual(decoded.message.fence, asked.fence);
      assert.deepEqual(encodeRequest(id, decoded.message), asBytes);
      assert.deepEqual(decodeReply(replyBytes), { id, message: answered });
    }),
  );
});

test('law: what is cut or garbage is undefined or a message, never an exception', () => {
  fc.assert(
    fc.property(request, reply, fc.nat(), fc.nat(), fc.nat(255), (asked, answered, cut, place, value) => {
      for (const whole of [encodeRequest(1, asked), encodeReply(1, answered)]) {
        const part = whole.subarray(0, cut % whole.length);
        if (part.length > 0) part[place % part.length] = value;
        decodeRequest(part);
        decodeReply(part);
      }
      assert.equal(decodeReply(encodeReply(1, { kind: 'same' }).subarray(0, 5)), undefined);
      assert.equal(
        decodeRequest(
          Buffer.concat([encodeRequest(1, { ...asked, question: { kind: 'verify' } }), Buffer.alloc(1)]),
        ),
        undefined,
      );
    }),
  );
});
