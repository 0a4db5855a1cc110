/** The gate by itself, its limits in front of a slow oracle of a server, and each of its laws. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Instant } from '../../environment/index.ts';
import { AdmissionGate, type AdmittedWork } from './admission-gate.ts';
import { AdmissionLimit } from './admission-limit.ts';
import { AdmissionTurn } from './admission-turn.ts';

const at = (ms: number) => ms as Instant;
const options = { requestsMax: 10_000, turnDelayMs: 100, requestDelayMs: 250 };

function gateOf(changes: Partial<typeof options> = {}, storage = { share: 0 }) {
  return new AdmissionGate({ ...options, ...changes }, () => storage.share, at(0));
}

/** Turns of so many milliseconds, one right after the other; returns when the last ended. */
function turns(
  gate: { busy(now: Instant): boolean; turnEnded(now: Instant): void },
  from: number,
  ms: readonly number[],
) {
  let now = from;
  for (const each of ms) {
    gate.busy(at(now));
    now += each;
    gate.turnEnded(at(now));
  }
  return now;
}

describe('the turn of the event loop', () => {
  test('a burst is worked off, up to four delays, and the rest of its turn is refused', () => {
    const gate = gateOf();
    assert.equal(gate.busy(at(1000)), true);
    assert.equal(gate.busy(at(1001)), false);
    assert.equal(gate.refusal('read', at(1400)), undefined);
    assert.equal(gate.refusal('read', at(1401)), 'turn');
    assert.equal(gate.refusal('write', at(1401)), 'turn');
    gate.turnEnded(at(1402));
    gate.busy(at(1403));
    assert.equal(gate.refusal('write', at(1403)), undefined);
  });

  test('where no turn was short for four delays, a turn takes requests for one delay', () => {
    const gate = gateOf();
    const now = turns(gate, 1000, [150, 150, 150]);
    gate.busy(at(now));
    assert.equal(gate.refusal('read', at(now + 100)), undefined);
    assert.equal(gate.refusal('read', at(now + 101)), 'turn');
    // G2
    assert.equal(gate.refusal('forwarded', at(now + 150)), undefined);
    assert.equal(gate.refusal('forwarded', at(now + 151)), 'turn');
  });

  test('G4: one short turn, or a pause, and bursts are taken again', () => {
    for (const calm of ['turn', 'pause']) {
      const gate = gateOf();
      let now = turns(gate, 1000, [150, 150, 150, 150]);
      if (calm === 'turn') now = turns(gate, now, [99]);
      else now += 10;
      gate.busy(at(now));
      assert.equal(gate.refusal('read', at(now + 300)), undefined, calm);
    }
    const gate = gateOf();
    const now = turns(gate, 1000, [150, 150, 150, 150]) + 9;
    gate.busy(at(now));
    assert.equal(gate.refusal('read', at(now + 300)), 'turn', 'too short a pause');
  });

  test('between turns nothing is spent', () => {
    const turn = new AdmissionTurn(100, at(0));
    assert.equal(turn.isSpent(at(100_000), 1), false);
  });
});

/** First in, first out, one request each `serviceMs`; the limit before it, and clients who do not wait. */
function serve(limit: AdmissionLimit, serviceMs: number, everyMs: number, from: number, until: number) {
  const waiting: number[] = [];
  const took: number[] = [];
  let done = 0;
  let refused = 0;
  let freeAt = from;
  for (let now = from; now < until; now += everyMs) {
    while (waiting.length > 0 && Math.max(freeAt, waiting[0]!) + serviceMs <= now) {
      const since = waiting.shift()!;
      freeAt = Math.max(freeAt, since) + serviceMs;
      took.push(freeAt - since);
      limit.left(freeAt - since, at(freeAt));
      done += 1;
    }
    if (limit.isFull(at(now), 1)) refused += 1;
    else {
      limit.entered(at(now));
      waiting.push(now);
    }
  }
  for (const _ of waiting) limit.left(undefined, at(until));
  const late = took.slice(Math.floor(took.length / 2));
  return { done, refused, slowestMs: Math.max(...late) };
}

describe('the limit of what is under way', () => {
  const bounds = { countMin: 16, countMax: 50_000, burstMin: 1000, delayMs: 250 };

  test('at ten times the load all is used that there is, and what is taken is not late', () => {
    const limit = new AdmissionLimit(bounds, at(0));
    const { done, refused, slowestMs } = serve(limit, 1, 0.1, 0, 20_000);
    assert.ok(done > 0.98 * 20_000, `${done} done`);
    assert.ok(refused > 150_000, `${refused} refused`);
    assert.ok(slowestMs < 2.5 * bounds.delayMs, `${slowestMs} ms`);
  });

  test('G4: the load gone, the limit is back within five seconds, and half a load is never refused', () => {
    const limit = new AdmissionLimit(bounds, at(0));
    serve(limit, 1, 0.1, 0, 5000);
    assert.ok(limit.count < 500, `${limit.count}`);
    assert.equal(serve(limit, 1, 2, 5000, 10_000).refused, 0);
    // But no further than two delays of the capacity, as it was seen and may have grown since.
    assert.ok(limit.count >= 500 && limit.count < 1500, `${limit.count}`);
  });

  test('as long as the capacity is not known a burst is taken, and once it is, as much as is done in half a second', () => {
    const limit = new AdmissionLimit(bounds, at(0));
    const burst = (now: number) => {
      const before = limit.underWay;
      while (!limit.isFull(at(now), 1)) limit.entered(at(now));
      return limit.underWay - before;
    };
    assert.equal(burst(0), bounds.burstMin);
    while (limit.underWay > 0) limit.left(1000, at(1000));
    serve(limit, 5, 1, 1000, 11_000);
    const rest = burst(13_000);
    assert.ok(rest > 50 && rest < 150, `${rest} at 200 a second`);
    while (limit.underWay > 0) limit.left(250, at(13_250));
    assert.equal(burst(120_000), bounds.burstMin, 'a minute later nothing is known any more');
  });

  test('whatever the rate and the load, an idle server is never kept idle (against a server without a limit)', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.2, max: 5, noNaN: true }),
        fc.double({ min: 0.2, max: 10, noNaN: true }),
        (serviceMs, factor) => {
          const limit = new AdmissionLimit(bounds, at(0));
          const all = new AdmissionLimit({ ...bounds, countMin: 50_000, burstMin: 50_000 }, at(0));
          const until = 5000 * serviceMs;
          const bounded = serve(limit, serviceMs, serviceMs / factor, 0, until).done;
          const unbounded = serve(all, serviceMs, serviceMs / factor, 0, until).done;
          assert.ok(bounded >= 0.97 * unbounded, `${bounded} of ${unbounded}`);
        },
      ),
      { numRuns: 20 },
    );
  });

  test('L1: the limit stays within its bounds, whatever happens', () => {
    const steps = fc.array(
      fc.record({
        waitMs: fc.nat(2000),
        enter: fc.nat(40),
        leave: fc.nat(40),
        tookMs: fc.option(fc.nat(5000), { nil: undefined }),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(steps, (all) => {
        const limit = new AdmissionLimit({ countMin: 4, countMax: 64, burstMin: 32, delayMs: 100 }, at(0));
        let now = 0;
        for (const { waitMs, enter, leave, tookMs } of all) {
          now += waitMs;
          for (let i = 0; i < enter && !limit.isFull(at(now), 1); i += 1) limit.entered(at(now));
          for (let i = 0; i < leave && limit.underWay > 0; i += 1) limit.left(tookMs, at(now));
          assert.ok(limit.count >= 4 && limit.count <= 64, `${limit.count}`);
          assert.ok(limit.underWay <= 64);
        }
      }),
    );
  });

  test('L2, R42: while a disk stands still no more than the least is taken, and all again once it goes on', () => {
    const limit = new AdmissionLimit(bounds, at(0));
    for (let i = 0; i < 40; i += 1) limit.entered(at(100));
    assert.equal(limit.isFull(at(1100), 1), false);
    assert.equal(limit.isFull(at(1101), 1), true);
    limit.left(undefined, at(2000));
    assert.equal(limit.isFull(at(2000), 1), false);
  });

  test('L2: less than the least is always taken', () => {
    const limit = new AdmissionLimit(bounds, at(0));
    for (let i = 0; i < 15; i += 1) limit.entered(at(100));
    assert.equal(limit.isFull(at(60_000), 1), false);
    limit.entered(at(60_000));
    assert.equal(limit.isFull(at(60_000), 1), true);
  });

  test('L3: after a cut the queue that made it drains before another is made', () => {
    const limit = new AdmissionLimit(bounds, at(0));
    for (let i = 0; i < 1000; i += 1) limit.entered(at(0));
    for (let i = 1; i <= 200; i += 1) limit.left(1000, at(800 + i));
    // 200 in the second since it was judged last: 50 in a quarter of one, and a third less as long as none were before.
    assert.equal(limit.isFull(at(1000), 1), true);
    assert.equal(limit.count, 33);
    for (let now = 1100; now < 2000; now += 100) {
      limit.left(1000, at(now));
      assert.equal(limit.isFull(at(now), 1), true);
    }
    assert.equal(limit.count, 33);
    limit.isFull(at(2000), 1);
    assert.equal(limit.count, bounds.countMin);
  });

  test('L4: who is slow with few under way is slow by nature', () => {
    const limit = new AdmissionLimit(bounds, at(0));
    for (let now = 0; now < 10_000; now += 400) {
      limit.entered(at(now));
      limit.left(400, at(now + 400));
      limit.isFull(at(now + 400), 1);
    }
    assert.equal(limit.count, bounds.burstMin);
  });
});

/** Each sync takes all that waits, and `syncMs`; what comes meanwhile waits for the next. Clients do not wait. */
function sync(limit: AdmissionLimit, syncMs: number, everyMs: number, until: number) {
  let done = 0;
  let slowestMs = 0;
  let batch: number[] = [];
  let waiting: number[] = [];
  for (let began = 0; began < until; began += syncMs) {
    for (let now = began; now < began + syncMs; now += everyMs) {
      if (limit.isFull(at(now), 1)) continue;
      limit.entered(at(now));
      waiting.push(now);
    }
    const endedAt = began + syncMs;
    for (const since of batch) {
      limit.left(endedAt - since, at(endedAt));
      done += 1;
      if (began > until / 2) slowestMs = Math.max(slowestMs, endedAt - since);
    }
    batch = waiting;
    waiting = [];
  }
  return { perSecond: (done / until) * 1000, slowestMs };
}

describe('a disk whose sync takes longer than a request should', () => {
  const bounds = { countMin: 16, countMax: 50_000, burstMin: 1000, delayMs: 250 };

  test('L4: it is kept as busy as one that is quick', () => {
    for (const syncMs of [150, 300, 600]) {
      const limit = new AdmissionLimit(bounds, at(0));
      const { perSecond, slowestMs } = sync(limit, syncMs, 1, 60_000);
      assert.ok(perSecond > 500, `${perSecond} a second of 1000 with ${syncMs} ms`);
      assert.ok(slowestMs <= 2 * syncMs, `${slowestMs}`);
    }
  });
});

describe('the gate', () => {
  test('G1: beyond what the configuration allows nothing is taken', () => {
    const gate = gateOf({ requestsMax: 4 });
    for (const work of ['read', 'read', 'write', 'forwarded'] as const) {
      assert.equal(gate.refusal(work, at(0)), undefined);
      gate.enter(work, at(0));
    }
    for (const work of ['read', 'write', 'forwarded'] as const)
      assert.equal(gate.refusal(work, at(0)), 'requests');
    gate.leave('write', 1, at(1));
    assert.equal(gate.refusal('read', at(1)), undefined);
  });

  test('bytes that wait for storage refuse writes, and no reads; G2: forwarded ones later', () => {
    const storage = { share: 1 };
    const gate = gateOf({}, storage);
    assert.equal(gate.refusal('write', at(0)), 'storage');
    assert.equal(gate.refusal('read', at(0)), undefined);
    assert.equal(gate.refusal('forwarded', at(0)), undefined);
    storage.share = 1.5;
    assert.equal(gate.refusal('forwarded', at(0)), 'storage');
    storage.share = 0.99;
    assert.equal(gate.refusal('write', at(0)), undefined);
  });

  test('slow writes keep no reads out', () => {
    const gate = gateOf();
    for (let i = 0; i < 1000; i += 1) gate.enter('write', at(0));
    gate.leave('write', 1000, at(1000));
    assert.equal(gate.refusal('write', at(1000)), 'writes');
    assert.equal(gate.refusal('read', at(1000)), undefined);
  });

  test('G3: as storage fills, first handoff rests, then repair, then clients are refused', () => {
    const storage = { share: 0 };
    const gate = gateOf({}, storage);
    const seen: string[] = [];
    for (storage.share = 0; storage.share <= 1; storage.share += 0.125) {
      const resting = [
        gate.defers('handoff', at(0)),
        gate.defers('repair', at(0)),
        gate.refusal('write', at(0)) !== undefined,
      ];
      seen.push(resting.map((rests) => (rests ? 'x' : '-')).join(''));
    }
    assert.deepEqual([...new Set(seen)], ['---', 'x--', 'xx-', 'xxx']);
  });

  test('G3: with half of what may be under way handoff rests; with long turns repair as well', () => {
    const gate = gateOf({ requestsMax: 100 });
    for (let i = 0; i < 50; i += 1) gate.enter('read', at(0));
    assert.deepEqual([gate.defers('handoff', at(0)), gate.defers('repair', at(0))], [true, false]);
    const loaded = gateOf();
    const now = turns(loaded, 1000, [150, 150, 150]);
    loaded.enter('read', at(now));
    assert.deepEqual([loaded.defers('handoff', at(now)), loaded.defers('repair', at(now))], [true, true]);
  });

  test('what enters is counted until it leaves', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom<AdmittedWork>('read', 'write', 'forwarded')), (works) => {
        const gate = gateOf();
        works.forEach((work, index) => {
          gate.enter(work, at(0));
          assert.equal(gate.underWay, index + 1);
        });
        for (const work of works) gate.leave(work, 1, at(1));
        assert.equal(gate.underWay, 0);
      }),
    );
  });
});
