/** Data types on both sides of a cut: docs/internals/acceptance.md has the rows. */
import assert from 'node:assert/strict';
import type { CrdtOperation, CrdtType } from '../../crdt/index.ts';
import { type DatatypeUpdateRequest, quorumAll } from '../../kv/index.ts';
import { type ByteString, byteLiteral } from '../../stdx/index.ts';
import { story, type ToldCluster } from './told-cluster.fixture.ts';

const four = { nodes: 4 } as const;
const left = ['a', 'b'] as const;
const right = ['c', 'd'] as const;

/** Of the bucket type that is named as the data type is; `old`: the counters of Riak 1.4, in a bucket of no type. */
type Kind = CrdtType | 'old';

function addressOf(kind: Kind, key: string) {
  const bucketType = byteLiteral(kind === 'old' ? 'default' : kind);
  const address = { bucketType, bucket: byteLiteral('told'), key: byteLiteral(key) };
  return kind === 'old' ? { ...address, isLegacyCounter: true } : address;
}

async function makeTypes(cluster: ToldCluster, types: readonly CrdtType[]): Promise<void> {
  for (const type of types) {
    const name = byteLiteral(type);
    await cluster.member('a').within(async ({ node }) => {
      const { bucketTypes } = node.database.store;
      const properties = { allow_mult: true, custom: new Map([['datatype', type]]) };
      assert.equal(await bucketTypes.create(name, properties), undefined);
      assert.equal(await bucketTypes.activate(name), undefined);
    });
  }
  await cluster.untilEpoch(cluster.stage.state(cluster.member('a')).epoch);
}

/** Resolves to the code of a failure, or `updated`. */
async function update(
  cluster: ToldCluster,
  at: string,
  [kind, key]: readonly [Kind, string],
  operation: CrdtOperation,
  options: Partial<DatatypeUpdateRequest> = {},
): Promise<string> {
  const answer = await cluster.member(at).within(
    ({ node }) =>
      new Promise<{ readonly code: string }>((resolve) => {
        node.database.datatypes.update({ ...addressOf(kind, key), operation, ...options }, (outcome) =>
          resolve({ code: outcome.kind === 'failed' ? outcome.error.code : outcome.kind }),
        );
      }),
  );
  assert.ok(typeof answer !== 'string', `${at} answers`);
  cluster.world.work.add('steps');
  return answer.code;
}

async function store(
  cluster: ToldCluster,
  at: string,
  what: readonly [Kind, string],
  operation: CrdtOperation,
  options: Partial<DatatypeUpdateRequest> = {},
): Promise<void> {
  assert.equal(await update(cluster, at, what, operation, options), 'updated', `${what.join()} at ${at}`);
}

async function read(cluster: ToldCluster, at: string, [kind, key]: readonly [Kind, string]) {
  const answer = await cluster.member(at).within(
    ({ node }) =>
      new Promise<{ readonly value: unknown; readonly context?: Buffer | undefined }>((resolve) => {
        node.database.datatypes.fetch(addressOf(kind, key), (result) => {
          if (result.kind === 'found') resolve({ value: result.value.value, context: result.context });
          else resolve({ value: result.kind === 'failed' ? result.error.code : result.kind });
        });
      }),
  );
  assert.ok(typeof answer !== 'string', `${at} answers`);
  cluster.world.work.add('steps');
  return answer;
}

const value = async (cluster: ToldCluster, at: string, what: readonly [Kind, string]): Promise<unknown> =>
  (await read(cluster, at, what)).value;

const increment = (by: bigint): CrdtOperation => ({ kind: 'counter', increment: by });
const elements = (...some: string[]) => some as ByteString[];
const add = (...some: string[]): CrdtOperation => ({
  kind: 'set',
  steps: [{ kind: 'add', elements: elements(...some) }],
});
const remove = (...some: string[]): CrdtOperation => ({
  kind: 'set',
  steps: [{ kind: 'remove', elements: elements(...some) }],
});
const visits = { name: byteLiteral('visits'), type: 'counter' } as const;
const tags = { name: byteLiteral('tags'), type: 'set' } as const;
const visit = (by: bigint, ...some: string[]): CrdtOperation => ({
  kind: 'map',
  removes: [],
  updates: [
    { field: visits, operation: { kind: 'counter', increment: by } },
    { field: tags, operation: { kind: 'set', steps: [{ kind: 'add', elements: elements(...some) }] } },
  ],
});

async function cutInTwo(cluster: ToldCluster): Promise<() => Promise<void>> {
  const heal = cluster.cut(left, right);
  await cluster.untilGone('a', right);
  await cluster.untilGone('c', left);
  return async () => {
    heal();
    await cluster.untilSeen();
  };
}

/** Reads repair, and anti-entropy does what nobody reads. */
async function untilAlike(cluster: ToldCluster, what: readonly [Kind, string], wanted: unknown) {
  const deadline = 30;
  for (let tries = 0; ; tries += 1) {
    const seen = [];
    for (const at of cluster.letters) seen.push(await value(cluster, at, what));
    if (seen.every((one) => JSON.stringify(one, asText) === JSON.stringify(wanted, asText))) return;
    assert.ok(tries < deadline, `${what.join()}: ${JSON.stringify(seen, asText)}`);
    await cluster.world.sleep(1000);
  }
}

const asText = (_: string, member: unknown): unknown => (typeof member === 'bigint' ? `${member}` : member);

story(
  'verify_dt_converge: counter, set, gset, map and hll, updated on both sides of a cut, are the join of both after it',
  four,
  async (cluster) => {
    await makeTypes(cluster, ['counter', 'set', 'gset', 'map', 'hll']);
    const grow = (...adds: string[]): CrdtOperation => ({ kind: 'gset', adds: elements(...adds) });
    const count = (...adds: string[]): CrdtOperation => ({ kind: 'hll', adds: elements(...adds) });
    await store(cluster, 'a', ['counter', 'k'], increment(1n));
    await store(cluster, 'a', ['set', 'k'], add('x'));
    await store(cluster, 'a', ['map', 'k'], visit(1n, 'x'));
    const heal = await cutInTwo(cluster);
    await store(cluster, 'b', ['counter', 'k'], increment(10n));
    await store(cluster, 'd', ['counter', 'k'], increment(-3n));
    await store(cluster, 'b', ['set', 'k'], add('l'));
    await store(cluster, 'd', ['set', 'k'], add('r'));
    await store(cluster, 'b', ['gset', 'k'], grow('l'));
    await store(cluster, 'd', ['gset', 'k'], grow('r'));
    await store(cluster, 'b', ['map', 'k'], visit(10n, 'l'));
    await store(cluster, 'd', ['map', 'k'], visit(100n, 'r'));
    await store(cluster, 'b', ['hll', 'k'], count('1', '2', '3'));
    await store(cluster, 'd', ['hll', 'k'], count('3', '4'));
    assert.deepEqual(await value(cluster, 'a', ['gset', 'k']), ['l'], 'each side sees its own');
    assert.deepEqual(await value(cluster, 'c', ['gset', 'k']), ['r']);
    await heal();
    await untilAlike(cluster, ['counter', 'k'], 8n);
    await untilAlike(cluster, ['set', 'k'], ['l', 'r', 'x']);
    await untilAlike(cluster, ['gset', 'k'], ['l', 'r']);
    await untilAlike(cluster, ['hll', 'k'], 4);
    await untilAlike(
      cluster,
      ['map', 'k'],
      [
        { field: tags, value: { type: 'set', value: ['l', 'r', 'x'] } },
        { field: visits, value: { type: 'counter', value: 111n } },
      ],
    );
  },
);

story('verify_counter_converge: counters of Riak 1.4 converge after a cut', four, async (cluster) => {
  await cluster.setProperties('a', { allow_mult: true }, 'told');
  await store(cluster, 'a', ['old', 'k'], increment(5n));
  const heal = await cutInTwo(cluster);
  for (let i = 0; i < 5; i += 1) await store(cluster, left[i % 2]!, ['old', 'k'], increment(1n));
  for (let i = 0; i < 7; i += 1) await store(cluster, right[i % 2]!, ['old', 'k'], increment(-2n));
  await heal();
  await untilAlike(cluster, ['old', 'k'], -4n);
});

story(
  'verify_dt_context: a removal takes what its context has seen; an add that it has not seen stays',
  four,
  async (cluster) => {
    await makeTypes(cluster, ['set']);
    await store(cluster, 'a', ['set', 'k'], add('x', 'y'), { w: quorumAll });
    const { context } = await read(cluster, 'a', ['set', 'k']);
    assert.ok(context !== undefined);
    const heal = await cutInTwo(cluster);
    await store(cluster, 'c', ['set', 'k'], add('x'));
    await store(cluster, 'a', ['set', 'k'], remove('x', 'y'), { context });
    await heal();
    await untilAlike(cluster, ['set', 'k'], ['x']);
  },
);

story(
  'verify_no_datatype_siblings: a first write on each side of a cut is one value, and never siblings',
  four,
  async (cluster) => {
    await makeTypes(cluster, ['set']);
    const heal = await cutInTwo(cluster);
    await store(cluster, 'a', ['set', 'k'], add('l'));
    await store(cluster, 'c', ['set', 'k'], add('r'));
    await heal();
    await untilAlike(cluster, ['set', 'k'], ['l', 'r']);
    const siblings = await cluster.member('b').within(
      ({ node }) =>
        new Promise<{ readonly count: number }>((resolve) => {
          node.store.get(addressOf('set', 'k'), (result) =>
            resolve({ count: result.kind === 'found' ? result.object.siblingCount : 0 }),
          );
        }),
    );
    assert.deepEqual(siblings, { count: 1 });
  },
);

story(
  'test_hll: a precision that cannot be is refused; estimates of two sides are of the union',
  four,
  async (cluster) => {
    const refused = await cluster.member('a').within(async ({ node }) => {
      const custom = new Map<string, string | number>([
        ['datatype', 'hll'],
        ['hll_precision', 3],
      ]);
      const outcome = await node.database.store.bucketTypes.create(byteLiteral('fine'), {
        allow_mult: true,
        custom,
      });
      return { isRefused: outcome !== undefined };
    });
    assert.deepEqual(refused, { isRefused: true });
    await makeTypes(cluster, ['hll']);
    const count = (from: number, to: number): CrdtOperation => ({
      kind: 'hll',
      adds: elements(...Array.from({ length: to - from }, (_, i) => `${from + i}`)),
    });
    const heal = await cutInTwo(cluster);
    await store(cluster, 'a', ['hll', 'k'], count(0, 600));
    await store(cluster, 'd', ['hll', 'k'], count(400, 1000));
    await heal();
    for (let tries = 0; ; tries += 1) {
      const estimates = await Promise.all(cluster.letters.map((at) => value(cluster, at, ['hll', 'k'])));
      if (estimates.every((one) => Math.abs(Number(one) - 1000) < 40)) return;
      assert.ok(tries < 30, estimates.join());
      await cluster.world.sleep(1000);
    }
  },
);
