import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Partition } from '../ring/index.ts';
import { decodeTransferMessage, encodeTransferMessage } from './transfer-codec.ts';
import type { TransferMessage } from './transfer-message.ts';

const number = fc.nat();
const text = fc.string({ maxLength: 40 });
const id = fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('hex'));
const partition = fc.nat(1023) as fc.Arbitrary<Partition>;
const items = fc.array(
  fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)),
  { maxLength: 8 },
);
const record = <Fields>(model: { [Key in keyof Fields]: fc.Arbitrary<Fields[Key]> }) =>
  fc.record(model, { noNullPrototype: true });
const kind = <Kind extends string>(value: Kind): fc.Arbitrary<Kind> => fc.constant(value);

const message: fc.Arbitrary<TransferMessage> = fc.oneof(
  record({
    kind: kind('open'),
    id,
    purpose: fc.constantFrom('move' as const, 'stray' as const, 'rebuild' as const),
    partition,
    source: partition,
    since: number,
    clusterId: text,
    generation: number,
    epoch: number,
    fromInstance: text,
    to: text,
    toInstance: text,
    first: number,
  }),
  record({ kind: kind('accept'), id, instance: text, first: number, next: number, window: number }),
  record({
    kind: kind('refuse'),
    id,
    code: fc.constantFrom('busy' as const, 'damaged' as const),
    reason: text,
  }),
  record({ kind: kind('batch'), id, number, items }),
  record({ kind: kind('ack'), id, next: number }),
  record({ kind: kind('end'), id, batches: number, count: number, hash: number, unreadable: number }),
  record({ kind: kind('confirm'), id, count: number, hash: number }),
  record({ kind: kind('close'), id }),
  record({
    kind: kind('want'),
    partition,
    source: partition,
    since: number,
    generation: number,
    epoch: number,
  }),
);

test('a message read is the message written', () => {
  fc.assert(
    fc.property(message, (written) => {
      const decoded = decodeTransferMessage(encodeTransferMessage(written));
      assert.deepEqual(decoded, { kind: 'message', message: written });
    }),
  );
});

test('a batch with any changed bit is damaged or malformed, never another batch', () => {
  fc.assert(
    fc.property(id, number, items, fc.nat(), (batchId, batchNumber, batchItems, at) => {
      const bytes = encodeTransferMessage({
        kind: 'batch',
        id: batchId,
        number: batchNumber,
        items: batchItems,
      });
      const bit = at % (bytes.length * 8);
      bytes[bit >> 3] ^= 1 << (bit & 7);
      const decoded = decodeTransferMessage(bytes);
      const isBatch = decoded.kind === 'message' && decoded.message.kind === 'batch';
      assert.ok(!isBatch);
    }),
  );
});

test('garbage and cut messages are refused, and throw nothing', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      decodeTransferMessage(Buffer.from(bytes));
    }),
  );
  fc.assert(
    fc.property(message, fc.nat(), (written, cut) => {
      const bytes = encodeTransferMessage(written);
      const decoded = decodeTransferMessage(bytes.subarray(0, cut % bytes.length));
      assert.notEqual(decoded.kind, 'message');
    }),
  );
});
