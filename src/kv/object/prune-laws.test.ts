/**
 * Pruned clocks over random histories of several vnodes: puts with any context, or none, that merge into what their
 * vnode holds and are pruned to very few entries, and deliveries of what any vnode holds to any other, which prune
 * nothing, as repairs do. A vnode is another actor with each put.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { actorId, VersionVector } from '../../clocks/index.ts';
import { byteLiteral, byteStringOf } from '../../stdx/index.ts';
import { encodeContent, stampContent } from '../../wire/index.ts';
import { mergeObjects, pruned, putObject, replicaPut, type VersionedObject } from './index.ts';

const numRuns = Number(process.env.LAW_RUNS ?? 1000);
const vnodes = 3;
const limits = { smallVclock: 3, bigVclock: 3, youngVclock: 0, oldVclock: 0 };

type Step =
  | { readonly kind: 'put'; readonly at: number; readonly read: number }
  | { readonly kind: 'deliver'; readonly from: number; readonly to: number };

const at = fc.nat({ max: vnodes - 1 });
const histories: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('put' as const), at, read: fc.nat({ max: 40 }) }),
    fc.record({ kind: fc.constant('deliver' as const), from: at, to: at }),
  ),
  { minLength: 1, maxLength: 30, size: 'max' },
);

class Vnodes {
  readonly held: (VersionedObject | undefined)[] = Array.from({ length: vnodes }, () => undefined);
  /** All that was ever held. */
  readonly versions: VersionedObject[] = [];
  #seconds = 0;

  put(at: number, context: VersionVector): VersionedObject {
    this.#seconds += 1;
    const seconds = this.#seconds;
    const local = this.held[at];
    const bare = { value: Buffer.from(`v${seconds}`), links: [], userMeta: [], indexes: [], deleted: false };
    const fresh = putObject(local, {
      context,
      content: stampContent(encodeContent(bare), byteLiteral('vtag'), seconds),
      dot: { actor: actorId(byteStringOf(Buffer.from([1, 2, 3, 4, 5, 6, 7, at])), seconds), counter: 1 },
      seconds,
      allowMult: true,
      lastWriteWins: false,
    });
    return this.#hold(at, pruned(fresh, local, { limits, nowSeconds: seconds }));
  }

  /** The result of the last put, at a vnode that did not coordinate it. */
  replicate(to: number, object: VersionedObject): void {
    const local = this.held[to];
    const merged = replicaPut(local, object);
    const pruning = { limits, nowSeconds: this.#seconds };
    this.#hold(to, merged === object || merged === local ? merged : pruned(merged, local, pruning));
  }

  deliver(to: number, object: VersionedObject | undefined): void {
    if (object === undefined) return;
    const local = this.held[to];
    this.#hold(to, local === undefined ? object : mergeObjects(local, object));
  }

  #hold(at: number, object: VersionedObject): VersionedObject {
    this.held[at] = object;
    this.versions.push(object);
    return object;
  }
}

function tell(steps: readonly Step[]): Vnodes {
  const told = new Vnodes();
  for (const step of steps) {
    if (step.kind === 'deliver') told.deliver(step.to, told.held[step.from]);
    else {
      const read = told.versions[step.read % (told.versions.length + 1)];
      told.put(step.at, read?.clock ?? VersionVector.empty);
    }
  }
  return told;
}

const valuesOf = (object: VersionedObject | undefined) =>
  object?.contents().map(({ value }) => value.toString());

/** Everybody holds the merge of all. */
function repaired(told: Vnodes): VersionedObject | undefined {
  const merged = told.held.reduce((a, b) => (a && b ? mergeObjects(a, b) : (a ?? b)), undefined);
  for (let at = 0; at < vnodes; at += 1) told.deliver(at, merged);
  return merged;
}

test('O3: the clock covers the dots of all siblings, though it was pruned', () => {
  fc.assert(
    fc.property(histories, (steps) => {
      for (const { clock, dots } of tell(steps).versions) {
        for (const dot of dots) assert.ok(dot !== undefined && clock.covers(dot));
      }
    }),
    { numRuns },
  );
});

test('who has read all supersedes all, at every replica, though the clocks are pruned', () => {
  fc.assert(
    fc.property(histories, at, (steps, coordinator) => {
      const told = tell(steps);
      const read = repaired(told);
      const written = told.put(coordinator, read?.clock ?? VersionVector.empty);
      for (let to = 0; to < vnodes; to += 1) if (to !== coordinator) told.deliver(to, written);
      for (const held of told.held) assert.deepEqual(valuesOf(held), valuesOf(written));
      assert.equal(written.siblingCount, 1);
    }),
    { numRuns },
  );
});

test('replicas that held the same before a write hold the same after it, to the byte', () => {
  fc.assert(
    fc.property(histories, fc.nat({ max: 40 }), at, (steps, read, coordinator) => {
      const told = tell(steps);
      repaired(told);
      const context = told.versions[read % (told.versions.length + 1)]?.clock ?? VersionVector.empty;
      const written = told.put(coordinator, context);
      for (let to = 0; to < vnodes; to += 1) if (to !== coordinator) told.replicate(to, written);
      for (const held of told.held) assert.deepEqual(held?.bytes, written.bytes);
    }),
    { numRuns },
  );
});

test('a clock has no more entries than the limits say, but for those of siblings', () => {
  fc.assert(
    fc.property(histories, at, (steps, coordinator) => {
      const told = tell(steps);
      const local = told.held[coordinator];
      const written = told.put(coordinator, local?.clock ?? VersionVector.empty);
      assert.ok(written.clock.entries.length <= limits.bigVclock + (local?.siblingCount ?? 0));
    }),
    { numRuns },
  );
});

test('the histories do something: clocks are pruned, and siblings are older than what is dropped', () => {
  let dropped = 0;
  let old = 0;
  for (const steps of fc.sample(histories, { numRuns: 300, seed: 1 })) {
    const told = tell(steps);
    const merged = repaired(told);
    if (merged === undefined) continue;
    const small = merged.clock.prune(limits, 1000);
    if (small !== merged.clock) dropped += 1;
    if (merged.dots.some((dot) => dot !== undefined && !small.covers(dot))) old += 1;
  }
  assert.ok(dropped > 150 && old > 50, `${dropped} ${old}`);
});
