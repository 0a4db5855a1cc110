import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Partition } from '../../core/index.ts';
import { nodeIdOf } from '../../environment/index.ts';
import {
  decodeReportMessage,
  encodeReportMessage,
  type NodeReport,
  type ReportedTransfer,
  type ReportMessage,
  transferPurposes,
} from './node-report.ts';

const count = fc.nat({ max: 2 ** 45 });
const partition = fc.nat({ max: 1023 }).map((p) => p as Partition);
const perhaps = fc.option(count, { nil: undefined });

const transfer: fc.Arbitrary<ReportedTransfer> = fc.record(
  {
    direction: fc.constantFrom('out', 'in'),
    purpose: fc.constantFrom(...transferPurposes),
    partition,
    peer: fc.string().map(nodeIdOf),
    isRunning: fc.boolean(),
    bytes: count,
    bytesTotal: perhaps,
    bytesPerSecond: perhaps,
    secondsLeft: perhaps,
    failures: count,
    lastError: fc.option(fc.string({ minLength: 1 }), { nil: undefined }),
  },
  { noNullPrototype: true },
);

const report: fc.Arbitrary<NodeReport> = fc.record(
  {
    version: fc.string(),
    generation: count,
    epoch: count,
    freeBytes: perhaps,
    strayPartitions: count,
    strayBytes: count,
    transfers: fc.array(transfer, { maxLength: 4 }),
    transfersUnlisted: count,
    partitionBytes: fc.array(fc.tuple(partition, count), { maxLength: 8 }).map((pairs) => new Map(pairs)),
  },
  { noNullPrototype: true },
);

const message: fc.Arbitrary<ReportMessage> = fc.oneof(
  fc.record(
    { kind: fc.constant('ask' as const), token: count, wantsSizes: fc.boolean() },
    { noNullPrototype: true },
  ),
  fc.record({ kind: fc.constant('report' as const), token: count, report }, { noNullPrototype: true }),
);

test('what is read is what was written', () => {
  fc.assert(
    fc.property(message, (sent) => {
      assert.deepEqual(decodeReportMessage(encodeReportMessage(sent)), sent);
    }),
  );
});

test('what is cut short, or longer than it says, or of a later version, is nothing', () => {
  fc.assert(
    fc.property(message, fc.nat(), (sent, at) => {
      const bytes = encodeReportMessage(sent);
      assert.equal(decodeReportMessage(bytes.subarray(0, at % bytes.length)), undefined);
      assert.equal(decodeReportMessage(Buffer.concat([bytes, Buffer.from([0])])), undefined);
      const later = Buffer.from(bytes);
      later[0] = 2;
      assert.equal(decodeReportMessage(later), undefined);
    }),
  );
  fc.assert(fc.property(fc.uint8Array(), (bytes) => void decodeReportMessage(Buffer.from(bytes))));
});
