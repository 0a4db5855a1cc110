import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClusterState, foundCluster, type MemberStatus } from '../core/index.ts';
import { nodeIdOf } from '../environment/index.ts';
import { Departure } from './departure.ts';

const self = nodeIdOf('a@h');

class Scene {
  readonly told: boolean[] = [];
  readonly turned: (() => void)[] = [];
  status: MemberStatus = 'valid';
  readonly departure = new Departure({
    self,
    tasks: { spawn: (_name, run) => void run() },
    state: () => this.#state(),
    tell: (hasStrays) => this.told.push(hasStrays),
  });

  constructor() {
    this.departure.onLeave(() => new Promise((resolve) => this.turned.push(resolve)));
  }

  become(status: MemberStatus): void {
    this.status = status;
    this.departure.look();
  }

  #state(): ClusterState {
    const address = { host: '127.0.0.1', port: 1 };
    const capabilities = new Map<string, number>();
    const member = {
      node: self,
      instance: 'i',
      address,
      location: undefined,
      status: this.status,
      capabilities,
    };
    const state = foundCluster({ clusterId: 'c', member, ringSize: 8, targetN: 3 });
    return { ...state, members: new Map([[self, member]]) };
  }
}

test('a member tells of strays as they come and go', () => {
  const scene = new Scene();
  scene.departure.strays(true);
  assert.deepEqual(scene.told, [], 'so it is at the start of each life');
  scene.departure.strays(false);
  scene.departure.strays(true);
  assert.deepEqual(scene.told, [false, true]);
  assert.equal(scene.turned.length, 0);
});

test('who leaves turns its clients away once it holds nothing, and says so when none is left', async () => {
  const scene = new Scene();
  scene.departure.strays(false);
  scene.become('leaving');
  scene.departure.strays(true);
  scene.become('exiting');
  assert.deepEqual(scene.told, [false, true]);
  assert.equal(scene.turned.length, 0, 'it still holds something');
  scene.departure.strays(false);
  scene.departure.look();
  assert.equal(scene.turned.length, 1, 'once');
  assert.deepEqual(scene.told, [false, true], 'clients are still served');
  scene.turned[0]!();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(scene.told, [false, true, false]);
});

test('a leave that was cancelled leaves no trace', () => {
  const scene = new Scene();
  scene.departure.strays(false);
  scene.become('leaving');
  scene.become('valid');
  assert.deepEqual(scene.told, [false, true, false]);
  assert.equal(scene.turned.length, 0);
});
