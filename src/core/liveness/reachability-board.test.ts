import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '../../environment/index.ts';
import { nodeIdOf } from '../../environment/index.ts';
import { ReachabilityBoard } from './reachability-board.ts';

const node = nodeIdOf('a');
const options = { flapWindowMs: 60_000, flapHoldMs: 1000, flapHoldMsMax: 4000 };

class Flapper {
  readonly board = new ReachabilityBoard(options);
  now = 1000;

  constructor() {
    this.board.add(node);
  }

  show(found: 'alive' | 'dead'): boolean {
    return this.board.show(node, found, true, this.now as Instant);
  }

  /** How long the member stays dead although it has come back. */
  flap(afterMs: number): number {
    this.now += afterMs;
    this.show('dead');
    assert.equal(this.board.of(node), 'dead');
    this.show('alive');
    if (this.board.of(node) === 'alive') return 0;
    const until = this.board.deadline();
    assert.deepEqual(this.board.due((until - 1) as Instant), []);
    assert.deepEqual(this.board.due(until as Instant), [node]);
    const heldMs = until - this.now;
    this.now = until;
    assert.ok(this.show('alive'), 'that it is back is shown when the hold is over');
    return heldMs;
  }
}

test('a member that flaps stays dead a little longer each time, up to a bound', () => {
  const flapper = new Flapper();
  assert.ok(flapper.show('alive'));
  assert.deepEqual(
    [100, 100, 100, 100, 100, 100].map((ms) => flapper.flap(ms)),
    [0, 1000, 2000, 4000, 4000, 4000],
  );
});

test('after a quiet time all is forgiven', () => {
  const flapper = new Flapper();
  flapper.show('alive');
  for (let i = 0; i < 3; i += 1) flapper.flap(100);
  assert.equal(flapper.flap(60_001), 0);
  assert.equal(flapper.flap(100), 1000);
});

test('the first appearance of a member that was taken for dead is no return', () => {
  const flapper = new Flapper();
  flapper.show('dead');
  flapper.show('alive');
  assert.equal(flapper.board.of(node), 'alive');
  assert.equal(flapper.flap(10), 0, 'the first return');
});

test('who dies while it is held is dead, and nothing is due', () => {
  const flapper = new Flapper();
  flapper.show('alive');
  flapper.flap(10);
  flapper.show('dead');
  flapper.show('alive');
  assert.notEqual(flapper.board.deadline(), Number.POSITIVE_INFINITY);
  flapper.show('dead');
  assert.equal(flapper.board.deadline(), Number.POSITIVE_INFINITY);
});

test('a change of bits shows, of a member that is held too', () => {
  const { board } = new Flapper();
  assert.ok(board.show(node, 'alive', false, 1 as Instant));
  assert.ok(!board.show(node, 'alive', false, 1 as Instant));
  assert.equal(board.of(nodeIdOf('stranger')), 'dead');
});
