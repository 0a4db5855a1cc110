import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { nodeIdOf } from '../../environment/index.ts';
import { World } from '../../simulator/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import {
  type ClusterCommand,
  type ClusterState,
  encodeCommand,
  fold,
  foundCluster,
  recovered,
  stateDigest,
} from '../topology/index.ts';
import { FollowedState } from './followed-state.ts';
import { LogJournal } from './log-journal.ts';

const node = nodeIdOf('a@a');
const commands: readonly ClusterCommand[] = [1, 2, 3].map((value) => ({
  kind: 'register',
  changes: [{ name: byteLiteral('x'), value: Buffer.from(String(value)) }],
}));

function founded(): ClusterState {
  const address = { host: '127.0.0.1', port: 1 };
  const member = { node, instance: '00', address, location: undefined, status: 'joining' } as const;
  const founder = { ...member, capabilities: new Map<string, number>() };
  return foundCluster({ clusterId: 'c', member: founder, ringSize: 8, targetN: 3 });
}

const states: ClusterState[] = [founded()];
for (const command of commands) states.push(fold(states.at(-1)!, command).state);
const bytes = commands.map(encodeCommand);

async function follow(
  body: (followed: FollowedState, seen: number[], world: World, journal: LogJournal) => Promise<void>,
): Promise<void> {
  const world = new World({ seed: 3 });
  await world.run(async () => {
    const { environment } = world.node('a');
    const journal = await LogJournal.open(environment);
    const failed = (error: Error): void => {
      throw error;
    };
    const parts = { journal, log: environment.log, durable: () => undefined, journalFailed: failed };
    const followed = new FollowedState(founded(), parts);
    const seen: number[] = [];
    followed.onState(({ epoch }) => seen.push(epoch));
    await body(followed, seen, world, journal);
  });
}

test('commands are folded one by one, and only if they lead where the sender is', () =>
  follow(async (followed, seen) => {
    assert.equal(followed.foldAll(bytes, stateDigest(states[2]!)), false);
    assert.equal(followed.state.epoch, 1, 'nothing of it was taken');
    assert.equal(followed.foldAll([Buffer.from('?')], stateDigest(states[3]!)), false);
    assert.equal(followed.foldAll(bytes, stateDigest(states[3]!)), true);
    assert.deepEqual(seen, [2, 3, 4]);
    assert.equal(stateDigest(followed.state), stateDigest(states[3]!));
    assert.deepEqual(followed.recent.after(2, 1000), bytes.slice(1));
  }));

test('F1: what is not beyond, or of another cluster, is not taken', () =>
  follow(async (followed, seen) => {
    followed.adopt(states[2]!);
    followed.adopt(states[1]!);
    followed.adopt({ ...states[3]!, clusterId: 'another' });
    assert.deepEqual(seen, [3]);
    const next = recovered(states[1]!, new Set([node]));
    followed.adopt(next);
    followed.adopt({ ...states[3]!, epoch: next.epoch + 1 });
    assert.deepEqual(seen, [3, next.epoch]);
    assert.equal(followed.recent.after(3, 1000), undefined, 'commands of before lead nowhere');
  }));

test('F2: an epoch is told when it is on disk, and is there after a power cut', () =>
  follow(async (followed, _seen, world, journal) => {
    followed.rewrite();
    await journal.drain();
    assert.equal(followed.foldAll(bytes, stateDigest(states[3]!)), true);
    assert.equal(followed.place.epoch, 4);
    assert.equal(followed.durable.epoch, 1);
    await journal.drain();
    assert.equal(followed.durable.epoch, 4);
    world.node('a').crash();
    const again = await LogJournal.open(world.node('a').environment);
    assert.equal(again.contents.state?.epoch, 4);
    await again.close();
  }));

test('C1: two states at one epoch end the node', () =>
  follow(async (followed) => {
    followed.adopt(states[2]!);
    const other = fold(states[1]!, commands[2]!).state;
    assert.throws(() => followed.folded(other, bytes[2]!), /C1/);
  }));
