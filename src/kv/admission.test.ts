/** Admission in front of a store: what a slow disk, a long turn and a full queue do to requests, and afterwards. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock, Instant } from '../environment/index.ts';
import { Admission, type RefusedWork } from './admission.ts';

function admissionOf(settings: { requestsMax?: number; turnDelayMs?: number; requestDelayMs?: number } = {}) {
  const world = { now: 1000, pendingShare: 0 };
  const turnEnds: (() => void)[] = [];
  const refused: RefusedWork[] = [];
  const clock: Clock = { now: () => world.now as Instant, wallMicros: () => assert.fail('no wall clock') };
  const admission = new Admission({
    clock,
    tasks: { endOfTurn: (run) => turnEnds.push(run) },
    commit: world,
    observer: { overloaded: (what) => refused.push(what) },
    settings: { requestsMax: 1000, ...settings },
  });
  const endTurn = () => {
    for (let run = turnEnds.shift(); run !== undefined; run = turnEnds.shift()) run();
  };
  const ask = (work: 'read' | 'write' | 'forwarded') => admission.refusal(work, world.now as Instant);
  return { admission, world, refused, endTurn, ask, turnEnds };
}

test('R42: over the limit while the disk stands still; once that has drained, nothing is refused', () => {
  const { admission, world, refused, endTurn, ask } = admissionOf({ requestsMax: 300 });
  const began = world.now as Instant;
  while (ask('write') === undefined) admission.enter('write', began);
  assert.equal(admission.inProgress, 300);
  assert.deepEqual(refused, ['requests']);
  world.now += 5000;
  endTurn();
  assert.equal(ask('write'), 'overload');
  for (let i = 0; i < 300; i += 1) admission.leave('write', world.now - began, world.now as Instant);
  endTurn();
  for (let second = 0; second < 5; second += 1) {
    world.now += 1000;
    assert.equal(ask('write'), undefined);
    endTurn();
  }
});

test('the end of a turn is asked for once a turn, and only if something happens in it', () => {
  const { ask, endTurn, turnEnds } = admissionOf();
  assert.equal(turnEnds.length, 0);
  ask('read');
  ask('write');
  assert.equal(turnEnds.length, 1);
  endTurn();
  ask('read');
  assert.equal(turnEnds.length, 1);
});

test('each refusal is counted by its cause', () => {
  const { admission, world, refused, ask } = admissionOf({ turnDelayMs: 10 });
  world.pendingShare = 1;
  assert.equal(ask('write'), 'overload');
  world.pendingShare = 1.5;
  assert.equal(ask('forwarded'), 'overload');
  assert.equal(admission.takesReplicaWrite('repair'), false);
  assert.equal(admission.takesReplicaWrite('write'), true);
  world.pendingShare = 2;
  assert.equal(admission.takesReplicaWrite('write'), false);
  world.now += 41;
  assert.equal(ask('read'), 'overload');
  assert.deepEqual(refused, ['storage', 'forwarded', 'replica', 'replica', 'turn']);
});

test('under load handoff makes a step now and then, so that a cluster can grow out of it', () => {
  const { admission, world } = admissionOf();
  world.pendingShare = 0.5;
  const steps = () => {
    let taken = 0;
    for (let i = 0; i < 100; i += 1, world.now += 10) if (!admission.defersHandoff()) taken += 1;
    return taken;
  };
  assert.equal(steps(), 19);
  world.pendingShare = 1;
  assert.equal(steps(), 0, 'a full disk takes none');
  world.pendingShare = 0;
  assert.equal(steps(), 100);
});

test('a node that stops refuses all, and has stopped when what was let in has left', async () => {
  const { admission, world, ask } = admissionOf();
  admission.enter('read', world.now as Instant);
  let stopped = false;
  const stopping = admission.stop().then(() => {
    stopped = true;
  });
  assert.equal(ask('read'), 'stopping');
  await Promise.resolve();
  assert.equal(stopped, false);
  admission.leave('read', 1, world.now as Instant);
  await stopping;
});
