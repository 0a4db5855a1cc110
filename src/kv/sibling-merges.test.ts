/** Buckets that cap their siblings: a few stores with links that fail, and clients that never read what they write over. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { actorId, VersionVector } from '../clocks/index.ts';
import type { Sandbox, SandboxCall, SandboxOutcome } from '../sandbox/index.ts';
import { byteStringOf, bytesOfText } from '../stdx/index.ts';
import { encodeContent } from '../wire/index.ts';
import type { BucketPropertyChanges } from './bucket-properties.ts';
import { defaultBucketProperties, type KvObserver, quorumAll, quorumOne, silentObserver } from './index.ts';
import { makeObject, type VersionedObject } from './object/index.ts';
import { ReplicatedStores, type StoreNode } from './replicated-stores.fixture.ts';

const rounds = Number(process.env.LAW_ROUNDS ?? 10);
const writes = 60;
const siblingsMax = 3;

function options(changes: BucketPropertyChanges, seed = 1, sandbox?: Sandbox, observer?: KvObserver) {
  const bucketDefaults = {
    ...defaultBucketProperties,
    allow_mult: true,
    siblings_max: siblingsMax,
    ...changes,
  };
  const parts = {
    ...(sandbox === undefined ? {} : { hookSandbox: sandbox }),
    ...(observer === undefined ? {} : { observer }),
  };
  return { seed, settings: { bucketDefaults, siblingsMax: 20 }, parts: () => parts };
}

interface Values {
  readonly values: readonly { readonly metadata: object; readonly data: string }[];
}

/** Whatever the source says, `merge` is called. */
function trustingSandbox(
  calls: SandboxCall[],
  merge: (object: Values) => unknown,
  released: Promise<void> = Promise.resolve(),
): Sandbox {
  return {
    engine: 'none',
    counts: { calls: 0, failures: 0, exceeded: 0, running: 0, waiting: 0 },
    async run(call): Promise<SandboxOutcome> {
      calls.push(call);
      await released;
      return {
        kind: 'returned',
        results: [JSON.stringify(merge(JSON.parse(call.input) as Values))],
        ranMs: 1,
      };
    },
    close: () => Promise.resolve(),
  };
}

function united({ values }: Values): unknown {
  const all = new Set(values.flatMap(({ data }) => JSON.parse(data) as string[]));
  return { values: [{ ...values[0], data: JSON.stringify([...all].sort()) }] };
}

/** Everybody writes to one key without reading. Returns what was acknowledged. */
async function writeBlindly(stores: ReplicatedStores, key: string): Promise<readonly string[]> {
  const { world, nodes } = stores;
  const acked: string[] = [];
  for (let write = 0; write < writes; write += 1) {
    const node = nodes[Math.floor(world.random.fraction() * nodes.length)]!;
    const pair = [0, 1].map(() => nodes[Math.floor(world.random.fraction() * nodes.length)]!);
    if (write % 10 === 5 && pair[0] !== pair[1]) stores.cut(pair[0]!, pair[1]!);
    if (write % 10 === 9) stores.heal();
    await world.sleep(world.random.fraction() * 20);
    const result = await node.put(key, JSON.stringify([`w${write}`]), { timeoutMs: 500 });
    if (result.kind === 'stored') acked.push(`w${write}`);
  }
  stores.heal();
  return acked;
}

async function settle(stores: ReplicatedStores, key: string): Promise<readonly string[]> {
  let values: readonly string[] = [];
  for (let read = 0; read < 8; read += 1) {
    for (const node of stores.nodes) values = await node.values(key, { r: quorumAll });
    await stores.world.sleep(200);
  }
  const { primaries, partitions } = stores.placesOf(key);
  const copies = await Promise.all(primaries.map((node, i) => node.copy(partitions[i]!, key)));
  for (const copy of copies) assert.deepEqual(copy?.bytes, copies[0]?.bytes, 'replicas hold the same');
  assert.ok(copies[0]!.siblingCount <= siblingsMax, `${copies[0]!.siblingCount} siblings`);
  return values;
}

for (const policy of ['union', 'function'] as const) {
  test(`${policy}: blind writers everywhere: few siblings, one object on all replicas, and nothing acknowledged is lost`, async () => {
    let folded = 0;
    for (let seed = 1; seed <= rounds; seed += 1) {
      const calls: SandboxCall[] = [];
      const merge_policy = policy === 'union' ? policy : { name: 'merges/all' };
      await ReplicatedStores.run(
        options({ merge_policy }, seed, trustingSandbox(calls, united)),
        async (stores, first) => {
          await storeSource(first, 'all of them');
          const acked = await writeBlindly(stores, 'k');
          const values = (await settle(stores, 'k')).flatMap((value) => JSON.parse(value) as string[]);
          for (const value of acked) assert.ok(values.includes(value), `seed ${seed}: ${value} is lost`);
          assert.ok(acked.length > writes / 3, `${acked.length} acked`);
          if (policy === 'function') assert.ok(calls.length > 0);
          folded += acked.length;
        },
      );
    }
    assert.ok(folded > 0);
  });
}

async function storeSource(node: StoreNode, source: string): Promise<void> {
  const result = await node.put('all', source, {
    bucket: bytesOfText('merges'),
    w: quorumAll,
  });
  assert.equal(result.kind, 'stored');
}

test('lww: the last that was acknowledged stays, of as many writes as there were', async () => {
  await ReplicatedStores.run(options({ merge_policy: 'lww' }), async (stores, first) => {
    const { world } = stores;
    for (let write = 0; write < 20; write += 1) {
      await first.put('k', String(write), { w: quorumAll });
      await world.sleep(5);
    }
    await first.put('k', 'last', { w: quorumAll });
    const values = await settle(stores, 'k');
    assert.ok(values.includes('last'), values.join());
  });
});

test('none: beyond the cap of the bucket writes are refused, and those that have read go on', async () => {
  await ReplicatedStores.run(options({}), async (_stores, first) => {
    for (let write = 0; write < siblingsMax; write += 1) await first.put('k', String(write));
    const refused = await first.put('k', 'more');
    assert.deepEqual(refused, {
      kind: 'failed',
      error: { code: 'too_many_siblings', siblings: siblingsMax + 1, siblingsMax },
    });
    const read = await first.get('k');
    assert.ok(read.kind === 'found');
    assert.equal((await first.put('k', 'all', { context: read.object.context })).kind, 'stored');
    assert.deepEqual(await first.values('k'), ['all']);
  });
});

test('a function that fails leaves the siblings, up to the limit of the node, and is not called all the time', async () => {
  const calls: SandboxCall[] = [];
  let failures = 0;
  const observer = {
    ...silentObserver,
    siblingsUnmerged: () => {
      failures += 1;
    },
  };
  const changes = { merge_policy: { name: 'merges/all' } };
  await ReplicatedStores.run(
    options(
      changes,
      1,
      trustingSandbox(calls, () => 'fail'),
      observer,
    ),
    async (stores, first) => {
      await storeSource(first, '() => "fail"');
      const { primaries } = stores.placesOf('k');
      let stored = 0;
      for (let write = 0; write < 30; write += 1) {
        if ((await primaries[0]!.put('k', String(write))).kind === 'stored') stored += 1;
      }
      assert.equal(stored, 20);
      assert.equal((await primaries[0]!.values('k')).length, 20);
      assert.equal(calls.length, 1);
      assert.equal(failures, 1);
    },
  );
});

for (const isForwarded of [false, true]) {
  const whose = isForwarded ? 'of a node without a replica' : 'of a replica';
  for (const isDeleted of [true, false]) {
    const story = isDeleted ? 'does not undo a delete that was acknowledged while it ran' : 'takes its time';
    test(`a merge function ${whose} ${story}`, async () => {
      const calls: SandboxCall[] = [];
      let release = () => {};
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      const changes = { merge_policy: { name: 'merges/all' }, siblings_max: 1 };
      const sandbox = trustingSandbox(calls, united, released);
      await ReplicatedStores.run(options(changes, 1, sandbox), async (stores, first) => {
        await storeSource(first!, 'all of them');
        const { primaries, others } = stores.placesOf('k');
        // Who takes the writes has too much to do to merge: the first to read them is asked.
        const reader = isForwarded ? others[0]! : primaries[0]!;
        for (const value of ['["a"]', '["b"]']) await others[1]!.put('k', value, { w: quorumAll });
        await reader.get('k');
        await stores.world.sleep(10);
        assert.equal(calls.length, 1);
        if (isDeleted) assert.equal((await primaries[1]!.delete('k')).kind, 'deleted');
        release();
        await stores.world.sleep(1000);
        assert.deepEqual(await primaries[2]!.values('k'), isDeleted ? [] : ['["a","b"]']);
      });
    });
  }
}

for (const isDeleted of [false, true]) {
  const what = isDeleted ? 'a delete that it missed is not undone' : 'its siblings are merged';
  test(`whoever has read one replica alone: ${what}`, async () => {
    await ReplicatedStores.run(options({ merge_policy: 'union', siblings_max: 1 }), async (stores) => {
      const { primaries, partitions } = stores.placesOf('k');
      const object = twoSiblings();
      for (const [i, node] of primaries.entries()) await node.repair(partitions[i]!, 'k', object);
      const [stale, ...others] = primaries;
      for (const other of others) stores.cut(stale!, other);
      if (isDeleted) {
        const context = object.context;
        assert.equal((await others[0]!.delete('k', { context, timeoutMs: 500 })).kind, 'deleted');
      }
      stores.heal();
      assert.equal((await stale!.values('k', { r: quorumOne })).length, 2);
      await stores.world.sleep(1000);
      assert.deepEqual(await others[1]!.values('k', { r: quorumAll }), isDeleted ? [] : ['["a","b"]']);
    });
  });
}

for (const [seen, left] of [
  ['before the merge', ['["a","b"]']],
  ['after it', []],
] as const) {
  test(`a delete by who has read ${seen} leaves ${left.length === 0 ? 'nothing' : 'what was merged'}`, async () => {
    await ReplicatedStores.run(options({ merge_policy: 'union', siblings_max: 1 }), async (stores) => {
      const { primaries, partitions } = stores.placesOf('k');
      const object = twoSiblings();
      for (const [i, node] of primaries.entries()) await node.repair(partitions[i]!, 'k', object);
      assert.equal((await primaries[0]!.values('k')).length, 2);
      await stores.world.sleep(1000);
      const read = await primaries[0]!.get('k');
      assert.ok(read.kind === 'found' && read.object.siblingCount === 1);
      const context = seen === 'after it' ? read.object.context : object.context;
      assert.equal((await primaries[1]!.delete('k', { context })).kind, 'deleted');
      await stores.world.sleep(1000);
      await primaries[2]!.values('k', { r: quorumAll });
      await stores.world.sleep(1000);
      assert.deepEqual(await primaries[2]!.values('k', { r: quorumAll }), left);
    });
  });
}

/** Of two coordinators. */
function twoSiblings(): VersionedObject {
  const siblings = ['["a"]', '["b"]'].map((value, n) => {
    const parts = { value: Buffer.from(value), links: [], userMeta: [], indexes: [], deleted: false };
    const actor = actorId(byteStringOf(Buffer.alloc(8, n + 1)), 1);
    return { dot: { actor, counter: 1 }, content: encodeContent(parts) };
  });
  return makeObject(
    siblings.reduce((clock, { dot }) => clock.with(dot, 0), VersionVector.empty),
    siblings,
  );
}
