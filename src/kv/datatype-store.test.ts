/** Data types across nodes: what clients are told of them, what travels for them, and that nothing is counted twice. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { type ByteString, byteLiteral } from '../stdx/index.ts';
import { decodeContent } from '../wire/index.ts';
import type { CrdtOperation, CrdtType, DatatypeFetchResult, DatatypeUpdateOutcome } from './index.ts';
import {
  type DatatypeFetch,
  DatatypeStore,
  type DatatypeUpdateRequest,
  defaultBucketProperties,
  quorumAll,
  quorumCount,
  replicaCodec,
} from './index.ts';
import {
  addressOf,
  ReplicatedStores,
  type StoreNode,
  type StoresOptions,
} from './replicated-stores.fixture.ts';

const add = (...elements: string[]): CrdtOperation => ({
  kind: 'set',
  steps: [{ kind: 'add', elements: elements as ByteString[] }],
});
const remove = (...elements: string[]): CrdtOperation => ({
  kind: 'set',
  steps: [{ kind: 'remove', elements: elements as ByteString[] }],
});
const increment = (by: number): CrdtOperation => ({ kind: 'counter', increment: BigInt(by) });

/** Stores whose buckets all have the data type. */
function bucketsOf(type: CrdtType | undefined, options: StoresOptions = {}): StoresOptions {
  const custom = new Map(type === undefined ? [] : [['datatype', type]]);
  const bucketDefaults = { ...defaultBucketProperties, allow_mult: true, custom };
  return { ...options, settings: { bucketDefaults, ...options.settings } };
}

function update(
  node: StoreNode,
  key: string,
  operation: CrdtOperation,
  options: Partial<DatatypeUpdateRequest> = {},
): Promise<DatatypeUpdateOutcome> {
  const datatypes = new DatatypeStore(node.store, node.environment, 1e6);
  return new Promise((done) => datatypes.update({ ...addressOf(key), operation, ...options }, done));
}

function fetch(
  node: StoreNode,
  key: string,
  options: Partial<DatatypeFetch> = {},
): Promise<DatatypeFetchResult> {
  const datatypes = new DatatypeStore(node.store, node.environment, 1e6);
  return new Promise((done) => datatypes.fetch({ ...addressOf(key), ...options }, done));
}

async function valueAt(node: StoreNode, key: string, options: Partial<DatatypeFetch> = {}): Promise<unknown> {
  const result = await fetch(node, key, options);
  if (result.kind === 'failed') return result.error.code;
  return result.kind === 'found' ? result.value.value : result.kind;
}

const codeOf = (outcome: DatatypeUpdateOutcome) =>
  outcome.kind === 'failed' ? outcome.error.code : outcome.kind;

async function contextOf(node: StoreNode, key: string): Promise<Buffer> {
  const result = await fetch(node, key, { r: quorumAll });
  assert.ok(result.kind === 'found' && result.context !== undefined);
  return result.context;
}

test('an update through any node counts once, and every node shows it', async () => {
  await ReplicatedStores.run(bucketsOf('counter'), async (stores, ...nodes) => {
    for (const [i, node] of nodes.entries()) {
      const outcome = await update(node, 'c', increment(10 ** i), { w: quorumAll, returnValue: true });
      assert.ok(outcome.kind === 'updated' && outcome.snapshot !== undefined);
      assert.equal(outcome.snapshot.value.value, BigInt('1'.repeat(i + 1)));
      assert.equal(outcome.snapshot.context, undefined);
    }
    for (const node of nodes) assert.equal(await valueAt(node, 'c'), 11111n);
    assert.ok(stores.sentOf('coordinate').length > 0, 'some of them forwarded it');
    assert.equal(await valueAt(nodes[0], 'none'), 'notfound');
  });
});

test('a generated key; a delete and what comes after it', async () => {
  await ReplicatedStores.run(bucketsOf('set'), async (_, node) => {
    const made = await update(node, '', add('x'), { key: undefined });
    assert.ok(made.kind === 'updated' && made.generatedKey !== undefined);
    assert.deepEqual(await valueAt(node, made.generatedKey), ['x']);
    await update(node, 'k', add('x', 'y'), { w: quorumAll });
    assert.equal((await node.delete('k')).kind, 'deleted');
    const gone = await fetch(node, 'k');
    assert.ok(gone.kind === 'notfound' && gone.type === 'set');
    await update(node, 'k', add('z'));
    assert.deepEqual(await valueAt(node, 'k'), ['z']);
  });
});

test('R76 datatype-siblings: concurrent updates are one value to a plain get, and what they kept apart meets', async () => {
  await ReplicatedStores.run(bucketsOf('set', { nodes: 3 }), async (stores, a, b, c) => {
    stores.cut(a, b);
    stores.cut(a, c);
    stores.declareDown(b, c);
    await update(a, 'k', add('from a'), { w: quorumCount(1), dw: quorumCount(1) });
    stores.heal();
    stores.cut(a, b);
    stores.cut(a, c);
    stores.declareDown(a);
    await update(b, 'k', add('from b'));
    assert.deepEqual(await valueAt(b, 'k'), ['from b']);
    stores.heal();
    const plain = await c.get('k', { r: quorumAll });
    assert.ok(plain.kind === 'found');
    assert.equal(plain.object.siblingCount, 1);
    assert.equal(plain.object.contents()[0]!.contentType, 'application/riak_set');
    assert.deepEqual(await valueAt(c, 'k', { r: quorumAll }), ['from a', 'from b']);
  });
});

test('a removal takes what its client saw; without a context, what the coordinator has, or it is refused whole', async () => {
  await ReplicatedStores.run(bucketsOf('set', { nodes: 3 }), async (_, a, b) => {
    await update(a, 'k', add('x', 'y'), { w: quorumAll });
    const context = await contextOf(a, 'k');
    await update(b, 'k', add('x'), { w: quorumAll });
    await update(a, 'k', remove('x', 'y'), { context, w: quorumAll });
    assert.deepEqual(await valueAt(b, 'k'), ['x'], 'added again after it was read');
    const refused = await update(a, 'k', remove('x', 'gone'));
    assert.deepEqual(refused, {
      kind: 'failed',
      error: { code: 'not_present', name: 'gone', what: 'element' },
    });
    assert.deepEqual(await valueAt(a, 'k'), ['x']);
    assert.equal(codeOf(await update(a, 'k', remove('x'), { w: quorumAll })), 'updated');
    assert.deepEqual(await valueAt(b, 'k'), []);
  });
});

test('what cannot be is refused with its reason, through a forwarding node too', async () => {
  await ReplicatedStores.run(bucketsOf('set'), async (stores) => {
    const { primaries, others } = stores.placesOf('k');
    for (const node of [primaries[0], others[0]]) {
      const failures: readonly (readonly [CrdtOperation, Partial<DatatypeUpdateRequest>, string])[] = [
        [increment(1), {}, 'type_mismatch'],
        [remove('x'), {}, 'not_present'],
        [add('x'), { context: Buffer.from('not of ours') }, 'bad_context'],
        [add('x'), { w: quorumCount(4) }, 'n_val_violation'],
        [add('x'), { bucketType: byteLiteral('none') }, 'unknown_bucket_type'],
        [add('x'), { isLegacyCounter: true }, 'type_mismatch'],
        [add('x'.repeat(200_000)), {}, 'too_large'],
      ];
      for (const [operation, options, code] of failures) {
        assert.equal(codeOf(await update(node, 'k', operation, options)), code);
      }
      assert.equal(await valueAt(node, 'k'), 'notfound');
    }
  });
  await ReplicatedStores.run(bucketsOf(undefined), async (_, node) => {
    assert.equal(codeOf(await update(node, 'k', add('x'))), 'no_datatype');
    assert.equal(await valueAt(node, 'k'), 'no_datatype');
    assert.equal(codeOf(await update(node, 'k', increment(2), { isLegacyCounter: true })), 'updated');
    assert.equal(await valueAt(node, 'k', { isLegacyCounter: true }), 2n);
    assert.equal(
      codeOf(await update(node, 'k', increment(2 ** 63), { isLegacyCounter: true })),
      'increment_out_of_range',
    );
  });
  const settings = { bucketDefaults: defaultBucketProperties };
  await ReplicatedStores.run(bucketsOf('counter', { settings }), async (_, node) => {
    assert.equal(codeOf(await update(node, 'k', increment(1))), 'needs_allow_mult');
    assert.equal(await valueAt(node, 'k'), 'needs_allow_mult');
  });
});

test('a value larger than data types may be is refused, and keeps what it had', async () => {
  const settings = { datatypeBytesMax: 5000, bucketDefaults: bucketsOf('set').settings!.bucketDefaults! };
  await ReplicatedStores.run({ settings }, async (_, node) => {
    await update(node, 'k', add('x'.repeat(4000)));
    assert.equal(codeOf(await update(node, 'k', add('y'.repeat(2000)))), 'too_large');
    assert.equal(codeOf(await update(node, 'k', add('y'))), 'updated');
  });
});

test('F3: an update that may have happened is asked of nobody else, and its client hears timeout', async () => {
  await ReplicatedStores.run(bucketsOf('counter'), async (stores) => {
    const { primaries, others } = stores.placesOf('c');
    const [node] = others;
    await update(primaries[0], 'c', increment(1), { w: quorumAll });
    for (const state of ['silent', 'refused', 'full'] as const) {
      // The question arrives, the answer does not.
      for (const primary of primaries) stores.link(primary, node).state = state;
      stores.sent.length = 0;
      assert.equal(codeOf(await update(node, 'c', increment(100), { timeoutMs: 5000 })), 'timeout');
      assert.equal(stores.sentOf('coordinate').length, 1);
      stores.heal();
    }
    assert.equal(await valueAt(node, 'c', { r: quorumAll }), 301n);
    // Where nothing has happened the next node is asked.
    const [first] = primaries;
    stores.link(node, first).state = 'full';
    assert.equal(codeOf(await update(node, 'c', increment(1000))), 'updated');
    stores.heal();
    assert.equal(await valueAt(node, 'c', { r: quorumAll }), 1301n);
  });
});

test('W5: an update that only its coordinator has, for the others refuse it, is not said to be refused', async () => {
  await ReplicatedStores.run(bucketsOf('counter'), async (stores) => {
    const [node, ...rest] = stores.placesOf('c').primaries;
    for (const primary of rest) stores.link(node, primary).state = 'full';
    const outcome = await update(node, 'c', increment(1), { sloppyQuorum: false });
    assert.equal(codeOf(outcome), 'quorum_unsatisfied');
    stores.heal();
    assert.equal(await valueAt(node, 'c'), 1n);
  });
});

test('a coordinator that cannot read its own copy lets another make the update', async () => {
  await ReplicatedStores.run(bucketsOf('counter', { nodes: 3 }), async (stores) => {
    const { primaries } = stores.placesOf('c');
    await update(primaries[0], 'c', increment(1), { w: quorumAll });
    primaries[0].sick = true;
    assert.equal(codeOf(await update(primaries[0], 'c', increment(10))), 'updated');
    primaries[0].sick = false;
    assert.equal(await valueAt(primaries[1], 'c', { r: quorumAll }), 11n);
  });
});

const names = (count: number) =>
  Array.from({ length: count }, (_, i) => `element-${String(i).padStart(5, '0')}`);

test('an add to a large set travels as what it changed, and every replica ends with the same bytes', async () => {
  await ReplicatedStores.run(bucketsOf('set', { nodes: 3 }), async (stores) => {
    const { primaries, partitions } = stores.placesOf('k');
    await update(primaries[0], 'k', add(...names(2000)), { w: quorumAll });
    for (const [operation, size] of [
      [add('one more'), 2001],
      [remove('element-00017'), 2000],
    ] as const) {
      stores.sent.length = 0;
      assert.equal(codeOf(await update(primaries[0], 'k', operation, { dw: quorumAll })), 'updated');
      const bytes = stores.sent.map(({ request }) => replicaCodec.requestBytes(request));
      assert.deepEqual(
        stores.sent.map(({ request, reply }) => [request.kind, reply]),
        [
          ['delta', 'stored'],
          ['delta', 'stored'],
        ],
      );
      assert.ok(Math.max(...bytes) < 200, `${bytes.join()} bytes`);
      const copies = await Promise.all(primaries.map((node, i) => node.copy(partitions[i], 'k')));
      for (const copy of copies) assert.ok(copy!.bytes.equals(copies[0]!.bytes));
      const value = await valueAt(primaries[2], 'k');
      assert.equal((value as unknown[]).length, size);
    }
  });
});

test('a replica that is behind, or has nothing, takes no delta: it is sent the whole', async () => {
  await ReplicatedStores.run(bucketsOf('set', { nodes: 3 }), async (stores) => {
    const { primaries, partitions } = stores.placesOf('k');
    const [coordinator, second, third] = primaries;
    await update(coordinator, 'k', add(...names(500)), { w: quorumAll });
    stores.cut(coordinator, second);
    await update(coordinator, 'k', add('missed by the second'), { timeoutMs: 1000 });
    stores.heal();
    await third.forget(partitions[2], 'k');
    stores.sent.length = 0;
    assert.equal(codeOf(await update(coordinator, 'k', add('last'), { dw: quorumAll })), 'updated');
    assert.deepEqual(stores.sent.map(({ request, reply }) => `${request.kind} ${reply}`).sort(), [
      'delta behind',
      'delta behind',
      'put stored',
      'put stored',
    ]);
    const copies = await Promise.all(primaries.map((node, i) => node.copy(partitions[i], 'k')));
    for (const copy of copies) assert.ok(copy!.bytes.equals(copies[0]!.bytes));
    assert.deepEqual(((await valueAt(second, 'k')) as unknown[]).length, 502);
  });
});

test('a delta that arrives twice, late, or for another version changes nothing', async () => {
  await ReplicatedStores.run(bucketsOf('set', { nodes: 3 }), async (stores) => {
    const { primaries, partitions } = stores.placesOf('k');
    const [coordinator, second] = primaries;
    await update(coordinator, 'k', add(...names(500)), { w: quorumAll });
    await update(coordinator, 'k', remove('element-00001'), { dw: quorumAll });
    const late = stores.sentOf('delta').find(({ to }) => to === second.id)!;
    await update(coordinator, 'k', add('element-00001'), { dw: quorumAll });
    const before = await second.copy(partitions[1], 'k');
    assert.equal((await second.ask(partitions[1], late.request)).kind, 'behind');
    assert.ok((await second.copy(partitions[1], 'k'))!.bytes.equals(before!.bytes));
    assert.ok(((await valueAt(second, 'k')) as string[]).includes('element-00001'));
  });
});

test('what a plain put leaves in such a bucket is kept beside the value, and is not part of it', async () => {
  await ReplicatedStores.run(bucketsOf('set', { nodes: 3 }), async (_, a, b) => {
    await a.put('k', 'plain', { w: quorumAll });
    assert.equal(await valueAt(b, 'k'), 'notfound');
    await update(a, 'k', add('x'), { w: quorumAll });
    assert.deepEqual(await valueAt(b, 'k'), ['x']);
    const shown = await b.get('k');
    assert.ok(shown.kind === 'found');
    const types = shown.object.siblings.map(({ content }) => decodeContent(content).contentType);
    assert.deepEqual(new Set(types), new Set(['application/riak_set', undefined]));
  });
});

test('R77 counter-once: acked ≤ value ≤ acked and unsure, whatever is lost or said twice', async () => {
  for (let seed = 1; seed <= 12; seed += 1) {
    await ReplicatedStores.run(bucketsOf('counter', { seed }), async (stores, ...nodes) => {
      let acked = 0n;
      let unsure = 0n;
      const { random } = stores.world;
      for (const from of nodes) {
        for (const to of nodes) {
          Object.assign(stores.link(from, to), { lost: 0.2, doubled: 0.3, delayMsMax: 50 });
        }
      }
      await Promise.all(
        Array.from({ length: 30 }, async (_, i) => {
          await stores.world.sleep(random.fraction() * 500);
          const node = nodes[Math.floor(random.fraction() * nodes.length)];
          const by = 1 + (i % 5);
          const code = codeOf(await update(node, 'c', increment(by), { timeoutMs: 2000 }));
          if (code === 'updated') acked += BigInt(by);
          else unsure += BigInt(by);
        }),
      );
      stores.heal();
      await stores.world.sleep(20_000);
      await valueAt(nodes[0], 'c', { r: quorumAll });
      await stores.world.sleep(1000);
      const value = (await valueAt(nodes[1], 'c', { r: quorumAll })) as bigint;
      assert.ok(acked > 0n && value >= acked && value <= acked + unsure, `${acked} ${value} ${unsure}`);
    });
  }
});
