import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Log } from '../environment/index.ts';
import { type ByteString, byteLiteral } from '../stdx/index.ts';
import { type BackendRules, homeBackend } from '../storage/index.ts';
import type { StorageBackends } from './backend-rules.ts';
import { BucketPlacements } from './bucket-placements.ts';
import {
  type BucketProperties,
  type BucketPropertyChanges,
  defaultBucketProperties,
  type JsonValue,
} from './bucket-properties.ts';
import { typedDefaults } from './bucket-type.ts';
import { checkUpdate } from './bucket-type-rules.ts';
import { KvFailure } from './key-value-store.ts';
import { bucketTypeName, propertiesPrefix } from './properties-name.ts';
import { checkCombination } from './property-rules.ts';
import { PropertyStore } from './property-store.ts';
import { SharedRegistry } from './shared-registry.fixture.ts';
import { entriesNameOf, entriesNameOfType } from './vnode/index.ts';

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };
const bytes = (text: string) => text as ByteString;
const at = (bucketType: string, bucket: string) => ({
  bucketType: bytes(bucketType),
  bucket: bytes(bucket),
});
const typed = typedDefaults(defaultBucketProperties);
const t = byteLiteral('t');

function storeOf(
  registry: SharedRegistry,
  more: { defaults?: BucketProperties; log?: Log; backends?: StorageBackends } = {},
) {
  return new PropertyStore({
    registry,
    defaults: defaultBucketProperties,
    log: silent,
    timeoutMs: 100,
    ...more,
  });
}

async function withType(changes: BucketPropertyChanges = {}, registry = new SharedRegistry()) {
  const store = storeOf(registry);
  assert.equal(await store.types.create(t, changes), undefined);
  assert.equal(await store.types.activate(t), undefined);
  return { registry, store };
}

const unknownType = (error: unknown) =>
  error instanceof KvFailure && error.error.code === 'unknown_bucket_type';

test('a type is created, then active: only then buckets have it, siblings kept unless it says otherwise', async () => {
  const store = storeOf(new SharedRegistry());
  assert.deepEqual(await store.types.activate(t), { reason: 'no_such_type' });
  assert.deepEqual(await store.types.update(t, { n_val: 2 }), { reason: 'no_such_type' });
  await store.types.create(t, { n_val: 5 });
  assert.equal(store.types.get(t)?.status, 'created');
  assert.equal(store.of(at('t', 'b')), undefined);
  await assert.rejects(store.set(at('t', 'b'), { n_val: 1 }), unknownType);
  await assert.rejects(store.reset(at('t', 'b')), unknownType);
  assert.deepEqual(await store.types.update(t, { n_val: 2 }), { reason: 'not_active' });
  await store.types.create(t, { pw: defaultBucketProperties.r });
  await store.types.activate(t);
  assert.equal(store.types.get(t)?.status, 'active');
  assert.deepEqual(store.of(at('t', 'b')), { ...typed, pw: defaultBucketProperties.r });
  assert.deepEqual([typed.allow_mult, typed.dvv_enabled], [true, true]);
  assert.deepEqual(store.of(at('default', 'b')), defaultBucketProperties);
  assert.deepEqual(await store.types.create(t, {}), { reason: 'already_active' });
});

test('to activate an active type changes nothing, and proposes nothing', async () => {
  const { registry, store } = await withType({ n_val: 2 });
  const { proposals } = registry;
  assert.equal(await store.types.activate(t), undefined);
  assert.equal(registry.proposals, proposals);
  assert.equal(store.of(at('t', 'b'))?.n_val, 2);
});

test('a bucket has what its type gives, and over it its own; the same bucket of two types is two', async () => {
  const { registry, store } = await withType({ n_val: 5, custom: new Map([['team', 'red']]) });
  await store.set(at('t', 'b'), { n_val: 2, custom: new Map([['owner', 'me']]) });
  await store.set(at('default', 'b'), { n_val: 4 });
  const other = storeOf(registry);
  for (const seen of [store, other]) {
    assert.deepEqual(
      [seen.of(at('t', 'b'))?.n_val, seen.of(at('t', 'c'))?.n_val, seen.of(at('default', 'b'))?.n_val],
      [2, 5, 4],
    );
    const { custom } = seen.of(at('t', 'b'))!;
    assert.deepEqual(
      [...custom],
      [
        ['team', 'red'],
        ['owner', 'me'],
      ],
    );
  }
  await other.types.update(t, { n_val: 7, notfound_ok: false });
  for (const seen of [store, other, storeOf(registry)]) {
    const own = seen.of(at('t', 'b'));
    assert.deepEqual([own?.n_val, own?.notfound_ok, seen.of(at('t', 'c'))?.n_val], [2, false, 7]);
  }
  await other.reset(at('t', 'b'));
  assert.deepEqual(store.of(at('t', 'b')), store.of(at('t', 'c')));
});

test('the defaults are copied when a type is created: a later configuration changes no type', async () => {
  const { registry } = await withType({});
  const defaults = { ...defaultBucketProperties, n_val: 1, durability: 'os', notfound_ok: false } as const;
  const later = storeOf(registry, { defaults });
  assert.deepEqual(later.of(at('t', 'b')), typed);
  assert.deepEqual(later.of(at('default', 'b')), defaults);
});

test('names: default and any are reserved; a name has 1 to 255 bytes and no zero', async () => {
  const { types } = storeOf(new SharedRegistry());
  for (const name of ['default', 'any']) {
    for (const done of [
      types.create(bytes(name), {}),
      types.activate(bytes(name)),
      types.forget(bytes(name)),
    ])
      assert.deepEqual(await done, { reason: 'reserved_name' });
    assert.deepEqual(await types.update(bytes(name), {}), { reason: 'reserved_name' });
  }
  for (const name of ['', 'a\0b', 'x'.repeat(256)]) {
    assert.deepEqual(await types.create(bytes(name), {}), { reason: 'bad_name' });
  }
  assert.equal(await types.create(bytes('x'.repeat(255)), {}), undefined);
});

const reasonsOf = (problems: readonly { property: string; reason: string }[]) =>
  Object.fromEntries(problems.map(({ property, reason }) => [property, reason]));
const withCustom = (custom: Record<string, string | boolean | number>, more: BucketPropertyChanges = {}) => ({
  ...typed,
  ...more,
  custom: new Map(Object.entries(custom)),
});

test('what kind of values a bucket has is checked', () => {
  for (const [properties, expected] of [
    [withCustom({ datatype: 'counter' }), {}],
    [withCustom({ datatype: 'cuonter' }), { datatype: 'not_datatype' }],
    [withCustom({ datatype: 'set' }, { allow_mult: false }), { allow_mult: 'needed_by_datatype' }],
    [withCustom({ consistent: 'yes' }), { consistent: 'not_boolean' }],
    [withCustom({ consistent: true }), { consistent: 'not_supported_yet' }],
    [withCustom({ consistent: false }), {}],
    [withCustom({ hll_precision: 3 }), { hll_precision: 'not_hll_precision' }],
    [withCustom({ hll_precision: 17 }), { hll_precision: 'not_hll_precision' }],
    [withCustom({ hll_precision: 4.5 }), { hll_precision: 'not_hll_precision' }],
    [withCustom({ hll_precision: 16 }), {}],
    [withCustom({ datatype: 'map' }, { write_once: true }), { write_once: 'not_with_datatype' }],
    [withCustom({ datatype: 'map' }, { ttl: 1 }), { ttl: 'not_with_datatype' }],
    [withCustom({}, { last_write_wins: true }), { last_write_wins: 'not_with_dvv_enabled' }],
    [withCustom({}, { last_write_wins: true, dvv_enabled: false }), {}],
  ] as const) {
    assert.deepEqual(reasonsOf(checkCombination(properties)), expected);
  }
});

test('a backend is one of this node, and buckets are kept where it has them', async () => {
  const registry = new SharedRegistry();
  const placed: BackendRules[] = [];
  const all = [
    { name: 'main', isVolatile: false },
    { name: 'fast', isVolatile: true },
    { name: 'big', isVolatile: false },
  ];
  const backends = { all, place: (rules: BackendRules) => void placed.push(rules) };
  const warnings: string[] = [];
  const log = { ...silent, warn: (message: string) => void warnings.push(message) };
  const store = storeOf(registry, { backends, log });
  const plain = storeOf(registry);
  const backend = (name: JsonValue) => ({ custom: new Map([['backend', name]]) });
  const refused = (reason: string) => (error: unknown) =>
    error instanceof KvFailure &&
    error.error.code === 'invalid_properties' &&
    error.error.problems.some((problem) => problem.property === 'backend' && problem.reason === reason);
  const untyped = at('default', 'b');
  await assert.rejects(plain.set(untyped, backend('big')), refused('unknown_backend'));
  await assert.rejects(store.set(untyped, backend('b1')), refused('unknown_backend, known: main fast big'));
  await assert.rejects(store.set(untyped, { ...backend('fast'), feed: true }), refused('not_with_feed'));
  const problems = [{ property: 'backend', reason: 'unknown_backend' }];
  assert.deepEqual(await plain.types.create(t, backend('big')), { reason: 'invalid_properties', problems });
  await store.types.create(t, backend('big'));
  await store.types.activate(t);
  await store.set(untyped, backend('fast'));
  await store.set(at('t', 'b'), backend('main'));
  await store.set(at('t', 'c'), { n_val: 2 });
  const rules = [
    [entriesNameOf(untyped), 'fast'],
    [entriesNameOfType(t), 'big'],
    [entriesNameOf(at('t', 'b')), homeBackend],
  ];
  assert.deepEqual(placed.at(-1), new Map(rules as [ByteString, string][]));
  // Who has read, edited and written back, at a node that has not the backend, has changed something else.
  await plain.set(untyped, { ...backend('fast'), n_val: 2 });
  assert.deepEqual(warnings, []);
  const poorer = storeOf(registry, { backends: { all: all.slice(0, 1), place: backends.place }, log });
  assert.equal(poorer.of(untyped)?.n_val, 2);
  assert.deepEqual([...placed.at(-1)!], []);
  assert.equal(warnings.length, 2);
});

test('what kind of values a type or a bucket has never changes', () => {
  const counters = withCustom({ datatype: 'counter' });
  assert.equal(reasonsOf(checkUpdate(typed, withCustom({ consistent: false }))).consistent, undefined);
  assert.equal(reasonsOf(checkUpdate(counters, typed)).datatype, 'cannot_be_changed');
  assert.equal(reasonsOf(checkUpdate({ ...typed, write_once: true }, typed)).write_once, 'cannot_be_changed');
  const consistent = withCustom({ consistent: true });
  assert.equal(reasonsOf(checkUpdate(consistent, typed)).consistent, 'cannot_be_changed');
  assert.equal(reasonsOf(checkUpdate(consistent, { ...consistent, n_val: 5 })).n_val, 'cannot_be_changed');
  assert.deepEqual(checkUpdate(typed, { ...typed, n_val: 5 }), []);
  const fine = withCustom({ hll_precision: 12 });
  assert.equal(reasonsOf(checkUpdate(fine, typed)).hll_precision, 'cannot_be_raised', 'to the default');
  const finer = withCustom({ hll_precision: 13 });
  assert.equal(reasonsOf(checkUpdate(fine, finer)).hll_precision, 'cannot_be_raised');
  assert.deepEqual(checkUpdate(finer, fine), []);
});

test('a refused change names every bad property, and nothing of it happens', async () => {
  const { registry, store } = await withType({});
  const { proposals } = registry;
  const changes = { n_val: 2, last_write_wins: true, custom: new Map([['datatype', 'map']]) };
  const problems = [
    { property: 'last_write_wins', reason: 'not_with_dvv_enabled' },
    { property: 'datatype', reason: 'cannot_be_changed' },
  ];
  assert.deepEqual(await store.types.update(t, changes), { reason: 'invalid_properties', problems });
  assert.deepEqual(await store.types.create(byteLiteral('u'), changes), {
    reason: 'invalid_properties',
    problems: problems.slice(0, 1),
  });
  await assert.rejects(store.set(at('t', 'b'), changes), (error: unknown) => {
    assert.ok(error instanceof KvFailure);
    assert.deepEqual(error.error, { code: 'invalid_properties', problems });
    return true;
  });
  const long = { custom: new Map([['note', 'x'.repeat(20_000)]]) };
  await assert.rejects(store.types.update(t, long), KvFailure);
  assert.equal(registry.proposals, proposals);
  assert.deepEqual(store.of(at('t', 'b')), typed);
});

test('two nodes that change one type at once both have their way; of two that create it the later is kept', async () => {
  const { registry, store: here } = await withType({});
  const there = storeOf(registry);
  registry.before = () => there.types.update(t, { n_val: 5 });
  await here.types.update(t, { notfound_ok: false });
  for (const { n_val, notfound_ok } of [here.of(at('t', 'b'))!, there.of(at('t', 'b'))!])
    assert.deepEqual([n_val, notfound_ok], [5, false]);
  const u = byteLiteral('u');
  registry.before = async () => {
    await there.types.create(u, { n_val: 5 });
    await there.types.activate(u);
  };
  assert.deepEqual(await here.types.create(u, { n_val: 2 }), { reason: 'already_active' });
  assert.equal(here.of(at('u', 'b'))?.n_val, 5);
});

test('a type that cannot be read keeps siblings and refuses writes, until it is updated', async () => {
  for (const damage of [
    '',
    '{',
    '{"status":"active"}',
    '{"status":"open","props":{}}',
    '{"status":"active","props":{"n_val":"many"}}',
  ]) {
    const { registry } = await withType({ n_val: 5, allow_mult: false });
    registry.entries.set(bucketTypeName(t), { value: Buffer.from(damage), revision: 99 });
    const errors: string[] = [];
    const store = storeOf(registry, { log: { ...silent, error: (message) => errors.push(message) } });
    assert.equal(errors.length, 1, damage);
    assert.equal(store.of(at('t', 'b'))?.allow_mult, true);
    assert.match(store.damageOf(at('t', 'b')) ?? '', /bucket type t is damaged: update it/);
    assert.equal(store.damageOf(at('default', 'b')), undefined);
    assert.deepEqual(store.damage, { buckets: 1, unknown: 0 });
    await store.types.activate(t);
    assert.ok(store.damageOf(at('t', 'b')) !== undefined, 'to activate it would make up its properties');
    await store.types.update(t, { n_val: 2, allow_mult: false });
    assert.equal(store.damageOf(at('t', 'b')), undefined);
    assert.deepEqual(store.of(at('t', 'b')), { ...typed, n_val: 2, allow_mult: false });
  }
});

test('a bucket of a type whose own properties cannot be read refuses writes; its neighbours do not', async () => {
  const { registry, store } = await withType({ allow_mult: false });
  await store.set(at('t', 'cut'), { n_val: 2 });
  const [name] = registry.names(bytes(`${propertiesPrefix}t\0`));
  registry.entries.set(name!, { value: Buffer.from('{'), revision: 99 });
  const later = storeOf(registry);
  assert.match(later.damageOf(at('t', 'cut')) ?? '', /bucket cut are damaged/);
  assert.equal(later.of(at('t', 'cut'))?.allow_mult, true);
  assert.equal(later.damageOf(at('t', 'b')) ?? later.damageOf(at('default', 'cut')), undefined);
  await later.reset(at('t', 'cut'));
  assert.equal(later.damageOf(at('t', 'cut')), undefined);
});

test('a type that is forgotten takes with it what its buckets had, and nothing else', async () => {
  const { registry, store } = await withType({ n_val: 5 });
  await store.types.create(byteLiteral('tt'), {});
  await store.types.activate(byteLiteral('tt'));
  for (let i = 0; i < 40; i += 1) await store.set(at('t', `b${i}`), { n_val: 2 });
  await store.set(at('tt', 'b1'), { n_val: 4 });
  await store.set(at('default', 'b1'), { n_val: 1 });
  const there = storeOf(registry);
  assert.equal(await there.types.forget(t), undefined);
  for (const seen of [store, there]) {
    assert.equal(seen.of(at('t', 'b1')), undefined);
    assert.deepEqual([seen.of(at('tt', 'b1'))?.n_val, seen.of(at('default', 'b1'))?.n_val], [4, 1]);
  }
  assert.deepEqual(await store.types.forget(t), { reason: 'no_such_type' });
  await withType({ n_val: 3 }, registry);
  assert.equal(store.of(at('t', 'b1'))?.n_val, 3, 'the next type of the name begins anew');
});

test('a drop that fails half-way is made again: buckets go first, since nobody finds them without their type', async () => {
  const { registry, store } = await withType({ n_val: 5 });
  for (let i = 0; i < 20; i += 1) await store.set(at('t', `b${i}`), { n_val: 2 });
  // Two proposals take away the buckets' properties; the next would take the type.
  const lastFound = registry.proposals + 2;
  registry.isLost = () => registry.proposals >= lastFound;
  await assert.rejects(store.types.forget(t), (error: unknown) => {
    assert.ok(error instanceof KvFailure);
    return error.error.code === 'no_majority';
  });
  assert.deepEqual(registry.names(bytes(`${propertiesPrefix}t\0`)), []);
  assert.equal(store.of(at('t', 'b1'))?.n_val, 5, 'the type is still there');
  registry.isLost = undefined;
  assert.equal(await store.types.forget(t), undefined);
  assert.equal(store.of(at('t', 'b1')), undefined);
});

test('placements change when a type that places otherwise comes, changes or goes', async () => {
  const registry = new SharedRegistry();
  const store = storeOf(registry);
  const placements = new BucketPlacements(store);
  const seen = new Set([placements.revision]);
  store.onChange(() => void placements.propertiesChanged());
  assert.equal(placements.of(at('t', 'b')), undefined);
  await store.types.create(t, { n_val: 5 });
  assert.deepEqual(placements.nVals, [3]);
  await store.types.activate(t);
  assert.deepEqual([placements.of(at('t', 'b')), placements.nVals], [{ nVal: 5, bucketOnly: false }, [3, 5]]);
  seen.add(placements.revision);
  await store.set(at('t', 'b'), { n_val: 1 });
  assert.deepEqual(placements.nVals, [1, 3, 5]);
  seen.add(placements.revision);
  const { revision } = placements;
  await store.types.update(t, { notfound_ok: false });
  assert.equal(placements.revision, revision);
  await store.types.forget(t);
  assert.deepEqual(placements.nVals, [3]);
  seen.add(placements.revision);
  assert.equal(seen.size, 3, 'as before the type came');
});

test('placements tell types apart that place alike', async () => {
  const revisionWith = async (name: string) => {
    const store = storeOf(new SharedRegistry());
    await store.types.create(bytes(name), { n_val: 5 });
    await store.types.activate(bytes(name));
    return new BucketPlacements(store).revision;
  };
  assert.notEqual(await revisionWith('t'), await revisionWith('u'));
  assert.equal(await revisionWith('t'), await revisionWith('t'));
});

type Step = { readonly node: 0 | 1; readonly type: string; readonly bucket: string } & (
  | { readonly kind: 'create' | 'update' | 'set'; readonly n_val: number; readonly notfound_ok?: boolean }
  | { readonly kind: 'activate' | 'forget' | 'reset' }
);

/** What a slow reading of the rules says. */
class Oracle {
  readonly types = new Map<string, { active: boolean; own: object }>();
  readonly buckets = new Map<string, Map<string, object>>();

  apply(step: Step): void {
    const { type, bucket } = step;
    const known = this.types.get(type);
    const own = 'n_val' in step ? changesOf(step) : {};
    if (step.kind === 'create' && known?.active !== true) this.types.set(type, { active: false, own });
    if (step.kind === 'activate' && known !== undefined) known.active = true;
    if (step.kind === 'update' && known?.active === true) known.own = { ...known.own, ...own };
    if (step.kind === 'forget') {
      this.types.delete(type);
      if (known !== undefined) this.buckets.delete(type);
    }
    if (known?.active !== true) return;
    const buckets = this.buckets.get(type) ?? new Map<string, object>();
    if (step.kind === 'set') buckets.set(bucket, { ...buckets.get(bucket), ...own });
    if (step.kind === 'reset') buckets.delete(bucket);
    if (step.kind === 'set' || step.kind === 'reset') this.buckets.set(type, buckets);
  }

  of(type: string, bucket: string): object | undefined {
    const known = this.types.get(type);
    if (known?.active !== true) return undefined;
    return { ...typed, ...known.own, ...this.buckets.get(type)?.get(bucket) };
  }
}

function changesOf({ n_val, notfound_ok }: { n_val: number; notfound_ok?: boolean }): BucketPropertyChanges {
  return notfound_ok === undefined ? { n_val } : { n_val, notfound_ok };
}

async function carryOut(store: PropertyStore, step: Step): Promise<void> {
  const address = at(step.type, step.bucket);
  const { bucketType } = address;
  const { types } = store;
  const refused = (error: unknown) => assert.ok(unknownType(error));
  if (step.kind === 'create') await types.create(bucketType, changesOf(step));
  else if (step.kind === 'update') await types.update(bucketType, changesOf(step));
  else if (step.kind === 'activate') await types.activate(bucketType);
  else if (step.kind === 'forget') await types.forget(bucketType);
  else if (step.kind === 'set') await store.set(address, changesOf(step)).catch(refused);
  else await store.reset(address).catch(refused);
}

test('law: whoever changes types and buckets, all nodes and later starts see what the rules say', async () => {
  const named = {
    node: fc.constantFrom(0, 1),
    type: fc.constantFrom('t', 'tt'),
    bucket: fc.constantFrom('b', 't', 'b\0c'),
  };
  const changing = fc.record({
    ...named,
    kind: fc.constantFrom('create', 'update', 'set'),
    n_val: fc.integer({ min: 1, max: 5 }),
    notfound_ok: fc.option(fc.boolean(), { nil: undefined }),
  });
  const plain = fc.record({ ...named, kind: fc.constantFrom('activate', 'activate', 'forget', 'reset') });
  const steps = fc.array(fc.oneof({ weight: 3, arbitrary: changing }, { weight: 2, arbitrary: plain }), {
    maxLength: 30,
  });
  let seen = 0;
  await fc.assert(
    fc.asyncProperty(steps, async (history) => {
      const registry = new SharedRegistry();
      const nodes = [storeOf(registry), storeOf(registry)] as const;
      const oracle = new Oracle();
      for (const step of history as readonly Step[]) {
        await carryOut(nodes[step.node], step);
        oracle.apply(step);
      }
      for (const store of [...nodes, storeOf(registry)]) {
        for (const type of ['t', 'tt']) {
          for (const bucket of ['b', 't', 'b\0c', 'never']) {
            const expected = oracle.of(type, bucket);
            assert.deepEqual(store.of(at(type, bucket)), expected);
            if (expected !== undefined) seen += 1;
          }
        }
      }
    }),
    { numRuns: 200 },
  );
  assert.ok(seen > 200, `active types were seen ${seen} times`);
});
