/** Conditional writes in buckets where one node decides them, on a few stores with links that fail and liveness that errs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultBucketProperties, type PutResult, quorumAll } from './index.ts';
import { ReplicatedStores, type StoreNode } from './replicated-stores.fixture.ts';

const rounds = Number(process.env.LAW_ROUNDS ?? 25);

function options(conditional: 'serialised' | 'checked', seed = 1) {
  return {
    seed,
    settings: { bucketDefaults: { ...defaultBucketProperties, allow_mult: true, conditional } },
  };
}

const pick = (stores: ReplicatedStores): StoreNode =>
  stores.nodes[Math.floor(stores.world.random.fraction() * stores.nodes.length)]!;

test('32 clients that read, add one and write if nothing was written meanwhile lose no addition', async () => {
  await ReplicatedStores.run(options('serialised'), async (stores) => {
    for (const from of stores.nodes) {
      for (const to of stores.nodes) if (from !== to) stores.link(from, to).delayMsMax = 5;
    }
    assert.equal((await pick(stores).put('k', '0', { ifNoneMatch: true })).kind, 'stored');
    let refusals = 0;
    const add = async (): Promise<void> => {
      for (;;) {
        const read = await pick(stores).get('k');
        assert.ok(read.kind === 'found');
        const { object } = read;
        assert.equal(object.siblingCount, 1);
        const more = String(Number(object.contents()[0]!.value.toString()) + 1);
        const result = await pick(stores).put('k', more, { context: object.context, ifNotModified: true });
        if (result.kind === 'stored') return;
        assert.equal(result.error.code, 'modified');
        refusals += 1;
        await stores.world.sleep(stores.world.random.fraction() * 50);
      }
    };
    await Promise.all(Array.from({ length: 32 }, add));
    assert.deepEqual(await pick(stores).values('k', { r: quorumAll }), ['32']);
    assert.ok(refusals > 32, `${refusals} refusals`);
  });
});

test('of 32 that create a key one does, and again after it was deleted', async () => {
  await ReplicatedStores.run(options('serialised'), async (stores) => {
    for (let time = 0; time < 3; time += 1) {
      const results = await Promise.all(
        Array.from({ length: 32 }, (_, i) => pick(stores).put('k', `${time} ${i}`, { ifNoneMatch: true })),
      );
      assert.equal(results.filter(({ kind }) => kind === 'stored').length, 1);
      const refused = results.flatMap((result) => (result.kind === 'failed' ? [result.error.code] : []));
      assert.deepEqual(new Set(refused), new Set(['match_found']));
      const values = await pick(stores).values('k');
      assert.equal(values.length, 1);
      assert.equal((await pick(stores).delete('k')).kind, 'deleted');
    }
    const [node] = stores.nodes;
    const missing = await node!.put('k', 'v', { ifNotModified: true });
    assert.ok(missing.kind === 'failed' && missing.error.code === 'notfound');
  });
});

interface Attempt {
  readonly id: string;
  readonly over: string;
  outcome: 'acked' | 'refused' | 'unknown';
}

/** Clients that add their names to a set, under faults. */
async function rivals(
  stores: ReplicatedStores,
): Promise<{ attempts: readonly Attempt[]; left: ReadonlySet<string> }> {
  const { world } = stores;
  const attempts: Attempt[] = [];
  let isOver = false;
  const client = async (who: number): Promise<void> => {
    for (let step = 0; !isOver; step += 1) {
      await world.sleep(world.random.fraction() * 60);
      const read = await pick(stores).get('k', { timeoutMs: 500 });
      if (read.kind === 'failed') continue;
      const found = read.kind === 'found' ? read.object : undefined;
      const names = found?.contents().flatMap((content) => JSON.parse(content.value.toString()) as string[]);
      const attempt: Attempt = {
        id: `${who}-${step}`,
        over: found?.context.toString('hex') ?? 'nothing',
        outcome: 'unknown',
      };
      attempts.push(attempt);
      const condition =
        found === undefined ? { ifNoneMatch: true } : { context: found.context, ifNotModified: true };
      const value = JSON.stringify([...new Set([...(names ?? []), attempt.id])]);
      const result: PutResult = await pick(stores).put('k', value, { ...condition, timeoutMs: 800 });
      if (result.kind === 'stored') attempt.outcome = 'acked';
      else if (['modified', 'match_found', 'notfound'].includes(result.error.code))
        attempt.outcome = 'refused';
    }
  };
  const working = Array.from({ length: 6 }, (_, who) => client(who));
  for (let round = 0; round < 6; round += 1) {
    await world.sleep(200);
    const [a, b] = [pick(stores), pick(stores)];
    const fault = Math.floor(world.random.fraction() * 4);
    // What one node thinks of another is wrong as often as not.
    if (fault === 0) {
      a.topology.down.add(b.id);
      a.topology.changed();
    } else if (fault === 1 && a !== b) stores.cut(a, b);
    else if (fault === 2 && a !== b) stores.link(a, b).lost = 0.5;
    else if (a !== b) stores.link(a, b).delayMsMax = 300;
    if (round % 3 === 2) stores.heal();
  }
  isOver = true;
  stores.heal();
  await Promise.all(working);
  await world.sleep(2000);
  for (let read = 0; read < 3; read += 1) {
    for (const node of stores.nodes) await node.get('k', { r: quorumAll });
    await world.sleep(500);
  }
  const values = await pick(stores).values('k', { r: quorumAll });
  return { attempts, left: new Set(values.flatMap((value) => JSON.parse(value) as string[])) };
}

/** Pairs of acknowledged writes that were made from the same version. */
function twice(attempts: readonly Attempt[]): readonly string[] {
  const acked = attempts.filter(({ outcome }) => outcome === 'acked');
  const overs = acked.map(({ over }) => over);
  return acked.filter(({ over }, i) => overs.indexOf(over) < i).map(({ id }) => id);
}

test('S2, S3: whoever is cut off from whom, one write of those from one version is acknowledged, and none is lost', async () => {
  let acked = 0;
  let unsure = 0;
  for (let seed = 1; seed <= rounds; seed += 1) {
    await ReplicatedStores.run(options('serialised', seed), async (stores) => {
      const { attempts, left } = await rivals(stores);
      assert.deepEqual(twice(attempts), [], `seed ${seed}`);
      for (const { id, outcome } of attempts) {
        if (outcome === 'acked') assert.ok(left.has(id), `seed ${seed}: ${id} is lost`);
        if (outcome === 'refused') assert.ok(!left.has(id), `seed ${seed}: ${id} was refused and is there`);
      }
      acked += attempts.filter(({ outcome }) => outcome === 'acked').length;
      unsure += attempts.filter(({ outcome }) => outcome === 'unknown').length;
    });
  }
  assert.ok(acked > 10 * rounds && unsure > 0, `${acked} acked, ${unsure} unsure`);
});

test('without it the same clients do see two writes from one version acknowledged', async () => {
  let doubled = 0;
  for (let seed = 1; seed <= 5; seed += 1) {
    await ReplicatedStores.run(options('checked', seed), async (stores) => {
      doubled += twice((await rivals(stores)).attempts).length;
    });
  }
  assert.ok(doubled > 0);
});

test('without most of the primaries nothing is decided, and nothing written', async () => {
  await ReplicatedStores.run(options('serialised'), async (stores) => {
    const { primaries, others } = stores.placesOf('k');
    stores.declareDown(primaries[0]!, primaries[1]!);
    const refused = await others[0]!.put('k', 'v', { ifNoneMatch: true });
    assert.deepEqual(refused, {
      kind: 'failed',
      error: { code: 'quorum_unsatisfied', quorum: 'pr', wanted: 2, got: 1 },
    });
    stores.heal();
    assert.deepEqual(await others[0]!.values('k'), []);
    stores.declareDown(primaries[0]!);
    assert.equal((await others[0]!.put('k', 'v', { ifNoneMatch: true })).kind, 'stored', 'the next decides');
  });
});

test('S1: a vnode takes a fenced write only if it supersedes what is there', async () => {
  await ReplicatedStores.run(options('serialised'), async (stores, first) => {
    const { primaries } = stores.placesOf('k');
    await first.put('k', 'a', { w: quorumAll });
    const read = await first.get('k');
    assert.ok(read.kind === 'found');
    // Only one primary hears of what comes between.
    const [one, two, three] = primaries;
    stores.cut(one!, two!);
    stores.cut(one!, three!);
    await one!.put('k', 'b', { context: read.object.context, timeoutMs: 300, w: quorumAll });
    stores.heal();
    one!.topology.down.add(two!.id);
    const result = await three!.put('k', 'c', { context: read.object.context, ifNotModified: true });
    assert.ok(result.kind === 'failed' && result.error.code === 'modified', JSON.stringify(result));
  });
});
