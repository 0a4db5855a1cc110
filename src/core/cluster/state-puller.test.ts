import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { nodeIdOf } from '../../environment/index.ts';
import { World } from '../../simulator/index.ts';
import type { ClusterMessage } from './cluster-message.ts';
import type { FollowedState } from './followed-state.ts';
import { StatePuller } from './state-puller.ts';

test('who gives a state that cannot be read is asked again, but not at once', async () => {
  const world = new World({ seed: 1 });
  await world.run(async () => {
    const sent: ClusterMessage[] = [];
    const peer = nodeIdOf('b');
    const puller = new StatePuller({
      environment: world.node('a').environment,
      followed: { place: { generation: 1, epoch: 1 } } as FollowedState,
      send: (_to, message) => sent.push(message),
      isFed: () => false,
      others: () => [peer],
    });
    const of = { generation: 1, epoch: 5 };
    puller.saw(of, peer);
    assert.equal(sent.length, 1);
    puller.statePart(peer, {
      kind: 'state-part',
      of,
      offset: 0,
      total: 3,
      bytes: Buffer.from('???'),
      digest: '',
    });
    assert.equal(sent.length, 1, 'it would give the same');
    await world.sleep(1000);
    assert.ok(sent.length > 1, 'it may know better now');
    puller.stop();
  });
});
