import assert from 'node:assert/strict';
import type { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Partition, Ring } from '../../core/ring/index.ts';
import { type Log, nodeIdOf, type Tasks, type Timers } from '../../environment/index.ts';
import {
  type Cursor,
  GroupCommit,
  openMemoryEngine,
  type StorageEngine,
  StorageError,
} from '../../storage/index.ts';
import { mergeObjects, VersionedObject } from '../object/index.ts';
import { type ObjectKey, objectsRange } from '../vnode/index.ts';
import { type FoldResult, foldPartition } from './partition-fold.ts';
import { PartitionTrees } from './partition-trees.ts';
import { Pause } from './pause.ts';
import { keyOf, objectOf } from './replica-cluster.fixture.ts';
import { TreeKeeper } from './tree-keeper.ts';

const log: Log = { debug() {}, info() {}, warn() {}, error() {} };
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A partition whose batches, slices and pauses end when the test says so. */
class SteppedPartition {
  readonly partition = 3 as Partition;
  readonly ring = Ring.ownedByOne(1, 8, nodeIdOf('a@host'));
  readonly #held: (() => void)[] = [];
  #mode: 'ok' | 'fail' | 'fail-after-all' = 'ok';
  isFree = false;
  commit!: GroupCommit;
  readonly keeper: TreeKeeper;
  /** All n replicas of the ring, so that the one partition holds every key. */
  readonly placements = { of: () => ({ nVal: 8, bucketOnly: false }), nVals: [8], revision: '' };
  readonly timers: Timers = {
    after: (_delayMs, wake) => {
      void this.#hold().then(wake);
      return { cancel: () => {} };
    },
  };

  constructor() {
    this.keeper = new TreeKeeper(
      () => this.ring,
      this.placements,
      () => {},
    );
    this.keeper.keep(this.partition);
  }

  /** A small `batchBytesMax` makes a batch of every write. */
  async open(batchBytesMax: number): Promise<void> {
    const tasks: Tasks = {
      spawn: (_name, body) => void body(),
      endOfTurn: (run) => void this.#hold().then(run),
    };
    const memory = await openMemoryEngine({}, { tasks, timers: this.timers });
    const engine: StorageEngine = {
      name: 'stepped',
      health: { kind: 'healthy' },
      get: (key) => memory.get(key),
      // A failed batch may be on disk all the same.
      write: async (batch, durability) => {
        await this.#hold();
        const mode = this.#mode;
        if (mode !== 'fail') await memory.write(batch, durability);
        if (mode !== 'ok') throw new StorageError('io', 'failed');
        await this.#hold();
      },
      scan: (range, options) => this.#stepped(memory.scan(range, options)),
      deleteRange: (range) => memory.deleteRange(range),
      sizeEstimate: (range) => memory.sizeEstimate(range),
      copyTo: (directory) => memory.copyTo(directory),
      close: () => memory.close(),
    };
    this.commit = new GroupCommit(engine, tasks, { pendingBytesMax: 1e9, batchBytesMax });
  }

  write(key: ObjectKey, object: VersionedObject | undefined): void {
    const bytes = this.commit.get(key.borrow(this.partition));
    const before = bytes && VersionedObject.decode(bytes);
    const after = before && object ? mergeObjects(before, object) : object;
    this.commit.write(
      'os',
      (batch) =>
        after ? batch.put(key.copy(this.partition), after.bytes) : batch.delete(key.copy(this.partition)),
      (error) => {
        if (error === undefined) this.keeper.observe(this.partition, key, before, after);
        else this.keeper.doubt(this.partition);
      },
    );
  }

  fold(): Promise<FoldResult> {
    const parts = {
      environment: { log },
      background: { run: <Result>(_lane: string, slice: () => Promise<Result>) => slice() },
      commit: this.commit,
      keeper: this.keeper,
      pause: new Pause(this.timers),
    };
    return foldPartition(parts, this.partition, 1000);
  }

  /** Lets one thing that waits go on. */
  async step(mode: 'ok' | 'fail' | 'fail-after-all', which: number): Promise<void> {
    this.#mode = mode;
    if (this.#held.length > 0) this.#held.splice(which % this.#held.length, 1)[0]!();
    await turn();
  }

  async free(): Promise<void> {
    this.isFree = true;
    this.#mode = 'ok';
    for (const go of this.#held.splice(0)) go();
    await turn();
  }

  async expected(): Promise<PartitionTrees> {
    const oracle = new TreeKeeper(
      () => this.ring,
      this.placements,
      () => {},
    );
    oracle.keep(this.partition, new PartitionTrees());
    const cursor = this.commit.engine.scan(objectsRange(this.partition));
    for (;;) {
      const entries = await cursor.next({ entriesMax: 1000, bytesMax: 1e9 });
      if (entries.length === 0) break;
      for (const { key, value } of entries) {
        const found = keys.find((known) => known.copy(this.partition).equals(key));
        oracle.observe(this.partition, found!, undefined, VersionedObject.decode(value));
      }
    }
    await cursor.close();
    return oracle.builtTrees(this.partition)!;
  }

  #hold(): Promise<void> {
    if (this.isFree) return Promise.resolve();
    return new Promise((resolve) => this.#held.push(resolve));
  }

  /** One entry a slice, each when the test lets it. */
  #stepped(cursor: Cursor): Cursor {
    return {
      next: async () => {
        await this.#hold();
        return cursor.next({ entriesMax: 1, bytesMax: 1 });
      },
      seek: (key: Buffer) => cursor.seek(key),
      close: () => cursor.close(),
    };
  }
}

const keys = Array.from({ length: 6 }, (_, i) => keyOf(`k${i}`));

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('write' as const), key: fc.nat(5), isDelete: fc.boolean() }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('step' as const), which: fc.nat(3) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('fail' as const, 'fail-after-all' as const),
      which: fc.nat(3),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fold' as const) }) },
);

test('K1, K2, K3, law: trees are what is stored, whatever is written, fails or is folded meanwhile', async () => {
  let folded = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 10, maxLength: 120 }),
      fc.constantFrom(1, 1e6),
      async (steps, batchBytesMax) => {
        const stepped = new SteppedPartition();
        await stepped.open(batchBytesMax);
        const { keeper, partition } = stepped;
        let counter = 0;
        let folding: Promise<unknown> | undefined;
        for (const action of steps) {
          if (action.kind === 'write') {
            counter += 1;
            stepped.write(keys[action.key]!, action.isDelete ? undefined : objectOf(1, counter));
          } else if (action.kind === 'fold') {
            folding ??= stepped.fold().then(({ kind }) => {
              if (kind !== 'lost') folded += 1;
              folding = undefined;
            });
          } else await stepped.step(action.kind === 'step' ? 'ok' : action.kind, action.which);
        }
        await stepped.free();
        await folding;
        await stepped.commit.drain();
        await turn();
        const expected = await stepped.expected();
        // Trees that are built are right; those that are not become so by a fold.
        if (keeper.isBuilt(partition)) assert.ok(keeper.builtTrees(partition)!.equals(expected));
        else await stepped.fold();
        assert.ok(keeper.builtTrees(partition)!.equals(expected));
        assert.equal((await stepped.fold()).kind, 'verified');
      },
    ),
    { numRuns: 250 },
  );
  assert.ok(folded > 60, `${folded} folds ended among writes`);
});

test('K3: a batch that fails after the fold was asked for and before its snapshot makes the fold begin again', async () => {
  const stepped = new SteppedPartition();
  await stepped.open(1);
  const [a, b] = keys as [ObjectKey, ObjectKey];
  stepped.write(a, objectOf(1, 1));
  await stepped.step('ok', 0);
  // The write of no bytes shares the next batch with b; the second write of a follows in a third.
  const folding = stepped.fold();
  stepped.write(b, objectOf(1, 2));
  stepped.write(a, objectOf(1, 3));
  await stepped.step('fail', 0);
  await stepped.free();
  assert.equal((await folding).kind, 'lost', 'what a becomes is counted from what it never was');
  assert.equal((await stepped.fold()).kind, 'built');
  assert.ok(stepped.keeper.builtTrees(stepped.partition)!.equals(await stepped.expected()));
});
