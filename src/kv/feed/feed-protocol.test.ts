import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Partition } from '../../core/ring/index.ts';
import type { ByteString } from '../../stdx/index.ts';
import { feedPlace, feedRun } from './feed-place.ts';
import { type FeedReply, type FeedRequest, feedCodec, feedStart } from './feed-protocol.ts';

/** Records as the codec makes them. */
function plain<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
}

const codec = feedCodec();
const bytes = fc
  .uint8Array({ maxLength: 20 })
  .map((all) => Buffer.from(all).toString('latin1') as ByteString);
const partition = fc.nat({ max: 1023 }).map((number) => number as Partition);
const place = fc.oneof(
  fc.constant(feedStart),
  fc.nat().map((counter) => feedPlace(feedRun(7, 9), counter)),
);
const requests: fc.Arbitrary<FeedRequest> = fc.record(
  {
    bucketType: bytes,
    bucket: bytes,
    only: plain({ kind: fc.constantFrom('key' as const, 'prefix' as const), name: bytes }),
    steps: fc.array(plain({ partition, after: fc.oneof(fc.constant('now' as const), place) }), {
      minLength: 1,
    }),
    entriesMax: fc.integer({ min: 1, max: 10_000 }),
    waitMs: fc.nat({ max: 100_000 }),
  },
  { noNullPrototype: true, requiredKeys: ['bucketType', 'bucket', 'steps', 'entriesMax', 'waitMs'] },
);
const replies: fc.Arbitrary<FeedReply> = fc.oneof(
  plain({ kind: fc.constant('moved' as const), epoch: fc.nat() }),
  plain({
    kind: fc.constant('failed' as const),
    reason: fc.constantFrom(
      'unreachable' as const,
      'overload' as const,
      'no_feed' as const,
      'storage' as const,
    ),
  }),
  plain({
    kind: fc.constant('slice' as const),
    parts: fc.array(
      plain({
        partition,
        isBroken: fc.boolean(),
        after: place,
        items: fc.array(plain({ key: bytes, micros: fc.nat({ max: 2 ** 50 }), digest: bytes })),
      }),
    ),
  }),
);

test('requests and replies read back as they were', () => {
  fc.assert(
    fc.property(requests, (request) => {
      const body = Buffer.alloc(codec.requestBytes(request));
      codec.writeRequest(request, body, 0);
      assert.deepEqual(codec.readRequest(body), request);
    }),
  );
  fc.assert(
    fc.property(replies, (reply) => {
      const body = Buffer.alloc(codec.replyBytes(reply));
      codec.writeReply(reply, body, 0);
      assert.deepEqual(codec.readReply(body), reply);
    }),
  );
});

test('a question about what is behind the last place there could be is none', () => {
  for (const [after, isGood] of [
    [feedPlace(feedRun(7, 9), 2 ** 48 - 2), true],
    [feedPlace(feedRun(7, 9), 2 ** 48 - 1), false],
    ['now' as ByteString, true],
    ['not' as ByteString, false],
  ] as const) {
    const steps = [{ partition: 1 as Partition, after }];
    const name = 'b' as ByteString;
    const request = { bucketType: name, bucket: name, steps, entriesMax: 1, waitMs: 0 };
    const body = Buffer.alloc(codec.requestBytes(request));
    codec.writeRequest(request, body, 0);
    assert.deepEqual(codec.readRequest(body), isGood ? request : undefined);
  }
});

test('what is cut off or malformed is neither', () => {
  fc.assert(
    fc.property(requests, fc.nat(), (request, cut) => {
      const body = Buffer.alloc(codec.requestBytes(request));
      codec.writeRequest(request, body, 0);
      assert.equal(codec.readRequest(body.subarray(0, cut % body.length)), undefined);
      assert.equal(codec.readRequest(Buffer.concat([body, Buffer.from([1])])), undefined);
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array(), (noise) => {
      codec.readRequest(Buffer.from(noise));
      codec.readReply(Buffer.from(noise));
    }),
  );
});
