import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId } from '../../environment/index.ts';
import type { Partition } from '../ring/index.ts';
import type { ClusterState, Move, MoveStage } from '../topology/index.ts';
import { a, b, HandoffWorld, p0 } from './handoff-world.fixture.ts';
import { MoveGate } from './move-gate.ts';

interface Forwarded {
  readonly to: NodeId;
  readonly request: string;
  readonly done: (arrived: boolean) => void;
}

function stateWith(stage: MoveStage | undefined, since = 5): ClusterState {
  const { state } = new HandoffWorld({ seed: 1 });
  const move: Move | undefined = stage && { partition: p0, from: a, to: b, stage, since };
  return { ...state, moves: new Map(move && [[p0, move]]) };
}

function gateAt(stage: MoveStage | undefined) {
  const forwarded: Forwarded[] = [];
  const strays: Partition[] = [];
  const gate = new MoveGate<string>({
    self: a,
    state: stateWith(stage),
    forward: (to, _partition, request, done) => void forwarded.push({ to, request, done }),
    bytesOf: () => 1,
    missed: { countMax: 3, bytesMax: 100 },
  });
  gate.onStray((partition) => void strays.push(partition));
  const outcomes: [string, boolean][] = [];
  const pass = (request: string) =>
    gate.passed(p0, request, (mayCount) => void outcomes.push([request, mayCount]));
  return { gate, forwarded, strays, outcomes, pass };
}

test('G1: what is not moving passes at once; from `copying` on a write waits for the new owner', () => {
  const { gate, forwarded, outcomes, pass } = gateAt('planned');
  assert.equal(gate.isMoving(p0), false);
  pass('x');
  assert.deepEqual(outcomes, [['x', true]]);
  gate.follow(stateWith('copying'));
  assert.equal(gate.isMoving(p0), true);
  pass('y');
  assert.equal(forwarded[0].to, b);
  assert.equal(outcomes.length, 1);
  forwarded[0].done(true);
  assert.deepEqual(outcomes[1], ['y', true]);
  assert.equal(gate.propose(p0, 5), true);
});

test('G2: nothing is proposed while a write is missing, on its way again, or one too many was missed', () => {
  const { gate, forwarded, outcomes, pass } = gateAt(undefined);
  gate.follow(stateWith('copying'));
  pass('x');
  forwarded[0].done(false);
  assert.deepEqual(outcomes, [['x', true]]);
  assert.equal(gate.missedCount(p0, 5), 1);
  assert.equal(gate.propose(p0, 5), false);
  let isAnswered = false;
  gate.sendMissed(p0, 5, () => {
    isAnswered = true;
  });
  assert.equal(forwarded[1].request, 'x');
  assert.equal(gate.propose(p0, 5), false);
  forwarded[1].done(false);
  assert.ok(isAnswered);
  assert.equal(gate.propose(p0, 5), false);
  for (const request of ['1', '2', '3']) pass(request);
  for (const forward of forwarded.slice(2)) forward.done(false);
  assert.equal(gate.missedCount(p0, 5), undefined);
  assert.equal(gate.propose(p0, 5), false);
  gate.beginCopy(p0, 5);
  assert.equal(gate.propose(p0, 4), false, 'of another move');
  assert.equal(gate.propose(p0, 5), true);
});

test('G3: a forward that fails after the proposal fails its write, also if it was under way before', () => {
  for (const next of ['copying', 'switched', 'released'] as const) {
    const { gate, forwarded, outcomes, strays, pass } = gateAt(undefined);
    gate.follow(stateWith('copying'));
    pass('before');
    assert.equal(gate.propose(p0, 5), true);
    gate.follow(stateWith(next, next === 'copying' ? 5 : 6));
    pass('after');
    for (const { done } of forwarded) done(false);
    assert.deepEqual(outcomes, [
      ['before', false],
      ['after', false],
    ]);
    assert.equal(gate.isClosed(p0), next !== 'copying');
    assert.equal(strays.length, next === 'copying' ? 0 : 1);
  }
});

test('G3: when copying begins anew the proposal is withdrawn; when the move is cancelled writes count', () => {
  const anew = gateAt(undefined);
  anew.gate.follow(stateWith('copying'));
  anew.gate.propose(p0, 5);
  anew.gate.follow(stateWith('copying', 7));
  anew.pass('x');
  anew.forwarded[0].done(false);
  assert.deepEqual(anew.outcomes, [['x', true]]);
  assert.equal(anew.gate.missedCount(p0, 7), 1);

  const cancelled = gateAt(undefined);
  cancelled.gate.follow(stateWith('copying'));
  cancelled.gate.propose(p0, 5);
  cancelled.pass('x');
  cancelled.gate.follow(stateWith(undefined));
  cancelled.forwarded[0].done(false);
  assert.deepEqual(cancelled.outcomes, [['x', true]]);
});

test('G4: a gate that begins in `copying` counts only what the new owner has', () => {
  const { forwarded, outcomes, pass } = gateAt('copying');
  pass('x');
  forwarded[0].done(false);
  assert.deepEqual(outcomes, [['x', false]]);
});

test('G2: thousands of missed writes that are refused at once when they are sent again are kept', () => {
  const count = 10_000;
  let arrives = false;
  const gate = new MoveGate<number>({
    self: a,
    state: stateWith(undefined),
    forward: (_to, _partition, _request, done) => done(arrives),
    bytesOf: () => 1,
    missed: { countMax: count, bytesMax: count },
  });
  gate.follow(stateWith('copying'));
  for (let i = 0; i < count; i += 1) gate.passed(p0, i, () => {});
  let rounds = 0;
  const sendAll = () =>
    gate.sendMissed(p0, 5, () => {
      rounds += 1;
    });
  sendAll();
  assert.deepEqual([rounds, gate.missedCount(p0, 5)], [1, count]);
  arrives = true;
  sendAll();
  assert.deepEqual([rounds, gate.missedCount(p0, 5)], [2, 0]);
});
