import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deadlines } from '../../core/vnode/index.ts';
import type { Instant, WallMicros } from '../../environment/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { KvFailure, type NameStream } from '../key-value-store.ts';
import { OpenQueries } from './open-queries.ts';

/** Listings of which two may be open, on a clock that moves when told to. */
function twoListings() {
  let nowMs = 0;
  let wake: (() => void) | undefined;
  const clock = { now: () => nowMs as Instant, wallMicros: () => 0 as WallMicros };
  const timers = {
    after(_delayMs: number, run: () => void) {
      wake = run;
      return {
        cancel() {
          wake = undefined;
        },
      };
    },
  };
  const listings = new OpenQueries(
    new Deadlines(clock, timers),
    { spawn: (_name, body) => void body().then(undefined, assert.ifError) },
    2,
  );
  const pass = (ms: number) => {
    nowMs += ms;
    wake?.();
  };
  return { listings, pass };
}

/** A stream of one name again and again, or of none, until it is closed. */
function names(isEmpty = false): NameStream & { isClosed: boolean } {
  return {
    isClosed: false,
    next() {
      return Promise.resolve(isEmpty || this.isClosed ? undefined : [byteLiteral('name')]);
    },
    close() {
      this.isClosed = true;
      return Promise.resolve();
    },
  };
}

const failsWith = (code: string) => (error: unknown) =>
  error instanceof KvFailure && error.error.code === code;

test('one listing too many is refused before it begins; one that is closed, or at its end, makes room', async () => {
  const { listings } = twoListings();
  const closed = listings.open(1000, () => names());
  const ended = listings.open(1000, () => names(true));
  assert.throws(() => listings.open(1000, () => assert.fail('begun')), failsWith('overload'));
  await closed.close();
  await closed.close();
  assert.equal(await ended.next(), undefined);
  listings.open(1000, () => names());
  listings.open(1000, () => names());
  assert.throws(() => listings.open(1000, () => assert.fail('begun')), failsWith('overload'));
});

test('a listing whose consumer has stopped asking is released at its deadline, and says so when asked', async () => {
  const { listings, pass } = twoListings();
  const kept = names();
  const listing = listings.open(1000, () => kept);
  assert.deepEqual(await listing.next(), ['name']);
  pass(500);
  assert.equal(kept.isClosed, false);
  pass(600);
  assert.equal(kept.isClosed, true);
  for (let i = 0; i < 2; i += 1) listings.open(1000, () => names());
  await assert.rejects(listing.next(), failsWith('timeout'));
});
