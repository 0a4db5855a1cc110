import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { RecentCommands } from './recent-commands.ts';

test('law: what is given is a run of what was pushed, from the epoch that was asked for', () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 60 });
  fc.assert(
    fc.property(lengths, fc.nat(70), fc.nat(100), (pushed, from, bytesMax) => {
      const limits = { commandsMax: 20, bytesMax: 200 };
      const recent = new RecentCommands(limits);
      const base = 5;
      recent.restart(base);
      const all = pushed.map((length, i) => Buffer.alloc(length, i));
      for (const [i, command] of all.entries()) recent.push(base + i + 1, command);
      // The slow way: the longest tail within the limits.
      let kept = 0;
      let bytes = 0;
      for (const command of all.toReversed()) {
        bytes += command.length;
        if (kept === limits.commandsMax || bytes > limits.bytesMax) break;
        kept += 1;
      }
      const first = all.length - kept;
      const given = recent.after(from, bytesMax);
      const start = from - base;
      if (start < first || start >= all.length) {
        assert.equal(given, undefined);
        return;
      }
      assert.ok(given !== undefined && given.length > 0);
      assert.deepEqual(given, all.slice(start, start + given.length));
      const size = given.reduce((sum, { length }) => sum + length, 0);
      assert.ok(given.length === 1 || size <= bytesMax);
      const next = all[start + given.length];
      assert.ok(next === undefined || size + next.length > bytesMax, 'as many as fit');
    }),
    { numRuns: 300 },
  );
});
