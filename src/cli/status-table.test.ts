import assert from 'node:assert/strict';
import { test } from 'node:test';
import { statusTable } from './status-table.ts';

test('units stand in the values, lists and groups on one line', () => {
  const status = {
    node: 'a@b',
    uptime_seconds: 93_784,
    members: ['a@b', 'c@d'],
    requests: { in_progress: 1, gets: 2 },
    resident_memory_bytes: 1_572_864,
  };
  assert.equal(
    statusTable(status),
    [
      'node             a@b',
      'uptime           1d 2h',
      'members          a@b, c@d',
      'requests         in progress 1, gets 2',
      'resident memory  1.5 MB',
      '',
    ].join('\n'),
  );
});

test('short spans', () => {
  for (const [seconds, text] of [
    [0, '0s'],
    [59, '59s'],
    [60, '1m 0s'],
    [3661, '1h 1m'],
  ] as const) {
    assert.equal(statusTable({ uptime_seconds: seconds }), `uptime  ${text}\n`);
  }
});
