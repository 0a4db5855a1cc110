/** What the client hears of a write that another node was to coordinate, when answers are lost or are none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PutResult, quorumOne } from './index.ts';
import { ReplicatedStores } from './replicated-stores.fixture.ts';

const codeOf = (result: PutResult) => (result.kind === 'failed' ? result.error.code : result.kind);

test('W5: who stands in for a coordinator whose answer was lost, and refuses, does not say that nothing has happened', async () => {
  await ReplicatedStores.run({ settings: { strayBytesMax: 10 } }, async (stores) => {
    const { primaries, others } = stores.placesOf('k');
    const [asked] = others;
    for (const node of stores.nodes) if (node !== asked) stores.link(node, asked).state = 'silent';
    const answer = asked.put('k', 'v');
    await stores.world.sleep(500);
    for (const node of stores.nodes) if (node !== asked) asked.topology.down.add(node.id);
    stores.changed();
    assert.equal(codeOf(await answer), 'timeout');
    stores.heal();
    assert.deepEqual(await primaries[0].values('k'), ['v'], 'it has happened');
  });
});

test('W5: nor does a fallback that is asked after a coordinator whose answer was lost, and is full', async () => {
  await ReplicatedStores.run({ settings: { strayBytesMax: 10 } }, async (stores) => {
    const { primaries, others, partitions } = stores.placesOf('k');
    const [first, dead, last] = primaries;
    stores.declareDown(dead);
    const list = others[0].topology.preferenceList(partitions[0], 3);
    const asked = others.find(({ id }) => !list.some(({ node }) => node === id));
    assert.ok(asked !== undefined);
    stores.link(first, asked).state = 'silent';
    stores.link(asked, last).state = 'full';
    assert.equal(codeOf(await asked.put('k', 'v', { w: quorumOne, dw: quorumOne })), 'timeout');
    assert.equal(stores.sentOf('coordinate').at(-1)?.reply, 'failed', 'the fallback has refused');
    stores.heal();
    assert.deepEqual(await first.values('k'), ['v'], 'it has happened');
  });
});

test('W5: a refusal stays one where nobody who was asked before can have written', async () => {
  await ReplicatedStores.run({ settings: { strayBytesMax: 10 } }, async (stores) => {
    const { primaries, others, partitions } = stores.placesOf('k');
    stores.declareDown(...primaries);
    const list = others[0].topology.preferenceList(partitions[0], 3);
    assert.ok(list.every(({ primary }) => !primary));
    assert.equal(codeOf(await others[0].put('k', 'v')), 'overload');
  });
});

test('an answer that is none to a forwarded write counts as a lost one: another node is asked, or the client told', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { primaries, others } = stores.placesOf('k');
    const [first] = primaries;
    const { replicas } = first.store;
    const handle = replicas.handle.bind(replicas);
    replicas.handle = (partition, request, reply) =>
      request.kind === 'coordinate' ? reply({ kind: 'stored' }) : handle(partition, request, reply);
    assert.equal(codeOf(await others[0].put('k', 'v')), 'stored');
    assert.equal(codeOf(await others[0].put('k', 'w', { ifNoneMatch: true })), 'match_found');
    assert.equal(codeOf(await others[0].put('k2', 'w', { ifNoneMatch: true })), 'timeout');
    assert.equal(others[0].store.inProgress, 0);
  });
});

test('F3: of several that do not answer each is waited for half as long as the one before, and asked again in the end', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { primaries, others } = stores.placesOf('k');
    const [asked] = others;
    const [first, second, last] = primaries;
    stores.link(first, asked).state = 'silent';
    stores.link(second, asked).state = 'silent';
    stores.link(asked, last).state = 'full';
    const answer = asked.put('k', 'v');
    await stores.world.sleep(4000);
    assert.equal(stores.sentOf('coordinate').length, 2);
    stores.link(first, asked).state = 'open';
    await stores.world.sleep(1000);
    assert.equal(asked.store.inProgress, 0, 'after four and a half seconds the first is asked again');
    assert.equal(codeOf(await answer), 'stored');
    stores.heal();
    assert.deepEqual(await asked.values('k'), ['v'], 'one write, however often it was made');
  });
});
