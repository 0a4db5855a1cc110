import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant, Log } from './index.ts';
import { RareNotices, rareNoticeMs } from './rare-notices.ts';

test('what happens again and again is logged now and then, with how often', () => {
  const lines: unknown[] = [];
  let now = 5;
  const clock = { now: () => now as Instant };
  const log = { warn: (...line: unknown[]) => lines.push(line) } as unknown as Log;
  const notices = new RareNotices(log, clock, 'it happened');
  for (let time = 0; time < 100; time += 1) notices.warn(() => ({ time }));
  assert.equal(lines.length, 1);
  now += rareNoticeMs;
  notices.warn(() => ({ time: 100 }));
  assert.deepEqual(lines, [
    ['it happened', { time: 0, unsaid: 0 }],
    ['it happened', { time: 100, unsaid: 99 }],
  ]);
});
