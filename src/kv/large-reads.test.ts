import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quorumOne } from './index.ts';
import { addressOf, ReplicatedStores } from './replicated-stores.fixture.ts';

test('a read that is answered by what is here, before it asks elsewhere, holds up no large read', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const [node] = stores.placesOf('absent').primaries;
    const { largeReads } = node!.store.coordinator;
    const address = addressOf('absent');
    for (const tookMs of [5, 190, 5]) largeReads.arrived(address, 256 * 1024, tookMs);
    assert.equal((await node!.get('absent', { r: quorumOne })).kind, 'notfound');
    await stores.world.sleep(100);
    let hasStarted = false;
    const turn = largeReads.turnFor(address, {
      start: () => {
        hasStarted = true;
      },
    });
    assert.ok(turn);
    largeReads.begin(turn);
    assert.ok(hasStarted);
  });
});
