import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { VersionVector } from '../../clocks/index.ts';
import type { Clock, Instant, Log } from '../../environment/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { asisObject } from '../object/index.ts';
import { LargeObjectNotices, largeObjectNoticeMs } from './large-object-notices.ts';
import { ObjectKey } from './object-key.ts';

test('a large object that is written again and again is logged now and then, with how often', () => {
  const lines: unknown[] = [];
  let now = 5;
  const clock = { now: () => now as Instant } as unknown as Clock;
  const log = { warn: (_: string, facts: object) => lines.push(facts) } as unknown as Log;
  const notices = new LargeObjectNotices(log, clock);
  const key = new ObjectKey({
    bucketType: byteLiteral('default'),
    bucket: byteLiteral('b'),
    key: byteLiteral('k'),
  });
  const object = asisObject(VersionVector.empty, Buffer.from([0x0a, 1, 65]));
  for (let write = 0; write < 100; write += 1) notices.wrote(key, object);
  assert.equal(lines.length, 1);
  now += largeObjectNoticeMs;
  notices.wrote(key, object);
  assert.equal(lines.length, 2);
  const facts = { bucket: 'b', key: 'k', bytes: object.sizeBytes, siblings: 1 };
  assert.deepEqual(lines, [
    { ...facts, writesUnsaid: 0 },
    { ...facts, writesUnsaid: 99 },
  ]);
});
