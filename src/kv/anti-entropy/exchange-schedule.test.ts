import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Partition } from '../../core/ring/index.ts';
import { nodeIdOf } from '../../environment/index.ts';
import { ExchangeSchedule, type ScheduledPair } from './exchange-schedule.ts';

const intervalMs = 60_000;
const peer = nodeIdOf('b@b');

function pairOf(near: number, far: number) {
  return { first: 0 as Partition, nVal: 3, near: near as Partition, far: far as Partition, peer };
}

type Step =
  | { readonly kind: 'plan'; readonly pairs: readonly (readonly [near: number, far: number])[] }
  | { readonly kind: 'hasten'; readonly near: number }
  | { readonly kind: 'take' }
  | { readonly kind: 'finish'; readonly outcome: 'same' | 'refused' };

const partition = fc.integer({ min: 0, max: 3 });
const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('plan' as const), pairs: fc.array(fc.tuple(partition, partition)) }),
    fc.record({ kind: fc.constant('hasten' as const), near: partition }),
    fc.record({ kind: fc.constant('take' as const) }),
    fc.record({
      kind: fc.constant('finish' as const),
      outcome: fc.constantFrom('same' as const, 'refused' as const),
    }),
  ),
  { maxLength: 60 },
);

test('law: the pair that was due for longest comes up, whatever was planned, hastened and finished meanwhile', () => {
  fc.assert(
    fc.property(steps, fc.array(fc.nat({ max: 999 }), { minLength: 1 }), (story, draws) => {
      let drawn = 0;
      const random = { fraction: () => (draws[drawn++ % draws.length]! + drawn / 1000) / 1001 };
      const schedule = new ExchangeSchedule(intervalMs, random);
      const running: ScheduledPair[] = [];
      let now = 0;
      const waiting = () => schedule.pairs.filter(({ isRunning }) => !isRunning);
      const apply: { readonly [K in Step['kind']]: (step: Extract<Step, { kind: K }>) => void } = {
        plan: ({ pairs }) => schedule.plan(new Map(pairs.map((p) => [p.join(), pairOf(...p)])).values(), now),
        hasten: ({ near }) => {
          schedule.hasten(near as Partition, now);
          for (const pair of waiting()) if (pair.near === near) assert.ok(pair.dueAt <= now + 5000);
        },
        take: () => {
          now += 3000;
          const least = Math.min(...waiting().map(({ dueAt }) => dueAt));
          const pair = schedule.take(now);
          assert.equal(pair?.dueAt, least <= now ? least : undefined);
          if (pair !== undefined) running.push(pair);
        },
        finish: ({ outcome }) => {
          const pair = running.shift();
          if (pair !== undefined) schedule.finished(pair, { kind: outcome }, now);
        },
      };
      for (const step of story) {
        (apply[step.kind] as (step: Step) => void)(step);
        const least = Math.min(...waiting().map(({ dueAt }) => dueAt));
        assert.equal(schedule.deadline() ?? Number.POSITIVE_INFINITY, least);
      }
    }),
  );
});

test('a pair that stays keeps what is known of it; one that went and came back is new', () => {
  const schedule = new ExchangeSchedule(intervalMs, { fraction: () => 0.5 });
  schedule.plan([pairOf(1, 2)], 0);
  const pair = schedule.take(5000)!;
  schedule.finished(pair, { kind: 'same' }, 5000);
  schedule.plan([pairOf(1, 2), pairOf(1, 3)], 6000);
  assert.deepEqual(
    schedule.pairs.map(({ lastOutcome }) => lastOutcome),
    ['same', undefined],
  );
  schedule.plan([], 7000);
  assert.equal(schedule.deadline(), undefined);
  schedule.plan([pairOf(1, 2)], 8000);
  assert.equal(schedule.pairs[0]!.lastOutcome, undefined);
});
